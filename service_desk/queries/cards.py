"""The customer card: record, identities, tickets and newest history, at most 64 kB, pushed with an offer."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from service_desk.clock import DAY
from service_desk.domain.views import (
    CardTotals,
    CardView,
    CustomerView,
    IdentityView,
    TicketView,
)
from service_desk.queries import tickets, timeline
from service_desk.queries.timeline import timeline_page
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen

CUSTOMER = schema.customer
POINT = schema.contact_point
INTERACTION = schema.interaction
TICKET = schema.ticket

CARD_TICKETS = 50
CARD_TIMELINE = 50
CARD_IDENTITIES = 20
CARD_BYTES = 64_000

__all__ = ["card", "customer_view", "timeline_page"]

# Built once: making a statement costs more than running it.
_CUSTOMER = Prepared(
    sa.select(CUSTOMER, schema.company.c.name.label("company"))
    .outerjoin(schema.company, schema.company.c.id == CUSTOMER.c.company_id)
    .where(CUSTOMER.c.id == sa.bindparam("customer"))
)
_POINTS = Prepared(
    sa.select(POINT)
    .where(POINT.c.customer_id == sa.bindparam("customer"))
    .order_by(POINT.c.created_at, POINT.c.id)
    .limit(CARD_IDENTITIES)
)
_CONTACT_TOTALS = Prepared(
    sa.select(
        sa.func.count().label("all"),
        sa.func.min(INTERACTION.c.created_at).label("first"),
        sa.func.coalesce(
            sa.func.sum(
                sa.case(
                    (
                        INTERACTION.c.created_at > sa.bindparam("since", type_=INTERACTION.c.created_at.type),
                        1,
                    ),
                    else_=0,
                )
            ),
            0,
        ).label("week"),
    ).where(INTERACTION.c.customer_id == sa.bindparam("customer"))
)
_TICKET_TOTALS = Prepared(
    sa.select(
        sa.func.count().label("all"),
        sa.func.coalesce(sa.func.sum(sa.case((TICKET.c.closed_at.is_(None), 1), else_=0)), 0).label("open"),
    ).where(TICKET.c.customer_id == sa.bindparam("customer"))
)
_HEAD = Prepared(sa.select(schema.positions.c.event))


def customer_view(reader: Reader, customer_id: str) -> CustomerView | None:
    """The record alone."""
    row = _customer(reader, customer_id)
    return _record(row, _points(reader, customer_id)) if row is not None else None


def card(reader: Reader, customer_id: str) -> CardView | None:
    """The card, None if there is no such customer. Reads by index only: fast with any length of history."""
    reader.foresee(*foreseen_card(reader, customer_id))
    row = _customer(reader, customer_id)
    if row is None:
        return None
    points = _points(reader, customer_id)
    found = tickets.card_tickets(reader, customer_id, CARD_TICKETS)
    page = timeline_page(reader, customer_id, None, CARD_TIMELINE)
    totals = _totals(reader, customer_id)
    whole = CardView(
        as_of=reader.scalar(_HEAD) or 0,
        customer=_record(row, points),
        identities=[
            IdentityView(
                id=point["id"],
                kind=point["kind"],
                value=point["value"],
                display=point["display"],
                proof=point["proof"],
                proved_at=point["proved_at"],
            )
            for point in points
        ],
        tickets=found,
        timeline=page.items,
        more=page.more,
        totals=totals,
        highlights=_highlights(row, found, totals),
    )
    return _within_limit(whole)


def foreseen_card(reader: Reader, customer_id: str) -> list[Foreseen]:
    """What `card` asks."""
    this = {"customer": customer_id}
    return [
        Foreseen(_CUSTOMER, this),
        Foreseen(_POINTS, this),
        *tickets.foreseen(customer_id, CARD_TICKETS),
        *timeline.foreseen(customer_id, CARD_TIMELINE),
        Foreseen(_CONTACT_TOTALS, _in_a_week(reader, customer_id)),
        Foreseen(_TICKET_TOTALS, this),
        Foreseen(_HEAD, {}),
    ]


def _within_limit(whole: CardView) -> CardView:
    """Shorten until the card fits: history first, which pages in when somebody scrolls; then tickets and links."""
    while _size(whole) > CARD_BYTES and len(whole.timeline) > 1:
        kept = whole.timeline[: len(whole.timeline) // 2]
        whole = whole.model_copy(update={"timeline": kept, "more": f"{kept[-1].at}.{kept[-1].id}"})
    while _size(whole) > CARD_BYTES and any(len(ticket.interaction_ids) > 1 for ticket in whole.tickets):
        whole = whole.model_copy(update={"tickets": [_fewer_links(ticket) for ticket in whole.tickets]})
    while _size(whole) > CARD_BYTES and len(whole.tickets) > 1:
        whole = whole.model_copy(update={"tickets": whole.tickets[: len(whole.tickets) // 2]})
    return whole


def _size(card_view: CardView) -> int:
    return len(card_view.model_dump_json().encode())


def _fewer_links(ticket: TicketView) -> TicketView:
    """The newer half of the contacts that it is linked with; its own page has all."""
    ids = ticket.interaction_ids
    return ticket.model_copy(update={"interaction_ids": ids[len(ids) // 2 :]})


def _customer(reader: Reader, customer_id: str) -> sa.RowMapping | None:
    return reader.first(_CUSTOMER, {"customer": customer_id})


def _points(reader: Reader, customer_id: str) -> Sequence[sa.RowMapping]:
    return reader.all(_POINTS, {"customer": customer_id})


def _record(row: sa.RowMapping, points: Sequence[sa.RowMapping]) -> CustomerView:
    shown = next((point["display"] for point in points if point["kind"] != "chat"), None)
    return CustomerView(
        id=row["id"],
        name=row["name"],
        display_name=row["name"] or shown or "Visitor",
        company=row["company"],
        tier=row["tier"],
        language=row["language"],
        time_zone=row["time_zone"],
        remark=row["remark"],
        created_at=row["created_at"],
        version=row["version"],
    )


def _in_a_week(reader: Reader, customer_id: str) -> dict[str, Any]:
    return {"customer": customer_id, "since": reader.now - 7 * DAY}


def _totals(reader: Reader, customer_id: str) -> CardTotals:
    contacts = reader.first(_CONTACT_TOTALS, _in_a_week(reader, customer_id))
    cases = reader.first(_TICKET_TOTALS, {"customer": customer_id})
    assert contacts is not None, "an aggregate has one row"
    assert cases is not None, "an aggregate has one row"
    return CardTotals(
        interactions=contacts["all"],
        tickets=cases["all"],
        open_tickets=cases["open"],
        contacts_last_7_days=contacts["week"],
        first_contact_at=contacts["first"],
    )


def _highlights(row: sa.RowMapping, found: list[TicketView], totals: CardTotals) -> list[str]:
    """Who is it and why might they call, most telling first."""
    phrases = []
    if totals.contacts_last_7_days > 1:
        phrases.append(f"{_ordinal(totals.contacts_last_7_days)} contact in 7 days")
    still_open = [ticket for ticket in found if ticket.closed_at is None]
    if still_open:
        phrases.append(f"Open ticket #{still_open[0].number}: {still_open[0].subject}")
    if len(still_open) > 1:
        phrases.append(f"{totals.open_tickets} open tickets")
    if row["tier"] != "standard":
        phrases.append(str(row["tier"]).capitalize())
    if totals.interactions <= 1:
        phrases.append("First contact")
    return phrases


def _ordinal(number: int) -> str:
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
