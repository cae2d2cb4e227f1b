"""A customer's history: contacts, tickets and notes in one line, newest first."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from service_desk.domain.views import TimelinePageView, TimelineView
from service_desk.storage import schema
from service_desk.storage.store import Reader

INTERACTION = schema.interaction
TICKET = schema.ticket
NOTE = schema.note

DETAIL_CHARACTERS = 160
Cursor = tuple[int, str]


def timeline_page(reader: Reader, customer_id: str, before: str | None, limit: int) -> TimelinePageView:
    """The newest entries before a cursor. Reads at most `limit` rows of each table by their index."""
    at = _parse(before)
    items = [
        *interaction_lines(
            reader, _newest(reader, INTERACTION, INTERACTION.c.created_at, customer_id, at, limit)
        ),
        *_ticket_lines(_newest(reader, TICKET, TICKET.c.created_at, customer_id, at, limit)),
        *_note_lines(_newest(reader, NOTE, NOTE.c.at, customer_id, at, limit)),
    ]
    items.sort(key=lambda item: (item.at, item.id), reverse=True)
    page = items[:limit]
    more = f"{page[-1].at}.{page[-1].id}" if len(items) > limit or len(page) == limit else None
    return TimelinePageView(items=page, more=more)


def _parse(before: str | None) -> Cursor | None:
    at, _, last = (before or "").partition(".")
    return (int(at), last) if at.isdigit() and last else None


def _newest(
    reader: Reader, table: sa.Table, at: sa.Column[Any], customer_id: str, before: Cursor | None, limit: int
) -> Sequence[sa.RowMapping]:
    statement = sa.select(table).where(table.c.customer_id == customer_id)
    if before is not None:
        statement = statement.where(sa.or_(at < before[0], sa.and_(at == before[0], table.c.id < before[1])))
    return reader.all(statement.order_by(at.desc(), table.c.id.desc()).limit(limit))


def interaction_lines(reader: Reader, rows: Sequence[sa.RowMapping]) -> list[TimelineView]:
    """Contacts as timeline rows."""
    ids = {row["agent_id"] for row in rows if row["agent_id"]}
    names: dict[str, str] = {}
    if ids:
        table = schema.agent
        found = reader.all(sa.select(table.c.id, table.c.name).where(table.c.id.in_(ids)))
        names = {row["id"]: row["name"] for row in found}
    return [
        TimelineView(
            id=row["id"],
            kind="interaction",
            at=row["created_at"],
            channel=row["channel"],
            state=_outcome(row),
            title=row["topic"] or "",
            detail=_detail(row)[:DETAIL_CHARACTERS],
            agent_name=names.get(row["agent_id"]),
            queue_id=row["queue_id"],
            ticket_number=None,
            duration_s=_duration(row),
        )
        for row in rows
    ]


def _outcome(row: sa.RowMapping) -> str:
    """The disposition where there is one, else how it went."""
    if row["state"] != "ended":
        return str(row["state"])
    if row["disposition"]:
        return str(row["disposition"])
    return "handled" if row["answered_at"] else "missed"


def _detail(row: sa.RowMapping) -> str:
    """The agent's comment, else the last words once it is over: the card must not change with each message."""
    return row["comment"] or (row["last_text"] if row["state"] == "ended" else "") or ""


def _duration(row: sa.RowMapping) -> int | None:
    start, end = row["answered_at"], row["handled_at"] or row["ended_at"]
    return (end - start) // 1_000_000 if start and end else None


def _ticket_lines(rows: Sequence[sa.RowMapping]) -> list[TimelineView]:
    return [
        TimelineView(
            id=row["id"],
            kind="ticket",
            at=row["created_at"],
            channel=None,
            state=row["status"],
            title=row["subject"],
            detail=row["description"][:DETAIL_CHARACTERS],
            agent_name=None,
            queue_id=row["queue_id"],
            ticket_number=row["number"],
            duration_s=None,
        )
        for row in rows
    ]


def _note_lines(rows: Sequence[sa.RowMapping]) -> list[TimelineView]:
    return [
        TimelineView(
            id=row["id"],
            kind="note",
            at=row["at"],
            channel=None,
            state="",
            title="",
            detail=row["text"][:DETAIL_CHARACTERS],
            agent_name=row["author_name"],
            queue_id=None,
            ticket_number=None,
            duration_s=None,
        )
        for row in rows
    ]
