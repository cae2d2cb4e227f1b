"""Simulated hours of a whole desk with everything that goes wrong: see docs/simulation.md.

Each run is a process of its own, because dead processes of the desk must never be collected. What it prints when it
fails holds the command that runs it again.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parents[2]
PLANTED = Path(__file__).with_name("planted.py")
NORMAL = ("--hours", "2", "--agents", "5", "--per-hour", "40", "--fault-every", "180")
SHORT = ("--hours", "0.25", "--agents", "6", "--per-hour", "150")
DAY = ("--hours", "24", "--agents", "14", "--per-hour", "200")
SEEDS = range(1, 11)


def start(*options: str, hash_seed: int = 0, program: str = "-m") -> subprocess.Popen[str]:
    what = ["-m", "tests.simulation"] if program == "-m" else [program]
    return subprocess.Popen(
        [sys.executable, *what, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(hash_seed)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def test_two_hours_in_which_everything_goes_wrong() -> None:
    said = finish(start("--seed", "4", *NORMAL))
    for what in ("died at", "browser crashed", "provider", "consoles compared", "audits"):
        assert what in said, f"this seed has no {what}: choose another"


def test_the_same_seed_goes_the_same_way_and_another_one_another(tmp_path: Path) -> None:
    """Two nodes, two processes, and sets in another order: byte for byte the same."""
    logs = [tmp_path / name for name in ("one", "other", "another seed")]
    runs = [
        start("--seed", "5", "--nodes", "2", *SHORT, "--log", str(log), hash_seed=number)
        for number, log in enumerate(logs[:2], 1)
    ]
    for run in runs:
        finish(run)
    one, other = (log.read_bytes() for log in logs[:2])
    assert len(one) > 100_000
    assert one == other
    finish(start("--seed", "6", "--nodes", "2", "--until", "120", *SHORT, "--log", str(logs[2])))
    assert not one.startswith(logs[2].read_bytes())


@pytest.mark.soak
@pytest.mark.parametrize(
    "bug", ["lost_text", "deaf_console", "late_timer", "forgotten_agent", "double_text", "no_fence"]
)
def test_a_planted_bug_is_found(bug: str) -> None:
    more = ("--nodes", "2", "--fault-every", "20") if bug == "no_fence" else ()
    run = start(bug, "--seed", "5", *SHORT, *more, program=str(PLANTED))
    said, _ = run.communicate()
    assert run.returncode == 1, f"{bug} was not found:\n{said}"
    assert "BROKEN" in said
    assert "--seed 5" in said, "a failure says how to see it again"


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_day(seed: int, nodes: int) -> None:
    finish(start("--seed", str(seed), "--nodes", str(nodes), *DAY))
