"""The demo only: the pretend carrier's control API on our own origin, streamed as it comes.

Only what is named here passes, in both directions: no cookie of ours reaches the carrier, and a page cannot
tell it where to send its webhooks.
"""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from service_desk.errors import NotFound, Unavailable
from service_desk.web.bodies import read_body
from service_desk.web.keys import SETTINGS
from service_desk.web.security import UNSAFE, require_own_page

PATH = "/simulator-api/{tail:.*}"
REQUEST_HEADERS = ("Accept", "Authorization", "Content-Type", "Last-Event-ID")
RESPONSE_HEADERS = ("Content-Type", "Cache-Control")
NOT_FOR_PAGES = frozenset({"routes"})

CLIENT: web.AppKey[aiohttp.ClientSession] = web.AppKey("simulator_client", aiohttp.ClientSession)
STREAMS: web.AppKey[set[asyncio.Task[object]]] = web.AppKey("simulator_streams", set)


def add_simulator(app: web.Application) -> None:
    """Register the proxy; open streams end when the server stops."""
    app[STREAMS] = set()
    app.cleanup_ctx.append(_client)
    app.on_shutdown.append(_end_streams)
    app.router.add_route("*", PATH, pass_on)


async def _client(app: web.Application) -> AsyncIterator[None]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=app[SETTINGS].limits.proxy_connect_s)
    async with aiohttp.ClientSession(
        timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as client:
        app[CLIENT] = client
        yield


async def _end_streams(app: web.Application) -> None:
    for task in app[STREAMS]:
        task.cancel()


async def pass_on(request: web.Request) -> web.StreamResponse:
    """One request to the carrier and its answer back, piece by piece."""
    tail = request.match_info["tail"].strip("/")
    if tail in NOT_FOR_PAGES or ".." in tail.split("/"):
        raise NotFound("There is nothing at this address.")
    if request.method in UNSAFE:
        require_own_page(request)
    settings = request.app[SETTINGS]
    body = await read_body(request, settings.limits.proxy_body_bytes, settings.limits.body_read_s)
    target = request.rel_url.with_path(f"/control/{tail}", keep_query=True)
    headers = {name: request.headers[name] for name in REQUEST_HEADERS if name in request.headers}
    task = asyncio.current_task()
    assert task is not None, "a handler runs in a task"
    request.app[STREAMS].add(task)
    try:
        async with request.app[CLIENT].request(
            request.method,
            f"{settings.simulator.url}{target}",
            headers=headers,
            data=body or None,
            allow_redirects=False,
        ) as upstream:
            return await _stream(request, upstream)
    except aiohttp.ClientError:
        raise Unavailable("The simulated carrier does not answer: is it running?") from None
    finally:
        request.app[STREAMS].discard(task)


async def _stream(request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    """Every piece goes on at once: an event stream must not wait for a buffer to fill."""
    headers = {name: upstream.headers[name] for name in RESPONSE_HEADERS if name in upstream.headers}
    response = web.StreamResponse(status=upstream.status, headers=headers)
    await response.prepare(request)
    try:
        async for piece in upstream.content.iter_any():
            await response.write(piece)
    except (aiohttp.ClientError, ConnectionError):
        response.force_close()  # either end has gone: the other sees a stream that broke off
        return response
    await response.write_eof()
    return response
