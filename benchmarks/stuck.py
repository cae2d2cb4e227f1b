"""100 of 2,000 consoles stop reading their sockets, and nobody else notices: `python -m benchmarks stuck`.

500 agents have a contact of one customer in wrap-up, and 100 of them stop reading. One of the 500 writes notes about
the customer, each of which changes the card on all these screens; meanwhile callers phone, and whoever is free takes
them. After 20 s the stuck ones read on: they find their connection closed, come back, and get the state anew. The same
20 s with nobody stuck come first: what the others notice is the difference.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from benchmarks.contacts import BenchError, Child
from benchmarks.databases import Database
from benchmarks.machine import resident_mb
from benchmarks.report import Row
from benchmarks.storm import crowd_at_desk
from service_desk.clock import SystemClock
from service_desk.storage import schema
from service_desk.storage.store import Store
from service_desk.storage.transaction import Tx

AGENTS = 2_000
HOLDERS = 500
STUCK = 100
SPAN_S = 20.0
NOTES_PER_SECOND = 2.0
PER_SECOND = 10.0
CALLS_PER_SECOND = 25.0
LOOK_EVERY_S = 0.25
DISTURBED = 1.25
"""Times what the others had without anybody stuck: beyond it they are disturbed."""
SEED = 30


def measure(
    database: Database,
    folder: Path,
    *,
    agents: int = AGENTS,
    holders: int = HOLDERS,
    stuck: int = STUCK,
    span_s: float = SPAN_S,
) -> Iterator[Row]:
    """The rows of one database. Raises BenchError."""
    with crowd_at_desk("benchmarks.stuck_crowd", database, folder, agents) as (crowd, desk):
        crowd.ask({"calls": holders, "per_second": CALLS_PER_SECOND, "seed": SEED})
        contacts = list(crowd.ask({"paperwork": True}).values())
        if len(contacts) < 2 * stuck:
            raise BenchError(f"{database.name}: only {len(contacts)} of {holders} have a contact")
        _give_to_one_customer(database, contacts)
        wish = {
            "apart": stuck,
            "notes_per_second": NOTES_PER_SECOND,
            "per_second": PER_SECOND,
            "seconds": span_s,
            "seed": SEED,
        }
        usual = crowd.ask({**wish, "stuck": False})
        desk.ask({})
        with _Memory(desk) as memory:
            seen = crowd.ask({**wish, "stuck": True})
        told = desk.ask({})
    yield from _rows(database.name, agents, stuck, span_s, usual, seen, told, memory.growth_mb)


def _give_to_one_customer(database: Database, contacts: list[str]) -> None:
    """All these contacts are of the customer of the first: as if one person had called so many times."""
    interaction = schema.interaction

    def give(tx: Tx) -> None:
        customer = tx.scalar(sa.select(interaction.c.customer_id).where(interaction.c.id == contacts[0]))
        chosen = interaction.c.id.in_(contacts)
        tx.write(
            sa.update(interaction)
            .where(chosen)
            .values(customer_id=customer, version=interaction.c.version + 1)
        )

    store = Store(database.url, SystemClock())
    try:
        store.run(give)
    finally:
        store.close()


class _Memory:
    """How far the desk's resident memory rises above what it is at the beginning."""

    def __init__(self, desk: Child) -> None:
        self._pid = desk.pid
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look)
        self._first_mb = self._most_mb = resident_mb(desk.pid)

    @property
    def growth_mb(self) -> float:
        """Megabytes (2^20 bytes)."""
        return self._most_mb - self._first_mb

    def __enter__(self) -> Self:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._looking.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._most_mb = max(self._most_mb, resident_mb(self._pid))


def _rows(
    name: str,
    agents: int,
    stuck: int,
    span_s: float,
    usual: dict[str, Any],
    seen: dict[str, Any],
    told: dict[str, Any],
    growth_mb: float,
) -> Iterator[Row]:
    print(f"  {name}: nobody stuck: {usual}")
    print(f"  {name}: {seen} {told} grown by {growth_mb:.1f} MB")
    how = (
        f"{stuck} of {agents} consoles read nothing for {span_s:g} s; {NOTES_PER_SECOND:g} notes a second, which "
        f"concern these and {seen['readers']} others, and {PER_SECOND:g} calls a second; from before the note's "
        f"request is written until one of the others has its frame"
    )
    offered = "in the same run: from an offer's being made to its frame at an agent who reads"
    woken = "afterwards they read on: who was cut off finds the connection closed, returns, and has the state again"
    first = f"{name}, {stuck} of {agents} consoles stuck"
    before = "by that of the same people in the 20 s before, when nobody was stuck"
    yield Row(f"{first}: frames to the others p50", seen["frame_p50_ms"], "ms", "", how)
    yield Row(f"{first}: frames to the others p99", seen["frame_p99_ms"], "ms", "", how)
    yield Row(f"{first}: the same, nobody stuck", usual["frame_p99_ms"], "ms", "", how)
    for what in ("frame", "offer"):
        for cut in ("p50", "p99"):
            key = f"{what}_{cut}_ms"
            yield Row(f"{first}: {what}s {cut}", seen[key] / usual[key], "times", f"<= {DISTURBED}", before)
    yield Row(f"{first}: frames that the others miss", seen["unheard"], "frames", "< 1", how)
    yield Row(f"{first}: offer to frame p99", seen["offer_p99_ms"], "ms", "", offered)
    yield Row(f"{first}: growth of the desk's memory", growth_mb, "MB", "<= 20", "resident, most less first")
    yield Row(f"{first}: cut off", seen["cut_off"], "consoles", f">= {stuck}", woken)
    yield Row(f"{first}: back with the state", seen["back"], "consoles", f">= {stuck}", woken)
    yield Row(f"{first}: loop lag p99", told["lag_p99_ms"], "ms", "", "of the desk, in the same run")
    yield Row(f"{first}: generator", seen["cpu_share"] * 100, "% of a core", "", "in the same run")
