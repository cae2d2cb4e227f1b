"""The machine's clock steps; the desk's goes on."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.chaos.clocks import WallClock, clock_library

PRINT_NOW = """
import sys, threading, time
from service_desk.clock import SystemClock
clock, pause = SystemClock(), threading.Event()
while True:
    print(clock.now(), time.time_ns() // 1000, flush=True)
    pause.wait(0.02)
"""
LINES = 10


@pytest.mark.parametrize("offset_s", [3_600, -3_600, -1])
def test_a_step_of_the_wall_clock_moves_no_timer(tmp_path: Path, offset_s: int) -> None:
    wall = WallClock(clock_library(), tmp_path / "clock")
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
    took = ours[-1] - ours[0]
    true = int(lines[-1][1]) - int(lines[0][1]) - offset_s * 1_000_000
    assert abs(took - true) < 100_000 + true // 10
