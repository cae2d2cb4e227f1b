"""Buckets of equal eligibility: all items of one queue, medium and set of requirements wait in one line.

Every agent is a member of a bucket or not, for each of its items alike. So an item that is hard to serve
waits in a line of its own and never blocks the others, and a decision looks at the heads of few lines instead
of at all items or all agents.
"""

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from routing import choice
from routing.ageing import PLAIN
from routing.capacity import OVERRIDE
from routing.choice import LONGEST_IDLE
from routing.model import Agent, Preferred, Ring, WorkItem
from routing.records import AgentRecord
from routing.requirements import ANYBODY, MOST_SIGNATURES, REFUSED, Term, Terms, met, relaxed, terms_of
from routing.waiting import NOBODY, Entry, Line

BUCKET_LIMIT = 4096  # buckets kept, in use or not; beyond it the unused ones are dropped


class Need(NamedTuple):
    """What all items of one bucket share. `only`: the one agent whom they wait for, or ""; see `model.Preferred`.

    All age at one `slope`, so that their order stays. `asleep`: callbacks that nobody may have just now.
    """

    queue: str
    medium: str
    terms: Terms
    only: str = ""
    direct: bool = False
    override: bool = False
    slope: int = PLAIN
    asleep: bool = False

    def is_met_by(self, agent: Agent) -> bool:
        """Whether the agent could ever take such an item, whatever they do now."""
        if self.asleep:
            return False
        if self.only and agent.id != self.only:
            return False
        if not self.override and agent.capacity.get(self.medium, 0) < 1:
            return False
        return self.direct or (self.queue in agent.queues and met(self.terms, agent.skills))


def may_serve(agent: Agent, queue: str, medium: str, requires: Term) -> bool:
    """Whether the agent could ever take such an item, whatever they do now."""
    return Need(queue, medium, (requires,)).is_met_by(agent)


class Bucket:
    """One line of equals. `users` counts the items that wait or ring in it; `slot` is the medium to have room for."""

    __slots__ = ("idle", "members", "need", "number", "slot", "users", "waiting")

    def __init__(self, need: Need, heads: list[Entry], number: int) -> None:
        self.need = need
        self.slot = OVERRIDE if need.override else need.medium
        self.number = number
        self.waiting = Line(heads, number)  # (ordering key, item, record)
        self.idle = Line()  # (idle_since, agent, record): members who may be offered an item of it now
        self.members: dict[str, AgentRecord] = {}
        self.users = 0


NOWHERE = Bucket(Need("", "", REFUSED), [NOBODY], 0)  # of an item that is not queued


class Buckets:
    """All buckets, and which agents serve which."""

    __slots__ = (
        "_buckets",
        "_free",
        "_limit",
        "_needs",
        "_of_agent",
        "_of_queue",
        "_people",
        "_team",
        "asks",
        "choices",
        "flipped",
        "heads",
        "opened",
    )

    def __init__(self) -> None:
        self._buckets: dict[Need, Bucket] = {}
        self._needs: dict[tuple[Any, ...], Bucket] = {}  # as items write their requirements
        self._of_queue: dict[str, list[Bucket]] = {}
        self._of_agent: dict[str, list[Bucket]] = {}  # those that wait for one agent only
        self._people: dict[str, AgentRecord] = {}
        self._team: dict[str, dict[str, AgentRecord]] = {}
        self._limit = BUCKET_LIMIT
        self.heads: list[Entry] = [NOBODY]  # first in line of each bucket, by its number; 0 is of none
        self._free: list[int] = []  # numbers of buckets that were dropped
        self.choices: dict[str, str] = {}  # queue: how its agents are chosen, where that is not longest idle
        self.asks: dict[
            str, Terms
        ] = {}  # queue: what all its items ask for besides their own; see `set_asks`
        self.opened: list[AgentRecord] = []  # got a bucket that needs no room; router clears
        self.flipped: list[
            Bucket
        ] = []  # with items, and got their first or lost their last member; router clears

    def __iter__(self) -> Iterator[Bucket]:
        return iter(self._buckets.values())

    def set_asks(self, asks: dict[str, Terms]) -> None:
        """Other requirements of queues. Items that are in buckets already are for the caller to put in again."""
        if asks != self.asks:
            self.asks = asks
            self._needs.clear()

    def team(self, queue: str) -> Iterable[AgentRecord]:
        """The agents who serve a queue, ready or not."""
        return self._team.get(queue, {}).values()

    def bucket(
        self,
        item: WorkItem,
        rings: tuple[Ring, ...] = (),
        only: Preferred | None = None,
        slope: int = PLAIN,
    ) -> Bucket:
        """That of an item which has passed these rings, waits for one agent, or for anybody, and ages so."""
        if rings or only is not None or item.any_of or slope != PLAIN:
            written: tuple[Any, ...] = (
                item.queue,
                item.medium,
                item.requires,
                item.any_of,
                rings,
                only,
                slope,
            )
        else:
            written = (item.queue, item.medium, item.requires)
        found = self._needs.get(written)
        return found if found is not None else self._learn(written, item, rings, only, slope)

    def bedroom(self, item: WorkItem, slope: int) -> Bucket:
        """That of callbacks which are not offered to anybody."""
        need = Need(item.queue, item.medium, REFUSED, slope=slope, asleep=True)
        found = self._buckets.get(need)
        return found if found is not None else self._new(need)

    def enrol(self, record: AgentRecord, agent: Agent) -> None:
        """Make the agent a member where they fit now and nowhere else. They must not be listed as idle."""
        self._leave(record)
        record.agent = agent
        self._people[agent.id] = record
        for queue in agent.queues:
            self._team.setdefault(queue, {})[agent.id] = record
            for bucket in self._of_queue.get(queue, ()):
                self._join(record, bucket)
        for bucket in self._of_agent.get(agent.id, ()):
            self._join(record, bucket)

    def _leave(self, record: AgentRecord) -> None:
        for queue in record.agent.queues:
            self._team.get(queue, {}).pop(record.name, None)
        for buckets in record.buckets.values():
            for bucket in buckets:
                del bucket.members[record.name]
                if not bucket.members and bucket.users:
                    self.flipped.append(bucket)
        record.buckets = {}
        record.picks.clear()
        record.overrides = False

    def _join(self, record: AgentRecord, bucket: Bucket) -> None:
        if not bucket.need.is_met_by(record.agent):
            return
        if not bucket.members and bucket.users:
            self.flipped.append(bucket)
        bucket.members[record.name] = record
        record.picks.clear()
        record.buckets.setdefault(bucket.slot, []).append(bucket)
        if bucket.slot in record.listed:
            self.stand(record, bucket)
        elif bucket.slot == OVERRIDE:
            record.overrides = True
            self.opened.append(record)

    def stand(self, record: AgentRecord, bucket: Bucket) -> None:
        """In the idle line of the bucket, by the rule of its queue."""
        rule = self.choices.get(bucket.need.queue, LONGEST_IDLE)
        entry = choice.entry(rule, record, bucket.need.terms)
        bucket.idle.add(entry)
        record.spots.append((bucket, entry))

    def _learn(
        self,
        written: tuple[Any, ...],
        item: WorkItem,
        rings: tuple[Ring, ...],
        only: Preferred | None,
        slope: int,
    ) -> Bucket:
        need = self._need(item, rings, only, slope)
        bucket = self._buckets.get(need) or self._new(need)
        if len(self._needs) >= 4 * self._limit:  # the ways of writing are only a short cut
            self._needs.clear()
        if need.terms:
            self._needs[written] = bucket
        return bucket

    def _new(self, need: Need) -> Bucket:
        if len(self._buckets) >= self._limit:
            self._drop_unused()
        bucket = self._buckets[need] = Bucket(need, self.heads, self._number())
        if need.only:
            self._of_agent.setdefault(need.only, []).append(bucket)
            if need.only in self._people:
                self._join(self._people[need.only], bucket)
        else:
            self._of_queue.setdefault(need.queue, []).append(bucket)
            for record in self.team(need.queue):
                self._join(record, bucket)
        return bucket

    def _need(self, item: WorkItem, rings: tuple[Ring, ...], only: Preferred | None, slope: int) -> Need:
        terms = relaxed(terms_of(item, self.asks.get(item.queue, ())), rings)
        if only is not None and only.direct:
            return Need(item.queue, item.medium, ANYBODY, only.agent, only.direct, only.override, slope)
        who = ("", False, False) if only is None else (only.agent, only.direct, only.override)
        need = Need(item.queue, item.medium, terms, *who, slope)
        if (
            need not in self._buckets
            and len(self._buckets) >= MOST_SIGNATURES
            and self._is_one_too_many(terms)
        ):
            return Need(item.queue, item.medium, REFUSED, slope=slope)
        return need

    def _is_one_too_many(self, terms: Terms) -> bool:
        live = {bucket.need.terms for bucket in self._buckets.values() if bucket.users} - {REFUSED}
        return terms not in live and len(live) >= MOST_SIGNATURES

    def _number(self) -> int:
        if self._free:
            return self._free.pop()
        self.heads.append(NOBODY)
        return len(self.heads) - 1

    def first_in_line(
        self, record: AgentRecord, media: tuple[str, ...], place: Callable[[Entry], Entry] | None = None
    ) -> Entry | None:
        """The smallest head of the lines of these media that the agent may take from; `place`: if not as it is."""
        pick = record.picks.get(media)
        if pick is None:
            numbers = [bucket.number for medium in media for bucket in record.buckets.get(medium, ())]
            pick = record.picks[media] = itemgetter(0, 0, *numbers)
        heads = pick(self.heads)
        best: Entry = min(heads) if place is None else min(heads, key=place)
        return None if best is NOBODY else best

    def _drop_unused(self) -> None:
        """Requirements come and go over months; what nothing waits in is made anew when needed."""
        for need, bucket in list(self._buckets.items()):
            if bucket.users:
                continue
            del self._buckets[need]
            self._free.append(bucket.number)
            (self._of_agent[need.only] if need.only else self._of_queue[need.queue]).remove(bucket)
            for record in bucket.members.values():
                record.buckets[bucket.slot].remove(bucket)
                record.picks.clear()
        self._needs.clear()
        self._limit = max(BUCKET_LIMIT, 2 * len(self._buckets))
