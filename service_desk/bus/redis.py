"""The bus of many processes: Redis pub/sub says "look again", nothing more.

No event is carried by Redis, so nothing is lost with it: this process wakes itself, and every follower looks once
a second whether it was woken or not. Each bus sends itself a beat through Redis; as long as it hears none, it is
degraded, whatever the reason: Redis away, hung, or cut off in one direction.
"""

import asyncio
import contextlib
import json
from collections.abc import Set as AbstractSet
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service_desk.bus.local import LocalBus
from service_desk.clock import SECOND
from service_desk.ids import new_id
from service_desk.ports import STREAMS, Clock, Stream

LOOK_AGAIN_S = 1.0
BEAT_S = 1.0
DEAF_S = 3.0
LAST_WORDS_S = 0.5
RECONNECT_AFTER = SECOND // 2
OUTGOING = 1_000
"""Whispers that may wait to be published; more are dropped."""
CHANNEL = "service-desk"
BEAT = "bus.beat"
WAKE = "bus.wake"

log = structlog.get_logger(__name__)


class RedisBus(LocalBus):
    """LocalBus plus a subscription; both directions merge wakes that come close together."""

    def __init__(self, url: str, clock: Clock, *, prefix: str = "") -> None:
        super().__init__()
        self._clock = clock
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=DEAF_S,
            socket_connect_timeout=DEAF_S,
            retry=Retry(NoBackoff(), 1),  # the rhythm of trying again is ours
        )
        self._channel = prefix + CHANNEL
        self._id = new_id("bus", clock.now())
        self._heard_at = float("-inf")
        self._outgoing: asyncio.Queue[str] = asyncio.Queue(maxsize=OUTGOING)
        self._moved: set[Stream] = set()
        self._said = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self.degraded = "Redis is not connected yet."

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(work()) for work in (self._listen, self._publish, self._watch)]

    async def close(self) -> None:
        """Say the last words, if that is quick, and hang up."""
        self._closing = True
        self._said.set()
        if self._tasks:
            _, publishing, _ = self._tasks
            await asyncio.wait({publishing}, timeout=LAST_WORDS_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()

    def wake(self, streams: AbstractSet[Stream] = STREAMS) -> None:
        super().wake(streams)
        self._moved |= streams
        if streams:
            self._said.set()

    def whisper(self, topic: str, payload: str) -> None:
        if self.degraded is not None:
            super().whisper(topic, payload)
            return
        self._check(payload)
        with contextlib.suppress(asyncio.QueueFull):
            self._outgoing.put_nowait(json.dumps([topic, payload]))
        self._said.set()

    async def _wait(self, event: asyncio.Event) -> None:
        """Look once a second also while all seems well: pub/sub may lose a message and says nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await event.wait()

    # --- to Redis -----------------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        """What was said, soon; a beat, at least once a second. A failure needs no word: the beat is missing."""
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._said.wait()
            self._said.clear()
            try:
                await self._say()
            except (RedisError, OSError):
                await self._pause()

    async def _say(self) -> None:
        lines = [json.dumps([BEAT, self._id])]
        while not self._outgoing.empty():
            lines.append(self._outgoing.get_nowait())
        if self._moved:
            lines.append(json.dumps([WAKE, sorted(self._moved)]))
            self._moved = set()
        async with self._redis.pipeline(transaction=False) as pipeline:
            for line in lines:
                _ = pipeline.publish(self._channel, line)  # queued; sent by `execute`
            await pipeline.execute()

    # --- from Redis ---------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                await self._subscribe()
            await self._pause()

    async def _subscribe(self) -> None:
        """Hear until the connection breaks, or is so silent that it may as well have."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(self._channel)
            self._said.set()  # a beat at once
            since = self._clock.monotonic()
            while self._clock.monotonic() - max(since, self._heard_at) < DEAF_S:
                message = await subscription.get_message(timeout=BEAT_S)
                if message is not None:
                    self._hear(message["data"])

    def _hear(self, data: bytes) -> None:
        """A message of any node, this one included; what none of ours has sent is ignored."""
        match _read(data):
            case [str() as topic, str() as payload] if topic != BEAT:
                self._deliver(topic, payload)
            case [str() as topic, payload] if topic == BEAT:
                if payload == self._id:
                    self._heard_at = self._clock.monotonic()
                    self._set_degraded(None)
            case [str() as topic, list() as streams] if topic == WAKE:
                super().wake({stream for stream in STREAMS if stream in streams})
            case _:
                log.warning("a stranger speaks on our Redis channel", bytes=len(data))

    async def _watch(self) -> None:
        while True:
            if self._clock.monotonic() - self._heard_at > DEAF_S:
                self._set_degraded("Redis does not pass on what this node says: it is away, hung or cut off.")
            await self._pause()

    async def _pause(self) -> None:
        await self._clock.sleep_until(self._clock.now() + RECONNECT_AFTER)

    def _set_degraded(self, why: str | None) -> None:
        if (self.degraded is None) != (why is None):
            if why is None:
                log.info("redis bus connected")
            else:
                log.warning("redis bus", degraded=why)
            super().wake()  # what was missed while deaf is read now
        self.degraded = why


def _read(data: bytes) -> Any:
    """JSON, None if it is none."""
    try:
        return json.loads(data)
    except ValueError:
        return None
