"""Two equal nodes on one PostgreSQL and one Redis: whatever happens on one is on the screens of the other."""

import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from channels.simulator.server import running as carrier_running
from service_desk.actions import admin, nodes
from service_desk.app import running
from service_desk.clock import SECOND
from service_desk.queries import live
from service_desk.realtime import presence
from service_desk.settings import load_settings
from service_desk.storage import schema
from tests import servers
from tests.e2e.console import Console, console
from tests.e2e.world import World, add_agent, carrier_settings, desk_values, until
from tests.service_desk import reducer
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of
from tests.service_desk.realtime.raw import raw
from tests.service_desk.storage.two_nodes import faults

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


@contextlib.asynccontextmanager
async def cluster(db_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[World, World]]:
    """One carrier, two desks; the carrier's webhooks go to the first."""
    ports = [servers.free_port(), servers.free_port()]
    bases = [f"http://127.0.0.1:{port}" for port in ports]
    async with contextlib.AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(carrier_running(carrier_settings(bases[0])))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        worlds = []
        for port, base in zip(ports, bases, strict=True):
            values: dict[str, Any] = desk_values(db_url, port, carrier.base_url, tmp_path / str(port))
            secret = {"key": "k" * 40}
            settings = load_settings(None, **values, redis_url=redis_url, secrets=secret)
            parts = await stack.enter_async_context(running(settings))
            worlds.append(World(base, carrier, parts.desk, http, parts))
        await worlds[0].desk.run(admin.publish_config, CONFIG)
        yield worlds[0], worlds[1]


async def same_as_snapshot(desk: World, one: Console) -> None:
    async def same() -> bool:
        fresh = (await desk.desk.read(live.snapshot, one.agent_id)).model_dump(mode="json")
        return reducer.comparable(one.state) == reducer.comparable(fresh)

    await until(same, "the console shows what is", within_s=10)


async def test_a_call_on_one_node_rings_on_the_other(
    postgres_url: str, own_redis_server: servers.RedisServer, tmp_path: Path
) -> None:
    async with cluster(postgres_url, own_redis_server.url, tmp_path) as (first, second):
        await add_agent(first, "ann")
        async with console(second, "ann") as ann:
            started = time.monotonic()
            await first.call("+14155550100")
            offer = await ann.offer()
            assert time.monotonic() - started < 3
            contact = offer["interaction_id"]
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            await ann.take_call(contact)
            await ann.interaction(contact, "active")
            await ann.ask("POST", f"/interactions/{contact}/end", {})
            await ann.ask("POST", f"/interactions/{contact}/wrap-up", {"disposition": "done"})

            # Without Redis: a little later, but nothing is lost.
            own_redis_server.stop()
            ann.state["offers"] = {}
            await first.call("+14155550200")
            offer = await ann.offer()
            own_redis_server.start()
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            await ann.ask("POST", f"/interactions/{offer['interaction_id']}/end", {})
            await same_as_snapshot(first, ann)

            async def healed() -> bool:
                return first.desk.bus.degraded is None and second.desk.bus.degraded is None

            await until(healed, "the bus is healed", within_s=10)
        assert await faults(first.desk) == []


async def test_signing_out_on_one_node_closes_the_socket_on_the_other(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with cluster(postgres_url, redis_url, tmp_path) as (first, second):
        await add_agent(first, "ann")
        async with console(first, "ann") as ann, raw(second, http=ann._http) as far:
            assert (await far.sign_in()).startswith("40")
            await far.hear('42["snapshot"')
            started = time.monotonic()
            await ann.ask("DELETE", "/session")
            await far.hear('42["bye"', within_s=2)
            await until(far_is_closed(far), "the far socket closes", within_s=3)
            assert time.monotonic() - started < 3
            async with raw(second, http=ann._http) as again:
                assert "unauthenticated" in await again.sign_in()


def far_is_closed(far: Any) -> Any:
    async def closed() -> bool:
        return bool(far.closed.is_set())

    return closed


async def test_a_chat_on_one_node_with_an_agent_on_the_other(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with cluster(postgres_url, redis_url, tmp_path) as (first, second):
        await add_agent(first, "ann")
        async with console(second, "ann") as ann, raw(first, "chat") as page:
            assert (await page.sign_in({"widget": "demo"})).startswith("40")
            await page.hear('42["chat"')
            await page.ask(1, "open", {"key": "k1", "text": "hello from afar"})
            offer = await ann.offer()
            contact = offer["interaction_id"]
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            await page.hear('42["status",{"state":"active"')
            await ann.ask("POST", f"/interactions/{contact}/messages", {"text": "hello back"})
            await page.hear('42["entry"')
            await page.ask(2, "say", {"key": "k2", "text": "and on"})

            async def heard() -> bool:
                return any(entry["text"] == "and on" for entry in ann.state["entries"].values())

            await until(heard, "the agent reads it")
            await same_as_snapshot(second, ann)


async def test_a_visitor_who_moves_between_nodes_is_there(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Pages on two nodes: both see the chat, and only the last one that goes takes the visitor away."""
    async with cluster(postgres_url, redis_url, tmp_path) as (first, second):
        await add_agent(first, "ann")

        async def online() -> bool | None:
            (row,) = await rows_of(first.desk, schema.interaction)
            return bool(row["visitor_online"])

        async def pages_left(count: int) -> None:
            async def left() -> bool:
                return len(await rows_of(first.desk, schema.visitor_connection)) == count

            await until(left, f"{count} pages", within_s=5)

        async with console(second, "ann"), raw(second, "chat") as far:
            async with raw(first, "chat") as near:
                await near.sign_in({"widget": "demo"})
                token = json.loads((await near.hear('42["chat"'))[2:])[1]["token"]
                await far.sign_in({"widget": "demo", "token": token})
                await far.hear('42["chat"')
                await near.ask(1, "open", {"key": "k1", "text": "hello from here"})
                await far.hear('42["chat",{"chat_id":"vis_')
                await near.ask(2, "say", {"key": "k2", "text": "and on"})
                await far.hear('42["entry"')
                assert (await far.ask(1, "sync", {}))["chat"]["entries"][-1]["text"] == "and on"
                await pages_left(2)
            await pages_left(1)
            assert await online()
            assert await rows_of(first.desk, schema.timer, kind="visitor_idle") == []
            await far.close()
            await pages_left(0)
            assert not await online()
            assert len(await rows_of(first.desk, schema.timer, kind="visitor_idle")) == 1


async def test_the_agents_of_a_node_that_falls_silent_are_given_up(
    postgres_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node stops beating: its sockets count as closed, and what rang there rings elsewhere."""
    monkeypatch.setattr(presence, "DEAD_AFTER", 2 * SECOND)
    async with cluster(postgres_url, redis_url, tmp_path) as (first, second):
        await first.desk.run(admin.publish_config, {**CONFIG, "lost_s": 1})
        await add_agent(first, "ann")
        await add_agent(first, "bob")
        async with console(first, "ann") as ann, console(second, "bob") as bob:
            await bob.set_state("away", "break")
            await first.call("+14155550100")
            offer = await ann.offer()
            await bob.set_state("ready")
            assert len(await rows_of(second.desk, schema.node)) == 2
            assert first.parts is not None
            assert first.parts.consoles is not None
            silent, beat = first.parts.consoles._node_id, nodes.beat
            monkeypatch.setattr(
                nodes, "beat", lambda tx, node, roles: False if node == silent else beat(tx, node, roles)
            )
            started = time.monotonic()
            taken_over = await bob.offer()
            assert taken_over["interaction_id"] == offer["interaction_id"]
            assert time.monotonic() - started < 2 + 1 + 3
