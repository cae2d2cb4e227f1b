"""What the desk had done outside: each effect once, or unknown and for people to see; nothing without a reason."""

from collections import Counter

import sqlalchemy as sa

from service_desk.audit import Finding
from service_desk.audit.findings import Findings
from service_desk.clock import SECOND
from service_desk.domain.effects import ConnectCall, HangUpCall, PutBackCall, SendMessage
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.chaos.ledger import Books, Effect
from tests.chaos.lives import alive_at

MESSAGE, EFFECT = schema.message, schema.effect
UNDER_WAY_S = 60
"""An effect may lie about for so long before somebody must see why."""
GONE_OUT = frozenset({"sending", "sent", "delivered", "undelivered", "read"})


def check_texts_out(reader: Reader, books: Books) -> Findings:
    """A text's key is carried out at most once; what the desk calls sent was carried out."""
    done = Counter(effect.key for effect in books.effects if effect.kind == "message")
    rows = {row["id"]: row for row in _ours(reader, "sms")}
    for key, count in sorted(done.items()):
        message_id = key.partition("-")[0]
        if message_id not in rows:
            yield Finding("effects", key, "the carrier has a text that no agent wrote")
        if count > 1:
            yield Finding("effects", key, f"the carrier was given this text {count} times")
    for row in rows.values():
        key = f"{row['id']}-{row['tries']}"
        if row["status"] in GONE_OUT and done[key] == 0:
            yield Finding("effects", row["id"], f"it is {row['status']} and the carrier never had it")
        if row["status"] == "queued" and done[key] and not _is_seen(reader, row):
            yield Finding("effects", row["id"], "the carrier has it, the desk says that it is queued")


def check_mails_out(reader: Reader, books: Books) -> Findings:
    """A mail's Message-ID reaches each recipient at most once; what the desk calls sent has arrived."""
    arrived = Counter(effect.key for effect in books.effects if effect.kind == "mail")
    rows = _ours(reader, "email")
    known = {row["provider_id"] for row in rows} | {each for row in rows for each in row["former_ids"] or ()}
    unknown = [row for row in rows if row["provider_id"] is None]
    for message_id, count in sorted(arrived.items()):
        if count > 1:
            yield Finding("effects", message_id, f"the mail arrived {count} times")
        if message_id not in known and not unknown:
            yield Finding("effects", message_id, "a mail arrived that no agent wrote")
    for row in rows:
        if row["status"] == "sent" and arrived[row["provider_id"]] == 0:
            yield Finding("effects", row["id"], f"it is sent as {row['provider_id']} and arrived nowhere")


def check_calls_out(reader: Reader, books: Books) -> Findings:
    """A leg is moved and ended as often as the desk wanted, and what is confirmed was carried out."""
    done = Counter((effect.key, _act(effect)) for effect in books.effects if effect.kind == "call")
    wanted: Counter[tuple[str, str]] = Counter()
    sure: set[tuple[str, str]] = set()
    kinds = (ConnectCall.KIND, PutBackCall.KIND, HangUpCall.KIND)
    for row in reader.all(sa.select(EFFECT).where(EFFECT.c.kind.in_(kinds))):
        act = row["data"]["call_id"], row["kind"]
        wanted[act] += (
            row["state"] != "dropped" or row["attempts"] > 0
        )  # dropped after a try that may have been it
        if row["state"] == "confirmed" and row["detail"] is None:
            sure.add(act)
    for (call_id, kind), count in sorted(done.items()):
        if count > wanted[call_id, kind]:
            often = f"{count} times, wanted {wanted[call_id, kind]} times"
            yield Finding("effects", call_id, f"{kind} was carried out {often}")
    joined = {effect.key for effect in books.effects if effect.kind == "joined"}
    over = {hook.form["CallSid"] for hook in books.webhooks if hook.form.get("CallStatus") == "completed"}
    by_itself = {ConnectCall.KIND: joined, HangUpCall.KIND: over, PutBackCall.KIND: set[str]()}
    for call_id, kind in sorted(sure):
        # A leg that is found where it should be is confirmed without a request.
        if not done[call_id, kind] and call_id not in by_itself[kind]:
            yield Finding("effects", call_id, f"{kind} is confirmed and was never carried out")


def check_visible(reader: Reader, _books: Books) -> Findings:
    """What nobody knows is for people to see: an unknown outcome says why, and is tried or shown."""
    now = alive_at(reader)
    for row in reader.all(sa.select(EFFECT).where(EFFECT.c.done_at.is_(None)).order_by(EFFECT.c.position)):
        overdue = (now - row["due_at"]) // SECOND
        if overdue > UNDER_WAY_S:
            yield Finding("effects", row["key"], f"{row['state']}, overdue by {overdue} s")
        if row["state"] == "unknown" and row["detail"] is None:
            yield Finding("effects", row["key"], "nobody knows whether it was done, and nothing says why")


def _ours(reader: Reader, channel: str) -> list[sa.RowMapping]:
    contact = schema.interaction
    statement = (
        sa.select(MESSAGE)
        .join(contact, contact.c.id == MESSAGE.c.interaction_id)
        .where(contact.c.channel == channel, MESSAGE.c.author_kind == "agent", MESSAGE.c.kind == "message")
        .order_by(MESSAGE.c.id)
    )
    return list(reader.all(statement))


def _is_seen(reader: Reader, row: sa.RowMapping) -> bool:
    """Whether the text's effect is still open or unknown: then the desk is finding out."""
    key = f"{SendMessage.KIND}:{row['id']}:{row['tries']}"
    still_open = sa.select(EFFECT.c.position).where(EFFECT.c.key == key, EFFECT.c.done_at.is_(None))
    return reader.scalar(still_open) is not None


def _act(effect: Effect) -> str:
    if "Status" in effect.facts:
        return HangUpCall.KIND
    joins = "<Conference" in effect.facts.get("Twiml", "")
    return ConnectCall.KIND if joins else PutBackCall.KIND
