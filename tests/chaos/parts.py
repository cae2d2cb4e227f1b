"""Parts of the desk that serve nobody, each in a process that can be killed: python -m tests.chaos.parts PART URL.

`migrate` brings a database to the newest schema; `tidy` lays aside and forgets, as if everything were old; `figures`
looks once at the figures by the alert rules; `take` takes texts without end and says on standard output which are kept.
"""

import asyncio
import itertools
import sys

import sqlalchemy as sa

from service_desk.actions.once import forget_answers
from service_desk.actions.retention import archive_log
from service_desk.background.figures import TOPIC, Figures
from service_desk.background.retention import Retention
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.lease import SoleLease
from service_desk.storage import schema
from service_desk.storage.store import Store, migrate
from tests.chaos.texts import bring, sid


async def tidy(url: str) -> None:
    """One round of everything that grows old."""
    clock = SystemClock()
    store = Store(url, clock)
    try:
        desk = Desk(store, LocalBus(), clock)
        lease = SoleLease("retention", desk, "part")
        await Retention(desk, lease, {archive_log: 0, forget_answers: 0}).tidy(await lease.acquire())
    finally:
        store.close()


async def figures(url: str) -> None:
    """Until the board is written for the first time: alerts have been raised and cleared before."""
    store, bus = Store(url, SystemClock()), LocalBus()
    desk = Desk(store, bus, SystemClock())
    counting = asyncio.create_task(Figures(desk, SoleLease("figures", desk, "part")).run())
    try:
        async for _ in bus.whispers(TOPIC):
            break
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
        store.close()


async def take(url: str) -> None:
    """One text after the other, each acknowledged once it is committed."""
    store = Store(url, SystemClock())
    desk = Desk(store, LocalBus(), SystemClock())
    first = await desk.read(
        lambda reader: reader.scalar(sa.select(sa.func.count()).select_from(schema.message))
    )
    for number in itertools.count(first):
        await desk.run(bring, number)
        sys.stdout.write(f"{sid(number)}\n")
        sys.stdout.flush()


def main(part: str, url: str) -> None:
    """Run one part to its end, if it has one."""
    match part:
        case "migrate":
            migrate(url)
        case "tidy":
            asyncio.run(tidy(url))
        case "figures":
            asyncio.run(figures(url))
        case "take":
            asyncio.run(take(url))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
