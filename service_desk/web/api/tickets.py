"""Tickets: open, read, change, note, link to a contact."""

from service_desk.actions import tickets
from service_desk.domain.access import Principal
from service_desk.domain.page_views import StoryPageView, TicketListView
from service_desk.domain.views import EntryView, TicketPageView, TicketView
from service_desk.queries import search, ticket_list
from service_desk.queries.interactions import entry_view
from service_desk.queries.reach import reach_of
from service_desk.queries.ticket_story import story_page
from service_desk.queries.tickets import ticket_page, ticket_view
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.changes import telling
from service_desk.web.api.inputs import Link, NewTicket, Page, Text, TicketChange, TicketFilter
from service_desk.web.api.rights import require_contact
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found

TEXT_MATCHES = 500
routes = Routes("tickets")
ONE = "/api/v1/tickets/{ticket_id}"


@routes.post("/api/v1/tickets", needs="ticket.write", status=201, size="text_body_bytes")
def create_ticket(tx: Tx, who: Principal, body: NewTicket) -> TicketView:
    """Open a case, from a contact or by itself; it is its maker's until somebody else takes it."""
    if body.interaction_id is not None:
        require_contact(reading(tx), who, body.interaction_id)
    row = tickets.open_ticket(tx, **body.model_dump(), assignee_id=who.agent_id)
    return found(ticket_view(reading(tx), row["id"]))


@routes.get("/api/v1/tickets", needs="ticket.read")
def list_tickets(reader: Reader, who: Principal, query: TicketFilter) -> TicketListView:
    """Tickets by filters, a page at a time, newest change first unless asked otherwise."""
    ids = None
    if query.q is not None and query.q.strip():
        ids = tuple(search.ids_of(reader, who, query.q, "ticket", TEXT_MATCHES))
    return ticket_list.ticket_list(reader, _wanted(query, who, ids))


def _wanted(query: TicketFilter, who: Principal, ids: tuple[str, ...] | None) -> ticket_list.Wanted:
    return ticket_list.Wanted(
        statuses=_values(query.status),
        priorities=_values(query.priority),
        queues=_values(query.queue),
        assignee=who.agent_id if query.assignee == "me" else query.assignee,
        brand=query.brand,
        customer=query.customer,
        created=(query.created_from, query.created_to),
        updated=(query.updated_from, query.updated_to),
        ids=ids,
        sort=query.sort,
        order=query.order,
        before=ticket_list.Cursor.parse(query.before),
        limit=query.limit,
    )


def _values(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split(","))) if text else ()


@routes.get(ONE + "/story", needs="ticket.read")
def get_story(reader: Reader, who: Principal, ticket_id: str, query: Page) -> StoryPageView:
    """Its contacts, with the words of those that the caller may see, its notes and changes: at most 100 at a time."""
    return found(story_page(reader, reach_of(reader, who), ticket_id, query.before))


@routes.get(ONE, needs="ticket.read")
def get_ticket(reader: Reader, who: Principal, ticket_id: str) -> TicketPageView:
    """A case with its notes and contacts."""
    return found(ticket_page(reader, reach_of(reader, who), ticket_id))


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
