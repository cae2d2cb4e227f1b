"""The router's own log: what it was told and what it decided, in stretches that each begin with a snapshot."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from routing.codec import decode, encode
from routing.commands import Command
from routing.decisions import Decision
from routing.router import Router
from service_desk.audit.findings import pages
from service_desk.clock import Micros
from service_desk.storage import schema
from service_desk.storage.store import Reader

STEP = schema.dispatch_step
REBUILT = "rebuilt"
_IS_START = STEP.c.command["kind"].as_string() == REBUILT


@dataclass(frozen=True, slots=True)
class LogStep:
    """One step as the log has it."""

    seq: int
    at: Micros
    command: Command
    decisions: list[dict[str, Any]]

    def difference(self, decided: tuple[Decision, ...]) -> str | None:
        """In words, what was decided now instead of what is recorded; None if it is the same."""
        found = [encode(each) for each in decided]
        if found == self.decisions:
            return None
        kind = type(self.command).__name__
        return f"{kind} gives {_kinds(found)}, recorded are {_kinds(self.decisions)}"


def _kinds(decisions: list[dict[str, Any]]) -> str:
    return ", ".join(each["kind"] for each in decisions) or "nothing"


def starts(reader: Reader, *, until: Micros | None = None) -> Iterator[tuple[int, Micros, Router]]:
    """(number, time, router) of each snapshot that a stretch begins with, the newest first."""
    before: int | None = None
    while True:
        statement = sa.select(STEP).where(_IS_START)
        if until is not None:
            statement = statement.where(STEP.c.at <= until)
        if before is not None:
            statement = statement.where(STEP.c.seq < before)
        row = reader.first(statement.order_by(STEP.c.seq.desc()).limit(1))
        if row is None:
            return
        yield row["seq"], row["at"], Router.restore(row["command"]["snapshot"])
        before = row["seq"]


def steps_after(reader: Reader, seq: int) -> Iterator[LogStep]:
    """The steps of one stretch, after its start and up to the next one's."""
    for row in pages(reader, STEP, seq):
        if row["command"]["kind"] == REBUILT:
            return
        yield LogStep(row["seq"], row["at"], decode(row["command"]), row["decisions"])
