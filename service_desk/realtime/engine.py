"""Socket.IO servers as we want them: websocket only, exact origins, small messages, no compression, our JSON."""

import asyncio
import json
from typing import Any

import engineio.async_drivers.aiohttp as driver
import socketio
import structlog
from aiohttp import web
from prometheus_client import Counter
from pydantic_core import to_json

from service_desk.realtime.clients import Clients
from service_desk.realtime.turnstile import Turnstile

PING_INTERVAL_S = 5
PING_TIMEOUT_S = 5
QUEUE_EVENTS = 256
QUEUE_BYTES = 1_000_000
"""What may wait for one client; one that has more is cut off and starts again with a snapshot."""
QUEUE_FEW = 16
"""So few packets are never too many: one large snapshot over a slow line is no sign of a stuck client."""
STRANGER_S = 10.0
"""How long a connection may stay open without a session of ours on it."""
LEAVING_AT_ONCE = 8
"""Connections whose end is worked on in one turn of the loop, each for some 0.3 ms; a proxy that restarts cuts all."""
FAREWELL_S = 1.0
"""How long a client may take to close a connection after we closed our side."""
BINARY = "56"
"""First characters of packets that announce binary parts; nobody of ours sends any."""

log = structlog.get_logger(__name__)


class Json:
    """Models go out as they are; text comes in with the standard library's parser."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return to_json(value).decode()

    @staticmethod
    def loads(text: str, **_: Any) -> Any:
        return json.loads(text)


class Server(socketio.AsyncServer):  # type: ignore[misc]  # socketio has no types
    """Socket.IO that ends connections for good.

    By itself it keeps the WebSocket of a client that was refused, disconnected, talks nonsense or does not read: for
    as long as that client likes.
    """

    def __init__(self, cut_off: Counter, **options: Any) -> None:
        super().__init__(client_manager=Clients(), **options)
        self._cut_off = cut_off
        self._leaving = Turnstile(LEAVING_AT_ONCE)

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        self._expect(eio_sid)

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        await super()._handle_connect(eio_sid, namespace, data)
        if eio_sid not in self.environ:  # it closed while it was let in, when there was nothing to end yet
            await self._handle_disconnect(eio_sid, namespace)
        self._expect(eio_sid)

    async def _handle_disconnect(self, eio_sid: str, namespace: str | None, reason: Any = None) -> None:
        await super()._handle_disconnect(eio_sid, namespace, reason)
        self._expect(eio_sid)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: Any) -> None:
        if reason in (self.reason.TRANSPORT_CLOSE, self.reason.TRANSPORT_ERROR):  # else somebody waits for it
            await self._leaving.through()
        transport = self.transport(eio_sid)
        await super()._handle_eio_disconnect(eio_sid, reason)
        if transport is not None:
            asyncio.get_running_loop().call_later(FAREWELL_S, transport.abort)

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        """Whatever cannot be read is answered by hanging up."""
        try:
            if not isinstance(data, str) or data[:1] in BINARY:
                raise ValueError("binary")  # noqa: TRY301 - as every other nonsense
            await super()._handle_eio_message(eio_sid, data)
        except Exception as error:  # noqa: BLE001 - nothing that a stranger sends may do more than end their connection
            log.warning("socket hung up", error=type(error).__name__)
            await self.hang_up(eio_sid)

    def _expect(self, eio_sid: str) -> None:
        """Look after a while whether somebody is signed in on this connection."""
        if not self.is_known(eio_sid):
            asyncio.get_running_loop().call_later(STRANGER_S, self._cut_stranger, eio_sid)

    def _cut_stranger(self, eio_sid: str) -> None:
        transport = self.transport(eio_sid)
        if transport is not None and not self.is_known(eio_sid):
            transport.abort()

    def is_known(self, eio_sid: str) -> bool:
        """Whether a session of ours is on this connection."""
        return self.manager.sid_from_eio_sid(eio_sid, "/") is not None

    def transport(self, eio_sid: str) -> asyncio.Transport | None:
        """The connection itself; None if it is gone."""
        environ = self.environ.get(eio_sid)
        transport: asyncio.Transport | None = environ["aiohttp.request"].transport if environ else None
        return transport

    async def hang_up(self, eio_sid: str | None, *, at_once: bool = False) -> None:
        """Close a connection: what waits for the client is still sent unless `at_once`, but not waited for."""
        socket = self.eio.sockets.get(eio_sid)
        if socket is None or eio_sid is None:
            return
        transport = self.transport(eio_sid)
        await socket.close(wait=False, abort=at_once)
        if at_once and transport is not None:
            transport.abort()

    async def dismiss(self, sid: str) -> None:
        """End a client's session and its connection."""
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        await self.disconnect(sid)
        await self.hang_up(eio_sid)

    async def tell(self, sid: str, event: str, body: Any) -> None:
        """Emit to one client; one that does not read is cut off instead."""
        if self.is_stuck(sid):
            log.warning("socket does not read", sid=sid)
            await self.cut_off(self.manager.eio_sid_from_sid(sid, "/"))
        else:
            await self.emit(event, body, to=sid)

    async def cut_off(self, eio_sid: str | None) -> None:
        """End the connection of a client that does not read."""
        self._cut_off.inc()
        await self.hang_up(eio_sid, at_once=True)

    def is_stuck(self, sid: str) -> bool:
        """Whether more waits for the client than may."""
        socket = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, "/"))
        packets = socket.queue.qsize() if socket is not None else 0
        if packets <= QUEUE_FEW:
            return False
        waiting = (packet.data for packet in socket.queue._queue if packet is not None)  # noqa: SLF001 - no public way
        return packets > QUEUE_EVENTS or sum(len(data) for data in waiting if data) > QUEUE_BYTES


def make_server(*, max_message_bytes: int, cut_off: Counter) -> Server:
    """A server on aiohttp; origins are checked by the gate and the connect handlers, which know more than a list."""
    return Server(
        cut_off,
        async_mode="aiohttp",
        transports=["websocket"],
        cors_allowed_origins=[],
        max_http_buffer_size=max_message_bytes,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        http_compression=False,
        json=Json,
        logger=False,
        engineio_logger=False,
    )


def set_compression(*, on: bool) -> None:
    """Engine.IO compresses every WebSocket with no switch: 195 kB a client instead of 34, and twice the time."""

    class Socket(driver.WebSocket):  # type: ignore[misc]  # the driver has no types
        async def __call__(self, environ: dict[str, Any]) -> Any:
            request: web.Request = environ["aiohttp.request"]
            self._sock = web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size, compress=on)
            await self._sock.prepare(request)
            self.environ = environ
            await self.handler(self)
            return self._sock

    driver._async["websocket"] = Socket  # noqa: SLF001 - the only place where it can be set; engineio < 5 is pinned for it
