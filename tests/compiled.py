"""Statements that SQLAlchemy compiles once in a test run, not once for each test.

An engine keeps what it compiled, and each test opens engines of its own: more than a quarter of the tests' time went
into compiling the same few hundred statements again. Only engines with the desk's own JSON share, so that what is
kept does the same wherever it is used.
"""

from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json


class _Compiled(dict[Any, Any]):
    """Keyed as SQLAlchemy keys it, with the dialect's name in place of the engine's own dialect."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), compiled)


_COMPILED = _Compiled()


def share_compiled() -> None:
    """From now on, in this process."""
    sa.event.listen(sa.Engine, "engine_connect", _share)


def _share(connection: sa.Connection) -> None:
    dialect: Any = connection.dialect
    if dialect._json_deserializer is from_json:
        connection.execution_options(compiled_cache=_COMPILED)
