"""Customers and agents of a simulated day, and what is still to come of them."""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any, NamedTuple

from routing.simulation.scenario import ContactType, Group, Recorded, Scenario
from routing.simulation.streams import Draw, Duration, stream

SECOND = 1_000_000  # microseconds, the unit of the clock in here as in the router


def micros(seconds: float) -> int:
    """The nearest whole number of microseconds."""
    return round(seconds * SECOND)


class Fate(NamedTuple):
    """What luck has to say about one contact; microseconds. `patience` None: as long as it takes."""

    patience: int | None
    handling: int
    wrap_up: int
    transfers: bool


class Contact:
    """One customer's contact, counted where it came in. Times in microseconds."""

    __slots__ = ("agent", "arrived", "fate", "id", "kind", "offer", "over", "queue", "waited")

    def __init__(self, name: str, kind: ContactType, arrived: int, fate: Fate) -> None:
        self.id = name
        self.kind = kind
        self.queue = kind.queue  # where it waits now
        self.arrived = arrived
        self.fate = fate
        self.waited = False
        self.over = False
        self.offer: str | None = None
        self.agent: str | None = None


def fates(kind: ContactType, seed: int, day: int) -> Iterator[Fate]:
    """Of one contact after the other, for ever (recorded ones: as many as came); a stream for each purpose."""
    patience = _drawn(kind.patience.time, seed, day, "patience", kind.id)
    handling = kind.handling.drawn_from(stream(seed, day, "handling", kind.id))
    wrap_up = _drawn(kind.wrap_up, seed, day, "wrap-up", kind.id)
    if kind.recorded is not None:
        for contact in kind.recorded:
            yield _known(contact, patience, handling, wrap_up)
        return
    leaves, moves = stream(seed, day, "at once", kind.id), stream(seed, day, "transfer", kind.id)
    at_once, handed_on = kind.patience.at_once, kind.transfer_share
    while True:
        waits = micros(patience()) if patience else None
        yield Fate(
            patience=0 if at_once and leaves.random() < at_once else waits,
            handling=micros(handling()),
            wrap_up=micros(wrap_up()) if wrap_up else 0,
            transfers=bool(handed_on) and moves.random() < handed_on,
        )


def _known(contact: Recorded, patience: Draw | None, handling: Draw, wrap_up: Draw | None) -> Fate:
    """All is drawn, known or not, so that one contact's draws are not another one's."""
    waits = patience() if patience else None
    talks, writes = handling(), wrap_up() if wrap_up else 0.0
    if contact.gave_up:
        waits = contact.waited_s
    elif waits is not None:
        waits += contact.waited_s  # so long they did wait; how long yet has no memory
    return Fate(
        patience=None if waits is None else micros(waits),
        handling=micros(talks if contact.handling_s is None else contact.handling_s),
        wrap_up=micros(writes if contact.wrap_up_s is None else contact.wrap_up_s),
        transfers=False,
    )


def _drawn(duration: Duration | None, seed: int, day: int, *purpose: str) -> Draw | None:
    return duration.drawn_from(stream(seed, day, *purpose)) if duration else None


class Worker:
    """One agent. `on` is whether they are on shift; busy from `busy_since` on while `holds` is above 0."""

    __slots__ = ("busy_since", "group", "holds", "id", "on", "on_since")

    def __init__(self, group: Group, number: int) -> None:
        self.group = group
        self.id = f"{group.id}-{number:04}"
        self.on = False
        self.on_since: int | None = (
            None  # until they have gone: after the shift's end they finish what they have
        )
        self.holds = 0
        self.busy_since = 0


def workers(scenario: Scenario) -> dict[str, list[Worker]]:
    """As many as the group's fullest interval has, by group."""
    return {
        group.id: [Worker(group, number) for number in range(1, max(group.heads) + 1)]
        for group in scenario.groups
    }


def time_to_answer(group: Group, offer: str, seed: int, day: int) -> int:
    """Microseconds. It is the offer's luck, not the agent's: whoever else gets it would take as long."""
    if group.answer is None:
        return 0
    return micros(group.answer.drawn_from(stream(seed, day, "answer", offer))())


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
