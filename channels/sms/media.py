"""Fetches what customers send along, from the provider and nowhere else.

The address came in a signed request, and is still not followed blindly: it must be one of the account's own
messages at the configured API. Our credentials go to that host only. The provider then sends us on to where it
keeps files; such a place must be one of its own, over https.
"""

import re
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from channels.contract import FetchedMedia, SendFailed
from channels.sms.settings import SmsSettings
from channels.twilio_rest import RETRY_AFTER_S

MEDIA_PATH = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}/Media/ME[0-9a-fA-F]{32}")
KEEPERS = (".twilio.com", ".twiliocdn.com", ".amazonaws.com")
"""Hosts to which the provider redirects."""
REDIRECTS = 3
REDIRECTED = frozenset({301, 302, 303, 307, 308})
TIMEOUT = aiohttp.ClientTimeout(total=30.0)
CHUNK = 65_536


class MediaShelf:
    """The media of one account."""

    def __init__(self, settings: SmsSettings) -> None:
        self._base = f"{settings.api_base_url}/2010-04-01/Accounts/{settings.account_sid}/Messages/"
        self._authorization = aiohttp.encode_basic_auth(
            settings.api_key_sid, settings.api_key_secret.get_secret_value()
        )

    async def fetch(self, url: str, max_bytes: int) -> FetchedMedia:
        """The content, at most `max_bytes` of it.

        Raises SendFailed: permanent for a foreign address, for what is gone and for too many bytes, else with
        the time after which to try again. Reading changes nothing, so no outcome is ever unknown.
        """
        if not url.startswith(self._base) or not MEDIA_PATH.fullmatch(url.removeprefix(self._base)):
            raise SendFailed("the attachment's address is not of our account")
        headers = {"Authorization": self._authorization}
        try:
            async with aiohttp.ClientSession(
                timeout=TIMEOUT
            ) as session:  # rare: nothing is kept open between
                for _ in range(REDIRECTS + 1):
                    async with session.get(
                        URL(url, encoded=True), headers=headers, allow_redirects=False
                    ) as response:
                        if response.status not in REDIRECTED:
                            return await _content(response, max_bytes)
                        url, headers = _next_place(url, response.headers.get("Location", "")), {}
        except (TimeoutError, aiohttp.ClientError) as error:
            raise SendFailed("the attachment could not be fetched", RETRY_AFTER_S) from error
        raise SendFailed("the attachment is sent from place to place")


def _next_place(url: str, location: str) -> str:
    try:
        following = urljoin(url, location)
        parts = urlsplit(following)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise SendFailed("the attachment's place cannot be read") from error
    if parts.scheme != "https" or not host.endswith(KEEPERS) or port not in {None, 443}:
        raise SendFailed("the attachment lies at a foreign place")
    return following


async def _content(response: aiohttp.ClientResponse, max_bytes: int) -> FetchedMedia:
    if response.status == 429 or response.status >= 500:
        raise SendFailed(f"the provider answered {response.status}", RETRY_AFTER_S)
    if response.status != 200:
        raise SendFailed(f"the attachment is not there (the provider answered {response.status})")
    content = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        content += chunk
        if len(content) > max_bytes:
            raise SendFailed(f"the attachment has more than {max_bytes} bytes")
    return FetchedMedia(bytes(content), response.content_type)
