"""A router from the rows: what a new holder of the lease decides by."""

from dataclasses import dataclass

import sqlalchemy as sa

from routing.model import Agent, Offer
from routing.router import Router
from service_desk.actions.agents import agent_for
from service_desk.actions.interactions import work_item_for
from service_desk.clock import Micros
from service_desk.domain.config import DeskConfig
from service_desk.domain.interaction import ACTIVE, CONNECTING, WAITING, WRAP_UP
from service_desk.storage import schema
from service_desk.storage.store import Reader

INTERACTION = schema.interaction
OFFER = schema.offer


@dataclass(frozen=True, slots=True)
class Restored:
    """A router, and the last command that the rows it was made from include."""

    router: Router
    command_position: int


def restore(reader: Reader) -> Restored:
    """The router of this moment."""
    position = reader.scalar(sa.select(schema.positions.c.command).where(schema.positions.c.id == 1)) or 0
    return Restored(rebuild_router(reader, reader.now), position)


def rebuild_router(reader: Reader, now: Micros) -> Router:
    """The router that the rows describe."""
    config = reader.config
    return Router.rebuild(
        config.policy(),
        now,
        agents=_agents(reader, config),
        waiting=[(work_item_for(row, config), row["attempts"]) for row in _live(reader, tuple(WAITING))],
        offers=_offers(reader),
        serving=[
            (work_item_for(row, config), row["agent_id"]) for row in _live(reader, (CONNECTING, ACTIVE))
        ],
        wrapping=[
            (work_item_for(row, config), row["agent_id"], row["wrap_up_until"])
            for row in _live(reader, (WRAP_UP,))
        ],
        pauses=_pauses(reader, config, now),
        missed=_missed(reader) if config.bench_after > 1 else {},
        estimates={
            row["queue_id"]: (row["mu"], row["theta"]) for row in reader.all(sa.select(schema.queue_live))
        },
    )


def _live(reader: Reader, states: tuple[str, ...]) -> list[sa.RowMapping]:
    statement = sa.select(INTERACTION).where(
        INTERACTION.c.ended_at.is_(None), INTERACTION.c.state.in_(states)
    )
    return list(reader.all(statement.order_by(INTERACTION.c.id)))


def _agents(reader: Reader, config: DeskConfig) -> list[tuple[Agent, bool, Micros, str | None]]:
    agent, connection = schema.agent, schema.connection
    connected = {row["agent_id"] for row in reader.all(sa.select(connection.c.agent_id).distinct())}
    rows = reader.all(sa.select(agent).where(agent.c.active).order_by(agent.c.id))
    return [
        (agent_for(row, config, reader.now), _is_ready(row, connected), row["idle_since"], _away_reason(row))
        for row in rows
    ]


def _is_ready(row: sa.RowMapping, connected: set[str]) -> bool:
    """Ready by choice and there, or gone for so short a time that nobody has been told yet."""
    return row["chosen"] == "ready" and row["lost_at"] is None and row["id"] in connected


def _away_reason(row: sa.RowMapping) -> str | None:
    return "lost" if row["chosen"] == "ready" else row["reason"]


def _offers(reader: Reader) -> list[Offer]:
    rows = reader.all(sa.select(OFFER).where(OFFER.c.state == "pending").order_by(OFFER.c.id))
    return [
        Offer(
            row["id"], row["interaction_id"], row["agent_id"], row["made_at"], row["deadline"], row["attempt"]
        )
        for row in rows
    ]


def _pauses(reader: Reader, config: DeskConfig, now: Micros) -> list[tuple[str, str, Micros]]:
    """Declines that still keep an item from an agent; offers that were let ring, where one is not enough to be away."""
    pauses = {queue.id: queue.decline_pause_s * 1_000_000 for queue in config.queues}
    ends = ("declined", "expired") if config.bench_after > 1 else ("declined",)
    longest = max(pauses.values(), default=0)
    rows = reader.all(
        sa.select(OFFER.c.interaction_id, OFFER.c.agent_id, OFFER.c.closed_at, INTERACTION.c.queue_id)
        .join(INTERACTION, INTERACTION.c.id == OFFER.c.interaction_id)
        .where(OFFER.c.state.in_(ends), OFFER.c.closed_at > now - longest, INTERACTION.c.ended_at.is_(None))
        .order_by(OFFER.c.id)
    )
    return [
        (row["interaction_id"], row["agent_id"], row["closed_at"] + pauses.get(row["queue_id"], 0))
        for row in rows
    ]


def _missed(reader: Reader) -> dict[str, int]:
    """How many offers in a row agents let ring since they said ready; who answered the last one is not in it."""
    agent = schema.agent
    rows = reader.all(
        sa.select(OFFER.c.agent_id, OFFER.c.state)
        .join(agent, agent.c.id == OFFER.c.agent_id)
        .where(
            agent.c.chosen == "ready",
            OFFER.c.closed_at >= agent.c.chosen_at,
            OFFER.c.state.in_(("accepted", "declined", "expired")),
        )
        .order_by(OFFER.c.closed_at, OFFER.c.id)
    )
    missed: dict[str, int] = {}
    for row in rows:
        if row["state"] == "expired":
            missed[row["agent_id"]] = missed.get(row["agent_id"], 0) + 1
        else:
            missed.pop(row["agent_id"], None)
    return missed
