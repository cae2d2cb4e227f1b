"""What processes and the machine spend, from /proc; nothing of it is there outside Linux."""

import os
import platform
import timeit
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of CPU: of the whole machine (all cores), and of a server's processes."""

    machine: float
    server: float


def spent(server: int | None) -> Spent:
    """Now; `server` is the process whose children count too."""
    return Spent(_machine_s(), _tree_s(server) if server is not None else 0.0)


def cores() -> int:
    """How many we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def interpreter() -> str:
    """Which Python this is and how fast: built without optimisations it takes more than twice as long for the loop."""
    took_s = min(timeit.repeat("for i in range(1_000): d = {}; d[i] = str(i)", number=100, repeat=5)) / 100
    return f"Python {platform.python_version()} (a plain loop of 1,000 turns takes it {took_s * 1e6:.0f} us)"


def _machine_s() -> float:
    """Busy time: user, nice, system, interrupts, stolen; not idle and not waiting for disks."""
    try:
        words = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, words[:8])
    return (user + nice + system + irq + soft + steal) / TICKS


def _tree_s(parent: int) -> float:
    """A process and its children, those that are gone included."""
    total = 0.0
    for folder in PROC.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(folder.name) == parent:
            total += sum(map(int, fields[11:15])) / TICKS
        elif int(fields[1]) == parent:
            total += sum(map(int, fields[11:13])) / TICKS
    return total


def resident_mb(process: int) -> float:
    """What a process has in memory now, in megabytes (2^20 bytes). OSError when it is gone."""
    pages = int((PROC / str(process) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
