"""Whose words the description of a case is: what a customer wrote stays with those who may see their contact.

A mail that begins something is a case by itself, and so is what a visitor leaves when nobody is there: nobody of ours
opened it, and its description is a copy of what was written. A description never changes after that. What an agent
typed is for everybody who may read the case.
"""

from collections.abc import Mapping

import sqlalchemy as sa

from service_desk.queries.reach import Reach
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader

AUDIT = schema.audit

_OPENED_BY_ITSELF = Prepared(
    sa.select(AUDIT.c.subject, AUDIT.c.data)
    .outerjoin(schema.agent, schema.agent.c.id == AUDIT.c.actor)
    .where(
        AUDIT.c.subject.in_(sa.bindparam("ids", expanding=True)),
        AUDIT.c.action == "ticket.opened",
        schema.agent.c.id.is_(None),
    )
)


def without_foreign_words(reader: Reader, reach: Reach, descriptions: Mapping[str, str]) -> dict[str, str]:
    """Ticket -> description, empty where it is the copy of a message that the reader may not see."""
    asked = sorted(ticket_id for ticket_id, text in descriptions.items() if text)
    if reach.everything or not asked:
        return dict(descriptions)
    rows = reader.all(_OPENED_BY_ITSELF, {"ids": asked})
    source = {row["subject"]: row["data"].get("interaction_id") for row in rows}
    unseen = reach.unseen(reader, {contact for contact in source.values() if contact is not None})
    return {
        ticket_id: "" if source.get(ticket_id) in unseen else text for ticket_id, text in descriptions.items()
    }
