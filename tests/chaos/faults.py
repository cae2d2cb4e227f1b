"""Faults of what a desk stands on: its process, database, Redis, the network to them, clock, disk.

Each is an async context manager on a running stage: it begins, lasts, and ends. Customers come and agents work all the
while.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from tests import servers
from tests.chaos.proxy import TcpProxy, Way
from tests.chaos.stage import Stage

FULL_BYTES = 64 * 1024
"""No file may be written beyond it: every file of a desk that has worked for a moment is longer."""
HOUR_S = 3_600.0
SLOW_S = 0.03
CUT_EVERY_S = 0.5

Begin = Callable[[Stage, Random], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """How it begins, on what it can happen, and what is measured."""

    begin: Begin
    needs: frozenset[Literal["sqlite", "postgres", "two nodes", "clocks", "network"]]
    lasts_s: tuple[float, float]
    """Between these, by the seed."""
    back_from: Literal["begin", "end"]
    """Whether the desk is to be well so soon after it began (others take over), or after it ended."""
    right_s: float = 5.0
    """Then offers and timers must be right."""
    webhook_s: float = 3.0
    """Then a caller must have had a real answer."""


def descendants(process_id: int) -> Iterator[int]:
    """A process and all that it started, the eldest first."""
    yield process_id
    for task in Path(f"/proc/{process_id}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from descendants(int(child))


def signal_all(process_id: int, number: signal.Signals) -> None:
    """Send a signal to a process and to all that it started."""
    for each in list(descendants(process_id)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, number)


# --- the process ------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def killed(stage: Stage, _: Random) -> AsyncIterator[None]:
    """The node that decides dies as by `kill -9` and is started again at once, as a service manager does."""
    node = await stage.holder()
    node.process.kill()
    node.process.launch()
    yield
    await node.process.wait_for_answer()


@contextlib.asynccontextmanager
async def paused(stage: Stage, _: Random) -> AsyncIterator[None]:
    """The node that decides stands still; when it goes on it knows of nothing."""
    node = await stage.holder()
    node.process.pause()
    try:
        yield
    finally:
        node.process.resume()


# --- the database -----------------------------------------------------------------------------------------------------


def _postgres(stage: Stage) -> servers.PostgresServer:
    assert stage.database.server is not None, "the fault needs PostgreSQL"
    return stage.database.server


def _to_database(stage: Stage) -> TcpProxy:
    assert stage.database.proxy is not None, "the fault needs the network's proxies"
    return stage.database.proxy


def _to_redis(stage: Stage) -> TcpProxy:
    assert stage.redis is not None, "the fault needs Redis"
    assert stage.redis.proxy is not None, "the fault needs the network's proxies"
    return stage.redis.proxy


@contextlib.asynccontextmanager
async def database_down(stage: Stage, _: Random) -> AsyncIterator[None]:
    """The server crashes, stays away and recovers."""
    server = _postgres(stage)
    server.stop()
    yield
    server.start()


@contextlib.asynccontextmanager
async def database_hung(stage: Stage, _: Random) -> AsyncIterator[None]:
    """The server and every backend stand still: connections are taken by the kernel and nobody answers."""
    process_id = _postgres(stage).process_id
    assert process_id is not None, "it runs"
    signal_all(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(process_id, signal.SIGCONT)


# --- the network ------------------------------------------------------------------------------------------------------


def refused(proxy: Callable[[Stage], TcpProxy]) -> Begin:
    """The port is closed and every connection reset."""

    @contextlib.asynccontextmanager
    async def begin(stage: Stage, _: Random) -> AsyncIterator[None]:
        await proxy(stage).refuse()
        yield
        await proxy(stage).accept()

    return begin


def held(proxy: Callable[[Stage], TcpProxy], *ways: Way) -> Begin:
    """Nothing passes in these directions; afterwards connections that stood so long are reset, as by a firewall."""

    @contextlib.asynccontextmanager
    async def begin(stage: Stage, _: Random) -> AsyncIterator[None]:
        proxy(stage).hold(*ways)
        try:
            yield
        finally:
            proxy(stage).cut()
            proxy(stage).release()

    return begin


def slow(proxy: Callable[[Stage], TcpProxy]) -> Begin:
    """Every block of bytes takes a while, in each direction."""

    @contextlib.asynccontextmanager
    async def begin(stage: Stage, _: Random) -> AsyncIterator[None]:
        proxy(stage).delay_s = SLOW_S
        try:
            yield
        finally:
            proxy(stage).delay_s = 0.0

    return begin


def cut(proxy: Callable[[Stage], TcpProxy]) -> Begin:
    """Connections are reset again and again."""

    @contextlib.asynccontextmanager
    async def begin(stage: Stage, _: Random) -> AsyncIterator[None]:
        async def keep_cutting() -> None:
            while True:
                proxy(stage).cut()
                await asyncio.sleep(CUT_EVERY_S)

        cutting = asyncio.create_task(keep_cutting())
        try:
            yield
        finally:
            cutting.cancel()

    return begin


# --- Redis ------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def redis_down(stage: Stage, _: Random) -> AsyncIterator[None]:
    """The server dies, is away, and comes back with nothing."""
    assert stage.redis is not None, "the fault needs Redis"
    stage.redis.server.stop()
    yield
    stage.redis.server.start()


@contextlib.asynccontextmanager
async def redis_flushed(stage: Stage, _: Random) -> AsyncIterator[None]:
    """Somebody empties it, and throws out whoever listens."""
    assert stage.redis is not None, "the fault needs Redis"
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.redis.server.port)
    writer.write(b"FLUSHALL\r\nCLIENT KILL TYPE pubsub\r\n")
    assert (await reader.readline()).startswith(b"+OK")
    writer.close()
    await writer.wait_closed()
    yield


# --- clock and disk ---------------------------------------------------------------------------------------------------


def clock_steps(offset_s: float) -> Begin:
    """The wall clock of one node jumps and, later, back again. The others', and the database's, stay right."""

    @contextlib.asynccontextmanager
    async def begin(stage: Stage, chance: Random) -> AsyncIterator[None]:
        clock = stage.clocks[chance.choice(stage.living()).name]
        clock.step_to(offset_s)
        try:
            yield
        finally:
            clock.step_to(0)

    return begin


@contextlib.asynccontextmanager
async def disk_full(stage: Stage, _: Random) -> AsyncIterator[None]:
    """No file of the desk can grow or be written anew."""
    (node,) = stage.nodes
    node.process.limit_files(FULL_BYTES)
    try:
        yield
    finally:
        node.process.limit_files(None)


def _fault(begin: Begin, *needs: str, lasts_s: tuple[float, float] = (3.0, 8.0), **more: object) -> Fault:
    values = {"back_from": "end", **more}
    return Fault(begin, frozenset(needs), lasts_s, **values)  # type: ignore[arg-type]  # checked by the dataclass's users


FAULTS: dict[str, Fault] = {
    "kill": _fault(killed, lasts_s=(0.0, 0.0), back_from="begin"),
    "pause": _fault(paused, "two nodes", lasts_s=(8.0, 60.0), back_from="begin"),
    "pause_alone": _fault(paused, "sqlite", lasts_s=(2.0, 10.0)),
    "database_down": _fault(database_down, "postgres", lasts_s=(0.0, 10.0)),
    "database_hung": _fault(database_hung, "postgres", lasts_s=(2.0, 15.0)),
    "database_refused": _fault(refused(_to_database), "postgres", "network"),
    "database_half_open": _fault(held(_to_database), "postgres", "network", lasts_s=(3.0, 20.0)),
    "database_answers_lost": _fault(held(_to_database, Way.BACK), "postgres", "network"),
    "database_slow": _fault(slow(_to_database), "postgres", "network"),
    "database_cut": _fault(cut(_to_database), "postgres", "network"),
    "redis_down": _fault(redis_down, "postgres", lasts_s=(0.0, 60.0)),
    "redis_flushed": _fault(redis_flushed, "postgres", lasts_s=(0.0, 1.0)),
    "redis_half_open": _fault(held(_to_redis), "postgres", "network", lasts_s=(3.0, 20.0)),
    "redis_one_way": _fault(held(_to_redis, Way.OUT), "postgres", "network"),
    "redis_slow": _fault(slow(_to_redis), "postgres", "network"),
    "clock_hour_on": _fault(clock_steps(HOUR_S), "clocks"),
    "clock_hour_back": _fault(clock_steps(-HOUR_S), "clocks"),
    "clock_second_back": _fault(clock_steps(-1.0), "clocks"),
    "disk_full": _fault(disk_full, "sqlite", right_s=10.0, webhook_s=10.0),
}
"""By the name that the command line takes."""
