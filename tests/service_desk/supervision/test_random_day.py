"""After a random day with a supervisor in it: board, intervals and lists equal a recount of the log."""

import contextlib
import random
from collections import Counter
from typing import Any

import pytest

from service_desk.actions import supervision
from service_desk.background.figures import fold, see, write_seen
from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.domain.recount import Count
from service_desk.errors import DeskError
from service_desk.lease import take
from service_desk.queries import figures, wallboard
from service_desk.queries.live import events_after
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.service_desk.dispatch.floor import PEOPLE, Floor, floor
from tests.service_desk.people import row_of, rows_of
from tests.service_desk.storage.two_nodes import faults

STEPS = 110
MORNING = 1_700_028_000 * SECOND
"""07:00 in Berlin: the random hours that follow lie in one day."""
SUMS = {
    "offered": "offered",
    "answered": "answered",
    "answered_in_target": "answered_in_target",
    "abandoned": "abandoned",
    "abandoned_in_target": "abandoned_in_target",
    "moved_out": "moved_out",
}


async def meddle(place: Floor, dice: random.Random) -> str:
    """A supervisor does something to somebody; refusals are part of the day."""
    contacts = [
        row
        for row in sorted(
            await rows_of(place.desk, schema.interaction), key=lambda row: place.names[row["id"]]
        )
        if row["state"] != "ended"
    ]
    what = dice.choice(("move", "move", "assign", "assign", "prioritise", "away", "ready", "signed_out"))
    agent = place.names[dice.choice(sorted(PEOPLE))]
    try:
        if what in ("away", "ready", "signed_out"):
            version = (await row_of(place.desk, schema.agent, agent))["version"]
            away = "break" if what == "away" else None
            await place.desk.run(supervision.force_state, agent, version, what, away, "as the day asks")
        elif contacts:
            waiting = [row for row in contacts if row["state"] in ("queued", "offered")]
            row = dice.choice(waiting if waiting and dice.random() < 0.6 else contacts)
            acts: dict[str, tuple[Any, Any]] = {
                "move": (supervision.move_contact, dice.choice(("service", "sales"))),
                "assign": (supervision.assign_contact, agent),
                "prioritise": (supervision.prioritise_contact, dice.choice((0, 5, 30))),
            }
            action, value = acts[what]
            await place.desk.run(action, row["id"], row["version"], value, "as the day asks")
    except DeskError as error:
        return f"{what} refused: {error.code}"
    return what


async def count_and_write(desk: Desk) -> None:
    """What the holder of the figures does, once."""
    fence = await desk.run(take, "figures", "nod_test")
    while events := await desk.read(events_after, await desk.read(_cursor), 50):
        await desk.run(fold, events, "figures", fence)
    await desk.run(write_seen, await desk.read(see), None, "figures", fence)


def _cursor(reader: Reader) -> int:
    from service_desk.background.figures import read_cursor

    return read_cursor(reader)


@pytest.mark.parametrize("seed", [3, 8])
async def test_figures_equal_a_recount_of_the_log(db_url: str, seed: int) -> None:
    dice = random.Random(seed)
    done: Counter[str] = Counter()
    async with floor(db_url, MORNING) as place:
        place.start()
        await place.settle()
        for step in range(STEPS):
            if dice.random() < 0.35:
                done[await meddle(place, dice)] += 1
            else:
                with contextlib.suppress(ValueError):  # what rang when the dice fell may be withdrawn by now
                    await place.act_at_random(dice)
            await place.settle()
            await place.advance(dice.choice((1, 2, 3, 7, 21)))
            if step % 20 == 0:
                place.clock.advance(17 * 60 * SECOND)  # into another interval
                await place.settle()
        assert {"move", "assign", "prioritise", "away", "signed_out"} <= set(done), done
        assert await faults(place.desk) == []
        await count_and_write(place.desk)
        await place.desk.read(_all_agree)


def _all_agree(reader: Reader) -> None:
    """One reading of one moment."""
    told = wallboard.recount_log(reader)
    stored = reader.all(schema.interval_count.select())
    assert {(row["queue_id"], row["start"]): wallboard.count_from(row) for row in stored} == told
    board, day = wallboard.board_view(reader), figures.intervals(reader, None, None)
    assert sum(count.moved_out for count in told.values()) > 0
    by_slot = {(row.queue_id, row.start): row for row in day.intervals}
    for queue in board.queues:
        total = Count()
        for (queue_id, start), count in told.items():
            if queue_id == queue.id:
                total.add(count)
                row = by_slot[queue_id, start]
                assert {name: getattr(row, name) for name in SUMS} == {
                    name: getattr(count, name) for name in SUMS
                }
                _lists_agree(reader, count, queue_id, start)
        assert wallboard.count_of_queue(queue) == total
        assert total.stayed == total.answered + total.abandoned + _unanswered(reader, queue.id)
        _lists_agree(reader, total, queue.id, None)
        for figure, number in (("waiting", queue.waiting), ("in_contact", queue.active)):
            assert _list(reader, figure, queue.id, None) == number
        (of_day,) = [row for row in day.totals if row.queue_id == queue.id]
        assert of_day.service_level_of_offered == total.service_levels().of_offered


def _unanswered(reader: Reader, queue_id: str) -> int:
    """Those that wait for their first answer: neither board nor counters are asked."""
    table = schema.segment
    waits = table.select().where(table.c.queue_id == queue_id, table.c.ended_at.is_(None), table.c.entered)
    return sum(row["answered_at"] is None for row in reader.all(waits))


def _lists_agree(reader: Reader, count: Count, queue_id: str, start: int | None) -> None:
    for figure, name in SUMS.items():
        assert _list(reader, figure, queue_id, start) == getattr(count, name), (figure, queue_id, start)


def _list(reader: Reader, figure: str, queue_id: str, start: int | None) -> int:
    """The list's length, page by page, and what it says of it."""
    seen: list[str] = []
    before = None
    while True:
        page = figures.counted_page(reader, figure, queue_id, start, before, 7)
        assert page is not None
        seen += [item.segment_id for item in page.items]
        before = page.more
        if before is None:
            break
    assert len(seen) == len(set(seen)) == page.total
    return page.total
