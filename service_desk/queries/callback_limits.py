"""Whom the desk calls back: what the rules allow, and how often one number may have it."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from service_desk.clock import DAY, Micros
from service_desk.domain import callback
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

CALLBACKS_PER_DAY = 3
"""Of one number in all queues, each with the tries of its rule: nobody has a stranger's telephone ring all day."""
COUNTED_FOR: Micros = DAY
"""So long a callback counts after it is over."""
CAME_WITHIN: Micros = COUNTED_FOR + 7 * DAY
"""Callbacks of calls that came longer ago are not looked for: no promise lasts longer. Bounds what is read for who
calls very often."""

CONTACT = schema.interaction
_OF_NUMBER = Prepared(  # over ix_interaction_customer
    sa.select(CONTACT.c.hints).where(
        CONTACT.c.customer_id == sa.bindparam("customer"),
        CONTACT.c.created_at > sa.bindparam("came_after", type_=CONTACT.c.created_at.type),
        CONTACT.c.caller == sa.bindparam("caller"),
        CONTACT.c.callback_at.is_not(None),
        CONTACT.c.id != sa.bindparam("own"),
        sa.or_(
            CONTACT.c.ended_at.is_(None),
            CONTACT.c.ended_at > sa.bindparam("ended_after", type_=CONTACT.c.ended_at.type),
        ),
    )
)


def may_be_asked_for(reader: Reader | Tx, row: Mapping[Any, Any]) -> bool:
    """Whether the customer of a waiting call can be called back instead."""
    return callback.may_be_asked_for(reader.config, row) and not _has_had_enough(reader, row)


def is_offered(reader: Reader, row: Mapping[Any, Any]) -> bool:
    """Whether a caller hears of it by now."""
    waited = 0 if row["queued_at"] is None else reader.now - row["queued_at"]
    return callback.is_offered(reader.config, row, waited) and not _has_had_enough(reader, row)


def may_be_called(tx: Tx, row: Mapping[Any, Any]) -> bool:
    """Whether a call to the customer of a callback may begin now; the rules may have changed since they asked."""
    return callback.may_be_called(tx.config, row) and not _has_had_enough(tx, row)


def _has_had_enough(reader: Reader | Tx, row: Mapping[Any, Any]) -> bool:
    """Whether the number was called in as many other callbacks of late as it may be."""
    asked = {
        "customer": row["customer_id"],
        "caller": row["caller"],
        "own": row["id"],
        "came_after": reader.now - CAME_WITHIN,
        "ended_after": reader.now - COUNTED_FOR,
    }
    begun = sum(1 for other in reader.all(_OF_NUMBER, asked) if callback.dials(other))
    return begun >= CALLBACKS_PER_DAY
