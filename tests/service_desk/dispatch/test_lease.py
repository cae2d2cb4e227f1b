"""Leases on PostgreSQL: one holder at any moment, a new one within five seconds, and never two who trust theirs."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, PendingRollbackError

from service_desk import lease
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.dispatch.host import RoutingHost
from service_desk.errors import Unavailable
from service_desk.lease import DatabaseLease, SoleLease
from service_desk.storage import engines, schema
from tests.servers import PostgresServer
from tests.service_desk.people import make_agent, phone, rows_of
from tests.service_desk.storage.two_nodes import faults, nodes

LEASE = schema.lease


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the real times."""
    for name in ("RENEW_S", "LIFETIME_S", "TRUSTED_S"):
        monkeypatch.setattr(lease, name, getattr(lease, name) / 4)


@contextlib.asynccontextmanager
async def leases(url: str, *holders: str, name: str = "routing") -> AsyncIterator[list[DatabaseLease]]:
    made = [DatabaseLease(name, url, holder, SystemClock()) for holder in holders]
    try:
        yield made
    finally:
        for each in made:
            await each.release()
            await each.close()


async def until(true: Callable[[], Any], within_s: float = 10.0) -> float:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < within_s, "waited too long"
        await asyncio.sleep(0.01)
    return time.monotonic() - started


def stand_still(one: DatabaseLease) -> None:
    """As if the process were stopped: it renews no more, and does not know it."""
    one._stop.set()


@pytest.mark.postgres
async def test_one_holder_and_a_waiting_one(postgres_url: str, quick: None) -> None:
    async with leases(postgres_url, "one", "other") as (one, other):
        assert await one.acquire() == 1
        assert one.held()
        waiting = asyncio.create_task(other.acquire())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 2 * lease.LIFETIME_S)
        assert one.held(), "renewed all the time"
        assert not other.held()
        await one.release()
        assert not one.held()
        assert await asyncio.wait_for(waiting, 3) == 2
        assert other.held()


@pytest.mark.postgres
async def test_many_want_it_one_gets_it(postgres_url: str) -> None:
    async with leases(postgres_url, *(f"nod_{n}" for n in range(8))) as all_of_them:
        for _ in range(2):
            taken = await asyncio.gather(*(asyncio.to_thread(each._take) for each in all_of_them))
            assert sum(taken) == 1
            winner = all_of_them[taken.index(True)]
            assert winner.held()
            await winner.release()


@pytest.mark.postgres
async def test_names_are_apart(postgres_url: str) -> None:
    async with (
        leases(postgres_url, "one") as (routing,),
        leases(postgres_url, "two", name="outbox") as (outbox,),
    ):
        assert await routing.acquire() == 1
        assert await asyncio.wait_for(outbox.acquire(), 2) == 1


@pytest.mark.postgres
async def test_takeover_from_one_who_stands_still(postgres_url: str) -> None:
    """With the real times: the holder stops trusting at 2 s, the other has it before 5 s, never both."""
    async with leases(postgres_url, "still", "next") as (still, following):
        await still.acquire()
        taking = asyncio.create_task(following.acquire())
        await asyncio.sleep(0)
        stopped = time.monotonic()
        stand_still(still)
        distrusted = await until(lambda: not still.held() or not _never_both(still, following))
        assert distrusted <= lease.TRUSTED_S + 0.3
        assert not following.held(), "a second of silence lies between the two"
        assert await asyncio.wait_for(taking, 5) == 2
        assert time.monotonic() - stopped < 5
        assert following.held()
        assert not still.held()


def _never_both(one: DatabaseLease, other: DatabaseLease) -> bool:
    assert not (one.held() and other.held())
    return True


@pytest.mark.postgres
async def test_who_gives_its_lease_back_goes_on_with_its_work(postgres_url: str) -> None:
    engine = engines.make_engine(postgres_url, node="leaving")
    async with leases(postgres_url, "leaving", "next") as (leaving, following):
        await leaving.acquire()
        with engine.connect() as working:
            working.execute(sa.select(1))
            await asyncio.sleep(1.2)  # long enough to be taken for one who stands still
            await leaving.release()
            assert await asyncio.wait_for(following.acquire(), 3) == 2
            assert working.execute(sa.select(1)).scalar() == 1
    engine.dispose()


@pytest.mark.postgres
async def test_what_one_who_stands_still_holds_is_freed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stopped within a transaction, and another of its own waits behind that one: both end with the takeover."""
    monkeypatch.setattr(engines, "STANDSTILL_S", 60)
    held_row = sa.select(LEASE.c.fence).where(LEASE.c.name == "routing").with_for_update()
    stopped_engine = engines.make_engine(postgres_url, size=2, node="still")
    healthy_engine = engines.make_engine(postgres_url, node="healthy")
    async with leases(postgres_url, "still", "next") as (still, following):
        await still.acquire()
        with (
            stopped_engine.connect() as first,
            stopped_engine.connect() as second,
            healthy_engine.connect() as alive,
        ):
            alive.execute(sa.select(1))
            first.execute(held_row)
            behind = asyncio.create_task(asyncio.to_thread(second.execute, held_row))
            stand_still(still)
            assert await asyncio.wait_for(following.acquire(), 5.5) == 2
            await asyncio.wait([behind])  # it ended either while it waited or once it had the row
            for ended in (first, second):
                with pytest.raises((OperationalError, PendingRollbackError)):
                    ended.execute(sa.select(1))
            behind.exception()
            alive.execute(sa.select(1))
    stopped_engine.dispose()
    healthy_engine.dispose()


@pytest.mark.postgres
async def test_a_zombie_does_not_renew_what_is_another_s(postgres_url: str, quick: None) -> None:
    async with leases(postgres_url, "zombie", "next") as (zombie, following):
        await zombie.acquire()
        stand_still(zombie)
        assert zombie._thread is not None
        await asyncio.to_thread(zombie._thread.join)
        assert await asyncio.wait_for(following.acquire(), 5) == 2
        assert zombie._execute(sa.text(lease._RENEW)) is None
        assert not zombie.held()
        assert following.held()
        await zombie.release()
        assert following._execute(sa.text(lease._RENEW)) == 2, (
            "who gives back what is not theirs changes nothing"
        )
        assert following.held()


@pytest.mark.postgres
async def test_the_database_goes_and_comes_back(own_postgres_server: PostgresServer, quick: None) -> None:
    from service_desk.storage.store import migrate

    own_postgres_server.execute("ALTER DATABASE postgres SET synchronous_commit = on")
    url = own_postgres_server.url("postgres")
    await asyncio.to_thread(migrate, url)
    async with leases(url, "one") as (one,):
        fence = await one.acquire()
        await asyncio.to_thread(own_postgres_server.stop)
        assert await until(lambda: not one.held()) <= lease.TRUSTED_S + 0.3
        await one.release()
        again = asyncio.create_task(one.acquire())
        own_postgres_server.start()
        assert await asyncio.wait_for(again, 10) == fence + 1
        assert one.held()


async def test_on_one_file_the_fence_still_grows(plain: Desk) -> None:
    one, other = SoleLease("routing", plain, "nod_1"), SoleLease("routing", plain, "nod_2")
    assert [await one.acquire(), await other.acquire(), await one.acquire()] == [1, 2, 3]
    assert (await rows_of(plain, LEASE))[0]["holder"] == "nod_1"


@pytest.mark.postgres
async def test_two_hosts_one_is_stopped_and_comes_back(postgres_url: str, quick: None) -> None:
    """Row 19: a node is stopped in the middle of a decision and wakes up later; nothing is decided twice."""
    async with (
        nodes(postgres_url) as (left, right),
        leases(postgres_url, "left", "right") as (left_lease, right_lease),
    ):
        people = [await make_agent(left, f"agent{number}") for number in range(6)]
        hosts = [RoutingHost(left, left_lease), RoutingHost(right, right_lease)]
        first = asyncio.create_task(hosts[0].run())
        await until(lambda: hosts[0].router)
        second = asyncio.create_task(hosts[1].run())
        await phone(right, "CA1")
        await _rings(right, 1)

        # Everything of the left node stops: the writer, in front of whatever the host wants to record, and the renewer.
        stopped, go = threading.Event(), threading.Event()

        def stop_here(_tx: object) -> None:
            stopped.set()
            assert go.wait(30)

        standing = asyncio.create_task(asyncio.to_thread(left.store.run, stop_here))
        await asyncio.to_thread(stopped.wait, 10)
        await phone(right, "CA2")
        left.bus.wake()
        stand_still(left_lease)
        await _rings(right, 2)
        assert right_lease.held()
        await phone(right, "CA3")
        await _rings(right, 3)

        go.set()
        with contextlib.suppress(
            Unavailable
        ):  # thrown out meanwhile, if it stood within a transaction for too long
            await standing
        await phone(left, "CA4")
        await _rings(right, 4)
        rows = await rows_of(right, schema.offer)
        assert len({row["interaction_id"] for row in rows}) == len(rows) == 4
        assert len({row["agent_id"] for row in rows}) == 4
        assert {row["agent_id"] for row in rows} <= set(people)
        fences = [step["fence"] for step in await rows_of(right, schema.dispatch_step)]
        assert fences == sorted(fences)
        assert set(fences) == {1, 2}
        assert await faults(right) == []
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


async def _rings(desk: Desk, count: int) -> None:
    """Wait until that many offers are pending; wakes the node that does not hear the other's commits."""
    give_up = time.monotonic() + 15
    while len(await rows_of(desk, schema.offer, state="pending")) < count:
        assert time.monotonic() < give_up, f"not {count} offers"
        desk.bus.wake()
        await asyncio.sleep(0.02)


async def test_closing_waits_for_a_statement_and_the_loop_turns_meanwhile() -> None:
    one = DatabaseLease("routing", "postgresql://nobody@127.0.0.1:1/none", "one", SystemClock())
    with one._asking:  # as a statement that the database does not answer
        closing = asyncio.create_task(one.close())
        done, _ = await asyncio.wait([closing], timeout=0.1)
        assert not done
    await closing
