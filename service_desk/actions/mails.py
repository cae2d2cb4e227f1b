"""Mail: what an incoming mail changes. Which thread it belongs to is proved, never guessed (channels.email.threads)."""

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from channels.contract import Machine, MailAddress, MailReceived
from channels.email.threads import Found, Match, Proof, Question, match
from service_desk.actions import attachments, deliveries, messages, parking, threads, tickets
from service_desk.actions.attachments import StoredFile
from service_desk.actions.customers import find_or_make
from service_desk.actions.threads import Newcomer
from service_desk.domain import media
from service_desk.domain.config import Mailbox
from service_desk.domain.contact_point import fold_mailbox
from service_desk.errors import Invalid
from service_desk.storage import schema
from service_desk.storage.transaction import Input, Row, Tx

MESSAGE = schema.message
THREAD = schema.thread
NUMBER = re.compile(r"\[#([0-9]{1,12})\]")
"""How a ticket's number stands in our subjects; it proves nothing by itself."""
NAME_CHARACTERS = 200
DESCRIPTION_CHARACTERS = 2_000
NO_SUBJECT = "(no subject)"


def receive_mail(
    tx: Tx, account: str, event: MailReceived, files: Sequence[StoredFile], raw_blob: str
) -> None:
    """One mail, once, with its files already in the blob store. Its raw text is kept as `raw_blob`."""
    box = _mailbox(tx, account)
    if not tx.first_time(Input(account, event.dedupe_key, "mail_received", _raw(event, raw_blob))):
        return
    if event.machine is Machine.OWN:
        return  # a loop: kept as raw input, and nothing else
    if _is_known(tx, account, event):
        return  # it was taken before, and its raw input has been forgotten since
    if event.bounce is not None and deliveries.bounced(tx, account, event.bounce) is not None:
        return
    customer_id = _sender(tx, event, box)
    if customer_id is not None:
        tx.input_is_about(customer_id)
    found = match(event, lambda question: _look_up(tx, account, question), NUMBER)
    held = threads.hold(tx, found.thread_id) if found.thread_id is not None else None
    is_written = event.machine is Machine.NONE
    turn = threads.take_turn(tx, held, _newcomer(event, box, customer_id), wakes=is_written)
    contact = _keep(tx, turn, event, files, customer_id, found)
    threads.remember(tx, turn.thread, event.message_id)
    if turn.step == media.START:
        _new_case(tx, contact, event, box)
    elif is_written:
        contact = parking.requeue(tx, contact, "customer_replied")
        threads.reopen_cases(tx, contact["id"])


def _is_known(tx: Tx, account: str, event: MailReceived) -> bool:
    """Whether this very mail is here already, as a contact's first one or as a later one."""
    contact = schema.interaction
    this_mail = (contact.c.account == account, contact.c.external_id == event.dedupe_key)
    if tx.scalar(sa.select(contact.c.id).where(*this_mail)) is not None:
        return True
    if event.message_id is None:
        return False
    later = (
        sa.select(MESSAGE.c.id)
        .join(contact, contact.c.id == MESSAGE.c.interaction_id)
        .where(
            MESSAGE.c.provider_id == event.message_id,
            MESSAGE.c.key == event.dedupe_key,
            contact.c.account == account,
        )
        .limit(1)
    )
    return tx.scalar(later) is not None


def _raw(event: MailReceived, raw_blob: str) -> dict[str, Any]:
    """What the raw mail is found by; the mail itself lies in the blob store."""
    return {
        "message_id": event.message_id,
        "raw": raw_blob,
        "bytes": event.raw_size,
        "machine": event.machine.value,
    }


def _sender(tx: Tx, event: MailReceived, box: Mailbox) -> str | None:
    """Who wrote; None for a mail that names nobody."""
    point = fold_mailbox(event.sender.address) if event.sender is not None else None
    if event.sender is None or point is None:
        return None
    name = event.sender.name[:NAME_CHARACTERS] or None
    return find_or_make(tx, point, name=name, language=event.language or box.language, proof="claimed")


def _newcomer(event: MailReceived, box: Mailbox, customer_id: str | None) -> Newcomer:
    sender = event.sender.address if event.sender is not None else ""
    return Newcomer(
        channel="email",
        account=box.account,
        external_id=event.dedupe_key,
        peer=sender,
        customer_id=customer_id,
        caller=sender or None,
        subject=event.subject or NO_SUBJECT,
        brand_id=box.brand_id,
        language=(event.language or box.language)[:2],
        queue_id=box.default_queue,
    )


def _keep(
    tx: Tx,
    turn: threads.Turn,
    event: MailReceived,
    files: Sequence[StoredFile],
    customer_id: str | None,
    found: Match,
) -> Row:
    contact = turn.contact
    if found.claimed is not None:
        contact = messages.add_system_line(tx, contact, "mail.claims_thread")
    sender = event.sender
    contact, entry = messages.add_message(
        tx,
        contact,
        author_kind="customer",
        author_id=customer_id,
        author_name=(sender.name or sender.address) if sender is not None else "Unknown sender",
        text=event.text,
        key=event.dedupe_key,
        letter={
            "status": None,
            "quoted": event.quoted or None,
            "html": event.html,
            "provider_id": event.message_id,
            "envelope": _envelope(event, turn.thread["id"], found, _claims(tx, found)),
        },
    )
    attachments.add_files(tx, contact, entry["id"], files, "customer")
    return contact


def _claims(tx: Tx, found: Match) -> list[str]:
    """In words, what the mail says to belong to without proof: the newest of the cases that the thread is about."""
    if found.claimed is None:
        return []
    ticket, link = schema.ticket, schema.ticket_interaction
    number: int | None = tx.scalar(
        sa.select(ticket.c.number)
        .join(link, link.c.ticket_id == ticket.c.id)
        .join(THREAD, THREAD.c.interaction_id == link.c.interaction_id)
        .where(THREAD.c.id == found.claimed)
        .order_by(ticket.c.number.desc())
        .limit(1)
    )
    what = "another conversation" if number is None else f"ticket #{number}"
    words = (
        f"It says that it belongs to {what}, and nothing proves it: anybody can write that, under any name.",
        "If you are sure who wrote, link this contact to that case; else tell the sender nothing of it.",
    )
    return [" ".join(words)]


def _envelope(event: MailReceived, thread_id: str, found: Match, claims: Sequence[str]) -> dict[str, Any]:
    return {
        "thread": thread_id,
        "from": None if event.sender is None else address(event.sender),
        "to": [address(each) for each in event.to],
        "cc": [address(each) for each in event.cc],
        "reply_to": [address(each) for each in event.reply_to],
        "subject": event.subject,
        "message_id": event.message_id,
        "sent_at": event.sent_at,
        "machine": event.machine.value,
        "remote_images": event.remote_images,
        "doubts": [*event.doubts, *claims],
        "notes": list(event.notes),
        "proof": found.proof.value,
        "claimed": found.claimed,
    }


def address(each: MailAddress) -> dict[str, str]:
    """An address as rows and screens have it."""
    return {"address": each.address, "name": each.name}


def _new_case(tx: Tx, contact: Row, event: MailReceived, box: Mailbox) -> None:
    """A mail that begins something is a ticket."""
    tickets.open_ticket(
        tx,
        subject=(event.subject or NO_SUBJECT)[: tickets.SUBJECT_CHARACTERS],
        description=event.text[:DESCRIPTION_CHARACTERS],
        priority="normal",
        queue_id=box.default_queue,
        customer_id=contact["customer_id"],
        interaction_id=contact["id"],
        brand_id=box.brand_id,
        assignee_id=None,
    )


# --- what proves a thread ---------------------------------------------------------------------------------------


def _look_up(tx: Tx, account: str, question: Question) -> Found | None:
    match question.proof:
        case Proof.ADDRESS_TOKEN | Proof.MESSAGE_TOKEN:
            thread = tx.get(THREAD, question.value)
            ours = thread is not None and thread["account"] == account
            return Found(question.value, sender_belongs=True) if ours else None
        case Proof.ANSWERS_OURS:
            return _answered(tx, account, question)
        case Proof.NUMBER:
            return _numbered(tx, account, question)
        case Proof.NONE:
            return None


def _answered(tx: Tx, account: str, question: Question) -> Found | None:
    """A message of this mailbox that the mail answers; the sender belongs if it is one to whom we sent it."""
    row = tx.first(
        sa.select(MESSAGE.c.envelope, MESSAGE.c.author_kind, schema.interaction.c.account)
        .join(schema.interaction, schema.interaction.c.id == MESSAGE.c.interaction_id)
        .where(MESSAGE.c.provider_id == question.value)
        .limit(1)
    )
    if row is None or row["account"] != account or not row["envelope"]:
        return None
    envelope = row["envelope"]
    to = {each["address"] for each in [*envelope.get("to", ()), *envelope.get("cc", ())]}
    ours = row["author_kind"] == "agent"
    return Found(envelope["thread"], sender_belongs=ours and question.sender in to)


def _numbered(tx: Tx, account: str, question: Question) -> Found | None:
    """The newest thread of a ticket. To name its number proves nothing, whoever seems to do it."""
    ticket, link = schema.ticket, schema.ticket_interaction
    found: str | None = tx.scalar(
        sa.select(THREAD.c.id)
        .join(link, link.c.interaction_id == THREAD.c.interaction_id)
        .join(ticket, ticket.c.id == link.c.ticket_id)
        .where(
            ticket.c.number == int(question.value), THREAD.c.account == account, THREAD.c.channel == "email"
        )
        .order_by(THREAD.c.at.desc())
        .limit(1)
    )
    return None if found is None else Found(found, sender_belongs=False)


def _mailbox(tx: Tx, account: str) -> Mailbox:
    box = tx.config.mailbox(account)
    if box is None:
        raise Invalid(f"No mailbox is configured for the account {account}.", field="account")
    return box
