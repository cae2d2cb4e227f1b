"""The two databases as they are run in earnest: every commit is on the disk before anybody is told."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

from service_desk.storage.store import migrate
from tests import servers

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "wal_level": "replica"}
SYNC_BYTES = 4_096
SYNC_TIMES = 300


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated, empty one. `server` is the process of its server, None for a file."""

    name: str
    url: str
    server: int | None


@contextlib.contextmanager
def sqlite() -> Iterator[Database]:
    """A file in a folder of its own, on the disk that holds temporary files."""
    with tempfile.TemporaryDirectory(prefix="sd-bench-") as folder:
        url = f"sqlite:///{folder}/desk.sqlite3"
        migrate(url)
        yield Database("SQLite", url, None)


@contextlib.contextmanager
def postgres() -> Iterator[Database | None]:
    """A private server with fsync on; None where there are no programs for it."""
    programs = servers.find_postgres()
    if programs is None:
        yield None
        return
    with servers.postgres_server(programs, DURABLE) as server:
        server.execute("CREATE DATABASE bench")
        url = server.url("bench")
        migrate(url)
        yield Database("PostgreSQL", url, server.process_id)


def syncs_per_second() -> float:
    """What the disk allows: appends of 4 kB, each followed by fdatasync, one after the other."""
    with tempfile.TemporaryFile(prefix="sd-bench-") as file:
        block = b"x" * SYNC_BYTES
        started = time.perf_counter()
        for _ in range(SYNC_TIMES):
            file.write(block)
            file.flush()
            os.fdatasync(file.fileno())
        return SYNC_TIMES / (time.perf_counter() - started)
