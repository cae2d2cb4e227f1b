"""Two processes on one port, and one of them dies as by `kill -9`: with its agents' consoles and every lease it had."""

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service_desk.audit import audit
from service_desk.clock import SECOND
from service_desk.realtime.presence import DEAD_AFTER
from service_desk.storage import schema
from tests.cluster.cluster import Cluster, Node, cluster
from tests.e2e.console import Console
from tests.e2e.world import add_agent, until
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import row_of, rows_of

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.timeout(120)]

LOST_S = 1
TAKEN_OVER_S = 5.0
SLACK_S = 4.0
"""For the watch's second, the timer's, and a machine that does other things too."""


async def test_a_node_dies(postgres_url: str, redis_url: str, tmp_path: Path) -> None:
    config = {**CONFIG, "lost_s": LOST_S}
    async with (
        cluster(postgres_url, redis_url, tmp_path, 2, front="port", config=config) as desk,
        contextlib.AsyncExitStack() as stack,
    ):
        doomed = await desk.holder("routing")
        (survivor,) = [node for node in desk.nodes if node is not doomed]
        for login in ("ann", "cat", "bob"):
            await add_agent(desk.world, login)
        ann = await stack.enter_async_context(console_at(desk, "ann", doomed))
        cat = await stack.enter_async_context(console_at(desk, "cat", doomed))
        bob = await stack.enter_async_context(console_at(desk, "bob", survivor))
        for one in (cat, bob):
            await one.set_state("away", "break")
        call = await served(desk, ann, "+14155550100")
        await cat.set_state("ready")
        await desk.world.call("+14155550200")
        ringing = (await cat.offer())["interaction_id"]
        await bob.set_state("ready")

        doomed.process.kill()
        died = time.monotonic()
        await routing_is_taken_over(desk, doomed, survivor, died)
        offer = await bob.offer()
        assert offer["interaction_id"] == ringing, "what rang at the dead node rings elsewhere"
        assert time.monotonic() - died < DEAD_AFTER / SECOND + LOST_S + SLACK_S
        await bob.ask("POST", f"/offers/{offer['id']}/accept", {})

        contact = await row_of(desk.world.desk, schema.interaction, call)
        assert (contact["state"], contact["agent_id"]) == ("active", ann.agent_id), "a call stays its agent's"
        said = await rows_of(desk.world.desk, schema.event, kind="agent.presence", subject=ann.agent_id)
        (reclaim,) = await rows_of(desk.world.desk, schema.timer, kind="agent_reclaim", subject=ann.agent_id)
        assert reclaim["due_at"] - said[-1]["at"] == 60 * SECOND

        async with desk.console("ann") as back:
            await back.interaction(call, "active")
            await back.ask("POST", f"/interactions/{call}/end", {})
            await back.ask("POST", f"/interactions/{call}/wrap-up", {"disposition": "done"})
        assert [row["id"] for row in await rows_of(desk.world.desk, schema.node)] == [survivor.id]
        assert await desk.world.desk.read(audit) == []


@contextlib.asynccontextmanager
async def console_at(desk: Cluster, login: str, node: Node) -> AsyncIterator[Console]:
    """The system chooses the process that takes a connection: connect until it is this one."""
    for _ in range(40):
        async with desk.console(login) as one:
            if await desk.node_of(one.agent_id) is node:
                yield one
                return
    raise AssertionError("forty connections, and none came to that process")


async def served(desk: Cluster, ann: Console, caller: str) -> str:
    """A call that ann talks to."""
    await desk.world.call(caller)
    offer = await ann.offer()
    contact = str(offer["interaction_id"])
    await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
    await ann.take_call(contact)
    await ann.interaction(contact, "active")
    return contact


async def routing_is_taken_over(desk: Cluster, doomed: Node, survivor: Node, died: float) -> None:
    """The survivor's router has decided something, and within the time."""
    (before,) = await rows_of(desk.world.desk, schema.lease, name="routing")

    async def decided() -> list[Any]:
        steps = await rows_of(desk.world.desk, schema.dispatch_step)
        return [step for step in steps if step["fence"] > before["fence"]]

    await until(decided, "the other node routes", within_s=TAKEN_OVER_S - (time.monotonic() - died))
    assert await desk.holder("routing") is survivor is not doomed
