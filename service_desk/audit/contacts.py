"""Interactions are what the log says; segments, offers and agents fit them."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import sqlalchemy as sa

from routing.capacity import has_room
from service_desk.audit.findings import Finding, Findings, by_id
from service_desk.audit.log import Log
from service_desk.domain import interaction as life
from service_desk.storage import schema
from service_desk.storage.store import Reader


def check_interactions(reader: Reader, log: Log) -> Findings:
    """Each row is what its history says."""
    table = schema.interaction
    columns = (table.c.id, table.c.state, table.c.queue_id, table.c.agent_id, table.c.ended_at)
    missing = set(log.interactions)
    for row in by_id(reader, table, columns):
        missing.discard(row["id"])
        told = log.interactions.get(row["id"])
        if told is None:
            yield Finding("interactions", row["id"], "the log does not know it")
            continue
        for name in ("state", "queue_id", "agent_id"):
            said = getattr(told, name)
            if row[name] != said:
                yield Finding("interactions", row["id"], f"{name} is {row[name]}, the log says {said}")
        if (row["state"] == life.ENDED) != (row["ended_at"] is not None):
            yield Finding("interactions", row["id"], f"it is {row['state']} with ended_at {row['ended_at']}")
    for interaction_id in sorted(missing):
        yield Finding("interactions", interaction_id, "the log knows it, but there is no row")


def check_segments(reader: Reader) -> Findings:
    """One open segment for what waits or is served, with the same queue and agent; none for the rest."""
    segment, interaction = schema.segment, schema.interaction
    still_open: dict[str, list[sa.RowMapping]] = defaultdict(list)
    for row in reader.all(sa.select(segment).where(segment.c.ended_at.is_(None)).order_by(segment.c.id)):
        still_open[row["interaction_id"]].append(row)
    states = tuple(life.WAITING | life.OWNED)
    live = sa.select(interaction).where(interaction.c.ended_at.is_(None), interaction.c.state.in_(states))
    for row in reader.all(live.order_by(interaction.c.id)):
        found = still_open.pop(row["id"], [])
        if len(found) != 1:
            yield Finding("segments", row["id"], f"it is {row['state']} and has {len(found)} open segments")
        for each in found:
            if (each["queue_id"], each["agent_id"]) != (row["queue_id"], row["agent_id"]):
                said = f"{each['queue_id']} with {each['agent_id']}"
                yield Finding(
                    "segments",
                    row["id"],
                    f"its segment is {said}, it is {row['queue_id']} with {row['agent_id']}",
                )
    for interaction_id, found in sorted(still_open.items()):
        yield Finding(
            "segments", interaction_id, f"it has {len(found)} open segments and neither waits nor is served"
        )


def check_offers(reader: Reader) -> Findings:
    """What rings belongs to an interaction that is offered and to somebody who works here, one each."""
    offer, interaction, agent = schema.offer, schema.interaction, schema.agent
    pending = reader.all(
        sa.select(offer.c.id, offer.c.interaction_id, offer.c.agent_id, interaction.c.state, agent.c.active)
        .outerjoin(interaction, interaction.c.id == offer.c.interaction_id)
        .outerjoin(agent, agent.c.id == offer.c.agent_id)
        .where(offer.c.state == "pending")
        .order_by(offer.c.id)
    )
    for row in pending:
        if row["state"] != life.OFFERED:
            yield Finding("offers", row["id"], f"it is pending and its interaction is {row['state']}")
        if not row["active"]:
            yield Finding("offers", row["id"], f"it is pending at {row['agent_id']}, who does not work here")
    for name in ("interaction_id", "agent_id"):
        for subject, count in Counter(row[name] for row in pending).items():
            if count > 1:
                yield Finding("offers", subject, f"{count} offers are pending")
    ringing = {row["interaction_id"] for row in pending}
    offered = (
        sa.select(interaction.c.id).where(interaction.c.state == life.OFFERED).order_by(interaction.c.id)
    )
    for row in reader.all(offered):
        if row["id"] not in ringing:
            yield Finding("offers", row["id"], "it is offered and no offer is pending")


def check_capacity(reader: Reader) -> Findings:
    """Nobody has more than they can take."""
    offer, interaction, agent = schema.offer, schema.interaction, schema.agent
    load: dict[str, list[str]] = defaultdict(list)
    owned = sa.select(interaction.c.agent_id, interaction.c.channel).where(
        interaction.c.ended_at.is_(None), interaction.c.state.in_(tuple(life.OWNED))
    )
    ringing = (
        sa.select(offer.c.agent_id, interaction.c.channel)
        .join(interaction, interaction.c.id == offer.c.interaction_id)
        .where(offer.c.state == "pending")
    )
    for row in (*reader.all(owned), *reader.all(ringing)):
        load[row["agent_id"]].append(row["channel"])
    exclusive = reader.config.policy().exclusive
    capacities = {row["id"]: row["capacity"] for row in reader.all(sa.select(agent.c.id, agent.c.capacity))}
    for agent_id, media in sorted(load.items()):
        if not _fits(capacities.get(agent_id, {}), media, exclusive):
            held = ", ".join(f"{count} {medium}" for medium, count in sorted(Counter(media).items()))
            yield Finding("capacity", agent_id, f"holds {held} with a capacity of {capacities.get(agent_id)}")


def _fits(capacity: Mapping[str, int], media: list[str], exclusive: frozenset[str]) -> bool:
    """Whether the last of them could have been given beside the others, whichever it was."""
    for medium in set(media):
        rest = Counter(media)
        rest[medium] -= 1
        if not has_room(capacity, +rest, medium, exclusive):
            return False
    return True


def check_agents(reader: Reader, log: Log) -> Findings:
    """What an agent last chose is what the log says."""
    for row in reader.all(sa.select(schema.agent).order_by(schema.agent.c.id)):
        told = log.agents.get(row["id"])
        if told is not None and told != (row["chosen"], row["reason"]):
            yield Finding(
                "agents",
                row["id"],
                f"is {row['chosen']} ({row['reason']}), the log says {told[0]} ({told[1]})",
            )
