"""What waits, each with its place and its expected wait, for all media alike; and what was taken out of turn."""

from collections import Counter
from datetime import date, timedelta
from typing import Literal

import sqlalchemy as sa

from service_desk.actions.places import came_at
from service_desk.actions.pull import PULLED
from service_desk.clock import DAY, SECOND, Micros
from service_desk.domain.interaction import OFFERED, WAITING
from service_desk.domain.supervision_views import AgentPullsView, PullsView, WaitingContactView, WaitingView
from service_desk.queries.figures import midnight, today
from service_desk.queries.lines import modelled_s, order_now
from service_desk.storage import schema
from service_desk.storage.store import Reader

INTERACTION, LIVE, CUSTOMER = schema.interaction, schema.queue_live, schema.customer
AGENT, AUDIT, SEGMENT = schema.agent, schema.audit, schema.segment
MOST = 200
NAMES = ("id", "channel", "queue_id", "state", "created_at", "queued_at", "caller")
Basis = Literal["ringing", "model", "head_age", "unknown"]


def waiting_view(reader: Reader, queues: list[str], limit: int = MOST) -> WaitingView:
    """The first of each queue's line, and how many wait in all."""
    live = {row["queue_id"]: row for row in reader.all(sa.select(LIVE).where(LIVE.c.queue_id.in_(queues)))}
    in_line = (INTERACTION.c.state.in_(sorted(WAITING)), INTERACTION.c.queue_id.in_(queues))
    order = (*order_now(reader), INTERACTION.c.id)
    place = sa.func.row_number().over(partition_by=INTERACTION.c.queue_id, order_by=order).label("position")
    numbered = (
        sa.select(*(INTERACTION.c[name] for name in NAMES), place, CUSTOMER.c.name.label("customer_name"))
        .outerjoin(CUSTOMER, CUSTOMER.c.id == INTERACTION.c.customer_id)
        .where(*in_line)
        .subquery()
    )
    rows = reader.all(sa.select(numbered).order_by(numbered.c.position, numbered.c.queue_id).limit(limit))
    total: int = reader.scalar(sa.select(sa.func.count()).select_from(INTERACTION).where(*in_line))
    # The first of a queue stands before all others of it that are shown.
    heads = {row["queue_id"]: came_at(row) for row in rows if row["position"] == 1}
    return WaitingView(
        total=total,
        items=[_one(row, live.get(row["queue_id"]), heads[row["queue_id"]], reader.now) for row in rows],
    )


def _one(
    row: sa.RowMapping, live: sa.RowMapping | None, head_came: Micros, now: Micros
) -> WaitingContactView:
    wait, basis = _wait(row, live, now - head_came)
    return WaitingContactView(
        id=row["id"],
        channel=row["channel"],
        title=row["customer_name"] or row["caller"] or "",
        queue_id=row["queue_id"],
        state=row["state"],
        queued_at=came_at(row),
        waited_s=max(0, now - came_at(row)) / SECOND,
        position=row["position"],
        expected_wait_s=wait,
        wait_basis=basis,
    )


def _wait(row: sa.RowMapping, live: sa.RowMapping | None, head_age: Micros) -> tuple[int | None, Basis]:
    """Seconds from now, and where they come from: see `routing.estimate`."""
    if row["state"] == OFFERED:
        return 0, "ringing"
    if live is None:
        return None, "unknown"
    wait = modelled_s(live, row["channel"], row["position"] - 1)
    return (wait, "model") if wait is not None else (round(max(0, head_age) / SECOND), "head_age")


# --- what was taken out of turn ------------------------------------------------------------------------


_WAS_ANSWERED = sa.exists().where(
    SEGMENT.c.interaction_id == AUDIT.c.subject,
    SEGMENT.c.agent_id == AUDIT.c.actor,
    SEGMENT.c.answered_at.is_not(None),
)
"""Not a callback whose customer did not answer."""


def pulls_view(reader: Reader, day: date | None) -> PullsView:
    """How many of the contacts that each agent answered on a day they took by hand."""
    wanted = day or today(reader)
    since = midnight(reader.config, wanted)
    until = midnight(reader.config, wanted + timedelta(days=1))
    pulled = _counts(
        reader,
        sa.select(AUDIT.c.actor.label("agent"), sa.func.count().label("number"))
        .where(AUDIT.c.action == PULLED, AUDIT.c.at >= since, AUDIT.c.at < until, _WAS_ANSWERED)
        .group_by(AUDIT.c.actor),
    )
    answered = _counts(
        reader,
        sa.select(SEGMENT.c.agent_id.label("agent"), sa.func.count().label("number"))
        .where(
            SEGMENT.c.queued_at >= since - DAY,  # by the index; who waited longer than a day is left out
            SEGMENT.c.queued_at < until,
            SEGMENT.c.answered_at >= since,
            SEGMENT.c.answered_at < until,
        )
        .group_by(SEGMENT.c.agent_id),
    )
    who = {row["id"]: row["name"] for row in reader.all(sa.select(AGENT.c.id, AGENT.c.name))}
    found = [
        AgentPullsView(
            agent_id=agent,
            name=who.get(agent, ""),
            answered=answered[agent],
            pulled=pulled[agent],
            share=pulled[agent] / answered[agent] if answered[agent] else None,
        )
        for agent in sorted(answered.keys() | pulled.keys())
    ]
    return PullsView(
        day=wanted.isoformat(), agents=sorted(found, key=lambda each: (-each.pulled, each.agent_id))
    )


def _counts(reader: Reader, statement: sa.Select[tuple[str, int]]) -> Counter[str]:
    return Counter({row["agent"]: row["number"] for row in reader.all(statement)})
