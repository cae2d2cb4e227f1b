"""What was acknowledged is stored, once and with what it led to; what is stored was sent."""

from collections import Counter

import sqlalchemy as sa

from channels.sms.parse import STATUSES
from service_desk.actions.deliveries import RANKS
from service_desk.audit import Finding
from service_desk.audit.findings import Findings
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.chaos.ledger import Books, Webhook

CONTACT, MESSAGE, INPUT = schema.interaction, schema.message, schema.input_


def check_load(_reader: Reader, books: Books) -> Findings:
    """The run says something: customers came, some were acknowledged, and none of them broke."""
    inputs, hooks = books.inputs.values(), books.webhooks
    if not any(each.acknowledged for each in inputs) and not any(hook.acknowledged for hook in hooks):
        yield Finding("load", "run", "nothing was acknowledged: there is nothing to prove")
    if not any(act.kind == "answered_act" and act.facts["status"] == 200 for act in books.acts):
        yield Finding("load", "agents", "no agent was given anything: there is nothing to prove")
    for act in books.acts:
        if act.kind == "broken":
            yield Finding("load", "customer", f"broke: {act.facts['error']}")


def check_calls(reader: Reader, books: Books) -> Findings:
    """An acknowledged call is one contact; one whose end was acknowledged too is over for the customer."""
    stored = _external_ids(reader, "phone")
    tried = {hook.form["CallSid"] for hook in books.webhooks if _is_call(hook)}
    taken = {hook.form["CallSid"] for hook in books.webhooks if _is_call(hook) and hook.acknowledged}
    for call_id in sorted(taken - stored.keys()):
        yield Finding("taken", call_id, "the call was acknowledged and is not stored")
    for call_id in sorted(stored.keys() - tried):
        yield Finding("taken", stored[call_id], f"nobody placed the call {call_id}")
    over = {
        hook.form["CallSid"]
        for hook in books.webhooks
        if hook.name == "status" and hook.form.get("CallStatus") == "completed" and hook.acknowledged
    }
    leg = schema.call_leg
    for row in reader.all(sa.select(leg.c.call_id).where(leg.c.ended_at.is_(None)).order_by(leg.c.call_id)):
        if row["call_id"] in over:
            yield Finding("taken", row["call_id"], "the leg's end was acknowledged and it is not over")


def check_texts(reader: Reader, books: Books) -> Findings:
    """An acknowledged text is one message, with as many files as it had."""
    hooks = {hook.form["MessageSid"]: hook for hook in books.webhooks if hook.name == "incoming"}
    taken = {
        hook.form["MessageSid"] for hook in books.webhooks if hook.name == "incoming" and hook.acknowledged
    }
    yield from _kept_once(reader, "sms", taken, set(hooks), "text")
    for row in reader.all(sa.select(MESSAGE.c.id, MESSAGE.c.provider_id, MESSAGE.c.text)):
        hook = hooks.get(row["provider_id"])
        if hook is not None and row["text"] != hook.form["Body"]:
            yield Finding("taken", row["id"], "the words are not those that the customer texted")


def check_mails(reader: Reader, books: Books) -> Findings:
    """A mail that was answered with 250 is one message."""
    sent = {each.id for each in books.inputs.values() if each.channel == "mail"}
    taken = {each.id for each in books.inputs.values() if each.channel == "mail" and each.acknowledged}
    yield from _kept_once(reader, "email", taken, sent, "mail")
    for row in reader.all(sa.select(INPUT).where(INPUT.c.kind == "mail_received")):
        mail = books.inputs.get(("mail", row["body"]["message_id"]))
        if mail is not None and row["body"]["raw"] != mail.sha256:
            yield Finding("taken", mail.id, "the bytes that are kept are not those that were sent")


def check_chats(reader: Reader, books: Books) -> Findings:
    """What a visitor was told is kept is one message with these words; nobody has words that nobody said."""
    said = {each.id: each for each in books.inputs.values() if each.channel in ("chat", "line")}
    rows = reader.all(
        sa.select(MESSAGE.c.id, MESSAGE.c.key, MESSAGE.c.text)
        .join(CONTACT, CONTACT.c.id == MESSAGE.c.interaction_id)
        .where(CONTACT.c.channel == "web_chat", MESSAGE.c.author_kind == "customer")
    )
    kept = Counter(row["key"] for row in rows)
    for key, words in sorted(said.items()):
        if words.acknowledged and kept[key] == 0:
            yield Finding("taken", key, "the visitor's words were acknowledged and are not stored")
    for row in rows:
        if row["key"] not in said:
            yield Finding("taken", row["id"], f"no visitor said this (key {row['key']})")
        elif row["text"] != said[row["key"]].facts["text"]:
            yield Finding("taken", row["id"], "the words are not those that the visitor wrote")
    for key, count in sorted(kept.items()):
        if count > 1:
            yield Finding("taken", key, f"the visitor's words are stored {count} times")


def check_reports(reader: Reader, books: Books) -> Findings:
    """A message of ours stands at the best that the carrier's acknowledged reports said of it."""
    best: dict[str, str] = {}
    for hook in books.webhooks:
        status = STATUSES.get(hook.form.get("MessageStatus", ""))
        if hook.name == "status" and hook.acknowledged and status is not None:
            sid, name = hook.form["MessageSid"], status.value
            if RANKS[name] > RANKS.get(best.get(sid, ""), -1):
                best[sid] = name
    rows = reader.all(sa.select(MESSAGE.c.id, MESSAGE.c.provider_id, MESSAGE.c.status))
    for row in rows:
        said = best.get(row["provider_id"])
        if said is not None and RANKS[row["status"]] < RANKS[said]:
            yield Finding("taken", row["id"], f"its text is {row['status']}, the carrier had reported {said}")


def check_sum(reader: Reader, _books: Books) -> Findings:
    """Stored = open + closed: no contact is in between, and nothing that was said belongs to none."""
    ended = CONTACT.c.ended_at.is_not(None)
    for row in reader.all(
        sa.select(CONTACT.c.id, CONTACT.c.state, CONTACT.c.ended_at).where(
            sa.or_(sa.and_(ended, CONTACT.c.state != "ended"), sa.and_(~ended, CONTACT.c.state == "ended"))
        )
    ):
        yield Finding("sum", row["id"], f"it is neither open nor closed: {row['state']}, {row['ended_at']}")
    orphans = (
        sa.select(MESSAGE.c.id, MESSAGE.c.interaction_id)
        .outerjoin(CONTACT, CONTACT.c.id == MESSAGE.c.interaction_id)
        .where(CONTACT.c.id.is_(None))
    )
    for row in reader.all(orphans):
        yield Finding("sum", row["id"], f"its contact {row['interaction_id']} is nowhere")


def _kept_once(reader: Reader, channel: str, taken: set[str], sent: set[str], what: str) -> Findings:
    rows = reader.all(
        sa.select(
            MESSAGE.c.provider_id, sa.func.count().label("count"), sa.func.min(MESSAGE.c.id).label("id")
        )
        .join(CONTACT, CONTACT.c.id == MESSAGE.c.interaction_id)
        .where(CONTACT.c.channel == channel, MESSAGE.c.author_kind == "customer")
        .group_by(MESSAGE.c.provider_id)
    )
    kept = {row["provider_id"]: row for row in rows}
    for input_id in sorted(taken - kept.keys()):
        yield Finding("taken", input_id, f"the {what} was acknowledged and is not stored")
    for input_id, row in sorted(kept.items(), key=lambda pair: str(pair[0])):
        if input_id not in sent:
            yield Finding("taken", row["id"], f"nobody sent the {what} {input_id}")
        elif row["count"] > 1:
            yield Finding("taken", input_id, f"the {what} is stored {row['count']} times")


def _external_ids(reader: Reader, channel: str) -> dict[str, str]:
    rows = reader.all(sa.select(CONTACT.c.external_id, CONTACT.c.id).where(CONTACT.c.channel == channel))
    return {row["external_id"]: row["id"] for row in rows}


def _is_call(hook: Webhook) -> bool:
    return hook.name in ("voice", "fallback") and "CallSid" in hook.form
