"""Deadlines: a heap with lazy removal. What is still true is asked of the records, never of the heap.

A timer that means nothing any more leaves when its time comes, so there are never more of them than commands
within the longest ring, wrap-up or pause.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import NamedTuple

from routing.model import Micros

OFFER, WRAP_UP, PAUSE = range(3)  # what is decided first when several are due at one instant


class Timer(NamedTuple):
    """Something that becomes due; the order of the fields is the order of deciding, free of history."""

    at: Micros
    kind: int
    item: str
    agent: str


class Timers:
    """All deadlines. `is_live` says whether a timer still means something."""

    __slots__ = ("_heap", "_is_live")

    def __init__(self, is_live: Callable[[Timer], bool]) -> None:
        self._heap: list[Timer] = []
        self._is_live = is_live

    def add(self, timer: Timer) -> None:
        heappush(self._heap, timer)

    def next_at(self) -> Micros | None:
        heap = self._heap
        while heap and not self._is_live(heap[0]):
            heappop(heap)
        return heap[0].at if heap else None

    def due(self, now: Micros) -> list[Timer]:
        """Take out all that is due, in order; ask each again whether it is live when its turn comes."""
        found = []
        while self._heap and self._heap[0].at <= now:
            found.append(heappop(self._heap))
        return found

    def live(self) -> set[Timer]:
        """For checks."""
        return {timer for timer in self._heap if self._is_live(timer)}
