"""Keeping the books of the outbox."""

import sqlalchemy as sa

from service_desk.clock import SECOND, Micros
from service_desk.domain import interaction as life
from service_desk.domain.callback import is_wanted
from service_desk.domain.effects import ConnectCall, DialCustomer, PutBackCall, SendMessage
from service_desk.storage import schema
from service_desk.storage.fence import check_fence, fence_of
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Foreseen, Row, Tx, locked

EFFECT = schema.effect
CLAIM: Micros = 20 * SECOND
_CONTACT_OF_EFFECT = Prepared(
    sa.select(schema.interaction.c.attempts, schema.interaction.c.state, schema.interaction.c.hints)
    .join(EFFECT, EFFECT.c.subject == schema.interaction.c.id)
    .where(EFFECT.c.position == sa.bindparam("position"))
)
_OPEN_SENDS = (sa.text(schema.OPEN_SEND), EFFECT.c.subject == sa.bindparam("contact", type_=sa.Text))
_DUE_AT = EFFECT.c.due_at.type
_PUSH_BACK = Prepared(
    sa.update(EFFECT)
    .where(
        *_OPEN_SENDS,
        EFFECT.c.position > sa.bindparam("first", type_=EFFECT.c.position.type),
        EFFECT.c.due_at < sa.bindparam("until", type_=_DUE_AT),
    )
    .values(due_at=sa.bindparam("until", type_=_DUE_AT))
)
_WAITING_UNTIL = Prepared(
    sa.select(sa.func.max(EFFECT.c.due_at)).where(
        *_OPEN_SENDS, EFFECT.c.attempts > 0, EFFECT.c.state.in_(("ready", "unknown"))
    )
)
_UNSURE = Prepared(sa.select(EFFECT.c.unsure).where(EFFECT.c.key == sa.bindparam("effect")))
MAYBE_DONE = "not wanted any more; an earlier try may have been carried out"
ENDS = frozenset({"confirmed", "failed", "dropped"})


def claim(tx: Tx, position: int, lease: str, fence: int) -> bool:
    """Take an effect for one try; False if it is done, or nobody wants it any more.

    The due time moves on, so that a claim whose process died is found again, with its outcome unknown. The first
    claim's instant is kept: patience is counted from it, and what a request may have left is looked for since it.
    """
    tx.foresee(
        fence_of(lease), locked(EFFECT, position), Foreseen(_CONTACT_OF_EFFECT, {"position": position})
    )
    check_fence(tx, lease, fence)
    row = tx.get_for_update(EFFECT, position)
    if row is None or row["done_at"] is not None:
        return False
    if not _wanted(tx, row):
        may_be_done = row["unsure"] if row["kind"] == DialCustomer.KIND else row["attempts"]
        detail = MAYBE_DONE if may_be_done else None
        tx.update(EFFECT, position, state="dropped", detail=detail, done_at=tx.now)
        return False
    values = {"state": "sent", "attempts": row["attempts"] + 1, "due_at": tx.now + CLAIM}
    if row["started_at"] is None:
        values["started_at"] = tx.now
    tx.update(EFFECT, position, **values)
    return True


def may_be_done(tx: Tx, key: str) -> bool:
    """Whether an effect may have been carried out of which nobody knows. One that the provider refused was not."""
    return bool(tx.scalar(_UNSURE, {"effect": key}))


def of_attempt(tx: Tx, position: int, attempt: int) -> Row | None:
    """An open effect, locked, whose newest attempt is the nth.

    None if it is done, or the claim ran out and somebody else has tried since: what that attempt knows is too old.
    """
    row = tx.get_for_update(EFFECT, position)
    return None if row is None or row["done_at"] is not None or row["attempts"] != attempt else row


def leaves(tx: Tx, position: int, attempt: int) -> bool:
    """The request of the nth attempt is about to leave: from here on it may have been carried out.

    False if it must not leave: see `of_attempt`.
    """
    if of_attempt(tx, position, attempt) is None:
        return False
    tx.update(EFFECT, position, tried_at=tx.now, unsure=True)
    return True


def settle(
    tx: Tx,
    position: int,
    attempt: int,
    state: str,
    detail: str | None,
    again_at: Micros,
    unsure: bool | None = None,  # noqa: FBT001 - actions take their arguments by position
) -> bool:
    """Keep the outcome of the nth attempt; `ready` and `unknown` are tried again at `again_at`.

    What was written after a message that waits is not looked at before then. `unsure` None leaves that as it is.
    False if it comes too late: see `of_attempt`.
    """
    row = of_attempt(tx, position, attempt)
    if row is None:
        return False
    done_at = tx.now if state in ENDS else None
    values = {"state": state, "detail": detail, "done_at": done_at, "due_at": again_at}
    if unsure is not None:
        values["unsure"] = unsure
    tx.update(EFFECT, position, **values)
    if done_at is None and row["kind"] == SendMessage.KIND:
        tx.write(_PUSH_BACK, {"contact": row["subject"], "first": position, "until": again_at})
    return True


def turn_at(tx: Tx, interaction_id: str) -> Micros:
    """When a message that is written now may go: not before an earlier one of its contact that waits."""
    return max(tx.now, tx.scalar(_WAITING_UNTIL, {"contact": interaction_id}) or tx.now)


def _wanted(tx: Tx, row: Row) -> bool:
    """Connecting and calling are for one turn of the interaction; it may have moved on.

    Who is put back waits also while it rings at the next agent, which may be before this is claimed.
    """
    if row["kind"] == DialCustomer.KIND:
        contact = tx.first(_CONTACT_OF_EFFECT, {"position": row["position"]})
        return contact is not None and is_wanted(contact, row["data"]["dial"])
    if row["kind"] not in (ConnectCall.KIND, PutBackCall.KIND):
        return True
    contact = tx.first(_CONTACT_OF_EFFECT, {"position": row["position"]})
    if contact is None:
        return False
    if row["kind"] == PutBackCall.KIND:
        return contact["state"] in life.WAITING
    return contact["attempts"] == row["data"]["turn"] and contact["state"] in (life.CONNECTING, life.ACTIVE)
