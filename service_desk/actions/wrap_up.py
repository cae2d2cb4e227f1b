"""Ending service and the paperwork after it."""

from service_desk.actions import agents, calls, interactions, messages, parking
from service_desk.domain import interaction as life
from service_desk.errors import Conflict, Invalid
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

COMMENT_CHARACTERS = 2_000


def end_contact(tx: Tx, interaction_id: str, agent_id: str) -> Row:
    """The agent ends it: hang up or close the chat. Again, once it is in wrap-up, changes nothing."""
    row = interactions.must_get(tx, interaction_id)
    interactions.require_owner(row, agent_id)
    if row["state"] in (life.WRAP_UP, life.ENDED):
        return row
    if row["state"] == life.PARKED:
        return parking.end(tx, row, "agent", "agent_closed")
    if row["channel"] == "phone":
        return calls.hang_up(tx, row)
    if row["channel"] == "web_chat":
        row = messages.add_system_line(tx, row, "chat.ended_by_agent")
    return interactions.finish_service(tx, row, "agent", "agent_closed")


def finish(tx: Tx, interaction_id: str, agent_id: str, disposition: str, comment: str) -> Row:
    """The paperwork is done: how it ended, in the words of the configuration."""
    known = [item.id for item in tx.config.dispositions]
    if disposition not in known:
        raise Invalid(f"disposition is one of {', '.join(known)}.", field="disposition")
    if len(comment) > COMMENT_CHARACTERS:
        raise Invalid(f"comment is at most {COMMENT_CHARACTERS} characters.", field="comment")
    agents.must_get(tx, agent_id)  # locks in the fixed order: agent before interaction
    row = interactions.must_get(tx, interaction_id)
    interactions.require_owner(row, agent_id)
    if row["state"] == life.ENDED:
        return _late(tx, row, disposition, comment)
    if row["state"] != life.WRAP_UP:
        raise Conflict("The contact is still running: end it first.", code="not_in_wrap_up")
    return interactions.end_wrap_up(tx, row, disposition=disposition, comment=comment or None)


def _late(tx: Tx, row: Row, disposition: str, comment: str) -> Row:
    """The timer was faster: the outcome is kept all the same, unless one was given before."""
    if row["disposition"] is not None:
        return row
    return tx.change(schema.interaction, row, disposition=disposition, comment=comment or None)


def expire(tx: Tx, interaction_id: str, agent_id: str) -> str | None:
    """The router says that wrap-up is over; None, or why that is refused."""
    row = tx.get_for_update(schema.interaction, interaction_id)
    if row is None or row["state"] != life.WRAP_UP or row["agent_id"] != agent_id:
        return "item"
    if not planted("wrap_up_never_ends"):
        interactions.end_wrap_up(tx, row, disposition=None, comment=None)
    return None
