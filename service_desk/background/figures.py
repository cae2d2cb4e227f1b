"""Folds the log into counters and writes the wallboard, changed and at most once a second."""

import sqlalchemy as sa

from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.domain.recount import Count, Slot, recount
from service_desk.domain.views import BoardView
from service_desk.follow import Signal
from service_desk.killpoint import killpoint
from service_desk.lease import Lease, check_fence, hold_and_work
from service_desk.queries.live import LogEvent, events_after
from service_desk.queries.wallboard import compute_board
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.statements import new
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

COUNT = schema.interval_count
BOARD = schema.board
BATCH = 1_000
EVERY: Micros = SECOND
HEARTBEAT: Micros = 5 * SECOND
TOPIC = "board"
COUNTED = ("offered", "answered", "answered_in_target", "abandoned", "abandoned_in_target", "wait_us")
_ADD = Prepared(
    sa.update(COUNT)
    .where(COUNT.c.queue_id == sa.bindparam("queue"), COUNT.c.start == sa.bindparam("slot"))
    .values({name: COUNT.c[name] + sa.bindparam(f"new_{name}", type_=COUNT.c[name].type) for name in COUNTED})
)


class Figures:
    """Runs wherever its lease is held."""

    def __init__(self, desk: Desk, lease: Lease) -> None:
        self._desk = desk
        self._lease = lease

    async def run(self) -> None:
        """Hold the lease and count, until cancelled; goes on from the stored cursor."""
        await hold_and_work(self._lease, self._desk.clock, self._work)

    async def _work(self, fence: int) -> None:
        clock = self._desk.clock
        cursor = await self._desk.read(read_cursor)
        written: BoardView | None = None
        async with Signal(self._desk.bus, clock, "event") as signal:
            while self._lease.held():
                started = clock.now()
                cursor = await self._catch_up(cursor, fence)
                board = await self._desk.read(compute_board)
                if written is None or _differs(board, written) or board.at - written.at >= HEARTBEAT:
                    await self._desk.run(write_board, board, self._lease.name, fence)
                    self._desk.bus.whisper(TOPIC, "")
                    written = board
                await signal.wait(started + HEARTBEAT)
                await clock.sleep_until(started + EVERY)

    async def _catch_up(self, cursor: int, fence: int) -> int:
        while events := await self._desk.read(events_after, cursor, BATCH):
            killpoint("figures.before_fold")
            await self._desk.run(fold, events, self._lease.name, fence)
            cursor = events[-1].position
        return cursor


def _differs(one: BoardView, other: BoardView) -> bool:
    return (one.queues, one.agents) != (other.queues, other.agents)


def read_cursor(reader: Reader) -> int:
    """How far the log has been folded."""
    table = schema.cursor
    return int(reader.scalar(sa.select(table.c.position).where(table.c.name == "figures")) or 0)


def fold(tx: Tx, events: list[LogEvent], lease: str, fence: int) -> None:
    """Add a stretch of the log to the counters and move the cursor."""
    check_fence(tx, lease, fence)
    for slot, count in recount((event.kind, event.data) for event in events).items():
        add_count(tx, slot, count)
    tx.set_cursor("figures", events[-1].position)


def add_count(tx: Tx, slot: Slot, count: Count) -> None:
    """Add to one counter row."""
    queue_id, start = slot
    more = {name: getattr(count, name) for name in COUNTED}
    if not tx.write(_ADD, {"queue": queue_id, "slot": start, **new(more)}):
        tx.add(COUNT, {"queue_id": queue_id, "start": start, **more})


def write_board(tx: Tx, board: BoardView, lease: str, fence: int) -> None:
    """The one row that every node reads."""
    check_fence(tx, lease, fence)
    values = {"at": board.at, "position": board.position, "body": board.model_dump(mode="json")}
    if not tx.write(sa.update(BOARD).where(BOARD.c.id == 1).values(**values)):
        tx.write(sa.insert(BOARD), {"id": 1, **values})
