"""What 200 open wallboards cost: processor time of the server's process with and without them, in the same traffic.

The server runs in a process of its own; the viewers are plain WebSockets, each signed in. One agent's console changes
its state all the time, so that there is another board in every second, with viewers and without.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.report import Row
from service_desk.actions import admin
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.domain.views import LIVE_SCHEMA
from service_desk.storage.store import Store, migrate
from service_desk.storage.transaction import Tx
from service_desk.web.sessions import hash_password
from tests.servers import free_port
from tests.service_desk.conftest import CONFIG

ROOT = Path(__file__).resolve().parents[1]
VIEWERS = 200
PEOPLE = 40
SECONDS = 20.0
PASSWORD = "a password for a benchmark"
HOW = "python -m benchmarks wallboard: SQLite, server process's CPU, 200 viewers less none, a new board each second"


def measure() -> Iterator[Row]:
    """The share of a core that the viewers add, and how often they were sent a board."""
    with tempfile.TemporaryDirectory(prefix="sd-bench-") as folder:
        added, per_second, kilobytes = asyncio.run(_measure(Path(folder)))
    yield Row("200 wallboards: CPU that they add", added * 100, "% of a core", "< 5", HOW)
    yield Row("200 wallboards: boards that each is sent", per_second, "boards/s", "", HOW)
    yield Row("200 wallboards: size of a board", kilobytes, "kB", "", HOW)


async def _measure(folder: Path) -> tuple[float, float, float]:
    url = f"sqlite:///{folder}/desk.sqlite3"
    migrate(url)
    await _hire(url)
    port = free_port()
    values = {
        "server": {"host": "127.0.0.1", "port": port},
        "database_url": url,
        "var_dir": str(folder / "var"),
    }
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        _server(folder, values) as (process, base),
        aiohttp.ClientSession(connector=connector) as http,
    ):
        sessions = [await _sign_in(http, base, f"p{number}") for number in range(PEOPLE)]
        stop = asyncio.Event()
        busy = asyncio.create_task(_change_all_the_time(http, base, sessions[0], stop))
        await _rest(3)
        await _read(process)
        await _rest(SECONDS)
        alone = (await _read(process))["cpu_s"] / SECONDS
        seen = Seen()
        viewers = [
            asyncio.create_task(_view(http, base, sessions[number % PEOPLE], seen))
            for number in range(VIEWERS)
        ]
        await seen.wait_for(VIEWERS)
        await _rest(3)
        await _read(process)
        seen.boards = 0
        await _rest(SECONDS)
        watched = (await _read(process))["cpu_s"] / SECONDS
        boards = seen.boards / VIEWERS / SECONDS
        stop.set()
        for task in (*viewers, busy):
            task.cancel()
        await asyncio.gather(*viewers, busy, return_exceptions=True)
    return watched - alone, boards, seen.size / 1_000


class Seen:
    """What all viewers together were sent."""

    def __init__(self) -> None:
        self.boards = 0
        self.size = 0
        self.watching = 0

    async def wait_for(self, viewers: int) -> None:
        async with asyncio.timeout(60):
            while self.watching < viewers:
                await _rest(0.05)


async def _rest(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _hire(url: str) -> None:
    """People who watch, with a supervisor's rights."""
    store = Store(url, SystemClock())
    desk = Desk(store, LocalBus(), SystemClock())
    hashed = hash_password(PASSWORD)

    def add(tx: Tx) -> None:
        for number in range(PEOPLE):
            admin.add_user(
                tx, login=f"p{number}", name=f"Person {number}", password_hash=hashed, role="supervisor"
            )

    await desk.run(admin.seed, CONFIG)
    await desk.run(add)
    store.close()


@contextlib.asynccontextmanager
async def _server(
    folder: Path, values: dict[str, Any]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    path = folder / "settings.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.desk_process",
        str(path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ},
    )
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        yield process, json.loads(line)["listening"].rstrip("/")
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def _read(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    await process.stdin.drain()
    found: dict[str, Any] = json.loads(await process.stdout.readline())
    return found


Session = dict[str, str]


async def _sign_in(http: aiohttp.ClientSession, base: str, login: str) -> Session:
    body = {"login": login, "password": PASSWORD}
    async with http.post(f"{base}/api/v1/session", json=body, headers={"Origin": base}) as answer:
        assert answer.status == 200, await answer.text()
        cookie = answer.cookies["desk_session"].value
        view = await answer.json()
    http.cookie_jar.clear()
    return {"Cookie": f"desk_session={cookie}", "X-CSRF-Token": view["csrf"], "Origin": base}


async def _change_all_the_time(
    http: aiohttp.ClientSession, base: str, session: Session, stop: asyncio.Event
) -> None:
    """Ready, away, ready: the board has something new in each second."""
    version, ready = 0, True
    async with http.get(f"{base}/api/v1/session", headers=session) as answer:
        version = (await answer.json())["me"]["version"]
    seen = Seen()
    console = asyncio.create_task(_view(http, base, session, seen, watch=False))
    while not stop.is_set():
        body: dict[str, Any] = {"state": "ready"} if ready else {"state": "away", "reason": "break"}
        headers = {**session, "If-Match": f'"{version}"'}
        async with http.put(f"{base}/api/v1/me/state", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            version, ready = (await answer.json())["version"], not ready
        await _rest(0.5)
    console.cancel()


async def _view(
    http: aiohttp.ClientSession, base: str, session: Session, seen: Seen, *, watch: bool = True
) -> None:
    """One socket that watches the board, as a browser's does; what it is sent is counted, not parsed."""
    url = f"{base.replace('http', 'ws')}/live/?EIO=4&transport=websocket"
    async with http.ws_connect(url, headers=session, max_msg_size=0) as socket:
        async for message in socket:
            text: str = message.data
            if text.startswith("0"):
                await socket.send_str(f'40{{"schema":{LIVE_SCHEMA}}}')
            elif text.startswith("40") and watch:
                await socket.send_str('42["watch_board",{}]')
                seen.watching += 1
            elif text == "2":
                await socket.send_str("3")
            elif text.startswith('42["board"'):
                seen.boards += 1
                seen.size = len(text)


if __name__ == "__main__":
    started = time.monotonic()
    for row in measure():
        print(row)
    print(f"{time.monotonic() - started:.0f} s")
