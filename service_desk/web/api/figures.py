"""What figures are made of: contacts behind a number, a day by intervals, as JSON and for a spreadsheet."""

from collections.abc import Iterator
from datetime import date

from aiohttp import web
from pydantic import Field

from service_desk.clock import SECOND
from service_desk.domain.csv_text import Cell, csv_text
from service_desk.domain.supervision_views import CountedPageView, IntervalsView, IntervalView, PullsView
from service_desk.queries import figures, waiting
from service_desk.storage.store import Reader
from service_desk.web.api.inputs import Input, Key, Page
from service_desk.web.keys import DESK
from service_desk.web.openapi import Routes
from service_desk.web.serving import found

routes = Routes("figures")
INSTANT_MAX = 1 << 62
HEAD = (
    "day",
    "time_zone",
    "start",
    "queue",
    "queue_id",
    "offered",
    "answered",
    "answered_in_target",
    "abandoned",
    "abandoned_in_target",
    "moved_out",
    "average_wait_s",
    "service_level_of_offered_pct",
    "service_level_without_short_abandons_pct",
    "service_level_of_answered_pct",
)


class Counted(Page):
    """Of one queue, or of all; of today, or of the 15 minutes that begin at `start`."""

    queue: Key | None = None
    start: int | None = Field(None, ge=0, lt=INSTANT_MAX)
    limit: int = Field(50, ge=1, le=200)


class Day(Input):
    """A day of the desk's time zone as in 2026-03-31, today if it is left out; one queue or all."""

    day: date | None = Field(None, ge=date(2000, 1, 1), le=date(2100, 1, 1))
    queue: Key | None = None


class PullsDay(Input):
    """A day of the desk's time zone, today if it is left out."""

    day: date | None = Field(None, ge=date(2000, 1, 1), le=date(2100, 1, 1))


class CsvDay(Day):
    """`bom` puts a byte-order mark first, by which spreadsheets on Windows know UTF-8."""

    bom: bool = False


@routes.get("/api/v1/figures/{figure}/contacts", needs="figures.read")
def counted_contacts(reader: Reader, figure: str, query: Counted) -> CountedPageView:
    """The contacts that a figure is made of."""
    return found(figures.counted_page(reader, figure, query.queue, query.start, query.before, query.limit))


@routes.get("/api/v1/pulls", needs="figures.read")
def get_pulls(reader: Reader, query: PullsDay) -> PullsView:
    """Who took contacts by hand on a day, and which share of theirs that was."""
    return waiting.pulls_view(reader, query.day)


@routes.get("/api/v1/intervals", needs="figures.read")
def get_intervals(reader: Reader, query: Day) -> IntervalsView:
    """A day by 15 minutes and queue, with all three definitions of the service level."""
    return figures.intervals(reader, query.day, query.queue)


@routes.get("/api/v1/intervals.csv", needs="figures.read", text="text/csv")
async def get_intervals_csv(request: web.Request, query: CsvDay) -> web.Response:
    """The same for a spreadsheet: RFC 4180, UTF-8, no cell that could run as a formula."""
    text, day = await request.app[DESK].read(_csv, query)
    headers = {
        "Content-Disposition": f'attachment; filename="intervals-{day}.csv"',
        "Cache-Control": "no-store",
    }
    return web.Response(body=text.encode(), content_type="text/csv", charset="utf-8", headers=headers)


def _csv(reader: Reader, query: CsvDay) -> tuple[str, str]:
    view = figures.intervals(reader, query.day, query.queue)
    names = {queue.id: queue.name for queue in reader.config.queues}
    return csv_text(HEAD, _rows(view, names), bom=query.bom), view.day


def _rows(view: IntervalsView, names: dict[str, str]) -> Iterator[list[Cell]]:
    for row in view.intervals:
        yield [
            view.day,
            view.time_zone,
            figures.local_time(view.time_zone, row.start // SECOND),
            names[row.queue_id],
            row.queue_id,
            *_numbers(row),
        ]


def _numbers(row: IntervalView) -> list[Cell]:
    return [
        row.offered,
        row.answered,
        row.answered_in_target,
        row.abandoned,
        row.abandoned_in_target,
        row.moved_out,
        None if row.average_wait_s is None else round(row.average_wait_s, 1),
        _percent(row.service_level_of_offered),
        _percent(row.service_level_without_short_abandons),
        _percent(row.service_level_of_answered),
    ]


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 1)
