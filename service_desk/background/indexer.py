"""Keeps the search index right: follows the log from a durable cursor, and makes the index where there is none.

An event says only that something about certain rows is new. Their documents are made from the rows as they are now
and written where they differ, so reading a stretch of the log twice, or late, does no harm. Rows that a future kind of
event names are looked at as well: everything in its data that reads like an id.
"""

import asyncio

import sqlalchemy as sa

from service_desk.actions import search_index
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.follow import Signal
from service_desk.lease import Lease, hold_and_work
from service_desk.queries import search_docs
from service_desk.queries.live import LogEvent, events_after, head
from service_desk.queries.search_docs import Changes
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

BATCH = 500
"""Events read, or rows of a rebuild, at a time."""
WRITTEN = 250
"""Documents in one transaction: others want to write too."""
EVERY: Micros = SECOND // 4
HEARTBEAT: Micros = 5 * SECOND
UNSAVED = 2_000
"""Events without anything new after which the cursor is stored all the same."""

# They change nothing that is searched.
IGNORED = frozenset(
    {
        "agent.presence",
        "agent.state_changed",
        "call.leg_changed",
        "config.published",
        "interaction.connected",
        "offer.closed",
        "offer.made",
        "session.revoked",
        "visitor.presence",
    }
)
NARROW = frozenset(
    {"customer.created", "customer.changed", "customer.identity_linked", "customer.identity_unlinked"}
)
"""Other events about a customer (merged, erased, what may come) may concern everything that is theirs."""


def read_cursor(reader: Reader) -> int | None:
    """How far the index has come, None if there is none or it is to be made anew."""
    table = schema.cursor
    found: int | None = reader.scalar(sa.select(table.c.position).where(table.c.name == search_index.CURSOR))
    return found


class Indexer:
    """Runs wherever its lease is held."""

    def __init__(self, desk: Desk, lease: Lease) -> None:
        self._desk = desk
        self._lease = lease

    async def run(self) -> None:
        """Hold the lease and index, until cancelled; goes on from the stored cursor."""
        await hold_and_work(self._lease, self._desk.clock, self._work)

    async def _work(self, fence: int) -> None:
        clock = self._desk.clock
        async with Signal(self._desk.bus, clock, "event") as signal:
            while self._lease.held():
                stored = await self._desk.read(read_cursor)
                if stored is None:
                    stored = await self._rebuild(fence)
                await self._follow(stored, fence, signal)

    async def _follow(self, cursor: int, fence: int, signal: Signal) -> None:
        """Until the lease is lost or a new index is wanted."""
        clock = self._desk.clock
        saved = cursor
        while self._lease.held():
            started = clock.now()
            while events := await self._desk.read(events_after, cursor, BATCH):
                cursor = events[-1].position
                changed = await self._index(events, fence)
                if changed or cursor - saved >= UNSAVED:
                    if not await self._desk.run(_move, cursor, self._lease.name, fence):
                        return
                    saved = cursor
                if len(events) < BATCH:
                    break  # what came meanwhile is read with what comes next, not a few lines at a time
            await signal.wait(started + HEARTBEAT)
            await clock.sleep_until(started + EVERY)
            if await self._desk.read(read_cursor) is None:
                return

    async def _index(self, events: list[LogEvent], fence: int) -> bool:
        return await self._write(await self._desk.read(_changes_of, events), fence)

    async def _write(self, changes: Changes, fence: int) -> bool:
        """A part at a time; whether there was anything."""
        docs, gone = changes.docs, changes.gone
        for at in range(0, max(len(docs), len(gone)), WRITTEN):
            part = Changes(docs[at : at + WRITTEN], gone[at : at + WRITTEN])
            await self._desk.run(search_index.write_changes, part, self._lease.name, fence)
        return bool(docs or gone)

    async def _rebuild(self, fence: int) -> int:
        """Look at every row, then for documents whose rows are gone; the position from which to follow the log.

        What changes meanwhile is in the log behind that position.
        """
        position = await self._desk.read(head)
        for kind in search_docs.TABLES:
            after = ""
            while ids := await self._desk.read(search_docs.ids_after, kind, after, BATCH):
                await self._write(await self._desk.read(search_docs.changes_for, ids), fence)
                after = ids[-1]
        number = -1
        while page := await self._desk.read(search_docs.docs_after, number, BATCH):
            gone = await self._desk.read(search_docs.without_rows, [row_id for _, row_id in page])
            await self._write(Changes([], gone), fence)
            number = page[-1][0]
        await self._desk.run(_begin, position, self._lease.name, fence)
        return position


async def reindex(desk: Desk, lease: Lease | None) -> None:
    """Ask for a new index and wait for it; with a lease, make it here as soon as nobody else holds it."""
    await desk.run(search_index.ask_for_rebuild)
    own = None if lease is None else asyncio.create_task(Indexer(desk, lease).run())
    try:
        while await desk.read(read_cursor) is None:
            await desk.clock.sleep_until(desk.clock.now() + EVERY)
    finally:
        if own is not None:
            own.cancel()
            await asyncio.gather(own, return_exceptions=True)


def _move(tx: Tx, position: int, lease: str, fence: int) -> bool:
    return search_index.move_cursor(tx, position, lease, fence, first=False)


def _begin(tx: Tx, position: int, lease: str, fence: int) -> bool:
    return search_index.move_cursor(tx, position, lease, fence, first=True)


def _changes_of(reader: Reader, events: list[LogEvent]) -> Changes:
    """The documents that a stretch of the log concerns."""
    ids: set[str] = set()
    whole: set[str] = set()
    for event in events:
        if event.kind in IGNORED:
            continue
        named = {
            value for value in event.data.values() if isinstance(value, str) and search_docs.kind_of(value)
        }
        ids |= named
        if event.kind.startswith("customer.") and event.kind not in NARROW:
            whole |= {row_id for row_id in named if search_docs.kind_of(row_id) == "customer"}
    return search_docs.changes_for(reader, ids | search_docs.docs_of_customers(reader, sorted(whole)))
