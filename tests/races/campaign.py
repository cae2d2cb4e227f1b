"""Real races: two processes on one PostgreSQL database, in batches, each race judged by the rows that it left."""

import asyncio
import contextlib
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from service_desk.desk import Desk
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.races.kinds import RACES, End, Race, Scene, Told, faults, prepare

ROOT = Path(__file__).resolve().parents[2]
BATCH = 100
EVERY_S = 0.01
"""Between the starts of two races of a batch."""
JITTER_S = 0.002
"""The sides of a race start so far apart at most; which of them is earlier is drawn."""
LEAD_S = 0.05
"""From telling both nodes to the first start."""
LINE_BYTES = 16 * 1024 * 1024


class NodeProcess:
    """A node that waits for its next batch."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def play(self, at: float, acts: Sequence[tuple[str, Scene, float]]) -> list[Told]:
        """Do these acts, each at its offset from the instant."""
        assert self._process.stdin is not None, "opened as a pipe"
        assert self._process.stdout is not None, "opened as a pipe"
        self._process.stdin.write(json.dumps({"at": at, "acts": acts}).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        assert line, "the node has ended"
        return [Told(**outcome) for outcome in json.loads(line)]


@contextlib.asynccontextmanager
async def node_processes(url: str, count: int = 2) -> AsyncIterator[list[NodeProcess]]:
    """Nodes that are ready; they end with the block."""
    async with contextlib.AsyncExitStack() as stack:
        started = []
        for _ in range(count):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.races.node_process",
                url,
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_BYTES,
            )
            stack.push_async_callback(_end, process)
            started.append(process)
        for process in started:
            assert process.stdout is not None, "opened as a pipe"
            assert await process.stdout.readline() == b"ready\n"
        yield [NodeProcess(process) for process in started]


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None, "opened as a pipe"
    process.stdin.close()
    await process.wait()


@dataclass(slots=True)
class Report:
    """What a campaign has seen."""

    races: int = 0
    faults: list[str] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def lines(self) -> list[str]:
        """For people: how often each end of each race was seen."""
        seen = [f"{race}: {ending} × {count}" for (race, ending), count in sorted(self.outcomes.items())]
        return [f"{self.races} races, the slowest answer after {self.slowest_s:.3f} s", *seen]


async def run_races(
    desk: Desk, nodes: Sequence[NodeProcess], count: int, seed: int, *, within_s: float
) -> Report:
    """That many races, every kind in turn; who takes longer than `within_s` to be told is a fault like any other."""
    report = Report()
    chance = random.Random(seed)
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        races = [RACES[number % len(RACES)] for number in numbers]
        prepared = await asyncio.gather(
            *(desk.run(prepare, number, race.stage) for number, race in zip(numbers, races, strict=True))
        )
        await _run_batch(desk, nodes, races, prepared, chance, report, within_s)
    report.faults = [f"seed {seed}: {fault}" for fault in report.faults]
    return report


async def _run_batch(
    desk: Desk,
    nodes: Sequence[NodeProcess],
    races: Sequence[Race],
    scenes: Sequence[Scene],
    chance: random.Random,
    report: Report,
    within_s: float,
) -> None:
    acts: tuple[list[tuple[str, Scene, float]], list[tuple[str, Scene, float]]] = ([], [])
    swapped = [chance.random() < 0.5 for _ in races]
    for at, (race, scene, swap) in enumerate(zip(races, scenes, swapped, strict=True)):
        for side, act in enumerate(race.acts):
            offset = at * EVERY_S + chance.uniform(0, JITTER_S)
            acts[side ^ swap].append((act, scene, offset))
    start = asyncio.get_running_loop().time() + LEAD_S
    lefts, rights = await asyncio.gather(
        *(node.play(start, mine) for node, mine in zip(nodes, acts, strict=True))
    )
    ends = await desk.read(read_ends, [scene.contact for scene in scenes])
    for race, scene, swap, left, right in zip(races, scenes, swapped, lefts, rights, strict=True):
        one, other = (right, left) if swap else (left, right)
        report.races += 1
        report.faults += faults(race, one, other, ends[scene.contact], scene, within_s)
        report.outcomes[race.name, ending(one, other)] += 1
        report.slowest_s = max(report.slowest_s, one.took_s, other.took_s)


def ending(one: Told, other: Told) -> str:
    """Both sides in short."""
    return ", ".join(side.how if side.how == "done" else f"{side.how} {side.reason}" for side in (one, other))


def read_ends(reader: Reader, contacts: Sequence[str]) -> dict[str, End]:
    """How each contact stands now, by the rows and the log."""
    contact, offer, event = schema.interaction, schema.offer, schema.event
    offered = {f"{id_}.1": id_ for id_ in contacts}
    states = {
        row["id"]: row["state"]
        for row in reader.all(sa.select(offer.c.id, offer.c.state).where(offer.c.id.in_(list(offered))))
    }
    happened: Counter[tuple[str, str]] = Counter()
    for row in reader.all(
        sa.select(event.c.subject, event.c.kind).where(event.c.subject.in_([*contacts, *offered]))
    ):
        happened[row["subject"], row["kind"]] += 1
    return {
        row["id"]: end_of(row, states[f"{row['id']}.1"], happened)
        for row in reader.all(sa.select(contact).where(contact.c.id.in_(list(contacts))))
    }


def end_of(row: Any, offer_state: str, happened: Counter[tuple[str, str]]) -> End:
    """The end of one contact. `happened` counts log lines by subject and kind."""
    return End(
        state=row["state"],
        agent_id=row["agent_id"],
        queue_id=row["queue_id"],
        offer=offer_state,
        disposition=row["disposition"],
        answered=happened[row["id"], "interaction.answered"],
        offers_closed=happened[f"{row['id']}.1", "offer.closed"],
        ended=happened[row["id"], "interaction.ended"],
    )
