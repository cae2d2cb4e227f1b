"""A console's connection as the browser keeps it, on a bare TCP socket: so cheap that one process holds thousands.

Speaks as much WebSocket and Engine.IO as the desk's own server does: text in one frame, no extensions. It follows
`agent_ui/src/live/sync.ts`: the same waits between tries, the position in the handshake, a replay for a gap.
"""

import asyncio
import base64
import json
import os
import re
import socket
import struct
import time
from collections.abc import Callable
from random import Random
from typing import Any, cast
from urllib.parse import urlsplit

from service_desk.domain.views import LIVE_SCHEMA

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 10.0
SILENCE_S = 10.0
"""The server pings every 5 s and allows 5 s more: a client that hears nothing for so long tries again."""
CONNECT_S = 20.0
"""How long the browser's library waits for a connection to be taken."""
STATE = re.compile(r'42\["(?:snapshot|frame)",\{(?:"prev":(\d+),)?"position":(\d+)')
REPLAY = re.compile(r'43\d+\[\{"(?:snapshot|frame)":\{(?:"prev":(\d+),)?"position":(\d+)')
NO_MASK = bytes(4)
"""A client has to mask what it sends; with zeros there is nothing to compute."""


def backoff_s(attempt: int, chance: Random) -> float:
    """Seconds before the nth try, from 0: as `backoff` in sync.ts."""
    longest: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(attempt, 10))
    return longest * (0.1 + chance.random() * 0.9)


def masked(text: str) -> bytes:
    """A text frame of a client."""
    data = text.encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack(">BH", 0x80 | 126, len(data))
    return b"\x81" + length + NO_MASK + data


class ConsoleSocket(asyncio.Protocol):
    """One connection; says what it hears to its console."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self.upgraded = False
        self._buffer = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.transport.write(self._console.handshake())

    def send(self, text: str) -> None:
        """A text frame; on a closed connection nothing happens."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(masked(text))

    def data_received(self, data: bytes) -> None:
        self._console.heard_at = time.perf_counter()
        self._buffer += data
        if not self.upgraded and not self._upgrade():
            return
        while (text := self._next_text()) is not None:
            self._console.hear(text)

    def connection_lost(self, _error: Exception | None) -> None:
        self._console.lost(self)

    def _upgrade(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = bytes(self._buffer[9:12])
        del self._buffer[: end + 4]
        if status != b"101":
            self._console.note(f"handshake {status.decode(errors='replace')}")
            if self.transport is not None:
                self.transport.abort()
            return False
        self.upgraded = True
        return True

    def _next_text(self) -> str | None:
        """The next whole text frame; a frame that closes ends the connection."""
        while True:
            buffer = self._buffer
            if len(buffer) < 2:
                return None
            length, start = buffer[1] & 0x7F, 2
            if length == 126:
                start = 4
                length = int.from_bytes(buffer[2:4], "big")
            elif length == 127:
                start = 10
                length = int.from_bytes(buffer[2:10], "big")
            if len(buffer) < start or len(buffer) < start + length:
                return None
            kind, body = buffer[0] & 0x0F, bytes(buffer[start : start + length])
            del buffer[: start + length]
            if kind == 1:
                return body.decode()
            if kind == 8 and self.transport is not None:
                self.transport.close()
                return None


class Console:
    """An agent's console without a screen: it keeps its position and comes back when its connection is lost."""

    def __init__(
        self,
        login: str,
        token: str,
        csrf: str,
        *,
        chance: Random,
        note: Callable[[str], None],
        offered: "Callable[[Console, dict[str, Any], float], None]",
    ) -> None:
        self.login = login
        self.csrf = csrf
        self.cookie = f"desk_session={token}"
        self.note = note
        self.position: int | None = None
        self.state_at = 0.0
        """When the state was whole last after a connection began; 0 while it is not."""
        self.heard_at = 0.0
        self.tries = 0
        self.gaps = 0
        self.framed: Callable[[Console, int, str], None] | None = None
        """Told of every frame that is pushed: with its position, and as text."""
        self._offered = offered
        self._chance = chance
        self._attempt = 0
        self._base = ""
        self._socket: ConsoleSocket | None = None
        self._opening: asyncio.Task[None] | None = None
        self._asking = False
        self._leaving = False
        self._minds_silence = True

    # --- the connection -------------------------------------------------------------------------------------

    def start(self, base: str) -> None:
        """Connect now and stay connected."""
        self._base = base
        self._connect()

    def handshake(self) -> bytes:
        """The request that becomes a WebSocket."""
        host = urlsplit(self._base).netloc
        key = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET /live/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nOrigin: {self._base}\r\n"
            f"Cookie: {self.cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n"
        ).encode()

    def cut(self) -> None:
        """The network is gone at once; what a browser does then follows."""
        if self._socket is not None and self._socket.transport is not None:
            self._socket.transport.abort()

    def leave(self) -> None:
        """For good."""
        self._leaving = True
        self.cut()

    def stop_reading(self) -> None:
        """From now on nothing is taken off the connection, pings neither; only the other side can end it."""
        if self._socket is not None and self._socket.transport is not None:
            self._socket.transport.pause_reading()
            self._minds_silence = False

    def go_on_reading(self) -> None:
        """Read on, if there is still something to read from."""
        transport = self._socket.transport if self._socket is not None else None
        if transport is not None and not transport.is_closing():
            transport.resume_reading()

    def send(self, text: str) -> None:
        """An Engine.IO packet."""
        if self._socket is not None:
            self._socket.send(text)

    def check_silence(self) -> None:
        """As the browser's library: too long without a ping is a lost connection."""
        limit_s = CONNECT_S if self._socket is not None and not self._socket.upgraded else SILENCE_S
        silent_s = time.perf_counter() - self.heard_at
        if self._minds_silence and self._socket is not None and silent_s > limit_s:
            self.note("silence")
            self.cut()

    def lost(self, connection: ConsoleSocket) -> None:
        """The connection ended: again after a while."""
        if self._socket is not connection:
            return
        self._socket = None
        self._later()

    def _later(self) -> None:
        self.state_at, self._asking = 0.0, False
        if self._leaving:
            return
        asyncio.get_running_loop().call_later(backoff_s(self._attempt, self._chance), self._connect)
        self._attempt += 1

    def _connect(self) -> None:
        if self._leaving:
            return
        self.tries += 1
        self._minds_silence = True
        self.heard_at = time.perf_counter()
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        where = urlsplit(self._base)
        assert where.hostname is not None
        assert where.port is not None
        plug = socket.socket()
        plug.setblocking(False)
        self._socket = connection = ConsoleSocket(self)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(plug, (where.hostname, where.port))
            await loop.create_connection(lambda: connection, sock=plug)
        except OSError:
            plug.close()
            self._socket = None
            self._later()

    # --- what it hears --------------------------------------------------------------------------------------

    def hear(self, text: str) -> None:
        """A packet of the server's."""
        if text == "2":
            self.send("3")
        elif text.startswith("42["):
            self._event(text)
        elif text.startswith("43"):
            self._asking = False
            self._state(REPLAY.match(text))
        elif text[0] == "0":
            auth = {"schema": LIVE_SCHEMA} | ({} if self.position is None else {"position": self.position})
            self.send("40" + json.dumps(auth))
        elif text.startswith("44"):
            self.note(f"refused {text[:60]}")
            self.cut()

    def _event(self, text: str) -> None:
        found = STATE.match(text)
        if found is not None:
            self._state(found)
            if self.framed is not None and text.startswith('42["frame"'):
                self.framed(self, int(found[2]), text)
            if '"offer.made"' in text and text.startswith('42["frame"'):
                self._offered(self, json.loads(text[2:])[1], time.perf_counter())
        elif text.startswith('42["resync"'):
            self._replay()
        elif text.startswith('42["bye"'):
            self.note(f"bye {text[10:60]}")

    def _state(self, found: re.Match[str] | None) -> None:
        if found is None:
            self.note("an answer without a state")
            return
        prev, position = found[1], int(found[2])
        if prev is not None and (self.position is None or int(prev) > self.position):
            self.gaps += 1
            self._replay()
            return
        self.position = position if prev is None else max(position, self.position or 0)
        if not self._asking:
            self._attempt = 0
            self.state_at = self.state_at or time.perf_counter()

    def _replay(self) -> None:
        if self.position is not None and not self._asking:
            self._asking = True
            self.send(f'420["replay",{{"after":{self.position}}}]')
