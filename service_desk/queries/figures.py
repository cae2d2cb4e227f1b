"""What figures are made of: the contacts behind each, and a day by intervals. From segments and counters alone."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from service_desk.clock import SECOND, Micros
from service_desk.domain import media
from service_desk.domain.config import DeskConfig
from service_desk.domain.interaction import ACTIVE, CONNECTING, WAITING
from service_desk.domain.recount import INTERVAL, Count
from service_desk.domain.supervision_views import (
    CountedContactView,
    CountedPageView,
    IntervalsView,
    IntervalView,
)
from service_desk.queries.wallboard import ON_THE_LINE, count_from, day_start
from service_desk.storage import schema
from service_desk.storage.store import Reader

SEGMENT = schema.segment
INTERACTION = schema.interaction
CUSTOMER = schema.customer
COUNT = schema.interval_count

_BOTH = SEGMENT.join(INTERACTION, INTERACTION.c.id == SEGMENT.c.interaction_id)
_OPEN = SEGMENT.c.ended_at.is_(None)
_ANSWERED = SEGMENT.c.answered_at.is_not(None)
_ABANDONED = sa.and_(SEGMENT.c.outcome == "abandoned", SEGMENT.c.answered_at.is_(None))

_LIVING = INTERACTION.c.ended_at.is_(None)  # their index is short

LIVE: dict[str, sa.ColumnElement[bool]] = {
    "waiting": sa.and_(_OPEN, _LIVING, INTERACTION.c.state.in_(tuple(WAITING))),
    "in_contact": sa.and_(_OPEN, _LIVING, INTERACTION.c.state.in_((CONNECTING, ACTIVE))),
}
"""Figures of this moment: the segments that are open now, put-back ones included."""
LIVE["longest_wait"] = sa.and_(LIVE["waiting"], INTERACTION.c.channel.in_(sorted(media.LIVE)), ON_THE_LINE)

COUNTED: dict[str, sa.ColumnElement[bool]] = {
    "offered": sa.true(),
    "answered": _ANSWERED,
    "answered_in_target": sa.and_(_ANSWERED, SEGMENT.c.in_target),
    "answered_late": sa.and_(_ANSWERED, sa.not_(SEGMENT.c.in_target)),
    "abandoned": _ABANDONED,
    "abandoned_in_target": sa.and_(_ABANDONED, SEGMENT.c.in_target),
    "moved_out": sa.and_(SEGMENT.c.outcome == "moved", SEGMENT.c.answered_at.is_(None)),
}
"""Figures of a time: segments that entered their queue, by when their wait began. The same as in domain/recount.py."""
COUNTED["service_level"] = COUNTED["offered"]

FIGURES = frozenset(LIVE) | frozenset(COUNTED)


def counted_page(
    reader: Reader,
    figure: str,
    queue_id: str | None,
    start: Micros | None,
    before: str | None,
    limit: int,
) -> CountedPageView | None:
    """The contacts of a figure: of now, of today, or (`start`) of one interval. None if there is no such figure.

    Those who wait: the longest first. Of a day: the latest first. What the counters have not folded yet, a second at
    most, is in the list already.
    """
    if figure in LIVE:
        since, until, which = None, None, LIVE[figure]
    elif figure in COUNTED:
        since = day_start(reader.config, reader.now) if start is None else start
        until = None if start is None else start + INTERVAL
        which = sa.and_(COUNTED[figure], SEGMENT.c.entered, *_within(since, until))
    else:
        return None
    queues = [queue.id for queue in reader.config.queues] if queue_id is None else [queue_id]
    which = sa.and_(which, SEGMENT.c.queue_id.in_(queues))
    total = reader.scalar(sa.select(sa.func.count()).select_from(_BOTH).where(which))
    rows = list(reader.all(_page(which, before, limit + 1, oldest_first=figure in LIVE)))
    page = rows[:limit]
    return CountedPageView(
        figure=figure,
        since=since,
        until=until,
        total=total,
        items=[_counted(row, reader.now) for row in page],
        more=f"{page[-1]['queued_at']}.{page[-1]['segment_id']}" if len(rows) > limit else None,
    )


def _within(since: Micros, until: Micros | None) -> list[sa.ColumnElement[bool]]:
    bounds: list[sa.ColumnElement[bool]] = [SEGMENT.c.queued_at >= since]
    if until is not None:
        bounds.append(SEGMENT.c.queued_at < until)
    return bounds


def _page(
    which: sa.ColumnElement[bool], before: str | None, limit: int, *, oldest_first: bool
) -> sa.Select[tuple[object, ...]]:
    at, segment_id = SEGMENT.c.queued_at, SEGMENT.c.id
    if before is not None:
        text, _, last = before.partition(".")
        beyond: Callable[[sa.ColumnElement[object], object], sa.ColumnElement[bool]] = (
            (lambda column, value: column > value) if oldest_first else (lambda column, value: column < value)
        )
        which = sa.and_(
            which, sa.or_(beyond(at, int(text)), sa.and_(at == int(text), beyond(segment_id, last)))
        )
    order = (at, segment_id) if oldest_first else (at.desc(), segment_id.desc())
    return (
        sa.select(
            SEGMENT.c.id.label("segment_id"),
            SEGMENT.c.queue_id,
            SEGMENT.c.agent_id,
            SEGMENT.c.queued_at,
            SEGMENT.c.answered_at,
            SEGMENT.c.ended_at,
            SEGMENT.c.in_target,
            SEGMENT.c.outcome,
            INTERACTION.c.id,
            INTERACTION.c.channel,
            INTERACTION.c.state,
            INTERACTION.c.caller,
            CUSTOMER.c.name.label("customer_name"),
        )
        .select_from(_BOTH)
        .outerjoin(CUSTOMER, CUSTOMER.c.id == INTERACTION.c.customer_id)
        .where(which)
        .order_by(*order)
        .limit(limit)
    )


def _counted(row: sa.RowMapping, now: Micros) -> CountedContactView:
    waited_until = row["answered_at"] or row["ended_at"] or now
    return CountedContactView(
        id=row["id"],
        segment_id=row["segment_id"],
        channel=row["channel"],
        title=row["customer_name"] or row["caller"] or "",
        state=row["state"],
        queue_id=row["queue_id"],
        agent_id=row["agent_id"],
        queued_at=row["queued_at"],
        answered_at=row["answered_at"],
        ended_at=row["ended_at"],
        wait_s=max(0, waited_until - row["queued_at"]) / SECOND,
        in_target=row["in_target"],
        outcome=row["outcome"],
    )


# --- intervals ------------------------------------------------------------------------------------------------


def today(reader: Reader) -> date:
    """The desk's calendar day."""
    return datetime.fromtimestamp(reader.now // SECOND, UTC).astimezone(_zone(reader.config)).date()


def intervals(reader: Reader, day: date | None, queue_id: str | None) -> IntervalsView:
    """A day of the desk's time zone by 15 minutes, from the first interval with a contact to the last, or to now."""
    config = reader.config
    wanted = day or today(reader)
    since, until = midnight(config, wanted), midnight(config, wanted + timedelta(days=1))
    queues = [queue.id for queue in config.queues if queue_id in (None, queue.id)]
    rows = reader.all(
        sa.select(COUNT).where(COUNT.c.queue_id.in_(queues), COUNT.c.start >= since, COUNT.c.start < until)
    )
    counts = {(row["start"], row["queue_id"]): count_from(row) for row in rows}
    starts = sorted({start for start, _ in counts})
    last = min(reader.now, until - 1) if wanted == today(reader) else max(starts, default=0)
    grid = range(starts[0], last + 1, INTERVAL) if starts else ()
    totals = {queue: Count() for queue in queues}
    for (_, queue), count in counts.items():
        totals[queue].add(count)
    return IntervalsView(
        day=wanted.isoformat(),
        time_zone=config.time_zone,
        interval_s=INTERVAL // SECOND,
        intervals=[
            _interval(queue, start, counts.get((start, queue), Count())) for start in grid for queue in queues
        ],
        totals=[_interval(queue, since, count) for queue, count in totals.items()],
    )


def _interval(queue_id: str, start: Micros, count: Count) -> IntervalView:
    levels = count.service_levels()
    return IntervalView(
        queue_id=queue_id,
        start=start,
        offered=count.offered,
        answered=count.answered,
        answered_in_target=count.answered_in_target,
        abandoned=count.abandoned,
        abandoned_in_target=count.abandoned_in_target,
        moved_out=count.moved_out,
        average_wait_s=count.average_wait_s(),
        service_level_of_offered=levels.of_offered,
        service_level_without_short_abandons=levels.without_short_abandons,
        service_level_of_answered=levels.of_answered,
    )


def local_time(time_zone: str, at_s: int) -> str:
    """An instant in a zone, with its offset, so that the doubled hour of autumn is told apart."""
    return datetime.fromtimestamp(at_s, UTC).astimezone(ZoneInfo(time_zone)).isoformat(timespec="minutes")


def midnight(config: DeskConfig, day: date) -> Micros:
    """When the day begins in the desk's time zone."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=_zone(config))
    return int(midnight.timestamp()) * SECOND


def _zone(config: DeskConfig) -> ZoneInfo:
    return ZoneInfo(config.time_zone)
