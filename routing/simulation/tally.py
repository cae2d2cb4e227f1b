"""What is counted of one simulated day."""

from dataclasses import dataclass


@dataclass(slots=True)
class QueueTally:
    """Contacts of one queue that arrived after the warm-up; times in seconds.

    offered = answered + abandoned + moved + unserved. `waited`: found no agent at once. `in_time`: answered
    within the queue's threshold; `short`: gave up within it. `longest`: of all waits. `moved`: left the line by an
    overflow rule to another treatment than an agent. `unserved`: still waiting when nothing more could happen.
    """

    offered: int = 0
    answered: int = 0
    abandoned: int = 0
    moved: int = 0
    unserved: int = 0
    waited: int = 0
    in_time: int = 0
    short: int = 0
    wait_answered: float = 0.0
    longest: float = 0.0

    def add(self, other: "QueueTally") -> None:
        """Take the other's contacts in."""
        self.offered += other.offered
        self.answered += other.answered
        self.abandoned += other.abandoned
        self.moved += other.moved
        self.unserved += other.unserved
        self.waited += other.waited
        self.in_time += other.in_time
        self.short += other.short
        self.wait_answered += other.wait_answered
        self.longest = max(self.longest, other.longest)


@dataclass(slots=True)
class GroupTally:
    """One group between warm-up and closing; seconds of its agents together. Busy: a contact or its wrap-up."""

    answered: int = 0
    busy: float = 0.0
    staffed: float = 0.0

    def add(self, other: "GroupTally") -> None:
        """Take the other's work in."""
        self.answered += other.answered
        self.busy += other.busy
        self.staffed += other.staffed


@dataclass(slots=True)
class Day:
    """One replication."""

    queues: dict[str, QueueTally]
    groups: dict[str, GroupTally]
    decisions: int = 0

    def all_queues(self) -> QueueTally:
        total = QueueTally()
        for tally in self.queues.values():
            total.add(tally)
        return total

    def all_groups(self) -> GroupTally:
        total = GroupTally()
        for tally in self.groups.values():
            total.add(tally)
        return total
