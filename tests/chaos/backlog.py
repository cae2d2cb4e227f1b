"""Thousands of open contacts that nobody serves: what a desk carries while it comes back from a fault.

They are texts that were brought and acknowledged before the run, in a queue that no agent has. The carrier's record
has them, so that the auditor counts them like all others.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import Any

from channels.simulator.record import Record
from service_desk.actions import admin
from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from tests.chaos.ledger import carrier_file
from tests.chaos.stage import RULES, UNSERVED, Stage
from tests.chaos.texts import bring, sender, sid, words
from tests.e2e.world import NUMBER

AT_ONCE = 500
TIMER = "parked"
"""For a contact that is not parked it fires and changes nothing."""


async def fill(stage: Stage, count: int) -> None:
    """Before the desk is started."""
    async with led_aside(stage.desk, RULES, UNSERVED):
        await bring_texts(stage.desk, count)
    record = Record(carrier_file(stage.folder))
    for number in range(count):
        form = {"MessageSid": sid(number), "From": sender(number), "To": NUMBER, "Body": words(number)}
        record.add("webhook", url="/incoming", form=form, attempt=1, token="", status=204, answer="")
    record.close()


@contextlib.asynccontextmanager
async def led_aside(desk: Desk, rules: dict[str, Any], queue: str) -> AsyncIterator[None]:
    """In the block all texts and calls come into that queue; afterwards these rules are in force."""
    lines = ("phone_lines", "text_lines")
    aside = {kind: [{**line, "default_queue": queue} for line in rules[kind]] for kind in lines}
    await desk.run(admin.publish_config, {**rules, **aside})
    yield
    await desk.run(admin.publish_config, rules)


async def bring_texts(desk: Desk, count: int) -> None:
    """Texts with the numbers below `count`, many at once."""
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        await asyncio.gather(*(desk.run(bring, number) for number in numbers))


async def arm(desk: Desk, chance: Random, count: int, within_s: float) -> None:
    """Timers of contacts that wait, which become due at any moment of the next seconds."""
    contacts = await desk.read(_waiting, count)
    due = [chance.uniform(0, within_s) for _ in contacts]
    await desk.run(_set, list(zip(contacts, due, strict=True)))


def _waiting(reader: Reader, count: int) -> list[str]:
    table = schema.interaction
    rows = table.select().where(table.c.queue_id == UNSERVED, table.c.ended_at.is_(None)).limit(count)
    return [row["id"] for row in reader.all(rows)]


def _set(tx: Tx, timers: list[tuple[str, float]]) -> None:
    for contact, seconds in timers:
        tx.set_timer(TIMER, contact, tx.now + int(seconds * SECOND))
