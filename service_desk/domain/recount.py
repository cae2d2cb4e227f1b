"""Counters folded from the log: the one definition of what is counted, for the live figures and for recounting.

A contact counts in each queue that it joined, in the 15 minutes in which its wait began. One that a supervisor moves
while it waits takes its waiting time along: it counts as offered in the new queue, and as moved out of the old one.
So does a callback whose customer calls again: the new call has its place. A callback is answered when its customer is
on the line with an agent, and not when an agent begins to call them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from service_desk.clock import MINUTE, SECOND, Micros

INTERVAL: Micros = 15 * MINUTE

Slot = tuple[str, Micros]
"""A queue and the start of 15 minutes."""

ANSWERED = ("interaction.answered", "interaction.reached")
KINDS = ("interaction.queued", *ANSWERED, "interaction.abandoned", "interaction.replaced")
"""Kinds of events that count something."""


class ServiceLevels(NamedTuple):
    """The field's three definitions, as shares from 0 to 1; None where nothing can be divided.

    of_offered: answered in target / (offered - moved out).
    without_short_abandons: answered in target / (offered - moved out - abandoned in target).
    of_answered: answered in target / answered.
    """

    of_offered: float | None
    without_short_abandons: float | None
    of_answered: float | None


@dataclass(slots=True)
class Count:
    """Contacts of one queue that came in one interval; `wait_us` sums the waits of the answered ones."""

    offered: int = 0
    answered: int = 0
    answered_in_target: int = 0
    abandoned: int = 0
    abandoned_in_target: int = 0
    wait_us: int = 0
    moved_out: int = 0

    def add(self, other: "Count") -> None:
        self.offered += other.offered
        self.answered += other.answered
        self.answered_in_target += other.answered_in_target
        self.abandoned += other.abandoned
        self.abandoned_in_target += other.abandoned_in_target
        self.wait_us += other.wait_us
        self.moved_out += other.moved_out

    @property
    def stayed(self) -> int:
        """Offered and not moved to another queue: what the shares are of."""
        return self.offered - self.moved_out

    def service_levels(self) -> ServiceLevels:
        """All three, of these contacts. Those that still wait count as offered."""
        return ServiceLevels(
            _share(self.answered_in_target, self.stayed),
            _share(self.answered_in_target, self.stayed - self.abandoned_in_target),
            _share(self.answered_in_target, self.answered),
        )

    def abandoned_share(self) -> float | None:
        """Abandoned / (offered - moved out)."""
        return _share(self.abandoned, self.stayed)

    def average_wait_s(self) -> float | None:
        """Average speed of answer, in seconds."""
        return self.wait_us / SECOND / self.answered if self.answered else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None


def interval_start(at: Micros) -> Micros:
    """The start of the 15 minutes that an instant lies in."""
    return at - at % INTERVAL


def counts_of(kind: str, data: Mapping[str, Any]) -> list[tuple[Slot, Count]]:
    """What one event adds, and where."""
    if kind == "interaction.queued" and not data["again"]:
        left = data.get("moved_from")  # unknown to events from before there were moves
        gone = [] if left is None else [(_slot(data, left), Count(moved_out=1))]
        return [(_slot(data), Count(offered=1)), *gone]
    if kind in ANSWERED and data["first"]:
        return [
            (_slot(data), Count(answered=1, answered_in_target=int(data["in_target"]), wait_us=data["wait"]))
        ]
    if kind == "interaction.abandoned" and data["queue_id"] is not None and data["first"]:
        return [(_slot(data), Count(abandoned=1, abandoned_in_target=int(data["in_target"])))]
    if kind == "interaction.replaced" and data["first"]:
        return [(_slot(data), Count(moved_out=1))]
    return []


def _slot(data: Mapping[str, Any], queue_id: str | None = None) -> Slot:
    return queue_id or data["queue_id"], interval_start(data["queued_at"])


def recount(events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[Slot, Count]:
    """The counters of a stretch of the log, given as (kind, data)."""
    counts: dict[Slot, Count] = {}
    for kind, data in events:
        for slot, count in counts_of(kind, data):
            counts.setdefault(slot, Count()).add(count)
    return counts
