"""What the router knows: work, agents, policies and offers, all immutable values.

Instants and durations are integers in microseconds (instants: since 1970-01-01 UTC), the unit that the
store uses too, so that nothing is converted or rounded on the way.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

Micros: TypeAlias = int
SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
YEAR: Micros = 365 * 24 * 60 * MINUTE

AwayReason: TypeAlias = str
"""Why an agent gets no offers: a reason from the configuration, or "no_answer", "lost", "signed_out"."""


Value = TypeVar("Value")


def quick(cls: type[Value]) -> type[Value]:
    """For a frozen dataclass that is made all the time: frozen to the type checker, not at run time.

    The `__init__` of a frozen dataclass costs six times that of an open one.
    """
    parts: list[tuple[str, Any, Any]] = []
    for each in fields(cls):  # type: ignore[arg-type]  # a dataclass, as the docstring says
        if each.default is not MISSING:
            spare = field(default=each.default)
        elif each.default_factory is not MISSING:
            spare = field(default_factory=each.default_factory)
        else:
            spare = field()
        parts.append((each.name, each.type, spare))
    open_one = make_dataclass(cls.__name__, parts)
    type.__setattr__(cls, "__init__", vars(open_one)["__init__"])
    type.__delattr__(cls, "__setattr__")
    type.__delattr__(cls, "__delattr__")
    return cls


ADDED: Final = {"added": True}
"""Marks a field that older logs lack: written only where it differs from its default, so that old and new agree."""


ROUND_ROBIN: Final = "round_robin"
"""The choice of agent that needs a memory: who was offered something when, kept while a queue chooses by it."""


class Skill(NamedTuple):
    """A skill with a level from 1 (basic) to 5 (expert); as a requirement: at least this level."""

    name: str
    level: int = 1


@quick
@dataclass(frozen=True, slots=True)
class Preferred:
    """An agent who comes first for one item: who served the customer last, who owns the account, who was named.

    Others wait until `within` after the item's arrival (None: for good), or as long as the queue's `waits_for` says
    for this `why`, unless the agent is not to be had; they
    are skipped at once then. `direct`: neither queue nor skills matter. `override`: what they hold does not matter;
    whether somebody may ask for that is for the caller to know. `why` is for the explanation.
    """

    agent: str
    within: Micros | None
    why: str = "last_agent"
    direct: bool = False
    override: bool = False


@dataclass(frozen=True, slots=True)
class Callback:
    """The customer is not on the line, and is to be called back; see callbacks.py.

    `missed`: how often they did not answer. `rests_until`: not dialled and not offered before. `dialled_at`: being
    dialled since, before an agent has it; ahead of now while the call waits for its turn at the carrier.
    `asked_at`: when they were promised it (0: when the item came).
    """

    missed: int = 0
    rests_until: Micros = 0
    dialled_at: Micros | None = None
    asked_at: Micros = field(default=0, metadata=ADDED)


@dataclass(frozen=True, slots=True)
class CallbackRule:
    """How a queue calls back.

    `first`: "agent" or "customer". Customers are dialled first when at most `position` - 1 are before them, or their
    expected wait is at most `within` (0: that does not count). Who does not answer within `answer` is dialled again
    after `pause`, `tries` times in all. The promise holds for `lasts`, also where its turn never comes.
    """

    first: str = "agent"
    position: int = 1
    within: Micros = 0
    tries: int = 3
    pause: Micros = 5 * MINUTE
    answer: Micros = 30 * SECOND
    lasts: Micros = field(default=72 * 60 * MINUTE, metadata=ADDED)


@quick
@dataclass(frozen=True, slots=True)
class WorkItem:
    """Routing's view of one interaction that waits or is served.

    `queued_at` is when it first joined a queue in this wait; it never changes while the item is offered,
    declined or put back, so the item keeps its place. `kept`: why it is that of an earlier wait; `joined_at` is when
    this wait began then (0: at `queued_at`), and its times run from then on: rings, overflow, preferred agents.
    `placed`: a person put it into this queue then, knowing what that is like (see `Overflow`).
    `priority` is a head start in whole minutes, that of its medium in its queue included (`QueuePolicy.head_starts`).
    It asks for all skills of `requires` and, if there are any, all of one of `any_of`.
    `value`: what the customer is worth, in points that the queue weighs. `preferred`: the first who is to be had and
    whose time is not over gets it before all others. `callback`: the customer is not on the line.
    """

    id: str
    medium: str
    queue: str
    queued_at: Micros
    priority: int = 0
    requires: tuple[Skill, ...] = ()
    any_of: tuple[tuple[Skill, ...], ...] = field(default=(), metadata=ADDED)
    preferred: tuple[Preferred, ...] = field(default=(), metadata=ADDED)
    value: int = field(default=0, metadata=ADDED)
    kept: str = field(default="", metadata=ADDED)
    callback: Callback | None = field(default=None, metadata=ADDED)
    joined_at: Micros = field(default=0, metadata=ADDED)
    placed: bool = field(default=False, metadata=ADDED)

    @property
    def waits_since(self) -> Micros:
        """When this wait began; `queued_at` may be the beginning of an earlier one."""
        return self.joined_at or self.queued_at


@dataclass(frozen=True, slots=True)
class Agent:
    """Who may be offered what.

    `capacity` is the number of items at once per medium; none means 0. `units` bounds the sum of what all they have
    weighs (`Policy.weights`). From `Policy.shift_margin` before `shift_end` on they get no more offers.
    """

    id: str
    queues: frozenset[str]
    skills: Mapping[str, int] = field(default_factory=dict)
    capacity: Mapping[str, int] = field(default_factory=dict)
    units: int | None = field(default=None, metadata=ADDED)
    shift_end: Micros | None = field(default=None, metadata=ADDED)


@dataclass(frozen=True, slots=True)
class Ring:
    """From `after` its arrival on an item asks for less: not for skills of `drop`, of others `lower` levels less."""

    after: Micros
    drop: tuple[str, ...] = ()
    lower: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """From `opens` up to `closes`, in minutes of the day; 1440 is midnight. Past midnight: two spans."""

    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class Hours:
    """`week` from Monday to Sunday; `days` instead of it on dates such as "2026-12-24", none: closed."""

    zone: str
    week: tuple[tuple[Span, ...], ...]
    days: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Overflow:
    """Where an item goes that is not served in its queue.

    `when`: "wait" (longer than `after`), "size" (already `size` others are there when it comes), "no_staff" (none of
    the queue's agents is ready), "closed" (by the queue's hours). `to`: "queue" (then `queue`, with its place kept),
    "callback", "voicemail" or "message": a channel carries it out. What a person put there (`WorkItem.placed`) stays in
    a queue that is full, and in one that is closed until it closes again.
    """

    when: str
    to: str
    queue: str = ""
    after: Micros = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Ageing:
    """A class of items of a queue whose score grows by `slope` percent of the time that they wait; others' by 100.

    To it belongs what has one of these `media` (none: any) and at least this `priority` (None: any).
    """

    slope: int
    priority: int | None = None
    media: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """How one queue is served.

    `target` is the service-level threshold and shifts the ordering key, `ring` how long an offer stands,
    `wrap_up` the time for after-contact work, `decline_pause` how long an agent who declined an item is
    not offered that item again. `priority` is in minutes and added to each item's own. `rings` are in the order of
    their times, and each adds to those before.

    What an item asks for, it asks for besides all of one of `any_of`, if there are any.

    `order` is "due" or "strict": then a higher priority of an item always comes first, whatever the age.
    `value_weight` is the head start that one point of an item's value gives, `value_cap` the most that value can give.
    `choice` of the agent is one of choice.CHOICES. The first step of `overflow` whose time has come counts. Of the
    classes of `ageing` the first counts that an item belongs to. `waits_for`: how long items wait for a preferred
    agent, by why they prefer them. `recover`: how long after they left unanswered somebody has their place back (see
    `places.arrival`). `callback`: how those are called back who do not wait on the line.
    `head_starts`: the minutes that a medium's items have by it in their `priority` (0 unless said); who goes on to
    another queue has those of that queue instead.
    """

    id: str
    target: Micros = 20 * SECOND
    ring: Micros = 20 * SECOND
    wrap_up: Micros = 60 * SECOND
    decline_pause: Micros = 30 * SECOND
    priority: int = 0
    rings: tuple[Ring, ...] = field(default=(), metadata=ADDED)
    order: str = field(default="due", metadata=ADDED)
    value_weight: Micros = field(default=0, metadata=ADDED)
    value_cap: Micros = field(default=0, metadata=ADDED)
    hours: Hours | None = field(default=None, metadata=ADDED)
    overflow: tuple[Overflow, ...] = field(default=(), metadata=ADDED)
    choice: str = field(default="longest_idle", metadata=ADDED)
    ageing: tuple[Ageing, ...] = field(default=(), metadata=ADDED)
    waits_for: Mapping[str, Micros] = field(default_factory=dict, metadata=ADDED)
    recover: Micros = field(default=0, metadata=ADDED)
    any_of: tuple[tuple[Skill, ...], ...] = field(default=(), metadata=ADDED)
    callback: CallbackRule | None = field(default=None, metadata=ADDED)
    head_starts: Mapping[str, int] = field(default_factory=dict, metadata=ADDED)


@dataclass(frozen=True, slots=True)
class Policy:
    """One published version of the routing rules.

    `exclusive` media stand alone: while an agent has such an item (offered, served or in wrap-up), no other
    item is offered to them, and the other way round. `interrupts`: medium and the media that it may interrupt: to its
    items, what an agent has of those weighs nothing. `weights`: medium and how many of an agent's units an item takes
    (1 unless said). `bench_after`: so many offers in a row that an agent does not answer, and they get no more until
    they say that they are ready.
    """

    version: int
    queues: tuple[QueuePolicy, ...]
    exclusive: frozenset[str] = frozenset({"phone"})
    interrupts: Mapping[str, frozenset[str]] = field(default_factory=dict, metadata=ADDED)
    weights: Mapping[str, int] = field(default_factory=dict, metadata=ADDED)
    shift_margin: Micros = field(default=0, metadata=ADDED)
    bench_after: int = field(default=1, metadata=ADDED)


@quick
@dataclass(frozen=True, slots=True)
class Offer:
    """A reservation of one item for one agent until `deadline`. `attempt` counts from 1 per item."""

    id: str
    item: str
    agent: str
    made_at: Micros
    deadline: Micros
    attempt: int
