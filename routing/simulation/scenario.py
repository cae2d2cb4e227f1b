"""What a simulated centre is made of. Plain values; `scenario_file` reads and checks them.

Durations end in `_s` and are seconds. What is given per interval has one entry for each interval of the day. `rules`
and `routing` hold further fields of the router's own policy, items and agents, durations in microseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.simulation.streams import Duration


class ScenarioError(ValueError):
    """The scenario cannot be; the message names the field and the cure."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long customers wait for an answer.

    `at_once` is the share who do not wait at all; the others' time is `time`, None if they wait as long as it
    takes.
    """

    time: Duration | None = None
    at_once: float = 0.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """A contact that really came, `at_s` after opening, and what is known of it.

    None for what the record cannot say, which is drawn: how long somebody who gave up would have talked, and how
    long somebody who was answered after `waited_s` would have waited. `gave_up`: `waited_s` was all their patience.
    """

    at_s: float
    waited_s: float
    gave_up: bool
    handling_s: float | None = None
    wrap_up_s: float | None = None


@dataclass(frozen=True, slots=True)
class ContactType:
    """One kind of contact.

    `arrivals` is the mean number per interval; `busyness_cv` the spread of the day's gamma-distributed factor on
    it, 0 for none. `transfer_to` is the type as which `transfer_share` of the answered go on to wait again.
    `recorded`, if it is not None, are the contacts that come; no arrival is drawn. `within_s`: their own promise, where
    it is not their queue's.
    """

    id: str
    queue: str
    arrivals: tuple[float, ...]
    handling: Duration
    wrap_up: Duration | None = None
    patience: Patience = field(default_factory=Patience)
    medium: str = "phone"
    requires: Mapping[str, int] = field(default_factory=dict)
    priority: int = 0
    busyness_cv: float = 0.0
    transfer_to: str | None = None
    transfer_share: float = 0.0
    recorded: tuple[Recorded, ...] | None = None
    within_s: float | None = None
    routing: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Agents who are alike.

    `heads` per interval; `answer` is the time until they take an offer, None for at once; who lets one ring out
    is back after `back_s`.
    """

    id: str
    heads: tuple[int, ...]
    queues: frozenset[str]
    skills: Mapping[str, int] = field(default_factory=dict)
    capacity: Mapping[str, int] = field(default_factory=lambda: {"phone": 1})
    answer: Duration | None = None
    back_s: float = 60.0
    routing: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue's rules and its promise: `goal` of the contacts answered within `within_s`."""

    id: str
    within_s: float = 20.0
    goal: float = 0.8
    target_s: float = 20.0
    ring_s: float = 20.0
    wrap_up_s: float = 86_400.0
    decline_pause_s: float = 30.0
    priority: int = 0
    rules: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A day that is simulated `replications` times.

    Contacts that arrive in the warm-up are not counted, nor is the agents' time in it. After the last interval
    nobody comes any more, and those who are there finish.
    """

    name: str
    queues: tuple[Queue, ...]
    contacts: tuple[ContactType, ...]
    groups: tuple[Group, ...]
    interval_s: float
    intervals: int
    opens_s: float = 0.0
    warm_up_s: float = 0.0
    replications: int = 20
    seed: int = 1
    exclusive: frozenset[str] = frozenset({"phone"})
    rules: Mapping[str, Any] = field(default_factory=dict)

    @property
    def day_s(self) -> float:
        return self.interval_s * self.intervals

    def queue(self, name: str) -> Queue:
        """KeyError if there is none of this id."""
        return {queue.id: queue for queue in self.queues}[name]
