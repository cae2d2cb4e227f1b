"""The four streams have no gaps, and the figures are a recount of the log."""

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from service_desk.audit.findings import Finding, Findings
from service_desk.audit.log import Log
from service_desk.domain.recount import Count
from service_desk.queries.log import WHOLE_LOG
from service_desk.queries.wallboard import count_from
from service_desk.storage import schema
from service_desk.storage.store import Reader

SHOWN = 20
"""Gaps of one stream that are named one by one."""

STREAMS: Mapping[str, sa.FromClause] = {
    "event": WHOLE_LOG,
    "effect": schema.effect,
    "command": schema.command,
    "input": schema.input_,
}


def check_streams(reader: Reader) -> Findings:
    """Positions follow each other without gap, and the counter row stands at the last one."""
    last = reader.first(sa.select(schema.positions).where(schema.positions.c.id == 1))
    if last is None:
        yield Finding("streams", "positions", "the counter row is missing")
        return
    for name, table in STREAMS.items():
        newest = reader.scalar(sa.select(sa.func.max(table.c.position)))
        if newest is not None and newest != last[name]:
            yield Finding(
                "streams", name, f"the newest position is {newest}, the counter stands at {last[name]}"
            )
        for after, position in _gaps(reader, table):
            yield Finding("streams", name, f"position {position} follows {after}")


def _gaps(reader: Reader, table: sa.FromClause) -> Iterator[tuple[int, int]]:
    before = sa.func.lag(table.c.position).over(order_by=table.c.position).label("before")
    numbered = sa.select(table.c.position, before).subquery()
    gaps = sa.select(numbered).where(numbered.c.position != numbered.c.before + 1)
    for row in reader.all(gaps.order_by(numbered.c.position).limit(SHOWN)):
        yield row["before"], row["position"]


def check_counters(reader: Reader, log: Log) -> Findings:
    """The figures are a recount of the log, as far as it has been counted."""
    table = schema.interval_count
    stored = {(row["queue_id"], row["start"]): count_from(row) for row in reader.all(sa.select(table))}
    for slot in sorted(stored.keys() | log.counts.keys()):
        has, should = stored.get(slot, Count()), log.counts.get(slot, Count())
        if has != should:
            yield Finding("counters", f"{slot[0]}@{slot[1]}", f"counted {has}, the log gives {should}")
