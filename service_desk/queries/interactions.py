"""Contacts and their conversations as screens show them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from service_desk.domain.views import (
    AttachmentView,
    AuthorView,
    CallView,
    EntriesPageView,
    EntryView,
    InteractionView,
    MailView,
)
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader

INTERACTION = schema.interaction
MESSAGE = schema.message
NOTE = schema.note
LEG = schema.call_leg
LINK = schema.ticket_interaction
FILE = schema.attachment

# Built once: making a statement costs more than running it.
_IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
_BY_ID = Prepared(
    sa.select(INTERACTION, schema.customer.c.name.label("customer_name"))
    .outerjoin(schema.customer, schema.customer.c.id == INTERACTION.c.customer_id)
    .where(INTERACTION.c.id.in_(_IDS))
    .order_by(INTERACTION.c.id)
)
_LEGS_OF = Prepared(
    sa.select(LEG).where(LEG.c.interaction_id.in_(_IDS)).order_by(LEG.c.created_at, LEG.c.call_id)
)
_TICKETS_OF = Prepared(
    sa.select(LINK).where(LINK.c.interaction_id.in_(_IDS)).order_by(LINK.c.at, LINK.c.ticket_id)
)
_NEWEST = {
    table: Prepared(
        sa.select(table)
        .where(
            table.c.interaction_id == sa.bindparam("interaction"),
            table.c.seq < sa.bindparam("before", type_=sa.Integer),
        )
        .order_by(table.c.seq.desc())
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )
    for table in (MESSAGE, NOTE)
}
_FILES_OF = Prepared(
    sa.select(FILE).where(FILE.c.message_id.in_(_IDS)).order_by(FILE.c.message_id, FILE.c.id)
)
NO_END = 2**31 - 1
"""Above every seq."""

UNKNOWN = {
    "phone": "Withheld number",
    "web_chat": "Visitor",
    "email": "Unknown sender",
    "sms": "Unknown number",
}


def interaction_view(reader: Reader, interaction_id: str) -> InteractionView | None:
    """One contact, None if there is none."""
    return next(iter(interaction_views(reader, [interaction_id])), None)


def interaction_views(reader: Reader, ids: Iterable[str]) -> list[InteractionView]:
    """Contacts by id, in one query per table."""
    return views_and_talked(reader, ids)[0]


def views_and_talked(reader: Reader, ids: Iterable[str]) -> tuple[list[InteractionView], set[str]]:
    """Contacts by id, and which of them have any entries."""
    asked = {"ids": list(ids)}
    if not asked["ids"]:
        return [], set()
    rows, legs, links = reader.together((_BY_ID, asked), (_LEGS_OF, asked), (_TICKETS_OF, asked))
    legs_of, tickets = _grouped(legs), _grouped(links)
    views = [_view(row, legs_of[row["id"]], tickets[row["id"]]) for row in rows]
    return views, {row["id"] for row in rows if row["entry_seq"]}


def _view(
    row: sa.RowMapping, legs: Sequence[sa.RowMapping], links: Sequence[sa.RowMapping]
) -> InteractionView:
    title = row["customer_name"] or row["caller"] or UNKNOWN[row["channel"]]
    return InteractionView(
        id=row["id"],
        channel=row["channel"],
        direction=row["direction"],
        state=row["state"],
        queue_id=row["queue_id"],
        customer_id=row["customer_id"],
        caller=row["caller"],
        title=title,
        topic=row["topic"],
        agent_id=row["agent_id"],
        priority=row["priority"],
        created_at=row["created_at"],
        queued_at=row["queued_at"],
        answered_at=row["answered_at"],
        connected_at=row["connected_at"],
        ended_at=row["ended_at"],
        wrap_up_until=row["wrap_up_until"],
        ended_by=row["ended_by"],
        end_reason=row["end_reason"],
        disposition=row["disposition"],
        ticket_ids=[link["ticket_id"] for link in links],
        call=_call(legs) if row["channel"] == "phone" else None,
        visitor_online=row["visitor_online"],
        last_entry=row["last_text"],
        last_entry_at=row["last_text_at"],
        version=row["version"],
    )


def _call(legs: Sequence[sa.RowMapping]) -> CallView:
    customer = next((leg for leg in legs if leg["role"] == "customer"), None)
    agent = next((leg for leg in legs if leg["role"] == "agent" and leg["ended_at"] is None), None)
    return CallView(
        customer_leg=customer["status"] if customer else "unknown",
        agent_leg=agent["status"] if agent else None,
        in_conference=bool(customer and agent and customer["in_conference"] and agent["in_conference"]),
    )


def _grouped(rows: Sequence[sa.RowMapping]) -> dict[str, list[sa.RowMapping]]:
    """Rows by their interaction."""
    found: dict[str, list[sa.RowMapping]] = defaultdict(list)
    for row in rows:
        found[row["interaction_id"]].append(row)
    return found


def entry_view(reader: Reader, entry_id: str) -> EntryView | None:
    """A message or note by its id."""
    table = NOTE if entry_id.startswith("not_") else MESSAGE
    row = reader.get(table, entry_id)
    if row is None:
        return None
    return note_entry(row) if table is NOTE else message_entry(row, _files(reader, [row]).get(entry_id, ()))


def message_entry(row: sa.RowMapping, files: Sequence[sa.RowMapping] = ()) -> EntryView:
    """A row of the message table, with its files."""
    return EntryView(
        id=row["id"],
        interaction_id=row["interaction_id"],
        seq=row["seq"],
        kind=row["kind"],
        author=AuthorView(kind=row["author_kind"], id=row["author_id"], name=row["author_name"]),
        text=row["text"],
        at=row["at"],
        status=row["status"],
        key=row["key"],
        error=row["error"],
        mail=mail_view(row),
        attachments=[attachment_view(file) for file in files],
    )


def mail_view(row: sa.RowMapping) -> MailView | None:
    """What a mail has beside its text; None for other messages."""
    envelope = row["envelope"]
    if not envelope or "subject" not in envelope:
        return None
    return MailView.model_validate(
        {
            "sender": envelope.get("from"),
            "to": envelope.get("to", []),
            "cc": envelope.get("cc", []),
            "reply_to": envelope.get("reply_to", []),
            "subject": envelope["subject"],
            "has_html": row["html"] is not None,
            "quoted": row["quoted"],
            "remote_images": envelope.get("remote_images", 0),
            "machine": envelope.get("machine", "none"),
            "doubts": envelope.get("doubts", []),
            "notes": envelope.get("notes", []),
        }
    )


def attachment_view(row: sa.RowMapping) -> AttachmentView:
    """A row of the attachment table."""
    return AttachmentView(
        id=row["id"],
        name=row["name"],
        media_type=row["media_type"],
        size_bytes=row["size_bytes"],
        inline=row["inline"],
        ready=row["blob"] != "",
    )


def _files(reader: Reader, messages: Sequence[sa.RowMapping]) -> dict[str, list[sa.RowMapping]]:
    """Files by message; only mails and texts have any."""
    found: dict[str, list[sa.RowMapping]] = defaultdict(list)
    ids = [row["id"] for row in messages if row["envelope"]]
    if ids:
        for file in reader.all(_FILES_OF, {"ids": ids}):
            found[file["message_id"]].append(file)
    return found


def note_entry(row: sa.RowMapping) -> EntryView:
    """A row of the note table."""
    return EntryView(
        id=row["id"],
        interaction_id=row["interaction_id"] or "",
        seq=row["seq"],
        kind="note",
        author=AuthorView(kind="agent", id=row["author_id"], name=row["author_name"]),
        text=row["text"],
        at=row["at"],
        status=None,
        key=row["key"],
    )


def newest_entries(
    reader: Reader, interaction_id: str, limit: int, before: int | None = None
) -> list[EntryView]:
    """The newest messages, notes and system lines below `before` (a seq), oldest first."""
    wanted = {"interaction": interaction_id, "before": min(before or NO_END, NO_END), "limit": limit}
    rows, notes = reader.together((_NEWEST[MESSAGE], wanted), (_NEWEST[NOTE], wanted))
    files = _files(reader, rows)
    views = [message_entry(row, files.get(row["id"], ())) for row in rows]
    views += [note_entry(row) for row in notes]
    views.sort(key=lambda entry: entry.seq)
    return views[-limit:]


def entries_page(reader: Reader, interaction_id: str, before: str | None, limit: int) -> EntriesPageView:
    """Older entries: `before` is the cursor of the page after it."""
    at = int(before) if before is not None and before.isdecimal() and len(before) <= 18 else None
    items = newest_entries(reader, interaction_id, limit, at)
    more = str(items[0].seq) if len(items) == limit and items[0].seq > 1 else None
    return EntriesPageView(items=items, more=more)
