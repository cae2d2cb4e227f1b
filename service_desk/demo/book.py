"""Rows and log lines of a past that never was, gathered in memory and inserted in bulk."""

from collections import defaultdict
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from service_desk.clock import Micros
from service_desk.demo.chance import Random
from service_desk.domain.config import DeskConfig
from service_desk.domain.events import Event
from service_desk.domain.recount import recount
from service_desk.ids import new_id
from service_desk.storage import schema
from service_desk.storage.transaction import Tx, event_line

Values = dict[str, Any]


class Book:
    """What the real actions would have written. `close` puts it into the database, log lines by time."""

    def __init__(self, config: DeskConfig, random: Random) -> None:
        self.config = config
        self.random = random
        self.rows: dict[sa.Table, list[Values]] = defaultdict(list)
        self.lines: list[Values] = []

    def new_id(self, prefix: str, at: Micros) -> str:
        """An id of that time, by seeded chance."""
        return new_id(prefix, at, self.random.getrandbits)

    def put(self, table: sa.Table, row: Values) -> Values:
        """Keep a row; it may change until the book is closed."""
        self.rows[table].append(row)
        return row

    def say(self, at: Micros, actor: str, event: Event) -> None:
        """A line of the log."""
        self.lines.append(event_line(event, at, actor))

    def close(self, tx: Tx) -> None:
        """Insert everything. Lines of one instant stay in the order in which they were said."""
        for table, rows in self.rows.items():
            tx.write(sa.insert(table), rows)
        tx.gathered.events.extend(sorted(self.lines, key=lambda line: line["at"]))
        self._count(tx)

    def _count(self, tx: Tx) -> None:
        """The figures of the past, so that their follower need not read it. Nobody else may be writing."""
        for (queue_id, start), count in recount((line["kind"], line["data"]) for line in self.lines).items():
            self.put(schema.interval_count, {"queue_id": queue_id, "start": start, **asdict(count)})
        counts = self.rows.get(schema.interval_count)
        if counts:
            tx.write(sa.insert(schema.interval_count), counts)
        before: int = tx.scalar(sa.select(schema.positions.c.event))
        tx.set_cursor("figures", before + len(tx.gathered.events))
