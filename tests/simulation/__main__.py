"""Runs a simulated day: `python -m tests.simulation --seed 7 --hours 24`. Prints what happened, and what broke."""

import argparse
import hashlib
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.simulation.options import Options
from tests.simulation.run import run
from tests.simulation.world import World


def main() -> int:
    """0 if every invariant held, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=3.0, help="simulated hours with arrivals")
    parser.add_argument("--agents", type=int, default=12)
    parser.add_argument("--nodes", type=int, default=1, help="processes of the desk on one database")
    parser.add_argument("--per-hour", type=float, default=200.0, help="contacts that begin in an hour")
    parser.add_argument("--no-faults", dest="faults", action="store_false")
    parser.add_argument("--fault-every", type=float, default=240.0, metavar="S", help="mean time between two")
    parser.add_argument("--until", type=float, metavar="S", help="stop after so many simulated seconds")
    parser.add_argument("--trace-from", type=float, metavar="S", help="print the log from there on")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write everything that happened")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    options = Options(
        given.seed,
        given.hours,
        given.agents,
        given.nodes,
        given.per_hour,
        given.faults,
        given.fault_every,
        given.until,
        given.trace_from,
    )
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        started = time.perf_counter()
        world = run(options, Path(folder))
        _report(world, time.perf_counter() - started)
        if given.log is not None:
            given.log.write_text("\n".join(world.history()) + "\n", encoding="utf-8")
    sys.stdout.flush()
    return 1 if world.broken else 0


def _report(world: World, real_s: float) -> None:
    simulated = world.loop.time()
    digest = hashlib.sha256("\n".join(world.history()).encode()).hexdigest()
    print(
        f"seed {world.options.seed}: {simulated:.0f} s in {real_s:.1f} s, {simulated / real_s:.0f} times as fast"
    )
    counts = sorted((world.counts + world.customers.counts).items())
    print("  " + ", ".join(f"{name} {count}" for name, count in counts))
    print(f"  history {digest}")
    for line in world.broken[:20]:
        print(f"BROKEN {line}")
    if world.broken:
        print(f"again: {world.options.command}")
        print(f"       add --trace-from {max(0, simulated - 60):.0f} to see what led to it")


if __name__ == "__main__":
    code = main()
    os._exit(code)  # dead processes of the desk are not to be collected: their `finally` blocks would run
