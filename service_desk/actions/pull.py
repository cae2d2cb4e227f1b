"""Work that an agent takes by hand, out of its turn: by permission, and counted."""

from typing import Literal

from routing.commands import WorkTaken
from service_desk.actions import agents, calls, interactions, messages
from service_desk.actions.room import require_room
from service_desk.domain import interaction as life
from service_desk.errors import Conflict
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

PULLED = "contact.pulled"
"""The line in the audit that is counted."""


def pull_contact(tx: Tx, interaction_id: str, agent_id: str) -> Row:
    """An agent takes a contact that waits in one of their queues, whatever its place; again: nothing changes.

    They need room for it, but neither the skills that it asks for nor to be ready. Conflict if it does not wait, or
    rings at somebody.
    """
    agent = agents.must_get(tx, agent_id)  # locked before the contact, in the fixed order
    row = interactions.must_get(tx, interaction_id)
    if row["agent_id"] == agent_id and row["state"] in life.OWNED:
        return row
    if row["state"] != life.QUEUED:
        words = "rings at somebody now" if row["state"] == life.OFFERED else "does not wait any more"
        raise Conflict(f"The contact {words}.", code="not_waiting", state=row["state"])
    if row["queue_id"] not in agent["queues"]:
        raise Conflict("The contact waits in a queue that you do not serve.", code="not_your_queue")
    if not agents.is_connected(tx, agent_id):
        raise Conflict("Your console is not connected.", code="agent_not_there")
    require_room(tx, agent, row)
    row = messages.add_system_line(tx, row, "routing.pulled")
    row = hand_over(tx, row, agent_id, "pulled")
    tx.audit(PULLED, interaction_id, agent_id=agent_id, queue_id=row["queue_id"])
    return calls.connect(tx, row) if row["channel"] == "phone" else row


def hand_over(tx: Tx, row: Row, agent_id: str, why: Literal["assigned", "pulled"]) -> Row:
    """One that waits and rings nowhere is an agent's, without an offer; a call is still to be connected."""
    turn = row["attempts"] + 1  # effects of an earlier turn are told from those of this one
    row = tx.change(schema.interaction, row, attempts=turn)
    state = life.CONNECTING if row["channel"] == "phone" else life.ACTIVE
    row = interactions.answer(tx, row, agent_id, state)
    tx.route(WorkTaken(interactions.work_item_for(row, tx.config), agent_id, why))
    return row
