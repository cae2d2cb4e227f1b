"""Timers: each fires once, at its time, in the transaction that removes it; a faulty one is put aside."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from service_desk.actions import admin
from service_desk.background import timers
from service_desk.background.timers import POSTPONED, Timers, fire, forget, postpone
from service_desk.bus.local import LocalBus
from service_desk.clock import SECOND, ManualClock
from service_desk.desk import Desk
from service_desk.errors import Conflict
from service_desk.lease import Fenced, SoleLease, take
from service_desk.storage import schema
from service_desk.storage.store import Store
from service_desk.storage.transaction import Tx
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of

TIMER = schema.timer
Fired = list[tuple[str, int]]


@pytest.fixture
async def desk(db_url: str) -> AsyncIterator[Desk]:
    clock = ManualClock()
    made = Desk(Store(db_url, clock), LocalBus(), clock)
    await made.run(admin.seed, CONFIG)
    yield made
    made.store.close()


@pytest.fixture
def fired(monkeypatch: pytest.MonkeyPatch) -> Fired:
    """(subject, when) of each timer of kind "test"; each leaves a row, so that a rollback would show."""
    log: Fired = []

    def note(tx: Tx, subject: str, data: Any) -> None:
        tx.write(sa.insert(schema.company), {"id": f"{subject}@{tx.now}", "name": str(data)})
        log.append((subject, tx.now))
        if subject.startswith("refuse"):
            raise Conflict("no longer")
        if subject.startswith("break") and len([each for each, _ in log if each == subject]) < 3:
            raise ZeroDivisionError

    monkeypatch.setitem(timers.TIMERS, "test", note)
    return log


@pytest.fixture
async def working(desk: Desk) -> AsyncIterator[None]:
    task = asyncio.create_task(Timers(desk, SoleLease("timers", desk, "nod_1")).run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], Awaitable[Any]]) -> None:
    give_up = time.monotonic() + 10
    while not await true():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.005)


async def set_timer(desk: Desk, subject: str, seconds: float) -> None:
    def act(tx: Tx) -> None:
        tx.set_timer("test", subject, tx.now + round(seconds * SECOND), why="test")

    await desk.run(act)


def advance(desk: Desk, seconds: float) -> None:
    assert isinstance(desk.clock, ManualClock)
    desk.clock.advance(round(seconds * SECOND))


async def test_each_fires_once_and_not_before_its_time(desk: Desk, fired: Fired, working: None) -> None:
    start = desk.clock.now()
    for seconds, subject in ((3, "c"), (1, "a"), (2, "b"), (2, "b2")):
        await set_timer(desk, subject, seconds)

    async def rest(count: int) -> bool:
        return len(await rows_of(desk, TIMER)) == count

    for passed, left in ((1, 3), (2, 1), (3, 0)):
        advance(desk, 1)
        await until(lambda left=left: rest(left))  # type: ignore[misc]  # a default of the same type
        assert desk.clock.now() == start + passed * SECOND
    assert [subject for subject, _ in fired] in (["a", "b", "b2", "c"], ["a", "b2", "b", "c"])
    assert [(at - start) // SECOND for _, at in fired] == [1, 2, 2, 3]


async def test_set_again_is_one_timer_with_the_new_time(desk: Desk, fired: Fired, working: None) -> None:
    await set_timer(desk, "a", 1)
    await set_timer(desk, "a", 5)
    await set_timer(desk, "b", 2)
    advance(desk, 2)
    await until(lambda: _count(fired, 1))
    assert fired[0][0] == "b"
    advance(desk, 3)
    await until(lambda: _count(fired, 2))
    assert [subject for subject, _ in fired] == ["b", "a"]


async def _count(fired: Fired, count: int) -> bool:
    return len(fired) >= count


async def test_a_cleared_timer_never_fires(desk: Desk, fired: Fired, working: None) -> None:
    await set_timer(desk, "a", 1)
    await set_timer(desk, "b", 2)
    await desk.run(lambda tx: tx.clear_timer("test", "a"))
    advance(desk, 3)
    await until(lambda: _count(fired, 1))
    assert [subject for subject, _ in fired] == ["b"]


async def test_a_faulty_one_is_put_aside_for_a_minute_and_stops_no_other(
    desk: Desk, fired: Fired, working: None
) -> None:
    await set_timer(desk, "break", 1)
    await set_timer(desk, "good", 1)
    advance(desk, 1)

    async def good_one_done() -> bool:
        return ("good", desk.clock.now()) in fired and len(await rows_of(desk, TIMER)) == 1

    await until(good_one_done)

    async def postponed() -> bool:
        return bool((await rows_of(desk, TIMER))[0]["due_at"] == desk.clock.now() + POSTPONED)

    await until(postponed)

    async def gone() -> bool:
        advance(desk, 10)
        return not await rows_of(desk, TIMER)

    await until(gone)
    assert len([each for each, _ in fired if each == "break"]) >= 3
    kept = [row["id"] for row in await rows_of(desk, schema.company) if row["id"].startswith("break")]
    assert len(kept) == 1, "what a failed try wrote is gone with it"


async def test_a_refused_one_is_forgotten_and_leaves_nothing_half_done(
    desk: Desk, fired: Fired, working: None
) -> None:
    await set_timer(desk, "refuse", 1)
    advance(desk, 1)

    async def gone() -> bool:
        return bool(fired) and not await rows_of(desk, TIMER)

    await until(gone)
    assert await rows_of(desk, schema.company) == []


async def test_one_that_was_set_anew_meanwhile_stays(desk: Desk, fired: Fired) -> None:
    for act in (forget, postpone):
        await set_timer(desk, "a", 30)
        (before,) = await rows_of(desk, TIMER)
        await desk.run(act, "test", "a")
        assert await rows_of(desk, TIMER) == [before]


async def test_who_lost_the_lease_fires_nothing(desk: Desk, fired: Fired) -> None:
    await set_timer(desk, "a", 0)
    old = await desk.run(take, "timers", "nod_old")
    new = await desk.run(take, "timers", "nod_new")
    with pytest.raises(Fenced):
        await desk.run(fire, "test", "a", "timers", old)
    assert fired == []
    await asyncio.gather(*(desk.run(fire, "test", "a", "timers", new) for _ in range(5)))
    assert len(fired) == 1, "five that are told to fire it fire it once"


async def test_what_was_due_while_nobody_worked_fires_at_the_start(desk: Desk, fired: Fired) -> None:
    await set_timer(desk, "a", 5)
    advance(desk, 3_600)
    task = asyncio.create_task(Timers(desk, SoleLease("timers", desk, "nod_1")).run())
    await until(lambda: _count(fired, 1))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("step_s", [-3_600, 3_600, -1])
async def test_a_clock_that_jumps_fires_each_once(sqlite_url: str, fired: Fired, step_s: int) -> None:
    """Row 11: the machine's clock is set by an hour; nothing is lost, nothing fires twice."""
    clock = ManualClock()
    desk = Desk(Store(sqlite_url, clock), LocalBus(), clock)
    await desk.run(admin.seed, CONFIG)
    task = asyncio.create_task(Timers(desk, SoleLease("timers", desk, "nod_1")).run())
    for number in range(5):
        await set_timer(desk, f"t{number}", number + 1)
    clock._now += step_s * SECOND
    await set_timer(desk, "wake", 1)

    async def all_fired() -> bool:
        clock.advance(max(SECOND, abs(step_s) * SECOND // 5))
        return len(fired) >= 6

    await until(all_fired)
    assert sorted(subject for subject, _ in fired) == ["t0", "t1", "t2", "t3", "t4", "wake"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    desk.store.close()
