"""A former holder of the routing lease who wakes up and writes: python -m tests.chaos.zombie DATABASE_URL.

What a node does that was stopped in the middle of a decision, while another took over: its transaction carries the
fence of its time. Exit code 0 when the write went through, 3 when the fence stopped it.
"""

import sys

import sqlalchemy as sa

from routing.codec import encode
from routing.commands import Tick
from service_desk.clock import SystemClock
from service_desk.dispatch.host import Step, record_steps
from service_desk.storage import schema
from service_desk.storage.fence import Fenced
from service_desk.storage.store import Reader, Store

FENCED = 3


def of_old(reader: Reader) -> tuple[int, int]:
    """The fence before the present one, and where the router stands."""
    lease, cursor = schema.lease, schema.cursor
    fence = reader.scalar(sa.select(lease.c.fence).where(lease.c.name == "routing"))
    position = reader.scalar(sa.select(cursor.c.position).where(cursor.c.name == "routing"))
    return int(fence) - 1, int(position)


def main(database_url: str) -> int:
    clock = SystemClock()
    store = Store(database_url, clock)
    try:
        fence, position = store.read(of_old)
        step = Step(clock.now(), None, encode(Tick()), ())
        store.run(record_steps, [step], 1, fence, position)
    except Fenced:
        return FENCED
    finally:
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
