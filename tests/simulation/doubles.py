"""Puts the doubles in their places: the libraries' clients and sockets, the lease's arbiter, the killpoints.

Nothing of the desk's own code is replaced but what chooses among these: which store, which bus, which leases.
"""

import contextlib
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import aiohttp
import socketio
from aiohttp import web

from channels.simulator import exchange
from channels.simulator.record import Record
from service_desk import app as desk_app
from service_desk.background import figures
from service_desk.bus.local import LocalBus
from service_desk.clock import SECOND
from service_desk.ports import Clock
from service_desk.realtime import engine, presence
from service_desk.storage.store import Store
from service_desk.web import routes
from service_desk.web.static import Pages
from tests.simulation.loop import PROCESS
from tests.simulation.network import Network
from tests.simulation.node import LeaseBook, Leases, Node, die_here
from tests.simulation.sockets import SocketClient, SocketServer

Death = Callable[[Node, str], None]


FIGURES_EVERY = 30 * SECOND
"""The wallboard is counted less often than by a desk that serves: that is a third of what a quiet desk does."""


class InOrder(dict[Any, None]):
    """A set that is gone through in the order in which it was filled, not by addresses in memory."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)


class SharedBus(LocalBus):
    """One for all processes, as Redis is."""

    def __init__(self) -> None:
        super().__init__()
        self._listeners = defaultdict(InOrder)  # type: ignore[arg-type]  # as far as it is used, a set


@contextlib.contextmanager
def in_place(
    network: Network, bus: SharedBus, book: LeaseBook, record: type[Record], on_death: Death, *, alone: bool
) -> Iterator[None]:
    """Until the block ends."""
    sockets: Any = partial(SocketClient, network)
    with contextlib.ExitStack() as stack:
        for place, name, double in (
            (aiohttp, "ClientSession", network.client),
            (aiohttp, "TCPConnector", lambda **_: None),
            (socketio, "AsyncClient", sockets),
            (engine, "make_server", SocketServer),
            (exchange, "Record", record),
            (desk_app, "Store", _open_store),
            (desk_app, "_bus", lambda *_: bus),
            (desk_app, "_Leases", Leases(book)),
            (desk_app, "make_app", _made_app),
            (desk_app, "listen", _listen),
            (presence.Heartbeat, "alone", property(lambda _: alone)),
            (figures, "EVERY", FIGURES_EVERY),
            (routes, "find_pages", lambda: Pages(None)),
        ):
            stack.enter_context(patch.object(place, name, double))
        for name, module in sorted(sys.modules.items()):
            ours = name.startswith("service_desk.") and name != "service_desk.killpoint"
            if ours and hasattr(module, "killpoint"):
                stack.enter_context(patch.object(module, "killpoint", partial(die_here, on_death=on_death)))
        yield


def _open_store(url: str, clock: Clock, *, node: str) -> Store:
    here = PROCESS.get()
    assert isinstance(here, Node)
    here.store = Store(url, clock, threads=False, node=node)
    return here.store


async def _listen(runner: web.AppRunner, host: str, port: int, **_: bool) -> None:
    """One listener: there are no turns of a loop to share, nor descriptors."""
    await web.TCPSite(runner, host, port).start()


def _made_app(*args: Any) -> Any:
    node = PROCESS.get()
    assert isinstance(node, Node)
    return node.made_app(routes.make_app(*args))
