"""Keeping the books of the outbox."""

import sqlalchemy as sa

from service_desk.clock import SECOND, Micros
from service_desk.domain import interaction as life
from service_desk.domain.effects import ConnectCall, PutBackCall
from service_desk.storage import schema
from service_desk.storage.fence import check_fence, fence_of
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Foreseen, Row, Tx, locked

EFFECT = schema.effect
CLAIM: Micros = 20 * SECOND
_CONTACT_OF_EFFECT = Prepared(
    sa.select(schema.interaction.c.attempts, schema.interaction.c.state)
    .join(EFFECT, EFFECT.c.subject == schema.interaction.c.id)
    .where(EFFECT.c.position == sa.bindparam("position"))
)
ENDS = frozenset({"confirmed", "failed", "dropped"})


def claim(tx: Tx, position: int, lease: str, fence: int) -> bool:
    """Take an effect for one try; False if it is done, or nobody wants it any more.

    The due time moves on, so that a claim whose process died is found again, with its outcome unknown.
    """
    tx.foresee(
        fence_of(lease), locked(EFFECT, position), Foreseen(_CONTACT_OF_EFFECT, {"position": position})
    )
    check_fence(tx, lease, fence)
    row = tx.get_for_update(EFFECT, position)
    if row is None or row["done_at"] is not None:
        return False
    if not _wanted(tx, row):
        tx.update(EFFECT, position, state="dropped", done_at=tx.now)
        return False
    tx.update(EFFECT, position, state="sent", attempts=row["attempts"] + 1, due_at=tx.now + CLAIM)
    return True


def settle(tx: Tx, position: int, attempt: int, state: str, detail: str | None, again_at: Micros) -> bool:
    """Keep the outcome of the nth attempt; `ready` and `unknown` are tried again at `again_at`.

    False if it comes too late: the claim ran out and somebody else has tried since.
    """
    row = tx.get_for_update(EFFECT, position)
    if row is None or row["done_at"] is not None or row["attempts"] != attempt:
        return False
    done_at = tx.now if state in ENDS else None
    tx.update(EFFECT, position, state=state, detail=detail, done_at=done_at, due_at=again_at)
    return True


def _wanted(tx: Tx, row: Row) -> bool:
    """Connecting and putting back are for one turn of the interaction; it may have moved on."""
    if row["kind"] not in (ConnectCall.KIND, PutBackCall.KIND):
        return True
    contact = tx.first(_CONTACT_OF_EFFECT, {"position": row["position"]})
    if contact is None or contact["attempts"] != row["data"]["turn"]:
        return False
    states = {life.CONNECTING, life.ACTIVE} if row["kind"] == ConnectCall.KIND else life.WAITING
    return contact["state"] in states
