"""A web chat as its visitor sees it: own entries without gaps, never notes."""

import sqlalchemy as sa

from service_desk.domain.interaction import ACTIVE, CONNECTING, ENDED, WRAP_UP
from service_desk.domain.views import ChatEntryView, ChatStatusView, ChatView
from service_desk.queries.lines import facts_of
from service_desk.storage import schema
from service_desk.storage.store import Reader

VISITOR = schema.visitor
MESSAGE = schema.message
ENTRIES_SHOWN = 200


def chat_view(reader: Reader, visitor_id: str, token: str) -> ChatView:
    """The visitor's newest chat, whole; a new one where there was none."""
    row = _interaction(reader, visitor_id)
    if row is None:
        status = ChatStatusView(
            state="new", agent_name=None, position=None, expected_wait_s=None, ticket_number=None
        )
        return ChatView(chat_id=None, token=token, status=status, entries=[])
    return ChatView(
        chat_id=row["external_id"],
        token=token,
        status=status_of(reader, row),
        entries=_entries(reader, row["id"]),
    )


def chat_status(reader: Reader, interaction_id: str) -> ChatStatusView | None:
    """How a chat stands now; None if there is no such chat."""
    row = reader.get(schema.interaction, interaction_id)
    return status_of(reader, row) if row is not None else None


def status_of(reader: Reader, row: sa.RowMapping) -> ChatStatusView:
    """How the chat of an interaction row stands."""
    if row["state"] in (WRAP_UP, ENDED):
        number = _ticket_number(reader, row["id"]) if row["end_reason"] == "nobody_there" else None
        return ChatStatusView(
            state="offline" if row["end_reason"] == "nobody_there" else "ended",
            agent_name=_agent_name(reader, row["agent_id"]),
            position=None,
            expected_wait_s=None,
            ticket_number=number,
        )
    if row["state"] in (CONNECTING, ACTIVE):
        return ChatStatusView(
            state="active",
            agent_name=_agent_name(reader, row["agent_id"]),
            position=None,
            expected_wait_s=None,
            ticket_number=None,
        )
    facts = facts_of(reader, row)
    return ChatStatusView(
        state="waiting",
        agent_name=None,
        position=facts.position,
        expected_wait_s=facts.expected_wait_s,
        ticket_number=None,
    )


def chat_entry(reader: Reader, message_id: str) -> ChatEntryView | None:
    """One entry, None if it is not for the visitor's eyes."""
    row = reader.get(MESSAGE, message_id)
    return _entry(row) if row is not None and row["message_no"] is not None else None


def _entries(reader: Reader, interaction_id: str) -> list[ChatEntryView]:
    rows = reader.all(
        sa.select(MESSAGE)
        .where(MESSAGE.c.interaction_id == interaction_id, MESSAGE.c.message_no.is_not(None))
        .order_by(MESSAGE.c.seq.desc())
        .limit(ENTRIES_SHOWN)
    )
    return [_entry(row) for row in reversed(rows)]


def visitor_of(reader: Reader, interaction_id: str) -> str | None:
    """Whose chat it is, by the name that their page gave it."""
    row = reader.get(schema.interaction, interaction_id)
    if row is None or row["channel"] != "web_chat":
        return None
    visitor_id: str = row["external_id"].partition(".")[0]
    return visitor_id


def _entry(row: sa.RowMapping) -> ChatEntryView:
    return ChatEntryView(
        id=row["id"],
        seq=row["message_no"],
        author="visitor" if row["author_kind"] == "customer" else row["author_kind"],
        name=row["author_name"].split()[0] if row["author_kind"] == "agent" else row["author_name"],
        text=row["text"],
        at=row["at"],
        key=row["key"],
    )


def _interaction(reader: Reader, visitor_id: str) -> sa.RowMapping | None:
    row = reader.get(VISITOR, visitor_id)
    if row is None or row["interaction_id"] is None:
        return None
    return reader.get(schema.interaction, row["interaction_id"])


def _agent_name(reader: Reader, agent_id: str | None) -> str | None:
    """The first name only: visitors need no more."""
    if agent_id is None:
        return None
    name: str | None = reader.scalar(sa.select(schema.agent.c.name).where(schema.agent.c.id == agent_id))
    return name.split()[0] if name else None


def _ticket_number(reader: Reader, interaction_id: str) -> int | None:
    link, ticket = schema.ticket_interaction, schema.ticket
    number: int | None = reader.scalar(
        sa.select(ticket.c.number)
        .join(link, link.c.ticket_id == ticket.c.id)
        .where(link.c.interaction_id == interaction_id)
        .order_by(link.c.at)
        .limit(1)
    )
    return number
