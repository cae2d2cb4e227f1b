"""A campaign: a seeded plan of faults played on a running stage, each measured; then the books are compared."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.auditor import audit
from tests.chaos.backlog import arm, fill
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.kills import Aim, Kills
from tests.chaos.ledger import now_us, read
from tests.chaos.measure import Recovery, look, recovery
from tests.chaos.stage import Kind, Stage, life, stage

REST_S = (2.0, 5.0)
WARM_UP_S = 2.0
TIMERS, TIMERS_WITHIN_S = 100, 4.0
"""With a backlog: so many timers become due in the seconds after each fault began."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of a plan."""

    fault: str
    lasts_s: float
    rest_s: float
    """Between the desk's being well again and the next fault."""

    def __str__(self) -> str:
        return f"{self.fault} for {self.lasts_s:.1f} s"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a campaign runs on. With its plan's seed it is all that a replay needs."""

    kind: Kind
    nodes: int
    seed: int
    backlog: int = 0
    """Contacts that are open all the time."""

    def possible(self) -> list[str]:
        """The names of the faults that can happen here."""
        has = {self.kind, "clocks", "network", *(["two nodes"] if self.nodes > 1 else [])}
        return sorted(name for name, fault in FAULTS.items() if fault.needs <= has)


def plan(setting: Setting, minutes: float, only: Sequence[str] = ()) -> list[Step]:
    """Faults for so many minutes, in rounds in which each comes once. ValueError for one that cannot happen here."""
    names = list(only) or setting.possible()
    if strange := set(names) - set(setting.possible()):
        raise ValueError(f"not on {setting.nodes} x {setting.kind}: {', '.join(sorted(strange))}")
    chance = Random(f"plan {setting.seed}")
    steps: list[Step] = []
    left_s = minutes * 60
    while True:
        chance.shuffle(names)
        for name in names:
            step = Step(name, chance.uniform(*FAULTS[name].lasts_s), chance.uniform(*REST_S))
            left_s -= step.lasts_s + step.rest_s + FAULTS[name].right_s
            if left_s < 0 and len(steps) >= max(1, len(only)):
                return steps
            steps.append(step)


@dataclass(slots=True)
class Result:
    """What a fault did."""

    step: Step
    recovery: Recovery
    answers: Counter[str]
    """The carrier's webhooks while it lasted, by what was answered."""

    def misses(self) -> list[str]:
        """Bars that were not held."""
        fault = FAULTS[self.step.fault]
        bars = (
            ("first webhook", self.recovery.webhook_s, fault.webhook_s),
            ("all right", self.recovery.right_s, fault.right_s),
        )
        return [
            f"{self.step}: {what} after {took:.1f} s, not {most:g}"
            for what, took, most in bars
            if took > most
        ]

    def __str__(self) -> str:
        back = self.recovery
        answers = ", ".join(f"{count} {what}" for what, count in sorted(self.answers.items()))
        return (
            f"{self.step}: webhook {back.webhook_s:.2f} s, routing {back.routing_s:.2f} s, right {back.right_s:.2f} s"
            f"{', moved' if back.moved else ''}; meanwhile {answers or 'no webhooks'}"
        )


@dataclass(slots=True)
class Report:
    """What a campaign found."""

    results: list[Result] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    settled_s: float = 0.0

    def misses(self) -> list[str]:
        return [miss for result in self.results for miss in result.misses()]


async def campaign(
    setting: Setting,
    steps: Sequence[Step],
    folder: Path,
    *,
    per_second: float,
    say: Say,
    template: Path | None = None,
) -> Report:
    """Play the plan. AssertionError when the desk does not come back or its work is not done in the end."""
    report = Report()
    needs = {need for step in steps for need in FAULTS[step.fault].needs}
    async with stage(
        folder,
        setting.kind,
        nodes=setting.nodes,
        seed=setting.seed,
        clocks="clocks" in needs,
        network="network" in needs,
    ) as running:
        if setting.backlog:
            await fill(running, setting.backlog)
        await running.start()
        chance = Random(f"faults {setting.seed}")
        async with life(running, setting.seed, per_second):
            await asyncio.sleep(WARM_UP_S)
            for step in steps:
                if setting.backlog:
                    await arm(running.desk, chance, TIMERS, TIMERS_WITHIN_S)
                result = await play(running, step, chance)
                say(str(result))
                report.results.append(result)
                await asyncio.sleep(step.rest_s)
            stopped = time.monotonic()
        report.settled_s = time.monotonic() - stopped
        for node in running.nodes:
            await node.process.stop()
        report.findings = await found(running)
    return report


async def kill_campaign(
    setting: Setting, kills: int, folder: Path, *, per_second: float, say: Say, aim: Aim | None = None
) -> tuple[Kills, list[str]]:
    """Kill so often, half of the time at random and half at any point unless said; what the auditor finds then."""
    async with stage(folder, setting.kind, nodes=setting.nodes, seed=setting.seed) as running:
        killing = Kills(running, setting.seed, kills, aim or Aim(), say)
        await running.start()
        async with life(running, setting.seed, per_second):
            await killing.run()
        for node in running.nodes:
            await node.process.stop()
        return killing, await found(running)


async def play(running: Stage, step: Step, chance: Random) -> Result:
    """One fault, and the way back from it."""
    fault: Fault = FAULTS[step.fault]
    before = await running.desk.read(look)
    since, began = now_us(), time.monotonic()
    watching: asyncio.Task[Recovery] | None = None
    async with fault.begin(running, chance):
        if fault.back_from == "begin":
            watching = asyncio.create_task(recovery(running, began, before))
        await asyncio.sleep(step.lasts_s)
        answers = _answers(running, since)
    if watching is None:
        ended = time.monotonic()
        before = await running.desk.read(look)
        watching = asyncio.create_task(recovery(running, ended, before))
    return Result(step, await watching, answers)


def _answers(running: Stage, since: int) -> Counter[str]:
    record = running.world.carrier.exchange.record
    found: Counter[str] = Counter()
    for entry in record.after(max(0, record.last - 15_000), 15_000, "webhook"):
        if entry["at"] > since:
            status = entry.get("status")
            found["unanswered" if status is None else f"{status // 100}xx"] += 1
    return found


async def found(running: Stage) -> list[str]:
    """What the auditor finds, in words; empty is what should be.

    A console whose frames have a gap asks for what is missing, and after a fault the desk tells it to: that is no
    fault here. That each screen shows what is so in the end is looked at by the auditor as well.
    """
    findings = await running.desk.read(audit, read(running.folder))
    return [f"{each.check}: {each.subject}: {each.detail}" for each in findings if each.check != "frames"]
