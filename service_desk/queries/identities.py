"""Whom an address or a contact may belong to, and why."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from service_desk.domain import contact_point
from service_desk.domain.contact_point import ContactPoint, fold_mailbox, fold_phone, fold_typed
from service_desk.domain.page_views import AddressView, CandidatesView, CandidateView, MatchView
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

CUSTOMER = schema.customer
POINT = schema.contact_point
INTERACTION = schema.interaction
TICKET = schema.ticket

SHOWN = 20
"""Candidates; an address that more people share than that says nothing about who is there."""
ADDRESSES_SHOWN = 3
PROOFS = ("verified", "imported", "seen", "claimed")
"""Best first: the order in which the desk believes them."""

_IDS: sa.BindParameter[list[str]] = sa.bindparam("ids", expanding=True)
_POINTS_OF = Prepared(
    sa.select(POINT).where(POINT.c.customer_id.in_(_IDS)).order_by(POINT.c.created_at, POINT.c.id)
)
_HAVING = Prepared(
    sa.select(POINT)
    .join(CUSTOMER, CUSTOMER.c.id == POINT.c.customer_id)
    .where(
        POINT.c.kind == sa.bindparam("kind"),
        POINT.c.value == sa.bindparam("value"),
        CUSTOMER.c.merged_into.is_(None),
    )
    .order_by(
        sa.case({proof: rank for rank, proof in enumerate(PROOFS)}, value=POINT.c.proof),
        POINT.c.created_at,
        POINT.c.id,
    )
    .limit(SHOWN)
)
_CUSTOMERS = Prepared(
    sa.select(CUSTOMER, schema.company.c.name.label("company"))
    .outerjoin(schema.company, schema.company.c.id == CUSTOMER.c.company_id)
    .where(CUSTOMER.c.id.in_(_IDS))
)
_OPEN_TICKETS = Prepared(
    sa.select(TICKET.c.customer_id, sa.func.count().label("count"))
    .where(TICKET.c.customer_id.in_(_IDS), TICKET.c.closed_at.is_(None))
    .group_by(TICKET.c.customer_id)
)
_LAST_CONTACTS = Prepared(
    sa.select(INTERACTION.c.customer_id, sa.func.max(INTERACTION.c.created_at).label("at"))
    .where(INTERACTION.c.customer_id.in_(_IDS))
    .group_by(INTERACTION.c.customer_id)
)
_CALLER = Prepared(
    sa.select(INTERACTION.c.customer_id, INTERACTION.c.caller).where(
        INTERACTION.c.id == sa.bindparam("interaction")
    )
)


def regions_for(reader: Reader | Tx, customer_id: str | None) -> tuple[str, ...]:
    """Where a number of this customer's may be dialled from: their other numbers, their language, our own lines."""
    found: list[str | None] = []
    if customer_id is not None:
        points = reader.all(_POINTS_OF, {"ids": [customer_id]})
        found += [
            contact_point.region_of_phone(point["value"]) for point in points if point["kind"] == "phone"
        ]
        row = reader.get(CUSTOMER, customer_id)
        found.append(contact_point.region_of_language(row["language"]) if row is not None else None)
    lines = reader.config.phone_lines
    found += [contact_point.region_of_phone(line.number) for line in lines]
    found += [contact_point.region_of_language(line.language) for line in lines]
    return tuple(dict.fromkeys(region for region in found if region is not None))


def address_of(caller: str | None) -> ContactPoint | None:
    """The address in what a contact shows of its caller, None for a name or a withheld number."""
    if not caller:
        return None
    return fold_mailbox(caller) if "@" in caller else fold_phone(caller)


def read_address(reader: Reader, text: str, customer_id: str | None) -> AddressView | None:
    """How a typed address is understood for a customer; None if it is no address."""
    point = fold_typed(text, regions_for(reader, customer_id))
    if point is None:
        return None
    holders = _candidates(reader, [(point, reader.all(_HAVING, _asked(point)))], customer_id)
    return AddressView(
        kind=point.kind,
        display=point.display,
        region=contact_point.region_of_phone(point.value) if point.kind == "phone" else None,
        holders=holders,
    )


def candidates(reader: Reader, interaction_id: str) -> CandidatesView | None:
    """Whom a contact may be from: whoever has its address, or an address of the one it is filed under."""
    contact = reader.first(_CALLER, {"interaction": interaction_id})
    if contact is None:
        return None
    own = address_of(contact["caller"])
    current = contact["customer_id"]
    points = [own] if own is not None else []
    if current is not None:
        points += [
            ContactPoint(row["kind"], row["value"], row["display"])
            for row in reader.all(_POINTS_OF, {"ids": [current]})
            if own is None or (row["kind"], row["value"]) != (own.kind, own.value)
        ]
    found = [(point, reader.all(_HAVING, _asked(point))) for point in points[:SHOWN]]
    return CandidatesView(
        customer_id=current,
        address=own.display if own is not None else None,
        items=_candidates(reader, found, current),
    )


def _asked(point: ContactPoint) -> dict[str, Any]:
    return {"kind": point.kind, "value": point.value}


def _candidates(
    reader: Reader, found: Iterable[tuple[ContactPoint, Sequence[sa.RowMapping]]], current: str | None
) -> list[CandidateView]:
    """Everybody who was found, each once, with all that matched; the current one first."""
    why: dict[str, list[MatchView]] = defaultdict(list)
    for point, rows in found:
        for row in rows:
            why[row["customer_id"]].append(
                MatchView(
                    kind=point.kind,
                    display=row["display"],
                    proof=row["proof"],
                )
            )
    ids = list(why)[:SHOWN]
    if current in why:
        ids = [current, *(each for each in ids if each != current)]
    return _views(reader, ids, why, current) if ids else []


def _views(
    reader: Reader, ids: list[str], why: dict[str, list[MatchView]], current: str | None
) -> list[CandidateView]:
    asked = {"ids": ids}
    rows = {row["id"]: row for row in reader.all(_CUSTOMERS, asked)}
    tickets = {row["customer_id"]: row["count"] for row in reader.all(_OPEN_TICKETS, asked)}
    contacts = {row["customer_id"]: row["at"] for row in reader.all(_LAST_CONTACTS, asked)}
    addresses: dict[str, list[str]] = defaultdict(list)
    for point in reader.all(_POINTS_OF, asked):
        if point["kind"] != "chat":
            addresses[point["customer_id"]].append(point["display"])
    return [
        CandidateView(
            customer_id=each,
            display_name=rows[each]["name"] or next(iter(addresses[each]), "Visitor"),
            company=rows[each]["company"],
            tier=rows[each]["tier"],
            addresses=addresses[each][:ADDRESSES_SHOWN],
            open_tickets=tickets.get(each, 0),
            last_contact_at=contacts.get(each),
            why=why[each],
            current=each == current,
        )
        for each in ids
        if each in rows
    ]
