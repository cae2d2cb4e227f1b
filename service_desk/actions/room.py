"""Whether an agent has room for a contact beside what they have, and what rings at them meanwhile."""

from collections import Counter

import sqlalchemy as sa

from routing.capacity import has_room
from service_desk.actions import interactions
from service_desk.domain import interaction as life
from service_desk.errors import Conflict
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

INTERACTION = schema.interaction
OFFER = schema.offer


def require_room(tx: Tx, agent: Row, row: Row) -> None:
    """The agent can have it beside what they have; what rings at them and fits no more goes back to its line."""
    policy, units = tx.config.policy(), tx.config.agent_units

    def fits(medium: str) -> bool:
        return has_room(
            agent["capacity"],
            load,
            medium,
            policy.exclusive,
            interrupts=policy.interrupts.get(medium, frozenset()),
            weights=policy.weights,
            units=units,
        )

    held = sa.select(INTERACTION.c.channel).where(
        INTERACTION.c.agent_id == agent["id"],
        INTERACTION.c.ended_at.is_(None),
        INTERACTION.c.state.in_(tuple(life.OWNED)),
    )
    load = Counter(each["channel"] for each in tx.all(held))
    if not fits(row["channel"]):
        words = ", ".join(f"{count} × {channel}" for channel, count in sorted(load.items())) or "nothing"
        raise Conflict(
            f"{agent['name']} has {words} and no room for this beside it.",
            code="agent_full",
            field="agent_id",
        )
    load[row["channel"]] += 1
    rings = sa.select(INTERACTION.c.id, INTERACTION.c.channel).join(
        OFFER, sa.and_(OFFER.c.interaction_id == INTERACTION.c.id, OFFER.c.state == "pending")
    )
    ringing = tx.first(rings.where(OFFER.c.agent_id == agent["id"]))
    if ringing is None or ringing["id"] == row["id"]:
        return
    if not fits(ringing["channel"]):
        take_back_offer(tx, agent["id"])


def take_back_offer(tx: Tx, agent_id: str) -> None:
    """What rings at the agent is withdrawn with the word that takes them away, not a moment after it."""
    found = tx.first(
        sa.select(OFFER.c.interaction_id).where(OFFER.c.agent_id == agent_id, OFFER.c.state == "pending")
    )
    if found is None:
        return
    row = interactions.must_get(tx, found["interaction_id"])
    offer = tx.first(
        sa.select(OFFER)
        .where(OFFER.c.interaction_id == row["id"], OFFER.c.agent_id == agent_id, OFFER.c.state == "pending")
        .with_for_update()
    )
    if offer is None or not interactions.close_offer(tx, offer, "withdrawn", "agent_forced"):
        return
    if row["state"] == life.OFFERED:
        interactions.move(tx, row, life.QUEUED)
