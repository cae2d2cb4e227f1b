"""Connections for reading that are kept open: near the event loop on SQLite, for strands and threads on PostgreSQL."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from service_desk.storage.engines import make_engine
from service_desk.storage.prepared import Driver

if TYPE_CHECKING:
    from service_desk.storage.strands import Strand

READERS = 4
T = TypeVar("T")


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
            _drop(connection)
        self._engine.dispose()


class LoopViews:
    """Connections to PostgreSQL for queries that run in strands of one event loop, so many at a time."""

    def __init__(
        self,
        url: str,
        executor: Executor,
        loop: asyncio.AbstractEventLoop,
        *,
        begins: bool,
        node: str | None = None,
    ) -> None:
        self.loop = loop
        self._engine = make_engine(url, reader=True, size=READERS, begins=begins, node=node)
        self._executor = executor
        self._free = asyncio.Semaphore(READERS)
        self._idle: list[sa.Connection] = []
        self._running: dict[Strand, sa.Connection] = {}

    async def look(self, query: Callable[[sa.Connection], T]) -> T:
        """What the query returns or raises. Who is cancelled does not stop it."""
        connection = await self._take()
        answer: asyncio.Future[T] = self.loop.create_future()
        outcome: list[Any] = []

        def work() -> None:
            try:
                outcome[:] = [query(connection), None]
            except BaseException as error:  # noqa: BLE001  # handed to the caller
                outcome[:] = [None, error]
            outcome.append(_is_whole(connection))

        def ended() -> None:
            result, error, whole = outcome
            del self._running[strand]
            if not answer.done():
                if error is None:
                    answer.set_result(result)
                else:
                    answer.set_exception(error)
            self._give_back(connection, whole=whole)

        from service_desk.storage.strands import Strand  # noqa: PLC0415 - embedded, nobody needs psycopg

        strand = Strand(self.loop, work, ended)
        self._running[strand] = connection
        strand.go_on()
        return await answer

    async def _take(self) -> sa.Connection:
        await self._free.acquire()
        if self._idle:
            return self._idle.pop()
        making = self.loop.run_in_executor(self._executor, self._engine.connect)
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(self._made_for_nobody)
            raise
        except BaseException:
            self._free.release()
            raise

    def _made_for_nobody(self, making: "asyncio.Future[sa.Connection]") -> None:
        if making.cancelled() or making.exception() is not None:
            self._free.release()
        else:
            self._give_back(making.result(), whole=True)

    def _give_back(self, connection: sa.Connection, *, whole: bool) -> None:
        try:
            self._idle.append(connection)
            if not whole:  # what broke this one has probably broken the others
                self._drop_idle()
        finally:
            self._free.release()

    def close(self) -> None:
        """Finish what runs, and close every connection; on the loop's thread, which may be over."""
        for strand in list(self._running):
            strand.finish()
        self._drop_idle()
        self._engine.dispose()

    def _drop_idle(self) -> None:
        while self._idle:
            _drop(self._idle.pop())


def _drop(connection: sa.Connection) -> None:
    """Close it for good, without a word to the server and a wait for its answer; the pool does not keep it."""
    with contextlib.suppress(SQLAlchemyError):
        connection.invalidate()
        connection.close()


def _is_whole(connection: sa.Connection) -> bool:
    """Whether the connection can be used again; what was begun on it is ended."""
    try:
        return not connection.invalidated and _ended(connection)
    except Exception:  # noqa: BLE001 - whatever it was, somebody waits for an answer and the next for a connection
        return False


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
