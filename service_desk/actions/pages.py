"""The pages of chat visitors: a row for each open one and its node. A visitor is there while any is open anywhere.

Visitors are locked before their chats: of pages that come and go at once on two nodes, each sees what the other did.
"""

import sqlalchemy as sa

from service_desk.actions.chats import visitor_online
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx

PAGE = schema.visitor_connection
VISITOR = schema.visitor
INTERACTION = schema.interaction
_ANY_PAGE = Prepared(sa.select(PAGE.c.sid).where(PAGE.c.visitor_id == sa.bindparam("visitor")).limit(1))


def opened(tx: Tx, visitor_id: str, sid: str, node_id: str) -> str | None:
    """A page connected; the visitor's newest chat, if they had one."""
    visitor = tx.get_for_update(VISITOR, visitor_id)
    if visitor is not None and tx.get(PAGE, sid) is None:
        values = {"sid": sid, "node_id": node_id, "visitor_id": visitor_id, "connected_at": tx.now}
        tx.add(PAGE, values)
    return _show(tx, visitor)


def closed(tx: Tx, sid: str) -> str | None:
    """A page went; the visitor's newest chat, if they had one. Without a page for too long, the chat is over."""
    page = tx.get(PAGE, sid)
    if page is None:
        return None
    visitor = tx.get_for_update(VISITOR, page["visitor_id"])
    tx.write(sa.delete(PAGE).where(PAGE.c.sid == sid))
    return _show(tx, visitor)


def look_again(tx: Tx, visitor_id: str) -> None:
    """Let the visitor's chat show what their pages say: the last one may have gone while it was opened."""
    _show(tx, tx.get_for_update(VISITOR, visitor_id))


def drop_pages(tx: Tx, node_id: str) -> None:
    """A node is gone, and with it its pages."""
    of_node = PAGE.c.node_id == node_id
    found = tx.all(sa.select(PAGE.c.visitor_id).where(of_node).distinct().order_by(PAGE.c.visitor_id))
    visitors = [tx.get_for_update(VISITOR, row["visitor_id"]) for row in found]
    tx.write(sa.delete(PAGE).where(of_node))
    for visitor in visitors:
        _show(tx, visitor)


def find_absent(tx: Tx) -> None:
    """Chats that are said to have somebody there, and no page is open: of an older version, or of a crash."""
    here = sa.select(PAGE.c.sid).join(VISITOR, VISITOR.c.id == PAGE.c.visitor_id)
    rows = tx.all(
        sa.select(INTERACTION.c.id)
        .where(
            INTERACTION.c.channel == "web_chat",
            INTERACTION.c.ended_at.is_(None),
            INTERACTION.c.visitor_online,
            ~here.where(VISITOR.c.interaction_id == INTERACTION.c.id).exists(),
        )
        .order_by(INTERACTION.c.id)
    )
    for row in rows:
        visitor_online(tx, row["id"], online=False)


def _show(tx: Tx, visitor: Row | None) -> str | None:
    if visitor is None or visitor["interaction_id"] is None:
        return None
    chat: str = visitor["interaction_id"]
    visitor_online(tx, chat, online=tx.scalar(_ANY_PAGE, {"visitor": visitor["id"]}) is not None)
    return chat
