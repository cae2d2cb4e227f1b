"""A chat's visitor, as the widget is one: reconnects with its token, and says again what got no answer."""

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

from tests.chaos.ledger import Ledger

ANSWER_S = 5.0
AGAIN_S = 0.2
AWAY = (SocketIOError, aiohttp.ClientError, TimeoutError, OSError)


class Visitor:
    """One page. `over` is set when the run ends: from then on nothing is tried again."""

    def __init__(self, base: str, widget: str, ledger: Ledger, over: asyncio.Event) -> None:
        self._base = base
        self._widget = widget
        self._ledger = ledger
        self._over = over
        self._token: str | None = None
        self._http = aiohttp.ClientSession()
        self._io: socketio.AsyncClient | None = None
        self._state = "waiting"
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._hang_up()
        finally:
            await self._http.close()

    async def say(self, event: str, key: str, text: str) -> bool:
        """Say something under a key until it is answered; whether the desk kept it. `event`: open, say."""
        channel = "chat" if event == "open" else "line"
        while True:
            self._ledger.sent(channel, key, text.encode(), text=text)
            answer = await self._ask(event, {"key": key, "text": text})
            if answer is not None:
                code = None if answer["ok"] else answer["error"]["code"]
                self._ledger.answered(channel, key, 200 if code is None else 409, code=code)
                return code is None
            self._ledger.answered(channel, key, 0)
            if await self._pause():
                return False

    async def close_chat(self) -> None:
        """Leave, once: an agent or the idle timer ends what is left."""
        await self._ask("close", {})

    async def ended(self, over: asyncio.Event, within_s: float) -> bool:
        """Whether somebody ended the chat within this time."""
        deadline = asyncio.get_running_loop().time() + within_s
        while self._state not in ("ended", "offline") and not over.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(left, 0.2))
        return self._state in ("ended", "offline")

    async def _pause(self) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), AGAIN_S)
        return self._over.is_set()

    async def _ask(self, event: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to an event; None when the desk is away."""
        try:
            io = await self._connected()
            answer: dict[str, Any] = await io.call(event, body, timeout=ANSWER_S)
        except AWAY:
            await self._hang_up()
            return None
        return answer

    async def _connected(self) -> socketio.AsyncClient:
        if self._io is not None and self._io.connected:
            return self._io
        await self._hang_up()
        io = self._io = socketio.AsyncClient(reconnection=False, http_session=self._http)
        welcomed = asyncio.Event()

        async def chat(view: dict[str, Any]) -> None:
            self._token = view["token"]
            self._look(view.get("status"))
            welcomed.set()

        async def status(view: dict[str, Any]) -> None:
            self._look(view)

        io.on("chat", chat)
        io.on("status", status)
        auth = {"widget": self._widget} | ({"token": self._token} if self._token else {})
        headers = {"Origin": self._base}
        await io.connect(
            self._base,
            socketio_path="chat",
            transports=["websocket"],
            auth=auth,
            headers=headers,
            wait_timeout=5,
        )
        await asyncio.wait_for(welcomed.wait(), ANSWER_S)
        return io

    def _look(self, status: dict[str, Any] | None) -> None:
        if status is not None:
            self._state = status["state"]
            self._changed.set()

    async def _hang_up(self) -> None:
        io, self._io = self._io, None
        if io is not None and io.connected:
            with contextlib.suppress(*AWAY):
                await io.disconnect()
