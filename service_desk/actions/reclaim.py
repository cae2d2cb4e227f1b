"""Work of an agent who did not come back, or who does not answer, goes on to others, with its place kept.

Never a call in which the two are talking: an agent whose console is gone may well be on the phone still. Their
leg's end is heard of, and then the call has its own time to wait for them (`calls.rejoin_timeout`).
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from service_desk.actions import agents, calls, interactions, messages, silence
from service_desk.clock import SECOND
from service_desk.domain import interaction as life
from service_desk.storage import schema
from service_desk.storage.transaction import Tx

MESSAGE = schema.message


def reclaim(tx: Tx, agent_id: str, _data: Mapping[str, Any]) -> None:
    """Put back what a lost agent still has; wrap-up runs out by itself. What they talk in is looked at again later."""
    row = agents.must_get(tx, agent_id)
    if row["lost_at"] is None:
        return
    table = schema.interaction
    states = (life.CONNECTING, life.ACTIVE)
    talks = False
    for held in tx.all(
        sa.select(table.c.id)
        .where(table.c.agent_id == agent_id, table.c.state.in_(states))
        .order_by(table.c.id)
    ):
        contact = interactions.must_get(tx, held["id"])
        if contact["agent_id"] != agent_id or contact["state"] not in states:
            continue  # it ended or moved on while we waited for its lock
        if contact["channel"] != "phone":
            interactions.put_back(tx, contact, "agent_lost")
        elif calls.is_talking(tx, contact):
            talks = True
        else:
            calls.put_back_call(tx, contact, "agent_lost")
    if talks:
        tx.set_timer("agent_reclaim", agent_id, tx.now + tx.config.reclaim_s * SECOND)


def from_silent(tx: Tx, interaction_id: str, data: Mapping[str, Any]) -> None:
    """The customer waits for words of the agent for too long: others may answer, and the agent gets nothing new.

    Who is away for a reason of their own stays away for it, and who talks to somebody was not idle.
    By the rule as it is now: one that was taken back reclaims nothing, a longer one gives the rest of the time.
    """
    agent = agents.must_get(tx, data["agent_id"])  # locks in the fixed order: agent before interaction
    row = interactions.must_get(tx, interaction_id)
    seconds = silence.reply_s(tx, row)
    if row["agent_id"] != data["agent_id"] or not seconds or _has_answered(tx, interaction_id, data["since"]):
        return
    due = data["since"] + seconds * SECOND
    if due > tx.now:
        tx.set_timer(silence.TIMER, interaction_id, due, **data)
        return
    row = messages.add_system_line(tx, row, "routing.reclaimed")
    interactions.put_back(tx, row, "agent_silent")
    if agent["chosen"] == "ready" and not _has_call(tx, agent["id"]):
        agents.send_away(tx, agent["id"], "no_answer")


def _has_call(tx: Tx, agent_id: str) -> bool:
    table = schema.interaction
    call = sa.select(table.c.id).where(
        table.c.agent_id == agent_id,
        table.c.channel == "phone",
        table.c.state.in_((life.CONNECTING, life.ACTIVE)),
    )
    return tx.first(call.limit(1)) is not None


def _has_answered(tx: Tx, interaction_id: str, since: int) -> bool:
    """Also while there was no rule, and so no clock to stop."""
    words = sa.select(MESSAGE.c.id).where(
        MESSAGE.c.interaction_id == interaction_id, MESSAGE.c.author_kind == "agent", MESSAGE.c.at >= since
    )
    return tx.first(words.limit(1)) is not None
