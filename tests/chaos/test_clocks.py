"""The machine's clock steps; the desk's goes on, and takes at once only what is long and forward."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.chaos.clocks import WallClock

PRINT_NOW = """
import sys, threading, time
from service_desk.clock import SystemClock
from service_desk.logs import set_up_logs
set_up_logs("warning")  # beside what is printed
clock, pause = SystemClock(), threading.Event()
while True:
    print(clock.now(), time.time_ns() // 1000, flush=True)
    pause.wait(0.02)
"""
LINES = 10
WAIT_FOR_EACH_OTHER = """
import threading, time
over = threading.Event()
def sleep():
    while not over.wait(0.01): pass
def work():
    for _ in range(300): sum(range(20_000))
sleepers = [threading.Thread(target=sleep) for _ in range(20)]
workers = [threading.Thread(target=work) for _ in range(2)]
for each in sleepers + workers: each.start()
for each in workers: each.join()
over.set()
for each in sleepers: each.join()
print(time.process_time())
"""


@pytest.mark.parametrize(("offset_s", "taken_s"), [(3_600, 3_600), (-3_600, 0), (-1, 0)])
def test_a_step_of_the_wall_clock_moves_no_timer_but_for_a_long_one_forward(
    tmp_path: Path, offset_s: int, taken_s: int
) -> None:
    wall = WallClock(tmp_path / "clock")
    environment = os.environ | wall.environment
    command = [sys.executable, "-c", PRINT_NOW]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None, "it was asked for"
        lines = [process.stdout.readline().split() for _ in range(LINES)]
        wall.step_to(offset_s)
        while abs(int(lines[-1][1]) - int(lines[-2][1]) - offset_s * 1_000_000) > 500_000:
            lines.append(process.stdout.readline().split())
        lines += [process.stdout.readline().split() for _ in range(LINES)]
        process.kill()
    ours = [int(now) for now, _ in lines]
    steps = [later - earlier for earlier, later in pairwise(ours)]
    assert min(steps) >= 0
    took = ours[-1] - ours[0] - taken_s * 1_000_000
    true = int(lines[-1][1]) - int(lines[0][1]) - offset_s * 1_000_000
    assert abs(took - true) < 100_000 + true // 10


def test_a_clock_that_can_be_stepped_costs_threads_nothing(tmp_path: Path) -> None:
    """Else the desk under it would be slow for that alone, and a campaign would measure its own tool."""
    plain, stepped = (
        float(
            subprocess.run(
                [sys.executable, "-c", WAIT_FOR_EACH_OTHER],
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                check=True,
                timeout=60,
            ).stdout
        )
        for environment in ({}, WallClock(tmp_path / "clock").environment)
    )
    assert stepped < 2 * plain + 0.2, f"{stepped} s of the processor instead of {plain}"
