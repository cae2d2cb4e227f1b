"""Nodes say that they live; the sockets of a node that fell silent are taken for closed."""

from collections.abc import Awaitable, Callable

import sqlalchemy as sa
import structlog

from service_desk.actions.agents import drop_node
from service_desk.actions.chats import all_visitors_left
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.errors import DeskError
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

NODE = schema.node
BEAT_EVERY: Micros = SECOND
DEAD_AFTER: Micros = 5 * SECOND

log = structlog.get_logger(__name__)


async def start_node(desk: Desk, node_id: str, *, alone: bool) -> None:
    """Enter this node. A node that is alone by design (SQLite) knows that all others are dead."""
    await desk.run(beat, node_id)
    if alone:
        await desk.run(all_visitors_left)
        for other in await desk.read(nodes_silent_since, desk.clock.now() + 1):
            if other != node_id:
                await desk.run(drop_node, other)


async def stop_node(desk: Desk, node_id: str) -> None:
    """Leave cleanly."""
    await desk.run(drop_node, node_id)


async def keep_beating(desk: Desk, node_id: str, register_again: Callable[[], Awaitable[None]]) -> None:
    """Beat once a second and bury the dead, until cancelled. Burying twice changes nothing.

    A node that could not beat itself for a while (the database was away) judges nobody until it has beaten for
    as long as others are given; one that was buried meanwhile enters its open sockets again.
    """
    steady_since = desk.clock.now()
    while True:
        try:
            if await desk.run(beat, node_id):
                log.warning("this node was taken for dead and registers its sockets again")
                await register_again()
            now = desk.clock.now()
            if now - steady_since > DEAD_AFTER:
                for other in await desk.read(nodes_silent_since, now - DEAD_AFTER):
                    log.warning("node is silent", node=other)
                    await desk.run(drop_node, other)
        except DeskError as error:
            log.warning("no heartbeat", reason=error.detail)
            steady_since = desk.clock.now()
        await desk.clock.sleep_until(desk.clock.now() + BEAT_EVERY)


def beat(tx: Tx, node_id: str) -> bool:
    """This node lives; True if nobody knew."""
    if tx.write(sa.update(NODE).where(NODE.c.id == node_id).values(beat_at=tx.now)):
        return False
    tx.write(sa.insert(NODE), {"id": node_id, "started_at": tx.now, "beat_at": tx.now})
    return True


def nodes_silent_since(reader: Reader, instant: Micros) -> list[str]:
    """Nodes whose last beat lies before an instant."""
    return [row["id"] for row in reader.all(sa.select(NODE.c.id).where(NODE.c.beat_at < instant))]
