"""One run from its start to its audit: a carrier here, the desk as a process, customers, robot agents, a ledger."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import sqlalchemy as sa

from channels.simulator.server import running as carrier_running
from service_desk.actions import admin
from service_desk.bus.local import LocalBus
from service_desk.clock import SECOND, SystemClock
from service_desk.desk import Desk
from service_desk.domain import interaction as life
from service_desk.storage import schema
from service_desk.storage.groups import STREAMS
from service_desk.storage.store import Reader, Store
from service_desk.storage.transaction import Tx
from tests import servers
from tests.chaos.agents import RobotAgent
from tests.chaos.ledger import Ledger, carrier_file, write_run
from tests.chaos.load import Load, Plan, rough_outside
from tests.e2e.desk_process import DeskProcess
from tests.e2e.toml_file import toml
from tests.e2e.world import NUMBER, OURS, PASSWORD, World, carrier_settings, desk_values
from tests.quick import quick_hash
from tests.service_desk.conftest import CONFIG

QUICK: dict[str, Any] = {
    **CONFIG,
    "lost_s": 1,
    "reclaim_s": 5,
    "connect_s": 5,
    "queues": [{**queue, "ring_s": 5, "wrap_up_s": 1, "decline_pause_s": 1} for queue in CONFIG["queues"]],
}
"""Every time-out as short as the configuration lets it be."""
LOGINS = ("ann", "bob", "cid", "dan", "eve", "fay")
ROOT = Path(__file__).resolve().parents[2]
SIGNED_IN_S = 60.0
SOON = 2 * SECOND
"""An effect that is due later than this waits for good reason, and the run does not wait for it."""


@dataclass(slots=True)
class Stage:
    """What plays in one run. `folder` holds the ledger."""

    world: World
    process: DeskProcess
    folder: Path
    db_url: str
    mail_port: int
    switches: Mapping[str, str]

    async def start(self) -> None:
        """The desk, with the run's switches."""
        await self.process.start(switches=self.switches)


@contextlib.asynccontextmanager
async def stage(
    db_url: str, folder: Path, *, seed: int, switches: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Stage]:
    """The carrier runs, the desk is configured and not started yet."""
    port, mail_port = servers.free_port(), servers.free_port()
    base = f"http://127.0.0.1:{port}"
    write_run(folder, database_url=db_url, seed=seed, switches=dict(switches))
    store = Store(db_url, SystemClock())
    desk = Desk(store, LocalBus(), SystemClock())
    settings = carrier_settings(base, mail_port=mail_port, record_file=carrier_file(folder), seed=seed)
    async with carrier_running(settings) as carrier, aiohttp.ClientSession() as http:
        assert carrier.mailboxes is not None
        values = desk_values(
            db_url,
            port,
            carrier.base_url,
            folder / "var",
            mail_port=mail_port,
            relay_port=carrier.mailboxes.port,
        )
        (folder / "desk.toml").write_text(toml(values), encoding="utf-8")
        process = DeskProcess(folder / "desk.toml", base, folder / "desk.log")
        world = World(base, carrier, desk, http)
        await desk.run(admin.publish_config, QUICK)
        await desk.run(hire, quick_hash(PASSWORD))
        try:
            yield Stage(world, process, folder, db_url, mail_port, switches)
        finally:
            if not process.dead():
                process.kill()
            store.close()


def hire(tx: Tx, password_hash: str, queues: list[str] | None = None) -> None:
    """Everybody has the same password: to hash it takes a while, on purpose. Without queues: all of them."""
    for login in LOGINS:
        name = login.title()
        admin.add_user(tx, login=login, name=name, password_hash=password_hash, role="agent", queues=queues)


@dataclass(frozen=True, slots=True)
class Plot:
    """What happens in a run. `kill`: `kill -9` in the middle of the load; `zombie`: a former lease holder writes.

    Without `slips` nobody misses anything, and nothing is waited for that only time brings: seconds less.
    """

    seed: int = 1
    per_second: float = 20.0
    seconds: float = 3.0
    slips: bool = True
    kill: bool = False
    zombie: bool = False
    still_s: float = 7.0
    """So long nothing happens before what is still under way counts as stuck: longer than any time-out of `QUICK`."""


async def play(on: Stage, plot: Plot) -> None:
    """The load and what befalls it, then rest, and everybody's last look."""
    seed = plot.seed
    base = on.world.base
    with Ledger(on.folder, "load-1") as load_book, Ledger(on.folder, "agents-1") as agent_book:
        await on.start()
        plan = Plan(seed, plot.per_second, plot.seconds, (base,), (NUMBER,), (on.mail_port,), OURS)
        rough_outside(on.world.carrier)
        load = Load(plan, on.world.carrier, load_book)
        robots = [RobotAgent(on.world, login, agent_book, seed, slips=plot.slips) for login in LOGINS]
        shifts = [asyncio.create_task(robot.run()) for robot in robots]
        await _all_at_work(robots)
        coming = asyncio.create_task(load.run())
        if plot.kill:
            await asyncio.sleep(plot.seconds / 2)
            on.process.kill()
            await on.start()
        await coming
        await load.stop()
        await _all_at_work(robots)
        load_book.note("load", **load.counts)
        await settled(on.world.desk, plot.still_s)
        if plot.zombie:
            load_book.note("zombie", exit_code=await _wake_zombie(on))
        for robot in robots:
            robot.stop()
        await asyncio.gather(*shifts)
        if plot.slips:
            await _everybody_lost(on.world.desk, plot.still_s)
    on.world.carrier.exchange.faults.replace([])
    if not on.process.dead():
        await on.process.stop()


async def _all_at_work(robots: Sequence[RobotAgent]) -> None:
    """Until all are connected and ready. TimeoutError when somebody is not: a run without them proves little."""
    async with asyncio.timeout(SIGNED_IN_S):
        for robot in robots:
            await robot.at_work.wait()


async def _everybody_lost(desk: Desk, within_s: float) -> None:
    """Wait until the desk has noticed that all have gone home: their timers are the last that can be lost."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while loop.time() < deadline and await desk.read(_is_anybody_here):
        await asyncio.sleep(0.1)


def _is_anybody_here(reader: Reader) -> bool:
    here = sa.select(schema.agent.c.id).where(schema.agent.c.lost_at.is_(None))
    return reader.first(here.limit(1)) is not None


async def _wake_zombie(on: Stage) -> int:
    command = [sys.executable, "-m", "tests.chaos.zombie", on.db_url]
    woken = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env={**os.environ, **on.switches})
    return await woken.wait()


async def settled(desk: Desk, still_s: float, most_s: float = 90.0) -> bool:
    """Wait until nothing is under way. False if something is and yet nothing happens: the auditor says what."""
    loop = asyncio.get_running_loop()
    end = loop.time() + most_s
    seen, changed_at, quiet = -1, loop.time(), 0
    while quiet < 3:
        position, at_rest = await desk.read(look)
        if position != seen:
            seen, changed_at = position, loop.time()
        if loop.time() > min(end, changed_at + still_s):
            return False
        quiet = quiet + 1 if at_rest else 0
        await asyncio.sleep(0.1)
    return True


def look(reader: Reader) -> tuple[int, bool]:
    """How much has happened, and whether nothing is under way."""
    row = reader.first(sa.select(*(schema.positions.c[name] for name in STREAMS)))
    assert row is not None, "made with the schema"
    happened: int = sum(row[name] for name in STREAMS)
    return happened, is_quiet(reader)


def is_quiet(reader: Reader) -> bool:
    """No contact runs, no effect is due soon, every follower has read everything."""
    contact, effect, positions = schema.interaction, schema.effect, schema.positions
    live = sa.select(contact.c.id).where(contact.c.ended_at.is_(None), contact.c.state != life.PARKED)
    due = sa.select(effect.c.position).where(effect.c.done_at.is_(None), effect.c.due_at < reader.now + SOON)
    if reader.first(live.limit(1)) is not None or reader.first(due.limit(1)) is not None:
        return False
    cursors = {row["name"]: row["position"] for row in reader.all(sa.select(schema.cursor))}
    last = reader.first(sa.select(positions))
    assert last is not None, "made with the schema"
    behind = cursors.get("routing", 0) < last["command"] or cursors.get("figures", 0) < last["event"]
    return not behind
