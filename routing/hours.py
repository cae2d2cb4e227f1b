"""When a queue is open: times of day in a time zone, holidays, both days of the year on which clocks change.

Times are of the wall clock: what the clock on the wall shows decides. An hour that a clock skips is not open, one
that it shows twice is open twice.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from routing.model import SECOND, Hours, Micros, Span

LOOK_AHEAD = 60  # days
HALF_HOURS = range(0, 24 * 60 + 1, 30)


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """The time zone; ZoneInfoNotFoundError or ValueError if there is none of this name."""
    return ZoneInfo(name)


def is_open(hours: Hours, at: Micros) -> bool:
    """Whether the wall clock is within a span."""
    local = datetime.fromtimestamp(at // SECOND, UTC).astimezone(zone_of(hours.zone))
    minute = local.hour * 60 + local.minute
    return any(span.opens <= minute < span.closes for span in _spans(hours, local.date()))


def next_change(hours: Hours, at: Micros) -> Micros | None:
    """When it opens or closes next, after `at`; None if not within LOOK_AHEAD days."""
    now = is_open(hours, at)
    before = at
    for after in _edges(hours, at):
        if is_open(hours, after) != now:
            return _flip(hours, before, after, was=now)
        before = after
    return None


def _spans(hours: Hours, day: date) -> tuple[Span, ...]:
    special = hours.days.get(day.isoformat())
    return hours.week[day.weekday()] if special is None else special


def _edges(hours: Hours, at: Micros) -> Iterator[Micros]:
    """Instants around which something may change, ascending."""
    zone = zone_of(hours.zone)
    first = datetime.fromtimestamp(at // SECOND, UTC).astimezone(zone).date()
    for number in range(-1, LOOK_AHEAD):
        day = first + timedelta(days=number)
        minutes = {0, *(each for span in _spans(hours, day) for each in (span.opens, span.closes))}
        if _begin(day, zone).utcoffset() != _begin(day + timedelta(days=1), zone).utcoffset():
            minutes |= set(HALF_HOURS)  # clocks change: it may close and open again in between
        found = set()
        for minute in minutes:
            clock = _begin(day, zone) + timedelta(minutes=minute)
            found |= {round(clock.replace(fold=fold).timestamp()) * SECOND for fold in (0, 1)}
        yield from sorted(each for each in found if each > at)


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _flip(hours: Hours, before: Micros, after: Micros, *, was: bool) -> Micros:
    """The first second in (before, after] at which it is no longer as it was."""
    low, high = before // SECOND, after // SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if is_open(hours, middle * SECOND) == was:
            low = middle
        else:
            high = middle
    return high * SECOND
