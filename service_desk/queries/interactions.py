"""Contacts and their conversations as screens show them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json

from service_desk.actions.places import came_at
from service_desk.domain.views import (
    AttachmentView,
    AuthorView,
    CallView,
    EntriesPageView,
    EntryView,
    InteractionView,
    MailView,
    View,
)
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen

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
HELD_CHARACTERS = 20_000
"""What screens are sent of an entry's text, and of its quote, unless they ask for all of it."""
GIST_CHARACTERS = 500
"""What is left of an entry that would be too much together with others."""
GIST_ADDRESSES = 100
"""Of each kind: as many as an answer may go to."""
PAGE_BYTES = 1_000_000
"""A page as JSON: making that takes the event loop about 3 ms."""


def held_columns(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """A message's or note's columns with `characters`, and of long texts only the beginning.

    The database cuts, so that forty long mails are never whole in memory.
    """
    texts = [table.c[name] for name in ("text", "quoted") if name in table.c]
    size = sum(
        (sa.func.coalesce(sa.func.length(each), sa.literal_column("0")) for each in texts[1:]),
        sa.func.length(texts[0]),
    )
    others = [each for each in table.c if each.name not in ("text", "quoted", "html")]
    columns: list[sa.ColumnElement[Any]] = [*others, sa.type_coerce(size, sa.Integer).label("characters")]
    columns += [_beginning(each, HELD_CHARACTERS).label(each.name) for each in texts]
    if "html" in table.c:
        columns.append(_beginning(table.c.html, 1).label("html"))
    return columns


def _beginning(column: sa.ColumnElement[Any], characters: int) -> sa.ColumnElement[str]:
    return sa.func.substr(column, sa.literal_column("1"), sa.literal_column(str(characters)), type_=sa.Text)


_HELD = {
    table: Prepared(sa.select(*held_columns(table)).where(table.c.id == sa.bindparam("id", type_=sa.Text)))
    for table in (MESSAGE, NOTE)
}
_NEWEST = {
    table: Prepared(
        sa.select(*held_columns(table))
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
    reader.foresee(*foreseen_views(asked["ids"]))
    rows, legs, links = (reader.all(each, asked) for each in (_BY_ID, _LEGS_OF, _TICKETS_OF))
    legs_of, tickets = _grouped(legs), _grouped(links)
    views = [_view(row, legs_of[row["id"]], tickets[row["id"]]) for row in rows]
    return views, {row["id"] for row in rows if row["entry_seq"]}


def foreseen_views(ids: Sequence[str]) -> list[Foreseen]:
    """What `views_and_talked` asks."""
    return [Foreseen(each, {"ids": list(ids)}) for each in (_BY_ID, _LEGS_OF, _TICKETS_OF)]


def _view(
    row: sa.RowMapping, legs: Sequence[sa.RowMapping], links: Sequence[sa.RowMapping]
) -> InteractionView:
    title = row["customer_name"] or row["caller"] or UNKNOWN[row["channel"]]
    return InteractionView(
        id=row["id"],
        channel=row["channel"],
        direction=row["direction"],
        callback=row["callback_at"] is not None,
        state=row["state"],
        queue_id=row["queue_id"],
        customer_id=row["customer_id"],
        caller=row["caller"],
        title=title,
        topic=row["topic"],
        agent_id=row["agent_id"],
        priority=row["priority"],
        created_at=row["created_at"],
        queued_at=None if row["queued_at"] is None else came_at(row),
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
    customer = next((leg for leg in reversed(legs) if leg["role"] == "customer"), None)
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
    """A message or note by its id, whole."""
    table = _table_of(entry_id)
    return _entry(reader, table, reader.get(table, entry_id))


def held_entry(reader: Reader, entry_id: str) -> EntryView | None:
    """A message or note by its id, as screens hold it: see HELD_CHARACTERS."""
    table = _table_of(entry_id)
    return _entry(reader, table, reader.first(_HELD[table], {"id": entry_id}))


def foreseen_entry(entry_id: str) -> Foreseen:
    """What `held_entry` asks first."""
    return Foreseen(_HELD[_table_of(entry_id)], {"id": entry_id})


def contact_of(reader: Reader, entry_id: str) -> tuple[bool, str | None]:
    """Whether there is such an entry, and its contact; None for a note on a case."""
    row = reader.get(_table_of(entry_id), entry_id)
    return row is not None, row["interaction_id"] if row is not None else None


def _table_of(entry_id: str) -> sa.Table:
    return NOTE if entry_id.startswith("not_") else MESSAGE


def _entry(reader: Reader, table: sa.Table, row: sa.RowMapping | None) -> EntryView | None:
    if row is None:
        return None
    entry_id = row["id"]
    return note_entry(row) if table is NOTE else message_entry(row, files_of(reader, [row]).get(entry_id, ()))


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
        cut_from=_cut_from(row, len(row["text"]) + len(row["quoted"] or "")),
    )


def _cut_from(row: sa.RowMapping, here: int) -> int | None:
    """How many characters there are, where the row has only `here` of them."""
    whole: int = row.get("characters", here)
    return whole if whole > here else None


def gist(entry: EntryView) -> EntryView:
    """As little of it as is still of use in a list, where many long ones would be too much together."""
    mail, text = entry.mail, entry.text[:GIST_CHARACTERS]
    quoted = mail.quoted if mail is not None else None
    whole = entry.cut_from or len(entry.text) + len(quoted or "")
    if mail is not None:
        short: dict[str, Any] = {
            name: getattr(mail, name)[:GIST_ADDRESSES] for name in ("to", "cc", "reply_to", "doubts", "notes")
        }
        short["quoted"] = quoted[:GIST_CHARACTERS] if quoted is not None else None
        mail = mail.model_copy(update=short)
    here = len(text) + len(mail.quoted or "" if mail is not None else "")
    changed = {"text": text, "mail": mail, "cut_from": whole if mail != entry.mail or here < whole else None}
    return entry.model_copy(update=changed)


def fitting(views: Iterable[View], room: int) -> int:
    """How many of the first of them have no more than `room` bytes together as JSON."""
    count = 0
    for view in views:
        room -= len(to_json(view))
        if room < 0:
            break
        count += 1
    return count


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


def files_of(reader: Reader, messages: Iterable[sa.RowMapping]) -> dict[str, list[sa.RowMapping]]:
    """The files of rows of the message table, by message; only mails and texts have any."""
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
        cut_from=_cut_from(row, len(row["text"])),
    )


def newest_entries(
    reader: Reader, interaction_id: str, limit: int, before: int | None = None
) -> list[EntryView]:
    """The newest messages, notes and system lines below `before` (a seq), as screens hold them; oldest first."""
    wanted = {"interaction": interaction_id, "before": min(before or NO_END, NO_END), "limit": limit}
    rows, notes = reader.together((_NEWEST[MESSAGE], wanted), (_NEWEST[NOTE], wanted))
    files = files_of(reader, rows)
    views = [message_entry(row, files.get(row["id"], ())) for row in rows]
    views += [note_entry(row) for row in notes]
    views.sort(key=lambda entry: entry.seq)
    return views[-limit:]


def entries_page(reader: Reader, interaction_id: str, before: str | None, limit: int) -> EntriesPageView:
    """Older entries: `before` is the cursor of the page after it."""
    at = int(before) if before is not None and before.isdecimal() and len(before) <= 18 else None
    items = newest_entries(reader, interaction_id, limit, at)
    page = items[-(fitting(reversed(items), PAGE_BYTES) or 1) :]
    is_part = len(page) < len(items) or len(page) == limit
    more = str(page[0].seq) if is_part and page[0].seq > 1 else None
    return EntriesPageView(items=page, more=more)
