"""One node of a race: a store and a desk of its own, which does what it is told at the instant it is told.

A line of JSON comes in for each batch: the instant of its start by the machine's monotonic clock, which all processes
share, and acts with their offsets. A line goes out: what each was told and after how long.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any

from service_desk.app import settle_interpreter
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.storage.store import Store
from tests.races.kinds import ACTS, Scene, Told, told


async def perform(desk: Desk, act: str, scene: Scene, at: float) -> Told:
    """One act at its instant."""
    loop = asyncio.get_running_loop()
    start = loop.create_future()
    loop.call_at(at, start.set_result, None)
    await start
    action, args, actor = ACTS[act](scene)
    began = loop.time()
    try:
        outcome: Any = await desk.run(action, *args, actor=actor)
    except Exception as error:  # noqa: BLE001 - whatever it was is told to who judges
        outcome = error
    return told(outcome, loop.time() - began)


def say(line: str) -> None:
    """To who started us."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(url: str) -> None:
    """Serve batches until the input ends."""
    clock = SystemClock()
    store = Store(url, clock)
    desk = Desk(store, LocalBus(), clock)
    loop = asyncio.get_running_loop()
    settle_interpreter()
    say("ready")
    try:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            batch = json.loads(line)
            acts = [
                perform(desk, act, Scene(*scene), batch["at"] + offset)
                for act, scene, offset in batch["acts"]
            ]
            outcomes = await asyncio.gather(*acts)
            say(json.dumps([asdict(outcome) for outcome in outcomes]))
    finally:
        store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
