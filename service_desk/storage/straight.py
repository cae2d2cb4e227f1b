"""The shortest way to PostgreSQL: few waits, each of them one call.

psycopg's cursors ask the socket step by step, so that a signal or another task can come between, and give the
interpreter's lock away at each step. An action's statements run on threads where nothing may come between: here a
prepared statement is one blocking call of libpq. What costs most is waiting, because a thread that waited must get
the interpreter's lock again. So a statement whose result nobody needs is kept for `later`, and goes out in one
pipeline with the next one whose result is needed, as do BEGIN, COMMIT, and statements that are asked `together`. The
server runs a pipeline in its order and stops at the first error. Values and rows are turned by psycopg's own
adapters, in text format, so that a statement does not depend on the width of an integer.
"""

import select
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

NAMES_MOST = 2_000
"""Statements prepared on one connection; further ones take the long way."""
KEPT_MOST = 200
"""So many statements wait for the next one at most."""
DONE = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


class _Step(NamedTuple):
    """A statement on its way. `name`: as it was prepared, None if it goes as text.

    `lost`: raised unless exactly one row changed.
    """

    sql: str
    name: bytes | None
    values: Any
    lost: Exception | None = None


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
        self._poll: select.poll | None = None

    def begin(self) -> None:
        """A new transaction is to begin; what an earlier one that was rolled back had kept is forgotten."""
        self._kept.clear()

    def end(self) -> None:
        """End a transaction that has only read, if one was begun."""
        pgconn = self._connection.pgconn
        if pgconn.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN):
            self._checked(pgconn.exec_(b"ROLLBACK"))

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
            self._result = self._checked(self._connection.pgconn.exec_prepared(name, step.values))

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
        name = self._name_of(sql)
        if name is None:
            self._long_way(sql, values)
            if lost is not None and self._plain.rowcount != 1:
                raise lost
            return
        self._kept.append(_Step(sql, name, self._dumped(values), lost))
        if len(self._kept) >= KEPT_MOST:
            self.settle()

    def settle(self) -> None:
        """Run what was kept for later."""
        if self._kept:
            self._send([])

    def commit(self) -> None:
        """Run what was kept, and commit: in one go unless a version must still be compared first."""
        if any(step.lost is not None for step in self._kept):
            self.settle()
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

    def _name_of(self, sql: str) -> bytes | None:
        """The name of a statement; None: take the long way."""
        name = self._names.get(sql)
        if name is None and len(self._names) < NAMES_MOST:
            name = f"desk_{len(self._names)}".encode()
            self._checked(self._connection.pgconn.prepare(name, numbered(sql).encode()))
            self._names[sql] = name
        return name

    def _dumped(self, values: Sequence[Any]) -> Any:
        return self._adapt.dump_sequence(values, [PyFormat.TEXT] * len(values))

    def _long_way(self, sql: str, values: Sequence[Any]) -> None:
        self.settle()
        self._result = None
        self._plain.execute(sql, values)

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
        return results

    def _answers(self, count: int) -> list[Any]:
        """The result of each statement of a pipeline; its end is read too."""
        results = []
        for _ in range(count):
            results.append(self._next())
            while self._next() is not None:  # the end of this statement's results
                pass
        while (end := self._next()) is not None and end.status != ExecStatus.PIPELINE_SYNC:
            pass
        return results

    def _next(self) -> Any:
        """The next result, None at the end of a statement. The interpreter's lock is free while it is waited for."""
        pgconn = self._connection.pgconn
        while pgconn.flush():
            self._wait(select.POLLIN | select.POLLOUT)
            pgconn.consume_input()
        while pgconn.is_busy():
            self._wait(select.POLLIN)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None and pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(pgconn.get_error_message())
        return result

    def _wait(self, what: int) -> None:
        if self._poll is None:
            self._poll = select.poll()
        self._poll.register(self._connection.pgconn.socket, what)
        self._poll.poll()

    def _checked(self, result: Any, step: _Step | None = None) -> Any:
        if result is not None and result.status in DONE:
            if step is not None and step.lost is not None and result.command_tuples != 1:
                raise step.lost
            return result
        if self._connection.pgconn.status == ConnStatus.BAD or result is None:
            raise psycopg.OperationalError(self._connection.pgconn.get_error_message())
        error = errors.error_from_result(result, encoding=self._connection.info.encoding)
        if step is not None:
            error.add_note(f"in {step.sql}")  # which may have been kept from before the one that is asked now
        raise error


def numbered(sql: str) -> str:
    """Turn psycopg's places (%s, and %% for a percent sign) into PostgreSQL's own: $1, $2 ..."""
    first, *rest = sql.split("%s")
    text = first.replace("%%", "%")
    for number, part in enumerate(rest, 1):
        text += f"${number}{part.replace('%%', '%')}"
    return text
