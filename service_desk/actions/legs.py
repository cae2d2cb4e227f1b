"""The legs of calls, as rows: which there are, whose they are, and ending them."""

import sqlalchemy as sa

from service_desk.domain import events
from service_desk.domain.effects import HangUpCall, PutBackCall
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx

LEG = schema.call_leg
LIVING_RANK = 3
"""Of a leg that talks, or could."""
_EFFECT = Prepared(sa.select(schema.effect.c.position).where(schema.effect.c.key == sa.bindparam("effect")))
_LIVING = Prepared(
    sa.select(LEG).where(LEG.c.interaction_id == sa.bindparam("interaction"), LEG.c.ended_at.is_(None))
)
_OF_DIAL = Prepared(
    sa.select(LEG).where(
        LEG.c.interaction_id == sa.bindparam("interaction"),
        LEG.c.dial == sa.bindparam("dial", type_=LEG.c.dial.type),
    )
)


def living(tx: Tx, row: Row) -> list[Row]:
    """Those of a contact that have not ended, as far as we have been told."""
    return list(tx.all(_LIVING, {"interaction": row["id"]}))


def has_agent(tx: Tx, row: Row) -> bool:
    """Whether an agent's softphone is on the line, or about to join the conference."""
    return any(leg["role"] == "agent" for leg in living(tx, row))


def of_dial(tx: Tx, row: Row, dial: int) -> Row | None:
    """The leg of the contact's nth call to its customer, None if we know of none."""
    return tx.first(_OF_DIAL, {"interaction": row["id"], "dial": dial})


def add(
    tx: Tx,
    row: Row,
    call_id: str,
    role: str,
    *,
    agent_id: str | None = None,
    dial: int | None = None,
    status: str = "in-progress",
    rank: int = LIVING_RANK,
) -> Row:
    """A new leg; `dial`: of our nth call to the contact's customer."""
    leg = {
        "call_id": call_id,
        "interaction_id": row["id"],
        "role": role,
        "agent_id": agent_id,
        "dial": dial,
        "status": status,
        "rank": rank,
        "sequence": -1,
        "in_conference": False,
        "conference_id": None,
        "conference_sequence": -1,
        "cause": None,
        "created_at": tx.now,
        "ended_at": None,
    }
    return tx.add(LEG, leg)


def say(tx: Tx, leg: Row, status: str, *, in_conference: bool) -> None:
    """Tell the log how a leg stands."""
    tx.emit(
        events.CallLegChanged(
            leg["interaction_id"], leg["call_id"], leg["role"], status, in_conference, leg["agent_id"]
        )
    )


def end_agents(tx: Tx, row: Row, keep: str | None = None) -> None:
    """The agents' legs end, but the one to `keep`."""
    for leg in living(tx, row):
        if leg["role"] == "agent" and leg["call_id"] != keep:
            end(tx, row, leg["call_id"])


def put_back(tx: Tx, row: Row, call_id: str) -> None:
    """The customer's leg goes to the waiting treatment; once for each turn of the contact."""
    effect = PutBackCall(row["account"], row["id"], call_id, row["attempts"])
    if tx.first(_EFFECT, {"effect": effect.key}) is None:
        tx.later(effect)


def end(tx: Tx, row: Row, call_id: str) -> None:
    """One leg ends; told once, however often it is wanted until its end is heard of."""
    hang_up = HangUpCall(row["account"], row["id"], call_id)
    if tx.first(_EFFECT, {"effect": hang_up.key}) is None:
        tx.later(hang_up)
