"""Classes of contacts that age at slopes of their own.

    score at t = slope/100 × (t − queued_at) + head start − target

and the largest score goes first. With one slope for all that is the order of a key which never changes; with several,
who is ahead of whom changes as time passes. Within a class it does not: each class is a line with constant keys,

    key = slope × queued_at + 100 × (target − head start)

and only the heads of the classes are compared, at the moment of deciding, by −100 × score + 100 × t:

    place at t = (100 − slope) × t + key        (100 × key for the slope of 100, whose keys are as without classes)
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from typing import Final

from routing.model import MINUTE, Ageing, Micros, Policy, QueuePolicy, WorkItem
from routing.waiting import NOBODY, Entry, Line

PLAIN: Final = 100
"""The slope of whom no class names: a second for each second."""
STEEPEST: Final = 1000


def slope_of(classes: Sequence[Ageing], item: WorkItem) -> int:
    """That of the first class that the item belongs to."""
    for each in classes:
        if each.media and item.medium not in each.media:
            continue
        if each.priority is None or item.priority >= each.priority:
            return each.slope
    return PLAIN


def place_at(now: Micros, slope: int, key: int) -> int:
    """By which lines of different slopes are compared at this moment, the smallest first; in 1/100 microseconds."""
    return PLAIN * key if slope == PLAIN else (PLAIN - slope) * now + key


def as_of(entry: Entry, now: Micros) -> Entry:
    """The entry of a record with the place that it has at this moment in front."""
    if entry is NOBODY:
        return NOBODY
    return (place_at(now, entry[2].slope, entry[0]), entry[1], entry[2])


class ClassLines:
    """One line per slope, which look like one `Line` in the order of this moment. Entries are those of records."""

    __slots__ = ("_lines", "_now")

    def __init__(self, plain: Line, now: Callable[[], Micros]) -> None:
        self._lines = {PLAIN: plain}
        self._now = now

    @property
    def size(self) -> int:
        return sum(line.size for line in self._lines.values())

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Entry]:
        now = self._now()
        yield from merge(*self._lines.values(), key=lambda entry: as_of(entry, now)[:2])

    @property
    def head(self) -> Entry | None:
        """The first entry."""
        return next(iter(self), None)

    @property
    def plain(self) -> Line:
        """That of whom no class names."""
        return self._lines[PLAIN]

    def add(self, entry: Entry) -> None:
        """OverflowError if its number has more than 64 bits."""
        slope = entry[2].slope
        line = self._lines.get(slope)
        if line is None:
            line = self._lines[slope] = Line()
        line.add(entry)

    def remove(self, entry: Entry) -> int:
        """Take out an entry and say its rank; ValueError if it is not there, a fault of the caller."""
        slope = entry[2].slope
        return self._lines[slope].remove(entry) + self._elsewhere(entry, slope)

    def rank(self, entry: Entry) -> int:
        """How many entries are before it; `entry` itself need not be in the line."""
        slope = entry[2].slope
        line = self._lines.get(slope)
        return self._elsewhere(entry, slope) + (0 if line is None else line.rank(entry))

    def _elsewhere(self, entry: Entry, slope: int) -> int:
        """How many of the other classes are before it now."""
        now = self._now()
        place = place_at(now, slope, entry[0])
        others = (each for each in self._lines.items() if each[0] != slope)
        return sum(line.rank(_rival(place, other, entry[1], now)) for other, line in others)


def with_classes(line: Line | ClassLines, now: Callable[[], Micros]) -> ClassLines:
    """The line, ready for other classes."""
    return ClassLines(line, now) if isinstance(line, Line) else line


def without_classes(line: Line | ClassLines) -> Line | ClassLines:
    """As one line, if nothing waits in another class."""
    if isinstance(line, ClassLines) and line.plain.size == line.size:
        return line.plain
    return line


def _rival(place: int, slope: int, item: str, now: Micros) -> Entry:
    """Whoever of a class is before an item of another class at this place is before this in the line of the class."""
    if slope != PLAIN:
        return (place - (PLAIN - slope) * now, item)
    key, part = divmod(place, PLAIN)
    return (key + 1, "") if part else (key, item)


def overtaking(
    policy: Policy,
    queue: QueuePolicy,
    *,
    priority: int = 0,
    lowest: int = 0,
    value: int = 0,
    waited: Micros | None = None,
) -> Micros | None:
    """How much later somebody may come and still be served first, at most; None: there is no bound.

    The starvation bound: an item of the `lowest` priority (below 0: mail and texts may have less than none) and no
    value goes before everybody who comes later by more than this, where `priority` and `value` are the most that any
    item has. Strict order has none, unless all priorities are 0; where a class ages faster than the item does, there is
    one for each time that it has `waited`. With at most n arrivals in that time, at most n who came later go first.
    """
    if queue.order == "strict" and lowest < 0:
        return None
    mine = min(_slopes(queue))
    found = 0
    for each in policy.queues:
        if each.order == "strict" and priority > 0:
            return None
        head_start = (each.priority + priority) * MINUTE + min(value * each.value_weight, each.value_cap)
        ahead = queue.target - (queue.priority + lowest) * MINUTE - (each.target - head_start)
        for slope in _slopes(each):
            if slope <= mine:
                later = ahead * PLAIN // mine
            elif waited is None:
                return None
            else:
                later = min(waited, (waited * (slope - mine) + ahead * PLAIN) // slope)
            found = max(found, later)
    return found


def _slopes(queue: QueuePolicy) -> set[int]:
    """All that an item of the queue may age at."""
    return {PLAIN, *(each.slope for each in queue.ageing)}
