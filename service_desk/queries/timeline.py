"""A customer's history: contacts, tickets and notes in one line, newest first."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from service_desk.domain import callback
from service_desk.domain.views import TimelinePageView, TimelineView
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen

INTERACTION = schema.interaction
TICKET = schema.ticket
NOTE = schema.note

DETAIL_CHARACTERS = 160
INSTANT_DIGITS = 18
Cursor = tuple[int, str]

CONTACT_LINE = (
    INTERACTION.c.id,
    INTERACTION.c.created_at,
    INTERACTION.c.channel,
    INTERACTION.c.state,
    INTERACTION.c.topic,
    INTERACTION.c.comment,
    INTERACTION.c.last_text,
    INTERACTION.c.disposition,
    INTERACTION.c.answered_at,
    INTERACTION.c.handled_at,
    INTERACTION.c.ended_at,
    INTERACTION.c.end_reason,
    INTERACTION.c.queue_id,
    INTERACTION.c.callback_at,
    schema.agent.c.name.label("agent_name"),
)
"""What `interaction_lines` needs, from `CONTACTS`."""
CONTACTS = INTERACTION.outerjoin(schema.agent, schema.agent.c.id == INTERACTION.c.agent_id)


_BY_ID = Prepared(
    sa.select(*CONTACT_LINE)
    .select_from(CONTACTS)
    .where(INTERACTION.c.id.in_(sa.bindparam("ids", expanding=True)))
)


def _statements(line: sa.Select[Any], table: sa.Table, at: sa.Column[Any]) -> tuple[Prepared, Prepared]:
    """The newest lines of a customer, and the newest before a cursor. Built once: that costs more than running."""
    of_customer = (
        line.where(table.c.customer_id == sa.bindparam("customer"))
        .order_by(at.desc(), table.c.id.desc())
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )
    before_at, before_id = sa.bindparam("before_at", type_=at.type), sa.bindparam("before_id", type_=sa.Text)
    older = sa.or_(at < before_at, sa.and_(at == before_at, table.c.id < before_id))
    return Prepared(of_customer), Prepared(of_customer.where(older))


_CONTACTS = _statements(sa.select(*CONTACT_LINE).select_from(CONTACTS), INTERACTION, INTERACTION.c.created_at)
_TICKETS = _statements(
    sa.select(
        TICKET.c.id,
        TICKET.c.created_at,
        TICKET.c.status,
        TICKET.c.subject,
        TICKET.c.description,
        TICKET.c.queue_id,
        TICKET.c.number,
    ),
    TICKET,
    TICKET.c.created_at,
)
_NOTES = _statements(sa.select(NOTE.c.id, NOTE.c.at, NOTE.c.text, NOTE.c.author_name), NOTE, NOTE.c.at)


def timeline_page(reader: Reader, customer_id: str, before: str | None, limit: int) -> TimelinePageView:
    """The newest entries before a cursor. Reads at most `limit` rows of each table by their index."""
    at = _parse(before)
    items = [
        *interaction_lines(_newest(reader, _CONTACTS, customer_id, at, limit)),
        *_ticket_lines(_newest(reader, _TICKETS, customer_id, at, limit)),
        *_note_lines(_newest(reader, _NOTES, customer_id, at, limit)),
    ]
    items.sort(key=lambda item: (item.at, item.id), reverse=True)
    page = items[:limit]
    more = f"{page[-1].at}.{page[-1].id}" if len(items) > limit or len(page) == limit else None
    return TimelinePageView(items=page, more=more)


def foreseen(customer_id: str, limit: int) -> list[Foreseen]:
    """What `timeline_page` asks for the newest entries."""
    wanted = {"customer": customer_id, "limit": limit}
    return [Foreseen(newest, wanted) for newest, _ in (_CONTACTS, _TICKETS, _NOTES)]


def _parse(before: str | None) -> Cursor | None:
    at, _, last = (before or "").partition(".")
    return (int(at), last) if at.isdecimal() and len(at) <= INSTANT_DIGITS and last else None


def _newest(
    reader: Reader,
    statements: tuple[Prepared, Prepared],
    customer_id: str,
    before: Cursor | None,
    limit: int,
) -> Sequence[sa.RowMapping]:
    newest, older = statements
    wanted: dict[str, Any] = {"customer": customer_id, "limit": limit}
    if before is None:
        return reader.all(newest, wanted)
    return reader.all(older, {**wanted, "before_at": before[0], "before_id": before[1]})


def contact_lines(reader: Reader, ids: Sequence[str]) -> list[TimelineView]:
    """The lines of these contacts, in no order."""
    return interaction_lines(reader.all(_BY_ID, {"ids": list(ids)}))


def foreseen_lines(ids: Sequence[str]) -> Foreseen:
    """What `contact_lines` asks."""
    return Foreseen(_BY_ID, {"ids": list(ids)})


def interaction_lines(rows: Sequence[sa.RowMapping], unseen: Collection[str] = ()) -> list[TimelineView]:
    """Rows of CONTACT_LINE as timeline rows; of those `unseen` only that they took place, without anybody's words."""
    return [
        TimelineView(
            id=row["id"],
            kind="interaction",
            at=row["created_at"],
            channel=row["channel"],
            state=_outcome(row),
            title="" if row["id"] in unseen else row["topic"] or "",
            detail="" if row["id"] in unseen else _detail(row)[:DETAIL_CHARACTERS],
            agent_name=row["agent_name"],
            queue_id=row["queue_id"],
            ticket_number=None,
            duration_s=_duration(row),
            callback=row["callback_at"] is not None,
        )
        for row in rows
    ]


def _outcome(row: sa.RowMapping) -> str:
    """The disposition where there is one, else how it went."""
    if row["state"] != "ended":
        return str(row["state"])
    if row["disposition"]:
        return str(row["disposition"])
    if row["answered_at"]:
        return "handled"
    return str(row["end_reason"]) if row["end_reason"] in callback.ENDS else "missed"


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
