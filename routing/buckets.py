"""Buckets of equal eligibility: all items of one queue, medium and set of requirements wait in one line.

Every agent is a member of a bucket or not, for each of its items alike. So an item that is hard to serve
waits in a line of its own and never blocks the others, and a decision looks at the heads of few lines instead
of at all items or all agents.
"""

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import TypeAlias

from routing.model import Agent, Skill, WorkItem
from routing.records import AgentRecord
from routing.waiting import NOBODY, Entry, Line

BUCKET_LIMIT = 4096  # buckets kept, in use or not; beyond it the unused ones are dropped

Need: TypeAlias = tuple[str, str, tuple[Skill, ...]]
"""Queue, medium and requirement signature."""


def signature(requires: tuple[Skill, ...]) -> tuple[Skill, ...]:
    """Requirements in one way of writing: by name, each skill once with the highest level asked for."""
    if len(requires) < 2:
        return requires
    levels: dict[str, int] = {}
    for skill in requires:
        levels[skill.name] = max(skill.level, levels.get(skill.name, skill.level))
    return tuple(Skill(name, level) for name, level in sorted(levels.items()))


def may_serve(agent: Agent, queue: str, medium: str, requires: tuple[Skill, ...]) -> bool:
    """Whether the agent could ever take such an item, whatever they do now."""
    if queue not in agent.queues or agent.capacity.get(medium, 0) < 1:
        return False
    skills = agent.skills
    return all(skill.name in skills and skills[skill.name] >= skill.level for skill in requires)


class Bucket:
    """One line of equals. `users` counts the items that wait or ring in it."""

    __slots__ = ("idle", "medium", "members", "number", "queue", "requires", "users", "waiting")

    def __init__(
        self, queue: str, medium: str, requires: tuple[Skill, ...], heads: list[Entry], number: int
    ) -> None:
        self.queue = queue
        self.medium = medium
        self.requires = requires
        self.number = number
        self.waiting = Line(heads, number)  # (ordering key, item, record)
        self.idle = Line()  # (idle_since, agent, record): members who may be offered an item of it now
        self.members: dict[str, AgentRecord] = {}
        self.users = 0


NOWHERE = Bucket("", "", (), [NOBODY], 0)  # of an item that is not queued


class Buckets:
    """All buckets, and which agents serve which."""

    __slots__ = ("_buckets", "_free", "_limit", "_needs", "_of_queue", "_team", "flipped", "heads")

    def __init__(self) -> None:
        self._buckets: dict[Need, Bucket] = {}
        self._needs: dict[Need, Bucket] = {}  # as items write their requirements
        self._of_queue: dict[str, list[Bucket]] = {}
        self._team: dict[str, dict[str, AgentRecord]] = {}
        self._limit = BUCKET_LIMIT
        self.heads: list[Entry] = [NOBODY]  # first in line of each bucket, by its number; 0 is of none
        self._free: list[int] = []  # numbers of buckets that were dropped
        self.flipped: list[
            Bucket
        ] = []  # with items, and got their first or lost their last member; router clears

    def __iter__(self) -> Iterator[Bucket]:
        return iter(self._buckets.values())

    def team(self, queue: str) -> Iterable[AgentRecord]:
        """The agents who serve a queue, ready or not."""
        return self._team.get(queue, {}).values()

    def bucket(self, item: WorkItem) -> Bucket:
        written = (item.queue, item.medium, item.requires)
        found = self._needs.get(written)
        return found if found is not None else self._learn(written)

    def enrol(self, record: AgentRecord, agent: Agent) -> None:
        """Make the agent a member where they fit now and nowhere else. They must not be listed as idle."""
        self._leave(record)
        record.agent = agent
        for queue in agent.queues:
            self._team.setdefault(queue, {})[agent.id] = record
            for bucket in self._of_queue.get(queue, ()):
                self._join(record, bucket)

    def _leave(self, record: AgentRecord) -> None:
        for queue in record.agent.queues:
            self._team.get(queue, {}).pop(record.agent.id, None)
        for buckets in record.buckets.values():
            for bucket in buckets:
                del bucket.members[record.agent.id]
                if not bucket.members and bucket.users:
                    self.flipped.append(bucket)
        record.buckets = {}
        record.picks.clear()

    def _join(self, record: AgentRecord, bucket: Bucket) -> None:
        if not may_serve(record.agent, bucket.queue, bucket.medium, bucket.requires):
            return
        if not bucket.members and bucket.users:
            self.flipped.append(bucket)
        bucket.members[record.agent.id] = record
        record.picks.clear()
        record.buckets.setdefault(bucket.medium, []).append(bucket)
        if bucket.medium in record.listed:
            bucket.idle.add((record.listed_since, record.name, record))

    def _learn(self, written: Need) -> Bucket:
        queue, medium, requires = written
        need = (queue, medium, signature(requires))
        bucket = self._buckets.get(need)
        if bucket is None:
            if len(self._buckets) >= self._limit:
                self._drop_unused()
            bucket = self._buckets[need] = Bucket(*need, self.heads, self._number())
            self._of_queue.setdefault(queue, []).append(bucket)
            for record in self.team(queue):
                self._join(record, bucket)
        if len(self._needs) >= 4 * self._limit:  # the ways of writing are only a short cut
            self._needs.clear()
        self._needs[written] = bucket
        return bucket

    def _number(self) -> int:
        if self._free:
            return self._free.pop()
        self.heads.append(NOBODY)
        return len(self.heads) - 1

    def first_in_line(self, record: AgentRecord, media: tuple[str, ...]) -> Entry | None:
        """The smallest head of the lines of these media that the agent may take from."""
        pick = record.picks.get(media)
        if pick is None:
            numbers = [bucket.number for medium in media for bucket in record.buckets.get(medium, ())]
            pick = record.picks[media] = itemgetter(0, 0, *numbers)
        best: Entry = min(pick(self.heads))
        return None if best is NOBODY else best

    def _drop_unused(self) -> None:
        """Requirements come and go over months; what nothing waits in is made anew when needed."""
        for need, bucket in list(self._buckets.items()):
            if bucket.users:
                continue
            del self._buckets[need]
            self._free.append(bucket.number)
            self._of_queue[bucket.queue].remove(bucket)
            for record in bucket.members.values():
                record.buckets[bucket.medium].remove(bucket)
                record.picks.clear()
        self._needs.clear()
        self._limit = max(BUCKET_LIMIT, 2 * len(self._buckets))
