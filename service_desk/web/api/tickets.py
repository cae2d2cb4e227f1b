"""Tickets: open, read, change, note, link to a contact."""

from service_desk.actions import tickets
from service_desk.domain.access import Principal
from service_desk.domain.views import EntryView, TicketPageView, TicketView
from service_desk.queries.interactions import entry_view
from service_desk.queries.tickets import ticket_page, ticket_view
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.changes import telling
from service_desk.web.api.inputs import Link, NewTicket, Text, TicketChange
from service_desk.web.api.rights import require_contact
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found

routes = Routes("tickets")
ONE = "/api/v1/tickets/{ticket_id}"


@routes.post("/api/v1/tickets", needs="ticket.write", status=201, size="text_body_bytes")
def create_ticket(tx: Tx, who: Principal, body: NewTicket) -> TicketView:
    """Open a case, from a contact or by itself; it is its maker's until somebody else takes it."""
    if body.interaction_id is not None:
        require_contact(reading(tx), who, body.interaction_id)
    row = tickets.open_ticket(tx, **body.model_dump(), assignee_id=who.agent_id)
    return found(ticket_view(reading(tx), row["id"]))


@routes.get(ONE, needs="ticket.read")
def get_ticket(reader: Reader, ticket_id: str) -> TicketPageView:
    """A case with its notes and contacts."""
    return found(ticket_page(reader, ticket_id))


@routes.patch(ONE, needs="ticket.write")
def change_ticket(tx: Tx, ticket_id: str, body: TicketChange, version: int) -> TicketView:
    """Change some fields. 412 with `current` if somebody was faster."""
    with telling(lambda: ticket_view(reading(tx), ticket_id)):
        tickets.change_ticket(tx, ticket_id, version, body.model_dump(exclude_unset=True))
    return found(ticket_view(reading(tx), ticket_id))


@routes.post(ONE + "/notes", needs="ticket.write", size="text_body_bytes")
def note_ticket(tx: Tx, who: Principal, ticket_id: str, body: Text, key: str) -> EntryView:
    """An internal note on the case."""
    note_id = tickets.note_ticket(tx, ticket_id, who.agent_id, body.text, key)
    return found(entry_view(reading(tx), note_id))


@routes.post(ONE + "/interactions", needs="ticket.write")
def link_interaction(tx: Tx, who: Principal, ticket_id: str, body: Link) -> TicketView:
    """Say that a contact is about this case too."""
    require_contact(reading(tx), who, body.interaction_id)
    tickets.link_interaction(tx, ticket_id, body.interaction_id)
    return found(ticket_view(reading(tx), ticket_id))
