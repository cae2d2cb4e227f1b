"""The desk's clock: never backwards, steps back and small ones made up slowly, a long step forward taken at once."""

import asyncio
import sys
import threading
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from service_desk import clock as clocks
from service_desk.clock import HOUR, MILLISECOND, SECOND, SystemClock, steady_ns

START_NS = 1_700_000_000 * 10**9


class Machine:
    """A machine's two clocks, which stand still until they are moved."""

    def __init__(self) -> None:
        self.wall = START_NS
        self.steady = 0

    def pass_(self, seconds: float) -> None:
        self.wall += round(seconds * 1e9)
        self.steady += round(seconds * 1e9)

    def set_by(self, seconds: float) -> None:
        self.wall += round(seconds * 1e9)

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.wall, lambda: self.steady)


def test_a_clock_that_turns_back_never_goes_backwards() -> None:
    """A look turns it back by milliseconds, however little has passed since the last answer."""
    machine = Machine()
    clock = machine.clock()
    machine.set_by(-3_600)
    told = []
    for _ in range(2_000):
        machine.pass_(0.001)
        told.append(clock.now())
    assert min(later - earlier for earlier, later in pairwise(told)) >= 0
    assert told[-1] - told[0] == pytest.approx(1.9 * SECOND, abs=0.02 * SECOND)


def test_threads_that_ask_at_once_never_see_it_go_backwards() -> None:
    clock = SystemClock(lambda: START_NS, lambda: steady_ns() * 50)  # always ahead, and looks every 2 ms
    stepped_back: list[int] = []
    last, checked = [0], threading.Lock()

    def ask() -> None:
        for _ in range(3_000):
            before = last[0]
            now = clock.now()
            if now < before:
                stepped_back.append(before - now)
            with checked:
                last[0] = max(last[0], now)

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert stepped_back == []


@pytest.mark.parametrize("step_s", [-3_600, -1, 1, 299])
def test_a_step_back_or_a_small_one_is_made_up_slowly_and_told(step_s: float) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.set_by(step_s)
    machine.pass_(1)
    assert clock.now() == START_NS // 1_000 + SECOND + (1 if step_s > 0 else -1) * SECOND // 20
    assert clock.behind_s == pytest.approx(step_s - (0.05 if step_s > 0 else -0.05))


def test_a_long_step_forward_is_taken_at_once_and_logged_once() -> None:
    """The time has really passed: a virtual machine was paused, or the clock was wrong at the start."""
    machine = Machine()
    clock = machine.clock()
    machine.set_by(3_600)
    machine.pass_(1)
    with capture_logs() as logs:
        assert clock.now() == START_NS // 1_000 + HOUR + SECOND
        machine.pass_(1)
        clock.now()
    assert [(line["log_level"], line["seconds"]) for line in logs] == [("warning", 3_600)]
    assert clock.behind_s == 0


async def test_it_sleeps_by_the_clock_that_it_tells() -> None:
    """One at half the pace of the event loop's: who sleeps wakes when it says so, not before."""
    clock = SystemClock(lambda: steady_ns() // 2, lambda: steady_ns() // 2)
    instant = clock.now() + 30 * MILLISECOND
    await clock.sleep_until(instant)
    assert clock.now() >= instant


async def test_who_sleeps_is_woken_by_a_long_step_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "SLEEP_S", 0.01)
    machine = Machine()
    clock = machine.clock()
    asleep = asyncio.create_task(clock.sleep_until(clock.now() + HOUR))
    await asyncio.sleep(0)
    machine.set_by(3_600)
    machine.pass_(1)
    async with asyncio.timeout(10):
        await asleep


def test_spans_are_measured_by_the_same_steady_clock() -> None:
    machine = Machine()
    clock = machine.clock()
    before = clock.monotonic()
    machine.set_by(-3_600)
    machine.pass_(2.5)
    assert clock.monotonic() - before == 2.5
