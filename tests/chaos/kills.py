"""`kill -9` again and again: each node dies, at random or at a named point, and is started again at once."""

import asyncio
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from service_desk.killpoint import POINTS
from tests.chaos.front import Node
from tests.chaos.measure import Recovery, State, look, recovery
from tests.chaos.stage import Stage

IN_PARTS = frozenset({"migrate.before_statement", "retention.after_batch", "figures.before_alerts"})
"""Points that a serving desk passes seldom or never: `parts` runs what has them by itself."""
SERVING = tuple(sorted(POINTS - IN_PARTS))
MOST = {
    "store.before_log": 60,
    "store.before_commit": 60,
    "store.after_commit": 60,
    "intake.before_answer": 30,
    "outbox.after_claim": 2,
    "outbox.after_effect": 2,
}
"""How often a point is passed at most before it kills; 4 times where nothing is said, a start's points once."""
ONCE = frozenset({"host.before_restore", "timers.before_fire", "mailroom.before_answer"})
WEBHOOK_S, RIGHT_S = 3.0, 5.0
"""After a kill a caller must have a real answer, and offers and timers be right."""
RANDOM_S = 4.0
"""Kills at random come so soon after the start of the process: some while it starts."""
REACH_S = 6.0
"""A point that is not passed for so long after the process serves is given up: it is killed all the same."""
START_S = 60.0
QUIET_START_S = 2.0
"""So long a start takes on a machine that does nothing else."""
LOOK_EVERY_S = 0.005


@dataclass(frozen=True, slots=True)
class Aim:
    """Where processes are to die. A campaign of thousands may give up some points; one of few waits longer."""

    points: Sequence[str] = SERVING
    named: float = 0.5
    """The share of the deaths at a point; the others are at random."""
    passes: int = max(MOST.values())
    """How often any point is passed at most before it kills, whatever `MOST` says."""
    reach_s: float = REACH_S


@dataclass(frozen=True, slots=True)
class Arm:
    """How a process is to die: at the n-th pass of a point, else after some seconds of life."""

    point: str | None
    nth: int
    after_s: float

    def __str__(self) -> str:
        return f"at {self.point}:{self.nth}" if self.point else f"after {self.after_s:.2f} s"


@dataclass(slots=True)
class Death:
    """One kill and how the desk came back from it."""

    node: str
    arm: Arm
    at: float
    reached: bool
    """Whether it died at the point it was armed for."""
    recovery: Recovery | None = None
    alone: bool = True
    """No other kill came while the desk was coming back: then the bars hold."""

    def __str__(self) -> str:
        missed = self.arm.point is not None and not self.reached
        return f"{self.node} {self.arm}{', which was not reached' if missed else ''}"


def arms(seed: int, name: str, aim: Aim) -> Iterator[Arm]:
    """How a node dies, one time after the other; at points, all of them equally often."""
    chance = random.Random(f"kills {seed} {name}")
    order = list(aim.points)
    chance.shuffle(order)
    turn = itertools.cycle(order)
    while True:
        if chance.random() < aim.named:
            point = next(turn)
            nth = 1 if point in ONCE else chance.randint(1, min(aim.passes, MOST.get(point, 4)))
            yield Arm(point, nth, aim.reach_s)
        else:
            yield Arm(None, 0, chance.uniform(0.0, RANDOM_S))


@dataclass(slots=True)
class Kills:
    """The kills of a campaign."""

    stage: Stage
    seed: int
    wanted: int
    aim: Aim = field(default_factory=Aim)
    say: Callable[[str], object] = str
    deaths: list[Death] = field(default_factory=list)
    _start_s: dict[str, float] = field(default_factory=dict)
    _watching: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def run(self) -> None:
        """Kill so often; all nodes serve again when it returns."""
        async with asyncio.TaskGroup() as keepers:
            for node in self.stage.nodes:
                keepers.create_task(self._keep(node))
        await asyncio.gather(*self._watching)

    def misses(self) -> list[str]:
        """Kills after which the desk was not back in time; those that another kill followed too soon are left out."""
        return [
            f"{death.node} {death.arm}: {what} after {took:.1f} s, not {most:g}"
            for death in self.deaths
            if death.alone and (back := death.recovery) is not None
            for what, took, most in (
                ("first webhook", back.webhook_s, WEBHOOK_S),
                ("all right", back.right_s, RIGHT_S),
            )
            if took > most
        ]

    def figures(self) -> str:
        """Median and worst of what was measured, and how often each point killed."""
        alone = [death.recovery for death in self.deaths if death.alone and death.recovery is not None]
        webhook, right = (
            [getattr(back, name) for back in alone] or [0.0] for name in ("webhook_s", "right_s")
        )
        hits = ", ".join(f"{point} {count}" for point, count in sorted(self.coverage().items()))
        return (
            f"{len(self.deaths)} kills, {len(alone)} of them with time to come back: first webhook "
            f"{statistics.median(webhook):.2f} s, worst {max(webhook):.2f}; all right "
            f"{statistics.median(right):.2f} s, worst {max(right):.2f}\npoints: {hits}"
        )

    def coverage(self) -> Counter[str]:
        """How often each point killed; those that never did, too."""
        hits = Counter(dict.fromkeys(self.aim.points, 0))
        hits.update(death.arm.point for death in self.deaths if death.reached and death.arm.point)
        return hits

    async def _keep(self, node: Node) -> None:
        for arm in arms(self.seed, node.name, self.aim):
            if len(self.deaths) >= self.wanted:
                break
            if node.process.dead():
                node.process.launch(kill_at=f"{arm.point}:{arm.nth}" if arm.point else None)
                dies = arm
            else:  # as the campaign found it
                dies = Arm(None, 0, RANDOM_S)
            reached = await self._die(node, dies)
            self._note(Death(node.name, dies, time.monotonic(), reached))
        await node.process.start()

    async def _die(self, node: Node, arm: Arm) -> bool:
        began = time.monotonic()
        until = began + (arm.after_s * self._slowness(node) if arm.point is None else START_S)
        well = False
        while not node.process.dead():
            if not well and self.stage.front.is_well(node):
                well, self._start_s[node.name] = True, time.monotonic() - began
                if arm.point is not None:
                    until = time.monotonic() + arm.after_s * self._slowness(node)
            if time.monotonic() > until:
                node.process.kill()
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        assert node.process.exit_code == -9, f"{node.name} {arm}: ended by itself\n{node.process.log()}"
        return True

    def _slowness(self, node: Node) -> float:
        """How much slower than a quiet one the machine is, by the node's last start: times stretch with it."""
        return max(1.0, self._start_s.get(node.name, 0.0) / QUIET_START_S)

    def _note(self, death: Death) -> None:
        for other in self.deaths:
            if other.recovery is None:
                other.alone = False
        self.deaths.append(death)
        self.say(f"{len(self.deaths)}. {death}")
        task = asyncio.create_task(self._watch(death))
        self._watching.add(task)

    async def _watch(self, death: Death) -> None:
        before: State = await self.stage.desk.read(look)
        death.recovery = await recovery(self.stage, death.at, before)
