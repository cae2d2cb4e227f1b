"""How much a busy desk takes: 200 agents, 10,000 open contacts, and the highest rate of contacts that it sustains.

The open contacts are texts and waiting calls in a queue that none of the agents serves, so that they stay open. Then
rates are tried, each higher than the one before, until one is not sustained; the highest that was is then held for
`BENCH_LOAD_S` seconds. Sustained: every call was offered and finished, the webhook's answer is in time,
and the second half's delay is not above one and a half times the first half's: else calls queue up.

Where the desk is one node, the waiting callers' own webhooks are measured afterwards: 300 a second of them.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from benchmarks.contacts import (
    ACCOUNT,
    ONE,
    SHARE_MOST,
    BenchError,
    Child,
    Desk,
    Run,
    bench_config,
    desk_for,
    generator_for,
    measured,
    one_run,
    prepare,
)
from benchmarks.databases import Database
from benchmarks.machine import cores
from benchmarks.report import Row
from channels.contract import CallStarted
from service_desk.actions import calls
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk as DeskCore
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store
from tests.chaos.backlog import bring_texts, led_aside

TWO_NODES: tuple[str, ...] = ("web,route,send", "web,route,send")
SPAN_VARIABLE = "BENCH_LOAD_S"
UNSERVED = "sales"
"""The queue that no agent has."""
HOOK_P99_MOST_MS = 150.0
GROWTH_MOST = 1.5
DRAIN_MOST_S = 120.0
HELD_S = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. Rates are contacts a second, in rising order; spans are seconds."""

    agents: int = 200
    open_items: int = 10_000
    callers: int = 200
    """So many of the open items are calls."""
    rates: Sequence[float] = (10, 20, 30, 40, 50, 60)
    try_s: float = 20.0
    held_s: float = HELD_S
    warm_up_s: float = 5.0
    hooks_per_second: float = 300.0
    hooks_s: float = 20.0


def size_wanted() -> Size:
    """The usual one, with the span out of the environment."""
    return Size(held_s=float(os.environ.get(SPAN_VARIABLE, HELD_S)))


def measure(
    database: Database, folder: Path, *, processes: tuple[str, ...] = ONE, size: Size | None = None
) -> Iterator[Row]:
    """The rows of one database. Raises BenchError."""
    size = size or size_wanted()
    name = database.name + (f", {len(processes)} nodes" if len(processes) > 1 else "")
    served = [queue["id"] for queue in bench_config()["queues"] if queue["id"] != UNSERVED]
    plan = prepare(database, size.agents, queues=served)
    living = asyncio.run(_fill(database, size))
    with (
        generator_for(plan, folder) as generator,
        desk_for(database, generator.first["carrier"], folder, processes) as desk,
    ):
        generator.ask({"connect": desk.listening, "nodes": desk.nodes})
        generator.ask({"run": size.warm_up_s, "seed": 0, "per_second": size.rates[0]})
        rig = Rig(name, generator, desk, database, size)
        yield from _held_rows(name, size, _hold(rig, _search(rig)))
        if len(processes) == 1:
            yield from _callbacks(rig, living)
    left = "after the runs: rows in the queue that nobody serves"
    still = _still_open(database)
    yield Row(f"{name}: open contacts at the end", still, "contacts", f">= {size.open_items}", left)


@dataclass(frozen=True, slots=True)
class Rig:
    """What a run takes: the processes, and how much of everything."""

    name: str
    generator: Child
    desk: Desk
    database: Database
    size: Size


# --- contacts -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """One rate for one span."""

    per_second: float
    run: Run

    @property
    def fault(self) -> str:
        """Why it was not sustained; empty: it was."""
        seen = self.run.generator
        if not self.run.counts:
            return f"the generator had {seen['cpu_share']:.0%} of a core: the run does not count"
        if not seen["placed"] == seen["offered"] == seen["finished"]:
            return f"{seen['placed']} calls, {seen['offered']} offered, {seen['finished']} finished"
        if seen["webhook_p99_ms"] > HOOK_P99_MOST_MS:
            return f"webhook p99 {seen['webhook_p99_ms']:.0f} ms"
        if seen["offer_p50_late_ms"] > GROWTH_MOST * seen["offer_p50_early_ms"]:
            return f"delay grows: {seen['offer_p50_early_ms']:.0f} to {seen['offer_p50_late_ms']:.0f} ms"
        return ""


def _search(rig: Rig) -> list[float]:
    """The rates that were sustained, in rising order, up to the first that was not."""
    sustained: list[float] = []
    for seed, rate in enumerate(rig.size.rates, 1):
        if _try(rig, rate, rig.size.try_s, seed).fault:
            break
        sustained.append(rate)
    return sustained


def _hold(rig: Rig, sustained: list[float]) -> Held:
    """The highest rate that holds for the long span too. Without any: what the lowest one did."""
    rates = sustained[::-1] or [rig.size.rates[0]]
    tries = (_try(rig, rate, rig.size.held_s, seed) for seed, rate in enumerate(rates, 100))
    held = next(tries)
    while held.fault and (lower := next(tries, None)) is not None:
        held = lower
    return held


def _try(rig: Rig, rate: float, span_s: float, seed: int) -> Held:
    held = Held(rate, one_run(rig.generator, rig.desk, rig.database, seed, rate, span_s))
    seen, run = held.run.generator, held.run
    print(
        f"  {rig.name}, {rate:g}/s for {span_s:g} s: {held.fault or 'sustained'}; offer p50 {seen['offer_p50_ms']:.1f} "
        f"p99 {seen['offer_p99_ms']:.1f} ms, webhook p99 {seen['webhook_p99_ms']:.1f} ms, loop lag p99 "
        f"{run.desk['lag_p99_ms']:.1f} ms; cores: desk {run.desk_share:.2f} database server {run.server_share:.2f} "
        f"generator {seen['cpu_share']:.2f} everything else {run.other_share:.2f} {seen['faults'] or ''}",
        flush=True,
    )
    if held.fault:
        rig.generator.ask({"drain": DRAIN_MOST_S})
    return held


def _held_rows(name: str, size: Size, held: Held) -> Iterator[Row]:
    run, seen = held.run, held.run.generator
    how = (
        f"open loop: Poisson, {size.agents} agents on sockets, {size.open_items} open contacts that nobody serves; "
        f"rates of {', '.join(f'{rate:g}' for rate in size.rates)} a second for {size.try_s:g} s each until one is not "
        f"sustained, then the highest for {size.held_s:g} s; sustained: all offered and finished, webhook p99 <= "
        f"{HOOK_P99_MOST_MS:g} ms, offer p50 of the second half <= {GROWTH_MOST:g} times the first's"
    )
    same = f"in the run that was held, {held.per_second:g} a second"
    sustained = 0.0 if held.fault else held.per_second
    yield Row(f"{name}: contacts sustained", sustained, "contacts/s", "> 0", how)
    unfinished = seen["placed"] - seen["finished"]
    shares = f"in the same run: CPU time by the time on the clock; {cores()} cores are there"
    figures: list[tuple[str, float, str, str, str]] = [
        ("webhook answer p99", seen["webhook_p99_ms"], "ms", f"<= {HOOK_P99_MOST_MS:g}", same),
        ("webhook to offer frame p50", seen["offer_p50_ms"], "ms", "", same),
        ("webhook to offer frame p99", seen["offer_p99_ms"], "ms", "", same),
        ("calls not finished", unfinished, "calls", "< 1", same),
        ("loop lag p99", run.desk["lag_p99_ms"], "ms", "< 10", f"{same}; of the worst node"),
        ("desk", run.desk_share * 100, "% of a core", "", f"{shares}; all nodes"),
        ("database server", run.server_share * 100, "% of a core", "", shares),
        ("generator", seen["cpu_share"] * 100, "% of a core", f"< {SHARE_MOST * 100:g}", shares),
        ("everything else on the machine", run.other_share * 100, "% of a core", "", shares),
    ]
    for what, value, unit, goal, method in figures:
        yield Row(f"{name}, under load: {what}", value, unit, goal, method)


# --- callbacks ------------------------------------------------------------------------------------------------


def _callbacks(rig: Rig, living: list[tuple[str, str]]) -> Iterator[Row]:
    """The waiting callers' own webhooks, after a while of the same that is not counted."""
    size, rate = rig.size, f"{rig.size.hooks_per_second:g}"
    wish = {"living": living, "per_second": size.hooks_per_second}
    rig.generator.ask({**wish, "callbacks": size.warm_up_s, "seed": 0})
    run = measured(rig.generator, rig.desk, rig.database, {**wish, "callbacks": size.hooks_s, "seed": 1})
    seen = run.generator
    print(f"  {rig.name}, callbacks: {seen} {run.desk}; everything else {run.other_share:.2f}", flush=True)
    how = (
        f"open loop: Poisson, {rate} signed webhooks a second for {size.hooks_s:g} s of {len(living)} waiting calls, "
        f"6 wait : 2 status : 2 conference; {size.agents} agents on sockets, {size.open_items} open contacts; from "
        f"before the request is written until its answer is read"
    )
    figures: list[tuple[str, float, str, str]] = [
        ("answer p50", seen["hook_p50_ms"], "ms", ""),
        ("answer p99", seen["hook_p99_ms"], "ms", "< 150"),
        ("answer p99.9", seen["hook_p99.9_ms"], "ms", ""),
        ("slowest answer", seen["hook_max_ms"], "ms", "< 3000"),
        ("not taken", seen["sent"] - seen["taken"], "webhooks", "< 1"),
        ("sent", seen["per_second"], "webhooks/s", ""),
        ("loop lag p99", run.desk["lag_p99_ms"], "ms", "< 10"),
        ("desk", run.desk_share * 100, "% of a core", ""),
        ("database server", run.server_share * 100, "% of a core", ""),
        ("generator", seen["cpu_share"] * 100, "% of a core", f"< {SHARE_MOST * 100:g}"),
    ]
    for what, value, unit, goal in figures:
        yield Row(f"{rig.name}, {rate} callbacks/s: {what}", value, unit, goal, how)


# --- what is open -------------------------------------------------------------------------------------------


async def _fill(database: Database, size: Size) -> list[tuple[str, str]]:
    """The open contacts; of those that are calls, call and contact."""
    rules = bench_config()
    called = rules["phone_lines"][0]["number"]
    store = Store(database.url, SystemClock())
    try:
        desk = DeskCore(store, LocalBus(), SystemClock())
        async with led_aside(desk, rules, UNSERVED):
            await bring_texts(desk, size.open_items - size.callers)
            await asyncio.gather(*(_bring_call(desk, number, called) for number in range(size.callers)))
        living = await desk.read(_living)
    finally:
        store.close()
    if len(living) < size.callers:
        raise BenchError(f"only {len(living)} of {size.callers} calls wait")
    return living


async def _bring_call(desk: DeskCore, number: int, called: str) -> None:
    call_id = f"CA{number:032x}"
    event = CallStarted(call_id, f"+1415{3_000_000 + number}", called, f"voice:{call_id}")
    await desk.run(calls.start_call, ACCOUNT, event, actor=ACCOUNT)


def _living(reader: Reader) -> list[tuple[str, str]]:
    leg, contact = schema.call_leg, schema.interaction
    waiting = sa.select(leg.c.call_id, contact.c.id).join(contact, contact.c.id == leg.c.interaction_id)
    rows = reader.all(waiting.where(contact.c.queue_id == UNSERVED, contact.c.ended_at.is_(None)))
    return [(row["call_id"], row["id"]) for row in rows]


def _still_open(database: Database) -> int:
    contact = schema.interaction
    still = contact.c.ended_at.is_(None) & (contact.c.queue_id == UNSERVED)
    store = Store(database.url, SystemClock())
    try:
        return int(store.read(lambda reader: reader.scalar(sa.select(sa.func.count()).where(still))))
    finally:
        store.close()
