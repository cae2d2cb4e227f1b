"""Wires the parts of one process together and runs them until it is told to stop."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import structlog
from aiohttp import web

from channels.contract import AccountId, CallControl, Channel, MailDoor
from channels.load import find
from service_desk.actions import admin
from service_desk.background.figures import Figures
from service_desk.background.indexer import Indexer
from service_desk.background.loop_lag import watch_loop
from service_desk.background.outbox import Outbox
from service_desk.background.retention import Retention, ages
from service_desk.background.sending import MessageSender
from service_desk.background.sweep import CallSweep
from service_desk.background.text_sweep import TextSweep
from service_desk.background.timers import Timers
from service_desk.blobs.files import FileBlobs, open_blobs
from service_desk.bus.local import LocalBus
from service_desk.clock import SECOND, SystemClock
from service_desk.desk import Desk
from service_desk.dispatch.host import RoutingHost
from service_desk.domain.access import Principal
from service_desk.errors import Unauthenticated
from service_desk.ids import new_id
from service_desk.intake import Intake
from service_desk.lease import DatabaseLease, Lease, SoleLease
from service_desk.logs import name_node
from service_desk.mailroom import Mailroom, SignsThreads, thread_tokens
from service_desk.ports import Bus, Clock
from service_desk.realtime.door import Door
from service_desk.realtime.engine import set_compression
from service_desk.realtime.fanout import Fanout
from service_desk.realtime.gate import SocketGate
from service_desk.realtime.presence import Heartbeat, NodeWatch
from service_desk.realtime.server import LiveServer
from service_desk.realtime.visitors import ChatServer
from service_desk.settings import Settings, signing_key
from service_desk.storage.store import Store
from service_desk.switches import switched_on
from service_desk.web.bodies import REQUEST_LINE_BYTES
from service_desk.web.listening import listen
from service_desk.web.routes import make_app
from service_desk.web.security import client_address
from service_desk.web.sessions import SESSIONS

SHUTDOWN_S = 0.4
COLLECTOR = (20_000, 10, 1_000)
"""New objects until the collector looks at the young ones, how often until at those that were left, and until at all.

Fewer at a time are shorter stops, but more of them: with 5,000 a freed agent's offer came after 60 to 150 ms (p99)
instead of 40 to 85. With 50 young ones in between, the dead connections of a storm were a stop of 0.7 s."""
SWITCH_S = 0.0005
CONFIG_SEED = "queues.example.toml"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Running:
    """What runs in this process; tests look in."""

    desk: Desk
    address: str
    host: RoutingHost | None
    outbox: Outbox | None
    consoles: LiveServer | None
    visitors: ChatServer | None


async def serve(settings: Settings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Run until SIGTERM, SIGINT or cancellation; `on_ready` gets the address when requests are answered."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as parts:
        settle_interpreter()
        if on_ready is not None:
            on_ready(parts.address)
        await stop.wait()


def settle_interpreter() -> None:
    """For a process that serves: the collector comes less often, a waiting thread gets the interpreter sooner.

    Nothing that start-up made is looked at again; half a millisecond instead of five is what a thread waits.

    Measured with 50 contacts a second: a tenth less CPU, and the median from webhook to offer at a third.
    """
    gc.collect()
    gc.freeze()
    gc.enable()  # a start is quicker without it
    gc.set_threshold(*COLLECTOR)
    sys.setswitchinterval(SWITCH_S)


@contextlib.asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Running]:
    """Everything that this process's roles ask for, started in order and stopped in the reverse one."""
    clock = clock or SystemClock()
    node_id = new_id("nod", clock.now())
    name_node(node_id)
    for variable, said in switched_on().items():
        log.warning("a test's switch is on: this desk fails on purpose", variable=variable, says=said)
    log.info("starts", roles=",".join(settings.roles), pid=os.getpid())
    set_compression(on=settings.ws_compress)
    async with contextlib.AsyncExitStack() as stack:
        desk = await stack.enter_async_context(_desk(settings, clock, node_id))
        for words in settings.without_account(await desk.read(lambda reader: reader.config.accounts())):
            log.warning("an account is missing", says=words)
        heartbeat = Heartbeat(desk, node_id, settings.roles)
        await stack.enter_async_context(heartbeat.entered())
        channels = await stack.enter_async_context(_channels(settings))
        leases = _Leases(settings, desk, clock, node_id)
        stack.push_async_callback(leases.close)
        tasks = await stack.enter_async_context(_Tasks(clock))
        tasks.start(partial(watch_loop, desk))
        parts = Running(desk, "", None, None, None, None)
        if not heartbeat.alone:
            tasks.start(heartbeat.run)
        blobs = open_blobs(settings)
        if "route" in settings.roles:
            parts.host = RoutingHost(desk, leases.make("routing"))
            tasks.start(parts.host.run)
            tasks.start(Timers(desk, leases.make("timers"), _phones(channels)).run)
            tasks.start(Figures(desk, leases.make("figures")).run)
            tasks.start(Indexer(desk, leases.make("search")).run)
            if not heartbeat.alone:
                tasks.start(NodeWatch(desk, leases.make("nodes"), heartbeat).run)
            tasks.start(Retention(desk, leases.make("retention"), ages(settings)).run)
        if "send" in settings.roles:
            phones = _phones(channels)
            by_account = {channel.account: channel for channel in channels.values()}
            sender = MessageSender(desk, by_account, blobs)
            parts.outbox = Outbox(desk, leases.make("outbox"), phones, sender)
            tasks.start(parts.outbox.run)
            tasks.start(CallSweep(desk, leases.make("sweep"), phones).run)
            tasks.start(TextSweep(desk, leases.make("text_sweep"), by_account).run)
        if "web" in settings.roles:
            await stack.enter_async_context(_mail(desk, channels, blobs))
            await stack.enter_async_context(_web(settings, desk, channels, node_id, heartbeat, parts))
        yield parts


def _bus(settings: Settings, clock: Clock) -> Bus:
    """Redis where it is named. It is imported only then: that takes a tenth of a second of every start."""
    if settings.redis_url is None:
        return LocalBus()
    from service_desk.bus.redis import RedisBus  # noqa: PLC0415 - see above

    return RedisBus(settings.redis_url.get_secret_value(), clock)


@contextlib.asynccontextmanager
async def _desk(settings: Settings, clock: Clock, node_id: str) -> AsyncIterator[Desk]:
    """Store and bus; the first start publishes the seed of the configuration."""
    url = settings.database_url.get_secret_value()
    store = Store(url, clock, node=node_id)
    bus = _bus(settings, clock)
    await bus.start()
    desk = Desk(store, bus, clock)
    try:
        await desk.run(admin.seed, read_config_seed())
        yield desk
    finally:
        await bus.close()
        store.close()


def read_config_seed() -> dict[str, Any]:
    """The configuration that an empty database starts with: from the wheel, else from the source tree."""
    here = Path(__file__).resolve().parent
    for folder in (here / "_config", here.parent / "config"):
        path = folder / CONFIG_SEED
        if path.is_file():
            return tomllib.loads(path.read_text(encoding="utf-8"))
    raise FileNotFoundError(
        f"{CONFIG_SEED} is neither in the package nor in the source tree: install it again"
    )


@contextlib.asynccontextmanager
async def _channels(settings: Settings) -> AsyncIterator[dict[tuple[str, str], Channel]]:
    opened: dict[tuple[str, str], Channel] = {}
    try:
        for name, accounts in settings.accounts.items():
            plugin = find(name)
            for account, given in accounts.items():
                channel = plugin.open(AccountId(account), given, settings.public_base)
                if isinstance(channel, SignsThreads):
                    channel.sign_with(thread_tokens(signing_key(settings)))
                opened[name, account] = channel
        yield opened
    finally:
        for channel in opened.values():
            await channel.close()


def _phones(channels: dict[tuple[str, str], Channel]) -> dict[AccountId, CallControl]:
    """The channels that have calls to control."""
    return {channel.account: channel for channel in channels.values() if isinstance(channel, CallControl)}


class _Leases:
    """A lease per name; on PostgreSQL each with a connection of its own."""

    def __init__(self, settings: Settings, desk: Desk, clock: Clock, node_id: str) -> None:
        self._settings = settings
        self._desk = desk
        self._clock = clock
        self._node_id = node_id
        self._made: list[DatabaseLease] = []

    def make(self, name: str) -> Lease:
        held = self._desk.measures.lease_held.labels(name)
        if self._desk.store.dialect == "sqlite":
            held.set(1)
            return SoleLease(name, self._desk, self._node_id)
        lease = DatabaseLease(
            name, self._settings.database_url.get_secret_value(), self._node_id, self._clock
        )
        held.set_function(lease.held)
        self._made.append(lease)
        return lease

    async def close(self) -> None:
        """All at once: each may wait for a statement that the database does not answer."""
        await asyncio.gather(*(lease.close() for lease in self._made))


class _Tasks:
    """Background work: what stops by a fault is logged and starts again; all is cancelled at the end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(self._keep(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                return await work()
            except Exception:
                log.exception("background work starts again")
                await self._clock.sleep_until(self._clock.now() + SECOND)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _mail(
    desk: Desk, channels: dict[tuple[str, str], Channel], blobs: FileBlobs
) -> AsyncIterator[None]:
    """The SMTP doors of this process's mailboxes."""
    mailroom = Mailroom(desk, blobs)
    async with _Tasks(desk.clock) as tasks:
        for channel in channels.values():
            if isinstance(channel, MailDoor):
                mailroom.serve(channel.account, channel)
                tasks.start(channel.run)
        try:
            yield
        finally:
            mailroom.close()


@contextlib.asynccontextmanager
async def _web(
    settings: Settings,
    desk: Desk,
    channels: dict[tuple[str, str], Channel],
    node_id: str,
    heartbeat: Heartbeat,
    parts: Running,
) -> AsyncIterator[None]:
    """HTTP, sockets and their fan-out."""
    intake = Intake(desk)
    app = make_app(desk, settings, channels, intake)
    consoles = LiveServer(desk, node_id, identify, settings.is_own_origin)
    visitors = ChatServer(desk, node_id, intake, settings.is_own_origin)
    consoles.attach(app)
    visitors.attach(app)
    gate = SocketGate(
        {"live": consoles.may_open, "chat": visitors.may_open}, client_address, {"live": Door(identify_all)}
    )
    gate.install(app)
    fanout = Fanout(desk, consoles, visitors)
    desk.measures.fanout_cursor = lambda: fanout.cursor
    heartbeat.when_buried += [consoles.register_again, visitors.register_again]
    async with _Tasks(desk.clock) as tasks:
        tasks.start(fanout.run)
        tasks.start(fanout.push_boards)
        tasks.start(visitors.push_positions)
        tasks.start(consoles.check_sessions)
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=SHUTDOWN_S,
            auto_decompress=False,
            max_line_size=REQUEST_LINE_BYTES,
        )
        await runner.setup()
        await listen(runner, settings.server.host, settings.server.port, shared=not heartbeat.alone)
        parts.address, parts.consoles, parts.visitors = _address(runner, settings), consoles, visitors
        try:
            yield
        finally:
            await consoles.close()
            await visitors.close()
            await runner.cleanup()


async def identify(request: web.Request) -> Principal | None:
    """Who a socket's handshake comes from, by its session cookie."""
    try:
        session = await request.app[SESSIONS].of(request)
    except Unauthenticated:
        return None
    return session.principal


async def identify_all(requests: Sequence[web.Request]) -> list[Principal | None]:
    """As `identify`, of many handshakes with one question."""
    return await requests[0].app[SESSIONS].principals(requests)


def _address(runner: web.AppRunner, settings: Settings) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}" if settings.server.port == 0 else settings.public_base
