"""Drafts of the rules: what is wrong with one, each with the field and the cure, and what one changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import date
from typing import Any, NamedTuple

from routing import callbacks
from routing.ageing import STEEPEST
from routing.choice import CHOICES
from routing.codec import decode_as, encode
from routing.hours import zone_of
from routing.model import Ageing, Agent, Hours, Policy, QueuePolicy, Span, WorkItem
from routing.requirements import ANYBODY, MOST_TERMS, met, relaxed, terms_of

ORDERS = ("due", "strict")
REASONS = ("wait", "size", "no_staff", "closed")
TREATMENTS = ("queue", "callback", "voicemail", "message")
MOST_TRIES = 20
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Fault(NamedTuple):
    """`field` as in "queues.billing.overflow.0.queue"; `says` what is wrong and what to do about it."""

    field: str
    says: str


class Change(NamedTuple):
    """One field that differs; None where it is not there. JSON-able."""

    field: str
    before: Any
    after: Any


def read(document: Mapping[str, Any]) -> Policy:
    """The draft that a document (`codec.encode` of a Policy, "kind" optional) describes; ValueError if it is none."""
    return decode_as(Policy, {"kind": "Policy", **document})


def faults(
    draft: Policy,
    *,
    skills: Sequence[str] | None = None,
    media: Sequence[str] | None = None,
    agents: Sequence[Agent] | None = None,
) -> tuple[Fault, ...]:
    """Everything that is wrong with it, in the order of its fields; none: it may be published.

    `skills` and `media` are those that exist, `agents` those who could ever serve; what is not given is not asked.
    """
    found = [*_of_media(draft, media)]
    names = [queue.id for queue in draft.queues]
    twice = sorted({name for name in names if names.count(name) > 1})
    found += [Fault(f"queues.{name}", "stands twice; keep one of them") for name in twice]
    for queue in draft.queues:
        at = f"queues.{queue.id}"
        found += [
            *_of_times(queue, at),
            *_of_order(queue, at),
            *_of_ageing(queue, at, media),
            *_of_requirements(queue, at, skills),
            *_of_callback(queue, at),
            *_of_rings(queue, at, skills),
            *_of_overflow(queue, at, names),
            *_of_hours(queue, at),
        ]
        if agents is not None and not _is_served(draft, queue, agents):
            found.append(
                Fault(at, "nobody can serve it and nothing leaves it; give it an agent or an overflow step")
            )
    return (*found, *_of_circles(draft))


def changes(before: Policy, after: Policy) -> tuple[Change, ...]:
    """Every field that differs, by name; the version does not count."""
    one, other = _flat(before), _flat(after)
    return tuple(
        Change(name, one.get(name), other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    )


# --- one thing after the other ----------------------------------------------------------------------------------


def _of_media(draft: Policy, media: Sequence[str] | None) -> Iterator[Fault]:
    named = [("exclusive", medium) for medium in sorted(draft.exclusive)]
    named += [(f"weights.{medium}", medium) for medium in sorted(draft.weights)]
    for medium, others in sorted(draft.interrupts.items()):
        named += [(f"interrupts.{medium}", each) for each in (medium, *sorted(others))]
        if medium in others:
            yield Fault(f"interrupts.{medium}", "cannot interrupt itself; take it out, or raise the capacity")
    if media is not None:
        for where, medium in named:
            if medium not in media:
                yield Fault(where, f"there is no medium {medium!r}; one of {', '.join(media)}")
    for medium, weight in sorted(draft.weights.items()):
        if weight < 0:
            yield Fault(f"weights.{medium}", "is negative; 0 or more units")
    if draft.shift_margin < 0:
        yield Fault("shift_margin", "is negative; 0 or more")
    if draft.bench_after < 1:
        yield Fault("bench_after", "must be 1 or more offers")


def _of_times(queue: QueuePolicy, at: str) -> Iterator[Fault]:
    for name in ("target", "wrap_up", "decline_pause", "value_weight", "value_cap", "recover"):
        if getattr(queue, name) < 0:
            yield Fault(f"{at}.{name}", "is negative; 0 or more")
    for why, within in sorted(queue.waits_for.items()):
        if within < 0:
            yield Fault(f"{at}.waits_for.{why}", "is negative; 0 or more")
    if queue.ring <= 0:
        yield Fault(f"{at}.ring", "must be more than 0, else no offer could be answered")


def _of_order(queue: QueuePolicy, at: str) -> Iterator[Fault]:
    for name, known in (("order", ORDERS), ("choice", CHOICES)):
        if getattr(queue, name) not in known:
            yield Fault(f"{at}.{name}", f"is not known; one of {', '.join(known)}")


def _of_ageing(queue: QueuePolicy, at: str, media: Sequence[str] | None) -> Iterator[Fault]:
    for number, each in enumerate(queue.ageing):
        where = f"{at}.ageing.{number}"
        if not 1 <= each.slope <= STEEPEST:
            yield Fault(
                f"{where}.slope", f"must be from 1 to {STEEPEST} percent, else it would starve or jump"
            )
        for medium in sorted(each.media):
            if media is not None and medium not in media:
                yield Fault(f"{where}.media", f"there is no medium {medium!r}; one of {', '.join(media)}")
        if any(_takes_all_of(before, each) for before in queue.ageing[:number]):
            yield Fault(
                where, "is never reached: a class before it takes all of it; put it first, or leave it out"
            )
    if queue.ageing and queue.order == "strict":
        yield Fault(f"{at}.ageing", 'has no place in order = "strict", where no age counts; leave one out')


def _of_callback(queue: QueuePolicy, at: str) -> Iterator[Fault]:
    rule, at = queue.callback, f"{at}.callback"
    if rule is None:
        return
    if rule.first not in callbacks.ORDERS:
        yield Fault(f"{at}.first", f"is not known; one of {', '.join(callbacks.ORDERS)}")
    for name in ("position", "tries", "answer", "lasts"):
        if getattr(rule, name) < 1:
            yield Fault(f"{at}.{name}", "must be 1 or more, else nobody would be called")
    for name in ("within", "pause"):
        if getattr(rule, name) < 0:
            yield Fault(f"{at}.{name}", "is negative; 0 or more")
    if rule.tries > MOST_TRIES:
        yield Fault(
            f"{at}.tries", f"is more than {MOST_TRIES}; who does not answer so often does not want to"
        )


def _takes_all_of(before: Ageing, later: Ageing) -> bool:
    every_medium = not before.media or (bool(later.media) and later.media <= before.media)
    if before.priority is None or later.priority is None:
        return every_medium and before.priority is None
    return every_medium and later.priority >= before.priority


def _of_requirements(queue: QueuePolicy, at: str, skills: Sequence[str] | None) -> Iterator[Fault]:
    if len(queue.any_of) > MOST_TERMS:
        yield Fault(f"{at}.any_of", f"has {len(queue.any_of)} alternatives; at most {MOST_TERMS}")
    named = {skill.name for term in queue.any_of for skill in term}
    for skill in sorted(named):
        if skills is not None and skill not in skills:
            yield Fault(f"{at}.any_of", f"there is no skill {skill!r}; one of {', '.join(skills)}")


def _of_rings(queue: QueuePolicy, at: str, skills: Sequence[str] | None) -> Iterator[Fault]:
    before = -1
    for number, ring in enumerate(queue.rings):
        where = f"{at}.rings.{number}"
        if ring.after < 0 or ring.after <= before:
            yield Fault(f"{where}.after", "must be 0 or more and later than the ring before")
        if ring.lower < 0:
            yield Fault(f"{where}.lower", "is negative; a ring can only ask for less")
        before = ring.after
        for skill in ring.drop:
            if skills is not None and skill not in skills:
                yield Fault(f"{where}.drop", f"there is no skill {skill!r}; one of {', '.join(skills)}")


def _of_overflow(queue: QueuePolicy, at: str, queues: Sequence[str]) -> Iterator[Fault]:
    for number, step in enumerate(queue.overflow):
        where = f"{at}.overflow.{number}"
        for name, known in (("when", REASONS), ("to", TREATMENTS)):
            if getattr(step, name) not in known:
                yield Fault(f"{where}.{name}", f"is not known; one of {', '.join(known)}")
        if step.to == "queue" and step.queue not in queues:
            yield Fault(f"{where}.queue", f"there is no queue {step.queue!r}; one of {', '.join(queues)}")
        if step.to != "queue" and step.queue:
            yield Fault(f"{where}.queue", 'only for to = "queue"; leave it out')
        if step.after < 0 or step.size < 0:
            yield Fault(f"{where}.{'after' if step.after < 0 else 'size'}", "is negative; 0 or more")
        if step.when == "closed" and queue.hours is None:
            yield Fault(f"{where}.when", "the queue has no hours and never closes; give it hours")


def _of_hours(queue: QueuePolicy, at: str) -> Iterator[Fault]:
    if queue.hours is not None:
        yield from hours_faults(queue.hours, f"{at}.hours")


def hours_faults(hours: Hours, at: str) -> Iterator[Fault]:
    """What is wrong with hours that stand at this field."""
    try:
        zone_of(hours.zone)
    except (ValueError, OSError, LookupError):
        yield Fault(f"{at}.zone", f"there is no time zone {hours.zone!r}; write as in 'Europe/Berlin'")
    if len(hours.week) != len(DAYS):
        yield Fault(f"{at}.week", f"has {len(hours.week)} days; 7, from Monday to Sunday")
    yield from _of_spans(hours, at)


def _of_spans(hours: Hours, at: str) -> Iterator[Fault]:
    days = [(f"{at}.{name}", spans) for name, spans in zip(DAYS, hours.week, strict=False)]
    for name, spans in sorted(hours.days.items()):
        days.append((f"{at}.days.{name}", spans))
        if not _is_date(name):
            yield Fault(f"{at}.days.{name}", "is no date; write as in '2026-12-24'")
    for where, spans in days:
        yield from _of_day(where, spans)


def _is_date(name: str) -> bool:
    """As it is looked up by: "20261224" is the same day in other words, and would never be found."""
    try:
        return date.fromisoformat(name).isoformat() == name
    except ValueError:
        return False


def _of_day(where: str, spans: Sequence[Span]) -> Iterator[Fault]:
    before = 0
    for span in sorted(spans, key=lambda span: span.opens):
        if not 0 <= span.opens < span.closes <= 1440:
            yield Fault(where, "a span goes from 0 up to 1440 minutes, and opens before it closes")
        elif span.opens < before:
            yield Fault(where, "hours overlap; join them to one span")
        before = max(before, span.closes)


def serves(draft: Policy, item: WorkItem, agents: Sequence[Agent]) -> bool:
    """Whether an item could ever be served in its queue, after its last ring, or leaves it in time.

    What the item asks for counts together with what its queue does: one agent needs to have both.
    """
    queue = next((each for each in draft.queues if each.id == item.queue), QueuePolicy(item.queue))
    asks = relaxed(terms_of(item, queue.any_of), queue.rings)
    return _leaves(queue) or any(
        _could_hold(draft, agent, item.medium) and item.queue in agent.queues and met(asks, agent.skills)
        for agent in agents
    )


def _is_served(draft: Policy, queue: QueuePolicy, agents: Sequence[Agent]) -> bool:
    """By somebody who has what it asks for after its last ring, in any medium, or left for something that is."""
    asks = relaxed(queue.any_of or ANYBODY, queue.rings)
    return _leaves(queue) or any(
        queue.id in agent.queues
        and met(asks, agent.skills)
        and any(_could_hold(draft, agent, medium) for medium in agent.capacity)
        for agent in agents
    )


def _could_hold(draft: Policy, agent: Agent, medium: str) -> bool:
    """Whether an agent who has nothing else has room for an item of the medium."""
    fits = agent.units is None or draft.weights.get(medium, 1) <= agent.units
    return fits and agent.capacity.get(medium, 0) > 0


def _leaves(queue: QueuePolicy) -> bool:
    """Whether what waits goes elsewhere in time; who is to be called back still waits for somebody of the queue."""
    return any(step.when in {"wait", "no_staff"} and step.to != "callback" for step in queue.overflow)


def _of_circles(draft: Policy) -> Iterator[Fault]:
    """From queue to queue and back: each queue that is in a circle, once."""
    to = {queue.id: [step.queue for step in queue.overflow if step.to == "queue"] for queue in draft.queues}
    for queue in draft.queues:
        path = _way_back(queue.id, to)
        if path:
            words = " → ".join(path)
            yield Fault(
                f"queues.{queue.id}.overflow", f"goes in a circle: {words}; end it in another treatment"
            )


def _way_back(start: str, to: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The shortest way from the queue to itself."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = set[str]()
    for way in ways:  # grows as it goes
        for following in to.get(way[-1], ()):
            if following == start:
                return (*way, following)
            if following not in seen:
                seen.add(following)
                ways.append((*way, following))
    return ()


def _flat(policy: Policy) -> dict[str, Any]:
    """Field: value, the queues by their names; defaults included, so that a default said is no change."""
    said = encode(policy)
    found: dict[str, Any] = {
        each.name: said.get(each.name) or None
        for each in fields(Policy)
        if each.name not in {"version", "queues"}
    }
    for queue in policy.queues:
        written = encode(queue)
        for each in fields(QueuePolicy):
            if each.name != "id":
                spare = each.default if each.default_factory is MISSING else each.default_factory()
                found[f"queues.{queue.id}.{each.name}"] = written.get(each.name, spare)
    return found
