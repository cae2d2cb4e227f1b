"""How often PostgreSQL is waited for: each wait costs the writing thread its turn at the interpreter's lock."""

import asyncio
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
import sqlalchemy as sa

from service_desk.actions.once import once
from service_desk.desk import Desk
from service_desk.domain.events import CustomerCreated
from service_desk.errors import Conflict
from service_desk.storage import schema
from service_desk.storage.statements import by_key
from service_desk.storage.store import Store
from service_desk.storage.straight import StraightCursor
from service_desk.storage.transaction import Foreseen, Tx, locked
from tests.e2e.world import until
from tests.service_desk.people import make_agent

AGENT = schema.agent
pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("db_url", ["postgres"], indirect=True)]


@contextmanager
def watching() -> Iterator[list[str]]:
    """The waits for the server: the last statement of each, in the order of time."""
    waits: list[str] = []
    send, execute = StraightCursor._send, StraightCursor.execute

    def sends(cursor: StraightCursor, steps: list[Any]) -> list[Any]:
        waits.append([*cursor._kept, *steps][-1].sql)
        return send(cursor, steps)

    def executes(cursor: StraightCursor, sql: str, values: Any) -> None:
        before = len(waits)
        execute(cursor, sql, values)
        if len(waits) == before:  # it went alone, not in a pipeline
            waits.append(sql)

    with patch.multiple(StraightCursor, _send=sends, execute=executes):
        yield waits


async def test_a_group_waits_for_its_questions_and_for_its_end(plain: Desk) -> None:
    ann = await make_agent(plain, "ann")

    def act(tx: Tx) -> int:
        tx.foresee(locked(AGENT, ann), tx.foresee_numbers("ticket", 2), tx.foresee_cursor("search", 3))
        assert tx.config.version, "asked for on the way"
        row = tx.get_for_update(AGENT, ann)
        assert row is not None
        tx.change(AGENT, row, name="changed")
        tx.emit(CustomerCreated("somebody"))
        tx.set_cursor("search", 3)
        return tx.next_number("ticket", 2)

    first = await plain.run(act)  # which prepares what was never run before
    with watching() as waits:
        assert await plain.run(act) == first + 2
    assert len(waits) == 2, waits
    assert waits[-1] == "COMMIT"


async def test_the_end_of_a_view_is_not_waited_for_but_comes(plain: Desk) -> None:
    ann = await make_agent(plain, "ann")
    with watching() as waits:
        row = await plain.read(lambda reader: reader.first(by_key(AGENT), {"key": ann}))
    assert row is not None
    assert len(waits) == 1, waits
    standing = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'"
    )

    async def nobody_stands() -> bool:
        with plain.store._readers.connect() as other:
            return other.execution_options(isolation_level="AUTOCOMMIT").execute(standing).scalar() == 0

    await until(nobody_stands, "the view's transaction ends")
    await plain.read(lambda reader: reader.first(by_key(AGENT), {"key": ann}))


async def test_what_is_foreseen_again_is_not_asked_again(plain: Desk) -> None:
    ann = await make_agent(plain, "ann")
    this = Foreseen(by_key(AGENT), {"key": ann})

    def act(tx: Tx) -> Any:
        tx.foresee(this)
        tx.foresee(this, locked(AGENT, ann))
        tx.foresee(this)
        return tx.get(AGENT, ann)

    await plain.run(act)
    with watching() as waits:
        assert await plain.run(act) is not None
    assert len(waits) == 3, waits


async def test_a_connection_that_was_cut_while_idle_is_no_unsure_outcome(plain: Desk, db_url: str) -> None:
    """An action that asks nothing goes out with COMMIT: that the connection was gone before must show before."""
    ann = await make_agent(plain, "ann")

    def act(tx: Tx) -> None:
        tx.update(AGENT, ann, name="changed")

    await plain.run(act)
    with psycopg.connect(db_url.replace("+psycopg", ""), autocommit=True) as other:
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

        async def all_gone() -> bool:
            (left,) = other.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {others}").fetchone() or (
                1,
            )
            return bool(left == 0)

        await until(all_gone, "the desk's connections are cut")
        held: Any = plain.store._groups._connection
        socket = select.poll()
        socket.register(held.connection.driver_connection.fileno(), select.POLLRDHUP)

        async def heard() -> bool:
            return bool(socket.poll(0))

        await until(heard, "the end has come here")
    await plain.run(act)


async def test_the_same_request_on_two_nodes_at_once_gets_one_answer(plain: Desk, db_url: str) -> None:
    """The second waits for the row that the first changes, would be refused for it, and is told the answer."""
    ann = await make_agent(plain, "ann")
    first_has_it = threading.Event()

    def act(tx: Tx) -> tuple[int, str]:
        row = tx.get_for_update(AGENT, ann)
        assert row is not None
        if row["name"] == "taken":
            raise Conflict("It was taken already.")
        tx.update(AGENT, ann, name="taken")
        tx.scalar(sa.select(AGENT.c.name).where(AGENT.c.id == ann))
        first_has_it.set()
        time.sleep(0.05)  # in which the other comes to wait for the row
        return 200, "done"

    other = Desk(Store(db_url, plain.clock, node="other"), plain.bus, plain.clock)
    try:
        one = asyncio.create_task(plain.run(once, "ann", "key-1", "digest", act))
        await asyncio.to_thread(first_has_it.wait)
        assert await other.run(once, "ann", "key-1", "digest", act) == (200, "done")
        assert await one == (200, "done")
    finally:
        other.store.close()
