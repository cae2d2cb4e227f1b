"""Time: the only module that reads a clock or sleeps.

Instants are integers in microseconds since 1970-01-01 UTC (`Micros`); durations too, unless a name ends in `_s`.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import structlog

log = structlog.get_logger(__name__)

Micros: TypeAlias = int
MILLISECOND: Micros = 1_000
SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR


TURN = 20
"""How slowly this clock turns to the machine's: by a twentieth of the time that passes."""
LOOK_NS = 100_000_000
LEAP_NS = 300 * 1_000_000_000
"""A step forward beyond this is taken at once: see `SystemClock`."""
SLEEP_S = 5.0
"""The longest sleep without a look at the clock: how late a leap is noticed by who sleeps."""


_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", None)
"""A clock that nobody sets and that goes on while the machine sleeps; not every system has one."""


def steady_ns() -> int:
    """Nanoseconds of a clock that nobody sets, from an unknown start."""
    return time.monotonic_ns() if _STEADY is None else time.clock_gettime_ns(_STEADY)


class SystemClock:
    """The machine's clock without its steps back and its small ones; it never goes backwards. Any thread may ask.

    Timers and the rhythm of the followers live by it, and none of them may come late, or a little early, because
    somebody set the clock. It goes at the pace of a clock that nobody sets, and turns to the machine's slowly: what
    that differs by is made up at a second within twenty.

    A step forward of more than five minutes is another matter: a virtual machine that was paused, or a clock that was
    wrong when the process started. That time has really passed, so it is taken at once, and what is due then is done.
    """

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, steady_ns: Callable[[], int] = steady_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._lock = threading.Lock()
        self._looked_ns = steady_ns()
        self._offset_ns = wall_ns() - self._looked_ns
        self._told_ns = 0

    def now(self) -> Micros:
        with self._lock:
            leapt_ns = self._look()
            # Turning back happens in one piece at each look, which may be more than the time since the last answer.
            self._told_ns = max(self._told_ns, self._steady_ns() + self._offset_ns)
            told_ns = self._told_ns
        if leapt_ns:
            log.warning("the machine's clock leapt forward and the desk's with it", seconds=leapt_ns // 10**9)
        return told_ns // 1_000

    def _look(self) -> int:
        """Turn to the machine's clock, if it is time to. Returns the nanoseconds of a leap, else 0."""
        steady = self._steady_ns()
        passed = steady - self._looked_ns
        if passed <= LOOK_NS:
            return 0
        self._looked_ns = steady
        differs, most = self._wall_ns() - steady - self._offset_ns, passed // TURN
        if differs > LEAP_NS:
            self._offset_ns += differs
            return differs
        self._offset_ns += max(-most, min(most, differs))
        return 0

    @property
    def behind_s(self) -> float:
        """Seconds by which this clock is behind the machine's; negative where it is ahead."""
        now = self.now()
        return (self._wall_ns() // 1_000 - now) / SECOND

    def monotonic(self) -> float:
        """Seconds that never step, neither back nor on; for measuring spans within one process."""
        return self._steady_ns() / 1e9

    async def sleep_until(self, instant: Micros) -> None:
        """Sleep until `now()` has reached the instant; lets others run even where it has already."""
        left = instant - self.now()
        if left <= 0:
            await asyncio.sleep(0)
        while left > 0:
            await asyncio.sleep(min(left / SECOND, SLEEP_S))
            left = instant - self.now()


class ManualClock:
    """A clock that stands still until `advance` is called: tests and simulations drive it."""

    def __init__(self, now: Micros = 1_700_000_000 * SECOND) -> None:
        self._now = now
        self._sleepers: list[tuple[Micros, asyncio.Future[None]]] = []

    def now(self) -> Micros:
        return self._now

    @property
    def behind_s(self) -> float:
        return 0.0

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
