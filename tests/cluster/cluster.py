"""A desk of several real processes on one PostgreSQL and one Redis, with the carrier in the test's own process."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import aiohttp
import sqlalchemy as sa

from channels.simulator.server import running as carrier_running
from service_desk.actions import admin
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.storage import schema
from service_desk.storage.store import Store
from tests import servers
from tests.cluster.balancer import Balancer, balancing
from tests.cluster.nginx import NGINX_HINT, find_nginx, nginx_in_front
from tests.e2e.console import Console
from tests.e2e.desk_process import DeskProcess
from tests.e2e.toml_file import toml
from tests.e2e.world import World, carrier_settings, desk_values, until
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of


class Node:
    """One process; `world` reaches it alone."""

    def __init__(self, world: World, process: DeskProcess, log: Path) -> None:
        self.world = world
        self.process = process
        self._log = log

    def lines(self) -> list[dict[str, Any]]:
        """What it logged so far."""
        text = self._log.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    @property
    def id(self) -> str:
        """Its newest process's name for itself."""
        return next(str(line["node"]) for line in reversed(self.lines()) if line["event"] == "starts")


@dataclass
class Cluster:
    """`world` is what people and the carrier see: any node, whichever it happens to be."""

    world: World
    nodes: list[Node]
    balancer: Balancer | None

    async def holder(self, lease: str) -> Node:
        """The node that holds it."""

        async def held() -> list[Node]:
            holders = {row["holder"] for row in await rows_of(self.world.desk, schema.lease, name=lease)}
            return [node for node in self.nodes if node.id in holders]

        return (await until(held, f"somebody holds {lease}"))[0]

    async def node_of(self, agent_id: str) -> Node:
        """Where the agent's newest socket is."""
        rows = await rows_of(self.world.desk, schema.connection, agent_id=agent_id)
        newest = max(rows, key=lambda row: row["connected_at"])
        return next(node for node in self.nodes if node.id == newest["node_id"])

    @contextlib.asynccontextmanager
    async def console(self, login: str, node: Node | None = None) -> AsyncIterator[Console]:
        """A ready agent with their socket at a node, and HTTP requests at whichever node comes."""
        jar = aiohttp.CookieJar(unsafe=True)
        world = self.world if node is None else node.world
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            one = Console(world, http, api=self.world.base)
            await one.sign_in(login)
            await one.connect()
            await one.set_state("ready")
            yield one
            if one.io.connected:
                await one.io.disconnect()


@contextlib.asynccontextmanager
async def cluster(
    db_url: str,
    redis_url: str,
    tmp_path: Path,
    count: int,
    *,
    front: Literal["balancer", "port", "nginx"] = "balancer",
    config: dict[str, Any] | None = None,
) -> AsyncIterator[Cluster]:
    """`count` nodes with all roles, behind a balancer or nginx, or on one port, where the system chooses."""
    outside, ports = servers.free_port(), [servers.free_port() for _ in range(count)]
    base = f"http://127.0.0.1:{outside}"
    bases = [base if front == "port" else f"http://127.0.0.1:{port}" for port in ports]
    desk = Desk(Store(db_url, SystemClock()), LocalBus(), SystemClock())
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(desk.store.close)
        carrier = await stack.enter_async_context(carrier_running(carrier_settings(base)))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        world = World(base, carrier, desk, http)
        values = desk_values(db_url, outside, carrier.base_url, tmp_path / "var")
        values |= {"redis_url": redis_url, "secrets": {"key": "k" * 40}}
        values["server"] |= {"public_base": base, "allowed_origins": bases}
        file = tmp_path / "desk.toml"
        file.write_text(toml(values), encoding="utf-8")
        await desk.run(admin.publish_config, config or CONFIG)
        nodes = []
        for number, own in enumerate(bases):
            log = tmp_path / f"node{number}.log"
            environment = {} if front == "port" else {"SERVICE_DESK_SERVER__PORT": str(ports[number])}
            process = DeskProcess(file, own, log, environment)
            nodes.append(Node(replace(world, base=own), process, log))
            stack.callback(_end, process)
        balancer = None
        if front == "balancer":
            balancer = await stack.enter_async_context(balancing(outside, bases))
        elif front == "nginx":
            program = servers.required(find_nginx(), NGINX_HINT)
            addresses = [f"127.0.0.1:{port}" for port in ports]
            stack.enter_context(nginx_in_front(program, tmp_path, outside, addresses))
        await asyncio.gather(*(node.process.start() for node in nodes))
        await until(lambda: _live(desk, count), f"{count} nodes live")
        yield Cluster(world, nodes, balancer)


def _end(process: DeskProcess) -> None:
    if not process.dead():
        process.kill()


async def _live(desk: Desk, count: int) -> bool:
    nodes = await desk.read(lambda reader: reader.scalar(sa.select(sa.func.count()).select_from(schema.node)))
    return int(nodes) == count
