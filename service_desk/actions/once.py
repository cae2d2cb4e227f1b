"""The same POST twice is done once: an action together with the answer that it gave, in one transaction."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from service_desk.clock import Micros
from service_desk.errors import Invalid
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Foreseen, Tx

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
    unique key stops one, which is run again and finds the other's answer. Invalid if the key was used for
    another request. `foreseen`: what the action is about to ask.
    """
    tx.foresee(Foreseen(_SEEN, {"principal": principal, "key": key}), *foreseen)
    seen = tx.first(_SEEN, {"principal": principal, "key": key})
    if seen is not None and planted("idempotency_ignored"):
        return action(tx)
    if seen is not None:
        if seen["request_hash"] != request_hash:
            raise Invalid(
                "This Idempotency-Key was used for another request: make a new one for each act.",
                field="Idempotency-Key",
                code="idempotency_conflict",
            )
        return seen["status"], seen["body"]
    status, body = action(tx)
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


def forget_answers(tx: Tx, before: Micros, most: int) -> int:
    """Remove at most so many answers that are older; how many. After that a key can be used again."""
    key = sa.tuple_(TABLE.c.principal, TABLE.c.key)
    old = sa.select(TABLE.c.principal, TABLE.c.key).where(TABLE.c.at < before).limit(most)
    return tx.write(sa.delete(TABLE).where(key.in_(old)))
