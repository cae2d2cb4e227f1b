"""Groups of actions: several share one transaction, and whatever happens to it, each gets an answer of its own.

A group runs its actions, writes the log, and commits. The two halves may be on different threads, one after the
other. If an action fails after it wrote, or a race is lost, everything is rolled back and each action runs alone.
Positions of log lines come from one counter row that is taken as the last statement before the inserts of the group
and COMMIT, so that log order is commit order on both dialects.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError

from service_desk.domain.config import DeskConfig
from service_desk.errors import DeskError, Unavailable
from service_desk.killpoint import Killed, killpoint
from service_desk.measures import Measures
from service_desk.planted import planted
from service_desk.ports import Clock
from service_desk.storage import engines, schema
from service_desk.storage.lost_races import as_desk_error, is_lost, unsure, worth_another_try
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Group, StaleRow, Tx, insert_rows

TRIES = 6

log = structlog.get_logger(__name__)

STREAMS: dict[str, sa.Table] = {
    "event": schema.event,
    "effect": schema.effect,
    "command": schema.command,
    "input": schema.input_,
}


@dataclass(slots=True)
class Job:
    """An action with its arguments, and who is told what came of it."""

    action: Callable[..., Any]
    args: tuple[Any, ...]
    actor: str
    done: Callable[[Any, BaseException | None], None]
    loop: asyncio.AbstractEventLoop | None = None
    """On whose thread `done` is called; None: on the writer's."""


@dataclass(slots=True)
class Outcome:
    """What came of a job."""

    job: Job
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        """Hand it to who asked; one who is gone (a closed event loop) is no fault of the others."""
        try:
            self.job.done(self.result, self.error)
        except Exception:
            log.exception(
                "an action's outcome found nobody", action=getattr(self.job.action, "__name__", "?")
            )


@dataclass(slots=True)
class Ready:
    """A group whose actions have run and whose log is written: only COMMIT is missing.

    `begun`: by the monotonic clock, in seconds. `error`: what stopped it; `unsure` if it may have committed. Without a
    `group` it was not even begun.
    """

    taken: list[Job] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    group: Group | None = None
    error: Exception | None = None
    begun: float = 0.0
    unsure: bool = False
    done: bool = False


class Groups:
    """The writer's one connection. One thread at a time, but not always the same."""

    def __init__(
        self, engine: sa.Engine, clock: Clock, configs: dict[int, DeskConfig], measures: Measures
    ) -> None:
        self._engine = engine
        self._measures = measures
        self._clock = clock
        self._configs = configs
        self._connection: sa.Connection | None = None
        self._near = engine.dialect.name == "sqlite"
        self._patient = True

    def act(self, jobs: Iterator[Job], *, patient: bool = True) -> Ready:
        """Run actions together, up to COMMIT.

        `patient`: wait for another process that writes to the same SQLite file, or for a new connection. Otherwise a
        busy file, as any other reason why nothing can begin, is an error without a group and with no job taken.
        """
        ready = Ready(begun=self._clock.monotonic())
        try:
            group = ready.group = self._begin(patient=patient)
            for job in jobs:
                ready.taken.append(job)
                ready.outcomes.append(self._attempt(group, job))
            write_log(group)
            killpoint("store.before_commit")
        except Killed:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it was, `end` gives each action its own answer
            ready.error = _plain(error)
            if ready.group is None and patient:
                ready.taken.append(next(jobs))
            elif ready.group is None and not self._near:  # half begun, perhaps
                self._undo(ready.error)
        return ready

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    def commit(self, ready: Ready) -> bool:
        """COMMIT, unless something went wrong before; whether that is done. `end` must follow. Never raises."""
        if ready.error is not None or ready.done:
            return ready.done
        assert ready.group is not None, "without one there is an error"
        try:
            self._commit(ready.group)
        except Killed:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it was, `end` gives each action its own answer
            ready.error = _plain(error)
            ready.unsure = _is_unsure(error)
        else:
            ready.done = True
            killpoint("store.after_commit")
        return ready.done

    def end(self, ready: Ready) -> list[Outcome]:
        """COMMIT, or give each action its own answer to what went wrong. Never raises."""
        try:
            outcomes = ready.outcomes if self.commit(ready) else self._recover(ready)
        except Killed:
            raise
        except BaseException as error:
            log.exception("a group could not be ended")
            outcomes = [Outcome(job, error=_plain(error)) for job in ready.taken]
        self._measures.group_size.observe(len(outcomes))
        self._measures.group_seconds.observe(self._clock.monotonic() - ready.begun)
        return outcomes

    def _recover(self, ready: Ready) -> list[Outcome]:
        error = ready.error
        assert error is not None, "something went wrong"
        self._undo(error)
        if ready.unsure:
            return [Outcome(job, error=unsure(error)) for job in ready.taken]
        if ready.group is None:  # not even begun: the database is away
            return [Outcome(job, error=as_desk_error(error)) for job in ready.taken]
        if len(ready.taken) == 1 and not is_lost(error) and not worth_another_try(error):
            return [Outcome(ready.taken[0], error=as_desk_error(error))]
        return [self._run_alone(job) for job in ready.taken]

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.close()
            self._connection = None

    def _attempt(self, group: Group, job: Job) -> Outcome:
        """Run one action inside the group. A refusal before the first write costs the others nothing."""
        tx = Tx(group, self._clock.now(), job.actor)
        try:
            result = _act(group, tx, job)
        except DeskError as error:
            if tx.wrote:
                raise
            return Outcome(job, error=error)
        group.gathered.add(tx.gathered)
        return Outcome(job, result=result)

    def _run_alone(self, job: Job) -> Outcome:
        """One action, one transaction; again after losing a race."""
        error: Exception = Unavailable("Nothing was tried.")
        for _ in range(TRIES):
            committing = False
            try:
                group = self._begin()
                group.driver.wait_for_rows(engines.ALONE_LOCK_S)
                tx = Tx(group, self._clock.now(), job.actor)
                result = _act(group, tx, job)
                group.gathered.add(tx.gathered)
                write_log(group)
                committing = True
                self._commit(group)
            except Killed:
                raise
            except BaseException as caught:  # noqa: BLE001  # handed to the caller
                error = _plain(caught)
                self._undo(error)
                if committing and _is_unsure(caught):
                    return Outcome(job, error=unsure(error))
                if not worth_another_try(error):
                    break
            else:
                return Outcome(job, result=result)
        return Outcome(job, error=as_desk_error(error))

    # --- the transaction ------------------------------------------------------------------------------------

    def _begin(self, *, patient: bool = True) -> Group:
        """The connection in a transaction; another one if it was cut while nobody used it."""
        try:
            return self._begun(patient=patient)
        except DBAPIError as error:
            if not is_lost(error):
                raise
            self.close()
            if not patient:
                raise
            return self._begun(patient=patient)

    def _begun(self, *, patient: bool) -> Group:
        """On SQLite it is begun and ended without SQLAlchemy's ceremony."""
        if self._connection is None:
            self._connection = self._engine.connect()
            self._patient = True
        if self._near:
            if patient != self._patient:
                self._say(f"PRAGMA busy_timeout={engines.BUSY_TIMEOUT_MS if patient else 0}")
                self._patient = patient
            self._say("BEGIN IMMEDIATE")
        else:
            self._connection.begin()
        group = Group(self._connection, self._configs)
        group.driver.check()
        group.driver.share_rules()
        group.foresee_config()
        return group

    def _commit(self, group: Group) -> None:
        connection, begun = group.connection, self._clock.monotonic()
        group.driver.commit()
        if self._near:
            self._say("COMMIT")
        if connection.in_transaction():  # what SQLAlchemy began, or believes to have begun
            connection.commit()
        self._measures.commit_seconds.observe(self._clock.monotonic() - begun)

    def _count(self, error: Exception) -> None:
        """Races that were lost, and what the database did not take."""
        if worth_another_try(error):
            self._measures.database_errors.labels("race").inc()
        elif isinstance(error, DBAPIError):
            self._measures.database_errors.labels("write").inc()

    def _undo(self, error: Exception) -> None:
        """Roll back; a broken connection is dropped."""
        self._count(error)
        connection = self._connection
        if connection is None:
            return
        try:
            if self._near:
                raw: Any = connection.connection.dbapi_connection
                raw.rollback()
            connection.rollback()
        except Exception:  # noqa: BLE001  # whatever it was, the next group gets another connection
            self.close()
        else:
            if is_lost(error) or connection.invalidated:
                self.close()

    def _say(self, word: str) -> None:
        """To SQLite; its errors are SQLAlchemy's."""
        assert self._connection is not None, "begun first"
        raw: Any = self._connection.connection.dbapi_connection
        dbapi: Any = self._engine.dialect.loaded_dbapi
        try:
            raw.execute(word)
        except dbapi.Error as error:
            made = DBAPIError.instance(word, None, error, dbapi.Error, dialect=self._engine.dialect)
            raise made from error


def _is_unsure(error: BaseException) -> bool:
    """Whether a COMMIT that this stopped may have been carried out: the answer is missing."""
    return is_lost(error) if isinstance(error, Exception) else True


def _plain(error: BaseException) -> Exception:
    """What stopped an action, as an exception that its caller is told.

    A panic in an extension or an interrupt must not pass through here: the transaction would stay open, and the write
    lock taken, for ever.
    """
    if isinstance(error, Exception):
        return error
    broke = RuntimeError(f"an action was stopped by {type(error).__name__}")
    broke.__cause__ = error
    return broke


def _act(group: Group, tx: Tx, job: Job) -> Any:
    """Run an action. What it raises after it wrote counts only if it lost no race before: that is told first."""
    try:
        return job.action(tx, *job.args)
    except (StaleRow, DBAPIError):
        raise
    except Exception:
        if tx.wrote:
            group.driver.settle()
        raise


_MOVE_POSITIONS = (
    sa.update(schema.positions)
    .where(schema.positions.c.id == 1)
    .values({name: schema.positions.c[name] + sa.bindparam(f"new_{name}") for name in STREAMS})
)
_TAKE_POSITIONS = Prepared(_MOVE_POSITIONS)
_TAKE_AND_TELL = Prepared(_MOVE_POSITIONS.returning(*(schema.positions.c[name] for name in STREAMS)))


@cache
def _insert_numbered(table: sa.Table, columns: tuple[str, ...]) -> Prepared:
    """A line whose position the database counts back from the last one taken: nobody waits to be told the number."""
    stream = next(name for name, its in STREAMS.items() if its is table)
    last = (
        sa.select(schema.positions.c[stream])
        .where(schema.positions.c.id == sa.literal_column("1"))
        .scalar_subquery()
    )
    position = last - sa.bindparam("back", type_=sa.BigInteger)
    return Prepared(
        sa.insert(table).values(position=position), tuple(name for name in columns if name != "back")
    )


def write_log(group: Group) -> None:
    """Insert what was gathered; positions last, then one statement per stream. What is kept goes out with COMMIT."""
    group.flush()
    killpoint("store.before_log")
    gathered = group.gathered
    if planted("event_lost") and len(gathered.events) > 3:
        gathered.events.pop()
    lines = {
        "event": gathered.events,
        "effect": gathered.effects,
        "command": gathered.commands,
        "input": gathered.inputs,
    }
    if not any(lines.values()):
        return
    counts = {f"new_{name}": len(rows) for name, rows in lines.items()}
    # Everybody takes this row last and keeps it through COMMIT: a line, in which nobody can want what another has.
    group.driver.wait_for_rows(engines.POSITIONS_LOCK_S)
    if group.driver.straight is None:  # nobody waits, so it may be told
        last = _TAKE_AND_TELL.rows(group.driver, counts)[0]
        for name, rows in lines.items():
            first = last[name] - len(rows) + 1
            numbered = [{**row, "position": first + at} for at, row in enumerate(rows)]
            insert_rows(group.driver, STREAMS[name], numbered)
        return
    _TAKE_POSITIONS.later(group.driver, counts)
    for name, rows in lines.items():
        if rows:
            numbered = [
                {**row, "back": back} for back, row in zip(reversed(range(len(rows))), rows, strict=True)
            ]
            insert_rows(group.driver, STREAMS[name], numbered, _insert_numbered)
