"""How the desk itself is doing: leases, followers, effects, lines, nodes. A few reads by index."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from service_desk.clock import SECOND, Micros
from service_desk.domain.config import DeskConfig
from service_desk.errors import Unavailable
from service_desk.queries.wallboard import IN_LINE
from service_desk.storage import schema
from service_desk.storage.database_clock import database_now
from service_desk.storage.store import Reader

SILENT_AFTER: Micros = 5 * SECOND
STREAM_OF: Mapping[str, str] = {
    "routing": "command",
    "figures": "event",
    "search": "event",
    "fanout": "event",
}
"""What each follower reads. The fan-out's cursor is in each process's memory, the others' are stored."""

_TABLES = {"command": schema.command, "event": schema.event}


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a follower is behind: rows, and the age of the first that it has not read."""

    positions: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Line:
    """A queue: how many wait, and how long the first of the calls and chats, and of mail and texts, has waited.

    Waits are counted from when the contact itself came, as everywhere that people look (docs/figures.md); the router's
    order has its own beginning, where a place was given back.
    """

    waiting: int = 0
    live_s: float = 0.0
    messages_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """The desk at one moment. `skew_s`: the database's clock less this machine's, give or take one round trip.

    `accounts`: (channel, name) of those that the rules name.
    """

    at: Micros
    skew_s: float
    held: frozenset[str]
    lags: Mapping[str, Lag] = field(default_factory=dict)
    effects: Mapping[tuple[str, str], int] = field(default_factory=dict)
    overdue_s: Mapping[str, float] = field(default_factory=dict)
    waiting: Mapping[str, Line] = field(default_factory=dict)
    nodes: tuple[frozenset[str], ...] = ()
    accounts: tuple[tuple[str, str], ...] = ()


def read_facts(reader: Reader, fanout: int | None) -> Facts:
    """Everything at once. `fanout` is this process's cursor."""
    now: Micros = reader.scalar(sa.select(database_now()))
    lease = schema.lease
    held = reader.all(sa.select(lease.c.name).where(lease.c.expires_at >= now))
    effects, overdue_s = _effects(reader, now)
    config = _config(reader)
    return Facts(
        at=now,
        skew_s=(now - reader.now) / SECOND,
        held=frozenset(row["name"] for row in held),
        lags=_lags(reader, now, fanout),
        effects=effects,
        overdue_s=overdue_s,
        waiting=_lines(reader, config, now),
        nodes=_nodes(reader, now),
        accounts=() if config is None else tuple(config.accounts()),
    )


def _lags(reader: Reader, now: Micros, fanout: int | None) -> dict[str, Lag]:
    heads = reader.first(sa.select(schema.positions))
    if heads is None:
        return {}
    cursors = {row["name"]: row["position"] for row in reader.all(sa.select(schema.cursor))}
    if fanout is not None:
        cursors["fanout"] = fanout
    found: dict[str, Lag] = {}
    for name, stream in STREAM_OF.items():
        if name in cursors:
            behind = max(0, heads[stream] - cursors[name])
            found[name] = Lag(behind, _age(reader, stream, cursors[name], now) if behind else 0.0)
    return found


def _age(reader: Reader, stream: str, cursor: int, now: Micros) -> float:
    table = _TABLES[stream]
    first = sa.select(table.c.at).where(table.c.position > cursor).order_by(table.c.position).limit(1)
    at: Micros | None = reader.scalar(first)
    return 0.0 if at is None else max(0.0, (now - at) / SECOND)


def _effects(reader: Reader, now: Micros) -> tuple[dict[tuple[str, str], int], dict[str, float]]:
    """Open ones by kind and state, and by kind for how many seconds the longest due one has been."""
    effect = schema.effect
    rows = reader.all(
        sa.select(
            effect.c.kind,
            effect.c.state,
            sa.func.count().label("count"),
            sa.func.min(effect.c.due_at).label("due_at"),
        )
        .where(effect.c.done_at.is_(None))
        .group_by(effect.c.kind, effect.c.state)
    )
    overdue: dict[str, float] = {}
    for row in rows:
        late = max(0.0, (now - row["due_at"]) / SECOND)
        overdue[row["kind"]] = max(overdue.get(row["kind"], 0.0), late)
    return {(row["kind"], row["state"]): row["count"] for row in rows}, overdue


def _config(reader: Reader) -> DeskConfig | None:
    """None before the first is published."""
    try:
        return reader.config
    except Unavailable:
        return None


def _lines(reader: Reader, config: DeskConfig | None, now: Micros) -> dict[str, Line]:
    """Every queue that the configuration names."""
    queues = [] if config is None else [queue.id for queue in config.queues]
    found = {row["queue_id"]: row for row in reader.all(IN_LINE)}
    return {
        queue: Line(row["count"], _age_of(row["oldest"], now), _age_of(row["oldest_message"], now))
        if (row := found.get(queue)) is not None
        else Line()
        for queue in queues
    }


def _age_of(came: Micros | None, now: Micros) -> float:
    return 0.0 if came is None else max(0.0, (now - came) / SECOND)


def _nodes(reader: Reader, now: Micros) -> tuple[frozenset[str], ...]:
    """The roles of each node that lives; a node of the version before says none, and has the role web."""
    node = schema.node
    rows = reader.all(sa.select(node.c.roles).where(node.c.beat_at > now - SILENT_AFTER))
    return tuple(frozenset((row["roles"] or "web").split(",")) for row in rows)
