"""Counters folded from the log: the one definition of what is counted, for the live figures and for recounting.

A contact counts in the 15 minutes in which it first joined its queue. Three service levels follow from the sums:
answered in target / offered; answered in target / (offered - abandoned in target); answered in target / answered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from service_desk.clock import MINUTE, Micros

INTERVAL: Micros = 15 * MINUTE

Slot = tuple[str, Micros]
"""A queue and the start of 15 minutes."""


@dataclass(slots=True)
class Count:
    """Contacts of one queue that came in one interval; `wait_us` sums the waits of the answered ones."""

    offered: int = 0
    answered: int = 0
    answered_in_target: int = 0
    abandoned: int = 0
    abandoned_in_target: int = 0
    wait_us: int = 0

    def add(self, other: "Count") -> None:
        self.offered += other.offered
        self.answered += other.answered
        self.answered_in_target += other.answered_in_target
        self.abandoned += other.abandoned
        self.abandoned_in_target += other.abandoned_in_target
        self.wait_us += other.wait_us


def interval_start(at: Micros) -> Micros:
    """The start of the 15 minutes that an instant lies in."""
    return at - at % INTERVAL


def count_of(kind: str, data: Mapping[str, Any]) -> tuple[Slot, Count] | None:
    """What one event adds, and where; None if it counts nothing."""
    if kind == "interaction.queued" and not data["again"]:
        return _slot(data), Count(offered=1)
    if kind == "interaction.answered" and data["first"]:
        return _slot(data), Count(answered=1, answered_in_target=int(data["in_target"]), wait_us=data["wait"])
    if kind == "interaction.abandoned" and data["queue_id"] is not None and data["first"]:
        return _slot(data), Count(abandoned=1, abandoned_in_target=int(data["in_target"]))
    return None


def _slot(data: Mapping[str, Any]) -> Slot:
    return data["queue_id"], interval_start(data["queued_at"])


def recount(events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[Slot, Count]:
    """The counters of a stretch of the log, given as (kind, data)."""
    counts: dict[Slot, Count] = {}
    for kind, data in events:
        found = count_of(kind, data)
        if found is not None:
            slot, count = found
            counts.setdefault(slot, Count()).add(count)
    return counts
