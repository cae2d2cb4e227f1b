"""What stands before the nodes: one address for HTTP and one for mail, led to nodes that say that they can work.

It is as simple as a balancer can be: it asks each node's /health and takes turns among those that can work. If none
can, because the database is away, it takes those that live: they have words for callers. Connections to a node that
does not answer at all are cut. A desk behind it needs nothing of it but that.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from tests.chaos.proxy import TcpProxy
from tests.e2e.desk_process import DeskProcess

LOOK_EVERY_S = 0.2
ABLE = 200
SILENT_S = 2.0
"""A node whose /health takes longer gets no more connections, and loses those it has."""


@dataclass(frozen=True, slots=True)
class Node:
    """A process of the desk and its doors."""

    name: str
    process: DeskProcess
    http_port: int
    mail_port: int


class Front:
    """`async with` runs it; `nodes` may be filled afterwards. `http` and `mail` are its doors."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._turn = itertools.count()
        self._health: dict[str, int | None] = {}
        self.http = TcpProxy(lambda: self._next(lambda node: node.http_port))
        self.mail = TcpProxy(lambda: self._next(lambda node: node.mail_port))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Front"]:
        async with self.http, self.mail:
            yield self

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Keep asking the nodes."""
        looking = [asyncio.create_task(self._look(node)) for node in self._nodes]
        try:
            yield
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)

    def is_well(self, node: Node) -> bool:
        """Whether it can work."""
        return self._health.get(node.name) == ABLE

    def _next(self, port: Callable[[Node], int]) -> int | None:
        living = [node for node in self._nodes if self._health.get(node.name) is not None]
        chosen = [node for node in living if self.is_well(node)] or living
        return port(chosen[next(self._turn) % len(chosen)]) if chosen else None

    async def _look(self, node: Node) -> None:
        while True:
            health = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SILENT_S):
                    health = None if node.process.dead() else await node.process.health()
            if health is None and self._health.get(node.name) is not None:
                self.http.cut(node.http_port)
                self.mail.cut(node.mail_port)
            self._health[node.name] = health
            await asyncio.sleep(LOOK_EVERY_S)
