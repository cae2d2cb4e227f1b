"""A load balancer of the simplest kind: each request goes to the next node, sockets go to the nodes themselves."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence

import aiohttp
from aiohttp import web

HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "host"})
BODY_BYTES = 1 << 20


class Balancer:
    """Round robin over the nodes; one that refuses the connection is passed over, as a proxy does."""

    def __init__(self, nodes: Sequence[str], http: aiohttp.ClientSession) -> None:
        self._nodes = nodes
        self._next = itertools.count()
        self._http = http
        self.passed_on: dict[str, int] = dict.fromkeys(nodes, 0)

    async def pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        for _ in self._nodes:
            node = self._nodes[next(self._next) % len(self._nodes)]
            with contextlib.suppress(aiohttp.ClientConnectorError):
                return await self._ask(node, request, headers, body)
        return web.Response(status=502)

    async def _ask(
        self, node: str, request: web.Request, headers: list[tuple[str, str]], body: bytes
    ) -> web.Response:
        url = f"{node}{request.raw_path}"
        async with self._http.request(
            request.method, url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            self.passed_on[node] += 1
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


@contextlib.asynccontextmanager
async def balancing(port: int, nodes: Sequence[str]) -> AsyncIterator[Balancer]:
    """On this port of the loopback address."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as http:
        balancer = Balancer(nodes, http)
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_route("*", "/{tail:.*}", balancer.pass_on)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield balancer
        finally:
            await runner.cleanup()
