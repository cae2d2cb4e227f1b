"""The database's own clock in a statement: what instants of several nodes are compared by."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class database_now(FunctionElement[int]):  # noqa: N801 - reads as the SQL function that it is
    """The moment at which the database comes to it, in UTC microseconds. SQLite knows milliseconds."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(database_now, "postgresql")
def _on_postgres(_element: Any, _compiler: Any, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(database_now, "sqlite")
def _on_sqlite(_element: Any, _compiler: Any, **_: Any) -> str:
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000"
