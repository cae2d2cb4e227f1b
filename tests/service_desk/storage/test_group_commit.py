"""Actions that share a transaction: each gets its own answer, and the log is as if they had come one by one."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from service_desk.actions import admin
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.domain.effects import HangUpCall
from service_desk.domain.events import CustomerCreated
from service_desk.errors import Conflict, Invalid, Unavailable
from service_desk.storage import schema, writers
from service_desk.storage.store import Reader, Store
from service_desk.storage.transaction import Input, StaleRow, Tx
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of

COMPANY = schema.company
Action = Callable[[Tx], Any]


@pytest.fixture(autouse=True)
def patient_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group takes everything that waits, however slow this machine is."""
    monkeypatch.setattr(writers, "GROUP_SPAN_S", 60.0)


@contextlib.asynccontextmanager
async def busy(desk: Desk) -> AsyncIterator[None]:
    """The writer is busy with an action on its own thread, so that what comes meanwhile queues up."""
    begun, go = threading.Event(), threading.Event()

    def hold(_tx: Tx) -> None:
        begun.set()
        assert go.wait(20)

    holding = asyncio.create_task(asyncio.to_thread(desk.store.run, hold))
    await asyncio.to_thread(begun.wait, 20)
    try:
        yield
    finally:
        go.set()
        await holding


async def together(desk: Desk, *actions: Action) -> list[Any]:
    """Run actions in one group, in this order: they queue up behind one that keeps the writer busy."""
    async with busy(desk):
        tasks = [asyncio.create_task(desk.run(action)) for action in actions]
        await asyncio.sleep(0)  # each has queued its action now
    return await asyncio.gather(*tasks, return_exceptions=True)


class Counted:
    """An action that counts its runs."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self.runs = 0

    def __call__(self, tx: Tx) -> Any:
        self.runs += 1
        return self._action(tx)


def company(name: str) -> Action:
    """Write a row and a line of the log; the group that it ran in."""

    def write(tx: Tx) -> Any:
        tx.write(sa.insert(COMPANY), {"id": name, "name": name})
        tx.emit(CustomerCreated(name))
        return tx._group

    return write


def names(reader: Reader) -> list[str]:
    return [row["id"] for row in reader.all(sa.select(COMPANY.c.id).order_by(COMPANY.c.id))]


async def told(desk: Desk) -> list[tuple[int, str]]:
    """(position, subject) of what these tests emit."""
    return [(e["position"], e["subject"]) for e in await rows_of(desk, schema.event, kind="customer.created")]


async def test_what_waits_shares_a_transaction(plain: Desk) -> None:
    outcomes = await together(plain, *(company(f"c{number:02}") for number in range(31)))
    assert len({id(group) for group in outcomes}) == 1
    more = await together(plain, *(company(f"d{number:02}") for number in range(40)))
    assert len({id(group) for group in more}) == 2, "a group is small"
    assert len(await plain.read(names)) == 71


async def test_a_failing_action_harms_nobody(plain: Desk) -> None:
    def breaks(tx: Tx) -> None:
        company("broken")(tx)
        raise ZeroDivisionError

    def refuses_late(tx: Tx) -> None:
        company("late")(tx)
        raise Conflict("no")

    def refuses_at_once(tx: Tx) -> None:
        tx.emit(CustomerCreated("refused"))
        tx.later(HangUpCall("phone-main", "int_1", "CA1"))
        tx.first_time(Input("phone-main", "key", "kind", {}))
        raise Invalid("no")

    good = [Counted(company(f"c{number}")) for number in range(4)]
    outcomes = await together(
        plain, good[0], breaks, good[1], refuses_late, good[2], refuses_at_once, good[3]
    )
    assert [type(outcomes[at]) for at in (1, 3, 5)] == [ZeroDivisionError, Conflict, Invalid]
    assert await plain.read(names) == ["c0", "c1", "c2", "c3"]
    assert [subject for _, subject in await told(plain)] == ["c0", "c1", "c2", "c3"]
    assert await rows_of(plain, schema.effect) == []
    assert await rows_of(plain, schema.input_) == []


async def test_a_refusal_before_the_first_write_costs_the_others_nothing(plain: Desk) -> None:
    def looks_and_refuses(tx: Tx) -> None:
        assert tx.first(sa.select(COMPANY).where(COMPANY.c.id == "c0")) is not None
        tx.add(COMPANY, {"id": "never", "name": "never"})
        raise Conflict("no")

    good = [Counted(company("c0")), Counted(company("c1"))]
    outcomes = await together(plain, good[0], looks_and_refuses, good[1])
    assert isinstance(outcomes[1], Conflict)
    assert [each.runs for each in good] == [1, 1]
    assert await plain.read(names) == ["c0", "c1"]


async def test_whose_unique_key_was_taken_runs_again(plain: Desk) -> None:
    """It breaks the whole group; run alone, everybody gets what is theirs."""
    looked: list[bool] = []

    def blind_at_first(tx: Tx) -> str:
        there = tx.first(sa.select(COMPANY).where(COMPANY.c.id == "c0")) is not None
        looked.append(there)
        if len(looked) == 1 or not there:
            tx.write(sa.insert(COMPANY), {"id": "c0", "name": "again"})
        return "found" if there else "made"

    outcomes = await together(plain, company("c0"), blind_at_first)
    assert outcomes[1] == "found"
    assert looked == [True, True]
    assert await plain.read(names) == ["c0"]


async def test_a_stale_row_is_read_again(plain: Desk) -> None:
    agent = await plain.run(_add_agent)
    tries: list[int] = []

    def change(tx: Tx) -> int:
        row = tx.get(schema.agent, agent)
        assert row is not None
        tries.append(row["version"])
        stale = {**row, "version": row["version"] - (1 if len(tries) < 3 else 0)}
        return int(tx.change(schema.agent, stale, name="Anna")["version"])  # type: ignore[arg-type]  # a dict reads like a row

    assert await plain.run(change) == 2
    assert tries == [1, 1, 1]


async def test_a_race_that_is_always_lost_ends_in_a_refusal(plain: Desk) -> None:
    def always_late(_tx: Tx) -> None:
        raise StaleRow("agent agt_1")

    counted = Counted(always_late)
    with pytest.raises(Unavailable):
        await plain.run(counted)
    assert 3 <= counted.runs <= 10


def _add_agent(tx: Tx) -> str:
    return str(admin.add_user(tx, login="ann", name="Ann", password_hash="!", role="agent")["id"])


async def test_positions_are_in_the_order_of_the_actions_without_gaps(plain: Desk) -> None:
    before = (await rows_of(plain, schema.event))[-1]["position"]

    def refuse(tx: Tx) -> None:
        tx.emit(CustomerCreated("refused"))
        raise Conflict("no")

    await asyncio.gather(
        *(plain.run(company(f"c{number:03}")) for number in range(100)),
        *(plain.run(refuse) for _ in range(10)),
        return_exceptions=True,
    )
    lines = await told(plain)
    assert lines == [(before + 1 + number, f"c{number:03}") for number in range(100)]


async def test_a_caller_who_left_changes_nothing(plain: Desk) -> None:
    """Cancelling is no undo: the action was accepted, it runs, and everybody is woken."""
    woken = plain.bus.wakes()
    await anext(woken)
    async with busy(plain):
        leaving = asyncio.create_task(plain.run(company("leaving")))
        queued = asyncio.create_task(plain.run(company("queued")))
        await asyncio.sleep(0)  # each has queued its action now
        for task in (leaving, queued):
            task.cancel()
        await asyncio.gather(leaving, queued, return_exceptions=True)
        assert leaving.cancelled()
        assert queued.cancelled()
    await asyncio.wait_for(anext(woken), 10)
    await plain.run(lambda _tx: None)
    assert await plain.read(names) == ["leaving", "queued"]


async def test_one_whose_loop_is_gone_does_not_stop_the_writer(plain: Desk) -> None:
    def nobody_listens(_result: object, _error: BaseException | None) -> None:
        raise RuntimeError("Event loop is closed")

    plain.store.submit(company("orphan"), (), "system", nobody_listens)
    await asyncio.wait_for(asyncio.to_thread(plain.store.run, company("queued behind")), 10)
    await asyncio.wait_for(plain.run(company("next")), 10)
    assert await plain.read(names) == ["next", "orphan", "queued behind"]


@pytest.mark.parametrize("others", [0, 1, 5])
async def test_actions_of_a_loop_and_of_threads_take_turns(plain: Desk, others: int) -> None:
    """On SQLite the two have different writers and one connection: none waits for ever, nothing is lost."""

    def by_thread(number: int) -> None:
        for turn in range(10):
            plain.store.run(company(f"t{number}-{turn}"))

    threads = [asyncio.create_task(asyncio.to_thread(by_thread, number)) for number in range(others)]
    for turn in range(10):
        await asyncio.gather(*(plain.run(company(f"l{number}-{turn}")) for number in range(5)))
        plain.store.run(
            company(f"blocking-{turn}")
        )  # on the loop's thread, while its COMMIT may be under way
    await asyncio.wait_for(asyncio.gather(*threads), 20)
    assert len(await plain.read(names)) == 60 + 10 * others
    positions = [position for position, _ in await told(plain)]
    assert positions == list(range(positions[0], positions[0] + 60 + 10 * others))


class Panic(BaseException):
    """As an extension in another language stops an action."""


async def test_a_panic_in_an_action_is_told_and_stops_nobody_else(plain: Desk) -> None:
    def panics(tx: Tx) -> None:
        company("half")(tx)
        raise Panic

    for run in (plain.run, lambda act: asyncio.to_thread(plain.store.run, act)):
        with pytest.raises(RuntimeError, match="Panic"):
            await asyncio.wait_for(run(panics), 10)
        outcomes = await together(plain, company(f"before-{run}"), panics, company(f"after-{run}"))
        assert [type(outcome) for outcome in outcomes][1] is RuntimeError
    assert len(await plain.read(names)) == 4, "and what the others wrote is there"


def test_actions_of_a_loop_that_is_gone_are_run_all_the_same(db_url: str) -> None:
    store = Store(db_url, SystemClock())
    gone = asyncio.new_event_loop()
    store.submit(company("left behind"), (), "system", lambda _result, _error: None, gone)
    gone.close()

    async def go_on() -> list[str]:
        desk = Desk(store, LocalBus(), SystemClock())
        await desk.run(company("next"))
        await asyncio.to_thread(store.run, lambda _tx: None)  # what was handed over came before it
        return await desk.read(names)

    try:
        assert asyncio.run(go_on()) == ["left behind", "next"]
    finally:
        store.close()


@pytest.mark.postgres
async def test_a_slow_commit_on_another_node_makes_nobody_run_twice(postgres_url: str) -> None:
    """The row of the log's positions is a line that all stand in: it is waited for, whatever other rows are."""
    clock = SystemClock()
    desk = Desk(Store(postgres_url, clock), LocalBus(), clock)
    slow = Store(postgres_url, clock)
    holds, go = threading.Event(), threading.Event()

    def commits_slowly(tx: Tx) -> None:
        tx.scalar(sa.select(schema.positions.c.event).with_for_update())
        holds.set()
        assert go.wait(20)

    holding = asyncio.create_task(asyncio.to_thread(slow.run, commits_slowly))
    await asyncio.to_thread(holds.wait, 20)
    acts = [Counted(company(f"c{number}")) for number in range(5)]
    waiting = [asyncio.create_task(desk.run(act)) for act in acts]
    await asyncio.wait(waiting, timeout=0.5)  # longer than a group waits for any other row
    assert not any(task.done() for task in waiting)
    go.set()
    await asyncio.gather(holding, *waiting)
    assert [act.runs for act in acts] == [1] * 5
    slow.close()
    desk.store.close()


async def test_close_finishes_what_is_queued(db_url: str) -> None:
    clock = SystemClock()
    desk = Desk(Store(db_url, clock), LocalBus(), clock)
    await desk.run(company("c"))
    tasks = [asyncio.create_task(desk.run(company(f"c{number:02}"))) for number in range(70)]
    await asyncio.sleep(0)  # each has queued its action
    await asyncio.sleep(0)  # and a group has begun
    desk.store.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    with pytest.raises(Unavailable):  # and does not wait for ever
        await asyncio.wait_for(desk.run(company("late")), 10)
    desk.store.close()
    again = Desk(Store(db_url, clock), LocalBus(), clock)
    assert len(await again.read(names)) == 71
    again.store.close()


async def test_a_published_configuration_counts_for_the_next_action(plain: Desk) -> None:
    def publish(tx: Tx) -> int:
        assert tx.config.brand == "Test Works"
        return admin.publish_config(tx, {**CONFIG, "brand": "New Works"})

    outcomes = await together(
        plain, lambda tx: tx.config.brand, publish, lambda tx: (tx.config.brand, tx.config.version)
    )
    assert outcomes == ["Test Works", 2, ("New Works", 2)]
    assert await plain.read(lambda reader: reader.config.brand) == "New Works"


async def test_a_configuration_that_was_rolled_back_is_forgotten(plain: Desk) -> None:
    """Its number is given again, to another one; nobody may remember what never was."""

    def publish_and_fail(tx: Tx) -> None:
        admin.publish_config(tx, {**CONFIG, "brand": "Never Works"})
        assert tx.config.brand == "Never Works"
        raise ZeroDivisionError

    outcomes = await together(
        plain, publish_and_fail, lambda tx: admin.publish_config(tx, {**CONFIG, "brand": "New Works"})
    )
    assert outcomes[1] == 2
    assert await plain.run(lambda tx: tx.config.brand) == "New Works"
    assert await plain.read(lambda reader: reader.config.brand) == "New Works"


async def test_rows_that_were_only_gathered_are_there_for_the_next_reader(plain: Desk) -> None:
    def gather(tx: Tx) -> str:
        tx.add(COMPANY, {"id": "mine", "name": "mine"})
        return str(tx.scalar(sa.select(COMPANY.c.name).where(COMPANY.c.id == "mine")))

    def add(tx: Tx) -> None:
        tx.add(COMPANY, {"id": "first", "name": "first"})

    def look(tx: Tx) -> list[str]:
        return [row["id"] for row in tx.all(sa.select(COMPANY.c.id).order_by(COMPANY.c.id))]

    def update(tx: Tx) -> int:
        return tx.write(sa.update(COMPANY).where(COMPANY.c.id == "second").values(name="changed"))

    def add_second(tx: Tx) -> None:
        tx.add(COMPANY, {"id": "second", "name": "second"})

    assert await together(plain, add, look, add_second, update, gather) == [None, ["first"], None, 1, "mine"]


async def test_an_input_is_new_once_in_its_group_and_ever_after(plain: Desk) -> None:
    def take(tx: Tx) -> bool:
        return tx.first_time(Input("phone-main", "key", "kind", {}))

    def take_and_refuse(tx: Tx) -> None:
        assert tx.first_time(Input("phone-main", "other", "kind", {}))
        raise Conflict("no")

    def take_other(tx: Tx) -> bool:
        return tx.first_time(Input("phone-main", "other", "kind", {}))

    outcomes = await together(plain, take, take, take_and_refuse, take_other)
    assert [outcomes[0], outcomes[1], outcomes[3]] == [True, False, True]
    assert await plain.run(take) is False
