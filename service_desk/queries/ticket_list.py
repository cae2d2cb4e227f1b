"""The ticket list: filtered, sorted and paged by index.

Status and priority are the first columns of every index of the list, and each of their values is a range of its own:
a page is the best few rows of each range, merged. So a page costs the same with ten tickets and with ten million,
whatever the status and priority that are asked for. The assignee or the queue goes before them in an index of its own;
what is asked beside (brand, several queues, the other date) is compared row by row inside the ranges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import sqlalchemy as sa

from service_desk.clock import Micros
from service_desk.domain.interaction import TICKET_MOVES, TICKET_PRIORITIES
from service_desk.domain.page_views import TicketLineView, TicketListView
from service_desk.queries.tickets import ticket_views
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader

TICKET = schema.ticket
NOBODY = "nobody"
STATUSES = tuple(TICKET_MOVES)
RANKS = {priority: rank for rank, priority in enumerate(TICKET_PRIORITIES)}

Sort = Literal["updated", "created", "priority"]
Order = Literal["desc", "asc"]
Span = tuple[Micros | None, Micros | None]

_ROWS = Prepared(
    sa.select(TICKET, schema.customer.c.name.label("customer_name"))
    .outerjoin(schema.customer, schema.customer.c.id == TICKET.c.customer_id)
    .where(TICKET.c.id.in_(sa.bindparam("ids", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of the page before. `rank` is its priority's, and counts when sorted by priority."""

    rank: int
    at: Micros
    id: str

    def __str__(self) -> str:
        return f"{self.rank}.{self.at}.{self.id}"

    @classmethod
    def parse(cls, text: str | None) -> "Cursor | None":
        """From its text, whose form was checked before."""
        if text is None:
            return None
        rank, at, row_id = text.split(".", 2)
        return cls(int(rank), int(at), row_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the list. Empty means any; times are from (included) and to (not included)."""

    statuses: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    assignee: str | None = None
    brand: str | None = None
    customer: str | None = None
    created: Span = (None, None)
    updated: Span = (None, None)
    ids: tuple[str, ...] | None = None
    """Only these, where a text was searched for."""
    sort: Sort = "updated"
    order: Order = "desc"
    before: Cursor | None = None
    limit: int = 50


def ticket_list(reader: Reader, wanted: Wanted) -> TicketListView:
    """A page of tickets with their customers' names."""
    if wanted.ids is not None and not wanted.ids:
        return TicketListView(items=[], more=None)
    found = reader.all(page_statement(wanted))
    page = found[: wanted.limit]
    more = None
    if len(found) > wanted.limit:
        last = page[-1]
        more = str(Cursor(last["rank"], last["at"], last["id"]))
    return TicketListView(items=_lines(reader, [row["id"] for row in page]), more=more)


def _lines(reader: Reader, ids: Sequence[str]) -> list[TicketLineView]:
    if not ids:
        return []
    rows = {row["id"]: row for row in reader.all(_ROWS, {"ids": list(ids)})}
    ordered = [rows[each] for each in ids if each in rows]
    return [
        TicketLineView(ticket=view, customer_name=row["customer_name"])
        for view, row in zip(ticket_views(reader, ordered), ordered, strict=True)
    ]


def page_statement(wanted: Wanted) -> sa.Select[Any]:
    """Rank, time and id of one row more than the page has."""
    branches = [branch for branch in _branches(wanted) if branch is not None]
    if len(branches) == 1:
        union: sa.FromClause = branches[0].subquery("page")
    elif branches:
        union = sa.union_all(*(sa.select(branch.subquery()) for branch in branches)).subquery("page")
    else:
        union = _branch(wanted, [sa.false()], None, 0).subquery("page")
    keys = [union.c.rank, union.c.at, union.c.id] if wanted.sort == "priority" else [union.c.at, union.c.id]
    return sa.select(union).order_by(*(_way(wanted, key) for key in keys)).limit(wanted.limit + 1)


def _branches(wanted: Wanted) -> list[sa.Select[Any] | None]:
    """One for each status and priority that is asked for; a single one where few rows can match anyway."""
    statuses, priorities = wanted.statuses or STATUSES, wanted.priorities or TICKET_PRIORITIES
    if wanted.customer is not None or wanted.ids is not None:
        few: list[sa.ColumnElement[bool]] = [
            TICKET.c.status.in_(statuses),
            TICKET.c.priority.in_(priorities),
        ]
        return [_branch(wanted, few, None, None)]
    return [
        _range(wanted, status, priority)
        for status, priority in product(dict.fromkeys(statuses), dict.fromkeys(priorities))
    ]


def _range(wanted: Wanted, status: str, priority: str) -> sa.Select[Any] | None:
    """The stretch of an index with one status and one priority; None if the cursor is past it."""
    rank, before = RANKS[priority], wanted.before
    if before is not None and wanted.sort == "priority" and rank != before.rank:
        if (rank > before.rank) == (wanted.order == "desc"):
            return None
        before = None
    return _branch(wanted, [TICKET.c.status == status, TICKET.c.priority == priority], before, rank)


def _branch(
    wanted: Wanted, where: list[sa.ColumnElement[bool]], before: Cursor | None, rank: int | None
) -> sa.Select[Any]:
    at = TICKET.c.created_at if wanted.sort == "created" else TICKET.c.updated_at
    by_priority = sa.case(RANKS, value=TICKET.c.priority)
    shown_rank: sa.ColumnElement[int] = by_priority if rank is None else sa.literal(rank, sa.Integer)
    conditions = [*where, *_conditions(wanted)]
    keys: list[sa.ColumnElement[Any]] = [at, TICKET.c.id]
    if rank is None:
        before = wanted.before
        if wanted.sort == "priority":
            keys = [by_priority, *keys]
    if before is not None:
        conditions.append(_after(wanted, keys, before))
    return (
        sa.select(shown_rank.label("rank"), at.label("at"), TICKET.c.id.label("id"))
        .where(*conditions)
        .order_by(*(_way(wanted, key) for key in keys))
        .limit(wanted.limit + 1)
    )


def _after(wanted: Wanted, keys: list[sa.ColumnElement[Any]], before: Cursor) -> sa.ColumnElement[bool]:
    values = [before.rank, before.at, before.id][-len(keys) :]
    here = sa.tuple_(*keys)
    there = sa.tuple_(*(sa.literal(value, key.type) for key, value in zip(keys, values, strict=True)))
    return here < there if wanted.order == "desc" else here > there


def _way(wanted: Wanted, key: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return key.desc() if wanted.order == "desc" else key.asc()


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.assignee == NOBODY:
        conditions.append(TICKET.c.assignee_id.is_(None))
    elif wanted.assignee is not None:
        conditions.append(TICKET.c.assignee_id == wanted.assignee)
    if len(wanted.queues) == 1:
        conditions.append(TICKET.c.queue_id == wanted.queues[0])
    elif wanted.queues:
        conditions.append(TICKET.c.queue_id.in_(wanted.queues))
    if wanted.brand is not None:
        conditions.append(TICKET.c.brand_id == wanted.brand)
    if wanted.customer is not None:
        conditions.append(TICKET.c.customer_id == wanted.customer)
    if wanted.ids is not None:
        conditions.append(TICKET.c.id.in_(wanted.ids))
    return [*conditions, *_spans(wanted)]


def _spans(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    """Nothing is updated before it is created: each date bounds the other one's index as well."""
    created, updated = TICKET.c.created_at, TICKET.c.updated_at
    (created_from, created_to), (updated_from, updated_to) = wanted.created, wanted.updated
    bounds = (
        (created_from, (created.__ge__, updated.__ge__)),
        (created_to, (created.__lt__,)),
        (updated_from, (updated.__ge__,)),
        (updated_to, (updated.__lt__, created.__lt__)),
    )
    return [compare(at) for at, compares in bounds if at is not None for compare in compares]
