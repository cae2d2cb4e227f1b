"""What a supervisor can take hold of: every contact that is not over, as one projection for all who look."""

import sqlalchemy as sa
from pydantic import ValidationError

from service_desk.actions.places import came_at
from service_desk.clock import Micros
from service_desk.domain.interaction import ACTIVE, CONNECTING, OFFERED, PARKED, QUEUED, WRAP_UP
from service_desk.domain.supervision_views import FloorView, LiveContactView
from service_desk.queries.lines import order_now
from service_desk.storage import schema
from service_desk.storage.store import Reader

INTERACTION = schema.interaction
OFFER = schema.offer
CUSTOMER = schema.customer
BOARD = schema.board
FLOOR_ROW = 2
FLOOR_CONTACTS = 100
"""Rows in the projection, which is pushed each second; all others are a page of the figures' lists away."""
ORDER = {QUEUED: 0, OFFERED: 0, CONNECTING: 1, ACTIVE: 1, WRAP_UP: 2, PARKED: 3}
LAST = len(ORDER)

_PLACE = sa.case(ORDER, value=INTERACTION.c.state, else_=LAST)
_WAITS = INTERACTION.c.state.in_((QUEUED, OFFERED))
_ON_THE_FLOOR = (
    sa.select(
        INTERACTION,
        CUSTOMER.c.name.label("customer_name"),
        CUSTOMER.c.tier,
        OFFER.c.agent_id.label("rings_at"),
        OFFER.c.made_at.label("rings_since"),
    )
    .outerjoin(CUSTOMER, CUSTOMER.c.id == INTERACTION.c.customer_id)
    .outerjoin(OFFER, sa.and_(OFFER.c.interaction_id == INTERACTION.c.id, OFFER.c.state == "pending"))
)


def floor_view(reader: Reader) -> FloorView:
    """The floor as last written by its projection; computed now if there is none yet."""
    row = reader.first(sa.select(BOARD).where(BOARD.c.id == FLOOR_ROW))
    if row is None:
        return compute_floor(reader)
    try:
        return FloorView.model_validate(row["body"])
    except ValidationError:  # of another build, from before an update: its holder writes a new one at once
        return compute_floor(reader)


def compute_floor(reader: Reader) -> FloorView:
    """The floor of this moment: the line first, in the router's order, then those longest with their agent."""
    living = INTERACTION.c.ended_at.is_(None)
    place, part = order_now(reader)
    rows = reader.all(
        _ON_THE_FLOOR.where(living)
        .order_by(
            _PLACE,
            sa.case((_WAITS, place), else_=INTERACTION.c.answered_at),
            sa.case((_WAITS, part), else_=INTERACTION.c.created_at),
            INTERACTION.c.id,
        )
        .limit(FLOOR_CONTACTS)
    )
    total = reader.scalar(sa.select(sa.func.count()).select_from(INTERACTION).where(living))
    return FloorView(
        at=reader.now,
        position=reader.scalar(sa.select(schema.positions.c.event)) or 0,
        contacts=[_contact(reader, row) for row in rows],
        total=total,
    )


def live_contact(reader: Reader, interaction_id: str) -> LiveContactView | None:
    """One contact as a row of the floor, also when it is over."""
    row = reader.first(_ON_THE_FLOOR.where(INTERACTION.c.id == interaction_id))
    return None if row is None else _contact(reader, row)


def _contact(reader: Reader, row: sa.RowMapping) -> LiveContactView:
    queue_id = row["queue_id"]
    known = {queue.id for queue in reader.config.queues}
    usual = reader.config.head_start(queue_id, row["channel"]) if queue_id in known else 0
    queued_at = None if row["queued_at"] is None else came_at(row)
    return LiveContactView(
        id=row["id"],
        channel=row["channel"],
        state=row["state"],
        title=row["customer_name"] or row["caller"] or "",
        queue_id=queue_id,
        agent_id=row["agent_id"],
        rings_at=row["rings_at"],
        head_start_min=row["priority"] - usual,
        since=_since(row, queued_at),
        queued_at=queued_at,
        answered_at=row["answered_at"],
        tier=row["tier"],
        callback=row["callback_at"] is not None,
        version=row["version"],
    )


def _since(row: sa.RowMapping, queued_at: Micros | None) -> Micros:
    """When its state began, as far as the row tells."""
    since: Micros | None = {
        QUEUED: queued_at,
        OFFERED: row["rings_since"],
        CONNECTING: row["answered_at"],
        ACTIVE: row["connected_at"] or row["answered_at"],
        PARKED: row["handled_at"],
        WRAP_UP: row["handled_at"],
    }.get(row["state"])
    return since if since is not None else row["created_at"]
