"""What a waiting customer may be told: position and expected wait, the same for phone and chat."""

from dataclasses import dataclass

import sqlalchemy as sa

from routing.estimate import expected_wait
from routing.lines import QueueLine
from service_desk.actions.interactions import work_item_for
from service_desk.domain.interaction import OFFERED, WAITING
from service_desk.storage import schema
from service_desk.storage.store import Reader

INTERACTION = schema.interaction
LIVE = schema.queue_live


@dataclass(frozen=True, slots=True)
class LineFacts:
    """Where a contact stands: `position` counts from 1, the wait is in seconds.

    The wait is 0 while it rings at an agent and None when nobody knows.
    """

    interaction_id: str
    state: str
    channel: str
    queue_id: str | None
    position: int | None
    expected_wait_s: int | None


def line_facts(reader: Reader, account: str, external_id: str) -> LineFacts | None:
    """By the provider's id; None if there is no such contact. An indexed count over the stored ordering key."""
    row = reader.first(
        sa.select(INTERACTION).where(
            INTERACTION.c.account == account, INTERACTION.c.external_id == external_id
        )
    )
    return facts_of(reader, row) if row is not None else None


def facts_of(reader: Reader, row: sa.RowMapping) -> LineFacts:
    """Where the contact of an interaction row stands."""
    position = place(reader, row) if row["state"] in WAITING else None
    wait = 0 if row["state"] == OFFERED else None
    if position is not None and wait is None:
        wait = wait_s(reader, row["queue_id"], position - 1)
    return LineFacts(row["id"], row["state"], row["channel"], row["queue_id"], position, wait)


def place(reader: Reader, row: sa.RowMapping) -> int:
    """How many stand at or before it in its queue."""
    queue = reader.config.queue(row["queue_id"])
    if queue.ageing:
        return _place_now(reader, row, QueueLine(queue.for_router()))
    before = sa.or_(
        INTERACTION.c.ordering_key < row["ordering_key"],
        sa.and_(INTERACTION.c.ordering_key == row["ordering_key"], INTERACTION.c.id <= row["id"]),
    )
    count: int = reader.scalar(
        sa.select(sa.func.count()).where(
            INTERACTION.c.queue_id == row["queue_id"], INTERACTION.c.state.in_(tuple(WAITING)), before
        )
    )
    return count


def _place_now(reader: Reader, row: sa.RowMapping, line: QueueLine) -> int:
    """The same where classes age at slopes of their own: the order is that of this moment, and stored nowhere."""
    others = reader.all(
        sa.select(INTERACTION).where(
            INTERACTION.c.queue_id == row["queue_id"], INTERACTION.c.state.in_(tuple(WAITING))
        )
    )
    config = reader.config
    place, *places = (line.place_at(work_item_for(each, config), reader.now) for each in (row, *others))
    return sum(each <= place for each in places)


def wait_s(reader: Reader, queue_id: str | None, ahead: int) -> int | None:
    """Expected wait with `ahead` in front, from the router's live view; None without agents or data."""
    row = reader.get(LIVE, queue_id) if queue_id is not None else None
    if row is None or row["agents"] == 0 or row["mu"] <= 0:
        return None
    return round(expected_wait(ahead, row["agents"] * row["mu"], row["theta"]))
