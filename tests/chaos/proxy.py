"""A TCP proxy on the loopback address that passes connections on as badly as it is told.

It needs no rights and no firewall: bytes are delayed, held in one direction or both, connections are cut or refused.
What is held is passed on when it is released, so that a stream is late and never wrong. For the two ends a held
connection is half-open: their bytes are taken by a kernel, and nothing comes back.
"""

import asyncio
import contextlib
import enum
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

BLOCK_BYTES = 64 * 1024
RESET = struct.pack("ii", 1, 0)
"""Linger for no time: the kernel then closes with a reset."""
ROUND_S = 0.001
"""A few rounds of the loop: in them transports that were aborted close."""


class Way(enum.Enum):
    """A direction of a connection."""

    OUT = enum.auto()  # from who connected
    BACK = enum.auto()


@dataclass(eq=False, slots=True)
class _Passage:
    """One connection through the proxy."""

    target: int | None
    writers: list[asyncio.StreamWriter]
    over: bool = False

    def abort(self) -> None:
        """End it as a crash does: both ends get a reset."""
        self.over = True
        for writer in self.writers:
            if (far := writer.get_extra_info("socket")) is not None and not writer.transport.is_closing():
                far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


class TcpProxy:
    """`choose` gives the port that a new connection goes to, None to refuse it."""

    def __init__(self, choose: Callable[[], int | None], port: int = 0) -> None:
        self._choose = choose
        self._socket_port = port
        self._server: asyncio.Server | None = None
        self._passages: set[_Passage] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = {way: asyncio.Event() for way in Way}
        self.delay_s = 0.0
        self.passed = dict.fromkeys(Way, 0)
        """Bytes that were passed on, by direction."""
        self.release()

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for passage in list(self._passages):  # of tasks that had not begun
            passage.abort()
        await asyncio.sleep(ROUND_S)

    @property
    def port(self) -> int:
        """Where it listens; the same after `refuse` and `accept`."""
        return self._socket_port

    # --- faults -------------------------------------------------------------------------------------------------

    def hold(self, *ways: Way) -> None:
        """Let nothing through, in these directions or in both: connections are half-open."""
        for way in ways or Way:
            self._open[way].clear()

    def release(self) -> None:
        """Pass on what was held, and what comes from now on."""
        for gate in self._open.values():
            gate.set()

    def cut(self, target: int | None = None) -> None:
        """Reset every connection, or those to one port. New ones may be made."""
        for passage in list(self._passages):
            if target in {None, passage.target}:
                passage.abort()

    async def refuse(self) -> None:
        """Close the port and reset every connection, as when nobody listens."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        await asyncio.sleep(ROUND_S)

    async def accept(self) -> None:
        """Listen (again)."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self._socket_port))
        self._socket_port = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._take, sock=listening)

    # --- connections ----------------------------------------------------------------------------------------------

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passage = _Passage(self._choose(), [writer])
        self._passages.add(passage)
        task = asyncio.get_running_loop().create_task(self._pass(passage, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, passage: _Passage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            if passage.target is None:
                return
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", passage.target)
                passage.writers.append(far_writer)
                if passage.over:  # cut while it was being made
                    return
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(Way.OUT, reader, far_writer, passage))
                    both.create_task(self._pump(Way.BACK, far_reader, writer, passage))
        finally:
            passage.abort()
            self._passages.discard(passage)

    async def _pump(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passage: _Passage
    ) -> None:
        try:
            while data := await reader.read(BLOCK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._open[way].wait()
                writer.write(data)
                await writer.drain()
                self.passed[way] += len(data)
            writer.write_eof()
        except (
            OSError,
            RuntimeError,
        ):  # an end is gone; RuntimeError: the transport was aborted before the end
            passage.abort()
