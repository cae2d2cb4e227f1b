"""The bus of one process."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

WHISPER_BYTES = 1024
WHISPERS_KEPT = 256


class LocalBus:
    """Wakes everybody who waits in this process. Call it on the event loop's thread."""

    degraded: str | None = None

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()
        self._listeners: dict[str, set[asyncio.Queue[str]]] = defaultdict(set)

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def wakes(self) -> AsyncIterator[None]:
        """Once at the start, so that a reader catches up, then after each wake."""
        event = asyncio.Event()
        event.set()
        self._waiting.add(event)
        try:
            while True:
                await self._wait(event)
                event.clear()
                yield
        finally:
            self._waiting.discard(event)

    async def _wait(self, event: asyncio.Event) -> None:
        await event.wait()

    def whisper(self, topic: str, payload: str) -> None:
        if len(payload) > WHISPER_BYTES:
            raise ValueError(f"a whisper is at most {WHISPER_BYTES} bytes")
        self._deliver(topic, payload)

    def _deliver(self, topic: str, payload: str) -> None:
        for listener in self._listeners[topic]:
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
