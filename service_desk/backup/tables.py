"""The tables as they stand in a database of whatever schema version, and their values in words of no database."""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.dialects.postgresql import JSONB

from service_desk.backup.archive import BackupError, Column, Kind

VERSION_TABLE = "alembic_version"
INDEX = "search_index"
LEFT_OUT = frozenset({VERSION_TABLE, "search_doc", "session"})
"""Not part of a backup: the schema's version is in the manifest, the search index is made from the other rows, and
whoever is signed in signs in anew (their tokens are secrets, and one that was revoked must not come to life again)."""
AT_ONCE = 200
"""Rows that are held at one time."""

_Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
TYPES: Mapping[Kind, Any] = {
    "text": sa.Text(),
    "integer": sa.BigInteger(),
    "float": sa.Float(),
    "boolean": sa.Boolean(),
    "json": _Json,
}


def schema_version(connection: sa.Connection) -> str | None:
    """The schema's version; None if there are no tables at all. BackupError if they are not ours."""
    names = set(sa.inspect(connection).get_table_names())
    if VERSION_TABLE in names:
        found: str | None = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
        if found is not None:
            return found
    if names:
        raise BackupError("The database has tables that are not the desk's.")
    return None


def portable_tables(connection: sa.Connection) -> dict[str, tuple[Column, ...]]:
    """The tables that a backup holds, with their columns as they are in this database."""
    found = sa.inspect(connection)
    return {
        name: tuple(
            Column(name=column["name"], kind=_kind(name, column["type"]))
            for column in found.get_columns(name)
        )
        for name in sorted(found.get_table_names())
        if name not in LEFT_OUT and not name.startswith(INDEX)
    }


def _kind(table: str, given: sa.types.TypeEngine[Any]) -> Kind:
    if isinstance(given, sa.JSON):
        return "json"
    if isinstance(given, sa.Boolean):
        return "boolean"
    if isinstance(given, sa.Integer):
        return "integer"
    if isinstance(given, sa.Float | sa.Numeric):
        return "float"
    if isinstance(given, sa.String):
        return "text"
    raise BackupError(f"The table {table} has a column of type {given}, for which a backup knows no way.")


def read_rows(connection: sa.Connection, name: str, columns: tuple[Column, ...]) -> Iterator[list[Any]]:
    """A table's rows by their key, as the archive takes them, some at a time."""
    table = _table(name, columns)
    keys = sa.inspect(connection).get_pk_constraint(name)["constrained_columns"]
    fields = [sa.cast(table.c[c.name], sa.Text) if c.kind == "json" else table.c[c.name] for c in columns]
    nested = [at for at, column in enumerate(columns) if column.kind == "json"]
    statement = sa.select(*fields).order_by(*(table.c[key] for key in keys))
    for found in connection.execution_options(yield_per=AT_ONCE).execute(statement):
        row = list(found)
        for at in nested:
            row[at] = None if row[at] is None else [from_json(row[at])]
        yield row


def write_rows(
    connection: sa.Connection, name: str, columns: tuple[Column, ...], rows: Iterator[list[Any]]
) -> Iterator[int]:
    """Insert an archive's rows, some at a time; after each time how many there are."""
    statement = sa.insert(_table(name, columns))
    nested = [column.name for column in columns if column.kind == "json"]
    names = [column.name for column in columns]
    batch: list[dict[str, Any]] = []
    count = 0
    for row in rows:
        values = dict(zip(names, row, strict=True))
        for field in nested:
            values[field] = _json_value(values[field])
        batch.append(values)
        if len(batch) == AT_ONCE:
            connection.execute(statement, batch)
            count += len(batch)
            batch = []
            yield count
    if batch:
        connection.execute(statement, batch)
        yield count + len(batch)


def _json_value(held: Any) -> Any:
    """What SQLAlchemy takes: None is no value there, and JSON's null has a name of its own."""
    if held is None:
        return None
    return sa.JSON.NULL if held[0] is None else held[0]


def _table(name: str, columns: tuple[Column, ...]) -> sa.TableClause:
    return sa.table(name, *(sa.column(column.name, TYPES[column.kind]) for column in columns))


def be_patient(connection: sa.Connection) -> None:
    """A slow disk is no node that stands still: PostgreSQL does not throw this transaction out between two rows."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
