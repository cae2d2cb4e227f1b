"""How many decisions a second the router makes, beside a naive scan in the same run.

    python -m benchmarks.routing

A centre of 5,000 agents and 200 queues. Each queue asks for a skill of its own, at level 1, 2 or 3 by item; each
agent serves 5 queues and has their 5 skills at levels from 1 to 3. Two situations:

- backlog: 50,000 items wait. A round is: an agent's item ends and they get the first they may have (the decision),
  they accept, and a new item joins.
- idle: nobody waits. A round is: an item joins and goes to the agent who is idle longest (the decision), they
  accept, and the item ends.

Decisions a second count whole rounds, all three commands and every `because` included; commands a second
are three times that; percentiles are of the deciding call alone, without what reading the clock takes.
All times are CPU time: the router does nothing but compute, and other programs on the machine should not count. Before
the rounds that count, every agent has had a turn: what is worked out with the first look at somebody's lines is there.
The naive scan makes the same choice by looking at all items, without any bookkeeping.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from random import Random
from statistics import quantiles
from time import process_time, process_time_ns
from typing import Any, NamedTuple

from routing.commands import (
    AgentReady,
    OfferAccepted,
    PolicyChanged,
    WorkChanged,
    WorkEnded,
    WorkQueued,
    WorkTaken,
)
from routing.decisions import Decision, OfferMade
from routing.model import MINUTE, SECOND, Agent, Micros, Policy, QueuePolicy, Skill, WorkItem
from routing.router import Router

START: Micros = 1_700_000_000 * SECOND
QUEUES = [f"q{number:03}" for number in range(200)]
AGENTS, WAITING, SKILLS_EACH = 5_000, 50_000, 5
ROUNDS = 20_000
NAIVE_ROUNDS = 100
CLOCK_READINGS = 10_000
CROWD, PUBLISHED = 10_000, 3


class Run(NamedTuple):
    """What one run gave: decisions a second, and microseconds of the deciding call."""

    per_second: float
    mean: float
    p50: float
    p99: float
    worst: float


class Centre:
    """The same people and the same work for every run of one size."""

    def __init__(self, agents: int, seed: int = 1) -> None:
        self._random = Random(seed)
        self._numbers = count()
        self.now = START
        self.policy = Policy(1, tuple(QueuePolicy(queue, target=20 * SECOND) for queue in QUEUES))
        self.agents = [self._agent(number) for number in range(agents)]

    def _agent(self, number: int) -> Agent:
        queues = self._random.sample(QUEUES, SKILLS_EACH)
        levels = {f"skill-{queue}": self._random.randint(1, 3) for queue in queues}
        return Agent(f"agt_{number:06}", frozenset(queues), levels, {"phone": 1})

    def item(self) -> WorkItem:
        queue = self._random.choice(QUEUES)
        return WorkItem(
            id=f"int_{next(self._numbers):09}",
            medium="phone",
            queue=queue,
            queued_at=self.now,
            priority=self._random.choice([0, 0, 0, 1]),
            requires=(Skill(f"skill-{queue}", self._random.choice([1, 1, 2, 3])),),
        )

    def old_item(self) -> WorkItem:
        """One that has waited for up to ten minutes."""
        item = self.item()
        return WorkItem(
            item.id,
            item.medium,
            item.queue,
            item.queued_at - self._random.randrange(10 * MINUTE),
            item.priority,
            item.requires,
        )

    def warm_router(self) -> Router:
        """One that has met every requirement once: the first of a kind costs a look at the agents of its queue."""
        router = Router(self.policy)
        for queue in QUEUES:
            for level in (1, 2, 3):
                first = WorkItem(
                    f"first-{queue}-{level}", "phone", queue, START, 0, (Skill(f"skill-{queue}", level),)
                )
                router.apply(WorkQueued(first), self.now)
                router.apply(WorkEnded(first.id), self.now)
        return router

    def busy_router(self, waiting: int) -> Router:
        """Everybody has an item, `waiting` more wait."""
        router = self.warm_router()
        for agent in self.agents:
            router.apply(WorkTaken(self.item(), agent.id), self.now)
            router.apply(AgentReady(agent, self.now), self.now)
        for _ in range(waiting):
            router.apply(WorkQueued(self.old_item()), self.now)
        return router

    def idle_router(self) -> Router:
        router = self.warm_router()
        for agent in self.agents:
            router.apply(AgentReady(agent, self.now), self.now)
        return router

    def pass_time(self) -> Micros:
        self.now += 1_000
        return self.now


def _offer_in(decisions: tuple[Decision, ...]) -> OfferMade | None:
    return next((each for each in decisions if isinstance(each, OfferMade)), None)


def names(centre: Centre) -> list[str]:
    """The agents, in one order."""
    return [agent.id for agent in centre.agents]


def backlog(agents: int = AGENTS, waiting: int = WAITING, rounds: int = ROUNDS, *, warm: bool = True) -> Run:
    """Agents get free while a line waits; first each of them once, if `warm`, which does not count."""
    centre = Centre(agents)
    router = centre.busy_router(waiting)
    served = [item for view in map(router.agent, names(centre)) if view for item in view.serving]
    order, first = Random(2), range(len(served)) if warm else ()
    spots = [*first, *(order.randrange(len(served)) for _ in range(rounds))]
    new = [centre.item() for _ in spots]

    def rounds_of_work() -> Iterator[int]:
        for spot, item in zip(spots, new, strict=True):
            now = centre.pass_time()
            begin = process_time_ns()
            made = _offer_in(router.apply(WorkEnded(served[spot]), now))
            yield process_time_ns() - begin
            if made is not None:
                router.apply(OfferAccepted(made.offer.id, made.offer.item, made.offer.agent), now)
                served[spot] = made.offer.item
            router.apply(WorkQueued(item), now)

    return _measure(rounds_of_work, len(first))


def idle(agents: int = AGENTS, rounds: int = ROUNDS) -> Run:
    """Items come while agents stand idle; first so many as there are agents, which do not count."""
    centre = Centre(agents)
    router = centre.idle_router()
    new = [centre.item() for _ in range(agents + rounds)]

    def rounds_of_work() -> Iterator[int]:
        for item in new:
            now = centre.pass_time()
            begin = process_time_ns()
            made = _offer_in(router.apply(WorkQueued(item), now))
            yield process_time_ns() - begin
            if made is not None:
                router.apply(OfferAccepted(made.offer.id, item.id, made.offer.agent), now)
            router.apply(WorkEnded(item.id), now)

    return _measure(rounds_of_work, agents)


def naive_backlog(agents: int = AGENTS, waiting: int = WAITING, rounds: int = NAIVE_ROUNDS) -> Run:
    """The choice by looking at every item, as a first version would have it."""
    centre = Centre(agents)
    minutes = {queue.id: queue.target for queue in centre.policy.queues}
    items = {item.id: item for item in (centre.old_item() for _ in range(waiting))}
    order = Random(2)

    def choose(agent: Agent) -> WorkItem | None:
        best: tuple[Micros, str] | None = None
        for item in items.values():
            if item.queue in agent.queues and all(
                agent.skills.get(skill.name, 0) >= skill.level for skill in item.requires
            ):
                key = (item.queued_at + minutes[item.queue] - item.priority * MINUTE, item.id)
                best = key if best is None or key < best else best
        return items[best[1]] if best is not None else None

    def rounds_of_work() -> Iterator[int]:
        for _ in range(rounds):
            begin = process_time_ns()
            chosen = choose(order.choice(centre.agents))
            yield process_time_ns() - begin
            if chosen is not None:
                del items[chosen.id]
            new = centre.item()
            items[new.id] = new

    return _measure(rounds_of_work)


def _measure(work: Callable[[], Iterator[int]], uncounted: int = 0) -> Run:
    """Runs the rounds with the collector off: the router leaves no circles behind, so there is nothing to collect."""
    gc.collect()
    gc.disable()
    rounds = work()
    for _ in range(uncounted):
        next(rounds)
    clock = _clock_ns()
    begin = process_time()
    spent = [round_ns - clock for round_ns in rounds]
    seconds = process_time() - begin - 2 * clock * len(spent) / 1e9
    gc.enable()
    cuts = quantiles(spent, n=100)
    return Run(
        len(spent) / seconds,
        sum(spent) / len(spent) / 1000,
        cuts[49] / 1000,
        cuts[98] / 1000,
        max(spent) / 1000,
    )


def _clock_ns() -> float:
    """What one reading of the clock takes, which is not cheap for CPU time."""
    begin = process_time_ns()
    for _ in range(CLOCK_READINGS):
        process_time_ns()
    return (process_time_ns() - begin) / (CLOCK_READINGS + 1)


def restore_seconds() -> float:
    """Rows to router: 50,000 waiting, 5,000 agents."""
    centre = Centre(AGENTS)
    waiting = [(centre.old_item(), 0) for _ in range(WAITING)]
    agents = [(agent, False, centre.now, "lunch") for agent in centre.agents]
    begin = process_time()
    Router.rebuild(centre.policy, centre.now, agents=agents, waiting=waiting)
    return process_time() - begin


def crowd_seconds() -> tuple[float, float]:
    """In one queue where 10,000 wait: three publishes of other rules, and then a change of each item."""
    queue = QueuePolicy("q", target=20 * SECOND)
    router = Router(Policy(1, (queue,)))
    crowd = [WorkItem(f"int_{n:09}", "phone", "q", START + n) for n in range(CROWD)]
    for item in crowd:
        router.apply(WorkQueued(item), item.queued_at)
    now = START + CROWD
    begin = process_time()
    for version in range(2, 2 + PUBLISHED):
        router.apply(PolicyChanged(Policy(version, (replace(queue, target=version * SECOND),))), now)
    published = process_time()
    for item in crowd:
        router.apply(WorkChanged(replace(item, priority=1)), now)
    return published - begin, process_time() - published


def main() -> list[dict[str, Any]]:
    """Rows of the table."""
    full, empty, naive = backlog(), idle(), naive_backlog()
    few_agents, many_agents = backlog(agents=500), backlog(agents=20_000)
    short, long = backlog(waiting=1_000, rounds=900, warm=False), backlog(waiting=500_000, warm=False)
    publishing, changing = crowd_seconds()
    size = "5,000 agents, 200 queues"
    return [
        _row(f"routing: backlog, {size}, 50,000 waiting", full.per_second, "decisions/s", "> 10000"),
        _row(f"routing: idle agents, {size}", empty.per_second, "decisions/s", "> 10000"),
        _row("routing: naive scan, 50,000 waiting", naive.per_second, "decisions/s", ""),
        _row("routing: backlog, faster than the scan", full.per_second / naive.per_second, "times", "> 30"),
        _row("routing: backlog, commands", 3 * full.per_second, "commands/s", "> 200000"),
        _row("routing: backlog, deciding calls alone", 1e6 / full.mean, "decisions/s", "> 200000"),
        _row("routing: backlog p50", full.p50, "us", "< 50"),
        _row("routing: backlog p99", full.p99, "us", "< 150"),
        _row("routing: idle agents p50", empty.p50, "us", "< 50"),
        _row("routing: worst decision", max(full.worst, empty.worst) / 1000, "ms", "< 5"),
        _row("routing: p50, 20,000 / 500 agents", many_agents.p50 / few_agents.p50, "times", "< 2"),
        _row("routing: p50, 500,000 / 1,000 waiting", long.p50 / short.p50, "times", "< 2"),
        _row("routing: rebuild, 50,000 waiting, 5,000 agents", restore_seconds(), "s", "< 1"),
        _row("routing: 3 publishes, 10,000 waiting", publishing, "s", "< 1"),
        _row("routing: 10,000 items change, 10,000 waiting", changing, "s", "< 1"),
    ]


def _row(name: str, value: float, unit: str, goal: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 2), "unit": unit, "goal": goal}


if __name__ == "__main__":
    for row in main():
        sys.stdout.write(f"{row['name']:<55} {row['value']:>12,.2f} {row['unit']:<12} {row['goal']}\n")
