"""Queries inside a transaction, so that an answer is made of what was just written and committed with it."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from service_desk.domain.config import DeskConfig
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen, Tx


def reading(tx: Tx) -> Reader:
    """The transaction as queries take it."""
    return _WithinTx(tx)


class _WithinTx(Reader):
    """Asks the transaction, which first inserts what it has only gathered so far."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.now = tx.now

    @property
    def config(self) -> DeskConfig:
        return self._tx.config

    def all(
        self, statement: sa.Select[Any] | Prepared, params: dict[str, Any] | None = None
    ) -> Sequence[sa.RowMapping]:
        return self._tx.all(statement, params)

    def together(self, *asked: tuple[Prepared, Mapping[str, Any]]) -> list[list[sa.RowMapping]]:
        return self._tx.together(*asked)

    def foresee(self, *asked: Foreseen) -> None:
        self._tx.foresee(*asked)

    def first(
        self, statement: sa.Select[Any] | Prepared, params: dict[str, Any] | None = None
    ) -> sa.RowMapping | None:
        return self._tx.first(statement, params)

    def scalar(self, statement: sa.Select[Any] | Prepared, params: dict[str, Any] | None = None) -> Any:
        return self._tx.scalar(statement, params)

    def get(self, table: sa.Table, key: str) -> sa.RowMapping | None:
        return self._tx.get(table, key)
