"""What spares the tests work that proves nothing: compiling again, decorating traces, costly hashes, slow disks."""

import os
import shutil
from pathlib import Path
from typing import Any

import argon2
import sqlalchemy as sa
import structlog
from pydantic_core import from_json

MEMORY = Path("/dev/shm")
MEMORY_BYTES = 2_000_000_000
_HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def work_in_memory() -> None:
    """Have the tests' files in memory where there is enough: they outlive a kill there too, and need no disk."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def quick_hash(password: str) -> str:
    """For accounts of tests whose subject is not the strength: a real hash costs a quarter of a second, each way."""
    return _HASHER.hash(password)


def log_plainly() -> None:
    """As structlog does before the desk sets it up, without colours in traces: those cost seconds each."""
    structlog.reset_defaults()
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


class _Compiled(dict[Any, Any]):
    """Keyed as SQLAlchemy keys it, with the dialect's name in place of the engine's own dialect."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), compiled)


_COMPILED = _Compiled()


def share_compiled() -> None:
    """From now on, compile each statement once in this process.

    An engine keeps what it compiled, and each test opens engines of its own: more than a quarter of the tests' time
    went into compiling the same few hundred statements again. Only engines with the desk's own JSON share, so that
    what is kept does the same wherever it is used.
    """
    sa.event.listen(sa.Engine, "engine_connect", _share)


def _share(connection: sa.Connection) -> None:
    dialect: Any = connection.dialect
    if dialect._json_deserializer is from_json:
        connection.execution_options(compiled_cache=_COMPILED)
