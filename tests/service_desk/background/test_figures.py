"""The counters are a recount of the log, whoever counts and however often they stop; the board follows."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from channels.contract import CallChanged, CallStatus
from service_desk.actions import calls, offers, wrap_up
from service_desk.background.figures import Figures, fold
from service_desk.desk import Desk
from service_desk.lease import Fenced, SoleLease, take
from service_desk.queries.live import events_after
from service_desk.queries.wallboard import board_view, compute_board, count_from, recount_log
from service_desk.storage import schema
from tests.service_desk.people import PHONE, make_agent, offer_to, phone, rows_of


async def until(true: Callable[[], Awaitable[Any]]) -> None:
    give_up = time.monotonic() + 15
    while not await true():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)


async def a_day(desk: Desk) -> None:
    """One served, one abandoned, one waiting."""
    ann = await make_agent(desk, "ann")
    served = await phone(desk, "CA1", "+14155550101")
    await desk.run(offers.accept_offer, await offer_to(desk, served, ann), ann)
    await desk.run(wrap_up.end_contact, served, ann)
    await phone(desk, "CA2", "+14155550102")
    gone = CallChanged("CA2", CallStatus.COMPLETED, "end-CA2", 2)
    await desk.run(calls.leg_changed, PHONE, gone, actor=PHONE)
    await phone(desk, "CA3", "+14155550103")


async def counted(desk: Desk) -> dict[Any, Any]:
    rows = await rows_of(desk, schema.interval_count)
    return {(row["queue_id"], row["start"]): count_from(row) for row in rows}  # type: ignore[arg-type]  # a dict reads like a row


async def test_the_counters_equal_a_recount_whenever_the_counting_stops(plain: Desk) -> None:
    await a_day(plain)
    fence = await plain.run(take, "figures", "nod_1")
    cursor = 0
    for size in (1, 2, 3, 1, 100):
        events = await plain.read(events_after, cursor, size)
        if events:
            await plain.run(fold, events, "figures", fence)
            cursor = events[-1].position
    assert await counted(plain) == await plain.read(recount_log)
    totals = [
        sum(getattr(c, name) for c in (await counted(plain)).values())
        for name in ("offered", "answered", "abandoned")
    ]
    assert totals == [3, 1, 1]


async def test_a_second_counter_is_fenced_and_counts_nothing_twice(plain: Desk) -> None:
    await a_day(plain)
    old = await plain.run(take, "figures", "nod_old")
    new = await plain.run(take, "figures", "nod_new")
    events = await plain.read(events_after, 0, 100)
    with pytest.raises(Fenced):
        await plain.run(fold, events, "figures", old)
    assert await counted(plain) == {}
    await plain.run(fold, events, "figures", new)
    assert await counted(plain) == await plain.read(recount_log)


async def test_the_board_is_written_and_follows(plain: Desk) -> None:
    heard = plain.bus.whispers("board")
    first = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    working = asyncio.create_task(Figures(plain, SoleLease("figures", plain, "nod_1")).run())
    await asyncio.wait_for(first, 10)
    await a_day(plain)

    async def follows() -> bool:
        written, fresh = await plain.read(board_view), await plain.read(compute_board)
        return (written.queues, written.agents) == (fresh.queues, fresh.agents)

    await until(follows)
    board = await plain.read(board_view)
    service = next(queue for queue in board.queues if queue.id == "service")
    assert (service.waiting, service.offered_today, service.answered_today, service.abandoned_today) == (
        1,
        3,
        1,
        1,
    )
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    again = asyncio.create_task(Figures(plain, SoleLease("figures", plain, "nod_2")).run())
    await phone(plain, "CA4", "+14155550104")
    await until(follows)
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
    assert await counted(plain) == await plain.read(recount_log)
