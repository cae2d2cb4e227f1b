"""How messages of ours fare: by rank, so that late and doubled reports change nothing."""

from typing import Literal

import sqlalchemy as sa

from channels.contract import Bounce, DeliveryChanged
from service_desk.actions import effects, interactions, messages, parking, texts
from service_desk.domain import events
from service_desk.domain.interaction import PARKED
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.transaction import Input, Row, Tx

MESSAGE = schema.message
RANKS = {
    "queued": 0,
    "unknown": 1,
    "sending": 2,
    "sent": 3,
    "delivered": 4,
    "undelivered": 4,
    "failed": 4,
    "read": 5,
}
"""A report counts if its rank is higher. `unknown`: the provider may have it or not."""
ERROR_CHARACTERS = 500
Leave = Literal["go", "gone", "sent", "stopped"]


def leave(tx: Tx, position: int, claim: int, message_id: str, attempt: int) -> Leave:
    """Right before a message's request leaves: whether it may. From `go` on it may have been carried out.

    `gone`: the message or the claim on its effect is another's; `sent`: a report says that the provider has it;
    `stopped`: the number has asked for no more texts since it was written.
    """
    row = tx.get_for_update(MESSAGE, message_id)
    if row is None or row["tries"] != attempt:
        return "gone"
    if row["provider_id"] is not None:
        return "sent"
    contact = tx.get(schema.interaction, row["interaction_id"])
    assert contact is not None, "a message has a contact"
    if contact["channel"] == "sms" and texts.opted_out(tx, contact["account"], row["envelope"]["to"]):
        return "stopped"
    return "go" if effects.leaves(tx, position, claim) else "gone"


def waits(tx: Tx, message_id: str, attempt: int, why: str) -> None:
    """It is not sent yet and is tried again by itself; in words for the agent. The same words again say nothing new."""
    row = _locked(tx, message_id)
    if row is None or row["tries"] != attempt or row["status"] != "queued":
        return
    words = why[:ERROR_CHARACTERS]
    if row["error"] == words:
        return
    tx.update(MESSAGE, message_id, error=words)
    tx.emit(events.EntryChanged(row["interaction_id"], message_id, "message", "queued"))
    contact = interactions.must_get(tx, row["interaction_id"])
    if row["error"] is None and contact["channel"] == "email":
        messages.add_system_line(tx, contact, "mail.delayed")


def sent(tx: Tx, message_id: str, attempt: int, provider_id: str, status: str) -> None:
    """The provider has it, under this id."""
    row = tx.get_for_update(MESSAGE, message_id)
    if row is None or row["tries"] != attempt:
        return
    values = {} if RANKS[row["status"]] >= RANKS[status] else {"status": status, "error": None}
    tx.update(MESSAGE, message_id, provider_id=provider_id, **values)
    tx.emit(
        events.EntryChanged(row["interaction_id"], message_id, "message", values.get("status", row["status"]))
    )


def failed(tx: Tx, message_id: str, attempt: int, status: str, error: str) -> None:
    """It could not be sent (`failed`), or nobody knows (`unknown`); in words for the agent."""
    row = _locked(tx, message_id)
    if row is None or row["tries"] != attempt or RANKS[row["status"]] >= RANKS[status]:
        return
    _fails(tx, row, status, error)


def changed(tx: Tx, account: str, event: DeliveryChanged) -> None:
    """The provider reports. One about a message that is none of ours changes nothing."""
    body = {"message_id": event.message_id, "status": event.status.value, "code": event.error_code}
    if not tx.first_time(Input(account, event.dedupe_key, "delivery_changed", body)):
        return
    row = _found(tx, event)
    status = event.status.value
    late = row is not None and RANKS.get(status, 0) <= RANKS.get(row["status"], 0)
    if row is None or (late and not planted("late_report_applied")):
        return
    if status in ("failed", "undelivered"):
        tx.update(
            MESSAGE, row["id"], provider_id=event.message_id
        )  # it has it: nothing sends it again by itself
        _fails(tx, row, status, event.error or "The provider could not deliver it.")
        return
    tx.update(MESSAGE, row["id"], status=status, provider_id=event.message_id, error=None)
    tx.emit(events.EntryChanged(row["interaction_id"], row["id"], "message", status))


def bounced(tx: Tx, account: str, bounce: Bounce) -> Row | None:
    """A mail server reports on a mail of ours; its contact, None if the report names none of this mailbox's.

    Anybody can write a report: only what an agent sent can come back, not what a customer wrote. Only a failure for
    good does; a delay (`permanent` False) and anything else (None: delivered, passed on) is told to the agent.
    """
    if bounce.message_id is None:
        return None
    ours = (MESSAGE.c.provider_id == bounce.message_id, MESSAGE.c.author_kind == "agent")
    seen = tx.first(sa.select(MESSAGE.c.id, MESSAGE.c.interaction_id).where(*ours).limit(1))
    if seen is None:
        return None
    row = _locked(tx, seen["id"])
    contact = interactions.must_get(tx, seen["interaction_id"])
    if contact["account"] != account or row is None or row["provider_id"] != bounce.message_id:
        return None
    if bounce.permanent:
        whom = f" to {bounce.recipient}" if bounce.recipient else ""
        _fails(tx, row, "undelivered", f"It came back: it cannot be delivered{whom}. Check the address.")
    else:
        told = "mail.reported" if bounce.permanent is None else "mail.delayed"
        messages.add_system_line(tx, contact, told)
    return contact


def _fails(tx: Tx, row: Row, status: str, error: str) -> None:
    """The agent hears of it: a parked contact comes back into its line."""
    tx.update(MESSAGE, row["id"], status=status, error=error[:ERROR_CHARACTERS])
    tx.emit(events.EntryChanged(row["interaction_id"], row["id"], "message", status))
    contact = interactions.must_get(tx, row["interaction_id"])
    if contact["state"] == PARKED:
        parking.requeue(tx, contact, "not_delivered")


def _found(tx: Tx, event: DeliveryChanged) -> Row | None:
    """By the provider's id; by our own key (message-attempt) where its answer with that id got lost."""
    known: str | None = tx.scalar(sa.select(MESSAGE.c.id).where(MESSAGE.c.provider_id == event.message_id))
    row = _locked(tx, known) if known is not None else None
    if row is not None and row["provider_id"] == event.message_id:
        return row
    if event.key is None:
        return None
    message_id, _, attempt = event.key.partition("-")
    row = _locked(tx, message_id)
    return row if row is not None and attempt == str(row["tries"]) else None


def _locked(tx: Tx, message_id: str) -> Row | None:
    """A message, locked after its contact: see `Tx.get_for_update` for the order."""
    contact_id: str | None = tx.scalar(sa.select(MESSAGE.c.interaction_id).where(MESSAGE.c.id == message_id))
    if contact_id is None:
        return None
    interactions.must_get(tx, contact_id)
    return tx.get_for_update(MESSAGE, message_id)
