"""Two nodes on one PostgreSQL database, and races between them."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from service_desk.actions import admin
from service_desk.audit import Finding, audit
from service_desk.bus.local import LocalBus
from service_desk.clock import DAY, SystemClock
from service_desk.desk import Desk
from service_desk.storage.store import Store
from tests.service_desk.conftest import CONFIG

Act = Callable[[Desk], Awaitable[Any]]
Outcome = Any
"""What an act returned, or the exception that it raised."""


@contextlib.asynccontextmanager
async def nodes(url: str, count: int = 2) -> AsyncIterator[list[Desk]]:
    """Desks with a store each, as processes on several machines have them."""
    clock = SystemClock()
    desks = [Desk(Store(url, clock), LocalBus(), clock) for _ in range(count)]
    await desks[0].run(admin.seed, CONFIG)
    try:
        yield desks
    finally:
        for desk in desks:
            desk.store.close()


async def race(left: Desk, right: Desk, pairs: Sequence[tuple[Act, Act]]) -> list[tuple[Outcome, Outcome]]:
    """Run each pair's acts at the same moment on two nodes: first pair by pair, then the other half all at once.

    All at once means groups of actions in one transaction on each node, in different orders.
    """
    half = len(pairs) // 2
    outcomes = [await _both(one(left), other(right)) for one, other in pairs[:half]]
    crowd = list(range(half, len(pairs)))
    mixed = random.Random(len(pairs)).sample(crowd, len(crowd))
    lefts = asyncio.gather(*(pairs[at][0](left) for at in crowd), return_exceptions=True)
    rights = asyncio.gather(*(pairs[at][1](right) for at in mixed), return_exceptions=True)
    by_left = dict(zip(crowd, await lefts, strict=True))
    by_right = dict(zip(mixed, await rights, strict=True))
    return outcomes + [(by_left[at], by_right[at]) for at in crowd]


async def _both(one: Awaitable[Any], other: Awaitable[Any]) -> tuple[Outcome, Outcome]:
    outcomes: Any = await asyncio.gather(one, other, return_exceptions=True)
    return outcomes[0], outcomes[1]


async def faults(desk: Desk) -> list[Finding]:
    """What the auditor finds. Nobody counts or sends here, so counters and overdue effects are no findings."""
    found = await desk.read(audit, patience=365 * DAY)
    return [finding for finding in found if finding.check != "counters"]
