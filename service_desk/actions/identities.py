"""Which addresses are whose, and whose contact it is: an agent's word, checked and kept in the audit."""

from typing import Any

import sqlalchemy as sa

from service_desk.actions import customers, interactions
from service_desk.domain import events
from service_desk.domain.contact_point import ContactPoint, fold_typed
from service_desk.errors import Conflict, Invalid, NotFound
from service_desk.planted import planted
from service_desk.queries.identities import address_of, regions_for
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx

CUSTOMER = schema.customer
POINT = schema.contact_point
INTERACTION = schema.interaction
VISITOR = schema.visitor
LINK = schema.ticket_interaction
TICKET = schema.ticket
ADDRESSES_MAX = 50
"""Phone numbers and mailboxes of one customer; more are a mistake, or a switchboard's."""

_OWN = Prepared(
    sa.select(POINT).where(
        POINT.c.customer_id == sa.bindparam("customer"),
        POINT.c.kind == sa.bindparam("kind"),
        POINT.c.value == sa.bindparam("value"),
    )
)
_COUNT = Prepared(
    sa.select(sa.func.count()).where(POINT.c.customer_id == sa.bindparam("customer"), POINT.c.kind != "chat")
)
_ANYBODY = Prepared(
    sa.select(POINT.c.id)
    .where(POINT.c.kind == sa.bindparam("kind"), POINT.c.value == sa.bindparam("value"))
    .limit(1)
)
_VISITOR_OF = Prepared(
    sa.select(VISITOR)
    .join(POINT, POINT.c.value == VISITOR.c.id)
    .where(
        POINT.c.customer_id == sa.bindparam("customer"),
        POINT.c.kind == "chat",
        VISITOR.c.interaction_id == sa.bindparam("interaction"),
    )
    .with_for_update(of=VISITOR)
)
_OTHER = LINK.alias("other")
_ONLY_TICKETS = Prepared(
    sa.select(TICKET)
    .join(LINK, LINK.c.ticket_id == TICKET.c.id)
    .where(
        LINK.c.interaction_id == sa.bindparam("interaction"),
        TICKET.c.customer_id == sa.bindparam("customer"),
        ~sa.exists().where(
            _OTHER.c.ticket_id == TICKET.c.id, _OTHER.c.interaction_id != sa.bindparam("interaction")
        ),
    )
    .order_by(TICKET.c.id)
    .with_for_update(of=TICKET)
)
_TRACES = (
    sa.select(INTERACTION.c.id).where(
        INTERACTION.c.customer_id == sa.bindparam("customer"), INTERACTION.c.id != sa.bindparam("interaction")
    ),
    sa.select(TICKET.c.id).where(TICKET.c.customer_id == sa.bindparam("customer")),
)
_ANY_TRACE = tuple(Prepared(statement.limit(1)) for statement in _TRACES)


def link_address(tx: Tx, customer_id: str, address: str, proof: str) -> Row:
    """Another address of the customer, by an agent's word: `claimed`, or `verified` if the agent checked it.

    Theirs already: only a better proof changes it. Somebody else may have it too: a contact then shows a choice.
    """
    row = _customer(tx, customer_id)
    point = fold_typed(address, regions_for(tx, customer_id))
    if point is None:
        raise Invalid(
            "This is neither a phone number nor a mail address. Write a number with its area code, or with + and "
            "the country's code; a mail address like name@example.org.",
            field="address",
        )
    own = _own(tx, row["id"], point)
    if own is not None:
        return _prove(tx, own, proof)
    if tx.scalar(_COUNT, {"customer": customer_id}) >= ADDRESSES_MAX:
        raise Conflict(
            f"A customer has at most {ADDRESSES_MAX} addresses: unlink one first.", code="too_many_addresses"
        )
    return _add(tx, customer_id, point, proof)


def unlink_address(tx: Tx, customer_id: str, point_id: str) -> None:
    """The address is not this customer's; what was said over it stays where it is."""
    _customer(tx, customer_id)
    point = tx.get(POINT, point_id)
    if point is None or point["customer_id"] != customer_id:
        raise NotFound("This customer has no such address, or not any more.")
    if tx.write(sa.delete(POINT).where(POINT.c.id == point_id, POINT.c.customer_id == customer_id)) != 1:
        raise NotFound("This customer has no such address, or not any more.")
    if point["kind"] == "chat":
        this_visitor = sa.and_(VISITOR.c.id == point["value"], VISITOR.c.customer_id == customer_id)
        tx.write(sa.update(VISITOR).where(this_visitor).values(customer_id=None))
    tx.emit(events.IdentityUnlinked(customer_id, point_id, point["kind"]))
    tx.audit(
        "customer.identity_unlinked", customer_id, point=point_id, kind=point["kind"], proof=point["proof"]
    )


def set_customer(tx: Tx, interaction_id: str, customer_id: str, *, remember: bool) -> Row:
    """This contact is somebody else's: it, its words, files and thread, and the tickets that came of it alone.

    `remember`: the contact's address is theirs too. A record that was made for this contact and of which nothing
    else is known goes up in theirs.
    """
    visitor = _lock_visitor(tx, interaction_id)
    row = interactions.must_get(tx, interaction_id)
    previous = row["customer_id"]
    if previous == customer_id:
        return row
    cases = _cases(tx, interaction_id, previous)
    _lock_customers(tx, customer_id, previous)
    row = tx.change(INTERACTION, row, customer_id=customer_id)
    _move_content(tx, interaction_id, customer_id, previous)
    for case in cases:
        tx.change(TICKET, case, customer_id=customer_id, updated_at=tx.now)
        tx.emit(events.TicketChanged(case["id"], customer_id, "customer_id", case["status"]))
        changes = {"customer_id": [previous, customer_id]}
        tx.audit("ticket.changed", case["id"], fields="customer_id", changes=changes)
    if visitor is not None:
        _move_visitor(tx, visitor["id"], customer_id, previous)
    tx.emit(events.InteractionCustomerChanged(interaction_id, customer_id, previous))
    tx.audit(
        "interaction.customer_changed",
        interaction_id,
        customer_id=customer_id,
        previous_id=previous,
        remember=remember,
    )
    if remember:
        _remember(tx, row, customer_id, previous)
    return row


def set_new_customer(tx: Tx, interaction_id: str, name: str, *, remember: bool) -> Row:
    """This contact is from somebody of whom there is no record yet, or only an empty one, which gets the name."""
    if not name.strip():
        raise Invalid("name is empty: write who it is.", field="name")
    row = tx.get(INTERACTION, interaction_id)
    previous = row["customer_id"] if row is not None else None
    if previous is not None and _is_hollow(tx, previous, interaction_id):
        record = _customer(tx, previous)
        customers.change_customer(tx, previous, record["version"], {"name": name.strip()})
        return interactions.must_get(tx, interaction_id)
    made = customers.make_customer(tx, name=name.strip(), language=row["language"] if row else None)
    return set_customer(tx, interaction_id, made, remember=remember)


def _customer(tx: Tx, customer_id: str) -> Row:
    """The customer, locked, so that two who link at once do it one after the other."""
    row = tx.get_for_update(CUSTOMER, customer_id)
    if row is None:
        raise NotFound(f"There is no customer {customer_id}.")
    if row["merged_into"] is not None:
        raise Conflict(
            "This record is part of another one now.", code="merged", merged_into=row["merged_into"]
        )
    return row


def _own(tx: Tx, customer_id: str, point: ContactPoint) -> Row | None:
    return tx.first(_OWN, {"customer": customer_id, "kind": point.kind, "value": point.value})


def _prove(tx: Tx, own: Row, proof: str) -> Row:
    """A proof is never lost by somebody's saying less."""
    if proof != "verified" or own["proof"] == "verified":
        return own
    values: dict[str, Any] = {"proof": proof, "proved_at": tx.now}
    tx.write(sa.update(POINT).where(POINT.c.id == own["id"]).values(values))
    _linked(tx, own["customer_id"], own["id"], own["kind"], proof)
    return {**own, **values}  # type: ignore[return-value]  # a dict reads like a row


def _add(tx: Tx, customer_id: str, point: ContactPoint, proof: str) -> Row:
    """An address that nobody has is claimed as a new person's is: of two at once, one runs again and finds it."""
    unknown = tx.scalar(_ANYBODY, {"kind": point.kind, "value": point.value}) is None
    made_for = f"{point.kind}:{point.value}" if unknown else None
    customers.add_point(tx, customer_id, point, proof=proof, made_for=made_for)
    own = _own(tx, customer_id, point)
    assert own is not None, "just inserted"
    _linked(tx, customer_id, own["id"], point.kind, proof)
    return own


def _linked(tx: Tx, customer_id: str, point_id: str, kind: str, proof: str) -> None:
    tx.emit(events.IdentityLinked(customer_id, point_id, kind, proof))
    tx.audit("customer.identity_linked", customer_id, point=point_id, kind=kind, proof=proof)


# --- moving a contact ---------------------------------------------------------------------------------------


def _lock_visitor(tx: Tx, interaction_id: str) -> Row | None:
    """The visitor of a chat, before the interaction: the order in which what they write locks."""
    row = tx.get(INTERACTION, interaction_id)
    if row is None or row["channel"] != "web_chat" or row["customer_id"] is None:
        return None
    return tx.first(_VISITOR_OF, {"customer": row["customer_id"], "interaction": interaction_id})


def _cases(tx: Tx, interaction_id: str, previous: str | None) -> list[Row]:
    """The previous customer's tickets that are about this contact and no other."""
    if previous is None:
        return []
    return list(tx.all(_ONLY_TICKETS, {"interaction": interaction_id, "customer": previous}))


def _lock_customers(tx: Tx, customer_id: str, previous: str | None) -> None:
    for each in sorted({customer_id, previous or customer_id}):
        if each == customer_id:
            _customer(tx, each)
        else:
            tx.get_for_update(CUSTOMER, each)


def _move_content(tx: Tx, interaction_id: str, customer_id: str, previous: str | None) -> None:
    """Every row with personal text of the contact says whose it is, so that one person can be erased."""
    if planted("moved_contact_keeps_words"):
        return
    for table in (schema.message, schema.note, schema.attachment):
        this_contact = table.c.interaction_id == interaction_id
        tx.write(sa.update(table).where(this_contact).values(customer_id=customer_id))
    if previous is not None:
        thread = schema.thread
        this_thread = sa.and_(thread.c.customer_id == previous, thread.c.interaction_id == interaction_id)
        fresh = {"customer_id": customer_id, "version": thread.c.version + 1}
        tx.write(sa.update(thread).where(this_thread).values(fresh))


def _move_visitor(tx: Tx, visitor_id: str, customer_id: str, previous: str | None) -> None:
    """Who comes back from the same browser is the same person."""
    tx.update(VISITOR, visitor_id, customer_id=customer_id)
    this_browser = sa.and_(
        POINT.c.kind == "chat", POINT.c.value == visitor_id, POINT.c.customer_id == previous
    )
    tx.write(sa.update(POINT).where(this_browser).values(customer_id=customer_id))


def _remember(tx: Tx, row: Row, customer_id: str, previous: str | None) -> None:
    """The contact's address is the right customer's too; of a record without anything else, all addresses."""
    if previous is not None and _is_hollow(tx, previous, row["id"]):
        _absorb(tx, previous, customer_id)
        return
    point = address_of(row["caller"])
    if point is not None and _own(tx, customer_id, point) is None:
        _add(tx, customer_id, point, "claimed")


def _is_hollow(tx: Tx, customer_id: str, interaction_id: str) -> bool:
    """Only an address and this one contact: nobody ever wrote anything about them."""
    row = tx.get(CUSTOMER, customer_id)
    if row is None or row["name"] or row["company_id"] or row["remark"] or row["merged_into"]:
        return False
    asked = {"customer": customer_id, "interaction": interaction_id}
    return all(tx.first(statement, asked) is None for statement in _ANY_TRACE)


def _absorb(tx: Tx, hollow: str, customer_id: str) -> None:
    """The addresses go over, and the empty record says where they went."""
    for point in tx.all(sa.select(POINT).where(POINT.c.customer_id == hollow).order_by(POINT.c.id)):
        folded = ContactPoint(point["kind"], point["value"], point["display"])
        if _own(tx, customer_id, folded) is not None or planted("merged_customer_loses_address"):
            tx.write(sa.delete(POINT).where(POINT.c.id == point["id"]))
            continue
        tx.write(sa.update(POINT).where(POINT.c.id == point["id"]).values(customer_id=customer_id))
        _linked(tx, customer_id, point["id"], point["kind"], point["proof"])
    row = tx.get_for_update(CUSTOMER, hollow)
    assert row is not None, "locked before"
    tx.change(CUSTOMER, row, merged_into=customer_id)
    tx.emit(events.CustomerChanged(hollow, "merged_into"))
    tx.audit("customer.merged", hollow, into=customer_id)
