"""The virtual loop: time that jumps, connections in memory, and processes that die without a word."""

import asyncio
import contextvars
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from service_desk.clock import HOUR, SECOND
from tests.simulation.loop import PROCESS, SimulatedClock, Stuck, VirtualLoop


@dataclass(eq=False)
class Process:
    dead: bool = False

    def run(self, loop: VirtualLoop, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        return loop.create_task(work, context=context)


def run(work: Any) -> Any:
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work(loop))
    finally:
        loop.close()


def test_an_hour_passes_at_once_and_to_the_microsecond() -> None:
    async def work(loop: VirtualLoop) -> float:
        clock = SimulatedClock(loop)
        begun = clock.now()
        await clock.sleep_until(begun + HOUR + 1)
        assert clock.now() == begun + HOUR + 1
        return loop.time()

    started = time.monotonic()
    assert run(work) == 3600.000001
    assert time.monotonic() - started < 5


def test_a_step_of_the_clock_moves_no_timer() -> None:
    async def work(loop: VirtualLoop) -> None:
        clock = SimulatedClock(loop)
        waiting = asyncio.create_task(clock.sleep_until(clock.now() + 10 * SECOND))
        await asyncio.sleep(1)
        clock.step -= HOUR
        await waiting
        assert loop.time() == 10
        assert clock.monotonic() == 10

    run(work)


def test_waiting_for_nothing_is_an_error_and_no_hang() -> None:
    async def work(_: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run(work)


def test_a_dead_process_does_nothing_more_not_even_finally() -> None:
    done: list[str] = []

    async def live(name: str) -> None:
        try:
            for _ in range(3):
                await asyncio.sleep(1)
                done.append(name)
        finally:
            done.append(f"{name} ends")

    async def work(loop: VirtualLoop) -> None:
        one, other = Process(), Process()
        tasks = [one.run(loop, live("one")), other.run(loop, live("other"))]
        await asyncio.sleep(1.5)
        loop.bury(one)
        await tasks[1]
        assert not tasks[0].done()
        asyncio.gather(*loop.buried).cancel()  # not even a cancellation wakes it
        await asyncio.sleep(1)
        assert done == ["one", "other", "other", "other", "other ends"]
        kept.extend(loop.buried)

    kept: list[Any] = []
    run(work)
    for task in kept:
        task._log_destroy_pending = False  # it is meant to end so


class Echo(asyncio.Protocol):
    """Says what it hears, and keeps it."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)
        if data.islower():
            self.transport.write(data.upper())

    def connection_lost(self, error: Exception | None) -> None:
        self.heard.append(type(error).__name__)


def test_connections_carry_bytes_and_break_with_a_process() -> None:
    async def work(loop: VirtualLoop) -> None:
        process = Process()
        port = await process.run(loop, serve(loop))
        transport, client = await loop.create_connection(Echo, "127.0.0.1", port)
        transport.write(b"hello")
        await asyncio.sleep(1)
        loop.bury(process)
        await asyncio.sleep(1)
        assert client.heard == [b"HELLO", "ConnectionResetError"]
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Echo, "127.0.0.1", port)

    async def serve(loop: VirtualLoop) -> int:
        port: int = (await loop.create_server(Echo)).sockets[0].getsockname()[1]
        return port

    run(work)
