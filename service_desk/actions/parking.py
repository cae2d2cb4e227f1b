"""Asynchronous work that waits for the customer: parked with its agent, holding none of their capacity."""

from collections.abc import Mapping
from typing import Any

from service_desk.actions import agents, interactions, messages
from service_desk.actions.room import require_room
from service_desk.domain import interaction as life
from service_desk.domain.media import ASYNCHRONOUS, PARKED_FOR
from service_desk.errors import Conflict
from service_desk.planted import planted
from service_desk.storage.transaction import Row, Tx

TIMER = "parked"


def park(tx: Tx, interaction_id: str, agent_id: str) -> Row:
    """The agent has answered and waits. Again changes nothing."""
    agents.must_get(tx, agent_id)  # locks in the fixed order: agent before interaction
    row = interactions.must_get(tx, interaction_id)
    interactions.require_owner(row, agent_id)
    if row["state"] == life.PARKED:
        return row
    if row["channel"] not in ASYNCHRONOUS:
        raise Conflict("Only mail and texts can wait for the customer.", code="not_asynchronous")
    if row["state"] != life.ACTIVE:
        raise Conflict("Only a contact that is being served can be parked.", code="not_active")
    until = tx.now + PARKED_FOR[row["channel"]]
    row = interactions.park(tx, row, until)
    if not planted("parked_without_timer"):
        tx.set_timer(TIMER, interaction_id, until)
    return row


def take_up(tx: Tx, interaction_id: str, agent_id: str) -> Row:
    """Its agent goes on with a parked contact before the customer has written, if they have room for it."""
    agent = agents.must_get(tx, agent_id)
    row = interactions.must_get(tx, interaction_id)
    interactions.require_owner(row, agent_id)
    if row["state"] == life.ACTIVE:
        return row
    if row["state"] != life.PARKED:
        raise Conflict("Only a parked contact can be taken up again.", code="not_parked")
    require_room(tx, agent, row)
    tx.clear_timer(TIMER, interaction_id)
    return interactions.resume(tx, row)


def requeue(tx: Tx, row: Row, reason: str) -> Row:
    """Something new came for a parked contact: back into its line. One that is not parked stays where it is."""
    if row["state"] != life.PARKED:
        return row
    tx.clear_timer(TIMER, row["id"])
    return interactions.requeue(tx, row, reason)


def end(tx: Tx, row: Row, ended_by: str, reason: str) -> Row:
    """A parked contact is over."""
    tx.clear_timer(TIMER, row["id"])
    return interactions.end_parked(tx, row, ended_by, reason)


def expire(tx: Tx, interaction_id: str, _data: Mapping[str, Any]) -> None:
    """The customer did not write again."""
    row = interactions.must_get(tx, interaction_id)
    if row["state"] == life.PARKED:
        row = messages.add_system_line(tx, row, "thread.no_reply")
        interactions.end_parked(tx, row, "system", "no_reply")
