"""Who may open a socket at all: exact origins and bounded numbers, before anything is upgraded."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from service_desk.realtime.door import Door, leave

SOCKETS = 6_000
SOCKETS_PER_ADDRESS = 3_000
"""A whole call centre may sit behind one address."""

Allowed = Callable[[str], Awaitable[bool]]

log = structlog.get_logger(__name__)


class SocketGate:
    """A middleware for the socket paths; a socket's request lasts as long as the socket, so it can be counted."""

    def __init__(
        self,
        allowed: dict[str, Allowed],
        address_of: Callable[[web.Request], str],
        doors: Mapping[str, Door] | None = None,
    ) -> None:
        self._allowed = allowed
        self._doors = doors or {}
        self._address_of = address_of
        self._open: Counter[str] = Counter()

    def install(self, app: web.Application) -> None:
        """Stand before the handlers of the paths."""

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            allowed = self._allowed.get(request.path.strip("/"))
            return await handler(request) if allowed is None else await self._admit(request, handler, allowed)

        app.middlewares.append(gate)

    async def _admit(self, request: web.Request, handler: Handler, allowed: Allowed) -> web.StreamResponse:
        address = self._address_of(request)
        if not await allowed(request.headers.get("Origin", "")):
            return web.Response(status=403, text="This page may not open a socket here.")
        if self._open.total() >= SOCKETS or self._open[address] >= SOCKETS_PER_ADDRESS:
            log.warning("too many sockets", sockets=self._open.total())
            return web.Response(status=503, text="Too many sockets are open: try again later.")
        self._open[address] += 1
        try:
            door = self._doors.get(request.path.strip("/"))
            if door is not None:
                await door.enter(request)
            return await handler(request)
        finally:
            leave(request)
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]
