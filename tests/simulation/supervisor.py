"""A supervisor who interferes by chance: what they do competes with accepts, expiries, hang-ups and deaths."""

from random import Random

import sqlalchemy as sa

from service_desk.actions import supervision
from service_desk.desk import Desk
from service_desk.domain import interaction as life
from service_desk.storage import schema
from service_desk.storage.store import Reader

REASON = "as the simulation has it"
FLOOR = tuple(sorted(life.WAITING | {life.CONNECTING, life.ACTIVE}))


async def supervise(desk: Desk, chance: Random) -> str:
    """One act, in words. Raises DeskError where the desk refuses it, which is right as often as not."""
    contacts, agents, queues = await desk.read(_floor)
    act = chance.choice(("move", "assign", "prioritise", "send away"))
    if act == "send away":
        agent_id, version = chance.choice(agents)
        await desk.run(supervision.force_state, agent_id, version, "away", "break", REASON)
        return act
    if not contacts:
        return "nothing to do"
    contact_id, version = chance.choice(contacts)
    if act == "move":
        await desk.run(supervision.move_contact, contact_id, version, chance.choice(queues), REASON)
    elif act == "assign":
        agent_id, _ = chance.choice(agents)
        await desk.run(supervision.assign_contact, contact_id, version, agent_id, REASON)
    else:
        await desk.run(supervision.prioritise_contact, contact_id, version, chance.randrange(1, 5), REASON)
    return act


def _floor(reader: Reader) -> tuple[list[tuple[str, int]], list[tuple[str, int]], list[str]]:
    contact, agent = schema.interaction, schema.agent
    living = (
        sa.select(contact.c.id, contact.c.version).where(contact.c.state.in_(FLOOR)).order_by(contact.c.id)
    )
    people = sa.select(agent.c.id, agent.c.version).order_by(agent.c.id)
    return (
        [(row["id"], row["version"]) for row in reader.all(living)],
        [(row["id"], row["version"]) for row in reader.all(people)],
        [queue.id for queue in reader.config.queues],
    )
