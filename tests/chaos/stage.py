"""Everything that runs in a campaign: database, Redis, proxies, nodes behind a front, carrier, agents."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
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
from service_desk.storage.store import Reader, Store, migrate
from tests import servers
from tests.chaos.agents import RobotAgent
from tests.chaos.clocks import WallClock
from tests.chaos.front import Front, Node
from tests.chaos.ledger import Ledger, carrier_file, write_run
from tests.chaos.load import ROUGH, Load, Plan
from tests.chaos.proxy import TcpProxy
from tests.chaos.scene import LOGINS, QUICK, hire, settled
from tests.e2e.desk_process import DeskProcess
from tests.e2e.toml_file import toml
from tests.e2e.world import NUMBER, OURS, PASSWORD, World, carrier_settings, desk_values
from tests.quick import quick_hash

Kind = Literal["sqlite", "postgres"]

CRASH_SAFE = {"synchronous_commit": "on"}
"""What is committed survives a crash of the server; that of the machine is not played, so nothing is synced."""
UNSERVED = "sales"
"""The queue that no agent has."""
RULES: dict[str, Any] = {
    **QUICK,
    "alerts": [
        {
            "id": f"crowd-{many}",
            "name": f"{many} wait",
            "figure": "waiting",
            "raise_at": many,
            "clear_at": many - 1,
            "raise_s": 0,
            "clear_s": 0,
        }
        for many in (1, 2, 4, 8, 16, 32)
    ],
}
"""Short times, so that within seconds much becomes due; alerts, one of which comes or goes however many wait."""
AGENTS = 4
ENDLESS_S = 1e9
UNDER_WAY_MOST = 40
"""Customers at one time. While the desk is away they all try again several times a second: more would be a storm."""
CLAIMED_S = 25.0
"""What was under way when a process died is taken up again within 20 s: so long nothing may happen at the end."""


@dataclass(slots=True)
class Database:
    """Where the desk keeps its rows. `own_url` is the test's own way to it, past the proxy."""

    kind: Kind
    own_url: str
    url: str
    file: Path | None = None
    server: servers.PostgresServer | None = None
    proxy: TcpProxy | None = None


@dataclass(slots=True)
class Redis:
    """Beside PostgreSQL only."""

    server: servers.RedisServer
    proxy: TcpProxy | None

    @property
    def url(self) -> str:
        """As the nodes reach it."""
        return self.server.url if self.proxy is None else f"redis://127.0.0.1:{self.proxy.port}/0"


@dataclass(slots=True)
class Stage:
    """The running parts."""

    world: World
    folder: Path
    database: Database
    redis: Redis | None
    nodes: Sequence[Node]
    front: Front
    clocks: dict[str, WallClock]
    """Each node's wall clock, by name, where a plan steps it."""

    @property
    def desk(self) -> Desk:
        """The test's own eyes and hands in the database; it serves nobody."""
        return self.world.desk

    async def start(self, **more: Any) -> None:
        """Every node, one after the other."""
        for node in self.nodes:
            await node.process.start(**more)

    def living(self) -> list[Node]:
        return [node for node in self.nodes if not node.process.dead()]

    async def holder(self, lease: str = "routing") -> Node:
        """The node that holds a lease: ids grow with time, so their order is that of the processes' starts."""
        living = sorted(self.living(), key=lambda node: node.process.started_at)
        ids, holder = await self.desk.read(_holders, lease)
        order = dict(zip(sorted(ids)[-len(living) :], living, strict=False))
        return order.get(holder or "", living[0])

    def log(self) -> str:
        """The end of each node's log, for the reader of a failure."""
        return "\n".join(f"--- {node.name}\n{node.process.log()}" for node in self.nodes)


def _holders(reader: Reader, lease: str) -> tuple[list[str], str | None]:
    """The ids of the nodes that beat, and who holds the lease."""
    ids = [row["id"] for row in reader.all(sa.select(schema.node.c.id))]
    return ids, reader.scalar(sa.select(schema.lease.c.holder).where(schema.lease.c.name == lease))


@contextlib.contextmanager
def databases(kind: Kind, folder: Path, *, network: bool) -> Iterator[tuple[Database, Redis | None]]:
    """A migrated database, with Redis where there may be several nodes; with proxies before them for `network`."""
    if kind == "sqlite":
        file = folder / "desk.sqlite3"
        url = f"sqlite:///{file}"
        migrate(url)
        yield Database(kind, url, url, file=file), None
        return
    programs = servers.required(servers.find_postgres(), servers.POSTGRES_HINT)
    program = servers.required(servers.find_redis(), servers.REDIS_HINT)
    with servers.postgres_server(programs, CRASH_SAFE) as server, servers.redis_server(program) as redis:
        server.execute("CREATE DATABASE desk")
        migrate(server.url("desk"))
        own_url = url = server.url("desk")
        database_proxy = redis_proxy = None
        if network:
            database_proxy = TcpProxy(lambda: server.port, servers.free_port())
            redis_proxy = TcpProxy(lambda: redis.port, servers.free_port())
            url = own_url.replace(f":{server.port}/", f":{database_proxy.port}/")
        yield (
            Database(kind, own_url, url, server=server, proxy=database_proxy),
            Redis(redis, redis_proxy),
        )


@contextlib.asynccontextmanager
async def stage(
    folder: Path,
    kind: Kind,
    *,
    nodes: int = 1,
    seed: int,
    clocks: bool = False,
    network: bool = False,
) -> AsyncIterator[Stage]:
    """All parts but the nodes' processes, which the caller starts. On SQLite there is one node."""
    assert kind == "postgres" or nodes == 1, "an SQLite file takes one server"
    async with contextlib.AsyncExitStack() as stack:
        database, redis = stack.enter_context(databases(kind, folder, network=network))
        for proxy in (database.proxy, None if redis is None else redis.proxy):
            if proxy is not None:
                await stack.enter_async_context(proxy)
        made: list[Node] = []
        front = await stack.enter_async_context(Front(made).running())
        base = f"http://127.0.0.1:{front.http.port}"
        carrier = await stack.enter_async_context(
            carrier_running(
                carrier_settings(
                    base,
                    mail_port=front.mail.port,
                    record_file=carrier_file(folder),
                    seed=seed,
                )
            )
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        store = Store(database.own_url, SystemClock())
        stack.callback(store.close)
        desk = Desk(store, LocalBus(), SystemClock())
        world = World(base, carrier, desk, http)
        await desk.run(admin.publish_config, RULES)
        key = secrets.token_hex(32)
        names = [f"node-{number}" for number in range(1, nodes + 1)]
        own = {name: WallClock(folder / f"{name}.clock") for name in names} if clocks else {}
        made += [_node(name, folder, database, redis, world, key, own.get(name)) for name in names]
        stack.callback(_kill_all, made)
        found = Stage(world, folder, database, redis, made, front, own)
        queues = [queue["id"] for queue in QUICK["queues"] if queue["id"] != UNSERVED]
        await desk.run(hire, quick_hash(PASSWORD), queues)
        write_run(folder, seed=seed, database_url=database.own_url, nodes=nodes)
        await stack.enter_async_context(front.watching())
        yield found


def _node(
    name: str,
    folder: Path,
    database: Database,
    redis: Redis | None,
    world: World,
    key: str,
    clock: WallClock | None,
) -> Node:
    port, mail_port = servers.free_port(), servers.free_port()
    assert world.carrier.mailboxes is not None, "the carrier takes mail"
    values = desk_values(
        database.url,
        port,
        world.carrier.base_url,
        folder / "var",
        mail_port=mail_port,
        relay_port=world.carrier.mailboxes.port,
    )
    values["server"]["public_base"] = world.base
    values["secrets"] = {"key": key}
    if redis is not None:
        values["redis_url"] = redis.url
    config = folder / f"{name}.toml"
    config.write_text(toml(values), encoding="utf-8")
    process = DeskProcess(config, f"http://127.0.0.1:{port}", folder / f"{name}.log")
    process.environment |= {} if clock is None else clock.environment
    return Node(name, process, port, mail_port)


def _kill_all(nodes: Sequence[Node]) -> None:
    for node in nodes:
        if not node.process.dead():
            node.process.kill()


@contextlib.asynccontextmanager
async def life(stage: Stage, seed: int, per_second: float) -> AsyncIterator[None]:
    """Customers come and agents work until the block ends; then customers stop coming and all is brought to an end."""
    world = stage.world
    with Ledger(stage.folder, "load-1") as load_book, Ledger(stage.folder, "agents-1") as agent_book:
        plan = Plan(
            seed,
            per_second,
            ENDLESS_S,
            (world.base,),
            (NUMBER,),
            (stage.front.mail.port,),
            OURS,
            under_way_most=UNDER_WAY_MOST,
        )
        world.carrier.exchange.faults.replace(list(ROUGH))
        load = Load(plan, world.carrier, load_book)
        robots = [RobotAgent(world, login, agent_book, seed) for login in LOGINS[:AGENTS]]
        shifts = [asyncio.create_task(robot.run()) for robot in robots]
        coming = asyncio.create_task(load.run())
        try:
            yield
            coming.cancel()
            await load.stop()
            load_book.note("load", **load.counts)
            await settled(world.desk, CLAIMED_S)
            for robot in robots:
                robot.stop()
            await asyncio.gather(*shifts)
        finally:
            for task in (coming, *shifts):
                task.cancel()
            await asyncio.gather(coming, *shifts, return_exceptions=True)
            world.carrier.exchange.faults.replace([])
