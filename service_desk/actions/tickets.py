"""Tickets: cases that outlive a contact, many-to-many with interactions."""

from typing import Any

import sqlalchemy as sa

from service_desk.actions import messages
from service_desk.domain import events
from service_desk.domain.interaction import TICKET_DONE, TICKET_MOVES, TICKET_PRIORITIES, check_move
from service_desk.errors import Invalid, NotFound, StaleVersion
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

TICKET = schema.ticket
LINK = schema.ticket_interaction
SUBJECT_CHARACTERS = 200
TEXTS = frozenset({"subject", "description"})
"""Personal text: the audit says that it changed, and not what it says."""


def open_ticket(
    tx: Tx,
    *,
    subject: str,
    description: str,
    priority: str,
    queue_id: str | None,
    customer_id: str | None,
    interaction_id: str | None,
    assignee_id: str | None,
    brand_id: str | None = None,
) -> Row:
    """A new case, numbered, linked to the contact that it came from. A contact's customer is the ticket's."""
    subject = _subject(subject)
    if priority not in TICKET_PRIORITIES:
        raise Invalid(f"priority is one of {', '.join(TICKET_PRIORITIES)}.", field="priority")
    contact = _contact(tx, interaction_id)
    if contact is not None:
        customer_id = customer_id or contact["customer_id"]
        queue_id = queue_id or contact["queue_id"]
    default_brand = _brand(tx, queue_id)
    _check_customer(tx, customer_id)
    row: dict[str, Any] = {
        "id": tx.new_id("tic"),
        "number": tx.next_number("ticket"),
        "brand_id": brand_id or (contact["brand_id"] if contact else default_brand),
        "subject": subject,
        "description": messages.clean_text(description, "description") if description.strip() else "",
        "status": "open",
        "priority": priority,
        "queue_id": queue_id,
        "customer_id": customer_id,
        "assignee_id": assignee_id,
        "created_at": tx.now,
        "updated_at": tx.now,
        "closed_at": None,
        "version": 1,
    }
    tx.write(sa.insert(TICKET), row)
    if interaction_id is not None:
        tx.write(sa.insert(LINK), {"ticket_id": row["id"], "interaction_id": interaction_id, "at": tx.now})
    tx.emit(events.TicketOpened(row["id"], row["number"], customer_id, interaction_id))
    tx.audit("ticket.opened", row["id"], interaction_id=interaction_id)
    return row  # type: ignore[return-value]  # a dict reads like a row


def change_ticket(tx: Tx, ticket_id: str, version: int, values: dict[str, Any]) -> Row:
    """Change known fields; the status moves by its table. StaleVersion if somebody was faster."""
    row = must_get(tx, ticket_id)
    if row["version"] != version:
        raise StaleVersion("Somebody changed this ticket meanwhile.", version=row["version"])
    changed = {name: value for name, value in _checked(tx, values).items() if row[name] != value}
    if not changed:
        return row
    if "status" in changed:
        check_move(TICKET_MOVES, f"Ticket {row['number']}", row["status"], changed["status"])
    names = ",".join(sorted(changed))
    before_and_after = {name: [row[name], value] for name, value in changed.items() if name not in TEXTS}
    if "status" in changed:
        changed["closed_at"] = tx.now if changed["status"] in TICKET_DONE else None
    row = tx.change(TICKET, row, updated_at=tx.now, **changed)
    tx.emit(events.TicketChanged(ticket_id, row["customer_id"], names, row["status"]))
    tx.audit("ticket.changed", ticket_id, fields=names, changes=before_and_after)
    return row


def note_ticket(tx: Tx, ticket_id: str, agent_id: str, text: str, key: str) -> str:
    """An internal note on the case; its id. The same key again is the same note."""
    row = must_get(tx, ticket_id)
    table = schema.note
    seen: str | None = tx.scalar(
        sa.select(table.c.id).where(table.c.ticket_id == ticket_id, table.c.key == key)
    )
    if seen is not None:
        return seen
    count: int = tx.scalar(sa.select(sa.func.count()).where(table.c.ticket_id == ticket_id))
    note = {
        "id": tx.new_id("not"),
        "interaction_id": None,
        "ticket_id": ticket_id,
        "customer_id": row["customer_id"],
        "seq": count + 1,
        "author_id": agent_id,
        "author_name": messages.agent_name(tx, agent_id),
        "text": messages.clean_text(text),
        "at": tx.now,
        "key": key,
    }
    tx.write(sa.insert(table), note)
    tx.change(TICKET, row, updated_at=tx.now)
    tx.emit(events.TicketNoted(ticket_id, row["customer_id"], note["id"]))
    note_id: str = note["id"]
    return note_id


def link_interaction(tx: Tx, ticket_id: str, interaction_id: str) -> Row:
    """The contact is about this case too; again changes nothing."""
    contact = _contact(tx, interaction_id)
    row = must_get(tx, ticket_id)
    linked = tx.scalar(
        sa.select(LINK.c.at).where(LINK.c.ticket_id == ticket_id, LINK.c.interaction_id == interaction_id)
    )
    if linked is not None or contact is None:
        return row
    tx.write(sa.insert(LINK), {"ticket_id": ticket_id, "interaction_id": interaction_id, "at": tx.now})
    row = tx.change(TICKET, row, updated_at=tx.now)
    tx.emit(events.TicketLinked(ticket_id, interaction_id, row["customer_id"]))
    tx.audit("ticket.linked", ticket_id, interaction_id=interaction_id)
    return row


def must_get(tx: Tx, ticket_id: str) -> Row:
    """The ticket, locked; NotFound if there is none."""
    row = tx.get_for_update(TICKET, ticket_id)
    if row is None:
        raise NotFound(f"There is no ticket {ticket_id}.")
    return row


def _checked(tx: Tx, values: dict[str, Any]) -> dict[str, Any]:
    changes = dict(values)
    if "subject" in changes:
        changes["subject"] = _subject(changes["subject"] or "")
    if "priority" in changes and changes["priority"] not in TICKET_PRIORITIES:
        raise Invalid(f"priority is one of {', '.join(TICKET_PRIORITIES)}.", field="priority")
    if "status" in changes and changes["status"] not in TICKET_MOVES:
        raise Invalid(f"status is one of {', '.join(TICKET_MOVES)}.", field="status")
    if changes.get("queue_id") is not None:
        _brand(tx, changes["queue_id"])
    if changes.get("assignee_id") is not None and tx.get(schema.agent, changes["assignee_id"]) is None:
        raise Invalid("assignee_id names no agent.", field="assignee_id")
    return changes


def _subject(text: str) -> str:
    text = " ".join(messages.clean_text(text, "subject").split())
    if len(text) > SUBJECT_CHARACTERS:
        raise Invalid(f"subject is at most {SUBJECT_CHARACTERS} characters.", field="subject")
    return text


def _contact(tx: Tx, interaction_id: str | None) -> Row | None:
    if interaction_id is None:
        return None
    row = tx.get(schema.interaction, interaction_id)
    if row is None:
        raise Invalid("interaction_id names no interaction.", field="interaction_id")
    return row


def _check_customer(tx: Tx, customer_id: str | None) -> None:
    if customer_id is not None and tx.get(schema.customer, customer_id) is None:
        raise Invalid("customer_id names no customer.", field="customer_id")


def _brand(tx: Tx, queue_id: str | None) -> str:
    if queue_id is None:
        return tx.config.queues[0].brand_id
    try:
        return tx.config.queue(queue_id).brand_id
    except KeyError:
        raise Invalid("queue_id names no queue.", field="queue_id") from None
