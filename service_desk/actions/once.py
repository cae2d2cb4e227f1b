"""The same POST twice is done once: an action together with the answer that it gave, in one transaction."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from service_desk.clock import Micros
from service_desk.errors import DeskError, Invalid
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Foreseen, Row, Tx

TABLE = schema.idempotency
_SEEN = Prepared(
    sa.select(TABLE).where(TABLE.c.principal == sa.bindparam("principal"), TABLE.c.key == sa.bindparam("key"))
)
Stored = tuple[int, str]
"""HTTP status and JSON text ("" for an empty answer)."""


def once(
    tx: Tx,
    principal: str,
    key: str,
    request_hash: str,
    action: Callable[[Tx], Stored],
    foreseen: Sequence[Foreseen] = (),
) -> Stored:
    """Run the action and keep its answer; for a key that was used before, that answer again.

    Refusals are not kept: they changed nothing, and the next try may go well. Two at the same moment: the
    unique key stops one, which is run again and finds the other's answer; or it is refused because of what the
    other did while it waited for a row, and finds the other's answer then. Invalid if the key was used for
    another request. `foreseen`: what the action is about to ask.
    """
    tx.foresee(Foreseen(_SEEN, {"principal": principal, "key": key}), *foreseen)
    seen = tx.first(_SEEN, {"principal": principal, "key": key})
    if seen is not None:
        return action(tx) if planted("idempotency_ignored") else _told(seen, request_hash)
    try:
        status, body = action(tx)
    except DeskError:
        told = _told_meanwhile(tx, principal, key, request_hash)
        if told is None:
            raise
        return told
    row = {
        "principal": principal,
        "key": key,
        "request_hash": request_hash,
        "status": status,
        "body": body,
        "at": tx.now,
    }
    tx.add(TABLE, row)
    return status, body


def _told(seen: Row, request_hash: str) -> Stored:
    """The answer that was kept."""
    if seen["request_hash"] != request_hash:
        raise Invalid(
            "This Idempotency-Key was used for another request: make a new one for each act.",
            field="Idempotency-Key",
            code="idempotency_conflict",
        )
    return seen["status"], seen["body"]


def _told_meanwhile(tx: Tx, principal: str, key: str, request_hash: str) -> Stored | None:
    """The answer that the same request got while this one waited; not where this one has written already."""
    if tx.wrote:
        return None
    seen = tx.first(_SEEN, {"principal": principal, "key": key})
    return None if seen is None or seen["request_hash"] != request_hash else _told(seen, request_hash)


def forget_answers(tx: Tx, before: Micros, most: int) -> int:
    """Remove at most so many answers that are older; how many. After that a key can be used again."""
    key = sa.tuple_(TABLE.c.principal, TABLE.c.key)
    old = sa.select(TABLE.c.principal, TABLE.c.key).where(TABLE.c.at < before).limit(most)
    return tx.write(sa.delete(TABLE).where(key.in_(old)))
