"""Makes a backup: one consistent view of the rows, beside a running desk or without one, then the files they name."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from service_desk import __version__
from service_desk.backup.archive import FORMAT, PRODUCT, BackupError, Files, Manifest, Part, Writer
from service_desk.backup.tables import AT_ONCE, TYPES, be_patient, portable_tables, read_rows, schema_version
from service_desk.blobs.files import FileBlobs
from service_desk.clock import SECOND, Micros
from service_desk.errors import NotFound
from service_desk.storage.engines import make_engine

Tell = Callable[[str], None]
T = TypeVar("T")
TOLD_EVERY = 50_000
"""Rows, or files, after which somebody who waits is told how far it is."""


def save(url: str, path: Path, blobs: FileBlobs | None, now: Micros, tell: Tell) -> Manifest:
    """Write the desk at this address to a new file; without `blobs`, the files of messages are left out.

    The rows are those of one moment. Files are added after it: a row names its file by the content, which never
    changes. Raises BackupError.
    """
    engine = make_engine(url, reader=True)
    try:
        with Writer(path) as writer:
            with engine.connect() as connection, connection.begin():
                be_patient(connection)
                version = schema_version(connection)
                if version is None:
                    raise BackupError("The database is empty: there is nothing to back up.")
                tables = _write_tables(writer, connection, tell)
                named = _blobs_named(connection, set(tables)) if blobs is not None else []
            manifest = Manifest(
                product=PRODUCT,
                format=FORMAT,
                release=__version__,
                schema_version=version,
                made_at=datetime.fromtimestamp(now // SECOND, UTC).isoformat(),
                database=engine.dialect.name,
                tables=tables,
                files=None if blobs is None else _write_files(writer, blobs, named, tell),
            )
            writer.manifest(manifest)
            return manifest
    except DBAPIError as error:
        raise BackupError(f"The database cannot be read: {error.orig}.") from error
    finally:
        engine.dispose()


def _write_tables(writer: Writer, connection: sa.Connection, tell: Tell) -> dict[str, Part]:
    return {
        name: writer.table(name, columns, told(read_rows(connection, name, columns), f"{name}: rows", tell))
        for name, columns in portable_tables(connection).items()
    }


def told(things: Iterable[T], what: str, tell: Tell) -> Iterator[T]:
    """The same things; how many they are is told now and then."""
    for count, thing in enumerate(things, 1):
        yield thing
        if count % TOLD_EVERY == 0:
            tell(f"{what} {count:,}")


def _blobs_named(connection: sa.Connection, tables: set[str]) -> list[str]:
    """The files that rows name: attachments, and mails as they came. A schema of before there were any has none."""
    if "attachment" not in tables:
        return []
    streamed = connection.execution_options(yield_per=AT_ONCE)
    attached: sa.ColumnClause[Any] = sa.column("blob", sa.Text)
    statement = sa.select(attached).select_from(sa.table("attachment", attached)).distinct()
    named = {row[0] for row in streamed.execute(statement)}
    body, kind = sa.column("body", TYPES["json"]), sa.column("kind", sa.Text)
    mails = sa.select(body).select_from(sa.table("input", body, kind)).where(kind == "mail_received")
    named |= {row[0].get("raw") for row in streamed.execute(mails)}
    return sorted(digest for digest in named if digest)


def _write_files(writer: Writer, blobs: FileBlobs, digests: list[str], tell: Tell) -> Files:
    count, size, missing = 0, 0, []
    for digest in told(digests, "files:", tell):
        content = _content(blobs, digest)
        if content is None:
            missing.append(digest)
            continue
        writer.blob(digest, content)
        count += 1
        size += len(content)
    return Files(count=count, size_bytes=size, missing=tuple(missing))


def _content(blobs: FileBlobs, digest: str) -> bytes | None:
    """A file's bytes; None if they are gone or not what they should be."""
    try:
        content = blobs.get(digest)
    except NotFound:
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None
