"""`kill -9` at named points and at random, under load: nothing acknowledged is lost, the auditor finds nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa

from channels.simulator.server import running as carrier_running
from service_desk.actions import admin
from service_desk.audit import audit
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.killpoint import POINTS
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store
from tests import servers
from tests.e2e.desk_process import DeskProcess
from tests.e2e.robot import Robot
from tests.e2e.toml_file import toml
from tests.e2e.world import NUMBER, World, add_agent, carrier_settings, desk_values, until
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of

CALLS = 6
ROBOTS = ("ann", "bob")
NTH = {
    "store.before_log": 40,
    "store.before_commit": 45,
    "store.after_commit": 45,
    "intake.before_answer": 7,
    "timers.before_fire": 1,
}
"""How often a point is passed before it kills; 4 times where nothing is said."""
QUICK = {
    **CONFIG,
    "lost_s": 1,
    "reclaim_s": 5,
    "connect_s": 5,
    "queues": [{**queue, "ring_s": 5, "wrap_up_s": 5} for queue in CONFIG["queues"]],
}


@contextlib.asynccontextmanager
async def two_processes(db_url: str, tmp_path: Path) -> AsyncIterator[tuple[World, DeskProcess]]:
    """The carrier here, the desk as a process; the test's own view of the database."""
    port = servers.free_port()
    base = f"http://127.0.0.1:{port}"
    store = Store(db_url, SystemClock())
    desk = Desk(store, LocalBus(), SystemClock())
    async with carrier_running(carrier_settings(base)) as carrier, aiohttp.ClientSession() as http:
        config = tmp_path / "desk.toml"
        config.write_text(
            toml(desk_values(db_url, port, carrier.base_url, tmp_path / "var")), encoding="utf-8"
        )
        process = DeskProcess(config, base, tmp_path / "desk.log")
        world = World(base, carrier, desk, http)
        await desk.run(admin.publish_config, QUICK)
        for login in ROBOTS:
            await add_agent(world, login)
        try:
            yield world, process
        finally:
            if not process.dead():
                process.kill()
            store.close()


async def play(world: World, process: DeskProcess, kill_at: str | None, *, kill_after_s: float = 0) -> None:
    """Calls arrive, robots serve; the desk dies on the way and is started again."""
    await process.start(kill_at=kill_at)
    robots = [Robot(world, login) for login in ROBOTS]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(robot.run()) for robot in robots]
        callers = tasks.create_task(_call_in(world))
        if kill_at is None:
            await asyncio.sleep(kill_after_s)
            process.kill()
        else:
            await _wait_for_death(process, robots[0])
        assert process.exit_code == -9, process.log()
        await process.start()
        await callers
        try:
            await until(lambda: world.desk.read(_nothing_lives), "all is served", within_s=60)
        except AssertionError as error:
            error.add_note(await _what_lives(world))
            error.add_note(process.log())
            raise
        for task in running:
            task.cancel()
    await process.stop()


async def _call_in(world: World) -> None:
    """Callers who try again when the line is dead, as people do."""
    for number in range(CALLS):
        caller = None if number == 3 else f"+141555501{number:02d}"
        await world.control("POST", "/calls", {"from": caller, "to": NUMBER})
        await asyncio.sleep(0.15)


async def _wait_for_death(process: DeskProcess, robot: Robot) -> None:
    """Some points are reached only when an agent goes away for a while."""

    async def dead() -> bool:
        return process.dead()

    await asyncio.sleep(2)
    if not process.dead():
        robot.pause.set()
    await until(dead, f"the kill point is reached\n{process.log()}", within_s=30)
    robot.pause.clear()


def _nothing_lives(reader: Reader) -> bool:
    table = schema.interaction
    live = reader.scalar(sa.select(sa.func.count()).where(table.c.ended_at.is_(None)))
    return int(live) == 0


async def _what_lives(world: World) -> str:
    """For the reader of a failure: what hangs, and what its legs and agents say."""
    contacts = [row for row in await rows_of(world.desk, schema.interaction) if row["ended_at"] is None]
    lines = [
        f"{row['id']} {row['state']} agent={row['agent_id']} call={row['external_id']}" for row in contacts
    ]
    for row in contacts:
        legs = await rows_of(world.desk, schema.call_leg, interaction_id=row["id"])
        log = await rows_of(world.desk, schema.event, subject=row["id"])
        lines += [f"  leg {leg['role']} {leg['status']} in={leg['in_conference']}" for leg in legs]
        lines += [f"  event {event['kind']} {event['data']}" for event in log]
        lines.append(f"  carrier {await world.leg(row['external_id'])}")
    agents = await rows_of(world.desk, schema.agent)
    effects = await rows_of(world.desk, schema.effect)
    lines += [f"agent {row['login']} {row['chosen']} {row['reason']} lost={row['lost_at']}" for row in agents]
    lines += [f"effect {effect['kind']} {effect['state']} {effect['detail']}" for effect in effects]
    return "\n".join(lines)


def _known_calls(reader: Reader) -> set[str]:
    return {row["call_id"] for row in reader.all(sa.select(schema.call_leg.c.call_id))}


async def check(world: World) -> None:
    """The carrier's own record against the rows, then the auditor."""
    entries = world.carrier.exchange.record.after(0, 20_000, "webhook")
    acknowledged = {
        entry["form"]["CallSid"]
        for entry in entries
        if entry.get("status") == 200 and entry["url"].endswith("/voice")
    }
    known = await world.desk.read(_known_calls)
    assert acknowledged, "the carrier's record names no acknowledged call"
    assert acknowledged <= known
    findings = await world.desk.read(audit)
    assert findings == []


@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", sorted(POINTS))
async def test_kill_at_a_named_point(sqlite_url: str, tmp_path: Path, point: str) -> None:
    async with two_processes(sqlite_url, tmp_path) as (world, process):
        await play(world, process, f"{point}:{NTH.get(point, 4)}")
        await check(world)


@pytest.mark.postgres
@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", ["store.before_commit", "host.after_record", "outbox.after_effect"])
async def test_kill_at_a_named_point_on_postgres(postgres_url: str, tmp_path: Path, point: str) -> None:
    async with two_processes(postgres_url, tmp_path) as (world, process):
        await play(world, process, f"{point}:{NTH.get(point, 4)}")
        await check(world)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("after_ms", range(300, 4300, 100))
async def test_kill_at_any_moment(db_url: str, tmp_path: Path, after_ms: int) -> None:
    async with two_processes(db_url, tmp_path) as (world, process):
        await play(world, process, None, kill_after_s=after_ms / 1000)
        await check(world)
