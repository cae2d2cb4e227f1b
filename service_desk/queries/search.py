"""Global search: customers, cases, contacts, messages and notes by name, number, address or text.

Order. Within a kind: the whole ticket number, name, address or phone number first; then names, addresses, numbers and
subjects that have all the words, the last of which may be a beginning; then texts with all the words; then texts with
the beginning. Within each of these the newest first. Kinds are ordered by their best match, an exact ticket number
before everything.

Rights. Tickets and customers are for those with the permission to read them. A contact, its messages and its notes are
for its agent, for whom it rings at, and for those who may read any contact: that is asked of the index, which follows
the log, and once more of the row itself.

Speed. There is no scoring: SQLite streams hits from the newest back, and PostgreSQL is asked so that a word that
stands everywhere is met after a few of the newest rows, and a rare one through the index.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY

from service_desk.domain.access import Principal, allowed, require
from service_desk.domain.search_marks import Marked, Marker
from service_desk.domain.search_query import (
    TIERS,
    All,
    Leaf,
    Node,
    One,
    Part,
    Query,
    Tier,
    as_fts5,
    as_tsquery,
    expression,
    parse,
    word,
)
from service_desk.domain.search_views import (
    HitRange,
    SearchGroupView,
    SearchHitView,
    SearchKind,
    SearchView,
)
from service_desk.queries.case_words import without_foreign_words
from service_desk.queries.reach import Reach, reach_of
from service_desk.queries.search_docs import scope_word
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader

DOC = schema.search_doc
INTERACTION = schema.interaction
CUSTOMER = schema.customer

OVERVIEW = 5
"""Hits of each kind while all kinds are searched."""
PAGE = 20
END = 2**63 - 1
COMMON = 2_000
"""Rows of the index after which PostgreSQL stops collecting and looks at the newest documents instead."""
RECENT = 20_000
"""Documents that it then looks at."""

PERMISSIONS = {
    "customer": "customer.read",
    "ticket": "ticket.read",
    "interaction": "contact.handle",
    "message": "contact.handle",
    "note": "ticket.read",
}
MATCHES: dict[Tier, Literal["exact", "head", "text"]] = {
    Tier.EXACT: "exact",
    Tier.HEAD: "head",
    Tier.WORDS: "text",
    Tier.TYPING: "text",
}
ALL_KINDS: tuple[SearchKind, ...] = get_args(SearchKind)


@dataclass(frozen=True, slots=True)
class Found:
    """A document that matched."""

    id: str
    tier: Tier
    number: int


def search(
    reader: Reader, who: Principal, text: str, kind: SearchKind | None, cursor: str | None
) -> SearchView:
    """Everything that matches and that `who` may see. Invalid if the text cannot be searched."""
    query = parse(text)
    reach = reach_of(reader, who)
    kinds = [each for each in ALL_KINDS if kind in (None, each) and allowed(who, PERMISSIONS[each])]
    limit = OVERVIEW if kind is None else PAGE
    groups = []
    for each in kinds:
        group = _group(reader, query, reach, each, _position(cursor) if kind else None, limit)
        if group.items or kind is not None:
            groups.append(group)
    return SearchView(groups=sorted(groups, key=_worth))


def ids_of(reader: Reader, who: Principal, text: str, kind: SearchKind, limit: int) -> list[str]:
    """The best and newest matches of one kind, for lists that filter and sort in their own way."""
    require(who, PERMISSIONS[kind])
    found = _find(reader, parse(text), reach_of(reader, who), kind, None, limit)
    return [each.id for each in found]


def _scope(reach: Reach, kind: str) -> Node | None:
    """What the index is asked in addition."""
    if reach.everything or kind in ("customer", "ticket"):
        return None
    words = [
        word(kind, Part.OWNER, scope_word(reach.who.agent_id)),
        *(word(kind, Part.CONTACT, scope_word(each)) for each in sorted(reach.ringing)),
    ]
    if kind == "note":
        words.append(word(kind, Part.OPEN, "x"))
    return One(tuple(Leaf((each,)) for each in words))


def _worth(group: SearchGroupView) -> tuple[int, int]:
    """Sorts groups: an exact ticket number, then anything exact, then the rest; kinds in their fixed order."""
    ranks = {"exact": 0 if group.kind == "ticket" else 1, "head": 2, "text": 3}
    best = min((ranks[hit.match] for hit in group.items), default=len(ranks))
    return best, ALL_KINDS.index(group.kind)


def _group(
    reader: Reader, query: Query, reach: Reach, kind: SearchKind, cursor: tuple[int, int] | None, limit: int
) -> SearchGroupView:
    found = _find(reader, query, reach, kind, cursor, limit + 1)
    page = found[:limit]
    hits = _SHOWN[kind](reader, page, Marker(query), reach)
    ordered = [hits[each.id] for each in page if each.id in hits]
    more = f"{page[-1].tier.value}.{page[-1].number}" if len(found) > limit else None
    return SearchGroupView(kind=kind, items=ordered, more=more)


def _position(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    tier, _, number = cursor.partition(".")
    return int(tier), min(int(number), END)


# --- the index ------------------------------------------------------------------------------------------------


def _find(
    reader: Reader, query: Query, reach: Reach, kind: SearchKind, cursor: tuple[int, int] | None, limit: int
) -> list[Found]:
    """The best and newest behind a cursor."""
    found: list[Found] = []
    scope = _scope(reach, kind)
    first, before = cursor or (0, END)
    for tier in TIERS[kind]:
        if tier.value < first or len(found) >= limit:
            continue
        node = expression(query, kind, tier)
        if node is None:
            continue
        node = node if scope is None else All((node, scope))
        below = before if tier.value == first else END
        rows = _look(reader, kind, node, below, limit - len(found))
        found += [Found(row["id"], tier, row["number"]) for row in rows]
    return found


_BEFORE = sa.bindparam("before", type_=sa.BigInteger)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_INDEX = sa.table("search_index", sa.column("rowid", sa.BigInteger), sa.column("search_index", sa.Text))
_SQLITE = Prepared(
    sa.select(DOC.c.id, DOC.c.number)
    .select_from(_INDEX.join(DOC, DOC.c.number == _INDEX.c.rowid))
    .where(_INDEX.c.search_index.op("MATCH")(sa.bindparam("match", type_=sa.Text)), _INDEX.c.rowid < _BEFORE)
    .order_by(_INDEX.c.rowid.desc())
    .limit(_LIMIT)
)

_MATCHES = sa.cast(sa.bindparam("match", type_=sa.Text), TSQUERY)


def _matching(words: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return words.op("@@")(_MATCHES)


def _rare() -> sa.Select[Any]:
    """Up to so many rows by the index, in no order; the newest of them, and how many there were."""
    found = (
        sa.select(DOC.c.id, DOC.c.number)
        .where(_matching(DOC.c.words), DOC.c.number < _BEFORE)
        .limit(COMMON)
        .cte("found")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    size = sa.select(sa.func.count()).select_from(found).scalar_subquery()
    return (
        sa.select(found.c.id, found.c.number, size.label("size"))
        .order_by(found.c.number.desc())
        .limit(_LIMIT)
    )


def _recent() -> sa.Select[Any]:
    """Of the newest documents of the kind, those that match."""
    newest = (
        sa.select(DOC.c.id, DOC.c.number, DOC.c.words)
        .where(DOC.c.kind == sa.bindparam("kind", type_=sa.Text), DOC.c.number < _BEFORE)
        .order_by(DOC.c.number.desc())
        .limit(RECENT)
        .subquery("newest")
    )
    return (
        sa.select(newest.c.id, newest.c.number)
        .where(_matching(newest.c.words))
        .order_by(newest.c.number.desc())
        .limit(_LIMIT)
    )


_RARE = Prepared(_rare())
_RECENT = Prepared(_recent())
# The sum keeps the planner from walking down the primary key in the hope of meeting enough matches.
_EVERY = Prepared(
    sa.select(DOC.c.id, DOC.c.number)
    .where(_matching(DOC.c.words), DOC.c.number < _BEFORE)
    .order_by((DOC.c.number + 0).desc())
    .limit(_LIMIT)
)
# What a word's frequency is taken for must not decide whether the whole table is read.
_PLAN = Prepared(
    sa.select(
        sa.func.set_config("enable_seqscan", "off", sa.true()).label("scan"),
        sa.func.set_config("jit", "off", sa.true()).label("jit"),
    )
)


def _dialect(reader: Reader) -> str:
    return reader._connection.dialect.name  # noqa: SLF001 - the one query whose words differ by database


def _look(reader: Reader, kind: str, node: Node, before: int, limit: int) -> Sequence[sa.RowMapping]:
    if _dialect(reader) == "sqlite":
        return reader.all(_SQLITE, {"match": as_fts5(node), "before": before, "limit": limit})
    reader.all(_PLAN)
    asked = {"match": as_tsquery(node), "before": before, "limit": limit}
    rows = reader.all(_RARE, asked)
    if not rows or rows[0]["size"] < COMMON:
        return rows
    rows = reader.all(_RECENT, {**asked, "kind": kind})
    return rows if len(rows) == limit else reader.all(_EVERY, asked)


# --- what hits show -------------------------------------------------------------------------------------------

_IDS: sa.BindParameter[list[str]] = sa.bindparam("ids", expanding=True)
_CUSTOMERS = Prepared(
    sa.select(CUSTOMER, schema.company.c.name.label("company"))
    .outerjoin(schema.company, schema.company.c.id == CUSTOMER.c.company_id)
    .where(CUSTOMER.c.id.in_(_IDS), CUSTOMER.c.merged_into.is_(None))
)
_POINTS = Prepared(
    sa.select(schema.contact_point)
    .where(schema.contact_point.c.customer_id.in_(_IDS), schema.contact_point.c.kind != "chat")
    .order_by(schema.contact_point.c.created_at, schema.contact_point.c.id)
)
_TICKETS = Prepared(sa.select(schema.ticket).where(schema.ticket.c.id.in_(_IDS)))
_CONTACT = (
    INTERACTION.c.channel,
    INTERACTION.c.state,
    INTERACTION.c.caller,
    INTERACTION.c.agent_id.label("owner_id"),
    CUSTOMER.c.name.label("customer_name"),
)
_INTERACTIONS = Prepared(
    sa.select(
        INTERACTION.c.id, INTERACTION.c.created_at, INTERACTION.c.topic, INTERACTION.c.comment, *_CONTACT
    )
    .add_columns(INTERACTION.c.customer_id)
    .outerjoin(CUSTOMER, CUSTOMER.c.id == INTERACTION.c.customer_id)
    .where(INTERACTION.c.id.in_(_IDS))
)
_MESSAGES = Prepared(
    sa.select(schema.message, *_CONTACT)
    .join(INTERACTION, INTERACTION.c.id == schema.message.c.interaction_id)
    .outerjoin(CUSTOMER, CUSTOMER.c.id == INTERACTION.c.customer_id)
    .where(schema.message.c.id.in_(_IDS))
)
_NOTES = Prepared(
    sa.select(schema.note, *_CONTACT, schema.ticket.c.number, schema.ticket.c.subject)
    .outerjoin(INTERACTION, INTERACTION.c.id == schema.note.c.interaction_id)
    .outerjoin(schema.ticket, schema.ticket.c.id == schema.note.c.ticket_id)
    .outerjoin(CUSTOMER, CUSTOMER.c.id == INTERACTION.c.customer_id)
    .where(schema.note.c.id.in_(_IDS))
)
UNKNOWN = {"phone": "Withheld number"}
NAMELESS = "Visitor"

Hits = dict[str, SearchHitView]


def _hit(
    kind: SearchKind, found: Found, at: int, title: Marked, excerpt: Marked, **more: Any
) -> SearchHitView:
    absent = dict.fromkeys(
        ("state", "channel", "author", "ticket_number", "ticket_id", "interaction_id", "customer_id")
    )
    return SearchHitView(
        kind=kind,
        id=found.id,
        match=MATCHES[found.tier],
        at=at,
        title=title.text,
        title_hits=_ranges(title),
        excerpt=excerpt.text,
        excerpt_hits=_ranges(excerpt),
        **{**absent, **more},
    )


def _ranges(marked: Marked) -> list[HitRange]:
    return [HitRange(start=start, end=end) for start, end in marked.hits]


def _rows(reader: Reader, statement: Prepared, page: Iterable[Found]) -> list[tuple[Found, sa.RowMapping]]:
    """The rows of documents, where they still are."""
    by_id = {each.id: each for each in page}
    rows = reader.all(statement, {"ids": list(by_id)}) if by_id else []
    return [(by_id[row["id"]], row) for row in rows]


def _show_customers(reader: Reader, page: Sequence[Found], marker: Marker, _reach: Reach) -> Hits:
    rows = _rows(reader, _CUSTOMERS, page)
    points = reader.all(_POINTS, {"ids": [row["id"] for _, row in rows]}) if rows else []
    hits = {}
    for found, row in rows:
        addresses = [point["display"] for point in points if point["customer_id"] == row["id"]]
        title = marker.whole(row["name"] or next(iter(addresses), NAMELESS), head=True)
        below = [row["company"], *addresses] if row["name"] else [row["company"], *addresses[1:]]
        excerpt = marker.whole(" · ".join(part for part in below if part), head=True)
        if not (title.hits or excerpt.hits) and row["remark"]:
            excerpt = marker.excerpt(row["remark"])
        hits[row["id"]] = _hit("customer", found, row["created_at"], title, excerpt, customer_id=row["id"])
    return hits


def _show_tickets(reader: Reader, page: Sequence[Found], marker: Marker, reach: Reach) -> Hits:
    rows = _rows(reader, _TICKETS, page)
    shown = without_foreign_words(reader, reach, {row["id"]: row["description"] for _, row in rows})
    return {
        row["id"]: _hit(
            "ticket",
            found,
            row["updated_at"],
            marker.whole(f"{row['number']} {row['subject']}", head=True),
            marker.excerpt(shown[row["id"]]),
            state=row["status"],
            ticket_number=row["number"],
            ticket_id=row["id"],
            customer_id=row["customer_id"],
        )
        for found, row in rows
    }


def _show_interactions(reader: Reader, page: Sequence[Found], marker: Marker, reach: Reach) -> Hits:
    return {
        row["id"]: _hit(
            "interaction",
            found,
            row["created_at"],
            marker.whole(_title(row), head=True),
            _about(marker, row),
            state=row["state"],
            channel=row["channel"],
            interaction_id=row["id"],
            customer_id=row["customer_id"],
        )
        for found, row in _rows(reader, _INTERACTIONS, page)
        if reach.may_see(row["id"], row["owner_id"])
    }


def _about(marker: Marker, row: sa.RowMapping) -> Marked:
    """Who called, what about, and what the agent wrote: shortened around the first hit."""
    caller = row["caller"] if row["customer_name"] else None
    parts = [part for part in (caller, row["topic"], row["comment"]) if part]
    return marker.excerpt(" · ".join(parts))


def _title(row: sa.RowMapping) -> str:
    return str(row["customer_name"] or row["caller"] or UNKNOWN.get(row["channel"], NAMELESS))


def _show_messages(reader: Reader, page: Sequence[Found], marker: Marker, reach: Reach) -> Hits:
    return {
        row["id"]: _hit(
            "message",
            found,
            row["at"],
            Marked(_title(row), []),
            marker.excerpt(row["text"]),
            channel=row["channel"],
            author=row["author_name"],
            interaction_id=row["interaction_id"],
            customer_id=row["customer_id"],
        )
        for found, row in _rows(reader, _MESSAGES, page)
        if row["text"] and reach.may_see(row["interaction_id"], row["owner_id"])
    }


def _show_notes(reader: Reader, page: Sequence[Found], marker: Marker, reach: Reach) -> Hits:
    return {
        row["id"]: _hit(
            "note",
            found,
            row["at"],
            Marked(f"{row['number']} {row['subject']}" if row["ticket_id"] else _title(row), []),
            marker.excerpt(row["text"]),
            channel=row["channel"],
            author=row["author_name"],
            ticket_number=row["number"],
            ticket_id=row["ticket_id"],
            interaction_id=row["interaction_id"],
            customer_id=row["customer_id"],
        )
        for found, row in _rows(reader, _NOTES, page)
        if row["text"] and reach.may_see(row["interaction_id"], row["owner_id"])
    }


_SHOWN: dict[SearchKind, Callable[[Reader, Sequence[Found], Marker, Reach], Hits]] = {
    "customer": _show_customers,
    "ticket": _show_tickets,
    "interaction": _show_interactions,
    "message": _show_messages,
    "note": _show_notes,
}
