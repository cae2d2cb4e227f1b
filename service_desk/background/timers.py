"""Fires timers that actions set: once each, in the transaction that removes them, soon after they are due.

One that would undo what its provider may have done meanwhile asks the provider first, beside the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog

from channels.contract import AccountId, CallControl
from service_desk.actions import agents, calls, chats, parking, reclaim, silence
from service_desk.background.sweep import read_conference
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.errors import DeskError, Unavailable
from service_desk.follow import Signal, earliest
from service_desk.killpoint import killpoint
from service_desk.lease import Fenced, Lease, check_fence, hold_and_work
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.trace import about

TIMER = schema.timer
AT_ONCE = 100
POSTPONED: Micros = 60 * SECOND
ASK_FIRST = frozenset({"connect_timeout"})
"""Before a caller is put back because nobody joined them, the conference is looked at."""
ASK_WITHIN_S = 4.0

Fire = Callable[[Tx, str, Mapping[str, Any]], None]

TIMERS: dict[str, Fire] = {
    "connect_timeout": calls.connect_timeout,
    "rejoin_timeout": calls.rejoin_timeout,
    "agent_lost": agents.lost,
    "agent_reclaim": reclaim.reclaim,
    agents.SHIFT_TIMER: agents.shift_begins,
    silence.TIMER: reclaim.from_silent,
    "visitor_idle": chats.visitor_idle,
    parking.TIMER: parking.expire,
}

log = structlog.get_logger(__name__)


class Timers:
    """Runs wherever its lease is held."""

    def __init__(
        self, desk: Desk, lease: Lease, phones: Mapping[AccountId, CallControl] | None = None
    ) -> None:
        self._desk = desk
        self._lease = lease
        self._phones = phones or {}

    async def run(self) -> None:
        """Hold the lease and fire, until cancelled."""
        await hold_and_work(self._lease, self._desk.clock, self._work)

    async def _work(self, fence: int) -> None:
        asking: dict[tuple[str, str], asyncio.Task[None]] = {}
        try:
            async with Signal(self._desk.bus, self._desk.clock, "timer") as signal:
                while self._lease.held():
                    _reap(asking)
                    due, next_due = await self._desk.glance(due_timers, AT_ONCE + len(asking))
                    due = [each for each in due if each not in asking]
                    at_once = []
                    for kind, subject in due:
                        if kind in ASK_FIRST and self._phones:
                            task = asyncio.create_task(self._ask_and_fire(kind, subject, fence))
                            task.add_done_callback(lambda _: signal.poke())
                            asking[kind, subject] = task
                        else:
                            at_once.append(self._fire(kind, subject, fence))
                    await _all_of(at_once)
                    if not due:
                        await signal.wait(earliest(next_due, self._lease.look_again_at()))
                _reap(asking)  # one that was refused, for its lease was lost, says so
        finally:
            for task in asking.values():
                task.cancel()
            await asyncio.gather(*asking.values(), return_exceptions=True)

    async def _ask_and_fire(self, kind: str, subject: str, fence: int) -> None:
        try:
            await read_conference(self._desk, self._phones, subject, ASK_WITHIN_S)
        except DeskError as error:
            log.warning("conference not looked at", interaction=subject, reason=error.detail)
        await self._fire(kind, subject, fence)

    async def _fire(self, kind: str, subject: str, fence: int) -> None:
        """One timer; a faulty one is put aside for a minute, so that it does not stop the others."""
        with about(kind=kind, subject=subject):
            await self._fire_one(kind, subject, fence)

    async def _fire_one(self, kind: str, subject: str, fence: int) -> None:
        killpoint("timers.before_fire")
        try:
            await self._desk.run(fire, kind, subject, self._lease.name, fence)
            log.info("timer")
        except (Fenced, Unavailable):
            raise
        except DeskError as error:
            log.info("timer had nothing to do", reason=error.detail)
            await self._desk.run(forget, kind, subject)
        except Exception:
            log.exception("timer failed")
            await self._desk.run(postpone, kind, subject)


async def _all_of(works: Iterable[Awaitable[None]]) -> None:
    """Begin all in their order, so that they share commits; when all are over, raise what the first one raised."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if outcome is not None:
            raise outcome


def _reap(tasks: dict[tuple[str, str], asyncio.Task[None]]) -> None:
    """Forget what is done. Raises what stopped it: a lost lease, a database that is away."""
    for key in [key for key, task in tasks.items() if task.done()]:
        tasks.pop(key).result()


def fire(tx: Tx, kind: str, subject: str, lease: str, fence: int) -> None:
    """Remove a due timer and do what it is for."""
    check_fence(tx, lease, fence)
    row = tx.first(sa.select(TIMER).where(TIMER.c.kind == kind, TIMER.c.subject == subject).with_for_update())
    if row is None or row["due_at"] > tx.now:
        return
    tx.clear_timer(kind, subject)
    if not planted("timer_dropped"):
        TIMERS[kind](tx, subject, row["data"])


def forget(tx: Tx, kind: str, subject: str) -> None:
    """Remove a due timer whose act was refused; one that was set anew meanwhile stays."""
    tx.write(sa.delete(TIMER).where(*_due(kind, subject, tx.now)))


def postpone(tx: Tx, kind: str, subject: str) -> None:
    """Try a due timer again in a minute; one that was set anew meanwhile stays as it is."""
    tx.write(sa.update(TIMER).where(*_due(kind, subject, tx.now)).values(due_at=tx.now + POSTPONED))


def _due(kind: str, subject: str, now: Micros) -> tuple[sa.ColumnElement[bool], ...]:
    return (TIMER.c.kind == kind, TIMER.c.subject == subject, TIMER.c.due_at <= now)


_UPCOMING = Prepared(
    sa.select(TIMER.c.kind, TIMER.c.subject, TIMER.c.due_at)
    .order_by(TIMER.c.due_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def due_timers(reader: Reader, limit: int) -> tuple[list[tuple[str, str]], Micros | None]:
    """(kind, subject) of what is due, oldest first, and when the first of the others is."""
    rows = reader.all(_UPCOMING, {"limit": limit + 1})
    due = [(row["kind"], row["subject"]) for row in rows[:limit] if row["due_at"] <= reader.now]
    return due, rows[len(due)]["due_at"] if len(due) < len(rows) else None
