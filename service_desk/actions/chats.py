"""Web chat: a visitor opens a conversation, writes, leaves and comes back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from channels.contract import ChatClosed, ChatOpened, MessageReceived
from service_desk.actions import interactions, messages, tickets
from service_desk.actions.customers import add_point, find_or_make, match_customer
from service_desk.clock import HOUR, SECOND
from service_desk.domain import events
from service_desk.domain import interaction as life
from service_desk.domain.config import Widget
from service_desk.domain.contact_point import ContactPoint, fold_mailbox
from service_desk.errors import Conflict, Forbidden, Invalid, NotFound
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Input, Row, Tx

VISITOR = schema.visitor
INTERACTION = schema.interaction


@dataclass(frozen=True, slots=True)
class ChatLine:
    """What was kept of a visitor's words."""

    interaction_id: str
    message_id: str | None


def meet_visitor(tx: Tx, widget: str, fingerprint: str | None, new_fingerprint: str) -> Row:
    """The visitor of a token, or a new one under `new_fingerprint`."""
    if fingerprint is not None:
        known = tx.first(
            sa.select(VISITOR).where(VISITOR.c.fingerprint == fingerprint, VISITOR.c.widget == widget)
        )
        if known is not None:
            return _seen(tx, known)
    row = {
        "id": tx.new_id("vis"),
        "widget": widget,
        "name": None,
        "fingerprint": new_fingerprint,
        "customer_id": None,
        "interaction_id": None,
        "created_at": tx.now,
        "seen_at": tx.now,
    }
    tx.write(sa.insert(VISITOR), row)
    return row  # type: ignore[return-value]  # a dict reads like a row


def _seen(tx: Tx, visitor: Row) -> Row:
    """They are back: their token lives on. Once an hour is often enough to know."""
    if tx.now - visitor["seen_at"] < HOUR:
        return visitor
    tx.update(VISITOR, visitor["id"], seen_at=tx.now)
    return {**visitor, "seen_at": tx.now}  # type: ignore[return-value]  # a dict reads like a row


def open_chat(tx: Tx, account: str, event: ChatOpened, first: MessageReceived) -> ChatLine:
    """A conversation with its first words. Nobody there: kept as a ticket, and the chat is over."""
    visitor = _visitor(tx, event.visitor_id)
    if not tx.first_time(_input(account, "chat_opened", event)):
        return _line_again(tx, account, event.chat_id)
    if (
        visitor["interaction_id"] is not None
        and (running := _running(tx, visitor["interaction_id"])) is not None
    ):
        return _add(tx, running, visitor, first)
    text = messages.clean_text(first.text)
    widget = _widget(tx, account)
    topic = next((each for each in widget.topics if each.id == event.topic), None)
    customer_id = _who(tx, visitor, event)
    tx.input_is_about(customer_id)
    row = interactions.open_interaction(
        tx,
        channel="web_chat",
        account=account,
        external_id=event.chat_id,
        brand_id=widget.brand_id,
        customer_id=customer_id,
        caller=event.mailbox or event.name,
        topic=event.topic if topic is None else topic.name,  # in words, as a mail's subject is
        language=event.language,
        visitor_online=True,
    )
    tx.write(
        sa.update(VISITOR)
        .where(VISITOR.c.id == visitor["id"])
        .values(interaction_id=row["id"], customer_id=customer_id, name=event.name, seen_at=tx.now)
    )
    row, entry = messages.add_message(
        tx,
        row,
        author_kind="customer",
        author_id=customer_id,
        author_name=event.name or "Visitor",
        text=text,
        key=first.message_id,
    )
    queue_id = widget.default_queue if topic is None else topic.queue
    if staffed(tx, queue_id):
        interactions.join_queue(tx, row, queue_id)
    else:
        _leave_message(tx, row, queue_id, text)
    return ChatLine(row["id"], entry["id"])


def staffed(tx: Tx | Reader, queue_id: str) -> bool:
    """Whether anybody of the queue is at work: connected, and not signed out."""
    agent, connection = schema.agent, schema.connection
    at_work = tx.all(
        sa.select(agent.c.queues).where(
            agent.c.active,
            agent.c.id.in_(sa.select(connection.c.agent_id)),
            sa.or_(agent.c.reason.is_(None), agent.c.reason != "signed_out"),
        )
    )
    return any(queue_id in row["queues"] for row in at_work)


def receive_message(tx: Tx, account: str, event: MessageReceived) -> ChatLine:
    """The visitor writes in a running chat; the same message id again is the same message."""
    visitor = _visitor(tx, event.sender)  # before the interaction, as in open_chat: one order of locks
    row = interactions.by_external_id(tx, account, event.thread_id)
    if row is None or visitor["interaction_id"] != row["id"]:
        raise NotFound("There is no such chat.", code="no_chat")
    if row["state"] in (life.WRAP_UP, life.ENDED):
        raise Conflict("This chat is over: open a new one.", code="chat_ended")
    if not row["visitor_online"]:  # who writes is there, whatever a socket of theirs said elsewhere
        visitor_online(tx, row["id"], online=True)
        row = interactions.must_get(tx, row["id"])
    return _add(tx, row, visitor, event)


def close_chat(tx: Tx, account: str, event: ChatClosed) -> None:
    """The visitor ends it."""
    row = interactions.by_external_id(tx, account, event.chat_id)
    if row is None or row["state"] in (life.WRAP_UP, life.ENDED):
        return
    if row["state"] == life.ACTIVE:
        row = messages.add_system_line(tx, row, "chat.ended_by_customer")
    interactions.finish_service(tx, row, "customer", event.reason)


def visitor_online(tx: Tx, interaction_id: str, online: bool) -> None:  # noqa: FBT001 - the fact itself
    """The visitor's page connected or went; away for too long ends the chat."""
    row = interactions.must_get(tx, interaction_id)
    if row["state"] in (life.WRAP_UP, life.ENDED) or row["visitor_online"] == online:
        return
    tx.change(INTERACTION, row, visitor_online=online)
    tx.emit(events.VisitorPresence(interaction_id, online))
    if online:
        tx.clear_timer("visitor_idle", interaction_id)
    else:
        widget = _widget(tx, row["account"])
        tx.set_timer("visitor_idle", interaction_id, tx.now + widget.idle_s * SECOND)


def visitor_idle(tx: Tx, interaction_id: str, _data: Mapping[str, Any]) -> None:
    """The visitor did not come back."""
    row = interactions.must_get(tx, interaction_id)
    if row["visitor_online"] or row["state"] in (life.WRAP_UP, life.ENDED):
        return
    if row["state"] == life.ACTIVE:
        row = messages.add_system_line(tx, row, "chat.visitor_gone")
    interactions.finish_service(tx, row, "customer", "visitor_gone")


def _add(tx: Tx, row: Row, visitor: Row, event: MessageReceived) -> ChatLine:
    _, entry = messages.add_message(
        tx,
        row,
        author_kind="customer",
        author_id=visitor["customer_id"],
        author_name=visitor["name"]
        or "Visitor",  # what they said of themselves: a record's name stays inside
        text=event.text,
        key=event.message_id,
    )
    return ChatLine(row["id"], entry["id"])


def _leave_message(tx: Tx, row: Row, queue_id: str, text: str) -> None:
    """Nobody is there: a ticket keeps the words, the visitor gets its number."""
    tickets.open_ticket(
        tx,
        subject="Chat message: " + " ".join(text.split())[:80],
        description=text,
        priority="normal",
        queue_id=queue_id,
        customer_id=row["customer_id"],
        interaction_id=row["id"],
        brand_id=row["brand_id"],
        assignee_id=None,
    )
    row = interactions.move(
        tx,
        interactions.must_get(tx, row["id"]),
        life.ENDED,
        queue_id=queue_id,
        ended_at=tx.now,
        ended_by="system",
        end_reason="nobody_there",
    )
    tx.emit(events.InteractionEnded(row["id"], None, queue_id, "system", "nobody_there", None))


def _who(tx: Tx, visitor: Row, event: ChatOpened) -> str:
    """The visitor's customer: known by token, by the mailbox they claim, or new."""
    if visitor["customer_id"] is not None:
        known: str = visitor["customer_id"]
        return known
    point = fold_mailbox(event.mailbox) if event.mailbox else None
    if event.mailbox and point is None:
        raise Invalid(
            "mailbox is not a mail address: write it like name@example.org or leave it out.", field="mailbox"
        )
    chat = ContactPoint("chat", visitor["id"], "web chat")
    if point is None:
        return find_or_make(tx, chat, name=event.name, language=event.language, proof="seen")
    found = match_customer(tx, point)
    if found is None:
        found = find_or_make(tx, point, name=event.name, language=event.language, proof="claimed")
    if match_customer(tx, chat) is None:
        add_point(tx, found, chat, proof="claimed")
    return found


def _running(tx: Tx, interaction_id: str) -> Row | None:
    row = interactions.must_get(tx, interaction_id)
    return None if row["state"] in (life.WRAP_UP, life.ENDED) else row


def _visitor(tx: Tx, visitor_id: str) -> Row:
    row = tx.get_for_update(VISITOR, visitor_id)
    if row is None:
        raise Forbidden("This chat session is not known: reload the page.", code="unknown_visitor")
    return row


def _widget(tx: Tx, account: str) -> Widget:
    widget = tx.config.widget(account)
    if widget is None:
        raise Invalid(f"There is no chat widget {account}.", field="widget")
    return widget


def _line_again(tx: Tx, account: str, chat_id: str) -> ChatLine:
    row = interactions.by_external_id(tx, account, chat_id)
    if row is None:
        raise NotFound("There is no such chat.", code="no_chat")
    return ChatLine(row["id"], None)


def _input(account: str, kind: str, event: Any) -> Input:
    body = asdict(event)
    return Input(account, event.dedupe_key, kind, {**body, "details": dict(body.get("details") or {})})
