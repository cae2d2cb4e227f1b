"""What somebody has typed and not sent: kept as typed, through reload and reassignment. One per contact."""

from typing import Any

import sqlalchemy as sa

from service_desk.actions import interactions
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

DRAFT = schema.draft


def keep(tx: Tx, interaction_id: str, agent_id: str, body: dict[str, Any]) -> Row:
    """Keep the draft of a contact that is the agent's; the newest typing wins."""
    contact = interactions.must_get(tx, interaction_id)
    interactions.require_owner(contact, agent_id)
    row = tx.get_for_update(DRAFT, interaction_id)
    if row is not None:
        return tx.change(DRAFT, row, author_id=agent_id, at=tx.now, body=body)
    return tx.add(
        DRAFT,
        {"interaction_id": interaction_id, "author_id": agent_id, "at": tx.now, "body": body, "version": 1},
    )


def discard(tx: Tx, interaction_id: str) -> None:
    """It was sent, or is not wanted any more."""
    tx.write(sa.delete(DRAFT).where(DRAFT.c.interaction_id == interaction_id))
