"""What others may look at: read-only values, computed when asked for."""

from collections.abc import Iterable
from dataclasses import dataclass

from routing.capacity import most_of
from routing.estimate import Estimate, expected_wait
from routing.floor import Floor
from routing.lines import QueueLine
from routing.model import AwayReason, Micros, Offer
from routing.records import AgentRecord, ItemRecord, Place

AGENT_STATES = ("ready", "offered", "busy", "wrap_up", "away", "gone")
GONE_REASONS = frozenset({"signed_out", "lost"})


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue now.

    `waiting` counts those without an agent, the `ringing` ones included; `oldest` is when the first of them
    joined; `ready` counts its agents who take work now, idle or busy. mu and theta: see `rates`.
    """

    queue: str
    waiting: int
    ringing: int
    oldest: Micros | None
    ready: int
    mu: float
    theta: float


@dataclass(frozen=True, slots=True)
class AgentView:
    """One agent now. `ready` is what they want, `state` what they do (one of AGENT_STATES)."""

    id: str
    state: str
    ready: bool
    away_reason: AwayReason | None
    idle_since: Micros
    offered: str | None
    serving: tuple[str, ...]
    wrapping: tuple[str, ...]


def queue(floor: Floor, name: str) -> QueueView:
    """The queue, known or not."""
    line = floor.lines.get(name)
    waiting = line.unanswered if line else 0
    mu, theta = rates(floor, name)
    return QueueView(
        queue=name,
        waiting=waiting,
        ringing=waiting - len(line.waiting) if line else 0,
        oldest=line.oldest() if line else None,
        ready=sum(agent.takes_work(floor.now) for agent in floor.buckets.team(name)),
        mu=mu,
        theta=theta,
    )


def queue_names(floor: Floor) -> tuple[str, ...]:
    """All that the policy names or that work has come to."""
    return tuple(sorted({each.id for each in floor.rules.policy.queues} | floor.lines.keys()))


def rates(floor: Floor, name: str) -> tuple[float, float]:
    """(mu, theta) per second."""
    learned = _line(floor, name)
    return learned.handling.per_second, learned.patience.per_second


def _line(floor: Floor, name: str) -> QueueLine:
    """The line; a new one that nobody sees for a queue that nothing has come to."""
    return floor.lines.get(name) or QueueLine(floor.rules.queue(name))


def position(floor: Floor, item: str) -> int | None:
    """From 1; None if it does not wait."""
    record = floor.items.get(item)
    if record is None or record.place not in {Place.WAITING, Place.OFFERED}:
        return None
    return floor.lines[record.item.queue].waiting.rank(record.entry) + 1


def estimate(floor: Floor, subject: str, medium: str | None) -> Estimate | None:
    """For an item, or for one that would join the queue of this name."""
    record = floor.items.get(subject)
    if record is None:
        line = floor.lines.get(subject)
        ahead = len(line.waiting) if line else 0
        return _estimate(floor, subject, ahead, _places(floor, floor.buckets.team(subject), medium))
    place = position(floor, subject)
    if place is None:
        return None
    places = _places(floor, record.bucket.members.values(), record.item.medium)
    return _estimate(floor, record.item.queue, place - 1, places)


def _places(floor: Floor, agents: Iterable[AgentRecord], medium: str | None) -> int:
    """N: the places that serve, of agents who take work, idle or busy; one each if the medium is unknown."""
    weights = floor.rules.policy.weights
    return sum(
        1 if medium is None else most_of(agent.agent, medium, weights)
        for agent in agents
        if agent.takes_work(floor.now)
    )


def places(floor: Floor) -> dict[str, dict[str, int]]:
    """N by queue and medium; what there is no place for is left out."""
    found: dict[str, dict[str, int]] = {}
    weights = floor.rules.policy.weights
    for record in floor.agents.values():
        if not record.takes_work(floor.now):
            continue
        most = {medium: most_of(record.agent, medium, weights) for medium in record.agent.capacity}
        for queue in record.agent.queues:
            here = found.setdefault(queue, {})
            for medium, number in most.items():
                if number:
                    here[medium] = here.get(medium, 0) + number
    return found


def _estimate(floor: Floor, name: str, ahead: int, places: int) -> Estimate:
    learned = _line(floor, name)
    if places:
        wait = expected_wait(ahead, places * learned.handling.value, learned.patience.value)
        return Estimate(ahead + 1, round(wait), "model")
    line = floor.lines.get(name)
    if line is None or line.waiting.head is None:
        return Estimate(ahead + 1, None, "head_age")
    head = line.waiting.head[2].item
    came = head.waits_since if head.kept else head.queued_at
    return Estimate(ahead + 1, max(floor.now - came, 0), "head_age")


def agent(floor: Floor, name: str) -> AgentView | None:
    """None if nobody has introduced them."""
    record = floor.agents.get(name)
    if record is None:
        return None
    held = sorted(record.holds, key=lambda item: item.item.id)
    return AgentView(
        id=name,
        state=state_of(record),
        ready=record.ready,
        away_reason=record.reason,
        idle_since=record.idle_since,
        offered=record.ringing,
        serving=_in_place(held, Place.SERVED),
        wrapping=_in_place(held, Place.WRAP_UP),
    )


def _in_place(held: list[ItemRecord], place: Place) -> tuple[str, ...]:
    return tuple(record.item.id for record in held if record.place is place)


def state_of(record: AgentRecord) -> str:
    """What the agent does counts more than what they want: who is away and still on a call is busy."""
    if record.ringing is not None:
        return "offered"
    if record.holds:
        served = any(item.place is Place.SERVED for item in record.holds)
        return "busy" if served else "wrap_up"
    if record.ready:
        return "ready"
    return "gone" if record.reason in GONE_REASONS else "away"


def agents_by_state(floor: Floor) -> dict[str, int]:
    """Every state is there."""
    counts = dict.fromkeys(AGENT_STATES, 0)
    for record in floor.agents.values():
        counts[state_of(record)] += 1
    return counts


def pending_offers(floor: Floor) -> tuple[Offer, ...]:
    """By deadline, then id."""
    offers = [record.offer for record in floor.items.values() if record.offer is not None]
    return tuple(sorted(offers, key=lambda offer: (offer.deadline, offer.id)))
