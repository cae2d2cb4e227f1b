"""Which contacts a person may see: their own, one that rings at them, or any with the right."""

import sqlalchemy as sa

from service_desk.domain.access import Principal, require
from service_desk.errors import NotFound
from service_desk.storage import schema
from service_desk.storage.store import Reader


def require_contact(reader: Reader, who: Principal, interaction_id: str) -> None:
    """NotFound if there is no such contact, Forbidden if it is none of theirs."""
    row = reader.get(schema.interaction, interaction_id)
    if row is None:
        raise NotFound("There is no such contact.")
    if not _rings_at(reader, who, interaction_id):
        require(who, "contact.handle", owner_id=row["agent_id"] or "")


def _rings_at(reader: Reader, who: Principal, interaction_id: str) -> bool:
    offer = schema.offer
    mine = sa.select(offer.c.id).where(
        offer.c.interaction_id == interaction_id, offer.c.agent_id == who.agent_id, offer.c.state == "pending"
    )
    return reader.scalar(mine.limit(1)) is not None
