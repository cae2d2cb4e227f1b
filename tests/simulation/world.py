"""A simulated day: the desk's processes, their carrier, the people, what goes wrong, and what is looked at."""

import asyncio
import json
import math
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa
from aiohttp import web

from channels.simulator.exchange import Exchange
from channels.simulator.mailboxes import Mailboxes
from channels.simulator.rest import RestApi
from service_desk.actions import admin
from service_desk.app import read_config_seed
from service_desk.clock import SECOND, Micros
from service_desk.errors import DeskError
from service_desk.killpoint import Killed
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store, migrate
from service_desk.storage.transaction import Tx
from service_desk.web.keys import DESK as DESK_KEY
from tests.quick import quick_hash
from tests.simulation import checks, people
from tests.simulation.chance import stream
from tests.simulation.customers import Customers
from tests.simulation.doubles import SharedBus
from tests.simulation.faults import Faults
from tests.simulation.loop import SimulatedClock, VirtualLoop
from tests.simulation.network import WORLD, Network, Server
from tests.simulation.node import LeaseBook, Node
from tests.simulation.options import Options
from tests.simulation.settings import (
    CARRIER,
    DATABASE_URL,
    DESK,
    MEMORY,
    SMTP_PORT,
    calling_back,
    carrier_settings,
    desk_settings,
)
from tests.simulation.supervisor import supervise
from tests.simulation.watch import Watch

PASSWORD = "correct horse battery"
HOME_S = 3 * 3600.0
"""After the arrivals end, so long is worked off what is there, without faults."""
HOME_STEP_S = 120.0
SUPERVISED_EVERY_S = 60.0
UP_AGAIN_S = 40.0
"""After a death or a moved lease: so long nothing is said of deadlines and idle agents."""


class Broken(Exception):
    """An invariant does not hold."""


class World:
    """One run. `log` is everything that can be compared between two runs of one seed."""

    def __init__(self, options: Options, folder: Path, loop: VirtualLoop) -> None:
        self.options = options
        self.folder = folder
        self.loop = loop
        self.clock = SimulatedClock(loop)
        self.network = Network(stream(options.seed, "network"))
        self.bus = SharedBus()
        self.book = LeaseBook()
        self.nodes: list[Node | None] = [None] * options.nodes
        self.log: list[str] = []
        self.broken: list[str] = []
        self.counts: Counter[str] = Counter()
        self.whole_since: Micros = 0
        self._lives = 0
        self._kept = sqlite3.connect(MEMORY, uri=True)

    # --- what happened ----------------------------------------------------------------------------------------

    def note(self, what: str) -> None:
        """One line of the log."""
        line = f"{self.loop.time():12.6f} {what}"
        self.log.append(line)
        start = self.options.trace_from_s
        if start is not None and self.loop.time() >= start:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - what it was asked for

    def breaks(self, findings: Iterable[str]) -> None:
        """An invariant does not hold: the run ends here."""
        for finding in findings:
            self.note(f"BROKEN {finding}")
            self.broken.append(f"at {self.loop.time():.3f} s: {finding}")
        if self.broken:
            raise Broken(self.broken[0])

    def died(self, node: Node, where: str) -> None:
        """A process is dead."""
        self.faults.died(node, where)

    def disturbed(self) -> None:
        """For a while, deadlines may be missed."""
        self.whole_since = self.clock.now() + round(UP_AGAIN_S * SECOND)

    @property
    def whole(self) -> bool:
        """Whether every process has been up for a while."""
        return all(node is not None and not node.dead for node in self.nodes) and (
            self.clock.now() >= self.whole_since
        )

    # --- the run ----------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """From the morning to the end. Raises Broken."""
        migrate(DATABASE_URL)
        self.keeper = Store(DATABASE_URL, self.clock, threads=False)
        await self._open_carrier()
        await self._open_desk()
        await self._begin_work()
        watch = Watch(self)
        watching = asyncio.create_task(watch.run())
        going_on = [
            asyncio.create_task(self.customers.come(self.options.per_hour)),
            asyncio.create_task(self._supervise()),
        ]
        if self.options.faults:
            going_on.append(asyncio.create_task(self.faults.run()))
        end_s = min(self.options.hours * 3600, self.options.until_s or math.inf)
        await self._until(end_s, watching, *going_on)
        for task in going_on:
            task.cancel()
        if self.options.until_s is None:
            await self.faults.end()
            await self._go_home(watching)
            watch.check_end()

    async def _until(self, end_s: float, *watched: "asyncio.Task[Any]") -> None:
        """Let time pass; what breaks in a watched task breaks the run."""
        rest = asyncio.create_task(asyncio.sleep(max(0.0, end_s - self.loop.time())))
        done, _ = await asyncio.wait({rest, *watched}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task is not rest:
                task.result()
        if not rest.done():
            await self._until(end_s, *(task for task in watched if not task.done()))

    async def _go_home(self, watching: "asyncio.Task[Any]") -> None:
        """Work off what is there; who still has something after `HOME_S` has it for ever."""
        latest = self.loop.time() + HOME_S
        while self.loop.time() < latest and (self.customers.any or self.keeper.read(checks.any_open_end)):
            await self._until(self.loop.time() + HOME_STEP_S, watching)

    async def _open_carrier(self) -> None:
        settings = carrier_settings(self.options.seed)
        self.exchange = Exchange(settings)
        assert isinstance(self.exchange.record, checks.Ledger)
        self.ledger = self.exchange.record
        self.exchange.messaging.base_url = CARRIER
        assert settings.mail is not None
        self.mailboxes = Mailboxes(settings.mail, self.ledger)
        await self.mailboxes.start()
        app = web.Application()
        RestApi(self.exchange).add_to(app)
        app.freeze()
        self.network.servers[CARRIER] = [Server(app, None, WORLD)]

    async def _open_desk(self) -> None:
        self.keeper.run(admin.seed, calling_back(read_config_seed()))
        for number in range(self.options.nodes):
            await self.start_node(number)

    async def start_node(self, number: int) -> None:
        """A new life of a process; one that dies while it starts is started again."""
        while True:
            self._lives += 1
            name = f"node{number}.{self._lives}"
            node = Node(name, desk_settings(number, self.folder), self.clock, self.network)
            self.nodes[number] = node
            try:
                await node.start()
            except Killed:
                self.note(f"{node.name} died while it started")
                continue
            self.note(f"{node.name} is up")
            self.disturbed()
            return

    async def _begin_work(self) -> None:
        password_hash = quick_hash(PASSWORD)
        logins = [f"agent{number:02d}" for number in range(self.options.agents)]

        def add(tx: Tx) -> None:
            for login in logins:
                admin.add_user(tx, login=login, name=login.title(), password_hash=password_hash, role="agent")

        self.keeper.run(add)
        self.robot_faults = people.HeardFaults()
        self.agents = people.hire(
            DESK, logins, PASSWORD, self.clock, self.exchange, self.robot_faults, self.options.seed
        )
        self.at_work = [asyncio.create_task(agent.run()) for agent in self.agents]
        self.faults = Faults(self, stream(self.options.seed, "faults"))
        self.customers = Customers(
            self.options.seed,
            self.clock,
            self.exchange,
            self.mailboxes,
            self._mail_port,
            self.broken,
            self.robot_faults,
        )

    def _mail_port(self) -> int | None:
        """Where the desk takes mail now: at the door of one of its processes."""
        living = [n for n, node in enumerate(self.nodes) if node is not None and node.parts and not node.dead]
        return SMTP_PORT + self.network.random.choice(living) if living else None

    # --- the supervisor ---------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        """Now and then somebody moves, assigns or prefers a contact, or sends an agent for a break."""
        chance = stream(self.options.seed, "supervisor")
        while True:
            await asyncio.sleep(chance.expovariate(1 / SUPERVISED_EVERY_S))
            try:
                server = self.network.pick(DESK)
                done = await server.perform(supervise(server.app[DESK_KEY], chance))
            except (DeskError, aiohttp.ClientError) as error:
                done = type(error).__name__
            self.counts[f"supervisor: {done}"] += 1

    # --- what can be compared ---------------------------------------------------------------------------------

    def history(self) -> list[str]:
        """The log, and after it every event, decision, effect and what the carrier recorded."""

        def read(reader: Reader) -> list[str]:
            lines = []
            for table in (schema.event, schema.dispatch_step, schema.effect):
                key = table.primary_key.columns[0]
                rows = reader.all(sa.select(table).order_by(key))
                lines += [f"{table.name} {json.dumps(dict(row), sort_keys=True)}" for row in rows]
            return lines

        carrier = [f"carrier {json.dumps(line, sort_keys=True)}" for line in self.ledger.lines]
        return [*self.log, *self.keeper.read(read), *carrier]
