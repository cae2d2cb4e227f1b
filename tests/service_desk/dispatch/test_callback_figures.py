"""What callbacks count as: in the counters that the log is folded into, and in the lists behind them."""

from service_desk.actions import callbacks, supervision
from service_desk.clock import SECOND
from service_desk.domain.recount import Count, recount
from service_desk.queries.figures import COUNTED, counted_page
from service_desk.queries.wallboard import compute_board
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.service_desk.dispatch.floor import Floor, call_from, floor
from tests.service_desk.dispatch.test_callbacks import (
    AGENT_FIRST,
    CUSTOMER_FIRST,
    NUMBER,
    asked,
    dan_is_busy,
    fares,
    passes,
    picks_up,
    softphone,
)
from tests.service_desk.dispatch.test_rules import only_sales, publish
from tests.service_desk.people import rows_of
from tests.service_desk.storage.two_nodes import faults

QUEUE = "service"
NOON = 1_700_046_000 * SECOND
"""In Berlin: the lists of today reach hours on from here."""


async def counts(place: Floor, queue: str = QUEUE) -> dict[str, int]:
    """What is not zero, without promises; the lists behind the figures are as long."""
    await place.settle()
    events = [(row["kind"], row["data"]) for row in await rows_of(place.desk, schema.event)]
    total = Count()
    for (where, _), count in recount(events).items():
        if where == queue:
            total.add(count)
    figures = {name: getattr(total, name) for name in COUNTED if hasattr(total, name)}
    assert figures == {name: await place.desk.read(_listed, name, queue) for name in figures}
    waits = total.offered - total.answered - total.abandoned - total.moved_out
    figures = {name: number for name, number in figures.items() if not name.endswith("in_target")}
    return {name: number for name, number in {**figures, "waits": waits}.items() if number}


def _listed(reader: Reader, figure: str, queue: str) -> int:
    page = counted_page(reader, figure, queue, None, None, 50)
    assert page is not None
    return page.total


async def tried(place: Floor, name: str) -> None:
    """Bob takes the offer and calls the customer."""
    await place.say("bob", "ready")
    await place.settle()
    await place.accept(name)
    await softphone(place, name)


async def test_it_is_answered_when_the_customer_is_on_the_line(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        assert await counts(place) == {"offered": 1, "waits": 1}
        await tried(place, name)
        assert await counts(place) == {"offered": 1, "waits": 1}, "an agent calls them"
        await fares(place, name, "no-answer")
        assert await counts(place) == {"offered": 1, "waits": 1}, "and nobody answers"
        await passes(place, 61)
        await place.accept(name)
        await softphone(place, name)
        await passes(place, 3)
        await picks_up(place, name)
        assert await counts(place) == {"offered": 1, "answered": 1}
        row = await place.contact(name)
        (stay,) = await rows_of(place.desk, schema.segment, interaction_id=row["id"])
        assert stay["answered_at"] == place.clock.now()
        (event,) = await rows_of(place.desk, schema.event, kind="interaction.reached")
        assert event["data"]["wait"] == place.clock.now() - row["created_at"]
        await fares(place, name, "completed", 5)
        await place.finish(name)
        assert await counts(place) == {"offered": 1, "answered": 1}
        assert await faults(place.desk) == []


async def test_who_was_never_reached_and_who_was_called_off_are_abandoned(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback={**AGENT_FIRST, "tries": 1})
        name, other = await asked(place), await asked(place, "+14155550112")
        await tried(place, name)
        await fares(place, name, "busy")
        assert (await place.contact(name))["end_reason"] == "callback_missed"
        assert await counts(place) == {"offered": 2, "abandoned": 1, "waits": 1}
        await place.desk.run(callbacks.cancel, place.names[other], place.names["bob"])
        assert await counts(place) == {"offered": 2, "abandoned": 2}
        assert await faults(place.desk) == []


async def test_who_calls_again_is_moved_out_and_counts_by_the_new_call(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        await asked(place)
        again = await call_from(place, NUMBER)
        assert await counts(place) == {"offered": 2, "moved_out": 1, "waits": 1}
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(again)
        assert await counts(place) == {"offered": 2, "moved_out": 1, "answered": 1}
        assert await faults(place.desk) == []


async def test_one_that_a_supervisor_takes_from_the_agent_who_calls_was_answered_by_nobody(
    sqlite_url: str,
) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await tried(place, name)
        row = await place.contact(name)
        await place.desk.run(supervision.move_contact, row["id"], row["version"], "sales", "they know more")
        assert await counts(place) == {"offered": 1, "moved_out": 1}
        assert await counts(place, "sales") == {"offered": 1, "waits": 1}
        assert await faults(place.desk) == []


async def test_one_that_is_given_to_another_agent_goes_on_in_its_stay(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await tried(place, name)
        row = await place.contact(name)
        await place.say("dan", "ready")
        await place.settle()
        await place.desk.run(
            supervision.assign_contact, row["id"], row["version"], place.names["dan"], "he knows them"
        )
        assert await counts(place) == {"offered": 1, "waits": 1}
        (stay,) = await rows_of(place.desk, schema.segment, interaction_id=row["id"])
        assert (stay["agent_id"], stay["answered_at"]) == (place.names["dan"], None)
        assert await faults(place.desk) == []


async def test_customer_first_it_is_answered_by_the_agent_who_takes_it(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=CUSTOMER_FIRST)
        await dan_is_busy(place)
        before = await counts(place)
        name = await asked(place)
        await picks_up(place, name)
        assert await counts(place) == {**before, "offered": before["offered"] + 1, "waits": 1}
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        assert (await counts(place))["answered"] == before["answered"] + 1
        assert await faults(place.desk) == []


async def test_the_longest_wait_is_of_those_who_are_on_the_line(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        await asked(place)
        await passes(place, 100)
        assert await place.desk.read(_listed, "longest_wait", QUEUE) == 0
        other = await place.call()
        await passes(place, 10)
        assert await place.desk.read(_listed, "longest_wait", QUEUE) == 1
        assert await place.desk.read(_listed, "waiting", QUEUE) == 2
        row = await place.contact(other)
        board = await place.desk.read(compute_board)
        (queue,) = [each for each in board.queues if each.id == QUEUE]
        assert queue.oldest_at == row["created_at"] == place.clock.now() - 10 * SECOND
        assert await faults(place.desk) == []


async def test_one_whose_promise_was_over_is_abandoned_and_late(db_url: str) -> None:
    """Nobody spoke to the customer: it is no answer, and no short abandon either."""
    async with floor(db_url, NOON) as place:
        await only_sales(place)
        await publish(place, callback={**AGENT_FIRST, "lasts_h": 1})
        name = await asked(place)
        await passes(place, 3_600)
        row = await place.contact(name)
        assert row["end_reason"] == "callback_expired"
        assert await counts(place) == {"offered": 1, "abandoned": 1}
        (stay,) = await rows_of(place.desk, schema.segment, interaction_id=row["id"])
        assert (stay["outcome"], stay["answered_at"], stay["in_target"]) == ("abandoned", None, False)
        board = await place.desk.read(compute_board)
        (line,) = [each for each in board.queues if each.id == QUEUE]
        assert (line.waiting, line.callbacks) == (0, 0)
        assert await faults(place.desk) == []
