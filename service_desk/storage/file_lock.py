"""One server per SQLite file: a lock beside it, released by the system however the process ends."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from service_desk.storage.engines import normal_url

try:
    import fcntl
except ImportError:  # Windows: the lock is a POSIX one
    fcntl = None  # type: ignore[assignment]  # asked for below


class FileInUse(Exception):
    """Another process serves this file; the message says so, with its process id if it is known."""


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite address; None for PostgreSQL and for a database in memory."""
    parsed = sa.engine.make_url(normal_url(url))
    if parsed.get_backend_name() != "sqlite" or parsed.database in {None, "", ":memory:"}:
        return None
    return Path(str(parsed.database))


@contextlib.contextmanager
def only_server(url: str) -> Iterator[None]:
    """Hold the file for the time of the block. Raises FileInUse. On PostgreSQL, which has leases, nothing."""
    path = sqlite_file(url)
    if path is None or fcntl is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock")
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(handle, 20).decode(errors="replace").strip()
            known = f" (process {owner})" if owner.isdigit() else ""
            raise FileInUse(
                f"Another server{known} is working on {path}. An SQLite file takes one server: "
                "stop that one, or use PostgreSQL for several."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)  # which releases the lock; the file stays, because removing it would race
