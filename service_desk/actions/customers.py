"""Who is it: find or make the customer of a contact point, and keep their record."""

from typing import Any

import sqlalchemy as sa

from service_desk.domain import events
from service_desk.domain.contact_point import ContactPoint
from service_desk.errors import Invalid, NotFound, StaleVersion
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Foreseen, Row, Tx

CUSTOMER = schema.customer
POINT = schema.contact_point
TIERS = ("standard", "silver", "gold")
NAME_CHARACTERS = 200
REMARK_CHARACTERS = 4_000


_MATCH = Prepared(
    sa.select(POINT.c.customer_id)
    .where(POINT.c.kind == sa.bindparam("kind"), POINT.c.value == sa.bindparam("value"))
    .order_by(
        sa.case({"verified": 0, "imported": 1, "seen": 2}, value=POINT.c.proof, else_=3),
        POINT.c.created_at,
        POINT.c.id,
    )
    .limit(1)
)


def match_customer(tx: Tx, point: ContactPoint) -> str | None:
    """The customer of a contact point: the one proved best, then the oldest."""
    found: str | None = tx.peek(_MATCH, {"kind": point.kind, "value": point.value})
    return found


def foreseen_match(point: ContactPoint) -> Foreseen:
    """What `match_customer` asks."""
    return Foreseen(_MATCH, {"kind": point.kind, "value": point.value})


def find_or_make(tx: Tx, point: ContactPoint, *, name: str | None, language: str | None, proof: str) -> str:
    """The customer of a contact point, made if nobody has it.

    Two that make the same at once: the unique `made_for` stops one, which runs again and finds the other's.
    """
    found = match_customer(tx, point)
    if found is not None:
        return found
    customer_id = make_customer(tx, name=name, language=language)
    add_point(tx, customer_id, point, proof=proof, made_for=f"{point.kind}:{point.value}")
    return customer_id


def make_customer(tx: Tx, *, name: str | None, language: str | None) -> str:
    """A new record, still without an address."""
    customer_id = tx.new_id("cus")
    tx.write(
        sa.insert(CUSTOMER),
        {
            "id": customer_id,
            "name": name,
            "company_id": None,
            "tier": "standard",
            "language": language,
            "time_zone": None,
            "remark": "",
            "merged_into": None,
            "created_at": tx.now,
            "version": 1,
        },
    )
    tx.emit(events.CustomerCreated(customer_id))
    return customer_id


def add_point(
    tx: Tx, customer_id: str, point: ContactPoint, *, proof: str, made_for: str | None = None
) -> None:
    """Another address of the customer."""
    tx.write(
        sa.insert(POINT),
        {
            "id": tx.new_id("cpt"),
            "customer_id": customer_id,
            "kind": point.kind,
            "value": point.value,
            "display": point.display,
            "proof": proof,
            "proved_at": tx.now if proof == "verified" else None,
            "created_at": tx.now,
            "made_for": made_for,
        },
    )


def change_customer(tx: Tx, customer_id: str, version: int, values: dict[str, Any]) -> Row:
    """Change the record; `values` has only known fields. StaleVersion if somebody was faster."""
    row = tx.get_for_update(CUSTOMER, customer_id)
    if row is None:
        raise NotFound(f"There is no customer {customer_id}.")
    if row["version"] != version:
        raise StaleVersion("Somebody changed this customer meanwhile.", version=row["version"])
    changes = _checked(tx, values)
    changed = {name: value for name, value in changes.items() if row[name] != value}
    if not changed:
        return row
    row = tx.change(CUSTOMER, row, **changed)
    tx.emit(events.CustomerChanged(customer_id, ",".join(sorted(changed))))
    tx.audit("customer.changed", customer_id, fields=sorted(changed))
    return row


def _checked(tx: Tx, values: dict[str, Any]) -> dict[str, Any]:
    changes = dict(values)
    if "company" in changes:
        changes["company_id"] = _company_id(tx, changes.pop("company"))
    if changes.get("tier") is not None and changes["tier"] not in TIERS:
        raise Invalid(f"tier is one of {', '.join(TIERS)}.", field="tier")
    if len(changes.get("name") or "") > NAME_CHARACTERS:
        raise Invalid(f"name is at most {NAME_CHARACTERS} characters.", field="name")
    if len(changes.get("remark") or "") > REMARK_CHARACTERS:
        raise Invalid(f"remark is at most {REMARK_CHARACTERS} characters.", field="remark")
    return changes


def _company_id(tx: Tx, name: str | None) -> str | None:
    if not name:
        return None
    table = schema.company
    found: str | None = tx.scalar(sa.select(table.c.id).where(table.c.name == name))
    if found is None:
        found = tx.new_id("com")
        tx.write(sa.insert(table), {"id": found, "name": name})
    return found
