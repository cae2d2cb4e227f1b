"""What a restored desk must not believe of the moment in which it was backed up."""

import sqlalchemy as sa

from service_desk.actions import nodes, pages, search_index, sockets
from service_desk.backup.archive import Manifest
from service_desk.domain.effects import DialCustomer, SendMessage
from service_desk.storage import schema
from service_desk.storage.transaction import Tx

CONNECTION = schema.connection
EFFECT = schema.effect
LEASE = schema.lease


def settle(tx: Tx, manifest: Manifest, *, moved: bool) -> None:
    """No node, socket or lease lives; what was waiting to be sent may have been sent since, unless it `moved`."""
    _bury_nodes(tx)
    pages.find_absent(tx)
    tx.write(sa.update(LEASE).values(expires_at=0))
    tx.write(sa.delete(schema.cursor).where(schema.cursor.c.name == search_index.CURSOR))
    if not moved:
        _doubt_sends(tx)
    tx.audit(
        "desk.restored",
        "desk",
        made_at=manifest.made_at,
        release=manifest.release,
        schema_version=manifest.schema_version,
        moved=moved,
    )


def _bury_nodes(tx: Tx) -> None:
    """Agents whose consoles were open get their moment to come back, as after the death of a node."""
    for row in tx.all(sa.select(schema.node.c.id).order_by(schema.node.c.id)):
        nodes.leave(tx, row["id"])
    sockets.closed(tx, [row["sid"] for row in tx.all(sa.select(CONNECTION.c.sid))])


def _doubt_sends(tx: Tx) -> None:
    """The desk that was backed up ran on and may have sent these, or called these customers.

    Texts and calls are looked up, mails are left to a person.
    """
    tx.write(
        sa.update(EFFECT)
        .where(EFFECT.c.kind.in_((SendMessage.KIND, DialCustomer.KIND)), EFFECT.c.done_at.is_(None))
        .values(
            unsure=True,
            started_at=sa.func.coalesce(EFFECT.c.started_at, EFFECT.c.created_at),
            tried_at=sa.func.coalesce(EFFECT.c.tried_at, EFFECT.c.created_at),
        )
    )
