"""The database goes away, comes back, is locked, or another node stands still in the middle of its work."""

import asyncio
import itertools
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from service_desk.actions import admin
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.errors import Unavailable
from service_desk.lease import SoleLease
from service_desk.storage import engines, schema
from service_desk.storage.prepared import Driver
from service_desk.storage.store import Reader, Store, migrate
from service_desk.storage.transaction import Tx
from tests.servers import PostgresServer
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import make_agent, rows_of
from tests.service_desk.storage.two_nodes import nodes

COMPANY = schema.company


def add(tx: Tx, name: str) -> str:
    tx.write(sa.insert(COMPANY), {"id": name, "name": name})
    return name


def names(reader: Reader) -> list[str]:
    return [row["id"] for row in reader.all(sa.select(COMPANY.c.id).order_by(COMPANY.c.id))]


async def within(seconds: float, work: Any) -> Any:
    return await asyncio.wait_for(work, seconds)


async def durable(server: PostgresServer) -> str:
    """The address of a migrated database that keeps what it acknowledged through a crash, as a real one does."""
    server.execute("ALTER DATABASE postgres SET synchronous_commit = on")
    url = server.url("postgres")
    await asyncio.to_thread(migrate, url)
    return url


@pytest.mark.postgres
async def test_postgres_goes_and_comes_back(own_postgres_server: PostgresServer) -> None:
    url = await durable(own_postgres_server)
    desk = Desk(Store(url, SystemClock()), LocalBus(), SystemClock())
    await desk.run(admin.seed, CONFIG)
    await desk.run(add, "before")
    await asyncio.to_thread(own_postgres_server.stop)
    outcomes = await within(
        20, asyncio.gather(*(desk.run(add, f"away{n}") for n in range(5)), return_exceptions=True)
    )
    assert [type(each) for each in outcomes] == [Unavailable] * 5
    with pytest.raises(Unavailable):
        await within(20, desk.read(names))
    own_postgres_server.start()
    assert await within(20, desk.run(add, "after")) == "after", (
        "the first one after the return already goes through"
    )
    assert await within(20, desk.read(names)) == ["after", "before"]
    desk.store.close()


@pytest.mark.postgres
async def test_a_restart_that_nobody_noticed_costs_no_refusal(own_postgres_server: PostgresServer) -> None:
    """The connections are broken, but the database is there: reconnect instead of refusing."""
    url = await durable(own_postgres_server)
    desk = Desk(Store(url, SystemClock()), LocalBus(), SystemClock())
    await desk.run(admin.seed, CONFIG)
    await desk.read(names)
    await asyncio.to_thread(own_postgres_server.stop)
    own_postgres_server.start()
    await within(20, asyncio.gather(*(desk.run(add, f"c{n}") for n in range(5))))
    assert await within(20, desk.read(names)) == [f"c{n}" for n in range(5)]
    desk.store.close()


@pytest.mark.postgres
async def test_a_connection_that_breaks_in_the_middle_runs_the_action_again(postgres_url: str) -> None:
    async with nodes(postgres_url, 1) as (desk,):
        runs = []

        def killed_once(tx: Tx) -> str:
            pid = tx.scalar(sa.text("SELECT pg_backend_pid()"))  # type: ignore[arg-type]  # a statement as good as a select
            runs.append(pid)
            add(tx, "once")
            if len(runs) == 1:
                _terminate(postgres_url, pid)
            return add(tx, "twice")

        assert await within(20, desk.run(killed_once)) == "twice"
        assert len(set(runs)) == 2
        assert await desk.read(names) == ["once", "twice"]


@pytest.mark.postgres
async def test_a_commit_of_unknown_outcome_is_not_done_twice(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks while COMMIT is on its way: it may be saved, so the store must not repeat it."""
    async with nodes(postgres_url, 1) as (desk,):
        runs: list[str] = []

        def count(tx: Tx, name: str) -> int:
            runs.append(name)
            pid: int = tx.scalar(sa.text("SELECT pg_backend_pid()"))  # type: ignore[arg-type]  # as above
            add(tx, name)
            return pid

        commit = Driver.commit

        def kill_before_commit(driver: Driver) -> None:
            pid = driver.connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]  # psycopg's
            _terminate(postgres_url, pid)
            commit(driver)

        with monkeypatch.context() as patched:
            patched.setattr(Driver, "commit", kill_before_commit)
            outcomes = await within(
                20, asyncio.gather(*(desk.run(count, f"c{n}") for n in range(3)), return_exceptions=True)
            )
        assert {type(each) for each in outcomes} == {Unavailable}
        assert sorted(runs) == ["c0", "c1", "c2"], "each ran once"
        assert "Look whether it is there" in str(outcomes[0])
        assert await within(20, desk.run(count, "next")) > 0


def _terminate(url: str, pid: int) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone():
            pass


@pytest.mark.postgres
async def test_a_node_that_stands_still_holds_up_nobody(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped (SIGSTOP, a full machine) while it holds locks: the database throws it out, the others go on."""
    monkeypatch.setattr(engines, "STANDSTILL_S", 1)
    async with nodes(postgres_url) as (still, other):
        agent = await make_agent(other, "ann")
        begun, go = threading.Event(), threading.Event()
        runs = []

        def rename(tx: Tx, name: str, *, wait: bool) -> str:
            runs.append(name)
            row = tx.get_for_update(schema.agent, agent)
            assert row is not None
            if wait and len(runs) == 1:
                begun.set()
                assert go.wait(30)
            return str(tx.change(schema.agent, row, name=name)["name"])

        standing = asyncio.create_task(
            asyncio.to_thread(
                still.store.run, rename, "Still", wait=True
            )  # or this test would stand still, too
        )
        await asyncio.to_thread(begun.wait, 10)
        assert await within(10, other.run(lambda tx: rename(tx, "Other", wait=False))) == "Other"
        go.set()
        assert await within(10, standing) == "Still", "it comes back, reads again and goes on"
        assert [name for name, _ in itertools.groupby(runs)] == ["Still", "Other", "Still"]


@pytest.mark.postgres
async def test_groups_that_want_each_others_rows_part_soon(postgres_url: str) -> None:
    """PostgreSQL would look for the deadlock after a second; each action alone waits for nobody who waits for it."""
    async with nodes(postgres_url) as (left, right):
        ann, bob = await make_agent(left, "ann"), await make_agent(left, "bob")
        both_hold_one = threading.Barrier(2)
        held: set[str] = set()

        def rename(tx: Tx, agent: str, name: str) -> None:
            row = tx.get_for_update(schema.agent, agent)
            assert row is not None
            tx.change(schema.agent, row, name=name)

        def first(tx: Tx, agent: str, name: str) -> None:
            rename(tx, agent, name)
            if name not in held:
                held.add(name)
                both_hold_one.wait(10)

        def both(desk: Desk, one: str, other: str, name: str) -> list[asyncio.Task[None]]:
            acts = [lambda tx: first(tx, one, name), lambda tx: rename(tx, other, name)]
            return [asyncio.create_task(desk.run(act)) for act in acts]

        loop = asyncio.get_running_loop()
        begun = loop.time()
        await within(10, asyncio.gather(*both(left, ann, bob, "left"), *both(right, bob, ann, "right")))
        assert loop.time() - begun < 0.9
        assert {row["version"] for row in await rows_of(left, schema.agent)} == {4}, (
            "both names of both, after what made them"
        )


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It holds people's data, and so do the files that SQLite keeps beside it."""
    url = f"sqlite:///{tmp_path}/new.sqlite3"
    before = os.umask(0o022)
    try:
        migrate(url)
        store = Store(url, SystemClock())
        store.run(admin.seed, CONFIG)
        found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert found
    assert set(found.values()) == {0o600}, found


async def test_a_locked_file_is_a_refusal_and_no_end(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 50)
    clock = SystemClock()
    desk = Desk(Store(sqlite_url, clock), LocalBus(), clock)
    await desk.run(admin.seed, CONFIG)
    stranger = sqlite3.connect(Path(sqlite_url.removeprefix("sqlite:///")), isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        await within(20, desk.run(add, "locked"))
    assert await desk.read(names) == [], "reading goes on"
    lease = asyncio.create_task(SoleLease("routing", desk, "nod_1").acquire())
    outcomes = await within(
        20, asyncio.gather(*(desk.run(add, f"c{n}") for n in range(3)), return_exceptions=True)
    )
    assert {type(each) for each in outcomes} == {Unavailable}
    stranger.execute("ROLLBACK")
    stranger.close()
    assert await within(20, desk.run(add, "free")) == "free"
    assert await within(20, lease) == 1, "who waits for the lease gets it by itself"
    desk.store.close()


async def test_a_full_disk_is_a_refusal_until_there_is_room(sqlite_url: str) -> None:
    clock = SystemClock()
    desk = Desk(Store(sqlite_url, clock), LocalBus(), clock)
    await desk.run(admin.seed, CONFIG)

    def pages(limit: int | None) -> None:
        connection = desk.store._groups._connection
        assert connection is not None
        driver = connection.connection.driver_connection
        assert driver is not None
        used = driver.execute("PRAGMA page_count").fetchone()[0]
        driver.execute(f"PRAGMA max_page_count = {used + limit if limit is not None else 1 << 30}")

    def grow(tx: Tx, name: str) -> str:
        tx.write(sa.insert(COMPANY), {"id": name, "name": "x" * 20_000})
        return name

    pages(2)
    with pytest.raises(Unavailable):
        await within(20, desk.run(grow, "big"))
    assert await desk.read(names) == []
    pages(None)
    assert await within(20, desk.run(grow, "big")) == "big"
    desk.store.close()
