"""The floor under the contacts' figures: the same open load on a bare server (see bare_process), in the same run."""

import asyncio
import random
import time
from pathlib import Path

import aiohttp

from benchmarks.contacts import AGENTS, PER_SECOND, child
from benchmarks.percentiles import percentile
from benchmarks.report import Row

SPAN_S = 10.0
HOW = (
    f"open loop: Poisson, {PER_SECOND:g} POSTs a second for {SPAN_S:g} s, {AGENTS} sockets; two SQLite FULL commits on "
    "a writer thread and one frame of 4 kB each, without a desk: what this machine takes for the path alone"
)


def measure(folder: Path) -> list[Row]:
    """p50 and p99 from the POST to the frame."""
    with child("benchmarks.bare_process", {"database": str(folder / "bare.sqlite3")}, folder) as process:
        took = asyncio.run(_load(process.first["listening"]))
    return [
        Row(f"bare server: webhook to frame p{percent}", percentile(took, percent), "ms", "", HOW)
        for percent in (50, 99)
    ]


async def _load(base: str) -> list[float]:
    """Milliseconds of each POST until its frame."""
    sent: dict[str, float] = {}
    took: list[float] = []
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        sockets = [await http.ws_connect(f"{base}/socket") for _ in range(AGENTS)]
        readers = [tasks.create_task(_read(socket, sent, took)) for socket in sockets]
        due, end = time.perf_counter(), time.perf_counter() + SPAN_S
        chance = random.Random(7)
        posts: list[asyncio.Task[None]] = []
        while due < end:
            due += chance.expovariate(PER_SECOND)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            posts.append(tasks.create_task(_post(http, base, str(len(posts)), sent)))
        await asyncio.gather(*posts)
        for reader in readers:
            reader.cancel()
    return took


async def _post(http: aiohttp.ClientSession, base: str, number: str, sent: dict[str, float]) -> None:
    sent[number] = time.perf_counter()
    async with http.post(f"{base}/in", data=number) as answer:
        await answer.read()


async def _read(socket: aiohttp.ClientWebSocketResponse, sent: dict[str, float], took: list[float]) -> None:
    async for frame in socket:
        number = frame.data.partition(" ")[0]
        took.append((time.perf_counter() - sent.pop(number)) * 1_000)
