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
    """By kinds of contacts that share what their place is made of: there are few, however many wait."""
    kind = (INTERACTION.c.queue_id, INTERACTION.c.priority, INTERACTION.c.account)
    known = {queue.id for queue in before.queues} & {queue.id for queue in after.queues}
    kinds = tx.all(
        sa.select(*kind).where(WAITS, INTERACTION.c.queue_id.in_(known)).group_by(*kind).order_by(*kind)
    )
    for found in kinds:
        queue_id, priority, account = found["queue_id"], found["priority"], found["account"]
        shift = after.ordering_key(queue_id, 0, priority, account)
        these = (
            WAITS,
            INTERACTION.c.queue_id == queue_id,
            INTERACTION.c.priority == priority,
            INTERACTION.c.account == account,
        )
        if shift != before.ordering_key(queue_id, 0, priority, account):
            tx.all(sa.select(INTERACTION.c.id).where(*these).order_by(INTERACTION.c.id).with_for_update())
            tx.write(
                sa.update(INTERACTION).where(*these).values(ordering_key=INTERACTION.c.queued_at + shift)
            )
        if after.value_of(account) != before.value_of(account):
            for row in tx.all(sa.select(INTERACTION).where(*these).order_by(INTERACTION.c.id)):
                tx.route(WorkChanged(interactions.work_item_for(row, after)))
