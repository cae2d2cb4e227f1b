"""One queue: its rules, who waits in it, and what it has taught about the length of calls and of patience."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

from routing.ageing import PLAIN, ClassLines, place_at, slope_of, with_classes, without_classes
from routing.estimate import HANDLING_PRIOR, PATIENCE_PRIOR, Rate
from routing.hours import is_open, next_change
from routing.model import MINUTE, YEAR, Micros, Preferred, QueuePolicy, WorkItem
from routing.records import OFFERED, WAITING, ItemRecord
from routing.waiting import Line

LIMIT = 2**62  # keys beyond it are equal to it
MONTH: Micros = 30 * 24 * 60 * MINUTE
STALE = 64  # entries of what has left that are not worth a look


class QueueLine:
    """One queue as people see it.

    `waiting` in order, as of now where classes age differently, without the items that ring just now;
    `unanswered` counts them too.
    `handling` ends service (mu), `patience` ends waits (theta).
    """

    __slots__ = (
        "_arrivals",
        "_hours",
        "_now",
        "_numbers",
        "classes",
        "handling",
        "offset",
        "patience",
        "per_priority",
        "policy",
        "resting",
        "sleepers",
        "special",
        "staged",
        "target_ms",
        "unanswered",
        "waiting",
    )

    def __init__(self, policy: QueuePolicy, now: Callable[[], Micros] = lambda: 0) -> None:
        self.waiting: Line | ClassLines = Line()
        self.sleepers: Line | ClassLines = Line()  # callbacks that are dialled when their turn is near
        self.resting: Line | ClassLines = Line()  # callbacks that were missed a moment ago
        self._now = now
        self.unanswered = 0
        self._numbers = count()  # one for each time that a record joins
        self._arrivals: list[
            tuple[Micros, int, ItemRecord]
        ] = []  # heap; what is gone leaves it when it comes first
        self.handling = Rate(HANDLING_PRIOR)
        self.patience = Rate(PATIENCE_PRIOR)
        self.set_policy(policy)

    def set_policy(self, policy: QueuePolicy) -> None:
        """To be followed by `tidy` when all that waits has its new place."""
        self.policy = policy
        self.classes = policy.ageing
        if self.classes:
            self.waiting = with_classes(self.waiting, self._now)
            self.sleepers = with_classes(self.sleepers, self._now)
            self.resting = with_classes(self.resting, self._now)
        self._hours: tuple[Micros, bool, Micros | None, Micros] | None = None
        self.staged = bool(
            policy.rings or policy.overflow
        )  # whether time or people change what an item asks for
        self.special = bool(policy.ageing) or policy.order != "due"
        self.target_ms = policy.target // 1000
        self.per_priority = YEAR if policy.order == "strict" else MINUTE
        self.offset = policy.target - policy.priority * MINUTE

    def tidy(self) -> None:
        """Forget lines of classes that are no more."""
        if not self.classes:
            self.waiting = without_classes(self.waiting)
            self.sleepers = without_classes(self.sleepers)
            self.resting = without_classes(self.resting)

    def slope(self, item: WorkItem) -> int:
        """The percentage of its waiting time by which the item's score grows."""
        return slope_of(self.classes, item) if self.classes else PLAIN

    def key(self, item: WorkItem) -> Micros:
        """The place in the line of its class, smallest first: arrival plus service target, less the head start.

        Strict order is a head start of a year for each point of priority. All items of a class age alike, so the key
        stays as it is while they wait. Nobody starves but by strict order: see `ageing.overtaking`.
        """
        if self.classes and (slope := self.slope(item)) != PLAIN:
            key = item.queued_at * slope + (self.offset - item.priority * self.per_priority) * PLAIN
            key -= self.worth(item) * PLAIN
        else:
            key = item.queued_at + self.offset - item.priority * self.per_priority
            if item.value:
                key -= self.worth(item)
        return key if -LIMIT < key < LIMIT else max(-LIMIT, min(key, LIMIT))

    def place_at(self, item: WorkItem, now: Micros) -> tuple[int, str]:
        """The place in the queue's line at this moment, smallest first, for who has no router."""
        return place_at(now, self.slope(item), self.key(item)), item.id

    def worth(self, item: WorkItem) -> Micros:
        """The head start that the item's value gives."""
        return min(item.value * self.policy.value_weight, self.policy.value_cap)

    def within(self, wish: Preferred) -> Micros | None:
        """How long items wait for a preferred agent; None: for good."""
        return self.policy.waits_for.get(wish.why, wish.within)

    def open_until(self, now: Micros) -> tuple[bool, Micros | None]:
        """Whether the queue is open, and when that changes."""
        hours = self.policy.hours
        if hours is None:
            return True, None
        if self._hours is None or not self._hours[0] <= now < self._hours[3]:
            until = next_change(hours, now)
            look_again = now + MONTH if until is None else until
            self._hours = (now, is_open(hours, now), until, look_again)
        return self._hours[1], self._hours[2]

    def closed_anew(self, since: Micros, now: Micros) -> bool:
        """Whether the queue, which is closed now, was open at `since` or has been since then."""
        hours = self.policy.hours
        if hours is None or is_open(hours, since):
            return True
        opened = next_change(hours, since)
        return opened is not None and opened <= now

    def join(self, record: ItemRecord) -> None:
        """Count one that waits or rings here from now on; `unanswered` is counted down when it leaves."""
        self.unanswered += 1
        if len(self._arrivals) > 2 * self.unanswered + STALE:  # before it joins: it does not stand here yet
            self._arrivals = [each for each in self._arrivals if self._is_here(each)]
            heapify(self._arrivals)
        record.joined = next(self._numbers)
        heappush(self._arrivals, (record.item.queued_at, record.joined, record))

    def oldest(self) -> Micros | None:
        """When the first of those without an agent came."""
        arrivals = self._arrivals
        while arrivals and not self._is_here(arrivals[0]):
            heappop(arrivals)
        return arrivals[0][0] if arrivals else None

    def _is_here(self, arrival: tuple[Micros, int, ItemRecord]) -> bool:
        """Whether it stands for the last time that its record joined: of a record one entry counts at most."""
        _, number, record = arrival
        waits = record.place is WAITING or record.place is OFFERED
        return waits and record.line is self and record.joined == number

    @property
    def has_learned(self) -> bool:
        return bool(self.handling.exposure or self.patience.exposure)
