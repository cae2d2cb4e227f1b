"""Customers and agents of a simulated day, and what is still to come of them."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from routing.simulation.scenario import ContactType, Group, Scenario
from routing.simulation.streams import Draw, Duration, stream

SECOND = 1_000_000  # microseconds, the unit of the clock in here as in the router


def micros(seconds: float) -> int:
    """The nearest whole number of microseconds."""
    return round(seconds * SECOND)


class Contact:
    """One customer's contact. Times in microseconds; all that luck has to say about it is drawn when it arrives."""

    __slots__ = (
        "agent", "arrived", "handling", "id", "kind", "offer", "over", "patience", "queue", "transfers", "waited",
        "wrap_up",
    )  # fmt: skip

    def __init__(self, name: str, kind: ContactType, arrived: int, luck: "Luck") -> None:
        self.id = name
        self.kind = kind
        self.queue = kind.queue  # where it waits now; it is counted where it came in
        self.arrived = arrived
        self.patience = luck.patience()
        self.handling = luck.handling()
        self.wrap_up = luck.wrap_up()
        self.transfers = luck.transfers()
        self.waited = False
        self.over = False
        self.offer: str | None = None
        self.agent: str | None = None


class Luck:
    """Draws what concerns one contact type; a stream for each purpose."""

    def __init__(self, kind: ContactType, seed: int, day: int) -> None:
        self._kind = kind
        self._leaves = stream(seed, day, "at once", kind.id)
        self._moves = stream(seed, day, "transfer", kind.id)

        def drawn(duration: Duration | None, purpose: str) -> Draw | None:
            return duration.drawn_from(stream(seed, day, purpose, kind.id)) if duration else None

        self._patience = drawn(kind.patience.time, "patience")
        self._handling = kind.handling.drawn_from(stream(seed, day, "handling", kind.id))
        self._wrap_up = drawn(kind.wrap_up, "wrap-up")

    def patience(self) -> int | None:
        """None: as long as it takes."""
        at_once = self._kind.patience.at_once
        leaves = bool(at_once) and self._leaves.random() < at_once
        drawn = micros(self._patience()) if self._patience else None
        return 0 if leaves else drawn

    def handling(self) -> int:
        return micros(self._handling())

    def wrap_up(self) -> int:
        return micros(self._wrap_up()) if self._wrap_up else 0

    def transfers(self) -> bool:
        share = self._kind.transfer_share
        return bool(share) and self._moves.random() < share


class Worker:
    """One agent. `on` is whether they are on shift; busy from `busy_since` on while `holds` is above 0."""

    __slots__ = ("answer", "busy_since", "group", "holds", "id", "on", "on_since")

    def __init__(self, group: Group, number: int, answer: Draw | None) -> None:
        self.group = group
        self.id = f"{group.id}-{number:04}"
        self.answer = answer
        self.on = False
        self.on_since: int | None = (
            None  # until they have gone: after the shift's end they finish what they have
        )
        self.holds = 0
        self.busy_since = 0


def workers(scenario: Scenario, day: int) -> dict[str, list[Worker]]:
    """As many as the group's fullest interval has, by group."""
    return {
        group.id: [
            Worker(group, number, _answers(group, number, scenario.seed, day))
            for number in range(1, max(group.heads) + 1)
        ]
        for group in scenario.groups
    }


def _answers(group: Group, number: int, seed: int, day: int) -> Draw | None:
    if group.answer is None:
        return None
    return group.answer.drawn_from(stream(seed, day, "answer", group.id, str(number)))


class Agenda:
    """What happens next, in order of time and then of planning."""

    __slots__ = ("_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0

    def at(self, when: int, happen: Callable[..., None], *about: Any) -> None:
        self._number += 1
        heappush(self._heap, (when, self._number, happen, about))

    def next_at(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def pop(self) -> tuple[int, Callable[..., None], tuple[Any, ...]]:
        when, _, happen, about = heappop(self._heap)
        return when, happen, about
