"""Nodes: the processes that hold people's sockets, and what becomes of the sockets of one that is gone.

Beats are by the database's clock, which all nodes share: a node whose own clock is wrong is neither taken for dead nor
kept alive by it.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from service_desk.actions import agents, pages, sockets
from service_desk.clock import Micros
from service_desk.errors import Unavailable
from service_desk.storage import schema
from service_desk.storage.database_clock import database_now
from service_desk.storage.fence import check_fence
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

NODE = schema.node
_KNOWN = Prepared(
    sa.select(NODE.c.id).where(NODE.c.id == sa.bindparam("node")).with_for_update(read=True, key_share=True)
)


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


def open_consoles(tx: Tx, node_id: str, arrivals: Sequence[sockets.Arrival]) -> None:
    """Consoles' sockets opened on this node. Unavailable if it is not known, or not any more."""
    _must_be_known(tx, node_id)
    sockets.opened(tx, node_id, arrivals)


def open_page(tx: Tx, visitor_id: str, sid: str, node_id: str) -> str | None:
    """A visitor's page opened on this node; their newest chat. Unavailable if it is not known, or not any more."""
    _must_be_known(tx, node_id)
    return pages.opened(tx, visitor_id, sid, node_id)


def _must_be_known(tx: Tx, node_id: str) -> None:
    """A farewell or a burial waits for who opens a socket, and the other way round: none is left without its node.

    Locked as by a foreign key, so that beats go on.
    """
    if tx.scalar(_KNOWN, {"node": node_id}) is None:
        raise Unavailable("This node is not known to the others now: connect again.")


def _silent(silence: Micros) -> tuple[sa.ColumnElement[bool]]:
    return (NODE.c.beat_at < database_now() - silence,)


def _drop_sockets(tx: Tx, node_id: str) -> None:
    agents.drop_sockets(tx, node_id)
    pages.drop_pages(tx, node_id)
