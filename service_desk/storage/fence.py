"""A lease's fence, checked inside the transaction of each write that its holder makes."""

import sqlalchemy as sa

from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Foreseen, Tx

LEASE = schema.lease
_FENCE = Prepared(
    sa.select(LEASE.c.fence).where(LEASE.c.name == sa.bindparam("lease")).with_for_update(read=True)
)


class Fenced(Exception):
    """Somebody else holds the lease now: stop deciding."""


def fence_of(name: str) -> Foreseen:
    """What `check_fence` asks."""
    return Foreseen(_FENCE, {"lease": name})


def check_fence(tx: Tx, name: str, fence: int) -> None:
    """Raise Fenced unless `fence` is the newest; holds the row against a taker until the commit."""
    current = tx.scalar(_FENCE, {"lease": name})
    if current != fence and not planted("stale_fence_passes"):
        raise Fenced(f"{name}: fence {fence} is over, {current} holds")
