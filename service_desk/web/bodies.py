"""Reading a request's body within bounds of size and time."""

import asyncio

from aiohttp import web

from service_desk.errors import TooLarge
from service_desk.web.problems import BadRequest, BodyTimeout, UnsupportedMedia

REQUEST_LINE_BYTES = 65_536
"""So that a search for 10,000 characters, written as %C3%BC, gets an answer that says what is wrong with it."""


async def read_body(request: web.Request, most_bytes: int, within_s: float) -> bytes:
    """The whole body. Refuses encoded ones (they may unpack to anything), large, slow and broken ones."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMedia("Send the body as it is, without Content-Encoding.", field="Content-Encoding")
    if (request.content_length or 0) > most_bytes:
        raise _too_large(most_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > most_bytes:
                    raise _too_large(most_bytes)
    except TimeoutError:
        raise BodyTimeout(f"The body did not arrive within {within_s:g} seconds.") from None
    except (web.RequestPayloadError, ConnectionResetError):
        raise BadRequest("The body broke off or is not what its headers say.") from None
    return bytes(body)


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"The body is too large: at most {most_bytes} bytes fit here.", most_bytes=most_bytes)
