"""From an agent's being free to their next offer, with 1,000 consoles connected: `python -m benchmarks freed`.

Everybody has a contact in wrap-up and callers wait in line. Ten times a second somebody says how their contact ended,
which frees them, and somebody new calls; whoever is freed gets the caller who waited longest, takes the call, and is in
wrap-up again when the caller hangs up. So the line stays about as long as it was.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.contacts import BenchError
from benchmarks.databases import Database
from benchmarks.machine import spent
from benchmarks.report import Row
from benchmarks.start_call import plain_config
from benchmarks.storm import crowd_at_desk

AGENTS = 1_000
PER_SECOND = 10.0
SPAN_S = 20.0
WARM_UP_S = 3.0
WAITING = 200
"""Callers in line when it begins: many more than anybody is free for."""
CALLS_PER_SECOND = 50.0


def measure(
    database: Database,
    folder: Path,
    *,
    agents: int = AGENTS,
    waiting: int = WAITING,
    span_s: float = SPAN_S,
) -> Iterator[Row]:
    """The rows of one database. Raises BenchError."""
    disposition = plain_config()["dispositions"][0]["id"]
    with crowd_at_desk("benchmarks.freed_crowd", database, folder, agents) as (crowd, desk):
        crowd.ask({"calls": agents, "per_second": CALLS_PER_SECOND, "seed": 1})
        lined_up = crowd.ask({"queue": waiting, "per_second": CALLS_PER_SECOND, "seed": 2})
        if lined_up["lined_up"] < waiting / 2:
            raise BenchError(f"{database.name}: {lined_up} of {waiting} callers wait, since many were free")
        free = {"per_second": PER_SECOND, "disposition": disposition}
        crowd.ask({**free, "free": min(WARM_UP_S, span_s), "seed": 3})
        desk.ask({})
        before, begun = spent(database.server), time.perf_counter()
        seen = crowd.ask({**free, "free": span_s, "seed": 4})
        elapsed_s, after = time.perf_counter() - begun, spent(database.server)
        told = desk.ask({})
    shares = {
        "desk process": told["cpu_s"] / elapsed_s,
        "database server": (after.server - before.server) / elapsed_s,
        "generator": seen["cpu_share"],
    }
    everything = (after.machine - before.machine) / elapsed_s
    shares["everything else on the machine"] = max(0.0, everything - sum(shares.values()))
    print(f"  {database.name}: {agents} agents, {lined_up} {seen} {told}")
    yield from _rows(database.name, agents, waiting, span_s, seen, told, shares)


def _rows(
    name: str,
    agents: int,
    waiting: int,
    span_s: float,
    seen: dict[str, Any],
    told: dict[str, Any],
    shares: dict[str, float],
) -> Iterator[Row]:
    how = (
        f"{agents} consoles of one desk process, {waiting} callers in line; open loop: {PER_SECOND:g} a second end "
        f"their wrap-up, as many call, for {span_s:g} s; from before that request is written until the console has the "
        f"next offer's frame"
    )
    same = "in the same run: from before the request is written until its answer is read"
    shared = "in the same run: CPU time by the time on the clock; above some 20 for the rest they disturb"
    first = f"{name}, {agents} agents"
    yield Row(f"{first}: freed to offer frame p50", seen["offer_p50_ms"], "ms", "< 5", how)
    yield Row(f"{first}: freed to offer frame p99", seen["offer_p99_ms"], "ms", "< 25", how)
    yield Row(f"{first}: freed without an offer", seen["asked"] - seen["offered"], "agents", "< 1", how)
    yield Row(f"{first}: end of wrap-up answer p50", seen["answer_p50_ms"], "ms", "", same)
    yield Row(f"{first}: end of wrap-up answer p99", seen["answer_p99_ms"], "ms", "", same)
    yield Row(f"{first}: freed a second", seen["per_second"], "agents/s", "", how)
    yield Row(
        f"{first}: generator late p99", seen["slip_p99_ms"], "ms", "", "later than due, in the same run"
    )
    yield Row(f"{first}: loop lag p99", told["lag_p99_ms"], "ms", "< 10", "of the desk, in the same run")
    for what, share in shares.items():
        yield Row(f"{first}: {what}", share * 100, "% of a core", "", shared)
