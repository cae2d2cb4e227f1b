"""How long a desk takes to be itself again after a fault: first webhook, routing, offers and timers."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from channels.phone.render import OUTAGE_WORDS
from service_desk.clock import SECOND, Micros
from service_desk.errors import DeskError
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.chaos.ledger import now_us
from tests.chaos.stage import Stage

LATE: Micros = SECOND
"""What is due may be late by so much before it counts as not done: a transaction of its own is on its way."""
LOOK_EVERY_S = 0.1
RECENT = 1_000
"""Entries of the carrier's record that are looked at."""


@dataclass(frozen=True, slots=True)
class State:
    """One look at what matters after a fault."""

    command: int
    """The newest command to the router."""
    decided: int
    """The newest command that is decided."""
    fence: int
    """Of the lease of routing: it grows with each holder."""
    overdue_timers: int
    overdue_offers: int


def look(reader: Reader) -> State:
    """The state now, by one consistent view."""
    timer, offer, lease = schema.timer, schema.offer, schema.lease
    count = sa.func.count()
    late = reader.now - LATE
    decided = sa.select(schema.cursor.c.position).where(schema.cursor.c.name == "routing")
    return State(
        reader.scalar(sa.select(schema.positions.c.command)) or 0,
        reader.scalar(decided) or 0,
        reader.scalar(sa.select(lease.c.fence).where(lease.c.name == "routing")) or 0,
        reader.scalar(sa.select(count).select_from(timer).where(timer.c.due_at < late)) or 0,
        reader.scalar(
            sa.select(count).select_from(offer).where(offer.c.state == "pending", offer.c.deadline < late)
        )
        or 0,
    )


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the fault until each came back; infinite if it did not."""

    webhook_s: float
    routing_s: float
    right_s: float
    moved: bool
    """Whether routing has another holder than before."""


async def recovery(stage: Stage, at: float, before: State, *, within_s: float = 30.0) -> Recovery:
    """Watch a desk come back from a fault at the monotonic instant `at`; customers must be coming.

    Routing is back once a command is decided that is newer than the fault. All is right once routing has caught up
    with what came up to half a second ago, no offer rings beyond its time and no timer is overdue.
    """
    since = now_us() - int((time.monotonic() - at) * SECOND)
    webhook_s = routing_s = right_s = float("inf")
    moved = False
    seen: list[tuple[float, int]] = []
    while (now := time.monotonic()) < at + within_s and float("inf") in (webhook_s, right_s):
        if webhook_s == float("inf") and _served(stage, since):
            webhook_s = now - at
        with contextlib.suppress(DeskError, SQLAlchemyError):  # the database may be what is away
            state = await stage.desk.read(look)
            now = time.monotonic()
            seen.append((now, state.command))
            moved = moved or state.fence > before.fence
            if routing_s == float("inf") and state.decided > before.command:
                routing_s = now - at
            caught_up = state.decided >= max(
                known for instant, known in seen if instant <= max(now - 0.5, seen[0][0])
            )
            if routing_s < float("inf") and caught_up and not (state.overdue_timers or state.overdue_offers):
                right_s = min(right_s, now - at)
        await asyncio.sleep(LOOK_EVERY_S)
    return Recovery(webhook_s, routing_s, right_s, moved)


def _served(stage: Stage, since: Micros) -> bool:
    """Whether somebody who came since then got a real answer: not the words that are said while the desk is away."""
    record = stage.world.carrier.exchange.record
    entries = record.after(max(0, record.last - RECENT), RECENT)
    new = {
        entry.get("call") or entry.get("message")
        for entry in entries
        if entry["at"] > since and _comes(entry)
    }
    return any(
        entry["kind"] == "webhook"
        and 200 <= entry.get("status", 0) < 300
        and OUTAGE_WORDS not in entry["answer"]
        and (entry["form"].get("CallSid") or entry["form"].get("MessageSid")) in new
        for entry in entries
    )


def _comes(entry: Mapping[str, Any]) -> bool:
    """Whether the entry says that a customer phones or texts."""
    return (entry["kind"], entry.get("status")) in {("call", "ringing"), ("text", "received")}
