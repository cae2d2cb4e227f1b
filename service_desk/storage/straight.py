"""The shortest way to PostgreSQL: a prepared statement is one call of libpq.

psycopg's cursors ask the socket step by step, so that a signal or another task can come between, and give the
interpreter's lock away at each step. An action's statements run on threads where nothing may come between; here each
is one blocking call: half the CPU and one change of the lock instead of five. Values and rows are turned by
psycopg's own adapters, in text format, so that a statement does not depend on the width of an integer.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

NAMES_MOST = 2_000
"""Statements prepared on one connection; further ones take the long way."""
MANY = 8
"""From so many rows on, sending all before the first answer is read is quicker."""
DONE = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


class StraightCursor:
    """A cursor as far as `Prepared` uses one. `names` are those of the connection: they live as long as it does."""

    def __init__(self, connection: "psycopg.Connection[Any]", names: dict[str, bytes]) -> None:
        self._connection = connection
        self._names = names
        self._plain = connection.cursor()
        self._adapt = Transformer(connection)
        self._result: Any = None

    def execute(self, sql: str, values: Sequence[Any]) -> None:
        """Raises psycopg's errors."""
        name = self._name_of(sql)
        if name is None:
            self._result = None
            self._plain.execute(sql, values)
        else:
            self._result = self._run(name, values)

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Once for each row."""
        name = self._name_of(sql) if len(rows) < MANY else None
        if name is None:
            self._plain.executemany(sql, rows)
            return
        for values in rows:
            self._run(name, values)

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

    def _name_of(self, sql: str) -> bytes | None:
        """The name of a statement; None: take the long way."""
        self._begin()
        name = self._names.get(sql)
        if name is None and len(self._names) < NAMES_MOST:
            name = f"desk_{len(self._names)}".encode()
            self._checked(self._connection.pgconn.prepare(name, numbered(sql).encode()))
            self._names[sql] = name
        return name

    def _begin(self) -> None:
        """What psycopg does before the first statement of a transaction."""
        connection = self._connection
        if connection.pgconn.transaction_status == TransactionStatus.IDLE and not connection.autocommit:
            self._checked(connection.pgconn.exec_(connection._get_tx_start_command()))  # noqa: SLF001 - knows the isolation level

    def _run(self, name: bytes, values: Sequence[Any]) -> Any:
        given = self._adapt.dump_sequence(values, [PyFormat.TEXT] * len(values))
        return self._checked(self._connection.pgconn.exec_prepared(name, given))  # type: ignore[arg-type]  # None is NULL

    def _checked(self, result: Any) -> Any:
        if result.status in DONE:
            return result
        if self._connection.pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(self._connection.pgconn.get_error_message())
        raise errors.error_from_result(result, encoding=self._connection.info.encoding)


def numbered(sql: str) -> str:
    """Turn psycopg's places (%s, and %% for a percent sign) into PostgreSQL's own: $1, $2 ..."""
    first, *rest = sql.split("%s")
    text = first.replace("%%", "%")
    for number, part in enumerate(rest, 1):
        text += f"${number}{part.replace('%%', '%')}"
    return text
