"""Work of an agent who did not come back goes on to others, with its place kept."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from service_desk.actions import agents, calls, interactions
from service_desk.domain import interaction as life
from service_desk.storage import schema
from service_desk.storage.transaction import Tx


def reclaim(tx: Tx, agent_id: str, _data: Mapping[str, Any]) -> None:
    """Put back what a lost agent still has; wrap-up runs out by itself."""
    row = agents.must_get(tx, agent_id)
    if row["lost_at"] is None:
        return
    table = schema.interaction
    states = (life.CONNECTING, life.ACTIVE)
    for held in tx.all(
        sa.select(table.c.id)
        .where(table.c.agent_id == agent_id, table.c.state.in_(states))
        .order_by(table.c.id)
    ):
        contact = interactions.must_get(tx, held["id"])
        if contact["agent_id"] != agent_id or contact["state"] not in states:
            continue  # it ended or moved on while we waited for its lock
        if contact["channel"] == "phone":
            calls.put_back_call(tx, contact, "agent_lost")
        else:
            interactions.put_back(tx, contact, "agent_lost")
