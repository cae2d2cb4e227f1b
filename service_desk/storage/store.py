"""The database: one writer thread with group commit, a pool of readers, two dialects.

Actions are plain functions that run on the writer thread, so nobody can await the network inside a transaction.
The writer takes what is waiting, up to `GROUP_ACTIONS` actions or `GROUP_SPAN_S` of work, into one transaction
without savepoints; if one of them fails after it wrote, everything is rolled back and each is run alone.
Positions of log lines come from one counter row that is taken as the last statement before the inserts of
the group and COMMIT, so that log order is commit order on both dialects.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog
from pydantic_core import from_json, to_json
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool, QueuePool

from service_desk.clock import Micros
from service_desk.domain.config import DeskConfig
from service_desk.errors import DeskError, Unavailable
from service_desk.killpoint import killpoint
from service_desk.ports import Clock
from service_desk.storage import schema
from service_desk.storage.prepared import Driver, Prepared, together
from service_desk.storage.statements import by_key
from service_desk.storage.transaction import (
    Foreseen,
    Group,
    Question,
    StaleRow,
    Tx,
    insert_rows,
    published_config,
    question,
)

P = ParamSpec("P")
T = TypeVar("T")

GROUP_ACTIONS = 32
GROUP_SPAN_S = 0.005
LINGER_S = 0.001
"""How long a group on PostgreSQL waits for one more action while others come: a transaction there costs more."""
TRIES = 6
READERS = 4
BUSY_TIMEOUT_MS = 10_000
STATEMENTS_KEPT = 512  # that SQLite need not read again; the driver keeps 128
DEADLOCKS = frozenset({"40P01", "40001"})
CONNECT_S = 5
SILENT_S = 10
"""A connection to PostgreSQL of which nothing is heard for so long is given up."""
STANDSTILL_S = 10
"""PostgreSQL throws out who stands still for so long within a transaction, and with it the locks held."""

log = structlog.get_logger(__name__)


STREAMS: dict[str, sa.Table] = {
    "event": schema.event,
    "effect": schema.effect,
    "command": schema.command,
    "input": schema.input_,
}


class Reader:
    """A consistent view of the database for queries: nothing changes between its statements."""

    def __init__(self, connection: sa.Connection, now: Micros, configs: dict[int, DeskConfig]) -> None:
        self._connection = connection
        self._driver = Driver(connection)
        self._configs = configs
        self._foreseen: dict[Question, list[sa.RowMapping]] = {}
        self.now = now

    @property
    def config(self) -> DeskConfig:
        """The published configuration."""
        return published_config(self._driver, self._configs)

    def all(
        self, statement: sa.Select[Any] | Prepared, params: dict[str, Any] | None = None
    ) -> Sequence[sa.RowMapping]:
        if isinstance(statement, Prepared):
            if self._foreseen:
                rows = self._foreseen.pop(question(statement, params), None)
                if rows is not None:
                    return rows
            return statement.rows(self._driver, params)  # type: ignore[return-value]  # a dict reads like a row
        return self._connection.execute(statement, params or {}).mappings().all()

    def foresee(self, *asked: Foreseen) -> None:
        """Ask in one go for what is about to be asked one by one, where each question takes a wait."""
        if self._driver.straight is not None:
            found = self.together(*((item.statement, item.values) for item in asked))
            for item, rows in zip(asked, found, strict=True):
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


@dataclass(slots=True)
class _Job:
    action: Callable[..., Any]
    args: tuple[Any, ...]
    actor: str
    done: Callable[[Any, BaseException | None], None]


@dataclass(slots=True)
class _Outcome:
    job: _Job
    result: Any = None
    error: BaseException | None = None


def normal_url(url: str) -> str:
    """The URL with our driver named: sqlite:///path and postgresql://... are what people write."""
    if url.startswith("postgresql://"):
        return url.replace("postgresql://", "postgresql+psycopg://", 1)
    return url


def make_engine(url: str, *, reader: bool = False, size: int = 1, begins: bool = True) -> sa.Engine:
    """An engine with the settings that durability and one writer need.

    `begins`: a transaction is begun as soon as SQLAlchemy means it. Without, on SQLite its user says BEGIN, and on
    PostgreSQL each statement stands for itself.
    """
    url = normal_url(url)
    options: dict[str, Any] = {
        "json_serializer": lambda value: to_json(value).decode(),
        "json_deserializer": from_json,
    }
    if url.startswith("sqlite"):
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
            "connect_timeout": CONNECT_S,
            "prepare_threshold": None,  # we prepare ourselves, and psycopg would forget everything at each rollback
            "keepalives_idle": SILENT_S // 2,
            "keepalives_interval": 1,
            "keepalives_count": SILENT_S // 2,
            "tcp_user_timeout": SILENT_S * 1_000,
        },
        **options,
    )
    _tune_postgres(engine)
    return engine


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


def _tune_postgres(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute(f"SET SESSION idle_in_transaction_session_timeout = {STANDSTILL_S * 1_000}")
        connection.commit()


class _Near:
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


class _Held:
    """A connection to PostgreSQL for each reading thread, which keeps it: none is fetched and tidied each time."""

    def __init__(self, url: str, *, begins: bool) -> None:
        self._engine = make_engine(url, reader=True, size=READERS, begins=begins)
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
                connection.close()
        self._engine.dispose()


def _ended(connection: sa.Connection) -> bool:
    """End what was begun on a connection that has only read; False if it broke meanwhile."""
    driver = Driver(connection)
    try:
        if driver.straight is not None:
            with driver.errors("ROLLBACK"):
                driver.straight.end()
        connection.rollback()  # what SQLAlchemy believes to have begun
    except DBAPIError:
        return False
    return True


class Store:
    """Opens a migrated database. `run` from any thread, results come through the job's callback."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = normal_url(url)
        self._clock = clock
        self._configs: dict[int, DeskConfig] = {}
        self._writer = make_engine(url)
        self._readers = make_engine(url, reader=True, size=READERS)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="desk-read")
        self._near = _Near(self.url) if self.dialect == "sqlite" else None
        self._views = None if self._near else _Held(url, begins=True)
        self._glances = None if self._near else _Held(url, begins=False)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lingers = self.dialect != "sqlite"
        self._crowded = False
        self._connection: sa.Connection | None = None
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="desk-write", daemon=True)
        self._thread.start()

    @property
    def dialect(self) -> str:
        return self._writer.dialect.name

    def submit(
        self,
        action: Callable[..., Any],
        args: tuple[Any, ...],
        actor: str,
        done: Callable[[Any, BaseException | None], None],
    ) -> None:
        """Queue an action; `done(result, error)` is called on the writer thread after the commit.

        After `close` it is called at once, with Unavailable.
        """
        with self._gate:
            if not self._closed:
                self._jobs.put(_Job(action, args, actor, done))
                return
        done(None, Unavailable("The desk is shutting down. Nothing was changed; try again."))

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
                    raise _as_desk_error(error) from error
        raise AssertionError("the last try returns or raises")

    async def read_async(
        self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same on a reader thread."""
        loop = asyncio.get_running_loop()
        look = self._view if self._views is None else self._views.look
        return await loop.run_in_executor(
            self._pool, lambda: self._read(look, lambda reader: query(reader, *args, **kwargs))
        )

    async def glance(
        self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """A read of a few rows by their index, for the event loop's thread only.

        On SQLite it happens here and now: a file that is in memory anyway answers in less time than it takes to
        hand the question to another thread and the interpreter's lock back and forth. On PostgreSQL it does
        without a transaction, so that several statements may see several states.
        """
        if self._near is not None:
            with (
                contextlib.suppress(OperationalError),
                self._near.look() as connection,
            ):  # busy, which is rare
                return query(Reader(connection, self._clock.now(), self._configs), *args, **kwargs)
        loop = asyncio.get_running_loop()
        look = self._view if self._glances is None else self._glances.look
        return await loop.run_in_executor(
            self._pool, lambda: self._read(look, lambda reader: query(reader, *args, **kwargs))
        )

    def close(self) -> None:
        """Finish what is queued and close every connection; again is harmless."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()
        self._pool.shutdown(wait=True)
        self._drop_connection()
        if self._near is not None:
            self._near.close()
        for held in (self._views, self._glances):
            if held is not None:
                held.close()
        self._writer.dispose()
        self._readers.dispose()

    # --- the writer thread ----------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            outcomes, stop = self._run_group(job)
            self._crowded = self._lingers and len(outcomes) > 1
            for outcome in outcomes:
                _tell(outcome)
            if stop:
                return

    def _run_group(self, first: _Job) -> tuple[list[_Outcome], bool]:
        """Run jobs together; (outcomes, whether the store is to stop)."""
        outcomes: list[_Outcome] = []
        taken: list[_Job] = []
        stop = committing = False
        try:
            with self._begin() as connection:
                group = Group(connection, self._configs)
                for job in self._take(first):
                    if job is None:
                        stop = True
                        break
                    taken.append(job)
                    outcomes.append(self._attempt(group, job))
                write_log(group)
                killpoint("store.before_commit")
                committing = True
                group.driver.commit()
            killpoint("store.after_commit")
            return outcomes, stop
        except Exception as error:  # noqa: BLE001  # whatever it was, each action gets its own answer below
            lost = _is_lost(error)
            if lost and committing:
                return [_Outcome(job, error=_unsure(error)) for job in taken], stop
            if not taken:  # not even begun: the database is away
                return [_Outcome(first, error=_as_desk_error(error))], stop
            if len(taken) == 1 and not lost and not _worth_another_try(error):
                return [_Outcome(taken[0], error=_as_desk_error(error))], stop
        return [self._run_alone(job) for job in taken], stop

    def _take(self, first: _Job) -> Iterator[_Job | None]:
        """The first job, then whatever is waiting while the group is small and young."""
        yield first
        until = self._clock.monotonic() + GROUP_SPAN_S
        for _ in range(GROUP_ACTIONS - 1):
            if self._clock.monotonic() > until:
                return
            try:
                yield self._jobs.get(timeout=LINGER_S) if self._crowded else self._jobs.get_nowait()
            except queue.Empty:
                return

    def _attempt(self, group: Group, job: _Job) -> _Outcome:
        """Run one action inside the group. A refusal before the first write costs the others nothing."""
        tx = Tx(group, self._clock.now(), job.actor)
        try:
            result = _act(group, tx, job)
        except DeskError as error:
            if tx.wrote:
                raise
            return _Outcome(job, error=error)
        group.gathered.add(tx.gathered)
        return _Outcome(job, result=result)

    def _run_alone(self, job: _Job) -> _Outcome:
        """One action, one transaction; again after losing a race."""
        error: Exception = Unavailable("Nothing was tried.")
        for _ in range(TRIES):
            committing = False
            try:
                with self._begin() as connection:
                    group = Group(connection, self._configs)
                    tx = Tx(group, self._clock.now(), job.actor)
                    result = _act(group, tx, job)
                    group.gathered.add(tx.gathered)
                    write_log(group)
                    committing = True
                    group.driver.commit()
                return _Outcome(job, result=result)
            except Exception as caught:  # noqa: BLE001  # handed to the caller
                error = caught
                if _is_lost(caught) and committing:
                    return _Outcome(job, error=_unsure(caught))
                if not _worth_another_try(caught):
                    break
        return _Outcome(job, error=_as_desk_error(error))

    @contextlib.contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        """The writer's connection in a transaction; a broken connection is dropped."""
        if self._connection is None:
            self._connection = self._writer.connect()
        try:
            with self._connection.begin():
                yield self._connection
        except DBAPIError as error:
            if error.connection_invalidated:
                self._drop_connection()
            raise

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.close()
            self._connection = None


def _act(group: Group, tx: Tx, job: _Job) -> Any:
    """Run an action. What it raises after it wrote counts only if it lost no race before: that is told first."""
    try:
        return job.action(tx, *job.args)
    except (StaleRow, DBAPIError):
        raise
    except Exception:
        if tx.wrote:
            group.driver.settle()
        raise


def _tell(outcome: _Outcome) -> None:
    """Hand an outcome to who asked; one who is gone (a closed event loop) is no fault of the others."""
    try:
        outcome.job.done(outcome.result, outcome.error)
    except Exception:
        log.exception("an action's outcome found nobody", action=getattr(outcome.job.action, "__name__", "?"))


def _is_lost(error: Exception) -> bool:
    """Whether the connection broke. Before the commit began this means that nothing was done."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _unsure(error: Exception) -> Unavailable:
    """The connection broke during the commit: done or not, nobody knows, so it is not run again here."""
    unavailable = Unavailable(
        "The database went away while this was being saved. Look whether it is there before you try again."
    )
    unavailable.__cause__ = error
    return unavailable


def _worth_another_try(error: Exception) -> bool:
    """Lost a race: a version moved, a unique key was taken, or the database broke a deadlock."""
    if isinstance(error, StaleRow | IntegrityError):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in DEADLOCKS


def _as_desk_error(error: Exception) -> Exception:
    """A database that is away, or a race lost again and again, is a refusal with a cure.

    Any other error is a fault of ours and stays one.
    """
    if isinstance(error, StaleRow) or (isinstance(error, DBAPIError) and _is_away(error)):
        unavailable = Unavailable("The database cannot take this now. Nothing was changed; try again.")
        unavailable.__cause__ = error
        return unavailable
    return error


def _is_away(error: DBAPIError) -> bool:
    """Locked, full, read-only, unreachable: not our statement's fault."""
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        return isinstance(error, OperationalError) and name != "SQLITE_ERROR"  # that one is wrong SQL
    return isinstance(error, OperationalError | InterfaceError)


_TAKE_POSITIONS = Prepared(
    sa.update(schema.positions)
    .where(schema.positions.c.id == 1)
    .values({name: schema.positions.c[name] + sa.bindparam(f"new_{name}") for name in STREAMS})
    .returning(*(schema.positions.c[name] for name in STREAMS))
)


def write_log(group: Group) -> None:
    """Insert what was gathered; positions last, then one statement per stream."""
    group.flush()
    killpoint("store.before_log")
    gathered = group.gathered
    lines = {
        "event": gathered.events,
        "effect": gathered.effects,
        "command": gathered.commands,
        "input": gathered.inputs,
    }
    if not any(lines.values()):
        return
    counts = {f"new_{name}": len(rows) for name, rows in lines.items()}
    last = _TAKE_POSITIONS.rows(group.driver, counts)[0]
    for name, rows in lines.items():
        if rows:
            first = last[name] - len(rows) + 1
            numbered = [{**row, "position": first + at} for at, row in enumerate(rows)]
            insert_rows(group.driver, STREAMS[name], numbered)


def migrate(url: str) -> None:
    """Bring a database to the newest schema; makes it if it is empty."""
    from alembic import command  # noqa: PLC0415  # only set-up needs it, and it is slow to import
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "service_desk.storage:migrations")
    engine = sa.create_engine(normal_url(url), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    finally:
        engine.dispose()
