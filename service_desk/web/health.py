"""/health: whether the process lives, whether it can work, and what is lost while it does.

Anybody may ask, so the answers hold no names, numbers or addresses of anything inside, but for the names of accounts
that are missing (they stand in the addresses of webhooks). What they cost is bounded: everything is read at most once
in `KEPT_S`, found or not, whatever number of probes come.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from aiohttp import web
from pydantic_core import to_json

from service_desk.desk import Desk
from service_desk.domain.effects import ConnectCall, HangUpCall, PutBackCall
from service_desk.errors import DeskError, Unavailable
from service_desk.ports import Clock
from service_desk.queries.operations import Facts, read_facts
from service_desk.settings import Settings
from service_desk.storage import schema
from service_desk.storage.store import Reader

T = TypeVar("T")
NO_ANSWER = "The database does not answer."
KEPT_S = 2.0
LAG_S = 10.0
"""A follower that is behind for longer is named. The search index stores its cursor seldom: it has a bound in rows."""
SEARCH_ROWS = 5_000
OVERDUE_S = 30.0
"""A call's request that is due for longer is named. Messages may wait for their provider much longer than that."""
SKEW_S = 1.0
"""A clock that differs by more is named: the machine's from the database's, the desk's from the machine's."""
CALLS = frozenset({ConnectCall.KIND, PutBackCall.KIND, HangUpCall.KIND})

WITHOUT: Mapping[str, str] = {
    "routing": "Nobody routes: contacts wait without being offered.",
    "timers": "Nobody watches the time: what should end by itself does not.",
    "outbox": "Nobody sends: calls are not connected and messages wait.",
    "nodes": "Nobody watches the nodes: consoles of a dead one count as open.",
    "figures": "Nobody counts: the wallboard stands still.",
    "search": "Nobody indexes: what is new is not found by search.",
    "retention": "Nobody tidies up: what is old stays.",
    "sweep": "Nobody looks up calls whose end was not reported.",
    "text_sweep": "Nobody looks up texts whose delivery was not reported.",
}
"""What is lost while no process holds a lease, by its name."""
BEHIND: Mapping[str, str] = {
    "routing": "Routing is behind.",
    "figures": "The wallboard is behind.",
    "search": "The search index is behind.",
    "fanout": "Screens at this node are behind.",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """Rows, bytes that are free for files, and the seconds by which the desk's clock is behind the machine's."""

    facts: Facts
    disk_free: int
    behind_s: float = 0.0


class Kept(Generic[T]):
    """What a look found, or that it failed, for `KEPT_S`: many who ask at once look once, and nobody waits for two."""

    def __init__(self, clock: Clock, look: Callable[[], Awaitable[T]]) -> None:
        self._clock = clock
        self._look = look
        self._looking = asyncio.Lock()
        self._until = float("-inf")
        self._found: T | None = None

    async def get(self) -> T | None:
        """None: the look failed."""
        async with self._looking:
            if self._clock.monotonic() >= self._until:
                try:
                    self._found = await self._look()
                except (DeskError, TimeoutError):
                    self._found = None
                self._until = self._clock.monotonic() + KEPT_S
            return self._found


class Watcher:
    """Looks whether the desk can work, and with what losses; keeps what was found for a while."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self._desk = desk
        self._settings = settings
        self._seen = Kept(desk.clock, self._look)
        self._lacks = Kept(desk.clock, self._look_for_lacks)

    async def look(self) -> Seen:
        """At most `KEPT_S` old. Raises Unavailable: the database does not answer."""
        seen = await self._seen.get()
        if seen is None:
            raise Unavailable(NO_ANSWER)
        return seen

    async def missing(self) -> list[str]:
        """What keeps it from working, at most `KEPT_S` old. No details: anybody may ask."""
        lacks = await self._lacks.get()
        return [NO_ANSWER] if lacks is None else lacks

    async def _look_for_lacks(self) -> list[str]:
        try:
            async with asyncio.timeout(self._settings.limits.health_read_s):
                configured = await self._desk.read(_is_configured)
        except Exception:  # noqa: BLE001 - whatever it is, the answer is that the database does not answer
            return [NO_ANSWER]
        return [] if configured else ["No configuration is published yet."]

    async def _look(self) -> Seen:
        async with asyncio.timeout(self._settings.limits.health_read_s):
            facts = await self._desk.read(read_facts, self._desk.measures.fanout_cursor())
            free = await asyncio.to_thread(disk_free, self._settings.var_dir)
        seen = Seen(facts, free, self._desk.clock.behind_s)
        self.write(seen)
        return seen

    @property
    def _alone(self) -> bool:
        """One process on SQLite: it holds everything, it does not beat, and its clock is the database's."""
        return self._desk.store.dialect == "sqlite"

    def nodes(self, seen: Seen) -> int:
        """How many processes live."""
        return 1 if self._alone else len(seen.facts.nodes)

    def losses(self, seen: Seen) -> list[str]:
        """In words; empty if all is well."""
        bus = self._desk.bus.degraded
        expected = None if self._alone else self._settings.nodes_expected
        found = losses(seen, nodes_expected=expected, disk_free_bytes=self._settings.limits.disk_free_bytes)
        settings = self._settings
        just_installed = not any(
            settings.accounts.values()
        )  # the first rules name what nobody can have given yet
        missing = [] if just_installed else settings.without_account(seen.facts.accounts)
        return [*([bus] if bus is not None else []), *found, *missing]

    def write(self, seen: Seen) -> None:
        """The same for Prometheus. What is no longer there is no longer told."""
        measures, facts = self._desk.measures, seen.facts
        for gauge in (
            measures.effects,
            measures.effects_overdue,
            measures.waiting,
            measures.longest_wait,
            measures.longest_message_wait,
        ):
            gauge.clear()
        if not self._alone:
            for name in WITHOUT:
                measures.lease_free.labels(name).set(name not in facts.held)
        for name, lag in facts.lags.items():
            measures.follower_positions.labels(name).set(lag.positions)
            measures.follower_seconds.labels(name).set(lag.seconds)
        for (kind, state), count in facts.effects.items():
            measures.effects.labels(kind, state).set(count)
        for kind, seconds in facts.overdue_s.items():
            measures.effects_overdue.labels(kind).set(seconds)
        for queue, line in facts.waiting.items():
            measures.waiting.labels(queue).set(line.waiting)
            measures.longest_wait.labels(queue).set(line.live_s)
            measures.longest_message_wait.labels(queue).set(line.messages_s)
        for role in ("web", "route", "send"):
            live = 1 if self._alone else sum(role in roles for roles in facts.nodes)
            measures.nodes.labels(role).set(live)
        measures.clock_skew.set(facts.skew_s)
        measures.disk_free.set(seen.disk_free)
        measures.degraded.set(len(self.losses(seen)))


WATCHER: web.AppKey[Watcher] = web.AppKey("watcher", Watcher)


def losses(seen: Seen, *, nodes_expected: int | None, disk_free_bytes: int) -> list[str]:
    """What is lost, in words. `nodes_expected` is None for one process on SQLite."""
    of_cluster = [] if nodes_expected is None else _losses_of_a_cluster(seen.facts, nodes_expected)
    return [*of_cluster, *_losses(seen, disk_free_bytes)]


def _losses_of_a_cluster(facts: Facts, expected: int) -> Iterator[str]:
    yield from (words for name, words in WITHOUT.items() if name not in facts.held)
    if len(facts.nodes) < expected:
        yield f"{len(facts.nodes)} of {expected} nodes live."
    if abs(facts.skew_s) > SKEW_S:
        yield f"This machine's clock differs from the database's by {abs(facts.skew_s):.0f} s."


def _losses(seen: Seen, disk_free_bytes: int) -> Iterator[str]:
    facts = seen.facts
    for name, lag in facts.lags.items():
        if lag.seconds > LAG_S and (name != "search" or lag.positions > SEARCH_ROWS):
            yield BEHIND[name]
    if any(seconds > OVERDUE_S for kind, seconds in facts.overdue_s.items() if kind in CALLS):
        yield "What calls wait for is overdue: the outbox is behind."
    if abs(seen.behind_s) > SKEW_S:
        side = "behind" if seen.behind_s > 0 else "ahead of"
        yield (
            f"The desk's clock is {abs(seen.behind_s):.0f} s {side} this machine's, which was set, and turns to it "
            "by a second in twenty: restart the desk if the machine's is right, and set that if it is not."
        )
    if seen.disk_free < disk_free_bytes:
        yield "The disk is nearly full."


def disk_free(folder: Path) -> int:
    """Bytes that may still be written where the folder is, or will be made."""
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


async def show_health(request: web.Request) -> web.Response:
    """200 when it can work ("degraded" says with what loss), 503 when it cannot. Both mean that it lives."""
    watcher = request.app[WATCHER]
    missing = await watcher.missing()
    why, nodes = list(missing), None
    if not missing:
        try:
            seen = await watcher.look()
        except Unavailable:
            missing = why = [NO_ANSWER]
        else:
            why, nodes = watcher.losses(seen), watcher.nodes(seen)
    status = "down" if missing else "degraded" if why else "ok"
    facts = {"status": status, "live": True, "ready": not missing, "why": why, "nodes": nodes}
    return _answer(facts, ok=not missing)


async def show_live(_request: web.Request) -> web.Response:
    """200 as long as the event loop turns: where it does not, only a restart helps. Asks nobody else."""
    return _answer({"live": True}, ok=True)


async def show_ready(request: web.Request) -> web.Response:
    """Whether requests may be sent here: 200, or 503 while the database does not answer."""
    missing = await request.app[WATCHER].missing()
    return _answer({"live": True, "ready": not missing, "why": missing}, ok=not missing)


def _answer(facts: dict[str, Any], *, ok: bool) -> web.Response:
    return web.Response(
        status=200 if ok else 503,
        body=to_json(facts),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _is_configured(reader: Reader) -> bool:
    table = schema.config_version
    return reader.scalar(sa.select(table.c.version).where(table.c.state == "published").limit(1)) is not None
