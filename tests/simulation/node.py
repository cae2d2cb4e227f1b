"""A process of the desk: what `service_desk.app.running` starts, on the virtual loop. It can be killed anywhere."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from aiohttp import web

from service_desk import app as desk_app
from service_desk.clock import Micros
from service_desk.desk import Desk
from service_desk.errors import Unavailable
from service_desk.killpoint import Killed
from service_desk.lease import take
from service_desk.settings import Settings
from service_desk.storage.store import Store
from tests.simulation.loop import PROCESS, SimulatedClock, VirtualLoop
from tests.simulation.network import Network, Server
from tests.simulation.sockets import SOCKETS

STOP_S = 30.0
"""How long a process may take to stop."""


class Node:
    """One life of a process. `die_at`: the killpoint at whose next passing it dies."""

    def __init__(self, name: str, settings: Settings, clock: SimulatedClock, network: Network) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock
        self.dead = False
        self.die_at: str | None = None
        self.node_id = ""
        """Under which it beats; known once its leases are made."""
        self.leases: list[MovableLease] = []
        self.parts: desk_app.Running | None = None
        self.store: Store | None = None
        self._network = network
        self._app: web.Application | None = None
        self._server: Server | None = None
        self._ready: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None]
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, self)

    async def start(self) -> None:
        """Return when it answers. Raises Killed if it dies before."""
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        self._running = loop.create_task(self._run(), context=self._context)  # kept: the loop itself does not
        await self._ready

    def made_app(self, app: web.Application) -> web.Application:
        """Called with the web application before its socket servers are attached."""
        app[SOCKETS] = {}
        self._app = app
        return app

    async def _run(self) -> None:
        assert self._ready is not None
        try:
            async with desk_app.running(self.settings, self.clock) as parts:
                self.parts = parts
                assert self._app is not None
                self._server = Server(self._app, self, self._context, self._app[SOCKETS])
                self._network.servers.setdefault(self.settings.public_base, []).append(self._server)
                self._ready.set_result(None)
                await asyncio.Event().wait()
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    @property
    def desk(self) -> Desk:
        assert self.parts is not None
        return self.parts.desk

    async def stop(self) -> None:
        """As SIGTERM does; return when it has ended, or was killed over it."""
        self._leave()
        self._running.cancel()
        for _ in range(round(STOP_S * 10)):
            if self.dead or self._running.done():
                break
            await asyncio.sleep(0.1)
        else:
            raise TimeoutError(f"{self.name} has not stopped within {STOP_S:g} s")
        self.dead = True

    def kill(self) -> None:
        """As `kill -9` does: at once, with nothing said."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.bury(self)
        if self.store is not None:
            self.store._groups._undo(Unavailable("dead"))  # as the database does for a connection that broke
        self._leave()
        if self._server is not None:
            self._server.die()
        for lease in self.leases:
            lease.book.free(lease)
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(Killed())

    def _leave(self) -> None:
        """Nobody is sent here any more."""
        living = self._network.servers.get(self.settings.public_base, [])
        if self._server in living:
            living.remove(self._server)


class LeaseBook:
    """Who holds which lease. What the database does for a cluster; the fence itself is the real one, in its row."""

    def __init__(self) -> None:
        self.holders: dict[str, MovableLease] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    async def take(self, lease: "MovableLease") -> None:
        while lease.name in self.holders:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(lease.name, []).append(future)
            await future
        self.holders[lease.name] = lease

    def free(self, lease: "MovableLease") -> None:
        """It is nobody's; those who wait try again, in their order."""
        if self.holders.get(lease.name) is lease:
            del self.holders[lease.name]
            for future in self._waiting.pop(lease.name, ()):
                if not future.done():
                    future.set_result(None)

    def others_wait(self, name: str) -> bool:
        return bool(self._waiting.get(name))


class MovableLease:
    """A lease that can be taken away: its holder may not notice, and then only the fence stops it."""

    def __init__(self, name: str, desk: Desk, node: Node, book: LeaseBook) -> None:
        self.name = name
        self.book = book
        self._desk = desk
        self._node = node
        self._lost = False

    async def acquire(self) -> int:
        await self.book.take(self)
        self._lost = False
        return await self._desk.run(take, self.name, self._node.node_id)

    def held(self) -> bool:
        return not self._lost

    def look_again_at(self) -> Micros | None:
        return None

    async def release(self) -> None:
        self.book.free(self)

    def move(self, *, unnoticed: bool) -> None:
        """Somebody else gets it. An unnoticed move leaves a holder who believes in it."""
        self._lost = not unnoticed
        self.book.free(self)


class Leases:
    """In the place of the desk's own maker of leases."""

    def __init__(self, book: LeaseBook) -> None:
        self._book = book

    def __call__(self, _settings: Settings, desk: Desk, _clock: Any, node_id: str) -> "Leases.Maker":
        node = PROCESS.get()
        assert isinstance(node, Node)
        node.node_id = node_id
        return Leases.Maker(self._book, desk, node)

    class Maker:
        """One process's."""

        def __init__(self, book: LeaseBook, desk: Desk, node: Node) -> None:
            self._book, self._desk, self._node = book, desk, node

        def make(self, name: str) -> MovableLease:
            lease = MovableLease(name, self._desk, self._node, self._book)
            self._node.leases.append(lease)
            return lease

        def close(self) -> None:
            """Nothing is open."""


def die_here(name: str, on_death: Callable[[Node, str], None]) -> None:
    """In the place of `killpoint`: the process that passes may have been sentenced to die here."""
    node = PROCESS.get()
    if isinstance(node, Node) and node.die_at == name:
        node.die_at = None
        on_death(node, name)
        node.kill()
        raise Killed
