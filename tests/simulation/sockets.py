"""Socket.IO without packets: events go from one side's call to the other side's handler, in order, after a moment.

`SocketServer` and `SocketClient` stand in the places of python-socketio's. A session ends when a side leaves, vanishes
or dies; the desk hears of it as it would: at once, or when the pings stay out.
"""

import asyncio
import contextvars
import json
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import aiohttp
import socketio.exceptions
from aiohttp import web
from multidict import CIMultiDict

from service_desk.realtime import engine
from tests.simulation.loop import PROCESS
from tests.simulation.network import WORLD, HttpClient, Network, make_request, pass_on

SOCKET_S = 0.002
"""One way of a packet on an open socket; the same for all, so that they stay in order."""


class SocketServer:
    """In the place of service_desk.realtime.engine.Server: sessions, rooms and events, without packets."""

    def __init__(self, **_: Any) -> None:
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._clients: dict[str, SocketClient] = {}
        self._rooms: dict[str, dict[str, None]] = {}
        self._context = contextvars.copy_context()
        self._count = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self.manager = self

    def on(self, name: str, handler: Callable[..., Any]) -> None:
        self._handlers[name] = handler

    def attach(self, app: web.Application, socketio_path: str) -> None:
        app[SOCKETS][socketio_path] = self

    # --- what the desk says -----------------------------------------------------------------------------------

    async def emit(self, event: str, body: Any, to: str | None = None, room: str | None = None) -> None:
        everybody = self._clients if room is None else self._rooms.get(room, ())
        sids = list(everybody) if to is None else [to]
        text = engine.Json.dumps(body)
        for sid in sids:
            if sid in self._clients:
                self._clients[sid].deliver(event, json.loads(text))

    async def tell(self, sid: str, event: str, body: Any) -> None:
        await self.emit(event, body, to=sid)

    async def enter_room(self, sid: str, room: str) -> None:
        self._rooms.setdefault(room, {})[sid] = None

    async def leave_room(self, sid: str, room: str) -> None:
        self._rooms.get(room, {}).pop(sid, None)

    def get_participants(self, _namespace: str, room: str) -> list[tuple[str, str]]:
        return [(sid, sid) for sid in self._rooms.get(room, ())]

    def is_stuck(self, _sid: str) -> bool:
        return False

    async def dismiss(self, sid: str) -> None:
        await self._leave(sid, "server disconnect")

    async def shutdown(self) -> None:
        """No task of its own."""

    # --- what clients do --------------------------------------------------------------------------------------

    async def admit(self, client: "SocketClient", request: web.Request, auth: Any) -> str:
        """Open a session; ConnectionRefusedError where the desk refuses it."""
        self._count += 1
        sid = f"{id_of(PROCESS.get())}-{self._count}"
        await self._handlers["connect"](sid, {"aiohttp.request": request}, auth)
        self._clients[sid] = client
        return sid

    async def handle(self, sid: str, event: str, body: Any) -> Any:
        answer = await self._handlers[event](sid, body)
        return json.loads(engine.Json.dumps(answer))

    async def _leave(self, sid: str, reason: str) -> None:
        client = self._clients.pop(sid, None)
        for room in self._rooms.values():
            room.pop(sid, None)
        if client is not None:
            client.cut_off()
            await self._handlers["disconnect"](sid, reason)

    def gone(self, sid: str, reason: str) -> None:
        """A client is not there any more; the desk hears of it in its own process."""
        _ = self.start(self._leave(sid, reason))

    def start(self, work: Any) -> "asyncio.Task[Any]":
        """Run a handler in the server's process."""
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def die(self) -> None:
        for client in self._clients.values():
            client.cut_off()
        self._clients.clear()


SOCKETS: web.AppKey[dict[str, SocketServer]] = web.AppKey("sockets", dict)


def id_of(process: Any) -> str:
    return getattr(process, "name", "world")


class SocketClient:
    """In the place of socketio.AsyncClient."""

    def __init__(self, network: Network, http_session: HttpClient, **_: Any) -> None:
        self._network = network
        self._http = http_session
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._server: SocketServer | None = None
        self._calls: dict[asyncio.Future[Any], None] = {}
        self._inbox: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._reader: asyncio.Task[None] | None = None
        self._sid = ""

    def on(self, name: str, handler: Callable[..., Any]) -> None:
        self._handlers[name] = handler

    async def connect(
        self, url: str, socketio_path: str, auth: Any, headers: Mapping[str, str], **_: Any
    ) -> None:
        await asyncio.sleep(self._network.latency())
        try:
            node = self._network.pick(url)
        except aiohttp.ClientConnectionError as error:
            raise socketio.exceptions.ConnectionError("refused") from error
        server = node.sockets[socketio_path]
        sent: CIMultiDict[str] = CIMultiDict(headers)
        self._http.add_cookies(sent)
        self._server = server
        request = make_request(node.app, "GET", f"{url}/{socketio_path}/", sent)
        request._match_info = SimpleNamespace(current_app=node.app, apps=(node.app,))  # type: ignore[assignment]  # what `request.app` asks for
        answer = self._asked(server, server.admit(self, request, auth))
        try:
            self._sid = await answer
        except socketio.exceptions.ConnectionRefusedError as error:
            self._server = None
            raise socketio.exceptions.ConnectionError(str(error.error_args)) from error
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def call(self, event: str, data: Any = None, timeout: float = 60) -> Any:  # noqa: ASYNC109 - socketio's name
        server = self._server
        if server is None:
            raise socketio.exceptions.BadNamespaceError("not connected")
        async with asyncio.timeout(timeout):
            await asyncio.sleep(self._network.latency())
            if self._server is not server:  # it closed on the way
                raise socketio.exceptions.DisconnectedError
            answer = await self._asked(server, server.handle(self._sid, event, data))
            await asyncio.sleep(self._network.latency())
            if event == "open" and answer.get("ok"):
                self._network.opened.add(answer["chat"]["chat_id"])
            return answer

    async def disconnect(self) -> None:
        """Say goodbye."""
        server, self._server = self._server, None
        if server is not None:
            server.gone(self._sid, "client disconnect")
        self._stop_reading()

    def vanish(self) -> None:
        """The browser crashed: the desk hears of it when the pings stay out."""
        server, self._server = self._server, None
        if server is not None:
            loop = asyncio.get_running_loop()
            after = engine.PING_INTERVAL_S + engine.PING_TIMEOUT_S
            loop.call_later(after, server.gone, self._sid, "ping timeout", context=server._context.copy())
        self._inbox.put_nowait(("disconnect", "crash"))

    def _asked(self, server: SocketServer, work: Any) -> "asyncio.Future[Any]":
        """Run in the server's process; an answer that breaks when the process dies."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[answer] = None
        answer.add_done_callback(lambda done: self._calls.pop(done, None))
        server.start(work).add_done_callback(partial(pass_on, answer))
        return answer

    # --- what the server does ---------------------------------------------------------------------------------

    def deliver(self, event: str, body: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(SOCKET_S, self._inbox.put_nowait, (event, body), context=WORLD)

    def cut_off(self) -> None:
        """The connection broke, or the server closed it."""
        if self._server is None:
            return
        self._server = None
        for answer in list(self._calls):
            if not answer.done():
                answer.set_exception(socketio.exceptions.DisconnectedError())
        self._calls.clear()
        self.deliver("disconnect", "transport close")

    async def _read(self) -> None:
        while True:
            event, body = await self._inbox.get()
            if event == "disconnect":
                if event in self._handlers:
                    await self._handlers[event](body)
                return
            if event in self._handlers:
                await self._handlers[event](body)

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
