"""Nodes: the processes that hold people's sockets, and what becomes of the sockets of one that is gone.

Beats are by the database's clock, which all nodes share: a node whose own clock is wrong is neither taken for dead nor
kept alive by it.
"""

import sqlalchemy as sa

from service_desk.actions import agents, pages
from service_desk.clock import Micros
from service_desk.storage import schema
from service_desk.storage.database_clock import database_now
from service_desk.storage.fence import check_fence
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

NODE = schema.node


def beat(tx: Tx, node_id: str, roles: str) -> bool:
    """This node lives; True if nobody knew."""
    if tx.write(sa.update(NODE).where(NODE.c.id == node_id).values(beat_at=database_now())):
        return False
    row = {"id": node_id, "started_at": database_now(), "beat_at": database_now(), "roles": roles}
    tx.write(sa.insert(NODE).values(row))
    return True


def leave(tx: Tx, node_id: str) -> None:
    """A node ends, and with it its sockets."""
    tx.write(sa.delete(NODE).where(NODE.c.id == node_id))
    _drop_sockets(tx, node_id)


def bury(tx: Tx, node_id: str, silence: Micros, lease: str, fence: int) -> bool:
    """Declare a node dead that did not beat for `silence`; False if it has beaten after all.

    A beat and a burial at the same moment wait for each other at the node's row: the later one sees what the other did.
    """
    check_fence(tx, lease, fence)
    if not tx.write(sa.delete(NODE).where(NODE.c.id == node_id, *_silent(silence))):
        return False
    _drop_sockets(tx, node_id)
    return True


def stay_alone(tx: Tx, node_id: str) -> None:
    """This node is the only one that there can be (one process on SQLite): every other is dead."""
    for row in tx.all(sa.select(NODE.c.id).where(NODE.c.id != node_id).order_by(NODE.c.id)):
        leave(tx, row["id"])
    pages.find_absent(tx)


def silent_nodes(reader: Reader, silence: Micros) -> list[str]:
    """Nodes that did not beat for so long."""
    return [
        row["id"] for row in reader.all(sa.select(NODE.c.id).where(*_silent(silence)).order_by(NODE.c.id))
    ]


def _silent(silence: Micros) -> tuple[sa.ColumnElement[bool]]:
    return (NODE.c.beat_at < database_now() - silence,)


def _drop_sockets(tx: Tx, node_id: str) -> None:
    agents.drop_sockets(tx, node_id)
    pages.drop_pages(tx, node_id)
