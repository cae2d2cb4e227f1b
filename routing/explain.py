"""Why this agent, why is it waiting, why not me: the whole picture of one item, worked out by a plain scan.

A decision stores only what it was made of (`reasons.of_offer`). Everybody who was looked at, and what kept each one
out, is worked out from a router of that moment when somebody asks; no decision pays for it. The scan does not use the
lines and buckets by which the router decides, so that it also checks them: `Moment.disagreements`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from routing import callbacks, choice
from routing.ageing import PLAIN, place_at
from routing.capacity import has_room
from routing.commands import Command
from routing.decisions import Because, Decision
from routing.floor import Floor
from routing.model import Micros, Offer
from routing.records import AgentRecord, ItemRecord, Place
from routing.requirements import met, words
from routing.router import Router
from routing.turn import Turn

AHEAD_MOST: Final = 20
"""Items before it in its line that are named; all are counted."""
QUEUED: Final = frozenset({Place.WAITING, Place.OFFERED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """One agent and one item.

    `excluded`: every rule that keeps them apart, each with what it looked at; none: a candidate. `terms`: what the
    choice among candidates compares. Times in milliseconds.
    """

    agent: str
    excluded: tuple[Because, ...]
    terms: Because


@dataclass(frozen=True, slots=True)
class Moment:
    """One item at one instant (microseconds), before it was offered to anybody then.

    `score` is what its place is made of, `rule` how its queue chooses; `candidates` come in the order of that
    choice, `others` by id. `ahead` are the first of those before it in its line.
    `offer` is what the router decided, None if it decided nothing.
    """

    at: Micros
    item: str
    medium: str
    queue: str
    state: str
    waited_ms: int
    position: int
    waiting: int
    ahead: tuple[str, ...]
    score: Because
    asks: Because
    rule: str
    candidates: tuple[Verdict, ...]
    others: tuple[Verdict, ...]
    offer: Offer | None = None
    because: Because | None = None

    def verdict(self, agent: str) -> Verdict | None:
        """That of one agent; None if the router does not know them."""
        return next((each for each in (*self.candidates, *self.others) if each.agent == agent), None)

    def disagreements(self) -> tuple[str, ...]:
        """What this scan sees otherwise than the router decided; none: they agree."""
        found = []
        names = [each.agent for each in self.candidates]
        if self.offer is None:
            if self.state == Place.WAITING.value and names:
                found.append(f"the item waits, and {names[0]} could have it")
            return tuple(found)
        if names[:1] != [self.offer.agent]:
            first = names[0] if names else "nobody"
            found.append(f"offered to {self.offer.agent}, first by the rule is {first}")
        stored: Because = self.because or {}
        for name, seen in (
            ("candidates", len(names)),
            ("position", self.position),
            ("waiting", self.waiting),
            ("key", self.score["key"]),
        ):
            if stored.get(name) != seen:
                found.append(f"{name} is stored as {stored.get(name)}, the scan finds {seen}")
        return tuple(found)


class Witness(Turn):
    """A turn that looks around just before it makes each offer."""

    __slots__ = ("moments",)

    def __init__(self, floor: Floor) -> None:
        super().__init__(floor)
        self.moments: dict[str, Moment] = {}

    def _offer(self, record: ItemRecord, agent: AgentRecord, candidates: int) -> None:
        before = moment(self.floor, record)
        super()._offer(record, agent, candidates)
        offer = record.offer
        assert offer is not None, "a match is offered"
        made = self.out[-1]
        self.moments[offer.id] = replace(before, offer=offer, because=made.because)


def witnessed(
    router: Router, command: Command, now: Micros
) -> tuple[tuple[Decision, ...], dict[str, Moment]]:
    """Apply a command as the router does, and by the id of each offer that it makes the moment before that."""
    witness = Witness(router.floor)
    decisions = router.apply(command, now, witness)
    return decisions, witness.moments


def waiting(router: Router, item: str) -> Moment | None:
    """An item that waits, or rings, as it is now; None for any other."""
    record = router.floor.items.get(item)
    if record is None or record.place not in QUEUED:
        return None
    return moment(router.floor, record)


def moment(floor: Floor, record: ItemRecord) -> Moment:
    """The picture of this instant, of an item that waits or rings."""
    item, line, now = record.item, record.line, floor.now
    policy = line.policy
    verdicts = [_verdict(floor, record, agent) for _, agent in sorted(floor.agents.items())]
    candidates = [each for each in verdicts if not each.excluded]
    candidates.sort(key=lambda each: _rank(floor, record, each.agent))
    place = line.waiting.rank(record.entry)
    ahead = tuple(entry[1] for entry in islice(line.waiting, min(place, AHEAD_MOST)))
    return Moment(
        at=now,
        item=item.id,
        medium=item.medium,
        queue=item.queue,
        state=record.place.value,
        waited_ms=_ms(now - item.queued_at),
        position=place + 1,
        waiting=line.waiting.size,
        ahead=ahead,
        score={
            "key": record.entry[0]
            if record.slope == PLAIN
            else place_at(now, record.slope, record.entry[0]) // PLAIN,
            "slope_pct": record.slope,
            "queued_at": item.queued_at,
            "target_ms": line.target_ms,
            "head_start_min": policy.priority + item.priority,
            "value_ms": line.worth(item) // 1000,
            "order": policy.order,
        },
        asks=_asks(record),
        rule=policy.choice,
        candidates=tuple(candidates),
        others=tuple(each for each in verdicts if each.excluded),
    )


def _ms(span: Micros) -> int:
    return max(span, 0) // 1000


def _asks(record: ItemRecord) -> Because:
    """What it asks for at this moment: skills after the rings it has passed, and whom it waits for.

    Of a callback also until when its promise holds, unless the customer is being dialled.
    """
    need, only = record.bucket.need, record.only
    skills = words(need.terms) if need.terms else "nobody yet" if need.asleep else "too many requirements"
    asks: dict[str, str | int | None] = {
        "skills": skills,
        "ring": record.ring,
        "only": None if only is None else only.agent,
        "why_only": None if only is None else only.why,
    }
    promised_until = callbacks.expires_at(record.item, callbacks.rule_of(record.line.policy))
    return asks if promised_until is None else {**asks, "promised_until": promised_until}


# --- one agent ------------------------------------------------------------------------------------------


def _rank(floor: Floor, record: ItemRecord, name: str) -> tuple[int, int, str]:
    agent = floor.agents[name]
    score = choice.score(record.line.policy.choice, agent, record.bucket.need.terms)
    return score, agent.idle_since, name


def _verdict(floor: Floor, record: ItemRecord, agent: AgentRecord) -> Verdict:
    rule = record.line.policy.choice
    terms: dict[str, str | int] = {"idle_ms": _ms(floor.now - agent.idle_since)}
    if rule != choice.LONGEST_IDLE:
        terms[rule] = choice.score(rule, agent, record.bucket.need.terms)
    return Verdict(agent.name, tuple(_exclusions(floor, record, agent)), terms)


def _exclusions(floor: Floor, record: ItemRecord, agent: AgentRecord) -> Iterator[Because]:
    yield from _unable(record, agent)
    yield from _not_now(floor, record, agent)


def _unable(record: ItemRecord, agent: AgentRecord) -> Iterator[Because]:
    """What they could not take at any time, as the item asks now."""
    item, need, who = record.item, record.bucket.need, agent.agent
    if need.asleep:
        dialled = item.callback is not None and item.callback.dialled_at is not None
        yield {"rule": "callback", "state": "dialled" if dialled else "sleeps" if record.sleeps else "rests"}
        return
    if need.only and need.only != agent.name:
        why = "" if record.only is None else record.only.why
        yield {"rule": "waits_for_another", "agent": need.only, "why": why}
    if not need.direct:
        if item.queue not in who.queues:
            yield {"rule": "not_in_queue", "queue": item.queue}
        if not met(need.terms, who.skills):
            has = ", ".join(f"{name}={level}" for name, level in sorted(who.skills.items())) or "none"
            yield {"rule": "skills", "asked": words(need.terms), "has": has}
    if not need.override and who.capacity.get(item.medium, 0) < 1:
        yield {"rule": "medium", "medium": item.medium}


def _not_now(floor: Floor, record: ItemRecord, agent: AgentRecord) -> Iterator[Because]:
    """What keeps them from taking anything, or this, at this moment."""
    if not agent.ready:
        yield {"rule": "away", "reason": agent.reason or ""}
    if agent.blocked:
        yield {"rule": "not_to_be_had"}
    if agent.ringing is not None:
        yield {"rule": "another_offer_rings", "item": agent.ringing}
    if agent.closes_at is not None and agent.closes_at <= floor.now:
        yield {"rule": "shift_over", "since_ms": _ms(floor.now - agent.closes_at)}
    until = record.pauses.get(agent.name)
    if until is not None:
        yield {"rule": "declined", "pause_ms": _ms(until - floor.now)}
    if not record.bucket.need.override and not _fits(floor, record, agent):
        load = ", ".join(f"{number} {medium}" for medium, number in sorted(agent.room.load.items()))
        yield {"rule": "no_room", "holds": load}


def _fits(floor: Floor, record: ItemRecord, agent: AgentRecord) -> bool:
    """True also for who has no place for the medium at all: that is said as `medium`."""
    policy, medium, who = floor.rules.policy, record.item.medium, agent.agent
    return who.capacity.get(medium, 0) < 1 or has_room(
        who.capacity,
        agent.room.load,
        medium,
        policy.exclusive,
        interrupts=policy.interrupts.get(medium, frozenset()),
        weights=policy.weights,
        units=who.units,
    )
