"""Tickets as screens show them."""

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from service_desk.domain.views import TicketPageView, TicketView
from service_desk.queries import timeline
from service_desk.queries.interactions import note_entry
from service_desk.storage import schema
from service_desk.storage.store import Reader

TICKET = schema.ticket
LINK = schema.ticket_interaction
NOTES_SHOWN = 200


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
    for link in reader.all(
        sa.select(LINK).where(LINK.c.ticket_id.in_(ids)).order_by(LINK.c.at, LINK.c.interaction_id)
    ):
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
    table = schema.agent
    return {
        row["id"]: row["name"]
        for row in reader.all(sa.select(table.c.id, table.c.name).where(table.c.id.in_(ids)))
    }


def card_tickets(reader: Reader, customer_id: str, limit: int) -> list[TicketView]:
    """All open tickets of a customer first, then the newest others, `limit` in all."""
    still_open = reader.all(
        sa.select(TICKET)
        .where(TICKET.c.customer_id == customer_id, TICKET.c.closed_at.is_(None))
        .order_by(TICKET.c.created_at.desc(), TICKET.c.id.desc())
        .limit(limit)
    )
    done = reader.all(
        sa.select(TICKET)
        .where(TICKET.c.customer_id == customer_id, TICKET.c.closed_at.is_not(None))
        .order_by(TICKET.c.created_at.desc(), TICKET.c.id.desc())
        .limit(limit - len(still_open))
    )
    return ticket_views(reader, [*still_open, *done])


def ticket_page(reader: Reader, ticket_id: str) -> TicketPageView | None:
    """A ticket with its notes (newest 200) and the contacts linked to it."""
    row = reader.get(TICKET, ticket_id)
    if row is None:
        return None
    note = schema.note
    notes = reader.all(
        sa.select(note).where(note.c.ticket_id == ticket_id).order_by(note.c.seq.desc()).limit(NOTES_SHOWN)
    )
    interaction = schema.interaction
    contacts = reader.all(
        sa.select(interaction)
        .join(LINK, LINK.c.interaction_id == interaction.c.id)
        .where(LINK.c.ticket_id == ticket_id)
        .order_by(interaction.c.created_at.desc())
        .limit(NOTES_SHOWN)
    )
    return TicketPageView(
        ticket=ticket_views(reader, [row])[0],
        description=row["description"],
        notes=[note_entry(item) for item in reversed(notes)],
        interactions=timeline.interaction_lines(reader, contacts),
    )
