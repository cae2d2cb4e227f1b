"""The backup's file: written part by part, and read back with every checksum compared."""

import contextlib
import errno
import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json, to_json

from service_desk.blobs.files import sync_folder

PRODUCT = "service-desk"
FORMAT = 1
MANIFEST = "manifest.json"
BLOBS = "blobs/"
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, NotImplementedError)
"""What the standard library raises on a zip that was cut off or changed."""

MANIFEST_MOST = 10_000_000
"""Bytes of the manifest. It names each file that was missing, which makes it long."""
LINE_MOST = 320 * 1024 * 1024
"""Bytes of one row. The longest holds the text of a mail, whose bytes may each become six in JSON."""
BLOB_MOST = 64 * 1024 * 1024
"""Bytes of one file of a message: more than the largest mail that any settings allow."""

Kind = Literal["text", "integer", "float", "boolean", "json"]


class BackupError(Exception):
    """It cannot be backed up or restored; the message says why, and the cure."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Model):
    """A column and how its values are written. JSON stands in a list of one, to tell its null from no value."""

    name: str
    kind: Kind


class Part(_Model):
    """The rows of one table, a JSON list per line in the order of the columns."""

    columns: tuple[Column, ...]
    rows: int
    size_bytes: int
    sha256: str


class Files(_Model):
    """The files of messages. `missing` were named by a row and not there, or not what they should be."""

    count: int
    size_bytes: int
    missing: tuple[str, ...]


class Manifest(_Model):
    """What a backup holds. `files` is None where they were left out."""

    product: str
    format: int
    release: str
    schema_version: str
    made_at: str
    database: str
    tables: dict[str, Part]
    files: Files | None


class Writer:
    """Writes beside the final name, which the file gets when all of it is on the disk. Only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._half = path.with_name(f".{path.name}.part")
        self._handle: IO[bytes] | None = None
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Self:
        if self._path.exists():
            raise BackupError(
                f"{self._path} is there already, and a backup is never written over another file."
            )
        self._half.unlink(missing_ok=True)  # of one that was broken off
        self._handle = os.fdopen(os.open(self._half, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b")
        self._zip = zipfile.ZipFile(self._handle, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._handle is not None, "a with block was entered"
        try:
            with self._handle:
                if kind is None:
                    self._finish(self._handle)
                    self._half.rename(self._path)
                    sync_folder(self._path.parent)
                else:
                    self._give_up()
        finally:
            self._half.unlink(missing_ok=True)

    def _give_up(self) -> None:
        """Close what will be thrown away, so that it does not try by itself later."""
        assert self._zip is not None, "inside the with block"
        with contextlib.suppress(OSError, ValueError):
            self._zip.close()

    def _finish(self, handle: IO[bytes]) -> None:
        assert self._zip is not None, "inside the with block"
        self._zip.close()
        handle.flush()
        os.fsync(handle.fileno())

    def table(self, name: str, columns: tuple[Column, ...], rows: Iterable[list[Any]]) -> Part:
        """Write a table's rows as they come; nothing but the current one is held."""
        digest, count, size = hashlib.sha256(), 0, 0
        with self._open(_part_of(name)) as part:
            for row in rows:
                line = to_json(row) + b"\n"
                _check_size(f"a row of {name}", len(line), LINE_MOST)
                part.write(line)
                digest.update(line)
                count += 1
                size += len(line)
        return Part(columns=columns, rows=count, size_bytes=size, sha256=digest.hexdigest())

    def blob(self, digest: str, content: bytes) -> None:
        """Write one file under the SHA-256 of its content."""
        _check_size(f"the file {digest}", len(content), BLOB_MOST)
        with self._open(BLOBS + digest) as part:
            part.write(content)

    def manifest(self, manifest: Manifest) -> None:
        """Write what the backup holds: last, because only then it is known."""
        content = manifest.model_dump_json(indent=1).encode()
        _check_size("the list of missing files (--no-files leaves it out)", len(content), MANIFEST_MOST)
        with self._open(MANIFEST) as part:
            part.write(content)

    def _open(self, name: str) -> IO[bytes]:
        assert self._zip is not None, "inside the with block"
        return self._zip.open(name, "w", force_zip64=True)


class Archive:
    """A backup to be read. Everything raises BackupError on what is not as it was written.

    What a part unpacks to is known before it is read: zip's directory says it, and no more than that comes.
    """

    def __init__(self, path: Path, opened: zipfile.ZipFile) -> None:
        self._path = path
        self._zip = opened
        self.manifest = self._manifest()

    def rows(self, table: str) -> Iterator[list[Any]]:
        """A table's rows; the last one comes only if all of them are what was written."""
        part = self.manifest.tables[table]
        digest, count, held = hashlib.sha256(), 0, None
        with self._reading():
            size = self._zip.getinfo(_part_of(table)).file_size
        if size != part.size_bytes:
            raise self._damaged(f"the part of the table {table} is not what was written: it has {size} bytes")
        with self._reading(), self._zip.open(_part_of(table)) as lines:
            while line := lines.readline(LINE_MOST + 1):
                self._check_size(f"a row of {table}", len(line), LINE_MOST)
                digest.update(line)
                count += 1
                if held is not None:
                    yield held
                held = from_json(line)
        if digest.hexdigest() != part.sha256 or count != part.rows:
            raise self._damaged(f"the part of the table {table} is not what was written")
        if held is not None:
            yield held

    def blobs(self) -> Iterator[bytes]:
        """The files of messages, each compared with its name."""
        names = [name for name in self._zip.namelist() if name.startswith(BLOBS)]
        expected = self.manifest.files.count if self.manifest.files is not None else 0
        if len(names) != expected:
            raise self._damaged(f"it should hold {expected} files of messages and holds {len(names)}")
        for name in names:
            self._check_size(name, self._zip.getinfo(name).file_size, BLOB_MOST)
            with self._reading():
                content = self._zip.read(name)
            if hashlib.sha256(content).hexdigest() != name.removeprefix(BLOBS):
                raise self._damaged(f"{name} is not what was written")
            yield content

    def _manifest(self) -> Manifest:
        with self._reading():
            self._check_size(MANIFEST, self._zip.getinfo(MANIFEST).file_size, MANIFEST_MOST)
            told = from_json(self._zip.read(MANIFEST))
        if not isinstance(told, dict) or told.get("product") != PRODUCT:
            raise BackupError(f"{self._path} is no backup of this product.")
        if told.get("format") != FORMAT:
            raise BackupError(
                f"{self._path} is written in format {told.get('format')}, this release reads {FORMAT}. "
                f"Restore it with release {told.get('release')} or newer."
            )
        try:
            return Manifest.model_validate(told)
        except ValidationError:
            raise self._damaged("its manifest is not complete") from None

    def _check_size(self, what: str, size: int, most: int) -> None:
        if size > most:
            raise self._damaged(f"{what} has more than {most} bytes")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except BROKEN as error:
            raise self._damaged(str(error) or type(error).__name__) from error
        except OSError as error:
            if (
                error.errno != errno.EINVAL
            ):  # that is a place before the file's begin, out of a damaged directory
                raise
            raise self._damaged("a part's place is not in it") from error

    def _damaged(self, why: str) -> BackupError:
        return BackupError(f"{self._path} is damaged: {why}. Nothing was restored; take another backup.")


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """A backup's file. BackupError if it is none, or cut off."""
    try:
        opened = zipfile.ZipFile(path)
    except BROKEN as error:
        raise BackupError(f"{path} is no backup, or it was cut off: {error}.") from error
    with opened:
        yield Archive(path, opened)


def _check_size(what: str, size: int, most: int) -> None:
    """Nothing is written that would be refused when it is read."""
    if size > most:
        raise BackupError(f"This desk cannot be backed up: {what} takes {size} bytes, the most is {most}.")


def _part_of(table: str) -> str:
    return f"tables/{table}.jsonl"
