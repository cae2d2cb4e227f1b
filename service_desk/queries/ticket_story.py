"""The story of a case: all that was said in its contacts, its notes, and what was done to it, in one line.

Whoever may read the case may read what was said in the contacts that are linked with it: linking, which only they can
who may see the contact, is how a colleague gets to know. What is not linked stays with its agent.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from service_desk.domain.page_views import FieldChangeView, StoryItemView, StoryPageView
from service_desk.queries import timeline
from service_desk.queries.interactions import message_entry, note_entry
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
_LINKED = sa.select(LINK.c.interaction_id).where(LINK.c.ticket_id == _TICKET)


def _newest(line: sa.Select[Any], at: sa.ColumnElement[Any], row_id: sa.ColumnElement[Any]) -> Prepared:
    """The newest rows before a key. Built once: making a statement costs more than running it."""
    there = sa.tuple_(sa.bindparam("at", type_=sa.BigInteger), sa.bindparam("id", type_=sa.Text))
    older = sa.tuple_(at, row_id) < there
    return Prepared(
        line.where(older).order_by(at.desc(), row_id.desc()).limit(sa.bindparam("limit", type_=sa.Integer))
    )


_MESSAGES = _newest(
    sa.select(MESSAGE).where(MESSAGE.c.interaction_id.in_(_LINKED)), MESSAGE.c.at, MESSAGE.c.id
)
_CONTACT_NOTES = _newest(sa.select(NOTE).where(NOTE.c.interaction_id.in_(_LINKED)), NOTE.c.at, NOTE.c.id)
_NOTES = _newest(sa.select(NOTE).where(NOTE.c.ticket_id == _TICKET), NOTE.c.at, NOTE.c.id)
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
    reader: Reader, ticket_id: str, before: str | None, limit: int = STORY_PAGE
) -> StoryPageView | None:
    """The newest part of a case's story before a cursor, oldest first; None if there is no such case."""
    if reader.get(schema.ticket, ticket_id) is None:
        return None
    at, row_id = _parse(before)
    asked = {"ticket": ticket_id, "at": at, "id": row_id, "limit": limit + 1}
    items = [
        *(_entry(message_entry(row)) for row in reader.all(_MESSAGES, asked)),
        *(_entry(note_entry(row)) for row in reader.all(_CONTACT_NOTES, asked)),
        *(_entry(note_entry(row)) for row in reader.all(_NOTES, asked)),
        *_contacts(reader.all(_CONTACTS, asked)),
        *(_act(row) for row in reader.all(_ACTS, asked)),
    ]
    items.sort(key=lambda item: (item.at, item.id), reverse=True)
    page = items[:limit]
    more = f"{page[-1].at}.{page[-1].id}" if len(items) > limit else None
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


def _contacts(rows: Iterable[sa.RowMapping]) -> list[StoryItemView]:
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
        for line in timeline.interaction_lines(list(rows))
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
