"""Longer than a normal run has time for: nginx in front, and three nodes that die and come back under load."""

import asyncio
import random
from pathlib import Path

import pytest
import sqlalchemy as sa

from service_desk.audit import audit
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.cluster.cluster import Cluster, cluster
from tests.e2e.robot import Robot
from tests.e2e.world import NUMBER, add_agent, until
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of
from tests.service_desk.realtime.raw import raw

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.soak, pytest.mark.timeout(600)]

KILLS = 8
ROBOTS = ("ann", "bob", "cat", "dan")
PACE_S = 0.5
QUICK = {
    **CONFIG,
    "lost_s": 1,
    "reclaim_s": 5,
    "connect_s": 5,
    "queues": [{**queue, "ring_s": 5, "wrap_up_s": 5} for queue in CONFIG["queues"]],
}


async def test_through_nginx(postgres_url: str, redis_url: str, tmp_path: Path) -> None:
    """Sockets, webhooks and requests pass; what is not for the world does not; a dead node is passed over."""
    async with cluster(postgres_url, redis_url, tmp_path, 2, front="nginx") as desk:
        for login in ("ann", "bob"):
            await add_agent(desk.world, login)
        async with (
            desk.console("ann") as ann,
            desk.console("bob") as bob,
            raw(desk.world, "chat") as page,
        ):
            await bob.set_state("away", "break")
            assert (await page.sign_in({"widget": "demo"})).startswith("40")
            await page.ask(1, "open", {"key": "k1", "text": "hello"})
            chat = await ann.offer()
            await ann.ask("POST", f"/offers/{chat['id']}/accept", {})
            await ann.ask("POST", f"/interactions/{chat['interaction_id']}/messages", {"text": "hello back"})
            await page.hear('42["entry"')
            await desk.world.call("+14155550100")
            await bob.set_state("ready")
            offer = await bob.offer()
            await bob.ask("POST", f"/offers/{offer['id']}/accept", {})
            await bob.take_call(offer["interaction_id"])
            await bob.interaction(offer["interaction_id"], "active")
        hook = f"{desk.world.base}/hooks/phone/phone-main/voice"
        async with desk.world.http.post(hook, data=b"x" * 400_000) as answer:
            assert answer.status == 413
        for path in ("/metrics", "/health", "/health/ready"):
            async with desk.world.http.get(desk.world.base + path) as answer:
                assert answer.status == 404, path
        desk.nodes[0].process.kill()
        for _ in range(20):
            async with desk.world.http.get(f"{desk.world.base}/widget/config?widget=demo") as answer:
                assert answer.status < 500


@pytest.mark.parametrize("seed", [1, 2])
async def test_three_nodes_die_and_come_back(
    postgres_url: str, redis_url: str, tmp_path: Path, seed: int
) -> None:
    """Calls go on all the time; each kill takes whichever node the seed says. Nothing is lost, nothing hangs."""
    chance = random.Random(seed)
    async with cluster(postgres_url, redis_url, tmp_path, 3, front="port", config=QUICK) as desk:
        for login in ROBOTS:
            await add_agent(desk.world, login)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(Robot(desk.world, login).run()) for login in ROBOTS]
            running.append(tasks.create_task(call_in(desk)))
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(1, 5))
                node = chance.choice(desk.nodes)
                node.process.kill()
                await asyncio.sleep(chance.uniform(0, 6))
                await node.process.start()
            running.pop().cancel()
            await until(
                lambda: desk.world.desk.read(nothing_lives), f"all is served, seed {seed}", within_s=120
            )
            for task in running:
                task.cancel()
        acknowledged = {
            entry["form"]["CallSid"]
            for entry in desk.world.carrier.exchange.record.after(0, 20_000, "webhook")
            if entry.get("status") == 200 and entry["url"].endswith("/voice")
        }
        known = {row["call_id"] for row in await rows_of(desk.world.desk, schema.call_leg)}
        assert len(acknowledged) > KILLS, f"seed {seed}"
        assert acknowledged <= known, f"seed {seed}"
        findings = await desk.world.desk.read(audit)
        assert findings == [], f"seed {seed}"


async def call_in(desk: Cluster) -> None:
    """A caller now and then, until cancelled."""
    number = 0
    while True:
        number += 1
        await desk.world.control("POST", "/calls", {"from": f"+1415556{number:04d}", "to": NUMBER})
        await asyncio.sleep(PACE_S)


def nothing_lives(reader: Reader) -> bool:
    table = schema.interaction
    return not reader.scalar(sa.select(sa.func.count()).where(table.c.ended_at.is_(None)))
