"""Blobs as files of one folder, each under the SHA-256 of its content: the same bytes are kept once."""

import hashlib
import os
import re
from pathlib import Path

from service_desk.errors import NotFound
from service_desk.ids import new_token
from service_desk.settings import Settings

DIGEST = re.compile(r"[0-9a-f]{64}")


class FileBlobs:
    """`put` returns when the bytes are on the disk. Its methods block: call them off the event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Keep bytes; the digest that finds them again."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if path.exists():
            return digest
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = path.with_name(f".{digest[:8]}-{new_token()[:12]}")
        try:
            with half.open("xb") as file:
                half.chmod(0o600)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
        sync_folder(path.parent)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes; NotFound if they are not here any more."""
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound("This file is not kept any more.") from None

    def delete(self, digest: str) -> None:
        """Forget bytes; again is harmless."""
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise NotFound("There is no such file.")
        return self._folder / digest[:2] / digest


def sync_folder(folder: Path) -> None:
    """A new name is durable when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_blobs(settings: Settings) -> FileBlobs:
    """The installation's blob store: a folder that every node sees."""
    return FileBlobs(settings.var_dir / "blobs")
