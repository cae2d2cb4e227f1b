"""What a published configuration changes for people and contacts that are here already."""

import sqlalchemy as sa

from routing.commands import AgentChanged, PolicyChanged, WorkChanged
from service_desk.actions import agents, interactions
from service_desk.domain import interaction as life
from service_desk.domain.config import DeskConfig
from service_desk.storage import schema
from service_desk.storage.transaction import Tx

AGENT, INTERACTION = schema.agent, schema.interaction
WAITS = INTERACTION.c.state.in_(sorted(life.WAITING))
QUEUED = sa.and_(INTERACTION.c.ended_at.is_(None), INTERACTION.c.queued_at.is_not(None))
"""All that have a place, also those whom an agent has: they may be put back to it."""


def take_effect(tx: Tx, before: DeskConfig | None, after: DeskConfig) -> None:
    """Tell the router the rules, what they make of agents and contacts, and keep the stored order as the router's."""
    tx.route(PolicyChanged(after.policy()))
    if before is None:
        return
    if (before.shifts, before.agent_units) != (after.shifts, after.agent_units):
        for row in tx.all(sa.select(AGENT).where(AGENT.c.active.is_(True)).order_by(AGENT.c.id)):
            agent = agents.agent_for(row, after, tx.now)
            if agent != agents.agent_for(row, before, tx.now):
                tx.route(AgentChanged(agent))
            if row["chosen"] == "ready" and before.shifts != after.shifts:
                agents.await_shift(tx, row)
    _reorder(tx, before, after)


def _reorder(tx: Tx, before: DeskConfig, after: DeskConfig) -> None:
    """By kinds of contacts that share what their place is made of: there are few, however many wait.

    What a supervisor gave a contact is kept: its priority stays as far from its medium's usual one as it was.
    """
    kind = (INTERACTION.c.queue_id, INTERACTION.c.channel, INTERACTION.c.account)
    known = {queue.id for queue in before.queues} & {queue.id for queue in after.queues}
    kinds = tx.all(
        sa.select(*kind).where(QUEUED, INTERACTION.c.queue_id.in_(known)).group_by(*kind).order_by(*kind)
    )
    for found in kinds:
        queue_id, channel, account = found["queue_id"], found["channel"], found["account"]
        these = (QUEUED, *(column == found[column.name] for column in kind))
        later = after.head_start(queue_id, channel) - before.head_start(queue_id, channel)
        place, per_minute = _place(after, queue_id, account)
        if later or (place, per_minute) != _place(before, queue_id, account):
            tx.all(sa.select(INTERACTION.c.id).where(*these).order_by(INTERACTION.c.id).with_for_update())
            priority = INTERACTION.c.priority + later
            ahead = sa.cast(priority, sa.BigInteger) * sa.literal(per_minute, sa.BigInteger)
            key = INTERACTION.c.queued_at + place - ahead
            tx.write(sa.update(INTERACTION).where(*these).values(priority=priority, ordering_key=key))
        if later or after.value_of(account) != before.value_of(account):
            for row in tx.all(sa.select(INTERACTION).where(WAITS, *these).order_by(INTERACTION.c.id)):
                tx.route(WorkChanged(interactions.work_item_for(row, after)))


def _place(config: DeskConfig, queue_id: str, account: str) -> tuple[int, int]:
    """What is added to an arrival for its ordering key, and what each minute of priority takes off it."""
    place = config.ordering_key(queue_id, 0, 0, account)
    return place, place - config.ordering_key(queue_id, 0, 1, account)
