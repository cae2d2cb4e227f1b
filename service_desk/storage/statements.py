"""Statements that are made once: putting one together costs several times what running it does.

Values go in by name when they are run. Where a statement belongs to one query only, it stands beside that query.
"""

from functools import cache
from typing import Any

import sqlalchemy as sa


@cache
def insert(table: sa.Table) -> sa.Insert:
    """Rows of a table."""
    return sa.insert(table)


@cache
def by_key(table: sa.Table, *, lock: bool = False) -> sa.Select[Any]:
    """The row with the primary key `key`, locked until the end where the database locks rows."""
    statement = sa.select(table).where(table.primary_key.columns[0] == sa.bindparam("key"))
    return statement.with_for_update() if lock else statement


@cache
def change(table: sa.Table, names: tuple[str, ...]) -> sa.Update:
    """New values for some columns of an aggregate, if it still has its version; values as in `change_values`."""
    key = table.primary_key.columns[0]
    values = {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in (*names, "version")}
    return (
        sa.update(table)
        .where(key == sa.bindparam("old_key"), table.c.version == sa.bindparam("old_version"))
        .values(values)
    )


def change_values(key: str, version: int, values: dict[str, Any]) -> dict[str, Any]:
    """What `change` is run with: the row as it was read, and what is new."""
    new = {f"new_{name}": value for name, value in values.items()}
    return {"old_key": key, "old_version": version, "new_version": version + 1, **new}
