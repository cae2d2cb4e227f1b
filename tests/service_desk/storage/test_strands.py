"""PostgreSQL on the loop's own thread: the loop goes on while it waits, and whatever breaks stays with its owner."""

import asyncio
import select
import socket
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import greenlet
import psycopg
import pytest
import sqlalchemy as sa
import uvloop

from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.storage import schema
from service_desk.storage.kept_views import READERS
from service_desk.storage.store import Reader, Store
from service_desk.storage.strands import Strand, wait_for
from service_desk.storage.transaction import Tx
from service_desk.storage.writers import GROUP_ACTIONS
from tests.service_desk.people import make_agent
from tests.service_desk.storage.two_nodes import nodes

HERE = pytest.mark.postgres


# --- strands alone --------------------------------------------------------------------------------------------


async def test_the_loop_is_only_used_outside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """libuv keeps what it is handling on the stack that a strand puts aside: used in a strand, it reads elsewhere."""
    loop = asyncio.get_running_loop()
    inside: list[str] = []

    def watched(name: str) -> Callable[..., Any]:
        real = getattr(loop, name)

        def call(*args: Any, **named: Any) -> Any:
            if isinstance(greenlet.getcurrent(), Strand):
                inside.append(name)
            return real(*args, **named)

        return call

    for name in ("add_reader", "remove_reader", "add_writer", "remove_writer", "call_soon"):
        monkeypatch.setattr(loop, name, watched(name))
    ours, theirs = socket.socketpair()
    heard: list[bytes] = []
    over = loop.create_future()

    def listen() -> None:
        for what in (select.POLLIN, select.POLLIN | select.POLLOUT):
            wait_for(ours.fileno(), what)
            heard.append(ours.recv(1))

    with ours, theirs:
        Strand(loop, listen, lambda: over.set_result(None)).go_on()
        assert heard == []
        theirs.send(b"ab")
        await asyncio.wait_for(over, 5)
    assert heard == [b"a", b"b"]
    assert inside == []


def test_it_is_finished_without_its_loop() -> None:
    ours, theirs = socket.socketpair()
    heard: list[bytes] = []
    ends: list[str] = []

    async def begin() -> Strand:
        def listen() -> None:
            wait_for(ours.fileno(), select.POLLIN)
            heard.append(ours.recv(1))

        strand = Strand(asyncio.get_running_loop(), listen, lambda: ends.append("over"))
        strand.go_on()
        return strand

    with ours, theirs:
        strand = asyncio.run(begin())
        threading.Timer(0.05, theirs.send, [b"x"]).start()
        strand.finish()
        strand.finish()
    assert (heard, ends) == ([b"x"], ["over"])


# --- the store ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def held(url: str, agent: str) -> AsyncIterator[Callable[[], None]]:
    """Another connection has the agent's row until it is let go."""
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        other.execute("SELECT 1 FROM agent WHERE id = %s FOR UPDATE", (agent,))
        yield other.rollback


def rename(tx: Tx, agent: str, name: str) -> str:
    row = tx.get_for_update(schema.agent, agent)
    assert row is not None
    return str(tx.change(schema.agent, row, name=name)["name"])


def name_of(reader: Reader, agent: str) -> str:
    row = reader.get(schema.agent, agent)
    assert row is not None
    return str(row["name"])


def longer_name_of(reader: Reader, agent: str) -> str:
    """By a statement that SQLAlchemy runs, and begins a transaction for."""
    return str(reader.scalar(sa.select(schema.agent.c.name).where(schema.agent.c.id == agent)))


def sleep_there(reader: Reader, seconds: float) -> int:
    return int(reader.scalar(sa.select(sa.literal(1)).where(sa.func.pg_sleep(seconds).is_not(None))))


@HERE
async def test_the_loop_goes_on_while_an_action_waits_for_a_row(postgres_url: str) -> None:
    async with nodes(postgres_url) as (desk, _):
        agent = await make_agent(desk, "ann")
        async with held(postgres_url, agent) as let_go:
            renaming = asyncio.create_task(desk.run(rename, agent, "Anna"))
            for _ in range(10):
                await asyncio.sleep(0.005)
                assert await asyncio.wait_for(desk.glance(name_of, agent), 1) == "Ann"
            assert not renaming.done()
            let_go()
            assert await asyncio.wait_for(renaming, 10) == "Anna"
        assert await desk.view(name_of, agent) == "Anna"


@HERE
async def test_more_looks_than_connections_take_turns(postgres_url: str) -> None:
    async with nodes(postgres_url) as (desk, _):
        looks = [desk.glance(sleep_there, 0.02) for _ in range(3 * READERS)]
        assert await asyncio.wait_for(asyncio.gather(*looks), 10) == [1] * len(looks)


@HERE
async def test_who_does_not_wait_for_the_answer_costs_no_connection(postgres_url: str) -> None:
    async with nodes(postgres_url) as (desk, _):
        agent = await make_agent(desk, "ann")
        for _ in range(READERS + 1):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(desk.view(sleep_there, 0.1), 0.02)
        assert await asyncio.wait_for(desk.view(name_of, agent), 5) == "Ann"


@HERE
async def test_a_query_that_fails_leaves_its_connection_as_good_as_new(postgres_url: str) -> None:
    def divide(reader: Reader) -> Any:
        return reader.scalar(sa.select(sa.literal(1) / sa.literal(0)))

    async with nodes(postgres_url) as (desk, _):
        agent = await make_agent(desk, "ann")
        for look in (desk.glance, desk.view):
            for _ in range(READERS + 1):
                with pytest.raises(Exception, match="division by zero"):
                    await look(divide)
            assert await look(name_of, agent) == "Ann"


@HERE
@pytest.mark.parametrize("way", ["straight", "by SQLAlchemy"])
async def test_looks_go_on_after_the_server_cut_every_connection(postgres_url: str, way: str) -> None:
    async with nodes(postgres_url) as (desk, _):
        agent = await make_agent(desk, "ann")
        query: Any = name_of if way == "straight" else longer_name_of
        for look in (desk.glance, desk.view):
            await asyncio.gather(*(look(sleep_there, 0.02) for _ in range(READERS)))
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        looks = [look(query, agent) for look in (desk.glance, desk.view) for _ in range(2)]
        assert await asyncio.wait_for(asyncio.gather(*looks), 10) == ["Ann"] * 4
        for look in (desk.glance, desk.view):  # and no connection's place is lost
            await asyncio.wait_for(asyncio.gather(*(look(sleep_there, 0.02) for _ in range(2 * READERS))), 10)
        assert await asyncio.wait_for(desk.run(rename, agent, "Anna"), 10) == "Anna"


@HERE
async def test_closing_finishes_the_action_that_waits(postgres_url: str) -> None:
    async with nodes(postgres_url) as (other, _):
        agent = await make_agent(other, "ann")
        desk = Desk(Store(postgres_url, SystemClock()), LocalBus(), SystemClock())
        await desk.run(rename, agent, "Ann")
        async with held(postgres_url, agent) as let_go:
            renaming = asyncio.create_task(desk.run(rename, agent, "Anna"))
            await asyncio.sleep(0.02)
            threading.Timer(0.03, let_go).start()
            desk.store.close()
        assert await asyncio.wait_for(renaming, 10) == "Anna"
        assert await other.glance(name_of, agent) == "Anna"


@HERE
def test_closing_after_the_loop_is_over_finishes_every_group(postgres_url: str) -> None:
    store = Store(postgres_url, SystemClock())

    async def begin() -> str:
        async with nodes(postgres_url) as (desk, _):
            agent = await make_agent(desk, "ann")
        loop = asyncio.get_running_loop()
        await Desk(store, LocalBus(), SystemClock()).run(rename, agent, "Anna")
        for number in range(3 * GROUP_ACTIONS):
            store.submit(rename, (agent, f"A{number}"), "system", lambda *_: None, loop)
        await asyncio.sleep(0)
        return agent

    agent = asyncio.run(begin())
    with ThreadPoolExecutor(1) as other, pytest.raises(RuntimeError, match="on the thread"):
        other.submit(_finish, store).result(10)
    store.close()
    again = Store(postgres_url, SystemClock())
    assert again.read(name_of, agent) == f"A{3 * GROUP_ACTIONS - 1}"
    again.close()


def _finish(store: Store) -> None:
    """The part of closing that counts: all of it would leave the store half closed."""
    assert store._by_loop is not None
    store._by_loop.finish()


@HERE
async def test_who_asks_from_a_thread_has_their_turn_beside_a_busy_loop(postgres_url: str) -> None:
    async with nodes(postgres_url) as (desk, _):
        agents = [await make_agent(desk, f"a{number}") for number in range(3)]
        over = asyncio.Event()

        async def keep_busy(agent: str) -> int:
            runs = 0
            while not over.is_set():
                await desk.run(rename, agent, f"A{runs}")
                runs += 1
            return runs

        busy = [asyncio.create_task(keep_busy(agent)) for agent in agents[:2]]
        await asyncio.sleep(0.05)
        for number in range(5):
            await asyncio.wait_for(asyncio.to_thread(desk.store.run, rename, agents[2], f"C{number}"), 1)
        over.set()
        assert sum(await asyncio.gather(*busy)) > 10


@HERE
def test_on_uvloop_with_many_sockets(postgres_url: str) -> None:
    """As it is served: actions, looks and other sockets that come and go, all ready in the same turns of the loop."""

    async def other_work() -> int:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        theirs.send(b"x" * 100)
        got = await reader.readexactly(100)
        writer.close()
        theirs.close()
        return len(got)

    async def main() -> None:
        async with nodes(postgres_url) as (desk, _):
            agents = [await make_agent(desk, f"a{number}") for number in range(8)]
            for _ in range(20):
                done = await asyncio.gather(
                    *(desk.run(rename, agent, "Anna") for agent in agents),
                    *(desk.glance(name_of, agent) for agent in agents),
                    *(desk.view(name_of, agent) for agent in agents),
                    *(other_work() for _ in agents),
                )
                assert done[:8] == ["Anna"] * 8
                assert done[-8:] == [100] * 8

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
