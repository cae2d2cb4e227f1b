"""Out of one line into another, or out of somebody's hands: what a supervisor and the rules of overflow do alike."""

from typing import Literal

from routing.commands import WorkQueued
from service_desk.actions import calls, interactions, messages
from service_desk.actions.places import after_move, came_at
from service_desk.domain import callback, events
from service_desk.domain import interaction as life
from service_desk.storage.transaction import Row, Tx

Reason = Literal["moved", "overflow"]
SERVED = frozenset({life.CONNECTING, life.ACTIVE})


def into_other_line(tx: Tx, row: Row, queue_id: str, reason: Reason) -> Row:
    """Into the line of another queue. Who waits takes their waiting time along, others begin to wait now.

    A customer who is to be called has been served by nobody, also while an agent waits for them to answer.

    What rings or is being served is taken away first. `reason`: by a supervisor ("moved") or by the queue's own rules
    ("overflow").
    """
    row = messages.add_system_line(tx, row, f"routing.{reason}")
    old_agent, waits = row["agent_id"], row["state"] in life.WAITING
    unanswered = waits or callback.pending(row) is not None
    moved_from = row["queue_id"] if unanswered and interactions.is_unanswered(tx, row) else None
    row = let_go(tx, row, "moved")
    queued_at = row["queued_at"] if unanswered else tx.now
    hints = after_move(tx, row["hints"] if waits else callback.own_hints(row), reason)
    priority = tx.config.head_start(queue_id, row["channel"]) + head_start_of(tx, row)
    row = interactions.move(
        tx,
        row,
        life.QUEUED,
        queue_id=queue_id,
        queued_at=queued_at,
        priority=priority,
        ordering_key=tx.config.ordering_key(queue_id, queued_at, priority, row["account"]),
        hints=hints,
        agent_id=None,
        answered_at=None,
        connected_at=None,
        handled_at=None,
    )
    interactions.open_segment(tx, row, entered=True)
    tx.emit(
        events.InteractionQueued(
            row["id"],
            queue_id,
            came_at(row),
            again=False,
            reason=reason,
            agent_id=old_agent,
            moved_from=moved_from,
        )
    )
    # Queued again and not changed: what rang was withdrawn here, so that the router must not let it stand.
    tx.route(WorkQueued(interactions.work_item_for(row, tx.config), row["attempts"]))
    return row


def let_go(tx: Tx, row: Row, outcome: str, *, still_waits: bool = False) -> Row:
    """Nobody has it and nothing rings any more; the caller hears the waiting treatment again."""
    if row["state"] == life.OFFERED:
        interactions.withdraw_offer(tx, row["id"], outcome)
        row = interactions.move(tx, row, life.QUEUED)
    if row["state"] in SERVED:
        if row["channel"] == "phone":
            row = calls.take_from_agent(tx, row)
        interactions.idle_from_now(tx, row["agent_id"])
    if not still_waits:
        interactions.close_segment(tx, row, outcome)
    return row


def head_start_of(tx: Tx, row: Row) -> int:
    """Minutes ahead of the medium's usual place."""
    usual = tx.config.head_start(row["queue_id"], row["channel"])
    return int(row["priority"] - usual)
