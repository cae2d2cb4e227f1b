"""Restores a backup into an empty database: all of it in one transaction, or nothing."""

from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from service_desk.backup.archive import Archive, BackupError, Column, Manifest, open_archive
from service_desk.backup.save import TOLD_EVERY, Tell, told
from service_desk.backup.settle import settle
from service_desk.backup.tables import be_patient, portable_tables, schema_version, write_rows
from service_desk.blobs.files import FileBlobs
from service_desk.clock import Micros
from service_desk.storage.engines import make_engine
from service_desk.storage.groups import write_log
from service_desk.storage.transaction import Group, Tx
from service_desk.storage.upgrade import upgrade
from service_desk.storage.versions import known_versions, newest_version

ONE_AT_A_TIME = 7_302_114
"""PostgreSQL's advisory lock of restoring: an empty database looks empty to two who come at once."""


def restore(
    url: str, path: Path, blobs: FileBlobs, now: Micros, tell: Tell, *, moved: bool = False
) -> Manifest:
    """Fill the empty database at this address; `moved`: the desk has not run since the backup was made.

    A backup of an older schema is restored as it was and migrated. The files of messages come first: one that is
    there already is the same one, so a second try does no harm. Raises BackupError, and then nothing is restored.
    """
    engine = make_engine(url)
    try:
        with open_archive(path) as archive:
            _check_version(path, archive.manifest)
            with engine.begin() as connection:
                _claim(connection)
            for content in told(archive.blobs(), "files:", tell):
                blobs.put(content)
            with engine.begin() as connection:
                be_patient(connection)
                _claim(connection)
                _fill(connection, archive, tell)
                tell("Bringing it to this release ...")
                upgrade(connection, "head")
                _settle(connection, archive.manifest, now, moved=moved)
            return archive.manifest
    except DBAPIError as error:
        raise BackupError(f"The database refuses: {error.orig}. Nothing was restored.") from error
    finally:
        engine.dispose()


def _check_version(path: Path, manifest: Manifest) -> None:
    if manifest.schema_version in known_versions():
        return
    raise BackupError(
        f"{path} was made by release {manifest.release} with schema {manifest.schema_version}; this one knows "
        f"schemas up to {newest_version()}. Restore it with release {manifest.release} or newer."
    )


def _claim(connection: sa.Connection) -> None:
    """The database is empty, and nobody else is filling it."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
    if schema_version(connection) is not None:
        raise BackupError(
            "The database is not empty, and a restore never writes over a desk. Name an empty one in database_url: "
            "another file on SQLite, or one made with CREATE DATABASE on PostgreSQL."
        )


def _fill(connection: sa.Connection, archive: Archive, tell: Tell) -> None:
    """The tables as they were then, with the rows of the backup in place of what migrations put there."""
    manifest = archive.manifest
    upgrade(connection, manifest.schema_version)
    here = portable_tables(connection)
    _check_tables(manifest, here)
    for name in here:
        connection.execute(sa.delete(sa.table(name)))
        columns = manifest.tables[name].columns
        told_at = 0
        for count in write_rows(connection, name, columns, archive.rows(name)):
            if count - told_at >= TOLD_EVERY:
                tell(f"{name}: rows {count:,} of {manifest.tables[name].rows:,}")
                told_at = count


def _check_tables(manifest: Manifest, here: Mapping[str, tuple[Column, ...]]) -> None:
    """Only names that our own migrations made are put into statements."""
    mine = {name: {column.name for column in columns} for name, columns in here.items()}
    theirs = {name: {column.name for column in part.columns} for name, part in manifest.tables.items()}
    if mine != theirs:
        odd = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
        raise BackupError(
            f"The backup's tables are not those of schema {manifest.schema_version}: {', '.join(odd)}. "
            f"Restore it with release {manifest.release}."
        )


def _settle(connection: sa.Connection, manifest: Manifest, now: Micros, *, moved: bool) -> None:
    """What cannot be true any more is put right by the desk's own actions, in the same transaction."""
    group = Group(connection, {})
    tx = Tx(group, now, "system")
    settle(tx, manifest, moved=moved)
    group.gathered.add(tx.gathered)
    write_log(group)
    group.driver.settle()
