"""What a check says, and reading whole tables a page at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from service_desk.storage.store import Reader

PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit: which check, whose id, and what in words."""

    check: str
    subject: str
    detail: str


Findings = Iterator[Finding]


def pages(reader: Reader, table: sa.Table, after: int = 0) -> Iterator[sa.RowMapping]:
    """Rows of a stream in order, a page at a time."""
    key = table.primary_key.columns[0]
    while rows := reader.all(sa.select(table).where(key > after).order_by(key).limit(PAGE)):
        yield from rows
        after = rows[-1][key.name]


def by_id(reader: Reader, table: sa.Table, columns: Iterable[sa.Column[Any]]) -> Iterator[sa.RowMapping]:
    """Rows in order of id, a page at a time."""
    after, statement = "", sa.select(*columns).order_by(table.c.id).limit(PAGE)
    while rows := reader.all(statement.where(table.c.id > after)):
        yield from rows
        after = rows[-1]["id"]
