"""The bus of many processes: Redis pub/sub says "look again", nothing more.

When Redis is away, this process wakes itself and looks once a second besides; no event is carried by Redis, so
nothing is lost.
"""

import asyncio
import contextlib
import json

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service_desk.bus.local import LocalBus
from service_desk.clock import SECOND
from service_desk.ports import Clock

LOOK_AGAIN_S = 1.0
RECONNECT_AFTER = SECOND // 2
CHANNEL = "service-desk"

log = structlog.get_logger(__name__)


class RedisBus(LocalBus):
    """LocalBus plus a subscription; both directions merge wakes that come close together."""

    def __init__(self, url: str, clock: Clock, *, prefix: str = "") -> None:
        super().__init__()
        self._clock = clock
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=10
        )
        self._channel = prefix + CHANNEL
        self._outgoing: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)
        self._wake_wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.degraded = "Redis is not connected yet."

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._listen()), loop.create_task(self._publish())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()

    def wake(self) -> None:
        super().wake()
        self._wake_wanted.set()

    def whisper(self, topic: str, payload: str) -> None:
        if self.degraded is not None:
            super().whisper(topic, payload)
            return
        with contextlib.suppress(asyncio.QueueFull):
            self._outgoing.put_nowait(json.dumps([topic, payload]))
        self._wake_wanted.set()

    async def _wait(self, event: asyncio.Event) -> None:
        """While Redis is away, look once a second."""
        if self.degraded is None:
            await event.wait()
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), LOOK_AGAIN_S)

    async def _publish(self) -> None:
        while True:
            await self._wake_wanted.wait()
            self._wake_wanted.clear()
            try:
                while not self._outgoing.empty():
                    await self._redis.publish(self._channel, self._outgoing.get_nowait())
                await self._redis.publish(self._channel, "")
            except (RedisError, OSError) as error:
                self._set_degraded(f"Redis cannot be reached: {type(error).__name__}.")

    async def _listen(self) -> None:
        while True:
            try:
                await self._subscribe()
            except (RedisError, OSError) as error:
                self._set_degraded(f"Redis cannot be reached: {type(error).__name__}.")
            await self._clock.sleep_until(self._clock.now() + RECONNECT_AFTER)

    async def _subscribe(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(self._channel)
            self._set_degraded(None)
            while True:
                message = await subscription.get_message(timeout=LOOK_AGAIN_S)
                if message is not None:
                    self._hear(message["data"].decode())

    def _hear(self, data: str) -> None:
        """A message of any node, this one included."""
        if data:
            topic, payload = json.loads(data)
            self._deliver(topic, payload)
        else:
            super().wake()

    def _set_degraded(self, why: str | None) -> None:
        if (self.degraded is None) != (why is None):
            log.warning("redis bus", degraded=why)
        self.degraded = why
        super().wake()
