"""Socket.IO servers as we want them: websocket only, exact origins, small messages, no compression, our JSON."""

import json
from typing import Any

import engineio.async_drivers.aiohttp as driver
import socketio
from aiohttp import web
from pydantic_core import to_json

PING_INTERVAL_S = 5
PING_TIMEOUT_S = 5
QUEUE_EVENTS = 256
"""Packets that may wait for one client; one that has more is cut off and starts again with a snapshot."""


class Json:
    """Models go out as they are; text comes in with the standard library's parser."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return to_json(value).decode()

    @staticmethod
    def loads(text: str, **_: Any) -> Any:
        return json.loads(text)


def make_server(*, max_message_bytes: int) -> socketio.AsyncServer:
    """A server on aiohttp; origins are checked by the connect handlers, which know more than a list."""
    return socketio.AsyncServer(
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


def waiting(server: socketio.AsyncServer, sid: str, namespace: str = "/") -> int:
    """Packets queued for a client; a client that is gone has none."""
    eio_sid = server.manager.eio_sid_from_sid(sid, namespace)
    socket = server.eio.sockets.get(eio_sid)
    return socket.queue.qsize() if socket is not None else 0


async def cut(server: socketio.AsyncServer, sid: str, namespace: str = "/") -> None:
    """Drop a client that does not read, without waiting for it."""
    eio_sid = server.manager.eio_sid_from_sid(sid, namespace)
    socket = server.eio.sockets.get(eio_sid)
    if socket is not None:
        await socket.close(wait=False, abort=True)
