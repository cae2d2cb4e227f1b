"""How long an agent may leave a customer without an answer: by the rule of the queue, for chat, mail and texts.

The clock starts when the agent takes the contact and with the customer's first words after an answer. A queue without
the rule starts no clock. What becomes of it: `reclaim.from_silent`.
"""

import sqlalchemy as sa

from service_desk.clock import SECOND
from service_desk.domain import interaction as life
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx

TIMER = "silent"
_RUNS = Prepared(
    sa.select(schema.timer.c.due_at).where(
        schema.timer.c.kind == TIMER, schema.timer.c.subject == sa.bindparam("contact")
    )
)


def reply_s(tx: Tx, row: Row) -> int:
    """Seconds within which its agent should answer; 0: no rule."""
    if row["state"] != life.ACTIVE or row["channel"] == "phone":
        return 0
    return tx.config.queue(row["queue_id"]).reply_s


def begins(tx: Tx, row: Row) -> None:
    """Its agent has it from now on."""
    if seconds := reply_s(tx, row):
        tx.set_timer(TIMER, row["id"], tx.now + seconds * SECOND, agent_id=row["agent_id"], since=tx.now)


def customer_wrote(tx: Tx, row: Row) -> None:
    """The clock runs from the first of the words that are not answered."""
    if reply_s(tx, row) and tx.first(_RUNS, {"contact": row["id"]}) is None:
        begins(tx, row)


def agent_wrote(tx: Tx, row: Row) -> None:
    """Answered. A clock may run from a time when there was a rule: the next words of the customer begin anew."""
    if row["channel"] != "phone":
        tx.clear_timer(TIMER, row["id"])
