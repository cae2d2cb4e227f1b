"""Connections for reading that are kept open: near the event loop on SQLite, one for each thread on PostgreSQL."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from service_desk.storage.engines import make_engine
from service_desk.storage.prepared import Driver

READERS = 4


class NearView:
    """A SQLite connection for glances: it never waits for a lock, and begins and ends without ceremony."""

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url, reader=True, begins=False)
        self._connection = self._engine.connect()
        self._connection.exec_driver_sql("PRAGMA busy_timeout=0")
        self._raw: Any = self._connection.connection.dbapi_connection

    @contextlib.contextmanager
    def look(self) -> Iterator[sa.Connection]:
        """One consistent view."""
        try:
            self._raw.execute("BEGIN")
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise OperationalError("BEGIN", None, error) from error
        try:
            yield self._connection
        finally:
            self._connection.rollback()  # what SQLAlchemy believes to have begun
            self._raw.rollback()

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


class HeldViews:
    """A connection to PostgreSQL for each reading thread, which keeps it: none is fetched and tidied each time."""

    def __init__(self, url: str, *, begins: bool, node: str | None = None) -> None:
        self._engine = make_engine(url, reader=True, size=READERS, begins=begins, node=node)
        self._own = threading.local()
        self._open: list[sa.Connection] = []

    @contextlib.contextmanager
    def look(self) -> Iterator[sa.Connection]:
        """This thread's connection; what was begun on it is ended."""
        connection: sa.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._engine.connect()
            self._open.append(connection)
        try:
            yield connection
        finally:
            if connection.invalidated or not _ended(connection):
                self._own.connection = None
                self._open.remove(connection)
                with contextlib.suppress(DBAPIError):
                    connection.close()

    def close(self) -> None:
        """When no thread reads any more."""
        for connection in self._open:
            with contextlib.suppress(DBAPIError):
                Driver(connection)  # which awaits the end of the last view
                connection.close()
        self._engine.dispose()


def _ended(connection: sa.Connection) -> bool:
    """End what was begun on a connection that has only read; False if it broke meanwhile."""
    try:
        driver = Driver(connection)
        if connection.in_transaction():  # what SQLAlchemy has begun, or believes to have begun
            connection.rollback()
        elif driver.straight is not None:
            with driver.errors("ROLLBACK"):
                driver.straight.end()
    except DBAPIError:
        return False
    return True
