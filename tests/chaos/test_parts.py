"""Killed inside a migration, a tidying or a checkpoint, it goes on where it was, with nothing lost."""

import asyncio
import contextlib
import mmap
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from service_desk.actions import admin
from service_desk.audit import audit
from service_desk.clock import SystemClock
from service_desk.storage import schema
from service_desk.storage.store import Store, migrate
from service_desk.storage.transaction import Tx
from service_desk.storage.versions import current_version, newest_version
from service_desk.switches import KILL_AT
from tests.chaos.texts import bring, sid
from tests.service_desk.conftest import CONFIG

CHECKPOINT_S = 30.0
TEXTS_A_BATCH = 150
"""So many texts have more events, four each, than are laid aside at a time."""
COPIED, COPYING = 96, 128
"""Places in the index of a write-ahead log: frames that are in the database, and that a checkpoint set out to copy."""


async def part(name: str, url: str, kill_at: str | None) -> int:
    """Run it; the exit code."""
    environment = {**os.environ, **({KILL_AT: kill_at} if kill_at else {})}
    command = [sys.executable, "-m", "tests.chaos.parts", name, url]
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    return await process.wait()


def shape(url: str) -> list[tuple[str, str]]:
    """Tables with their columns and indexes, in words by which two databases can be compared."""
    engine = sa.create_engine(url)
    try:
        inspector, found = sa.inspect(engine), []
        for table in inspector.get_table_names():
            found += [(table, f"{each['name']} {each['type']}") for each in inspector.get_columns(table)]
            found += [(table, str(each["name"])) for each in inspector.get_indexes(table)]
        return sorted(found)
    finally:
        engine.dispose()


def new_database(request: pytest.FixtureRequest, kind: str, tmp_path: Path, name: str) -> str:
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / name}.sqlite3"
    server = request.getfixturevalue("postgres_server")
    server.execute(f"DROP DATABASE IF EXISTS {name}")
    server.execute(f"CREATE DATABASE {name}")
    return str(server.url(name))


def read_all(tx: Tx) -> None:
    """As a follower that has read the whole log: what nobody has read is not laid aside."""
    tx.set_cursor("search", tx.scalar(sa.select(schema.positions.c.event)))


async def kill_in_migration(url: str, nth: int) -> bool:
    """Whether it was killed; False if there are not so many statements."""
    code = await part("migrate", url, f"migrate.before_statement:{nth}")
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_a_migration_that_was_killed_is_done_by_the_next_try(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    whole = new_database(request, kind, tmp_path, "whole")
    migrate(whole)
    chance = random.Random(11)
    url = new_database(request, kind, tmp_path, "killed")
    assert await kill_in_migration(url, chance.randint(5, 60))
    migrate(url)
    assert current_version(url) == newest_version()
    assert shape(url) == shape(whole)


@pytest.mark.soak
@pytest.mark.parametrize("nth", range(1, 101, 5))
async def test_a_migration_is_killed_at_any_statement(tmp_path: Path, nth: int) -> None:
    url = f"sqlite:///{tmp_path}/killed.sqlite3"
    assert await kill_in_migration(url, nth)
    migrate(url)
    whole = f"sqlite:///{tmp_path}/whole.sqlite3"
    migrate(whole)
    assert shape(url) == shape(whole)


@pytest.mark.parametrize("nth", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 22))])
async def test_tidying_that_was_killed_goes_on(sqlite_url: str, nth: int) -> None:
    store = Store(sqlite_url, SystemClock())
    try:
        store.run(admin.publish_config, CONFIG)
        for number in range(TEXTS_A_BATCH * nth):
            store.run(bring, number)
        store.run(read_all)
        assert await part("tidy", sqlite_url, f"retention.after_batch:{nth}") == -signal.SIGKILL
        assert store.read(audit) == []
        assert await part("tidy", sqlite_url, None) == 0
        assert store.read(audit) == []
        assert (
            store.read(lambda reader: reader.scalar(sa.select(sa.func.count(schema.event.c.position)))) == 0
        )
        assert (
            store.read(lambda reader: reader.scalar(sa.select(sa.func.count(schema.message.c.id))))
            == TEXTS_A_BATCH * nth
        )
    finally:
        store.close()


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
async def test_alerts_whose_writer_was_killed_are_raised_and_cleared_once(
    sqlite_url: str, rounds: int
) -> None:
    store = Store(sqlite_url, SystemClock())
    nobody = {
        "id": "nobody",
        "name": "Nobody is ready",
        "figure": "agents_ready",
        "raise_at": 1,
        "clear_at": 2,
        "raise_s": 0,
    }

    def alerts() -> list[bool]:
        """Whether each that ever was is over, oldest first."""
        table = schema.alert
        rows = store.read(lambda reader: reader.all(sa.select(table).order_by(table.c.raised_at, table.c.id)))
        return [row["cleared_at"] is not None for row in rows]

    try:
        for number in range(rounds):
            before = [True] * number
            for rules, killed, after in (
                ([nobody], before, [*before, False]),
                ([], [*before, False], [*before, True]),
            ):
                store.run(admin.publish_config, {**CONFIG, "alerts": rules})
                assert await part("figures", sqlite_url, "figures.before_alerts:1") == -signal.SIGKILL
                assert alerts() == killed
                assert await part("figures", sqlite_url, None) == 0
                assert alerts() == after
        assert store.read(audit) == []
    finally:
        store.close()


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
async def test_killed_in_the_middle_of_a_checkpoint(sqlite_url: str, kills: int) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    store = Store(sqlite_url, SystemClock())
    store.run(admin.publish_config, CONFIG)
    store.close()
    kept: list[str] = []
    hits = 0
    for _ in range(kills * 4 + 8):
        told, hit = await asyncio.to_thread(kill_in_checkpoint, sqlite_url, file)
        kept += told
        hits += hit
        with contextlib.closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            stored = {row[0] for row in connection.execute("SELECT provider_id FROM message")}
        assert stored >= set(kept)
        if hits == kills:
            break
    assert hits == kills, f"{hits} of {kills} kills fell into a checkpoint"
    store = Store(sqlite_url, SystemClock())
    try:
        assert store.read(audit) == []
    finally:
        store.close()


def kill_in_checkpoint(url: str, file: Path) -> tuple[list[str], bool]:
    """Take texts until a checkpoint is under way, and kill; what was acknowledged, and whether it was under way still.

    The index of the write-ahead log, which all processes share, says how much is copied and how much is being copied.
    """
    command = [sys.executable, "-m", "tests.chaos.parts", "take", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip()]  # it works: the log's index is there
        reading = threading.Thread(target=lambda: told.extend(line.strip() for line in process.stdout or ()))
        reading.start()
        with file.with_name(f"{file.name}-shm").open("rb") as index:
            shared = mmap.mmap(index.fileno(), COPYING + 4, prot=mmap.PROT_READ)
            deadline = time.monotonic() + CHECKPOINT_S
            while number_at(shared, COPYING) <= number_at(shared, COPIED):
                assert time.monotonic() < deadline, "no checkpoint was seen"
            process.kill()
            process.wait()
            hit = number_at(shared, COPYING) > number_at(shared, COPIED)
            shared.close()
        reading.join()
    return [line for line in told if len(line) == len(sid(0))], hit


def number_at(shared: mmap.mmap, offset: int) -> int:
    """One of the index's numbers, which are in the machine's own order."""
    return int(struct.unpack_from("=I", shared, offset)[0])
