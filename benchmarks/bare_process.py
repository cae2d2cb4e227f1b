"""What the path from a webhook to a frame costs at the least: python -m benchmarks.bare_process FILE.

The same web server, loop and disk as the desk's, and nothing of a desk: a POST is one row and a commit on a writer
thread, then a second commit (the desk's decision), then one frame to one of the sockets. FILE holds {"database": path}.
The first line on standard output is {"listening": ADDRESS}; the end of standard input ends it.
"""

import asyncio
import itertools
import json
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop
from aiohttp import web

ROW = "x" * 1_000
FRAME = "x" * 4_000
"""About what an offer's frame has with its card."""


class Bare:
    """Rows in, frames out."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1)
        self._sockets: list[web.WebSocketResponse] = []
        self._turn = itertools.count()

    def open(self) -> None:
        """On the writer's thread."""
        self._database = sqlite3.connect(self._path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE line (body TEXT)")

    def _write(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("INSERT INTO line VALUES (?)", (ROW,))
        self._database.execute("COMMIT")

    async def take(self, request: web.Request) -> web.Response:
        """A webhook: its number comes back in the frame."""
        number = await request.text()
        loop = asyncio.get_running_loop()
        for _ in range(2):
            await loop.run_in_executor(self._writer, self._write)
        await self._sockets[next(self._turn) % len(self._sockets)].send_str(f"{number} {FRAME}")
        return web.Response()

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        """An agent's socket."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        async for _ in socket:
            pass
        return socket

    async def run(self) -> None:
        """Until standard input ends."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self.open)
        app = web.Application()
        app.router.add_post("/in", self.take)
        app.router.add_get("/socket", self.listen)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        sys.stdout.write(json.dumps({"listening": f"http://{host}:{port}"}) + "\n")
        sys.stdout.flush()
        await loop.run_in_executor(None, sys.stdin.read)
        await runner.cleanup()
        await loop.run_in_executor(self._writer, self._database.close)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as started:
        started.run(Bare(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["database"]).run())
