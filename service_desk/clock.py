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


TURN = 20
"""How slowly this clock turns to the machine's: by a twentieth of the time that passes."""
LOOK_NS = 100_000_000


_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", None)
"""A clock that nobody sets and that goes on while the machine sleeps; not every system has one."""


def _steady_ns() -> int:
    return time.monotonic_ns() if _STEADY is None else time.clock_gettime_ns(_STEADY)


class SystemClock:
    """The machine's clock without its steps.

    Timers and the rhythm of the followers live by it, and none of them may come an hour late or early because
    somebody set the clock. It goes at the pace of a clock that nobody sets, and turns to the machine's slowly: what
    that differs by is made up at a second within twenty.
    """

    def __init__(self) -> None:
        self._looked_ns = _steady_ns()
        self._offset_ns = time.time_ns() - self._looked_ns

    def now(self) -> Micros:
        steady = _steady_ns()
        passed = steady - self._looked_ns
        if passed > LOOK_NS:
            self._looked_ns = steady
            differs, most = time.time_ns() - steady - self._offset_ns, passed // TURN
            self._offset_ns += max(-most, min(most, differs))
        return (steady + self._offset_ns) // 1_000

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
