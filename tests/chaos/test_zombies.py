"""A node that stood still in the middle of its work goes on with it: what it then writes is refused."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from service_desk.switches import PAUSE_AT
from tests.chaos.campaign import found
from tests.chaos.measure import look, recovery
from tests.chaos.stage import Stage, life, stage
from tests.e2e.world import until

SEED = 9
STILL_S = 60.0
TAKEN_OVER_S = 5.0


@pytest.mark.soak
@pytest.mark.postgres
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("point", "lease"),
    [
        ("host.before_record:20", "routing"),
        ("timers.before_fire:2", None),
        ("figures.before_fold:5", "figures"),
        ("outbox.after_claim:5", None),
    ],
)
async def test_a_zombie_writes_nothing(tmp_path: Path, point: str, lease: str | None) -> None:
    async with stage(tmp_path, "postgres", nodes=2, seed=SEED) as running:
        first, second = running.nodes
        await first.process.start(switches={PAUSE_AT: point})
        await second.process.start()
        async with life(running, SEED, 5.0):
            await until(lambda: _stands_still(running), f"{point} is reached\n{running.log()}", within_s=60)
            before, at = await running.desk.read(look), time.monotonic()
            back = await recovery(running, at, before)
            await asyncio.sleep(max(0.0, at + STILL_S - time.monotonic()))
            first.process.resume()
            if lease is not None:  # a claimed effect is settled by its try; a lost lease's timers are dropped
                await until(lambda: _is_refused(tmp_path / "node-1.log", lease), "its late write is refused")
        assert await found(running) == []
        assert back.moved or lease != "routing", "the first node may hold routing beside what it stopped in"
        assert back.routing_s <= TAKEN_OVER_S, back


async def _stands_still(running: Stage) -> bool:
    return running.nodes[0].process.stands_still()


async def _is_refused(log: Path, lease: str) -> bool:
    """Whether the node says that a write of this lease's holder was refused: by its fence, or with its connection.

    What was in the middle of a transaction when the node stopped lost that transaction.
    """
    lines = (await asyncio.to_thread(log.read_text)).splitlines()
    lost = [line for line in lines if "waits for the database" in line and _names(line, lease)]
    return bool(lost) or any(f'"{lease}: fence' in line for line in lines)


def _names(line: str, lease: str) -> bool:
    return bool(json.loads(line).get("lease") == lease)
