"""Waiting for what was committed: a wake of the bus, or an instant, whichever comes first."""

import asyncio
from typing import Self

from service_desk.clock import Micros
from service_desk.ports import Bus, Clock, Stream


def earliest(*instants: Micros | None) -> Micros | None:
    """The first of those that there are."""
    return min((instant for instant in instants if instant is not None), default=None)


class Pace:
    """Lets through at most once in `every_s` seconds; whoever comes after a pause goes on at once.

    For a follower whose look costs much the same for one change as for twenty: while changes come fast it looks less
    often and takes several together. By the loop's time, since nothing that is decided hangs on it.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next = float("-inf")

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        if self._next > loop.time():
            opened: asyncio.Future[None] = loop.create_future()
            opening = loop.call_at(self._next, _open, opened)
            try:
                await opened
            finally:
                opening.cancel()
        self._next = loop.time() + self._every_s


def _open(door: "asyncio.Future[None]") -> None:
    if not door.done():  # who waited may have been cancelled in the same turn
        door.set_result(None)


class Signal:
    """Set by each wake of the stream. A follower reads until less than a batch was left, then waits here."""

    def __init__(self, bus: Bus, clock: Clock, stream: Stream) -> None:
        self._bus = bus
        self._stream: Stream = stream
        self._clock = clock
        self._event = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._rings_at: Micros = 0

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (self._listening, self._alarm) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        async for _ in self._bus.wakes({self._stream}):
            self._event.set()

    def poke(self) -> None:
        """End the wait: something else than a commit happened."""
        self._event.set()

    async def wait(self, until: Micros | None = None) -> None:
        """Return after the next wake, or at `until` if that comes first; sometimes earlier, with nothing to do."""
        if until is not None:
            self._ring_by(until)
        await self._event.wait()
        self._event.clear()

    def _ring_by(self, until: Micros) -> None:
        """Set the alarm. One that rings earlier is left: an idle look costs less than an alarm for each wait."""
        if self._alarm is not None and not self._alarm.done():
            if self._rings_at <= until:
                return
            self._alarm.cancel()
        self._rings_at = until
        self._alarm = asyncio.create_task(self._ring(until))

    async def _ring(self, at: Micros) -> None:
        await self._clock.sleep_until(at)
        self._event.set()
