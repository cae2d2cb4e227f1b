"""2,000 agents reconnect at once: `python -m benchmarks storm`.

Two storms on each database. "cut": every socket is cut at the same moment, as by a proxy that starts again. "kill": the
desk is killed with SIGKILL and started again at once. Consoles come back as the browser's do. Meanwhile callers phone:
a webhook each, on a connection of its own, and whoever gets the offer accepts it.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.contacts import BenchError, Child, child, desk_values, prepare
from benchmarks.crowd import CrowdPlan
from benchmarks.databases import Database
from benchmarks.report import Row
from service_desk.actions import admin
from service_desk.clock import HOUR, SystemClock
from service_desk.ids import fingerprint, new_token
from service_desk.queries import live
from service_desk.queries.kept_cards import KeptCards
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store
from service_desk.storage.transaction import Tx
from tests import servers

AGENTS = 2_000
BUSY = 300
"""Agents who hold a call when the storm comes."""
PER_SECOND = 20.0
ARRIVING_PER_SECOND = 150.0
CALLS_PER_SECOND = 25.0
WRAP_UP_S = 3_600
LIMIT_S = 60.0
SETTLING_S = 2.0
SEED = 20


def measure(database: Database, folder: Path, *, agents: int = AGENTS, busy: int = BUSY) -> Iterator[Row]:
    """The rows of one database. Raises BenchError."""
    port = servers.free_port()
    with (
        child("benchmarks.crowd", asdict(plan_for(database, agents)), folder) as crowd,
        contextlib.ExitStack() as desks,
    ):
        values = desk_values(database, crowd.first["carrier"], folder, port)

        def start() -> Child:
            return desks.enter_context(child("benchmarks.desk_process", values, folder))

        desk = start()
        come_in(crowd, desk, database, agents)
        crowd.ask({"calls": busy, "per_second": CALLS_PER_SECOND, "seed": SEED})
        desk.ask({})
        cut = crowd.ask(_storm("cut", 1))
        told = desk.ask({})
        yield from _rows(database.name, "cut", cut, told, missing(database, crowd))
        crowd.tell(_storm("kill", 2))
        time.sleep(2.0)
        desk.kill()
        desk = start()
        killed, told = crowd.hear(), desk.ask({})
        yield from _rows(database.name, "kill", killed, told, missing(database, crowd))


def _storm(kind: str, seed: int) -> dict[str, Any]:
    return {"storm": kind, "per_second": PER_SECOND, "seed": seed, "limit_s": LIMIT_S}


@contextlib.contextmanager
def crowd_at_desk(
    module: str, database: Database, folder: Path, agents: int
) -> Iterator[tuple[Child, Child]]:
    """A crowd of that module and a desk, as processes, once every console is in. Raises BenchError."""
    with (
        child(module, asdict(plan_for(database, agents)), folder) as crowd,
        child(
            "benchmarks.desk_process",
            desk_values(database, crowd.first["carrier"], folder, servers.free_port()),
            folder,
        ) as desk,
    ):
        come_in(crowd, desk, database, agents)
        yield crowd, desk


def come_in(crowd: Child, desk: Child, database: Database, agents: int) -> None:
    """Every console connects. Raises BenchError if one does not."""
    arrived = crowd.ask({"connect": desk.first["listening"], "per_second": ARRIVING_PER_SECOND})
    if arrived["connected"] < agents:
        raise BenchError(
            f"{database.name}: only {arrived['connected']} consoles came in: {arrived['faults']}"
        )


def plan_for(database: Database, agents: int) -> CrowdPlan:
    """The data of `contacts`, so many agents who chose ready, and a session for each."""
    plan = prepare(database, agents, WRAP_UP_S)
    sessions = {login: [new_token(), new_token()] for login in plan.logins}
    store = Store(database.url, SystemClock())
    try:
        store.run(_open_sessions, sessions)
    finally:
        store.close()
    return CrowdPlan(**asdict(plan), sessions=sessions, seed=SEED)


def _open_sessions(tx: Tx, sessions: dict[str, list[str]]) -> None:
    agent = schema.agent
    ids = {row["login"]: row["id"] for row in tx.all(sa.select(agent.c.id, agent.c.login))}
    for login, (token, csrf) in sessions.items():
        admin.open_session(tx, ids[login], fingerprint(token), csrf, tx.now + 8 * HOUR)
    tx.write(sa.update(agent).where(agent.c.login.in_(sessions)).values(chosen="ready", reason=None))


def missing(database: Database, crowd: Child) -> int:
    """How many consoles lack something that concerns them, and still do after a while in which nothing reached them."""
    store = Store(database.url, SystemClock())
    try:
        before = crowd.ask({"positions": True})
        behind = store.read(_behind, before)
        time.sleep(SETTLING_S)
        after = crowd.ask({"positions": True})
    finally:
        store.close()
    return sum(after[login] == before[login] for login in behind)


def _behind(reader: Reader, positions: dict[str, int | None]) -> set[str]:
    """Logins whose console is at a position before the newest event that concerns it, by the fan-out's own rule.

    One event at a time: then the audience of each is known exactly. Who holds what is read as it is now; who came to
    hold something later has the position of that at least, and whom it left is named by the event that took it.
    """
    agent = schema.agent
    rows = reader.all(sa.select(agent.c.id, agent.c.login).where(agent.c.login.in_(positions)))
    at = {row["id"]: positions[row["login"]] or 0 for row in rows}
    login = {row["id"]: row["login"] for row in rows}
    first, head, kept = min(at.values()), live.head(reader), KeptCards()
    behind: set[str] = set()
    for event in live.events_after(reader, first, head - first):
        touched = live.touched_by([event])
        concerned = live.audience(touched, live.holders(reader, touched, kept))
        behind |= {login[one] for one in concerned & at.keys() if at[one] < event.position}
    return behind


def _rows(name: str, kind: str, seen: dict[str, Any], told: dict[str, Any], missing: int) -> Iterator[Row]:
    print(f"  {name} {kind}: {seen} {told}, {missing} miss something")
    what = {"cut": "all sockets cut", "kill": "desk killed and started again"}[kind]
    how = (
        f"{seen['consoles']} consoles, {BUSY} of them with a call; {what}; {PER_SECOND:g} webhooks a second, "
        f"each on a new connection; from the cut until every console has a snapshot or a replay"
    )
    meanwhile = (
        "in the same run: webhooks sent between the cut (or the first answer after it) and the last console"
    )
    first = f"{name}, {what}"
    yield Row(f"{first}: last console consistent", seen["whole_last_s"], "s", "<= 15", how)
    yield Row(f"{first}: half of the consoles consistent", seen["whole_p50_s"], "s", "", how)
    yield Row(
        f"{first}: consoles that miss something",
        missing,
        f"of {seen['consoles']}",
        "< 1",
        f"afterwards: an event that concerns it is behind its position, which stands still for {SETTLING_S:g} s more",
    )
    yield Row(f"{first}: webhook answer p50", seen["hook_p50_ms"], "ms", "", meanwhile)
    yield Row(f"{first}: webhook answer p99", seen["hook_p99_ms"], "ms", "<= 500", meanwhile)
    if kind == "kill":
        yield Row(f"{first}: first webhook served", seen["first_hook_s"], "s", "<= 3", how)
    yield Row(
        f"{first}: memory of the desk", told["rss_mb"], "MB", "<= 1200", "peak resident size of its process"
    )
    yield Row(
        f"{first}: generator", seen["cpu_share"] * 100, "% of a core", "", "from the cut to the last console"
    )
