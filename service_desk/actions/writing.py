"""What agents send by mail and text. An answer to what the customer has said since is refused, and shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from channels.contract import MailAddress
from channels.email import settings as mail_limits
from channels.email.addresses import fold
from channels.email.sanitize import clean_outgoing
from channels.sms.segments import TEXT_CHARACTERS as SMS_CHARACTERS
from service_desk.actions import agents, attachments, drafts, effects, interactions, messages, parking, texts
from service_desk.actions.mails import address
from service_desk.domain import events
from service_desk.domain import interaction as life
from service_desk.domain.effects import SendMessage
from service_desk.errors import Conflict, Invalid, NotFound, TooLarge
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

MESSAGE = schema.message
RECIPIENTS_MOST = 50
WRITABLE = frozenset({life.ACTIVE, life.PARKED})
FAILED = frozenset({"failed", "undelivered", "unknown"})


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as an agent wrote it; addresses as typed."""

    to: Sequence[str]
    cc: Sequence[str]
    subject: str
    text: str
    html: str | None
    attachments: Sequence[str]


def send_text(tx: Tx, interaction_id: str, agent_id: str, text: str, key: str, seen: int | None) -> str:
    """An agent texts the customer; the entry's id."""
    row = _mine(tx, interaction_id, agent_id, "sms")
    _check_seen(tx, row, seen)
    text = messages.clean_text(text)
    if len(text) > SMS_CHARACTERS:
        raise TooLarge(f"text has {len(text)} characters; a text takes {SMS_CHARACTERS}.", field="text")
    number = _number(tx, row)
    _check_consent(tx, row, number)
    envelope = {"thread": _thread_id(tx, row), "to": number, "from": _texted_number(tx, row)}
    return _keep(tx, row, agent_id, text, key, {"envelope": envelope})


def send_mail(tx: Tx, interaction_id: str, agent_id: str, letter: Letter, key: str, seen: int | None) -> str:
    """An agent writes a mail in the contact's thread; the entry's id."""
    row = _mine(tx, interaction_id, agent_id, "email")
    _check_seen(tx, row, seen)
    to, cc = _addresses(letter.to, "to"), _addresses(letter.cc, "cc")
    if not to:
        raise Invalid("to: name at least one recipient.", field="to")
    if len(to) + len(cc) > RECIPIENTS_MOST:
        raise Invalid(f"to: at most {RECIPIENTS_MOST} recipients, cc included.", field="to")
    text = messages.clean_text(letter.text)
    subject = _subject(letter.subject)
    html = clean_outgoing(letter.html) if letter.html else None
    thread_id = _thread_id(tx, row)
    thread = tx.get_for_update(schema.thread, thread_id)
    if thread is None or thread["interaction_id"] != interaction_id:
        raise _went_on()
    envelope = {
        "thread": thread_id,
        "to": [address(each) for each in to],
        "cc": [address(each) for each in cc],
        "subject": subject,
        "in_reply_to": thread["last_message_id"],
        "references": thread["references"],
    }
    entry_id = _keep(tx, row, agent_id, text, key, {"envelope": envelope, "html": html})
    if letter.attachments:
        attachments.claim(tx, row, entry_id, letter.attachments)
    return entry_id


def retry(tx: Tx, interaction_id: str, entry_id: str, agent_id: str) -> str:
    """Send a message that failed once more. A text to a number that has stopped texts meanwhile is refused."""
    row = interactions.must_get(tx, interaction_id)
    interactions.require_owner(row, agent_id)
    message = tx.get_for_update(MESSAGE, entry_id)
    if message is None or message["interaction_id"] != interaction_id:
        raise NotFound("There is no such message here.")
    if message["status"] not in FAILED:
        raise Conflict("Only a message that failed can be sent again.", code="not_failed")
    if row["channel"] == "sms":
        _check_consent(tx, row, message["envelope"]["to"])
    if message["provider_id"] is not None:  # another attempt must not be taken for this one
        former = [*(message["former_ids"] or ()), message["provider_id"]]
        tx.update(MESSAGE, entry_id, former_ids=former)
    _hand_over(tx, row, entry_id, message["tries"] + 1)
    tx.emit(events.EntryChanged(interaction_id, entry_id, "message", "queued"))
    return entry_id


def _mine(tx: Tx, interaction_id: str, agent_id: str, channel: str) -> Row:
    agents.must_get(tx, agent_id)  # locked before the contact, which `then` may take out of their hands
    row = interactions.must_get(tx, interaction_id)
    interactions.require_owner(row, agent_id)
    if row["channel"] != channel:
        raise Conflict("This kind of contact takes another kind of message.", code="no_composer")
    if row["state"] not in WRITABLE:
        raise Conflict("The contact is over; your text was not sent.", code="not_active")
    return row


def _check_consent(tx: Tx, row: Row, number: str) -> None:
    if texts.opted_out(tx, row["account"], number):
        raise Conflict(
            "This number has asked for no more texts (STOP). Phone or mail them instead; START from their side "
            "lets texts go again.",
            code="opted_out",
        )


def _check_seen(tx: Tx, row: Row, seen: int | None) -> None:
    """Conflict if the customer wrote after the entry number `seen`, the newest that the agent had on screen."""
    if seen is None:
        return
    newer = tx.all(
        sa.select(MESSAGE.c.id, MESSAGE.c.seq)
        .where(
            MESSAGE.c.interaction_id == row["id"], MESSAGE.c.seq > seen, MESSAGE.c.author_kind == "customer"
        )
        .order_by(MESSAGE.c.seq)
    )
    if newer:
        raise Conflict(
            "The customer has written meanwhile: read it, then send.",
            code="thread_moved_on",
            newer=[each["id"] for each in newer],
        )


def _keep(tx: Tx, row: Row, agent_id: str, text: str, key: str, letter: dict[str, Any]) -> str:
    row, entry = messages.add_message(
        tx,
        row,
        author_kind="agent",
        author_id=agent_id,
        author_name=messages.agent_name(tx, agent_id),
        text=text,
        key=key,
        letter={"status": "queued", **letter},
    )
    drafts.discard(tx, row["id"])
    _hand_over(tx, row, entry["id"], 1)
    entry_id: str = entry["id"]
    return entry_id


def _hand_over(tx: Tx, row: Row, entry_id: str, attempt: int) -> None:
    tx.update(MESSAGE, entry_id, status="queued", error=None, provider_id=None, tries=attempt)
    tx.later(SendMessage(row["account"], row["id"], entry_id, attempt), due_at=effects.turn_at(tx, row["id"]))


def _thread_id(tx: Tx, row: Row) -> str:
    thread = schema.thread
    found: str | None = tx.scalar(sa.select(thread.c.id).where(thread.c.interaction_id == row["id"]))
    if found is None:
        raise _went_on()
    return found


def _went_on() -> Conflict:
    return Conflict(
        "This contact's thread has gone on in another contact: answer there.", code="thread_moved_on"
    )


def _number(tx: Tx, row: Row) -> str:
    thread = tx.get(schema.thread, _thread_id(tx, row))
    assert thread is not None, "found a moment ago"
    if thread["number"] is None:
        raise Conflict("This sender has no number to answer to.", code="no_number")
    number: str = thread["number"]
    return number


def _texted_number(tx: Tx, row: Row) -> str | None:
    """Ours to which the customer wrote last: the answer comes from there."""
    newest = (
        sa.select(MESSAGE.c.envelope)
        .where(MESSAGE.c.interaction_id == row["id"], MESSAGE.c.author_kind == "customer")
        .order_by(MESSAGE.c.seq.desc())
        .limit(1)
    )
    found = tx.scalar(newest)
    return found.get("to") if found else None


def _addresses(typed: Sequence[str], name: str) -> list[MailAddress]:
    found: dict[str, MailAddress] = {}
    for each in typed:
        folded = fold(each)
        if folded is None:
            raise Invalid(
                f"{name}: {each[:100]!r} is not a mail address: write it like name@example.org.", field=name
            )
        found.setdefault(folded, MailAddress(folded))
    return list(found.values())


def _subject(text: str) -> str:
    subject = " ".join(messages.clean_text(text, "subject").split())
    if len(subject) > mail_limits.SUBJECT_CHARACTERS:
        raise TooLarge(f"subject takes {mail_limits.SUBJECT_CHARACTERS} characters.", field="subject")
    return subject


def then(tx: Tx, interaction_id: str, agent_id: str, what: str) -> None:
    """What becomes of the contact once the answer is on its way: it stays, or it waits for the customer."""
    if what == "wait":
        parking.park(tx, interaction_id, agent_id)
