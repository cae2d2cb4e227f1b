"""The bus of many processes, against a real Redis that is stopped, hung, flushed and spoken to by strangers."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from service_desk.actions import admin
from service_desk.bus.local import WHISPER_BYTES
from service_desk.bus.redis import CHANNEL, DEAF_S, OUTGOING, RedisBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.follow import Signal
from service_desk.ports import Stream
from service_desk.queries import live
from service_desk.storage.store import Store
from tests.servers import RedisServer
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import phone

pytestmark = pytest.mark.redis


@contextlib.asynccontextmanager
async def buses(url: str, count: int = 2) -> AsyncIterator[list[RedisBus]]:
    """Started buses that hear each other."""
    made = [RedisBus(url, SystemClock()) for _ in range(count)]
    for bus in made:
        await bus.start()
    try:
        for bus in made:
            await until(lambda bus=bus: bus.degraded is None)  # type: ignore[misc]  # a default of the same type
        yield made
    finally:
        for bus in made:
            await bus.close()


async def until(true: Callable[[], Any], within_s: float = 10.0) -> float:
    """Wait for a condition; the seconds that it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < within_s, "waited too long"
        await asyncio.sleep(0.01)
    return time.monotonic() - started


class Ear:
    """Counts what a bus says to a reader."""

    def __init__(self, bus: RedisBus) -> None:
        self.bus = bus
        self.wakes = 0
        self.whispers: list[str] = []
        self._tasks = [asyncio.create_task(self._count()), asyncio.create_task(self._listen())]

    async def _count(self) -> None:
        async for _ in self.bus.wakes():
            self.wakes += 1

    async def _listen(self) -> None:
        async for payload in self.bus.whispers("topic"):
            self.whispers.append(payload)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def ears(*listened: RedisBus) -> AsyncIterator[list[Ear]]:
    made = [Ear(bus) for bus in listened]
    await asyncio.sleep(0)
    try:
        yield made
    finally:
        for ear in made:
            await ear.close()


async def test_a_wake_on_one_node_wakes_the_other_and_many_are_merged(redis_url: str) -> None:
    async with buses(redis_url) as (here, there), ears(there) as (ear,):
        await until(lambda: ear.wakes > 0)
        before = ear.wakes
        for _ in range(1_000):
            here.wake({"effect"})
        took = await until(lambda: ear.wakes > before)
        assert took < 0.9, "by Redis, not by looking once a second"
        here.whisper("topic", "after them")
        await until(lambda: ear.whispers)
        assert ear.wakes - before < 20, "a thousand wakes in a row are one or two"


async def test_a_wake_says_which_stream_moved(redis_url: str) -> None:
    async with buses(redis_url) as (here, there):
        effects, events = Counter[str](), Counter[str]()

        async def count(counter: Counter[str], stream: Stream) -> None:
            async for _ in there.wakes({stream}):
                counter["wakes"] += 1

        tasks = [asyncio.create_task(count(effects, "effect")), asyncio.create_task(count(events, "event"))]
        await until(lambda: effects["wakes"] and events["wakes"])
        before = events["wakes"]
        for number in range(1, 20):
            seen = effects["wakes"]
            here.wake({"effect"})
            assert await until(lambda seen=seen: effects["wakes"] > seen) < 0.9, number  # type: ignore[misc]  # a default
        assert events["wakes"] - before < 10, "the other stream's readers sleep on"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_whisper_reaches_all_nodes_this_one_included(redis_url: str) -> None:
    async with buses(redis_url) as (here, there), ears(here, there) as (mine, theirs):
        here.whisper("topic", "Grüße")
        here.whisper("another topic", "not for them")
        here.whisper("topic", "again")
        await until(lambda: len(theirs.whispers) == len(mine.whispers) == 2)
        assert mine.whispers == theirs.whispers == ["Grüße", "again"]
        with pytest.raises(ValueError, match="at most"):
            here.whisper("topic", "x" * (WHISPER_BYTES + 1))


async def test_whispers_that_cannot_leave_are_dropped_not_piled_up(redis_url: str) -> None:
    async with buses(redis_url, 1) as (bus,):
        for number in range(OUTGOING + 500):
            bus.whisper("topic", str(number))
        assert bus._outgoing.qsize() == OUTGOING


async def test_redis_dies_and_comes_back(own_redis_server: RedisServer) -> None:
    async with buses(own_redis_server.url) as (here, there), ears(here, there) as (mine, theirs):
        own_redis_server.stop()
        assert await until(lambda: here.degraded and there.degraded) < DEAF_S + 2
        before = theirs.wakes
        assert await until(lambda: theirs.wakes >= before + 2) < 3, (
            "the other node looks once a second by itself"
        )
        here.wake()
        before = mine.wakes
        here.wake()
        assert await until(lambda: mine.wakes > before) < 0.5, "what happens here is seen at once"
        here.whisper("topic", "only here")
        await until(lambda: mine.whispers == ["only here"])
        own_redis_server.start()
        assert await until(lambda: here.degraded is None and there.degraded is None) < 5
        here.whisper("topic", "everywhere")
        await until(lambda: theirs.whispers == ["everywhere"])
        before = theirs.wakes
        here.wake()
        assert await until(lambda: theirs.wakes > before) < 0.9


async def test_redis_that_hangs_is_noticed(own_redis_server: RedisServer) -> None:
    """Stopped by SIGSTOP the connections stay open and nothing fails; only the missing beat tells."""
    async with buses(own_redis_server.url) as (here, there), ears(there) as (ear,):
        assert own_redis_server._process is not None
        os.kill(own_redis_server._process.pid, signal.SIGSTOP)
        try:
            assert await until(lambda: here.degraded and there.degraded) < DEAF_S + 2
            before = ear.wakes
            assert await until(lambda: ear.wakes >= before + 2) < 3
        finally:
            os.kill(own_redis_server._process.pid, signal.SIGCONT)
        assert await until(lambda: here.degraded is None and there.degraded is None) < 8
        before = ear.wakes
        here.wake()
        assert await until(lambda: ear.wakes > before) < 0.9


async def test_cut_off_subscribers_come_back_by_themselves(redis_url: str) -> None:
    async with buses(redis_url) as (here, there), ears(there) as (ear,):
        admin_client: Redis = Redis.from_url(redis_url)
        await admin_client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await admin_client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        here.whisper("topic", "lost perhaps")

        def says() -> bool:
            here.whisper("topic", "heard")
            return "heard" in ear.whispers

        assert await until(says) < 5
        await admin_client.aclose()


async def test_strangers_on_the_channel_change_nothing(redis_url: str) -> None:
    async with buses(redis_url) as (here, there), ears(there) as (ear,):
        stranger: Redis = Redis.from_url(redis_url)
        for data in (
            b"",
            b"not json",
            b"\xff\xfe",
            b"[1]",
            b'{"a": 1}',
            b"null",
            b'["topic"]',
            b"[[],[]]",
            b'["topic", 7]',
        ):
            await stranger.publish(CHANNEL, data)
        await stranger.publish(CHANNEL, b'["bus.wake", ["nonsense", {}, 7]]')
        here.whisper("topic", "still there")
        await until(lambda: "still there" in ear.whispers)
        assert ear.whispers == ["still there"]
        await stranger.aclose()


async def test_a_follower_sees_the_other_node_s_commits_with_and_without_redis(
    own_redis_server: RedisServer, postgres_url: str
) -> None:
    clock = SystemClock()
    async with buses(own_redis_server.url) as (here, there):
        writer, reader = (Desk(Store(postgres_url, clock), bus, clock) for bus in (here, there))
        await writer.run(admin.seed, CONFIG)
        seen = 0

        async def follow() -> None:
            nonlocal seen
            async with Signal(reader.bus, clock, "event") as woken:
                while True:
                    seen = await reader.read(live.head)
                    await woken.wait()

        follower = asyncio.create_task(follow())

        async def shows_up(call: str) -> float:
            await phone(writer, call)
            head = await writer.read(live.head)
            return await until(lambda: seen >= head)

        assert await shows_up("CA1") < 0.9
        own_redis_server.stop()
        assert await shows_up("CA2") < 2, "stale for a second or two at most"
        await until(lambda: here.degraded and there.degraded)
        assert await shows_up("CA3") < 2
        own_redis_server.start()
        await until(lambda: here.degraded is None and there.degraded is None)
        assert await shows_up("CA4") < 0.9
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        writer.store.close()
        reader.store.close()
