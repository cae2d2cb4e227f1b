"""What somebody has typed and not sent: kept as typed, through reload and reassignment. One per contact.

A draft is written by one person in several browsers, or by several who had the contact one after the other. Each says
which version they went on from, so that no old copy takes the place of newer words. An emptied row stays when a draft
is discarded: its version goes on, and a copy of what was there before is never taken for one of what comes after.
"""

from typing import Any

from service_desk.actions import interactions
from service_desk.errors import StaleVersion
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

DRAFT = schema.draft
NOTHING: dict[str, Any] = {}
"""The body of a draft that was sent or discarded."""


def keep(tx: Tx, interaction_id: str, agent_id: str, body: dict[str, Any], version: int) -> Row:
    """Keep the draft of a contact that is the agent's. `version`: of the draft that it goes on from, 0 for none.

    StaleVersion if there is another one by now, or none any more.
    """
    contact = interactions.must_get(tx, interaction_id)
    interactions.require_owner(contact, agent_id)
    row = tx.get_for_update(DRAFT, interaction_id)
    if version != current_version(row):
        raise StaleVersion("This draft was written on elsewhere.")
    if row is not None:
        return tx.change(DRAFT, row, author_id=agent_id, at=tx.now, body=body)
    return tx.add(
        DRAFT,
        {"interaction_id": interaction_id, "author_id": agent_id, "at": tx.now, "body": body, "version": 1},
    )


def current_version(row: Row | None) -> int:
    """What a draft that is kept next goes on from: 0 where there is nothing."""
    return row["version"] if row is not None and row["body"] else 0


def discard(tx: Tx, interaction_id: str, version: int | None = None) -> None:
    """It was sent, or is not wanted any more. With `version`: StaleVersion if there is another one by now."""
    row = tx.get_for_update(DRAFT, interaction_id)
    if row is None or not row["body"]:
        return
    if version not in (None, row["version"]):
        raise StaleVersion("This draft was written on elsewhere.")
    tx.change(DRAFT, row, at=tx.now, body=NOTHING)
