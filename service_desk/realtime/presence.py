"""Nodes say that they live; the sockets of a node that fell silent are taken for closed."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import structlog

from service_desk.actions import nodes
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.errors import DeskError
from service_desk.lease import Lease, hold_and_work

BEAT_EVERY: Micros = SECOND
DEAD_AFTER: Micros = 5 * SECOND

log = structlog.get_logger(__name__)


class Heartbeat:
    """Tells that this process lives, whatever its roles.

    `steady_s`: for how many seconds it has done so without a gap. One that could not beat itself (the database was
    away, the process stood still) knows nothing of the others: they had the same trouble.
    """

    def __init__(self, desk: Desk, node_id: str, roles: Sequence[str]) -> None:
        self._desk = desk
        self._node_id = node_id
        self._roles = ",".join(roles)
        self._since = self._beaten_at = desk.clock.monotonic()
        self._buried = False
        self.when_buried: list[Callable[[], Awaitable[None]]] = []

    @contextlib.asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Known to the others from the start to the end. On SQLite all others are dead, for there are none."""
        await self._desk.run(nodes.beat, self._node_id, self._roles)
        if self.alone:
            await self._desk.run(nodes.stay_alone, self._node_id)
        try:
            yield
        finally:
            try:
                await self._desk.run(nodes.leave, self._node_id)
            except DeskError as error:
                log.warning("left without a word; the others will find out", reason=error.detail)

    @property
    def alone(self) -> bool:
        """Whether no other node can be there, by design."""
        return self._desk.store.dialect == "sqlite"

    @property
    def steady_s(self) -> float:
        now = self._desk.clock.monotonic()
        return now - self._since if now - self._beaten_at <= DEAD_AFTER / SECOND else 0.0

    async def run(self) -> None:
        """Beat once a second until cancelled; one that was buried meanwhile enters its open sockets again."""
        clock = self._desk.clock
        while True:
            try:
                if await self._desk.run(nodes.beat, self._node_id, self._roles):
                    log.warning("this node was taken for dead and registers its sockets again")
                    self._buried = True
                if self._buried:  # until all of them are in, also if the database goes away on the way
                    for register in self.when_buried:
                        await register()
                    self._buried = False
                self._has_beaten()
            except DeskError as error:
                log.warning("no heartbeat", reason=error.detail)
            await clock.sleep_until(clock.now() + BEAT_EVERY)

    def _has_beaten(self) -> None:
        now = self._desk.clock.monotonic()
        if now - self._beaten_at > DEAD_AFTER / SECOND:
            self._since = now
        self._beaten_at = now


class NodeWatch:
    """Buries nodes that fell silent: one node does, the one that holds the lease, by the database's clock."""

    def __init__(self, desk: Desk, lease: Lease, heartbeat: Heartbeat) -> None:
        self._desk = desk
        self._lease = lease
        self._heartbeat = heartbeat

    async def run(self) -> None:
        """Hold the lease and watch, until cancelled."""
        await hold_and_work(self._lease, self._desk.clock, self._watch)

    async def _watch(self, fence: int) -> None:
        clock = self._desk.clock
        while self._lease.held():
            if self._heartbeat.steady_s > DEAD_AFTER / SECOND:
                for node in await self._desk.read(nodes.silent_nodes, DEAD_AFTER):
                    if await self._desk.run(nodes.bury, node, DEAD_AFTER, self._lease.name, fence):
                        log.warning("node is dead", dead=node)
            await clock.sleep_until(clock.now() + BEAT_EVERY)
