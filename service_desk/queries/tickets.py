"""Tickets as screens show them."""

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from service_desk.domain.views import TicketPageView, TicketView
from service_desk.queries import timeline
from service_desk.queries.case_words import without_foreign_words
from service_desk.queries.interactions import note_entry
from service_desk.queries.reach import Reach
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen

TICKET = schema.ticket
LINK = schema.ticket_interaction
NOTES_SHOWN = 200

# Built once: making a statement costs more than running it.
_LINKS = Prepared(
    sa.select(LINK)
    .where(LINK.c.ticket_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(LINK.c.at, LINK.c.interaction_id)
)
_NAMES = Prepared(
    sa.select(schema.agent.c.id, schema.agent.c.name).where(
        schema.agent.c.id.in_(sa.bindparam("ids", expanding=True))
    )
)
_OF_CUSTOMER = (
    sa.select(TICKET)
    .where(TICKET.c.customer_id == sa.bindparam("customer"))
    .order_by(TICKET.c.created_at.desc(), TICKET.c.id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_OPEN = Prepared(_OF_CUSTOMER.where(TICKET.c.closed_at.is_(None)))
_DONE = Prepared(_OF_CUSTOMER.where(TICKET.c.closed_at.is_not(None)))


def ticket_view(reader: Reader, ticket_id: str) -> TicketView | None:
    """One ticket, None if there is none."""
    row = reader.get(TICKET, ticket_id)
    return ticket_views(reader, [row])[0] if row is not None else None


def ticket_views(reader: Reader, rows: Sequence[sa.RowMapping]) -> list[TicketView]:
    """Rows as views, with links and names in one query each."""
    if not rows:
        return []
    links: dict[str, list[str]] = defaultdict(list)
    ids = [row["id"] for row in rows]
    for link in reader.all(_LINKS, {"ids": ids}):
        links[link["ticket_id"]].append(link["interaction_id"])
    names = _names(reader, {row["assignee_id"] for row in rows if row["assignee_id"]})
    return [
        TicketView(
            id=row["id"],
            number=row["number"],
            subject=row["subject"],
            status=row["status"],
            priority=row["priority"],
            queue_id=row["queue_id"],
            customer_id=row["customer_id"],
            assignee_id=row["assignee_id"],
            assignee_name=names.get(row["assignee_id"]),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            closed_at=row["closed_at"],
            interaction_ids=links[row["id"]],
            version=row["version"],
        )
        for row in rows
    ]


def _names(reader: Reader, ids: set[str]) -> dict[str, str]:
    if not ids:
        return {}
    return {row["id"]: row["name"] for row in reader.all(_NAMES, {"ids": sorted(ids)})}


def card_tickets(reader: Reader, customer_id: str, limit: int) -> list[TicketView]:
    """All open tickets of a customer first, then the newest others, `limit` in all."""
    wanted = {"customer": customer_id, "limit": limit}
    still_open = reader.all(_OPEN, wanted)
    done = reader.all(_DONE, wanted)
    return ticket_views(reader, [*still_open, *done][:limit])


def foreseen(customer_id: str, limit: int) -> list[Foreseen]:
    """What `card_tickets` asks first."""
    wanted = {"customer": customer_id, "limit": limit}
    return [Foreseen(_OPEN, wanted), Foreseen(_DONE, wanted)]


def ticket_page(reader: Reader, reach: Reach, ticket_id: str) -> TicketPageView | None:
    """A ticket with its notes (newest 200) and the contacts linked to it; no words of contacts beyond `reach`."""
    row = reader.get(TICKET, ticket_id)
    if row is None:
        return None
    note = schema.note
    notes = reader.all(
        sa.select(note).where(note.c.ticket_id == ticket_id).order_by(note.c.seq.desc()).limit(NOTES_SHOWN)
    )
    interaction = schema.interaction
    contacts = reader.all(
        sa.select(*timeline.CONTACT_LINE)
        .select_from(timeline.CONTACTS)
        .join(LINK, LINK.c.interaction_id == interaction.c.id)
        .where(LINK.c.ticket_id == ticket_id)
        .order_by(interaction.c.created_at.desc())
        .limit(NOTES_SHOWN)
    )
    return TicketPageView(
        ticket=ticket_views(reader, [row])[0],
        description=without_foreign_words(reader, reach, {ticket_id: row["description"]})[ticket_id],
        notes=[note_entry(item) for item in reversed(notes)],
        interactions=timeline.interaction_lines(
            contacts, reach.unseen(reader, (contact["id"] for contact in contacts))
        ),
    )
