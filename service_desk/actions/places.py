"""Which place a contact takes that comes into a line, and whom it would rather have: by the rules of its queue.

A queue without such rules asks nothing of the database.
"""

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from routing.places import Wait, arrival
from service_desk.clock import DAY, HOUR, SECOND, Micros
from service_desk.domain import interaction as life
from service_desk.domain.config import Queue
from service_desk.domain.media import ASYNCHRONOUS
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx

CONTACT = schema.interaction
LOOKED_AT = 20
"""Of a customer's newest contacts."""
NO_HINTS: Final[dict[str, Any]] = {}

Hints = dict[str, Any]
"""`interaction.hints`: "kept", why the arrival is that of an earlier wait; "given", its place was given back to a later
contact; "moved_at", when a supervisor moved it; "placed", it is still where they put it; "preferred", pairs of agent
and why; "callback" and "dials": see domain/callback.py.
"""

_BEFORE = Prepared(
    sa.select(
        CONTACT.c.id,
        CONTACT.c.channel,
        CONTACT.c.queue_id,
        CONTACT.c.state,
        CONTACT.c.agent_id,
        CONTACT.c.queued_at,
        CONTACT.c.answered_at,
        CONTACT.c.ended_at,
        CONTACT.c.hints,
        CONTACT.c.version,
    )
    .where(
        CONTACT.c.customer_id == sa.bindparam("customer"),
        CONTACT.c.created_at >= sa.bindparam("since", type_=CONTACT.c.created_at.type),
    )
    .order_by(CONTACT.c.created_at.desc(), CONTACT.c.id.desc())
    .limit(LOOKED_AT)
)


@dataclass(frozen=True, slots=True)
class Place:
    """When it joined its line, as far as its order goes; `hints` for the row."""

    queued_at: Micros
    hints: Hints | None


def place_in(
    tx: Tx,
    queue_id: str,
    channel: str,
    customer_id: str | None,
    *,
    own_id: str = "",
    had_by: str | None = None,
) -> Place:
    """For a contact that joins a queue now. `had_by`: the agent whose work it goes on with."""
    queue = tx.config.queue(queue_id)
    recovers = queue.recover_s > 0 and channel not in ASYNCHRONOUS
    preferred = _reopened(queue, had_by)
    if customer_id is None or not (recovers or queue.last_agent_s):
        return Place(tx.now, _hints("", preferred))
    since = tx.now - max(queue.recover_s * SECOND + DAY, queue.last_agent_h * HOUR)
    found = tx.all(_BEFORE, {"customer": customer_id, "since": since})
    before = [row for row in found if row["id"] != own_id]
    queued_at, kept = tx.now, ""
    if recovers:
        last_wait = _last_wait(before, queue_id, channel)
        wait = None if last_wait is None else _wait(last_wait)
        queued_at, kept = arrival(queue.recover_s * SECOND, tx.now, wait)
        if last_wait is not None and kept:
            # Of two who come at once on two nodes, one finds another version here, and looks again.
            tx.change(CONTACT, last_wait, hints={**(last_wait["hints"] or NO_HINTS), "given": True})
    if queue.last_agent_s and (last := _last_agent(before, tx.now - queue.last_agent_h * HOUR)) is not None:
        preferred = [*preferred, [last, "last_agent"]]
    return Place(queued_at, _hints(kept, preferred))


def reopened_hints(tx: Tx, queue_id: str, had_by: str | None) -> Hints | None:
    """Of work that was parked and goes on."""
    return _hints("", _reopened(tx.config.queue(queue_id), had_by))


def _reopened(queue: Queue, had_by: str | None) -> list[list[str]]:
    return [[had_by, "reopened"]] if had_by is not None and queue.reopened_s else []


def _hints(kept: str, preferred: list[list[str]]) -> Hints | None:
    hints: Hints = {"kept": kept} if kept else {}
    if preferred:
        hints["preferred"] = preferred
    return hints or None


def after_service(hints: Hints | None) -> Hints | None:
    """Of what an agent puts back: whom it waited for had it, or it went to somebody else."""
    return {name: value for name, value in (hints or NO_HINTS).items() if name != "preferred"} or None


def after_move(tx: Tx, hints: Hints | None, reason: str) -> Hints | None:
    """Of what goes into a line for this reason.

    Where a supervisor "moved" it, what happens to who waits too long begins anew, and the queue keeps it though it is
    closed or full: else its rules could send it away at once, and undo what the supervisor did. "overflow" ends that.
    """
    if reason == "moved":
        return {**(hints or NO_HINTS), "moved_at": tx.now, "placed": True}
    if reason == "overflow" and hints is not None:
        return {name: value for name, value in hints.items() if name != "placed"} or None
    return hints


def came_at(row: Row) -> Micros:
    """When the contact itself began to wait: what waits are counted from, also where it has an earlier one's place."""
    queued_at, created_at = row["queued_at"], row["created_at"]
    return int(created_at if queued_at is None else max(queued_at, created_at))


def _last_wait(before: list[Row], queue_id: str, channel: str) -> Row | None:
    """The newest contact of this kind, whatever became of it."""
    return next((row for row in before if row["queue_id"] == queue_id and row["channel"] == channel), None)


def _wait(row: Row) -> Wait | None:
    """None if its place was given back already: else who calls again all the time would wait without being there."""
    hints = row["hints"] or NO_HINTS
    if "kept" in hints or "given" in hints:
        return None
    left_at = row["ended_at"] if row["state"] == life.ENDED else None
    return Wait(row["queued_at"], left_at, row["answered_at"] is not None)


def _last_agent(before: list[Row], since: Micros) -> str | None:
    """Who had the newest contact that somebody had."""
    for row in before:
        if row["agent_id"] is not None and (row["ended_at"] is None or row["ended_at"] >= since):
            return str(row["agent_id"])
    return None
