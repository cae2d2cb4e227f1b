"""A small centre that lives by a seed: customers come and give up, agents answer, decline, ignore, go to lunch.

It writes the commands as a host would send them, and is used to record histories and to compare routers.
"""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from routing import commands as c
from routing import decisions as d
from routing.model import (
    MINUTE,
    SECOND,
    Agent,
    Micros,
    Offer,
    Overflow,
    Policy,
    Preferred,
    QueuePolicy,
    Ring,
    Skill,
    WorkItem,
)
from routing.router import Router
from tests.routing.worlds import START

POLICY = Policy(
    1,
    (
        QueuePolicy("billing", target=60 * SECOND),
        QueuePolicy("repair", target=20 * SECOND, ring=15 * SECOND),
        QueuePolicy("sales", priority=1, wrap_up=30 * SECOND),
    ),
)
SKILLS = ("english", "french", "german")


def ruled(**rules: object) -> Policy:
    """The same queues with more rules for all of them; overflow goes to sales, which has none."""
    queues = [replace(queue, **rules) for queue in POLICY.queues]  # type: ignore[arg-type]  # the caller's business
    return replace(POLICY, queues=(*queues[:2], replace(queues[2], overflow=())))


RINGS = ruled(
    rings=(Ring(8 * SECOND, lower=1), Ring(20 * SECOND, drop=("german",)), Ring(40 * SECOND, lower=2))
)
OVERFLOW = ruled(
    overflow=(
        Overflow("size", "queue", "sales", size=3),
        Overflow("wait", "voicemail", after=40 * SECOND),
        Overflow("no_staff", "queue", "sales"),
    )
)
STRICT = ruled(order="strict", value_weight=2 * SECOND, value_cap=MINUTE, choice="best_skill")


class Centre:
    """`history` yields (command, now)."""

    def __init__(self, seed: int, agents: int, policy: Policy = POLICY) -> None:
        self.random = Random(seed)
        self.now: Micros = START
        self.number = 0
        self.policy = policy
        self.router = Router(policy)
        self.team = [self.somebody(f"agent{number:02}") for number in range(agents)]

    def somebody(self, name: str) -> Agent:
        pick = self.random
        return Agent(
            name,
            frozenset(pick.sample(("billing", "repair", "sales"), pick.randint(1, 3))),
            {skill: pick.randint(1, 5) for skill in pick.sample(SKILLS, 2)},
            {"phone": 1, "chat": pick.randint(1, 3), "mail": 2},
        )

    def something(self) -> WorkItem:
        pick = self.random
        self.number += 1
        requires = (Skill(pick.choice(SKILLS), pick.randint(1, 4)),) if pick.random() < 0.6 else ()
        return WorkItem(
            f"int{self.number:04}",
            pick.choice(("phone", "phone", "chat", "mail")),
            pick.choice(("billing", "repair", "sales")),
            self.now,
            pick.choice((0, 0, 0, 1, 5)),
            requires,
        )

    def history(self, length: int) -> Iterator[tuple[c.Command, Micros]]:
        """Commands with their times. The centre follows its own router to know what can happen next."""
        for agent in self.team:
            self.router.apply(c.AgentReady(agent, START), self.now)
            yield c.AgentReady(agent, START), self.now
        for _ in range(length):
            self.now += self.random.randint(0, 4_000_000)
            due = self.router.next_deadline()
            if due is not None and due <= self.now:
                self.router.apply(c.Tick(), self.now)
                yield c.Tick(), self.now
            command = self.next_command()
            self.last = self.router.apply(command, self.now)
            yield command, self.now

    def next_command(self) -> c.Command:
        chance = self.random.random()
        offers = self.router.pending_offers()
        views = [view for agent in self.team if (view := self.router.agent(agent.id)) is not None]
        serving = [(item, view.id) for view in views for item in view.serving]
        wrapping = [(item, view.id) for view in views for item in view.wrapping]
        if chance < 0.32:
            return c.WorkQueued(self.something())
        if chance < 0.58 and offers:
            return self.answer(self.random.choice(offers))
        if chance < 0.74 and serving:
            item, agent = self.random.choice(serving)
            return c.WrapUpStarted(item, agent, self.now + self.random.randint(5, 60) * SECOND)
        if chance < 0.80 and wrapping:
            return c.WrapUpEnded(*self.random.choice(wrapping))
        if chance < 0.86 and serving:
            return c.WorkEnded(self.random.choice(serving)[0])
        if chance < 0.90:
            return c.WorkEnded(f"int{self.random.randint(1, max(self.number, 1)):04}")
        return self.agents_do_something()

    def answer(self, offer: Offer) -> c.Command:
        kind = c.OfferDeclined if self.random.random() < 0.15 else c.OfferAccepted
        return kind(offer.id, offer.item, offer.agent)

    def agents_do_something(self) -> c.Command:
        agent = self.random.choice(self.team)
        chance = self.random.random()
        if chance < 0.25:
            return c.AgentAway(agent.id, "lunch")
        if chance < 0.30:
            return c.AgentGone(agent.id)
        if chance < 0.40 and self.last and isinstance(self.last[-1], d.OfferMade):
            return c.DecisionRefused(self.last[-1], self.random.choice(("item", "agent")))
        if chance < 0.45:
            changed = replace(self.policy.queues[1], priority=self.random.randint(0, 9), ring=20 * SECOND)
            return c.PolicyChanged(replace(self.policy, version=2, queues=(changed, *self.policy.queues[2:])))
        return c.AgentReady(agent, self.now - self.random.randint(0, 2) * MINUTE)

    last: tuple[d.Decision, ...] = ()


class ChoosyCentre(Centre):
    """Customers who have alternatives, are worth something, or were served before."""

    def something(self) -> WorkItem:
        pick, plain = self.random, super().something()
        return replace(
            plain,
            any_of=tuple(
                (Skill(name, pick.randint(1, 3)),) for name in pick.sample(SKILLS, pick.choice((0, 2)))
            ),
            value=pick.choice((0, 0, 5, 100)),
            preferred=tuple(
                Preferred(agent.id, pick.randint(5, 40) * SECOND)
                for agent in pick.sample(self.team, pick.choice((0, 0, 1)))
            ),
        )
