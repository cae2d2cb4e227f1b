"""Connections to the two databases, with the settings that durability and one writer need."""

import contextlib
import os
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from sqlalchemy.pool import QueuePool

BUSY_TIMEOUT_MS = 10_000
STATEMENTS_KEPT = 512  # that SQLite need not read again; the driver keeps 128
CONNECT_S = 5
SILENT_S = 10
"""A connection to PostgreSQL of which nothing is heard for so long is given up."""
GROUP_LOCK_MS = 100
"""A group of actions on PostgreSQL waits so long for a row that another node holds; then its actions run alone.

Two groups may want each other's rows, because they lock in the order of their actions. PostgreSQL looks for such
deadlocks after a second only. An action alone locks in the fixed order, so it may wait.
"""
POSITIONS_LOCK_S = 10
"""The row of the log's positions is waited for so long: as long as another node's COMMIT may take."""
ALONE_LOCK_S = 1
"""An action alone locks in the fixed order, so it may wait, and is tried several times. Not for long at a time: it may
hold the lease's row shared, and nobody can take the lease over meanwhile."""
STANDSTILL_S = 3
"""PostgreSQL throws out who stands still for so long within a transaction, and with it the locks held.

So routing is taken over within 5 s also from a node that was stopped while it held the lease's row.
"""


def normal_url(url: str) -> str:
    """The URL with our driver named: sqlite:///path and postgresql://... are what people write."""
    if url.startswith("postgresql://"):
        return url.replace("postgresql://", "postgresql+psycopg://", 1)
    return url


def make_engine(
    url: str,
    *,
    reader: bool = False,
    size: int = 1,
    begins: bool = True,
    lock_ms: int | None = None,
    node: str | None = None,
) -> sa.Engine:
    """An engine with the settings that durability and one writer need.

    `begins`: a transaction is begun as soon as SQLAlchemy means it. Without, on SQLite its user says BEGIN, and on
    PostgreSQL each statement stands for itself. `lock_ms`: how long it waits for a row there that somebody else holds.
    `node`: whose connections these are, so that the next holder of its leases can end what it left standing there.
    """
    url = normal_url(url)
    options: dict[str, Any] = {
        "json_serializer": lambda value: to_json(value).decode(),
        "json_deserializer": from_json,
    }
    if url.startswith("sqlite"):
        keep_private(url)
        engine = sa.create_engine(
            url,
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            connect_args={"check_same_thread": False, "cached_statements": STATEMENTS_KEPT},
            **options,
        )
        _tune_sqlite(engine, ("BEGIN" if reader else "BEGIN IMMEDIATE") if begins else None)
        return engine
    level = ("REPEATABLE READ" if begins else "AUTOCOMMIT") if reader else "READ COMMITTED"
    engine = sa.create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        isolation_level=level,
        connect_args={
            "application_name": node or "service-desk",
            "connect_timeout": CONNECT_S,
            "prepare_threshold": None,  # we prepare ourselves, and psycopg would forget everything at each rollback
            "keepalives_idle": SILENT_S // 2,
            "keepalives_interval": 1,
            "keepalives_count": SILENT_S // 2,
            "tcp_user_timeout": SILENT_S * 1_000,
        },
        **options,
    )
    _tune_postgres(engine, lock_ms)
    return engine


def keep_private(url: str) -> None:
    """A new database file is for its owner alone: it holds people's data. SQLite gives the files beside it the same."""
    parsed = sa.engine.make_url(url)
    path = parsed.database
    if (
        parsed.get_backend_name() == "sqlite"
        and path not in {None, "", ":memory:"}
        and not str(path).startswith("file:")
    ):
        with contextlib.suppress(OSError):  # a folder that is not there, or not ours: opening it says so
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _tune_sqlite(engine: sa.Engine, begin: str | None) -> None:
    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver's own begins come too late
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "foreign_keys=ON",
            "cache_size=-65536",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    if begin is not None:

        @sa.event.listens_for(engine, "begin")
        def on_begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)


def _tune_postgres(engine: sa.Engine, lock_ms: int | None) -> None:
    from service_desk.storage.strands import StrandConnection  # noqa: PLC0415 - embedded, nobody needs psycopg

    @sa.event.listens_for(engine, "do_connect")
    def do_connect(_dialect: Any, _record: Any, args: Any, params: Any) -> Any:
        return StrandConnection.connect(*args, **params)

    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute(f"SET SESSION idle_in_transaction_session_timeout = {STANDSTILL_S * 1_000}")
        if lock_ms is not None:
            connection.execute(f"SET SESSION lock_timeout = {lock_ms}")
        connection.commit()
