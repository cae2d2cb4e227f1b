"""How messages of ours fare: by rank, so that late and doubled reports change nothing."""

import sqlalchemy as sa

from channels.contract import Bounce, DeliveryChanged
from service_desk.actions import interactions, messages, parking
from service_desk.domain import events
from service_desk.domain.interaction import PARKED
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
    row = tx.get_for_update(MESSAGE, message_id)
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
    if row is None or RANKS.get(status, 0) <= RANKS.get(row["status"], 0):
        return
    if status in ("failed", "undelivered"):
        _fails(tx, row, status, event.error or "The provider could not deliver it.")
        return
    tx.update(MESSAGE, row["id"], status=status, provider_id=event.message_id, error=None)
    tx.emit(events.EntryChanged(row["interaction_id"], row["id"], "message", status))


def bounced(tx: Tx, account: str, bounce: Bounce) -> Row | None:
    """A mail of ours came back; its contact, None if the report names none of ours.

    A delay (`permanent` False) is told to the agent and changes nothing else.
    """
    if bounce.message_id is None:
        return None
    row = tx.first(sa.select(MESSAGE).where(MESSAGE.c.provider_id == bounce.message_id).with_for_update())
    if row is None:
        return None
    contact = interactions.must_get(tx, row["interaction_id"])
    if contact["account"] != account:
        return None
    if bounce.permanent is not False:
        whom = f" to {bounce.recipient}" if bounce.recipient else ""
        _fails(tx, row, "undelivered", f"It came back: it cannot be delivered{whom}. Check the address.")
    else:
        messages.add_system_line(tx, contact, "mail.delayed")
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
    row = tx.first(sa.select(MESSAGE).where(MESSAGE.c.provider_id == event.message_id).with_for_update())
    if row is not None or event.key is None:
        return row
    message_id, _, attempt = event.key.partition("-")
    row = tx.get_for_update(MESSAGE, message_id)
    return row if row is not None and attempt == str(row["tries"]) else None
