"""The bus of one process."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet

from service_desk.ports import STREAMS, Stream

WHISPER_BYTES = 1024
WHISPERS_KEPT = 256


class LocalBus:
    """Wakes everybody who waits in this process. Call it on the event loop's thread."""

    degraded: str | None = None

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Event, AbstractSet[Stream]] = {}
        self._listeners: dict[str, set[asyncio.Queue[str]]] = defaultdict(set)

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def wake(self, streams: AbstractSet[Stream] = STREAMS) -> None:
        for event, wanted in self._waiting.items():
            if not wanted.isdisjoint(streams):
                event.set()

    async def wakes(self, streams: AbstractSet[Stream] = STREAMS) -> AsyncIterator[None]:
        """Once at the start, so that a reader catches up, then after each wake."""
        event = asyncio.Event()
        event.set()
        self._waiting[event] = streams
        try:
            while True:
                await self._wait(event)
                event.clear()
                yield
        finally:
            self._waiting.pop(event, None)

    async def _wait(self, event: asyncio.Event) -> None:
        await event.wait()

    def whisper(self, topic: str, payload: str) -> None:
        self._check(payload)
        self._deliver(topic, payload)

    def _check(self, payload: str) -> None:
        if len(payload.encode()) > WHISPER_BYTES:
            raise ValueError(f"a whisper is at most {WHISPER_BYTES} bytes")

    def _deliver(self, topic: str, payload: str) -> None:
        for listener in self._listeners.get(topic, ()):
            if listener.qsize() < WHISPERS_KEPT:
                listener.put_nowait(payload)

    async def whispers(self, topic: str) -> AsyncIterator[str]:
        listener: asyncio.Queue[str] = asyncio.Queue()
        self._listeners[topic].add(listener)
        try:
            while True:
                yield await listener.get()
        finally:
            self._listeners[topic].discard(listener)
