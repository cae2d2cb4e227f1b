"""Hours, holidays, time zones, both days on which clocks change (FEATURES §5: "Hours, holidays, time zones, DST")."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.hours import is_open, next_change
from routing.model import MINUTE, SECOND, Hours, Micros, Span

DAILY = (Span(8 * 60, 18 * 60),)
BERLIN = Hours(
    "Europe/Berlin", (*((DAILY,) * 5), (), ()), {"2026-12-24": (Span(480, 720),), "2026-12-25": ()}
)
NIGHT = Hours("Europe/Berlin", ((Span(2 * 60 + 30, 4 * 60),),) * 7)  # where clocks change
SYDNEY = Hours("Australia/Sydney", ((Span(0, 1440),), *(((),) * 6)))  # Mondays


def utc(text: str) -> Micros:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("hours", "at", "opened"),
    [
        (BERLIN, "2026-07-01T06:00", True),  # 8:00 in summer
        (BERLIN, "2026-07-01T05:59", False),
        (BERLIN, "2026-07-01T15:59", True),
        (BERLIN, "2026-07-01T16:00", False),
        (BERLIN, "2026-01-07T07:00", True),  # 8:00 in winter
        (BERLIN, "2026-01-07T06:59", False),
        (BERLIN, "2026-07-04T10:00", False),  # Saturday
        (BERLIN, "2026-12-24T10:30", True),
        (BERLIN, "2026-12-24T11:00", False),  # closes at noon
        (BERLIN, "2026-12-25T10:00", False),  # holiday, a Friday
        (SYDNEY, "2026-06-28T14:00", True),  # Monday there, Sunday in London
        (SYDNEY, "2026-06-29T14:00", False),
        (NIGHT, "2026-03-29T00:59", False),  # 1:59; the clock goes to 3:00
        (NIGHT, "2026-03-29T01:00", True),
        (NIGHT, "2026-03-29T02:00", False),
        (NIGHT, "2026-10-25T00:30", True),  # 2:30 for the first time
        (NIGHT, "2026-10-25T01:00", False),  # 2:00 again
        (NIGHT, "2026-10-25T01:30", True),  # 2:30 again
        (NIGHT, "2026-10-25T03:00", False),
    ],
)
def test_the_wall_clock_decides(hours: Hours, at: str, *, opened: bool) -> None:
    assert is_open(hours, utc(at)) == opened


@pytest.mark.parametrize(
    ("hours", "at", "changes"),
    [
        (BERLIN, "2026-07-01T10:00", "2026-07-01T16:00"),
        (BERLIN, "2026-07-03T16:00", "2026-07-06T06:00"),  # over the weekend
        (BERLIN, "2026-12-24T11:00", "2026-12-28T07:00"),
        (NIGHT, "2026-03-29T00:10", "2026-03-29T01:00"),
        (NIGHT, "2026-10-25T00:30", "2026-10-25T01:00"),
        (NIGHT, "2026-10-25T01:00", "2026-10-25T01:30"),
    ],
)
def test_the_next_change(hours: Hours, at: str, changes: str) -> None:
    assert next_change(hours, utc(at)) == utc(changes)


def test_what_never_changes_has_no_next_change() -> None:
    assert next_change(Hours("UTC", ((),) * 7), utc("2026-01-01T00:00")) is None
    assert next_change(Hours("UTC", ((Span(0, 1440),),) * 7), utc("2026-01-01T00:00")) is None


@given(st.sampled_from(["2026-03-28T00:00", "2026-10-24T00:00"]), st.integers(0, 4 * 24 * 3600))
def test_nothing_changes_before_the_next_change(day: str, second: int) -> None:
    at = utc(day) + second * SECOND
    changes = next_change(NIGHT, at)
    assert changes is not None
    assert is_open(NIGHT, changes) != is_open(NIGHT, at)
    assert {is_open(NIGHT, each) for each in range(at, changes, MINUTE)} == {is_open(NIGHT, at)}
