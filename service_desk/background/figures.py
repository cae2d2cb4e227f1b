"""Folds the log into counters and writes the wallboard, changed and at most once a second.

The same holder samples the figures once a minute for their trends and looks at them by the alert rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from service_desk.actions.alerts import change_alerts
from service_desk.background.watch import AlertWatch
from service_desk.clock import MINUTE, SECOND, Micros
from service_desk.desk import Desk
from service_desk.domain.config import AlertRule
from service_desk.domain.recount import Count, Slot, recount
from service_desk.domain.supervision_views import FloorView
from service_desk.domain.views import BoardView
from service_desk.follow import Signal, earliest
from service_desk.killpoint import killpoint
from service_desk.lease import Lease, check_fence, hold_and_work
from service_desk.planted import planted
from service_desk.queries.floor import FLOOR_ROW, compute_floor
from service_desk.queries.live import LogEvent, events_after
from service_desk.queries.wallboard import BOARD_ROW, TREND_MINUTES, compute_board, sample_of
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.statements import new
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

COUNT = schema.interval_count
BOARD = schema.board
SAMPLE = schema.figure_sample
BATCH = 1_000
EVERY: Micros = SECOND
HEARTBEAT: Micros = 5 * SECOND
TOPIC = "board"
COUNTED = (
    "offered",
    "answered",
    "answered_in_target",
    "abandoned",
    "abandoned_in_target",
    "wait_us",
    "moved_out",
)
SAMPLES_KEPT: Micros = 2 * TREND_MINUTES * MINUTE
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
        written: Seen | None = None
        watch = AlertWatch()
        async with Signal(self._desk.bus, clock, "event") as signal:
            while self._lease.held():
                started = clock.now()
                cursor = await self._catch_up(cursor, fence)
                seen = await self._look(watch, fence)
                if planted("board_stale") and written is not None:
                    seen = written
                if written is None or seen.differs(written) or seen.board.at - written.board.at >= HEARTBEAT:
                    await self._desk.run(write_seen, seen, written, self._lease.name, fence)
                    self._desk.bus.whisper(TOPIC, "")
                    written = seen
                await signal.wait(earliest(started + HEARTBEAT, watch.next_due()))
                await clock.sleep_until(started + EVERY)

    async def _look(self, watch: AlertWatch, fence: int) -> "Seen":
        """The figures now; where they pass a threshold, with the alert that this raises or clears."""
        seen = await self._desk.read(see)
        changes = watch.look(seen.rules, seen.board)
        if changes:
            killpoint("figures.before_alerts")
            await self._desk.run(
                change_alerts, changes.raised, changes.calm, changes.gone, self._lease.name, fence
            )
            seen = await self._desk.read(see)
        return seen

    async def _catch_up(self, cursor: int, fence: int) -> int:
        while events := await self._desk.read(events_after, cursor, BATCH):
            killpoint("figures.before_fold")
            await self._desk.run(fold, events, self._lease.name, fence)
            cursor = events[-1].position
            if len(events) < BATCH:
                break  # what came meanwhile is counted with what comes next, not a few lines at a time
        return cursor


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at everything, of one moment."""

    board: BoardView
    floor: FloorView
    rules: Sequence[AlertRule]

    def differs(self, other: "Seen") -> bool:
        """Whether a screen would show something else."""
        return self.board_differs(other) or self.floor_differs(other)

    def board_differs(self, other: "Seen") -> bool:
        return _content(self.board) != _content(other.board)

    def floor_differs(self, other: "Seen") -> bool:
        return _content(self.floor) != _content(other.floor)


def _content(view: BoardView | FloorView) -> list[Any]:
    return [value for name, value in view if name not in ("at", "position")]


def see(reader: Reader) -> Seen:
    """Board, floor and rules of this moment."""
    return Seen(compute_board(reader), compute_floor(reader), reader.config.alerts)


def read_cursor(reader: Reader) -> int:
    """How far the log has been folded."""
    table = schema.cursor
    return int(reader.scalar(sa.select(table.c.position).where(table.c.name == "figures")) or 0)


def fold(tx: Tx, events: list[LogEvent], lease: str, fence: int) -> None:
    """Add a stretch of the log to the counters and move the cursor."""
    check_fence(tx, lease, fence)
    if planted("board_not_folded") and events[0].position % 3 == 0:
        events = events[-1:]
    for slot, count in recount((event.kind, event.data) for event in events).items():
        add_count(tx, slot, count)
    if not planted("figures_cursor_kept"):
        tx.set_cursor("figures", events[-1].position)


def add_count(tx: Tx, slot: Slot, count: Count) -> None:
    """Add to one counter row."""
    queue_id, start = slot
    more = {name: getattr(count, name) for name in COUNTED}
    if not tx.write(_ADD, {"queue": queue_id, "slot": start, **new(more)}):
        tx.add(COUNT, {"queue_id": queue_id, "start": start, **more})


def write_seen(tx: Tx, seen: Seen, before: Seen | None, lease: str, fence: int) -> None:
    """The rows that every node reads, each when it has changed or has become old, and a sample once a minute."""
    check_fence(tx, lease, fence)
    old = before is None or seen.board.at - before.board.at >= HEARTBEAT
    _write_row(tx, BOARD_ROW, seen.board)
    if before is None or old or seen.floor_differs(before):
        _write_row(tx, FLOOR_ROW, seen.floor)
    if before is None or seen.board.at // MINUTE != before.board.at // MINUTE:
        _sample(tx, seen.board)


def _write_row(tx: Tx, row_id: int, view: BoardView | FloorView) -> None:
    values = {"at": view.at, "position": view.position, "body": view.model_dump(mode="json")}
    if not tx.write(sa.update(BOARD).where(BOARD.c.id == row_id).values(**values)):
        tx.write(sa.insert(BOARD), {"id": row_id, **values})


def _sample(tx: Tx, board: BoardView) -> None:
    row = sample_of(board)
    if tx.first(sa.select(SAMPLE.c.at).where(SAMPLE.c.at == row["at"])) is None:
        tx.write(sa.delete(SAMPLE).where(SAMPLE.c.at < board.at - SAMPLES_KEPT))
        tx.write(sa.insert(SAMPLE), row)
