"""People, cases and words to be found, and short words for finding them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, get_args

import sqlalchemy as sa

from service_desk.actions import customers, messages, tickets
from service_desk.background.indexer import Indexer, read_cursor
from service_desk.desk import Desk
from service_desk.domain.access import Principal
from service_desk.domain.contact_point import ContactPoint, fold_mailbox, fold_phone
from service_desk.domain.search_views import SearchHitView, SearchKind, SearchView
from service_desk.lease import SoleLease
from service_desk.queries.live import head
from service_desk.queries.search import search
from service_desk.queries.search_docs import docs_of
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

T = TypeVar("T")
KINDS = get_args(SearchKind)


@asynccontextmanager
async def indexing(desk: Desk, name: str = "nod_1") -> AsyncIterator[None]:
    """The follower runs meanwhile."""
    task = asyncio.create_task(Indexer(desk, SoleLease("search", desk, name)).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], Awaitable[Any]]) -> None:
    give_up = time.monotonic() + 20
    while not await true():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)


async def index_now(desk: Desk) -> None:
    """Let a follower catch up with the log."""
    async with indexing(desk):
        await until(lambda: is_right(desk))


async def is_right(desk: Desk) -> bool:
    """Whether the index is what making it anew would give."""

    def compare(reader: Reader) -> bool:
        if read_cursor(reader) is None:
            return False
        ids = [row["id"] for table in _TABLES for row in reader.all(sa.select(table.c.id))]
        wanted = {doc.id: doc.digest for doc in docs_of(reader, ids).values()}
        table = schema.search_doc
        return wanted == {
            row["id"]: row["digest"] for row in reader.all(sa.select(table.c.id, table.c.digest))
        }

    return await desk.read(compare)


_TABLES = (schema.customer, schema.ticket, schema.interaction, schema.message, schema.note)


async def log_head(desk: Desk) -> int:
    return await desk.read(head)


def somebody(
    tx: Tx, name: str | None = None, *, phone: str | None = None, mail: str | None = None, **more: Any
) -> str:
    """A customer with contact points."""
    points = [
        point
        for point in (fold_phone(phone) if phone else None, fold_mailbox(mail) if mail else None)
        if point
    ]
    first = points[0] if points else ContactPoint("chat", f"vis-{name}", name or "")
    customer_id = customers.find_or_make(tx, first, name=name, language=None, proof="seen")
    for point in points[1:]:
        customers.add_point(tx, customer_id, point, proof="claimed")
    if more:
        customers.change_customer(tx, customer_id, 1, more)
    return customer_id


def case(tx: Tx, subject: str, description: str = "", **more: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "queue_id": None,
        "customer_id": None,
        "interaction_id": None,
        "assignee_id": None,
    }
    return dict(
        tickets.open_ticket(
            tx, subject=subject, description=description, priority="normal", **{**facts, **more}
        )
    )


async def do(desk: Desk, action: Callable[..., T], *args: Any, **more: Any) -> T:
    """Run an action that takes facts by name."""
    return await desk.run(partial(action, **more), *args)


def noted(tx: Tx, interaction_id: str, agent_id: str, text: str) -> str:
    return messages.add_note(tx, interaction_id, agent_id, text, f"key-{text[:20]}")


SUPERVISOR = Principal("agt_supervisor", "supervisor", "s")


async def look(
    desk: Desk, q: str, who: Principal = SUPERVISOR, kind: SearchKind | None = None, cursor: str | None = None
) -> SearchView:
    return await desk.read(search, who, q, kind, cursor)


async def hits(
    desk: Desk, q: str, who: Principal = SUPERVISOR, kind: SearchKind | None = None
) -> list[SearchHitView]:
    view = await look(desk, q, who, kind)
    return [hit for group in view.groups for hit in group.items]


async def ids(desk: Desk, q: str, who: Principal = SUPERVISOR, kind: SearchKind | None = None) -> list[str]:
    return [hit.id for hit in await hits(desk, q, who, kind)]


def marked(text: str, ranges: list[Any]) -> list[str]:
    """What a browser would mark: its strings are of UTF-16 units."""
    units = text.encode("utf-16-le")
    return [units[2 * each.start : 2 * each.end].decode("utf-16-le") for each in ranges]
