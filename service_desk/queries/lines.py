"""What a waiting customer may be told: position and expected wait, the same for phone and chat."""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from routing.ageing import PLAIN
from routing.estimate import expected_wait
from service_desk.clock import Micros
from service_desk.domain.callback import talks_by
from service_desk.domain.config import AgeingClass, Queue
from service_desk.domain.interaction import OFFERED, WAITING
from service_desk.domain.media import ASYNCHRONOUS
from service_desk.domain.media import LIVE as LIVE_MEDIA
from service_desk.queries.callback_limits import is_offered
from service_desk.storage import schema
from service_desk.storage.store import Reader

INTERACTION = schema.interaction
LIVE = schema.queue_live
LEG = schema.call_leg


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
    on_the_line: bool = True
    """Whether the leg that asks is the one that the customer talks by; False for who is to be called back."""
    offers_callback: bool = False
    """Whether they hear now that they may be called back."""


def line_facts(reader: Reader, account: str, external_id: str) -> LineFacts | None:
    """By the provider's id; None if there is no such contact. A count over the index of its line."""
    row = reader.first(
        sa.select(INTERACTION).where(
            INTERACTION.c.account == account, INTERACTION.c.external_id == external_id
        )
    )
    leg = None if row is not None and row["callback_at"] is None else reader.get(LEG, external_id)
    if row is None and leg is not None:
        row = reader.get(INTERACTION, leg["interaction_id"])
    if row is None or row["account"] != account:
        return None
    facts = facts_of(reader, row)
    if row["callback_at"] is not None:
        facts = replace(facts, on_the_line=leg is not None and talks_by(row, leg["dial"]))
    return replace(facts, offers_callback=facts.on_the_line and is_offered(reader, row))


def facts_of(reader: Reader, row: sa.RowMapping) -> LineFacts:
    """Where the contact of an interaction row stands."""
    position = place(reader, row) if row["state"] in WAITING else None
    wait = 0 if row["state"] == OFFERED else None
    if position is not None and wait is None:
        wait = wait_s(reader, row["queue_id"], row["channel"], position - 1)
    return LineFacts(row["id"], row["state"], row["channel"], row["queue_id"], position, wait)


def place(reader: Reader, row: sa.RowMapping) -> int:
    """How many stand at or before it in its queue."""
    queue = reader.config.queue(row["queue_id"])
    its_key = row["ordering_key"]
    key: sa.ColumnElement[int] = INTERACTION.c.ordering_key
    if queue.ageing:
        own = INTERACTION.alias("own")
        its_key = sa.select(aged(own, queue, reader.now)).where(own.c.id == row["id"]).scalar_subquery()
        key = aged(INTERACTION, queue, reader.now)
    before = sa.or_(key < its_key, sa.and_(key == its_key, INTERACTION.c.id <= row["id"]))
    count: int = reader.scalar(
        sa.select(sa.func.count()).where(
            INTERACTION.c.queue_id == row["queue_id"], INTERACTION.c.state.in_(tuple(WAITING)), before
        )
    )
    return count


def aged(line: sa.FromClause, queue: Queue, now: Micros) -> sa.ColumnElement[int]:
    """The place of this moment of a contact of the queue, smallest first, in 1/100 microseconds.

    `routing.ageing.place_at` of the stored key: where classes age at slopes of their own, the order is stored nowhere.
    `line` is the table of contacts, or an alias of it.
    """
    slope = sa.case(*((_belongs(line, each), each.slope_pct) for each in queue.ageing), else_=PLAIN)
    waited = sa.literal(now, sa.BigInteger) - line.c.queued_at
    return line.c.ordering_key * PLAIN + (PLAIN - slope) * waited


def order_now(reader: Reader) -> tuple[sa.ColumnElement[int], sa.ColumnElement[int]]:
    """What contacts stand in line by at this moment, also those of different queues; then comes the id.

    The place in microseconds and the hundredths of one: strict queues' places leave no room for both in one number.
    """
    ageing = [queue for queue in reader.config.queues if queue.ageing]
    if not ageing:
        return INTERACTION.c.ordering_key, sa.literal(0)
    places = [(INTERACTION.c.queue_id == queue.id, aged(INTERACTION, queue, reader.now)) for queue in ageing]
    return (
        sa.case(*((here, place // PLAIN) for here, place in places), else_=INTERACTION.c.ordering_key),
        sa.case(*((here, place % PLAIN) for here, place in places), else_=0),
    )


def _belongs(line: sa.FromClause, each: AgeingClass) -> sa.ColumnElement[bool]:
    medium = line.c.channel.in_(each.channels) if each.channels else sa.true()
    return medium if each.priority is None else sa.and_(medium, line.c.priority >= each.priority)


def wait_s(reader: Reader, queue_id: str | None, channel: str, ahead: int) -> int | None:
    """Expected wait of a contact of this medium with `ahead` in front; None if nobody knows."""
    return modelled_s(reader.get(LIVE, queue_id), channel, ahead) if queue_id is not None else None


def longest_wait_s(reader: Reader, queue_id: str, ahead: int) -> int | None:
    """Of a new call or chat, whichever would wait longer; of mail and texts where nobody who is ready takes those."""
    view = reader.get(LIVE, queue_id)
    for media in (LIVE_MEDIA, ASYNCHRONOUS):
        waits = [modelled_s(view, channel, ahead) for channel in sorted(media)]
        if known := [wait for wait in waits if wait is not None]:
            return max(known)
    return None


def modelled_s(view: sa.RowMapping | None, channel: str, ahead: int) -> int | None:
    """QLm by the router's live view of the queue, see `routing.estimate`; None without places or data."""
    if view is None or view["mu"] <= 0:
        return None
    # a row that a node of the version before wrote counts agents only
    places = view["agents"] if view["places"] is None else view["places"].get(channel, 0)
    return round(expected_wait(ahead, places * view["mu"], view["theta"])) if places else None
