"""Sockets spoken by hand: what no well-behaved client library would send, or leave unread."""

import asyncio
import base64
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from service_desk.domain.views import LIVE_SCHEMA
from tests.e2e.console import Console
from tests.e2e.world import World

PING, PONG = "2", "3"


class Raw:
    """A WebSocket to /live or /chat. `heard` is every text that ever arrived, as it came."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.heard: list[str] = []
        self.answers_pings = True
        self.closed = asyncio.Event()
        self._something = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionError):
            async for message in self.ws:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                self.heard.append(message.data)
                self._something.set()
                if message.data == PING and self.answers_pings:
                    await self.ws.send_str(PONG)
        self.closed.set()
        self._something.set()

    async def send(self, packet: str | bytes) -> None:
        """A packet as it stands; one that is not taken any more is no error."""
        with contextlib.suppress(ConnectionError):
            await (self.ws.send_bytes(packet) if isinstance(packet, bytes) else self.ws.send_str(packet))

    async def hear(self, start: str, within_s: float = 5.0) -> str:
        """The first text that starts so."""
        async with asyncio.timeout(within_s):
            while True:
                for text in self.heard:
                    if text.startswith(start):
                        return text
                assert not self.closed.is_set(), f"closed before {start!r}: {self.heard}"
                self._something.clear()
                await self._something.wait()

    async def sign_in(self, auth: Any = None) -> str:
        """Open the namespace; the answer (40... or 44...)."""
        await self.hear("0")
        await self.send("40" + json.dumps({"schema": LIVE_SCHEMA} if auth is None else auth))
        return await self.hear("4")

    async def ask(self, number: int, *event: Any) -> Any:
        """An event with an acknowledgement; its answer."""
        await self.send(f"42{number}{json.dumps(event)}")
        return json.loads((await self.hear(f"43{number}["))[2 + len(str(number)) :])[0]

    def events(self, name: str) -> list[Any]:
        """Bodies of the events of a name, in order."""
        found = [json.loads(text[2:]) for text in self.heard if text.startswith("42[")]
        return [event[1] for event in found if event[0] == name]

    def count(self, name: str) -> int:
        """How many events of a name there were: cheaper than reading them."""
        return sum(text.startswith(f'42["{name}"') for text in self.heard)

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self.ws.close()


@contextlib.asynccontextmanager
async def raw(
    desk: World,
    path: str = "live",
    *,
    http: aiohttp.ClientSession | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Raw]:
    """A connection, so far with nothing said on it. `http` brings a signed-in browser's cookies."""
    url = f"{desk.base}/{path}/?EIO=4&transport=websocket"
    asked = {"Origin": desk.base} if headers is None else headers
    session = http or desk.http
    async with session.ws_connect(url, headers=asked, max_msg_size=0, autoping=True) as ws:
        one = Raw(ws)
        try:
            yield one
        finally:
            await one.close()


class Deaf:
    """A signed-in client with a tiny receive buffer that reads nothing after it was let in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ended(self, within_s: float) -> None:
        """Read on until the server has closed the connection."""
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]  # a socket's transport can
        async with asyncio.timeout(within_s):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(1 << 20):
                    pass

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def deaf(desk: World, one: Console) -> Deaf:
    """Sign in with the cookies of a console, hear the first answer, and stop reading."""
    where = urlsplit(desk.base)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    assert where.hostname is not None
    await asyncio.get_running_loop().sock_connect(sock, (where.hostname, where.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    cookies = one._http.cookie_jar.filter_cookies(URL(desk.base))
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
    writer.write(
        f"GET /live/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {where.netloc}\r\nOrigin: {desk.base}\r\n"
        f"Cookie: {cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_masked("40" + json.dumps({"schema": LIVE_SCHEMA})))
    await reader.readuntil(b"40{")
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport can
    return Deaf(reader, writer)


def _masked(text: str) -> bytes:
    data, mask = text.encode(), os.urandom(4)
    assert len(data) < 126
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    return bytes([0x81, 0x80 | len(data)]) + mask + body
