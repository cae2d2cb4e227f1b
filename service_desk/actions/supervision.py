"""A supervisor takes hold of things: contacts move, agents are told their state. Each with a reason that is kept.

The version that the supervisor saw is compared under the row's lock, so that of a supervisor and an agent (or two
supervisors) who act in the same moment one wins and the other is told.
"""

from typing import Any

import sqlalchemy as sa

from routing.commands import AgentGone, WorkChanged
from service_desk.actions import admin, agents, calls, interactions, messages
from service_desk.actions.other_line import SERVED, head_start_of, into_other_line, let_go
from service_desk.actions.places import came_at
from service_desk.actions.pull import hand_over
from service_desk.actions.room import require_room, take_back_offer
from service_desk.domain import events
from service_desk.domain import interaction as life
from service_desk.errors import Conflict, Invalid, NotFound, StaleVersion
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

AGENT = schema.agent
INTERACTION = schema.interaction
OFFER = schema.offer
SESSION = schema.session
REASON_CHARACTERS = 500
HEAD_START_MIN = (0, 1_440)
MOVABLE = life.WAITING | SERVED | {life.PARKED}


# --- contacts -------------------------------------------------------------------------------------------------


def move_contact(tx: Tx, interaction_id: str, version: int, queue_id: str, reason: str) -> Row:
    """Into the line of another queue, or (for one that somebody has) back into a line.

    Who waits takes their waiting time along; who was being served begins to wait now, unless it is back to the
    same queue, where they keep their place. What rings or is being served is taken away first.
    """
    words = _words(reason)
    if queue_id not in {queue.id for queue in tx.config.queues}:
        raise Invalid(f"There is no queue {queue_id}.", field="queue_id")
    row = _contact(tx, interaction_id, version)
    before = {"queue_id": row["queue_id"], "agent_id": row["agent_id"], "state": row["state"]}
    if row["queue_id"] != queue_id:
        row = into_other_line(tx, row, queue_id, "moved")
    elif row["state"] in life.WAITING:
        raise Conflict("The contact waits in this queue already.", code="already_there")
    else:
        row = _back_into_line(tx, row)
    tx.audit(
        "contact.moved",
        interaction_id,
        reason=words,
        queue_id=queue_id,
        **{f"old_{name}": value for name, value in before.items()},
    )
    return row


def _back_into_line(tx: Tx, row: Row) -> Row:
    row = messages.add_system_line(tx, row, "routing.put_back")
    if row["state"] == life.PARKED:
        return interactions.requeue(tx, row, "moved")
    if row["channel"] == "phone":
        return calls.put_back_call(tx, row, "moved")
    return interactions.put_back(tx, row, "moved")


def assign_contact(tx: Tx, interaction_id: str, version: int, agent_id: str, reason: str) -> Row:
    """To an agent at once, without an offer; from whoever has it or is being asked.

    The agent is ready and there and has room for it; skills and queues they need not have.
    """
    words = _words(reason)
    agent = _assignable(tx, agent_id)
    row = _contact(tx, interaction_id, version)
    if row["agent_id"] == agent_id:
        raise Conflict(f"{agent['name']} has this contact already.", code="already_there")
    require_room(tx, agent, row)
    before = {"agent_id": row["agent_id"], "state": row["state"]}
    row = messages.add_system_line(tx, row, "routing.assigned")
    if row["state"] not in life.WAITING:
        row = _back_for_another(tx, row)
    else:
        row = let_go(tx, row, "assigned", still_waits=True)
    row = hand_over(tx, row, agent_id, "assigned")
    tx.audit(
        "contact.assigned",
        interaction_id,
        reason=words,
        agent_id=agent_id,
        **{f"old_{name}": value for name, value in before.items()},
    )
    return calls.connect(tx, row) if row["channel"] == "phone" else row


def _assignable(tx: Tx, agent_id: str) -> Row:
    """The agent, locked: before the contact, in the fixed order."""
    agent = tx.get_for_update(schema.agent, agent_id)
    if agent is None or not agent["active"]:
        raise Invalid("There is no such agent.", field="agent_id")
    if agent["lost_at"] is not None or not agents.is_connected(tx, agent_id):
        raise Conflict(f"{agent['name']} is not connected.", code="agent_not_there", field="agent_id")
    if agent["chosen"] != "ready":
        raise Conflict(f"{agent['name']} is away.", code="agent_not_there", field="agent_id")
    return agent


def _back_for_another(tx: Tx, row: Row) -> Row:
    """Out of its agent's hands and, for this one moment, into the line; the router hears of the new owner only."""
    old_agent, goes_on = row["agent_id"], interactions.is_unanswered_here(tx, row)
    row = let_go(tx, row, "reassigned", still_waits=goes_on)
    row = interactions.move(
        tx, row, life.QUEUED, agent_id=None, answered_at=None, connected_at=None, handled_at=None
    )
    if not goes_on:
        interactions.open_segment(tx, row, entered=False)
    tx.emit(
        events.InteractionQueued(
            row["id"],
            row["queue_id"],
            came_at(row),
            again=True,
            reason="reassigned",
            agent_id=old_agent,
        )
    )
    return row


def prioritise_contact(tx: Tx, interaction_id: str, version: int, head_start_min: int, reason: str) -> Row:
    """So many minutes ahead of its medium's usual place; for what is being served it counts if it is put back."""
    words = _words(reason)
    least, most = HEAD_START_MIN
    if not least <= head_start_min <= most:
        raise Invalid(f"head_start_min is {least} to {most} minutes.", field="head_start_min")
    row = _contact(tx, interaction_id, version)
    old = head_start_of(tx, row)
    priority = tx.config.head_start(row["queue_id"], row["channel"]) + head_start_min
    key = tx.config.ordering_key(row["queue_id"], row["queued_at"], priority, row["account"])
    row = tx.change(INTERACTION, row, priority=priority, ordering_key=key)
    tx.emit(events.InteractionPrioritised(row["id"], row["queue_id"], head_start_min))
    if row["state"] in life.WAITING:
        tx.route(WorkChanged(interactions.work_item_for(row, tx.config)))
    tx.audit(
        "contact.prioritised",
        interaction_id,
        reason=words,
        head_start_min=head_start_min,
        old_head_start_min=old,
    )
    return row


def _contact(tx: Tx, interaction_id: str, version: int) -> Row:
    """The contact, locked, as the supervisor saw it, and in a state in which it can be taken hold of."""
    row = interactions.must_get(tx, interaction_id)
    if row["version"] != version:
        raise StaleVersion("The contact changed meanwhile.", version=row["version"])
    if row["state"] not in MOVABLE:
        words = {
            life.MENU: "The caller is still choosing in the menu.",
            life.WRAP_UP: "The customer has gone; its agent is writing the outcome.",
            life.ENDED: "The contact is over.",
        }
        raise Conflict(words[row["state"]], code="not_movable", state=row["state"])
    return row


# --- agents ---------------------------------------------------------------------------------------------------


def force_state(tx: Tx, agent_id: str, version: int, state: str, away_reason: str | None, reason: str) -> Row:
    """An agent is told to be ready, away with a reason of the configuration, or signed out.

    What rings at them goes back to its line at once; what they serve stays theirs, but for a sign-out, after
    which it goes back too, with its place kept.
    """
    words = _words(reason)
    row = agents.must_get(tx, agent_id)
    if row["version"] != version:
        raise StaleVersion("The agent's state changed meanwhile.", version=row["version"])
    if not row["active"]:
        raise NotFound("There is no such agent.")
    before = {"old_state": row["chosen"], "old_reason": row["reason"]}
    if state == "ready":
        row = _make_ready(tx, row)
    else:
        take_back_offer(tx, agent_id)
        row = _sign_out(tx, row) if state == "signed_out" else _send_away(tx, row, away_reason)
    tx.audit("agent.state_forced", agent_id, reason=words, state=state, away_reason=away_reason, **before)
    return row


def _make_ready(tx: Tx, row: Row) -> Row:
    if row["lost_at"] is not None or not agents.is_connected(tx, row["id"]):
        raise Conflict(f"{row['name']} is not connected.", code="agent_not_there")
    return agents.choose_state(tx, row["id"], row["version"], "ready", None)


def _send_away(tx: Tx, row: Row, away_reason: str | None) -> Row:
    known = [item.id for item in tx.config.away_reasons]
    if away_reason not in known:
        raise Invalid(f"away_reason is one of {', '.join(known)}.", field="away_reason")
    if row["reason"] == agents.SIGNED_OUT:
        raise Conflict(f"{row['name']} is signed out.", code="agent_not_there")
    return agents.choose_state(tx, row["id"], row["version"], "away", away_reason)


def _sign_out(tx: Tx, row: Row) -> Row:
    agent_id = row["id"]
    for session in tx.all(
        sa.select(SESSION.c.fingerprint)
        .where(SESSION.c.agent_id == agent_id, SESSION.c.revoked_at.is_(None))
        .order_by(SESSION.c.fingerprint)
    ):
        admin.revoke_session(tx, session["fingerprint"], "signed_out_by_supervisor")
    agents.send_away(tx, agent_id, agents.SIGNED_OUT)  # also for one whose sessions had run out
    tx.route(AgentGone(agent_id))
    _put_back_all(tx, agent_id)
    return agents.must_get(tx, agent_id)


def _put_back_all(tx: Tx, agent_id: str) -> None:
    held = sa.select(INTERACTION.c.id).where(
        INTERACTION.c.agent_id == agent_id,
        INTERACTION.c.ended_at.is_(None),
        INTERACTION.c.state.in_(tuple(SERVED)),
    )
    for each in tx.all(held.order_by(INTERACTION.c.id)):
        row = interactions.must_get(tx, each["id"])
        if row["agent_id"] != agent_id or row["state"] not in SERVED:
            continue  # it ended or moved on while we waited for its lock
        if row["channel"] == "phone":
            calls.put_back_call(tx, row, "agent_signed_out")
        else:
            interactions.put_back(tx, row, "agent_signed_out")


def _words(reason: str) -> str:
    """The reason, which nobody may leave out."""
    words = " ".join(reason.split())
    if not words:
        raise Invalid("reason says why, in your own words.", field="reason")
    if len(words) > REASON_CHARACTERS:
        raise Invalid(f"reason is at most {REASON_CHARACTERS} characters.", field="reason")
    return words


def told(row: Row) -> dict[str, Any]:
    """An agent's row as the answer of `force_state`."""
    return {
        "id": row["id"],
        "chosen": row["chosen"],
        "reason": row["reason"],
        "since": row["chosen_at"],
        "version": row["version"],
    }
