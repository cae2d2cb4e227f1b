"""Time: the only module that reads a clock or sleeps.

Instants are integers in microseconds since 1970-01-01 UTC (`Micros`); durations too, unless a name ends in `_s`.
"""

import asyncio
import time
from typing import TypeAlias

Micros: TypeAlias = int
MILLISECOND: Micros = 1_000
SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR


class SystemClock:
    """The machine's clock."""

    def now(self) -> Micros:
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        """Seconds that never step back; for measuring spans within one process."""
        return time.monotonic()

    async def sleep_until(self, instant: Micros) -> None:
        await asyncio.sleep(max(0.0, (instant - self.now()) / SECOND))


class ManualClock:
    """A clock that stands still until `advance` is called: tests and simulations drive it."""

    def __init__(self, now: Micros = 1_700_000_000 * SECOND) -> None:
        self._now = now
        self._sleepers: list[tuple[Micros, asyncio.Future[None]]] = []

    def now(self) -> Micros:
        return self._now

    def monotonic(self) -> float:
        return self._now / SECOND

    async def sleep_until(self, instant: Micros) -> None:
        if instant <= self._now:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((instant, future))
        await future

    def advance(self, duration: Micros) -> None:
        """Move on and wake everybody who is due."""
        self._now += duration
        due = [future for instant, future in self._sleepers if instant <= self._now]
        self._sleepers = [(instant, future) for instant, future in self._sleepers if instant > self._now]
        for future in due:
            if not future.done():
                future.set_result(None)
