"""`start_call` for a known caller through `Desk.run`, with 50 callers at one time, beside one commit per action."""

import asyncio
import contextlib
import itertools
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.databases import Database
from benchmarks.report import Row
from channels.contract import CallStarted
from service_desk.actions import admin, calls
from service_desk.app import read_config_seed
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.storage import writers
from service_desk.storage.store import Store

CALLERS = 50
CUSTOMERS = 300
REPEATS = 3
SPAN_S = 4.0
NAIVE_SPAN_S = 2.0
GOALS = {"SQLite": ">= 2000", "PostgreSQL": ">= 800"}


@dataclass(frozen=True, slots=True)
class Run:
    """Actions a second, and microseconds of this process's CPU for each."""

    per_second: float
    cpu_us: float


def plain_config() -> dict[str, Any]:
    """The example's configuration with a line that leads straight into a queue: the longest way through start_call."""
    body = read_config_seed()
    line = {**body["phone_lines"][0], "options": [], "menu_prompt": ""}
    return {**body, "phone_lines": [line]}


async def measure(database: Database) -> list[Row]:
    """The rows of one database."""
    clock = SystemClock()
    store = Store(database.url, clock)
    desk = Desk(store, LocalBus(), clock)
    await desk.run(admin.seed, plain_config())
    numbers = itertools.count()
    for customer in range(CUSTOMERS):
        await _call(desk, next(numbers), customer)
    await _run(desk, numbers, 1.0)
    runs = [await _run(desk, numbers, SPAN_S) for _ in range(REPEATS)]
    with _one_commit_each():
        naive = await _run(desk, numbers, NAIVE_SPAN_S)
    store.close()
    return _rows(database.name, runs, naive)


def _rows(name: str, runs: list[Run], naive: Run) -> list[Row]:
    speeds = [run.per_second for run in runs]
    how = (
        f"{CALLERS} tasks call Desk.run(start_call) one after the other for {SPAN_S:g} s, {REPEATS} times; "
        f"{CUSTOMERS} known customers, no menu; every commit synced to the disk"
    )
    middle = statistics.median(speeds)
    return [
        Row(f"{name}: start_call, median", middle, "actions/s", GOALS[name], how),
        Row(f"{name}: start_call, worst of {REPEATS}", min(speeds), "actions/s", "", how),
        Row(
            f"{name}: start_call, CPU of our process each",
            statistics.median(run.cpu_us for run in runs),
            "us",
            "",
            how,
        ),
        Row(
            f"{name}: start_call, one commit per action",
            naive.per_second,
            "actions/s",
            "",
            "the same with groups of one action, in the same run: what there would be without group commit",
        ),
        Row(f"{name}: start_call, group commit is faster", middle / naive.per_second, "times", "> 1", how),
    ]


async def _run(desk: Desk, numbers: "itertools.count[int]", span_s: float) -> Run:
    done = 0
    started, cpu = time.perf_counter(), time.process_time()

    async def caller(start: int) -> None:
        nonlocal done
        for customer in itertools.count(start, CALLERS + 1):
            if time.perf_counter() - started > span_s:
                return
            await _call(desk, next(numbers), customer % CUSTOMERS)
            done += 1

    await asyncio.gather(*(caller(start) for start in range(CALLERS)))
    spent_s, elapsed_s = time.process_time() - cpu, time.perf_counter() - started
    return Run(done / elapsed_s, spent_s / done * 1e6)


async def _call(desk: Desk, number: int, customer: int) -> None:
    call_id = f"CA{number:032x}"
    event = CallStarted(call_id, f"+1415555{customer:04d}", "+14155550100", f"voice:{call_id}")
    await desk.run(calls.start_call, "phone-main", event, actor="phone-main")


@contextlib.contextmanager
def _one_commit_each() -> Iterator[None]:
    """Groups of one while the block runs."""
    usual, writers.GROUP_ACTIONS = writers.GROUP_ACTIONS, 1
    try:
        yield
    finally:
        writers.GROUP_ACTIONS = usual
