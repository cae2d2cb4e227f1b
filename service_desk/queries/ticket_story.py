"""The story of a case: all that was said in its contacts, its notes, and what was done to it, in one line.

Whoever may read the case knows of its contacts: the channel, the time, who had it. What was said in one is for those
who may see the contact itself, here as on its own page and in the search: a mail is linked with its case by itself.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from service_desk.domain.page_views import FieldChangeView, StoryItemView, StoryPageView
from service_desk.queries import timeline
from service_desk.queries.interactions import (
    PAGE_BYTES,
    files_of,
    fitting,
    held_columns,
    message_entry,
    note_entry,
)
from service_desk.queries.reach import Reach
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader

MESSAGE = schema.message
NOTE = schema.note
AUDIT = schema.audit
INTERACTION = schema.interaction
LINK = schema.ticket_interaction
STORY_PAGE = 100
INSTANT_DIGITS = 18
TEXTS = frozenset({"subject", "description"})
"""Fields whose values are personal text and so are in no audit."""
Key = tuple[int, str]

_TICKET: sa.BindParameter[str] = sa.bindparam("ticket")
_SEEN: sa.BindParameter[list[str]] = sa.bindparam("seen", expanding=True)
_LINKED = sa.select(LINK.c.interaction_id).where(LINK.c.ticket_id == _TICKET)

_ALL_LINKED = Prepared(_LINKED)


def _newest(line: sa.Select[Any], at: sa.ColumnElement[Any], row_id: sa.ColumnElement[Any]) -> Prepared:
    """The newest rows before a key. Built once: making a statement costs more than running it."""
    there = sa.tuple_(sa.bindparam("at", type_=sa.BigInteger), sa.bindparam("id", type_=sa.Text))
    older = sa.tuple_(at, row_id) < there
    return Prepared(
        line.where(older).order_by(at.desc(), row_id.desc()).limit(sa.bindparam("limit", type_=sa.Integer))
    )


_MESSAGES = _newest(
    sa.select(*held_columns(MESSAGE)).where(MESSAGE.c.interaction_id.in_(_SEEN)), MESSAGE.c.at, MESSAGE.c.id
)
_CONTACT_NOTES = _newest(
    sa.select(*held_columns(NOTE)).where(NOTE.c.interaction_id.in_(_SEEN)), NOTE.c.at, NOTE.c.id
)
_NOTES = _newest(sa.select(*held_columns(NOTE)).where(NOTE.c.ticket_id == _TICKET), NOTE.c.at, NOTE.c.id)
_CONTACTS = _newest(
    sa.select(*timeline.CONTACT_LINE).select_from(timeline.CONTACTS).where(INTERACTION.c.id.in_(_LINKED)),
    INTERACTION.c.created_at,
    INTERACTION.c.id,
)
_ACTS = _newest(
    sa.select(AUDIT, schema.agent.c.name.label("agent_name"))
    .outerjoin(schema.agent, schema.agent.c.id == AUDIT.c.actor)
    .where(AUDIT.c.subject == _TICKET),
    AUDIT.c.at,
    AUDIT.c.id,
)


def story_page(
    reader: Reader, reach: Reach, ticket_id: str, before: str | None, limit: int = STORY_PAGE
) -> StoryPageView | None:
    """The newest part of a case's story before a cursor, oldest first; None if there is no such case.

    A page has fewer than `limit` items where they would be more than PAGE_BYTES.
    """
    if reader.get(schema.ticket, ticket_id) is None:
        return None
    at, row_id = _parse(before)
    linked = {row["interaction_id"] for row in reader.all(_ALL_LINKED, {"ticket": ticket_id})}
    unseen = reach.unseen(reader, linked)
    asked = {"ticket": ticket_id, "at": at, "id": row_id, "limit": limit + 1}
    spoken = {**asked, "seen": sorted(linked - unseen)}
    messages = reader.all(_MESSAGES, spoken)
    files = files_of(reader, messages)
    items = [
        *(_entry(message_entry(row, files.get(row["id"], ()))) for row in messages),
        *(_entry(note_entry(row)) for row in reader.all(_CONTACT_NOTES, spoken)),
        *(_entry(note_entry(row)) for row in reader.all(_NOTES, asked)),
        *_contacts(reader.all(_CONTACTS, asked), unseen),
        *(_act(row) for row in reader.all(_ACTS, asked)),
    ]
    items.sort(key=lambda item: (item.at, item.id), reverse=True)
    page = items[: min(limit, fitting(items, PAGE_BYTES) or 1)]
    more = f"{page[-1].at}.{page[-1].id}" if len(items) > len(page) else None
    return StoryPageView(items=page[::-1], more=more)


def _parse(before: str | None) -> Key:
    at, _, last = (before or "").partition(".")
    if at.isdecimal() and len(at) <= INSTANT_DIGITS:
        return int(at), last
    return 10**INSTANT_DIGITS, ""


def _entry(entry: Any) -> StoryItemView:
    return StoryItemView(
        id=entry.id, kind="entry", at=entry.at, entry=entry, contact=None, action=None, actor=None, changes=[]
    )


def _contacts(rows: Iterable[sa.RowMapping], unseen: Collection[str]) -> list[StoryItemView]:
    return [
        StoryItemView(
            id=line.id,
            kind="contact",
            at=line.at,
            entry=None,
            contact=line,
            action=None,
            actor=None,
            changes=[],
        )
        for line in timeline.interaction_lines(list(rows), unseen)
    ]


def _act(row: sa.RowMapping) -> StoryItemView:
    return StoryItemView(
        id=row["id"],
        kind="change",
        at=row["at"],
        entry=None,
        contact=None,
        action=row["action"],
        actor=row["agent_name"] or row["actor"],
        changes=_changes(row["data"]),
    )


def _changes(data: Mapping[str, Any]) -> list[FieldChangeView]:
    """What changed, with values where the audit has them."""
    values: Mapping[str, Any] = data.get("changes") or {}
    names = [name for name in str(data.get("fields") or "").split(",") if name]
    return [
        FieldChangeView(field=name, old=_text(values, name, 0), new=_text(values, name, 1)) for name in names
    ]


def _text(values: Mapping[str, Any], name: str, side: int) -> str | None:
    pair = values.get(name)
    value = pair[side] if isinstance(pair, list) and len(pair) == 2 else None
    return None if value is None or name in TEXTS else str(value)
