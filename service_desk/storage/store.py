"""The database: one writer with group commit, a pool of readers, two dialects.

Actions are plain functions, so nobody can await the network inside a transaction. Those that wait are taken together
into one transaction without savepoints. Inside an event loop they run on the loop's own thread: on SQLite up to COMMIT,
which waits for the disk on the writer thread, on PostgreSQL in a strand: see decisions 0012 and 0016.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from service_desk.clock import Micros
from service_desk.domain.config import DeskConfig
from service_desk.errors import Unavailable
from service_desk.measures import Measures
from service_desk.ports import Clock
from service_desk.storage.engines import GROUP_LOCK_MS, keep_private, make_engine, normal_url
from service_desk.storage.groups import Groups, Job
from service_desk.storage.kept_views import READERS, HeldViews, LoopViews, NearView
from service_desk.storage.lost_races import as_desk_error
from service_desk.storage.prepared import Driver, Prepared, together
from service_desk.storage.statements import by_key
from service_desk.storage.transaction import Foreseen, Question, Tx, published_config, question
from service_desk.storage.upgrade import upgrade
from service_desk.storage.writers import FarWriter, InlineWriter, LoopWriter, NearWriter, ThreadWriter

P = ParamSpec("P")
T = TypeVar("T")


class Reader:
    """A consistent view of the database for queries: nothing changes between its statements."""

    def __init__(self, connection: sa.Connection, now: Micros, configs: dict[int, DeskConfig]) -> None:
        self._connection = connection
        self._driver = Driver(connection)
        self._configs = configs
        self._config: DeskConfig | None = None
        self._foreseen: dict[Question, list[sa.RowMapping]] = {}
        self.now = now

    @property
    def config(self) -> DeskConfig:
        """The published configuration, looked up once per view."""
        if self._config is None:
            self._config = published_config(self._driver, self._configs)
        return self._config

    def all(
        self, statement: sa.Select[Any] | Prepared, params: dict[str, Any] | None = None
    ) -> Sequence[sa.RowMapping]:
        if isinstance(statement, Prepared):
            if self._foreseen:
                rows = self._foreseen.get(question(statement, params))
                if rows is not None:
                    return rows
            return statement.rows(self._driver, params)  # type: ignore[return-value]  # a dict reads like a row
        return self._connection.execute(statement, params or {}).mappings().all()

    def foresee(self, *asked: Foreseen) -> None:
        """Ask in one go for what is about to be asked one by one, where each question takes a wait.

        What is known already, because somebody above foresaw it, is not asked again.
        """
        if self._driver.straight is None:
            return
        new = {question(item.statement, item.values): item for item in asked}
        for known in new.keys() & self._foreseen.keys():
            del new[known]
        if new:
            found = self.together(*((item.statement, item.values) for item in new.values()))
            for item, rows in zip(new.values(), found, strict=True):
                self._foreseen.update(item.known(rows))

    def together(self, *asked: tuple[Prepared, Mapping[str, Any]]) -> list[list[sa.RowMapping]]:
        """Every row of each query, in their order: one wait for all where the database is far."""
        return together(self._driver, asked)  # type: ignore[return-value]  # a dict reads like a row

    def first(
        self, statement: sa.Select[Any] | Prepared, params: dict[str, Any] | None = None
    ) -> sa.RowMapping | None:
        if isinstance(statement, Prepared):
            return next(iter(self.all(statement, params)), None)
        return self._connection.execute(statement, params or {}).mappings().first()

    def scalar(self, statement: sa.Select[Any] | Prepared, params: dict[str, Any] | None = None) -> Any:
        if isinstance(statement, Prepared):
            row = self.first(statement, params)
            return None if row is None else next(iter(row.values()))
        return self._connection.execute(statement, params or {}).scalar()

    def get(self, table: sa.Table, key: str) -> sa.RowMapping | None:
        return self.first(by_key(table), {"key": key})


class Store:
    """Opens a migrated database. `run` from any thread; `submit` tells the outcome to whom it is given.

    `threads=False`: actions, commits and reads happen in whose thread asks, at once and one after the other, so that
    a simulation on one event loop goes the same way each time. For SQLite, and not to serve with. `node`: as the
    holder of leases is called.
    """

    def __init__(self, url: str, clock: Clock, *, threads: bool = True, node: str | None = None) -> None:
        self.url = normal_url(url)
        self._clock = clock
        self._node = node
        self.measures = Measures()
        self._configs: dict[int, DeskConfig] = {}
        self._writer = make_engine(
            url, begins=not self.url.startswith("sqlite"), lock_ms=GROUP_LOCK_MS, node=node
        )
        self._readers = make_engine(url, reader=True, size=READERS, node=node)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="desk-read")
        self._near = NearView(self.url) if self.dialect == "sqlite" else None
        self._views = None if self._near else HeldViews(url, begins=True, node=node)
        self._loop_views: dict[bool, LoopViews] = {}
        self._groups = Groups(self._writer, clock, self._configs, self.measures)
        self._thread: ThreadWriter | InlineWriter = InlineWriter(self._groups)
        if threads:
            self._thread = ThreadWriter(self._groups, clock)
        self._by_loop: LoopWriter | None = None
        self._gate = threading.Lock()
        self._closed = False

    @property
    def dialect(self) -> str:
        return self._writer.dialect.name

    def submit(
        self,
        action: Callable[..., Any],
        args: tuple[Any, ...],
        actor: str,
        done: Callable[[Any, BaseException | None], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Queue an action; `done(result, error)` is called after the commit: on `loop`, else on the writer thread.

        With `loop`, call it on that loop's thread. After `close` it is called at once, with Unavailable.
        """
        job = Job(action, args, actor, done, loop)
        with self._gate:
            if not self._closed:
                self._writer_for(loop).put(job)
                return
        done(None, Unavailable("The desk is shutting down. Nothing was changed; try again."))

    def _writer_for(self, loop: asyncio.AbstractEventLoop | None) -> ThreadWriter | LoopWriter | InlineWriter:
        if isinstance(self._thread, InlineWriter) or loop is None:
            return self._thread
        if self._by_loop is None or self._by_loop.loop is not loop:
            if self._by_loop is not None:
                self._by_loop.finish()  # of a loop that is gone, or it would run them never
            kind = FarWriter if self._near is None else NearWriter
            self._by_loop = kind(self._groups, self._clock, self._thread, loop)
        return self._by_loop

    def run(self, action: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an action and wait: for the command line and tests, not for an event loop."""
        finished = threading.Event()
        outcome: list[Any] = []

        def done(result: Any, error: BaseException | None) -> None:
            outcome[:] = [result, error]
            finished.set()

        self.submit(lambda tx: action(tx, *args, **kwargs), (), "system", done)
        finished.wait()
        if outcome[1] is not None:
            raise outcome[1]
        result: T = outcome[0]
        return result

    def read(self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in this thread on one consistent view."""
        return self._read(self._view, lambda reader: query(reader, *args, **kwargs))

    @contextlib.contextmanager
    def _view(self) -> Iterator[sa.Connection]:
        with self._readers.connect() as connection, connection.begin():
            yield connection

    def _read(
        self,
        look: Callable[[], contextlib.AbstractContextManager[sa.Connection]],
        query: Callable[[Reader], T],
    ) -> T:
        """Once more if the connection had broken while nobody used it."""
        for last in (False, True):
            try:
                with look() as connection:
                    return query(Reader(connection, self._clock.now(), self._configs))
            except DBAPIError as error:
                if last or not error.connection_invalidated:
                    self.measures.database_errors.labels("read").inc()
                    raise as_desk_error(error) from error
        raise AssertionError("the last try returns or raises")

    async def read_async(
        self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same on a reader thread."""
        look = self._view if self._views is None else self._views.look
        return await self._read_beside(look, lambda reader: query(reader, *args, **kwargs))

    async def _read_beside(
        self,
        look: Callable[[], contextlib.AbstractContextManager[sa.Connection]],
        query: Callable[[Reader], T],
    ) -> T:
        if isinstance(self._thread, InlineWriter):
            return self._read(look if self._near is None else self._near.look, query)
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: self._read(look, query))

    async def glance(
        self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """A read of a few rows by their index, for the event loop's thread only.

        On SQLite it happens here and now: a file that is in memory anyway answers in less time than it takes to
        hand the question to another thread and the interpreter's lock back and forth. On PostgreSQL it runs in a
        strand, and does without a transaction, so that several statements may see several states.
        """
        return await self._look(lambda reader: query(reader, *args, **kwargs), begins=False)

    async def view(self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like `glance`, on one consistent view also on PostgreSQL."""
        return await self._look(lambda reader: query(reader, *args, **kwargs), begins=True)

    async def _look(self, query: Callable[[Reader], T], *, begins: bool) -> T:
        def here(connection: sa.Connection) -> T:
            return query(Reader(connection, self._clock.now(), self._configs))

        if self._near is not None:
            with (
                contextlib.suppress(OperationalError),
                self._near.look() as connection,
            ):  # busy, which is rare
                return here(connection)
        elif not isinstance(self._thread, InlineWriter):
            return await self._look_far(here, begins=begins)
        return await self._read_beside(self._view, query)

    async def _look_far(self, query: Callable[[sa.Connection], T], *, begins: bool) -> T:
        """Once more if the connection had broken while nobody used it."""
        views = self._views_of(asyncio.get_running_loop(), begins=begins)
        try:
            try:
                return await views.look(query)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await views.look(query)
        except DBAPIError as error:
            self.measures.database_errors.labels("read").inc()
            raise as_desk_error(error) from error

    def _views_of(self, loop: asyncio.AbstractEventLoop, *, begins: bool) -> LoopViews:
        views = self._loop_views.get(begins)
        if views is None or views.loop is not loop:
            if views is not None:
                views.close()
            views = LoopViews(self.url, self._pool, loop, begins=begins, node=self._node)
            self._loop_views[begins] = views
        return views

    def close(self) -> None:
        """Finish what is queued and close every connection; again is harmless. On the thread of who used it."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            if self._by_loop is not None:
                self._by_loop.finish()
        for views in self._loop_views.values():
            views.close()
        self._thread.close()
        self._pool.shutdown(wait=True)
        self._groups.close()
        if self._near is not None:
            self._near.close()
        if self._views is not None:
            self._views.close()
        self._writer.dispose()
        self._readers.dispose()


def migrate(url: str) -> None:
    """Bring a database to the newest schema; makes it if it is empty."""
    keep_private(url)
    engine = sa.create_engine(normal_url(url), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            upgrade(connection, "head")
            connection.commit()
    finally:
        engine.dispose()
