"""A router that is easy to believe: no line, no bucket, no heap; every question is a scan over all items and agents.

It is what the real router is checked against, step by step, so it shares nothing with it but the model classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from routing import commands as c
from routing import decisions as d
from routing.estimate import expected_wait
from routing.hours import is_open
from routing.model import (
    MINUTE,
    Agent,
    Callback,
    CallbackRule,
    Hours,
    Micros,
    Offer,
    Overflow,
    Policy,
    Preferred,
    QueuePolicy,
    Skill,
    WorkItem,
)
from routing.requirements import normal

LATE_ANSWERS = 8


@dataclass
class Item:
    item: WorkItem
    attempts: int
    place: str = "parked"
    offer: Offer | None = None
    owner: str | None = None
    until: Micros = 0
    pauses: dict[str, Micros] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    told_unroutable: bool = False
    ring: int = 0
    only: Preferred | None = None
    spent: set[tuple[str, str, str]] = field(default_factory=set)
    promise_kept: bool = False  # the end of its callback was refused

    @property
    def waits(self) -> bool:
        return self.place == "waiting"


@dataclass
class Person:
    agent: Agent
    ready: bool = False
    reason: str | None = "signed_out"
    idle_since: Micros = 0
    blocked: bool = False
    benched_by: str | None = None
    last_offer: Micros = 0
    missed: int = 0


def since(item: WorkItem) -> Micros:
    """From when on its times run: a place may be that of an earlier wait."""
    return item.joined_at or item.queued_at


class NaiveRouter:
    """`rates`: of a queue, (mu, theta) per microsecond as the real router has learned them: no rule, but taken over."""

    def __init__(self, policy: Policy, rates: Callable[[str], tuple[float, float]]) -> None:
        self.policy = policy
        self.rates = rates
        self.now: Micros = 0
        self.items: dict[str, Item] = {}
        self.people: dict[str, Person] = {}
        self.ended: dict[str, Item] = {}  # few here, so all are kept
        self.out: list[d.Decision] = []
        self.arrived: str | None = None

    # --- the questions ------------------------------------------------------------------------------------------

    def queue(self, name: str) -> QueuePolicy:
        return next((each for each in self.policy.queues if each.id == name), QueuePolicy(name))

    def slope(self, item: WorkItem) -> int:
        for each in self.queue(item.queue).ageing:
            if item.medium in (each.media or {item.medium}) and item.priority >= (each.priority or -99):
                return each.slope
        return 100

    def key(self, item: WorkItem) -> tuple[int, str]:
        """In 1/100 microseconds as of now, and what breaks ties: less the score, on a scale where old rules agree."""
        queue = self.queue(item.queue)
        step = 365 * 24 * 60 * MINUTE if queue.order == "strict" else MINUTE
        value = min(item.value * queue.value_weight, queue.value_cap) if item.value else 0
        head_start = queue.priority * MINUTE + item.priority * step + value
        score = (self.now - item.queued_at) * self.slope(item) + 100 * (head_start - queue.target)
        return 100 * self.now - score, item.id

    def calls_back(self, item: WorkItem) -> CallbackRule:
        return self.queue(item.queue).callback or CallbackRule()

    def is_resting(self, each: Item) -> bool:
        callback = each.item.callback
        return callback is not None and callback.dialled_at is None and self.now < callback.rests_until

    def is_for_nobody(self, each: Item) -> bool:
        """A callback that rests, sleeps until its turn is near, or is being dialled."""
        callback = each.item.callback
        if callback is None:
            return False
        by_customer = self.calls_back(each.item).first == "customer"
        return by_customer or callback.dialled_at is not None or self.is_resting(each)

    def miss(self, each: Item) -> None:
        callback, rule = each.item.callback, self.calls_back(each.item)
        if not each.waits or callback is None or callback.dialled_at is None:
            return
        if self.now - callback.dialled_at < rule.answer:
            return
        times = callback.missed + 1
        self.out.append(d.CallbackMissed(each.item.id, times, times >= rule.tries))
        rests = Callback(times, self.now + rule.pause, asked_at=callback.asked_at)
        each.item = replace(each.item, callback=rests)
        if times >= rule.tries:
            each.item = replace(each.item, callback=callback)
            each.place = "parked"

    def expire(self, each: Item) -> None:
        """A promise to call does not hold for ever; while the customer is being dialled it does."""
        callback = each.item.callback
        if not each.waits or callback is None or callback.dialled_at is not None or each.promise_kept:
            return
        if self.now - (callback.asked_at or each.item.queued_at) >= self.calls_back(each.item).lasts:
            self.out.append(d.CallbackExpired(each.item.id))
            each.place = "parked"

    def dial(self, *, looks: bool) -> None:
        """Who sleeps and whose turn is near, by place or by expected wait."""
        for queue in sorted({each.item.queue for each in self.items.values()}):
            hours, ahead = self.queue(queue).hours, 0
            if not self.staff(queue) or (hours is not None and not is_open(hours, self.now)):
                continue
            for each in self.line(queue):
                rule, callback = self.calls_back(each.item), each.item.callback
                rests = self.is_resting(each)
                if (
                    callback is not None
                    and self.is_for_nobody(each)
                    and not rests
                    and not callback.dialled_at
                ):
                    wait = self.wait(queue, each.item.medium, ahead) if looks and rule.within else None
                    if ahead >= rule.position and (wait is None or wait > rule.within):
                        break
                    each.item = replace(each.item, callback=replace(callback, dialled_at=self.now))
                    self.out.append(d.CustomerDialled(each.item.id, callback.missed + 1))
                ahead += not rests

    def wait(self, queue: str, medium: str, ahead: int) -> Micros | None:
        weight = self.policy.weights.get(medium, 1)
        places = 0
        for person in self.people.values():
            if self.takes_work(person) and queue in person.agent.queues:
                units = person.agent.units
                fit = 999 if units is None or not weight else units // weight
                places += min(person.agent.capacity.get(medium, 0), fit)
        mu, theta = self.rates(queue)
        return round(expected_wait(ahead, places * mu, theta)) if places else None

    def could_serve(self, person: Person, each: Item) -> bool:
        only = each.only
        if self.is_for_nobody(each):
            return False
        return (only is None or only.agent == person.agent.id) and self.is_able(person, each, only)

    def is_able(self, person: Person, each: Item, wish: Preferred | None) -> bool:
        item, agent = each.item, person.agent
        rings = self.queue(item.queue).rings[: each.ring]

        def is_met(skill: Skill) -> bool:
            level = skill.level
            for ring in rings:
                if skill.name in ring.drop:
                    return True
                level = max(level - ring.lower, min(skill.level, 1))
            return agent.skills.get(skill.name, -99) >= level

        skilled = any(
            all(is_met(skill) for skill in item.requires + term + more)
            for term in item.any_of or ((),)
            for more in self.queue(item.queue).any_of or ((),)
        )
        if wish is not None and wish.override and wish.direct:
            return True
        able = agent.capacity.get(item.medium, 0) >= 1 or (wish is not None and wish.override)
        return able and ((wish is not None and wish.direct) or (item.queue in agent.queues and skilled))

    def overflow(self, each: Item) -> None:
        """Out of its queue, as often as the rules of the queue that it is in then say so."""
        arrived = each.item.id == self.arrived
        while each.waits:
            queue = self.queue(each.item.queue)
            steps = [step for step in queue.overflow if self.counts(step, queue, each, arrived=arrived)]
            if not steps:
                return
            step = steps[0]
            self.out.append(d.Overflowed(each.item.id, queue.id, step.queue or step.to))
            if step.to == "queue":
                there = self.queue(step.queue)
                gains = there.head_starts.get(each.item.medium, 0) - queue.head_starts.get(
                    each.item.medium, 0
                )
                each.item = replace(
                    each.item, queue=step.queue, priority=each.item.priority + gains, placed=False
                )
                arrived = True
            else:
                each.place = "parked"

    def counts(self, step: Overflow, queue: QueuePolicy, each: Item, *, arrived: bool) -> bool:
        if (queue.id, step.when, step.to) in each.spent:
            return False
        if each.item.callback is not None and step.to != "queue":
            return False
        there = [
            other
            for other in self.items.values()
            if other.item.queue == queue.id and other.place in {"waiting", "offered"}
        ]
        return {
            "wait": self.now - since(each.item) >= step.after,
            "size": arrived and not each.item.placed and len(there) - 1 >= step.size,
            "no_staff": not self.staff(queue.id) and not self.waits_for_opening(each.item, queue.hours),
            "closed": queue.hours is not None and self.is_closed_to(each.item, queue.hours),
        }[step.when]

    def staff(self, queue: str) -> list[Person]:
        people = self.people.values()
        return [person for person in people if self.takes_work(person) and queue in person.agent.queues]

    def waits_for_opening(self, item: WorkItem, hours: Hours | None) -> bool:
        """Put into a closed queue by a person, which has not opened since."""
        return hours is not None and not is_open(hours, self.now) and not self.is_closed_to(item, hours)

    def is_closed_to(self, item: WorkItem, hours: Hours) -> bool:
        """Closed, and for what a person put there: closed anew since then, looked at minute by minute."""
        if is_open(hours, self.now):
            return False
        minutes = (since(item), *range(since(item), self.now, MINUTE))
        return not item.placed or any(is_open(hours, at) for at in minutes)

    def stage(self, each: Item) -> None:
        """What the item asks for at this moment."""
        rings = self.queue(each.item.queue).rings
        each.ring = len([ring for ring in rings if since(each.item) + ring.after <= self.now])
        each.only = None
        for wish in each.item.preferred:
            person = self.people.get(wish.agent)
            within = self.queue(each.item.queue).waits_for.get(wish.why, wish.within)
            in_time = within is None or self.now < since(each.item) + within
            there = person is not None and self.takes_work(person) and wish.agent not in each.pauses
            if in_time and there and person is not None and self.is_able(person, each, wish):
                each.only = wish
                return

    def held_by(self, name: str) -> list[Item]:
        return [
            each
            for each in self.items.values()
            if each.owner == name or (each.offer and each.offer.agent == name)
        ]

    def fits(self, person: Person, each: Item, beside: list[Item]) -> bool:
        item = each.item
        if each.only is not None and each.only.override:
            return True
        same = [each for each in beside if each.item.medium == item.medium]
        if len(same) >= person.agent.capacity.get(item.medium, 0):
            return False
        may_interrupt = self.policy.interrupts.get(item.medium, frozenset())
        beside = [other for other in beside if other.item.medium not in may_interrupt]
        weights = self.policy.weights
        weight = sum(weights.get(other.item.medium, 1) for other in beside) + weights.get(item.medium, 1)
        if person.agent.units is not None and weight > person.agent.units:
            return False
        exclusive = self.policy.exclusive
        if item.medium in exclusive:
            return not beside
        return not any(each.item.medium in exclusive for each in beside)

    def may_be_offered(self, person: Person, each: Item) -> bool:
        name = person.agent.id
        held = self.held_by(name)
        return (
            self.takes_work(person)
            and not any(other.offer for other in held)
            and name not in each.pauses
            and self.could_serve(person, each)
            and self.fits(person, each, held)
        )

    def takes_work(self, person: Person) -> bool:
        return person.ready and not person.blocked and not self.shift_is_over(person)

    def shift_is_over(self, person: Person) -> bool:
        end = person.agent.shift_end
        return end is not None and self.now >= end - self.policy.shift_margin

    def takes_turns(self) -> bool:
        return any(queue.choice == "round_robin" for queue in self.policy.queues)

    def rank(self, person: Person, each: Item) -> tuple[int, int, str]:
        """By which the least of all who could have an item is chosen."""
        agent, load = person.agent, len(self.held_by(person.agent.id))
        match self.queue(each.item.queue).choice:
            case "least_loaded":
                first = load
            case "best_skill":
                first = -self.best_levels(agent, each)
            case "round_robin":
                first = person.last_offer
            case "most_specific":
                first = len(agent.queues) + len(agent.skills)
            case _:
                first = 0
        return first, person.idle_since, agent.id

    def best_levels(self, agent: Agent, each: Item) -> int:
        """The largest sum of levels over the skills of an alternative that the agent meets.

        An alternative that asks for all that another one asks for, and more, is none.
        """
        if each.only is not None and each.only.direct:
            return 0
        queue = self.queue(each.item.queue)
        rings = queue.rings[: each.ring]
        left = {skill for ring in rings for skill in ring.drop}
        lower = sum(ring.lower for ring in rings)
        written = normal(
            each.item.requires + more + one
            for more in each.item.any_of or ((),)
            for one in queue.any_of or ((),)
        )
        asked = normal(
            tuple(Skill(name, max(level - lower, min(level, 1))) for name, level in term if name not in left)
            for term in written
        )
        return max(
            (
                sum(agent.skills[name] for name, _ in term)
                for term in asked
                if all(agent.skills.get(name, -99) >= level for name, level in term)
            ),
            default=0,
        )

    def line(self, queue: str) -> list[Item]:
        waiting = [each for each in self.items.values() if each.waits and each.item.queue == queue]
        return sorted(waiting, key=lambda each: self.key(each.item))

    # --- applying -----------------------------------------------------------------------------------------------

    def apply(self, command: c.Command, now: Micros) -> tuple[d.Decision, ...]:
        self.now = max(self.now, now)
        self.out = []
        self.arrived = None
        self.follow(command)
        for _, each in sorted(self.items.items()):
            self.miss(each)
            self.overflow(each)
            self.expire(each)
        for each in self.items.values():
            if each.waits:
                self.stage(each)
        self.tell_unroutable()
        self.match()
        self.dial(looks=isinstance(command, c.Tick))
        return tuple(self.out)

    def tell_unroutable(self) -> None:
        for each in sorted(self.items.values(), key=lambda each: self.key(each.item)):
            lost = each.waits and not self.is_for_nobody(each)
            lost = lost and not any(self.could_serve(person, each) for person in self.people.values())
            if lost and not each.told_unroutable:
                self.out.append(d.Unroutable(each.item.id))
            each.told_unroutable = lost

    def match(self) -> None:
        waiting = [each for each in self.items.values() if each.waits]
        for each in sorted(waiting, key=lambda each: self.key(each.item)):
            free = [person for person in self.people.values() if self.may_be_offered(person, each)]
            if free:
                chosen = min(free, key=lambda person: self.rank(person, each))
                self.make_offer(each, chosen, len(free))

    def make_offer(self, each: Item, person: Person, candidates: int) -> None:
        item = each.item
        line = self.line(item.queue)
        because: d.Because = {
            "rule": self.queue(item.queue).choice,
            "queue": item.queue,
            "position": [other.item.id for other in line].index(item.id) + 1,
            "waiting": len(line),
            "waited_ms": max(self.now - item.queued_at, 0) // 1000,
            "key": self.key(item)[0] // 100,
            "target_ms": self.queue(item.queue).target // 1000,
            "head_start_min": self.queue(item.queue).priority + item.priority,
            "candidates": candidates,
            "idle_ms": max(self.now - person.idle_since, 0) // 1000,
            "attempt": each.attempts + 1,
            "policy_version": self.policy.version,
        }
        if each.only is not None:
            because = {**because, "preferred": each.only.why}
        if item.callback is not None:
            first = self.calls_back(item).first
            because = {**because, "callback": first, "missed": item.callback.missed}
            if item.callback.asked_at:
                because = {**because, "promised_ms": max(self.now - item.callback.asked_at, 0) // 1000}
        if item.kept:
            because = {**because, "kept": item.kept}
        if each.ring:
            because = {**because, "ring": each.ring}
        queue = self.queue(item.queue)
        if item.value:
            because = {**because, "value_ms": min(item.value * queue.value_weight, queue.value_cap) // 1000}
        if self.slope(item) != 100:
            because = {**because, "slope_pct": self.slope(item)}
        if queue.order != "due":
            because = {**because, "order": queue.order}
        if self.takes_turns():
            person.last_offer = self.now
        each.attempts += 1
        each.place = "offered"
        each.offer = Offer(
            f"{item.id}.{each.attempts}",
            item.id,
            person.agent.id,
            self.now,
            self.now + self.queue(item.queue).ring,
            each.attempts,
        )
        self.out.append(d.OfferMade(each.offer, because))

    def known_or_new(self, item: WorkItem) -> Item:
        if item.id not in self.items:
            before = self.ended.pop(item.id, None)
            self.items[item.id] = Item(item, before.attempts, late=before.late) if before else Item(item, 0)
        return self.items[item.id]

    def forget(self, name: str) -> None:
        self.ended[name] = self.items.pop(name)

    # --- what the facts do --------------------------------------------------------------------------------------

    def person(self, name: str) -> Person:
        return self.people.setdefault(name, Person(Agent(name, frozenset())))

    def withdraw(self, each: Item) -> None:
        assert each.offer
        self.out.append(d.OfferWithdrawn(each.offer))
        self.close(each)

    def close(self, each: Item) -> None:
        """The offer is over, the item waits again, and the agent may still turn out to have answered."""
        assert each.offer
        each.late.pop(each.offer.id, None)
        each.late[each.offer.id] = each.offer.agent
        if len(each.late) > LATE_ANSWERS:
            del each.late[min(each.late, key=lambda offer: list(each.late).index(offer))]
        each.offer = None
        each.place = "waiting"

    def take_away(self, each: Item) -> None:
        """Whoever has the item has it no longer."""
        if each.offer:
            self.withdraw(each)
        if each.owner:
            person = self.people[each.owner]
            person.idle_since = self.now
            person.blocked = False
        each.owner = None
        each.place = "parked"

    def give(self, each: Item, name: str) -> None:
        each.place = "served"
        each.offer = None
        each.owner = name
        self.person(name).blocked = False
        self.recheck(name)

    def recheck(self, name: str) -> None:
        person = self.people[name]
        held = self.held_by(name)
        for each in held:
            rest = [other for other in held if other is not each]
            allowed = (
                person.ready
                and not person.blocked
                and self.could_serve(person, each)
                and self.fits(person, each, rest)
            )
            if each.offer and not allowed:
                self.withdraw(each)

    def unbench(self, person: Person) -> None:
        person.ready = True
        person.reason = None
        person.benched_by = None

    def follow(self, command: c.Command) -> None:  # noqa: C901, PLR0912, PLR0915  # one case after the other reads best
        items = self.items
        match command:
            case c.WorkQueued(item=item, attempts=attempts):
                each = self.known_or_new(item)
                each.attempts = max(each.attempts, attempts)
                told_again = each.waits or (each.offer is not None and attempts < each.offer.attempt)
                if told_again and each.item == item:
                    return
                self.take_away(each)
                each.item = item
                each.place = "waiting"
                self.arrived = item.id
            case c.WorkChanged(item=item) if item.id in items:
                each = items[item.id]
                if each.item == item:
                    return
                if each.place in {"waiting", "offered", "parked"}:
                    each.item = item
                if each.offer:
                    self.stage(each)
                    self.recheck(each.offer.agent)
            case c.WorkTaken(item=item, agent=name):
                each = self.known_or_new(item)
                if each.place == "served" and each.owner == name:
                    return
                self.take_away(each)
                each.item = item
                self.give(each, name)
            case c.WorkEnded(item=name) if name in items:
                self.take_away(items[name])
                self.forget(name)
            case c.AgentReady(agent=agent, idle_since=idle_since):
                person = self.person(agent.id)
                person.idle_since = idle_since
                self.unbench(person)
                self.introduce(person, agent)
            case c.AgentChanged(agent=agent):
                self.introduce(self.person(agent.id), agent)
            case c.AgentAway(agent=name, reason=reason) if name in self.people:
                self.people[name].missed = 0
                self.stop(name, reason)
            case c.AgentGone(agent=name) if name in self.people:
                self.stop(name, "signed_out")
            case c.WrapUpStarted(item=name, agent=agent_id, until=until) if name in items:
                each = items[name]
                if each.owner == agent_id:
                    each.place = "wrap_up"
                    each.until = until
            case c.WrapUpEnded(item=name, agent=agent_id) if name in items:
                if items[name].place == "wrap_up" and items[name].owner == agent_id:
                    self.take_away(items[name])
                    self.forget(name)
            case c.OfferAccepted(item=name) | c.OfferDeclined(item=name) if name in items:
                self.answered(command, items[name])
            case c.DecisionRefused(decision=decision, reason=reason):
                self.refused(decision, reason)
            case c.PolicyChanged(policy=policy) if policy.version >= self.policy.version:
                if policy != self.policy:
                    self.policy = policy
                    if not self.takes_turns():
                        for person in self.people.values():
                            person.last_offer = 0
                    for each in self.items.values():
                        if each.offer:
                            self.stage(each)
                for name in sorted(self.people):
                    self.recheck(name)
            case c.Tick():
                self.tick()

    def introduce(self, person: Person, agent: Agent) -> None:
        person.agent = agent
        person.blocked = False
        self.recheck(agent.id)

    def stop(self, name: str, reason: str) -> None:
        person = self.people[name]
        person.ready = False
        person.reason = reason
        person.blocked = False
        person.benched_by = None
        self.recheck(name)

    def answered(self, command: c.OfferAccepted | c.OfferDeclined, each: Item) -> None:
        pending = each.offer is not None and (each.offer.id, each.offer.agent) == (
            command.offer,
            command.agent,
        )
        late = each.owner is None and each.late.get(command.offer) == command.agent
        if not pending and not late:
            return
        person = self.person(command.agent)
        person.missed = 0
        if late and person.benched_by == command.offer:
            self.unbench(person)
        if isinstance(command, c.OfferAccepted):
            if late and each.offer:
                self.withdraw(each)
            each.late.pop(command.offer, None)
            self.give(each, command.agent)
            return
        if pending:
            each.offer = None
            each.place = "waiting"
        else:
            del each.late[command.offer]
        each.pauses[command.agent] = self.now + self.queue(each.item.queue).decline_pause
        person.blocked = False

    def refused(self, decision: d.Decision, reason: str) -> None:
        if isinstance(decision, d.AgentBenched) and decision.agent in self.people:
            person = self.people[decision.agent]
            if person.benched_by == decision.offer:
                self.unbench(person)
                person.blocked = reason == "agent"
        if isinstance(decision, d.Overflowed | d.CallbackMissed | d.CallbackExpired) and reason != "item":
            self.back_into_line(decision)
        if isinstance(decision, d.CustomerDialled) and decision.item in self.items:
            self.not_dialled(self.items[decision.item], reason)
        if isinstance(decision, d.OfferMade) and decision.offer.item in self.items:
            each = self.items[decision.offer.item]
            if each.offer == decision.offer:
                self.close(each)
                if reason == "item":
                    each.place = "parked"
                if reason == "agent":
                    self.people[decision.offer.agent].blocked = True

    def back_into_line(self, decision: d.Overflowed | d.CallbackMissed | d.CallbackExpired) -> None:
        each = self.items.get(decision.item)
        if each is None or each.place != "parked":
            return
        if isinstance(decision, d.Overflowed):
            each.spent.add((decision.queue, str(decision.because["when"]), str(decision.because["to"])))
        elif isinstance(decision, d.CallbackExpired):
            each.promise_kept = True
        elif not decision.gave_up:
            return
        each.place = "waiting"
        if isinstance(decision, d.CallbackMissed) and each.item.callback is not None:
            until = self.now + self.calls_back(each.item).pause
            rests = replace(each.item.callback, rests_until=until, dialled_at=None)
            each.item = replace(each.item, callback=rests)

    def not_dialled(self, each: Item, reason: str) -> None:
        callback = each.item.callback
        if not each.waits or callback is None or callback.dialled_at is None:
            return
        if reason == "item":
            each.place = "parked"
        else:
            until = self.now + self.calls_back(each.item).pause
            each.item = replace(each.item, callback=replace(callback, rests_until=until, dialled_at=None))

    def tick(self) -> None:
        for at, kind, item, agent in sorted(self.due()):
            each = self.items[item]
            if kind == 0 and each.offer:
                offer = each.offer
                self.out.append(d.OfferExpired(offer))
                self.close(each)
                person = self.people[agent]
                person.missed += 1
                if self.policy.bench_after > 1:
                    each.pauses[agent] = self.now + self.queue(each.item.queue).decline_pause
                if person.missed < self.policy.bench_after:
                    continue
                person.missed = 0
                person.ready = False
                person.reason = "no_answer"
                person.benched_by = offer.id
                self.out.append(d.AgentBenched(agent, "no_answer", offer.id))
            elif kind == 1:
                self.out.append(d.WrapUpExpired(item, agent))
                self.take_away(each)
                self.forget(item)
            elif kind == 2 and each.pauses.get(agent) == at:
                # gone already if wrap-up ended in this very tick, another one if an offer of it expired
                del each.pauses[agent]

    def due(self) -> list[tuple[Micros, int, str, str]]:
        found = []
        for name, each in self.items.items():
            if each.offer:
                found.append((each.offer.deadline, 0, name, each.offer.agent))
            if each.place == "wrap_up" and each.owner:
                found.append((each.until, 1, name, each.owner))
            if (
                each.place != "wrap_up" or each.until > self.now
            ):  # else the item is gone before its pauses matter
                found.extend((until, 2, name, agent) for agent, until in each.pauses.items())
        return [each for each in found if each[0] <= self.now]


def plain(decisions: tuple[d.Decision, ...]) -> list[d.Decision]:
    """Decisions to compare with the plain model's: the reasons of offers only, the others are table-tested."""
    return [each if isinstance(each, d.OfferMade) else replace(each, because={}) for each in decisions]
