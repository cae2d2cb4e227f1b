"""Threads of mail and texts: which contact takes a new message, by the state tables of `domain.media`."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from service_desk.actions import interactions, tickets
from service_desk.domain import media
from service_desk.domain.interaction import TICKET_DONE
from service_desk.storage import schema
from service_desk.storage.transaction import Row, StaleRow, Tx

THREAD = schema.thread
LINK = schema.ticket_interaction
REFERENCES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What a new contact of a thread is opened with. `number`: the thread is all that passes with this number."""

    channel: str
    account: str
    external_id: str
    peer: str
    customer_id: str | None
    caller: str | None
    subject: str
    brand_id: str
    language: str | None
    queue_id: str
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a message goes: its thread, its contact, and the step that the state table said."""

    thread: Row
    contact: Row
    step: str


@dataclass(frozen=True, slots=True)
class Held:
    """A thread and its newest contact, both locked."""

    thread: Row
    contact: Row


def hold(tx: Tx, thread_id: str) -> Held | None:
    """Lock a thread and its newest contact, the contact first; None if there is no such thread.

    Which contact that is, only the thread says: it is read, the contact locked, then the thread. If that has gone on
    in another contact meanwhile, StaleRow lets go of both and runs the action again.
    """
    seen = tx.get(THREAD, thread_id)
    if seen is None:
        return None
    contact = interactions.must_get(tx, seen["interaction_id"])
    thread = tx.get_for_update(THREAD, thread_id)
    if thread is None or thread["interaction_id"] != contact["id"]:
        raise StaleRow(f"thread {thread_id}")
    return Held(thread, contact)


def of_number(tx: Tx, account: str, number: str) -> Held | None:
    """The thread of a telephone number with its newest contact, locked."""
    found: str | None = tx.scalar(
        sa.select(THREAD.c.id).where(THREAD.c.account == account, THREAD.c.number == number)
    )
    return None if found is None else hold(tx, found)


def take_turn(tx: Tx, held: Held | None, new: Newcomer, *, wakes: bool = True) -> Turn:
    """The contact for a new message of the customer; it may be a new one. A parked one is not yet woken.

    What asks for no work (`wakes` False: a program wrote it, or it is one word about texts) is added to the newest
    contact wherever that stands, also after its end. Only where there is no thread yet does it begin something.
    """
    if held is None:
        contact = _open(tx, new)
        return Turn(_begin(tx, contact, new), contact, media.START)
    thread, last = held.thread, held.contact
    step = media.next_step(new.channel, last["state"], last["ended_at"], tx.now) if wakes else media.CONTINUE
    if step in (media.CONTINUE, media.RESUME):
        return Turn(thread, last, step)
    contact = _open(tx, new, had_by=last["agent_id"] if step == media.REOPEN else None)
    if step == media.REOPEN:
        _same_case(tx, last["id"], contact["id"])
    thread = tx.change(
        THREAD,
        thread,
        interaction_id=contact["id"],
        contacts=thread["contacts"] + 1,
        customer_id=thread["customer_id"] or new.customer_id,
        at=tx.now,
    )
    return Turn(thread, contact, step)


def remember(tx: Tx, thread: Row, message_id: str | None) -> Row:
    """The newest mail: answers refer to it and to those before it."""
    if message_id is None:
        return tx.change(THREAD, thread, at=tx.now)
    known = [each for each in thread["references"] if each != message_id]
    references = [*known, message_id][-REFERENCES_KEPT:]
    return tx.change(THREAD, thread, last_message_id=message_id, references=references, at=tx.now)


def _open(tx: Tx, new: Newcomer, had_by: str | None = None) -> Row:
    return interactions.open_interaction(
        tx,
        channel=new.channel,
        account=new.account,
        external_id=new.external_id,
        brand_id=new.brand_id,
        customer_id=new.customer_id,
        caller=new.caller,
        topic=new.subject or None,
        language=new.language,
        queue_id=new.queue_id,
        had_by=had_by,
    )


def _begin(tx: Tx, contact: Row, new: Newcomer) -> Row:
    row: dict[str, Any] = {
        "id": contact["id"],
        "account": new.account,
        "channel": new.channel,
        "peer": new.peer,
        "customer_id": new.customer_id,
        "interaction_id": contact["id"],
        "subject": new.subject,
        "contacts": 1,
        "last_message_id": None,
        "references": [],
        "number": new.number,
        "at": tx.now,
        "version": 1,
    }
    return tx.add(THREAD, row)


def _same_case(tx: Tx, before: str, contact_id: str) -> None:
    """The cases of the contact before are this one's too, and open again."""
    rows = tx.all(
        sa.select(LINK.c.ticket_id).where(LINK.c.interaction_id == before).order_by(LINK.c.ticket_id)
    )
    for link in rows:
        tickets.link_interaction(tx, link["ticket_id"], contact_id)
        reopen(tx, link["ticket_id"])


def reopen(tx: Tx, ticket_id: str) -> None:
    """The customer wrote about it: a case that was done or waiting is open."""
    row = tickets.must_get(tx, ticket_id)
    if row["status"] in TICKET_DONE or row["status"] == "pending":
        tickets.change_ticket(tx, ticket_id, row["version"], {"status": "open"})


def reopen_cases(tx: Tx, contact_id: str) -> None:
    """Every case of a contact whose customer wrote."""
    rows = tx.all(
        sa.select(LINK.c.ticket_id).where(LINK.c.interaction_id == contact_id).order_by(LINK.c.ticket_id)
    )
    for link in rows:
        reopen(tx, link["ticket_id"])
