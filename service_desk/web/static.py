"""The built browser part, from memory: a path is looked up among the files that were there at the start.

No path of a request ever reaches the file system, so there is nothing to traverse and no link to follow.
"""

import gzip
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from aiohttp import web

from service_desk.errors import NotFound
from service_desk.web.problems import wants_page

PACKAGED = Path(__file__).resolve().parents[1] / "_ui"
CHECKED_OUT = Path(__file__).resolve().parents[2] / "agent_ui" / "dist"
FILES_MAX = 2_000
FILE_BYTES_MAX = 20_000_000
GZIP_FROM_BYTES = 1_000

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
PACKABLE = frozenset({".html", ".js", ".css", ".json", ".map", ".svg", ".txt", ".webmanifest"})

FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
FIVE_MINUTES = "public, max-age=300"

NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Not built yet</title>
<h1>The browser part is not built yet</h1>
<p>In the project's folder type <code>make ui</code>, then start the desk again. Node.js is not needed for it:
the build brings its own. The API at /api/v1 works without it.</p></html>
"""


@dataclass(frozen=True, slots=True)
class File:
    """One file, ready to be sent. `packed` is its gzip form where that is smaller."""

    body: bytes
    packed: bytes | None
    content_type: str
    etag: str


class Pages:
    """The files of a folder; empty where it was never built."""

    def __init__(self, folder: Path | None) -> None:
        self._files: Mapping[str, File] = dict(_read(folder)) if folder is not None else {}

    @property
    def built(self) -> bool:
        return "index.html" in self._files

    def page(self, request: web.Request, name: str) -> web.Response:
        """One of the pages, asked for again each time but sent only when it has changed."""
        if not self.built:
            return web.Response(
                status=503, text=NOT_BUILT, content_type="text/html", headers={"Cache-Control": "no-store"}
            )
        return self._send(request, self._file(name), ASK_AGAIN)

    def asset(self, request: web.Request, tail: str) -> web.Response:
        """A file whose name holds its hash: it never changes."""
        return self._send(request, self._file(f"assets/{tail}"), FOREVER)

    def widget(self, request: web.Request) -> web.Response:
        """The script that foreign pages embed."""
        response = self._send(request, self._file("widget/widget.js"), FIVE_MINUTES)
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    def other(self, request: web.Request) -> web.Response:
        """A file beside the pages, such as the icon, else the console, which knows its own routes."""
        path = request.match_info["path"]
        if path in self._files and not path.endswith(".html"):
            return self._send(request, self._files[path], ASK_AGAIN)
        if not wants_page(request):
            raise NotFound("There is nothing at this address.")
        return self.page(request, "index.html")

    def _file(self, name: str) -> File:
        if name not in self._files:
            raise NotFound("There is no such file.")
        return self._files[name]

    def _send(self, request: web.Request, file: File, caching: str) -> web.Response:
        headers = {"ETag": file.etag, "Cache-Control": caching, "Vary": "Accept-Encoding"}
        if file.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = file.content_type
        if file.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=file.packed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=file.body, headers=headers)


@lru_cache(maxsize=1)
def find_pages() -> Pages:
    """From the installed package, else from the checked-out project; read once per process."""
    return Pages(next((folder for folder in (PACKAGED, CHECKED_OUT) if folder.is_dir()), None))


def _read(folder: Path) -> Iterator[tuple[str, File]]:
    for path in sorted(_regular_files(folder))[:FILES_MAX]:
        name = path.relative_to(folder).as_posix()
        body = path.read_bytes()
        packed = (
            gzip.compress(body, 6, mtime=0)
            if path.suffix in PACKABLE and len(body) >= GZIP_FROM_BYTES
            else None
        )
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        yield name, File(body, packed, TYPES[path.suffix], etag)


def _regular_files(folder: Path) -> Iterator[Path]:
    """Files with a type that we know, of a sane size; links are left out, hidden files too."""
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place) / name
            known = path.suffix in TYPES and not name.startswith(".") and not path.is_symlink()
            if known and path.stat().st_size <= FILE_BYTES_MAX:
                yield path
