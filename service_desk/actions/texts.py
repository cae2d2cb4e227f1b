"""Texts (SMS): what a customer's text changes. Words that end texts are honoured before anything else."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from channels.contract import TextKeyword, TextReceived
from service_desk.actions import attachments, messages, parking, threads
from service_desk.actions.attachments import StoredFile
from service_desk.actions.customers import find_or_make
from service_desk.actions.threads import Newcomer
from service_desk.domain import events, media
from service_desk.domain.config import TextLine
from service_desk.domain.contact_point import fold_phone
from service_desk.domain.effects import FetchMedia
from service_desk.errors import Invalid
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.transaction import Input, Row, Tx

CONSENT = schema.text_consent


def receive_text(tx: Tx, account: str, event: TextReceived) -> None:
    """One text, once. Its number's thread takes it by the state table; STOP alone troubles nobody."""
    line = _line(tx, account)
    body = {**asdict(event), "keyword": event.keyword.value if event.keyword else None}
    if planted("dedupe_by_time"):
        event = replace(event, dedupe_key=f"{event.dedupe_key}:{tx.now}")
    if not tx.first_time(Input(account, event.dedupe_key, "text_received", body)):
        return
    point = fold_phone(event.sender)
    number = point.value if point else event.sender
    customer_id = find_or_make(tx, point, name=None, language=line.language, proof="seen") if point else None
    if customer_id is not None:
        tx.input_is_about(customer_id)
    held = threads.of_number(tx, account, number)
    was_out = opted_out(tx, account, number)
    stops = event.keyword is TextKeyword.OPT_OUT
    starts = event.keyword is TextKeyword.OPT_IN and was_out
    if stops or starts:
        _keep_consent(tx, account, number, event, held, opted_out=stops)
        if held is None:
            return
    new = Newcomer(
        channel="sms",
        account=account,
        external_id=event.dedupe_key,
        peer=number,
        customer_id=customer_id,
        caller=point.display if point else event.sender,
        subject="",
        brand_id=line.brand_id,
        language=line.language,
        queue_id=line.default_queue,
        number=number,
    )
    turn = threads.take_turn(tx, held, new, wakes=not (stops or starts))
    step = turn.step
    contact = _keep(tx, turn.contact, turn.thread, customer_id, number, event)
    if stops or starts:
        messages.add_system_line(tx, contact, "text.opted_out" if stops else "text.opted_in")
        return
    if step == media.RESUME:
        parking.requeue(tx, contact, "customer_replied")
    if step in (media.CONTINUE, media.RESUME):
        threads.reopen_cases(tx, contact["id"])


def opted_out(tx: Tx, account: str, number: str) -> bool:
    """Whether the number's newest word about texts was to stop them."""
    row = consent_of(tx, account, number)
    return row is not None and bool(row["opted_out"])


def consent_of(tx: Tx, account: str, number: str) -> Row | None:
    """The newest word of a number, locked."""
    return tx.first(
        CONSENT.select().where(CONSENT.c.account == account, CONSENT.c.number == number).with_for_update()
    )


def _keep_consent(
    tx: Tx, account: str, number: str, event: TextReceived, held: threads.Held | None, *, opted_out: bool
) -> None:
    values = {"opted_out": opted_out, "at": tx.now, "word": event.text.strip()[:64]}
    if consent_of(tx, account, number) is None:
        tx.write(CONSENT.insert(), {"account": account, "number": number, **values})
    else:
        where = (CONSENT.c.account == account, CONSENT.c.number == number)
        tx.write(CONSENT.update().where(*where).values(**values))
    if held is not None:
        tx.emit(events.TextConsentChanged(held.contact["id"], account, opted_out))


def _keep(
    tx: Tx, contact: Row, thread: Row, customer_id: str | None, number: str, event: TextReceived
) -> Row:
    files = [StoredFile(f"picture-{at}", each.media_type, 0, "") for at, each in enumerate(event.media, 1)]
    letter: Mapping[str, Any] = {
        "status": None,
        "provider_id": event.message_id,
        "envelope": {"thread": thread["id"], "from": number, "to": event.to, "segments": event.segments},
    }
    contact, entry = messages.add_message(
        tx,
        contact,
        author_kind="customer",
        author_id=customer_id,
        author_name=_name_of(tx, customer_id) or contact["caller"] or number,
        text=event.text,
        key=event.dedupe_key,
        letter=letter,
    )
    ids = attachments.add_files(tx, contact, entry["id"], files, "customer")
    for attachment_id, each in zip(ids, event.media, strict=True):
        tx.later(FetchMedia(contact["account"], contact["id"], attachment_id, each.url))
    return contact


def _name_of(tx: Tx, customer_id: str | None) -> str | None:
    """The record's name: only agents see who wrote a text."""
    row = tx.get(schema.customer, customer_id) if customer_id is not None else None
    return None if row is None else row["name"]


def _line(tx: Tx, account: str) -> TextLine:
    line = tx.config.text_line(account)
    if line is None:
        raise Invalid(f"No text line is configured for the account {account}.", field="account")
    return line
