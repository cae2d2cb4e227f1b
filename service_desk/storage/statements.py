"""Statements that every action needs, made once.

Values go in by name when they are run. Where a statement belongs to one query only, it stands beside that query.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from service_desk.storage.prepared import Prepared


@cache
def insert(table: sa.Table, columns: tuple[str, ...]) -> Prepared:
    """Rows of a table that have these columns."""
    return Prepared(sa.insert(table), columns)


@cache
def by_key(table: sa.Table, *, lock: bool = False) -> Prepared:
    """The row with the primary key `key`, locked until the end where the database locks rows."""
    statement = sa.select(table).where(table.primary_key.columns[0] == sa.bindparam("key"))
    return Prepared(statement.with_for_update() if lock else statement)


@cache
def update(table: sa.Table, names: tuple[str, ...]) -> Prepared:
    """Some columns of the row with the primary key `this_key`; run it with `new` values."""
    return Prepared(_update_one(table, names))


@cache
def update_version(table: sa.Table, names: tuple[str, ...]) -> Prepared:
    """Some columns of an aggregate, `version` among them, if it still has its `old_version`."""
    return Prepared(_update_one(table, names).where(table.c.version == sa.bindparam("old_version")))


def _update_one(table: sa.Table, names: tuple[str, ...]) -> sa.Update:
    return update_all(table, names).where(table.primary_key.columns[0] == sa.bindparam("this_key"))


def update_all(table: sa.Table, names: tuple[str, ...]) -> sa.Update:
    """Some columns of rows that the caller narrows down and prepares; run it with `new` values."""
    values = {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    return sa.update(table).values(values)


def new(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values under the names that updates know them by."""
    return {f"new_{name}": value for name, value in values.items()}
