"""The wallboard: live counts from the rows, the day's figures from counters that the log was folded into."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import ValidationError

from routing.hours import is_open
from service_desk.clock import MINUTE, SECOND, Micros
from service_desk.domain import callback
from service_desk.domain.alerts import Readings, together
from service_desk.domain.config import LOW_IS_BAD, DeskConfig, Queue
from service_desk.domain.interaction import ACTIVE, CONNECTING, OWNED, WAITING, WRAP_UP
from service_desk.domain.media import ASYNCHRONOUS, LIVE
from service_desk.domain.recount import KINDS, Count, Slot, recount
from service_desk.domain.views import AgentBoardView, BoardView, QueueBoardView, TrendView
from service_desk.queries.alerts import open_alerts
from service_desk.queries.lines import longest_wait_s
from service_desk.queries.log import WHOLE_LOG
from service_desk.storage import schema
from service_desk.storage.store import Reader

INTERACTION = schema.interaction
AGENT = schema.agent
BOARD = schema.board
BOARD_ROW = 1
CAME_AT = sa.case(
    (INTERACTION.c.queued_at > INTERACTION.c.created_at, INTERACTION.c.queued_at),
    else_=INTERACTION.c.created_at,
)
"""What `places.came_at` says of a row."""

TREND_MINUTES = 60
TREND_FIGURES = tuple(name for name in TrendView.model_fields if name != "start")

Status = Literal["ready", "offered", "busy", "wrap_up", "away", "lost", "signed_out"]


def board_view(reader: Reader) -> BoardView:
    """The board as last written by its projection; computed now if there is none yet."""
    row = reader.first(sa.select(BOARD).where(BOARD.c.id == BOARD_ROW))
    if row is None:
        return compute_board(reader)
    try:
        return BoardView.model_validate(row["body"])
    except ValidationError:  # of another build, from before an update: its holder writes a new one at once
        return compute_board(reader)


def compute_board(reader: Reader) -> BoardView:
    """The board of this moment."""
    config = reader.config
    agents = _agents(reader)
    return BoardView(
        at=reader.now,
        position=reader.scalar(sa.select(schema.positions.c.event)) or 0,
        queues=_queues(reader, config, agents),
        agents=agents,
        trend=_trend(reader),
        alerts=open_alerts(reader),
        targets=_targets(config),
    )


def readings(board: BoardView) -> tuple[dict[str, Readings], Readings]:
    """What alert rules look at: by queue, and all queues together."""
    by_queue = {
        queue.id: Readings(queue.waiting, queue.oldest_at, queue.agents_ready, count_of_queue(queue))
        for queue in board.queues
    }
    ready = sum(agent.status == "ready" for agent in board.agents)
    return by_queue, replace(together(by_queue.values()), agents_ready=ready)


def count_of_queue(queue: QueueBoardView) -> Count:
    """A queue's day."""
    return Count(
        queue.offered_today,
        queue.answered_today,
        queue.answered_in_target_today,
        queue.abandoned_today,
        queue.abandoned_in_target_today,
        queue.wait_us_today,
        queue.moved_out_today,
    )


def sample_of(board: BoardView) -> dict[str, Any]:
    """The six figures of a board as a row of the trend."""
    _, everything = readings(board)
    level = everything.today.service_levels().of_offered
    working = sum(agent.status in ("busy", "wrap_up") for agent in board.agents)
    free = sum(agent.status in ("ready", "offered") for agent in board.agents)
    oldest = everything.oldest_at
    return {
        "at": board.at - board.at % MINUTE,
        "waiting": everything.waiting,
        "longest_wait_s": 0 if oldest is None else max(0, board.at - oldest) // SECOND,
        "service_level_pct": None if level is None else round(level * 100, 1),
        "abandoned": everything.today.abandoned,
        "agents_ready": everything.agents_ready,
        "occupancy_pct": round(working / (working + free) * 100, 1) if working + free else None,
    }


def _trend(reader: Reader) -> TrendView:
    """The last hour's samples, with gaps where nobody sampled."""
    table = schema.figure_sample
    start = reader.now - reader.now % MINUTE - (TREND_MINUTES - 1) * MINUTE
    rows = {row["at"]: row for row in reader.all(sa.select(table).where(table.c.at >= start))}
    minutes = [rows.get(start + n * MINUTE) for n in range(TREND_MINUTES)]
    figures: dict[str, Any] = {
        name: [None if row is None else row[name] for row in minutes] for name in TREND_FIGURES
    }
    return TrendView(start=start, **figures)


def _targets(config: DeskConfig) -> dict[str, float]:
    """The first threshold that each figure would pass, of the rules that look at all queues together."""
    found: dict[str, list[float]] = defaultdict(list)
    for rule in config.alerts:
        if rule.queue is None:
            found[rule.figure].append(rule.raise_at)
    return {figure: max(at) if figure in LOW_IS_BAD else min(at) for figure, at in found.items()}


def day_start(config: DeskConfig, now: Micros) -> Micros:
    """The last midnight in the desk's time zone; the first of two where clocks are set back over midnight."""
    local = datetime.fromtimestamp(now // SECOND, UTC).astimezone(ZoneInfo(config.time_zone))
    return int(local.replace(hour=0, minute=0, second=0, fold=0).timestamp()) * SECOND


ON_THE_LINE = INTERACTION.c.hints[callback.HINT].as_string().is_(None)
"""As `callback.pending` is None."""


def _first_of(media: frozenset[str]) -> sa.ColumnElement[Micros | None]:
    """When the one who waits longest among these media began to: a wait is judged by its medium's own promise.

    Who is still to be called back is not on the line.
    """
    counts = sa.and_(INTERACTION.c.channel.in_(sorted(media)), ON_THE_LINE)
    return sa.func.min(sa.case((counts, CAME_AT)))


IN_LINE = (
    sa.select(
        INTERACTION.c.queue_id,
        sa.func.count().label("count"),
        sa.func.count(INTERACTION.c.callback_at).label("callbacks"),
        _first_of(LIVE).label("oldest"),
        _first_of(ASYNCHRONOUS).label("oldest_message"),
    )
    .where(INTERACTION.c.state.in_(tuple(WAITING)))
    .group_by(INTERACTION.c.queue_id)
)
"""Of each queue where somebody waits: how many do, and when the first of them came."""


def _queues(reader: Reader, config: DeskConfig, agents: list[AgentBoardView]) -> list[QueueBoardView]:
    waiting = {row["queue_id"]: row for row in reader.all(IN_LINE)}
    active = {
        row["queue_id"]: row["count"]
        for row in reader.all(
            sa.select(INTERACTION.c.queue_id, sa.func.count().label("count"))
            .where(INTERACTION.c.ended_at.is_(None), INTERACTION.c.state.in_((CONNECTING, ACTIVE)))
            .group_by(INTERACTION.c.queue_id)
        )
    }
    today = _today(reader, config)
    return [
        _queue(reader, queue, waiting.get(queue.id), active.get(queue.id, 0), today[queue.id], agents)
        for queue in config.queues
    ]


def _queue(
    reader: Reader,
    queue: Queue,
    line: sa.RowMapping | None,
    active: int,
    today: Count,
    agents: list[AgentBoardView],
) -> QueueBoardView:
    members = [view for view in agents if queue.id in view.queues]
    count = line["count"] if line else 0
    return QueueBoardView(
        id=queue.id,
        name=queue.name,
        waiting=count,
        callbacks=line["callbacks"] if line else 0,
        oldest_at=line["oldest"] if line else None,
        oldest_message_at=line["oldest_message"] if line else None,
        expected_wait_s=longest_wait_s(reader, queue.id, count),
        active=active,
        agents_ready=sum(view.status == "ready" for view in members),
        agents_busy=sum(view.status in ("offered", "busy", "wrap_up") for view in members),
        offered_today=today.offered,
        answered_today=today.answered,
        abandoned_today=today.abandoned,
        answered_in_target_today=today.answered_in_target,
        target_s=queue.target_s,
        message_target_s=queue.message_target_s,
        abandoned_in_target_today=today.abandoned_in_target,
        moved_out_today=today.moved_out,
        wait_us_today=today.wait_us,
        closed=queue.hours is not None and not is_open(queue.hours.for_router(), reader.now),
    )


def _today(reader: Reader, config: DeskConfig) -> dict[str, Count]:
    table = schema.interval_count
    sums: dict[str, Count] = defaultdict(Count)
    queues = [queue.id for queue in config.queues]  # named, so that the table's key finds the day
    since = table.c.start >= day_start(config, reader.now)
    for row in reader.all(sa.select(table).where(table.c.queue_id.in_(queues), since)):
        sums[row["queue_id"]].add(count_from(row))
    return sums


def count_from(row: sa.RowMapping) -> Count:
    """A row of the counters."""
    return Count(
        row["offered"],
        row["answered"],
        row["answered_in_target"],
        row["abandoned"],
        row["abandoned_in_target"],
        row["wait_us"],
        row["moved_out"],
    )


def _agents(reader: Reader) -> list[AgentBoardView]:
    """Everybody who is not signed out, by name."""
    connection, offer = schema.connection, schema.offer
    connected = {row["agent_id"] for row in reader.all(sa.select(connection.c.agent_id).distinct())}
    ringing = {
        row["agent_id"]: row["made_at"]
        for row in reader.all(sa.select(offer.c.agent_id, offer.c.made_at).where(offer.c.state == "pending"))
    }
    held: dict[str, list[sa.RowMapping]] = defaultdict(list)
    for row in reader.all(
        sa.select(
            INTERACTION.c.agent_id, INTERACTION.c.state, INTERACTION.c.answered_at, INTERACTION.c.handled_at
        ).where(INTERACTION.c.ended_at.is_(None), INTERACTION.c.state.in_(tuple(OWNED)))
    ):
        held[row["agent_id"]].append(row)
    views = []
    for row in reader.all(sa.select(AGENT).where(AGENT.c.active).order_by(AGENT.c.name, AGENT.c.id)):
        status, since = _status(
            row, held[row["id"]], ringing.get(row["id"]), connected=row["id"] in connected
        )
        if status != "signed_out":
            view = AgentBoardView(
                id=row["id"],
                name=row["name"],
                status=status,
                reason=row["reason"],
                since=since,
                interactions=len(held[row["id"]]),
                queues=row["queues"],
                version=row["version"],
            )
            views.append(view)
    return views


def _status(
    agent: sa.RowMapping, held: list[sa.RowMapping], ringing_since: Micros | None, *, connected: bool
) -> tuple[Status, Micros]:
    """What an agent does, and since when; the most telling first."""
    if agent["lost_at"] is not None and agent["reason"] != "signed_out":
        return "lost", agent["lost_at"]
    served = [row["answered_at"] for row in held if row["state"] in (CONNECTING, ACTIVE)]
    if served:
        return "busy", min(served)
    wrapping = [row["handled_at"] for row in held if row["state"] == WRAP_UP]
    if wrapping:
        return "wrap_up", min(wrapping)
    if ringing_since is not None:
        return "offered", ringing_since
    if agent["chosen"] == "ready" and connected:
        return "ready", max(agent["idle_since"], agent["chosen_at"])
    if agent["reason"] == "signed_out" or not connected:
        return "signed_out", agent["chosen_at"]
    return "away", agent["chosen_at"]


def recount_log(reader: Reader) -> dict[Slot, Count]:
    """The counters as the whole log has them: slow, for checking."""
    table = WHOLE_LOG
    rows = reader.all(
        sa.select(table.c.kind, table.c.data).where(table.c.kind.in_(KINDS)).order_by(table.c.position)
    )
    return recount((row["kind"], row["data"]) for row in rows)
