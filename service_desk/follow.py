"""Waiting for what was committed: a wake of the bus, or an instant, whichever comes first."""

import asyncio
from typing import Self

from service_desk.clock import Micros
from service_desk.ports import Bus, Clock, Stream


def earliest(*instants: Micros | None) -> Micros | None:
    """The first of those that there are."""
    return min((instant for instant in instants if instant is not None), default=None)


class Signal:
    """Set by each wake of the stream. A follower reads until less than a batch was left, then waits here."""

    def __init__(self, bus: Bus, clock: Clock, stream: Stream) -> None:
        self._bus = bus
        self._stream: Stream = stream
        self._clock = clock
        self._event = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        async for _ in self._bus.wakes({self._stream}):
            self._event.set()

    def poke(self) -> None:
        """End the wait: something else than a commit happened."""
        self._event.set()

    async def wait(self, until: Micros | None = None) -> None:
        """Return after the next wake, or at `until` if that comes first."""
        if until is None:
            await self._event.wait()
        else:
            await self._wait_until(until)
        self._event.clear()

    async def _wait_until(self, until: Micros) -> None:
        woken = asyncio.create_task(self._event.wait())
        due = asyncio.create_task(self._clock.sleep_until(until))
        try:
            await asyncio.wait({woken, due}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (woken, due):
                task.cancel()
            await asyncio.wait({woken, due})
