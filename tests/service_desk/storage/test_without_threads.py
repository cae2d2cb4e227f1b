"""A store without threads: what a simulation runs on. Everything happens where it is asked for, at once."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from service_desk.clock import ManualClock
from service_desk.errors import Unavailable
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store, migrate
from service_desk.storage.transaction import Tx

COUNTER = sa.select(schema.counter.c.value).where(schema.counter.c.name == "test")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'desk.sqlite3'}"
    migrate(url)
    opened = Store(url, ManualClock(), threads=False)
    yield opened
    opened.close()


def where(tx: Tx) -> int:
    tx.write(sa.insert(schema.counter), {"name": "test", "value": 7})
    return threading.get_ident()


def seen(reader: Reader) -> tuple[int, Any]:
    return threading.get_ident(), reader.scalar(COUNTER)


async def test_actions_and_reads_happen_here_and_now(store: Store) -> None:
    outcome: list[Any] = []
    store.submit(where, (), "system", lambda result, error: outcome.append((result, error)))
    here = threading.get_ident()
    assert outcome == [(here, None)], "done before submit returned, on this thread"
    assert await store.read_async(seen) == (here, 7)
    assert await store.glance(seen) == (here, 7)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("desk-")]


def test_what_fails_is_rolled_back_and_told(store: Store) -> None:
    def break_off(tx: Tx) -> None:
        where(tx)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.run(break_off)
    assert store.read(seen)[1] is None


def test_after_close_nothing_runs(store: Store) -> None:
    store.close()
    with pytest.raises(Unavailable):
        store.run(where)
