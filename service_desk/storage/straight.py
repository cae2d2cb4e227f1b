"""The shortest way to PostgreSQL: few waits, each of them one call.

What costs most is waiting: a thread that waited must get the interpreter back, and a strand (strands.py) its
turn of the loop. So a statement whose result nobody needs is kept for `later`, and goes out in one
pipeline with the next one whose result is needed, as do BEGIN, COMMIT, and statements that are asked `together`. The
server runs a pipeline in its order and stops at the first error; so that it also stops, before COMMIT, where a version
had moved, an update that must change one row is written such that none is an error. Values and rows are turned by
psycopg's own adapters, in text format, so that a statement does not depend on the width of an integer.
"""

import contextlib
import select
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

from service_desk.storage.strands import wait_for

NAMES_MOST = 2_000
"""Statements prepared on one connection; further ones take the long way."""
KEPT_MOST = 200
"""So many statements wait for the next one at most."""
DONE = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


class _Step(NamedTuple):
    """A statement on its way. `name`: as it was prepared, None if it goes as text.

    `lost`: raised unless exactly one row changed. `held`: who wants its result later.
    """

    sql: str
    name: bytes | None
    values: Any
    lost: Exception | None = None
    held: "Held | None" = None


class Held:
    """A question on its way with whatever comes next."""

    def __init__(self) -> None:
        self.result: Any = None


_COMMIT = _Step("COMMIT", None, None)


class StraightCursor:
    """A cursor as far as `Prepared` uses one. It lives as long as its connection, with what it has prepared there."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        self._names: dict[str, bytes] = {}
        self._plain = connection.cursor()
        self._adapt = Transformer(connection)
        self._kept: list[_Step] = []
        self._result: Any = None
        self._ending = False

    def begin(self) -> None:
        """A new transaction is to begin; what an earlier one that was rolled back had kept is forgotten."""
        self._kept.clear()
        self._await_end()

    def end(self) -> None:
        """End a transaction that has only read, if one was begun. Nobody waits for the answer before `begin`."""
        pgconn = self._connection.pgconn
        if pgconn.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN):
            pgconn.send_query(b"ROLLBACK")
            self._ending = True
            while pgconn.flush():
                wait_for(pgconn.socket, select.POLLIN | select.POLLOUT)
                pgconn.consume_input()

    def _await_end(self) -> None:
        """Read the answer to `end`, which has mostly come long since. A connection that broke shows it when used."""
        if self._ending:
            self._ending = False
            with contextlib.suppress(psycopg.Error):
                while self._next() is not None:
                    pass

    def check(self) -> None:
        """Raise OperationalError if the connection was cut while nobody used it: nothing was sent on it that may count.

        Looks at what has come, and keeps the interpreter's lock.
        """
        pgconn = self._connection.pgconn
        if pgconn.transaction_status == TransactionStatus.IDLE:
            pgconn.consume_input()  # perhaps the server's last words
            pgconn.consume_input()  # raises at the end of the stream

    def execute(self, sql: str, values: Sequence[Any]) -> None:
        """Raises psycopg's errors, also those of statements that were kept for later."""
        name = self._name_of(sql)
        if name is None:
            self._long_way(sql, values)
            return
        step = _Step(sql, name, self._dumped(values))
        if self._kept or self._idle():
            self._result = self._send([step])[-1]
        else:
            pgconn = self._connection.pgconn
            pgconn.send_query_prepared(name, step.values)
            self._result = self._checked(self._answer())

    def together(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The result of each, for `show`: one wait for all."""
        steps = [_Step(sql, self._name_of(sql), self._dumped(values)) for sql, values in asked]
        if all(step.name is not None for step in steps):
            return self._send(steps)[-len(steps) :]
        results = []
        for sql, values in asked:
            self.execute(sql, values)
            results.append(self._result)
        return results

    def show(self, result: Any) -> None:
        """Let `fetchall` and `description` be about one of several results."""
        self._result = result

    def later(self, sql: str, values: Sequence[Any], lost: Exception | None = None) -> None:
        """Run it before whatever comes next. `lost` is raised then unless exactly one row changed."""
        name = self._name_of(sql if lost is None else _or_stop(sql))
        if name is None:
            self._long_way(sql, values)
            if lost is not None and self._plain.rowcount != 1:
                raise lost
            return
        self._keep(_Step(sql, name, self._dumped(values), lost))

    def meanwhile(self, sql: str, values: Sequence[Any]) -> Held:
        """Ask before whatever comes next, or at `settle`; the result is there then, for `show`."""
        held = Held()
        name = self._name_of(sql)
        if name is None:
            held.result = self.together([(sql, values)])[0]
        else:
            self._keep(_Step(sql, name, self._dumped(values), held=held))
        return held

    def settle(self) -> None:
        """Run what was kept for later."""
        if self._kept:
            self._send([])

    def commit(self) -> None:
        """Run what was kept, and commit, in one go."""
        if self._kept or not self._idle():
            done = self._send([_COMMIT])[-1]
            if done.command_status != b"COMMIT":
                raise psycopg.InternalError("the transaction had failed before: nothing was committed")

    def fetchall(self) -> list[tuple[Any, ...]]:
        if self._result is None:
            return self._plain.fetchall()
        self._adapt.set_pgresult(self._result)
        rows: list[tuple[Any, ...]] = self._adapt.load_rows(0, self._result.ntuples, tuple)
        return rows

    @property
    def rowcount(self) -> int:
        return self._plain.rowcount if self._result is None else self._result.command_tuples or 0

    @property
    def description(self) -> list[tuple[None, int]]:
        """As far as it is used: the type of each column."""
        if self._result is None:
            return [(None, column.type_code) for column in self._plain.description or ()]
        return [(None, self._result.ftype(at)) for at in range(self._result.nfields)]

    # --- statements -------------------------------------------------------------------------------------------

    def _keep(self, step: _Step) -> None:
        self._kept.append(step)
        if len(self._kept) >= KEPT_MOST:
            self.settle()

    def _name_of(self, sql: str) -> bytes | None:
        """The name of a statement; None: take the long way."""
        name = self._names.get(sql)
        if name is None and len(self._names) < NAMES_MOST:
            name = f"desk_{len(self._names)}".encode()
            self._connection.pgconn.send_prepare(name, numbered(sql).encode())
            self._checked(self._answer())
            self._names[sql] = name
        return name

    def _dumped(self, values: Sequence[Any]) -> Any:
        return self._adapt.dump_sequence(values, [PyFormat.TEXT] * len(values))

    def _long_way(self, sql: str, values: Sequence[Any]) -> None:
        self.settle()
        self._plain.execute(sql, values)
        self._result = self._plain.pgresult

    def _idle(self) -> bool:
        """Whether a transaction is still to begin: psycopg would begin it with its first statement."""
        connection = self._connection
        idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
        return idle and not connection.autocommit

    # --- pipelines --------------------------------------------------------------------------------------------

    def _send(self, steps: list[_Step]) -> list[Any]:
        """Run what was kept and these, in this order, with one wait; the results. Raises what went wrong first."""
        going, self._kept = [*self._kept, *steps], []
        if self._idle():
            begin: bytes = self._connection._get_tx_start_command()  # noqa: SLF001 - knows the isolation level
            going.insert(0, _Step(begin.decode(), None, None))
        pgconn = self._connection.pgconn
        pgconn.enter_pipeline_mode()
        try:
            for step in going:
                if step.name is None:
                    pgconn.send_query_params(step.sql.encode(), None)
                else:
                    pgconn.send_query_prepared(step.name, step.values)
            pgconn.pipeline_sync()
            results = self._answers(len(going))
            pgconn.exit_pipeline_mode()
        except BaseException:
            pgconn.finish()  # answers are missing: nobody could tell whose the next one is
            raise
        for step, result in zip(going, results, strict=True):
            self._checked(result, step)
            if step.held is not None:
                step.held.result = result
        return results

    def _answers(self, count: int) -> list[Any]:
        """The result of each statement of a pipeline; its end is read too."""
        results = [self._answer() for _ in range(count)]
        while (end := self._next()) is not None and end.status != ExecStatus.PIPELINE_SYNC:
            pass
        return results

    def _answer(self) -> Any:
        """The result of one statement."""
        result = self._next()
        while self._next() is not None:  # the end of its results
            pass
        return result

    def _next(self) -> Any:
        """The next result, None at the end of a statement. The interpreter's lock is free while it is waited for."""
        pgconn = self._connection.pgconn
        while pgconn.flush():
            wait_for(pgconn.socket, select.POLLIN | select.POLLOUT)
            pgconn.consume_input()
        while pgconn.is_busy():
            wait_for(pgconn.socket, select.POLLIN)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None and pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(pgconn.get_error_message())
        return result

    def _checked(self, result: Any, step: _Step | None = None) -> Any:
        if result is not None and result.status in DONE:
            return result
        if self._connection.pgconn.status == ConnStatus.BAD or result is None:
            raise psycopg.OperationalError(self._connection.pgconn.get_error_message())
        error = errors.error_from_result(result, encoding=self._connection.info.encoding)
        if step is not None and step.lost is not None and isinstance(error, errors.DivisionByZero):
            raise step.lost from error
        if step is not None:
            error.add_note(f"in {step.sql}")  # which may have been kept from before the one that is asked now
        raise error


@cache
def _or_stop(sql: str) -> str:
    """An update as a statement that fails, by dividing by zero, unless exactly one row changed.

    So what goes out after it in the same pipeline, COMMIT too, does not happen. A later statement of the same
    transaction sees the rows as after the plain update.
    """
    return f"WITH changed AS ({sql} RETURNING 1) SELECT 1 / (count(*) = 1)::int FROM changed"  # noqa: S608 - of a statement that is ours


def numbered(sql: str) -> str:
    """Turn psycopg's places (%s, and %% for a percent sign) into PostgreSQL's own: $1, $2 ..."""
    first, *rest = sql.split("%s")
    text = first.replace("%%", "%")
    for number, part in enumerate(rest, 1):
        text += f"${number}{part.replace('%%', '%')}"
    return text
