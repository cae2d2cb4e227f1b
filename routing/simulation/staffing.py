"""How many agents for this load and this target: by formula, or by simulation where the formula does not hold."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from routing.simulation.erlang import Performance, performance
from routing.simulation.report import Figures, Report, simulate
from routing.simulation.scenario import Scenario, ScenarioError

MOST_AGENTS = 100_000
LONGEST_LINE = 1_000_000
"""Of those who wait with patience if nobody serves them: the formula adds up every length of the line."""
MOST_TIMES = 32  # the search goes up to so many times the scenario's own heads

Definition: TypeAlias = Literal["of_offered", "of_answered", "without_short"]
DEFINITIONS: tuple[Definition, ...] = ("of_offered", "of_answered", "without_short")


class NotReachable(ValueError):
    """No number of agents meets the target; the message says what stands in the way."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for; None where nothing is. Shares from 0 to 1, seconds.

    `level` is the service level by `definition`; in a scenario None stands for each queue's own goal.
    """

    level: float | None = None
    definition: Definition = "of_offered"
    asa_s: float | None = None
    abandoned: float | None = None

    def met(self, level: float, asa_s: float, abandoned: float, goal: float | None) -> bool:
        """Whether these figures are good enough; `goal` is the level that counts."""
        return (
            (goal is None or level >= goal)
            and (self.asa_s is None or asa_s <= self.asa_s)
            and (self.abandoned is None or abandoned <= self.abandoned)
        )

    def met_by(self, found: Performance) -> bool:
        level: float = getattr(found, self.definition)
        return self.met(level, found.asa, found.abandoned, self.level)


# --- by formula -----------------------------------------------------------------------------------------


def agents_needed(
    per_s: float, handling_s: float, patience_s: float | None, within_s: float, target: Target
) -> int:
    """The least number of agents by Erlang A, or C without patience. NotReachable, ValueError for impossible input.

    Without patience it is more than the load, whatever the target: else the line grows for ever.
    """
    load = per_s * handling_s
    if target.level is not None and target.level >= 1:
        raise NotReachable("Chance leaves no number of agents that is enough for 100 %: ask for less.")
    if load > MOST_AGENTS:
        raise NotReachable(
            f"{load:,.0f} erlangs are more than {MOST_AGENTS:,} agents can serve: look whether the load is right."
        )
    if patience_s is not None and per_s * patience_s > LONGEST_LINE:
        raise NotReachable(
            f"With {patience_s:,.0f} s of patience {per_s * patience_s:,.0f} might wait at a time, too many to reckon "
            "with: patience is a matter of minutes; without a number for it nobody gives up."
        )

    def enough(agents: int) -> bool:
        stable = patience_s is not None or agents > load
        return stable and target.met_by(performance(agents, load, handling_s, patience_s, within_s))

    found = _least(enough, start=max(round(load), 1), most=MOST_AGENTS)
    if found is None:
        raise NotReachable(f"Not even {MOST_AGENTS:,} agents meet this target: ask for less.")
    return found


def _least(enough: Callable[[int], bool], start: int, most: int) -> int | None:
    """The least whole number from 1 on that is enough, if more is never worse; None if `most` is not."""
    low, high = 0, start
    while not enough(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high


def why_not_by_formula(scenario: Scenario) -> list[str]:
    """What the formulas assume and the scenario is not; empty if they are exact for it in the long run."""
    kinds, groups = scenario.contacts, scenario.groups
    facts = {
        "several kinds of contact": len(kinds) > 1,
        "several groups": len(groups) > 1,
        "arrival rates that change during the day": any(len(set(kind.arrivals)) > 1 for kind in kinds),
        "heads that change during the day": any(len(set(group.heads)) > 1 for group in groups),
        "busy and quiet days": any(kind.busyness_cv for kind in kinds),
        "handling times that are not exponential": any(
            kind.handling.shape != "exponential" for kind in kinds
        ),
        "wrap-up after the contact": any(kind.wrap_up for kind in kinds),
        "patience that is not exponential": any(
            kind.patience.at_once or (kind.patience.time and kind.patience.time.shape != "exponential")
            for kind in kinds
        ),
        "agents who take some time to answer": any(group.answer for group in groups),
        "agents with several contacts at once": any(max(group.capacity.values()) > 1 for group in groups),
        "contacts that are handed on": any(kind.transfer_to for kind in kinds),
    }
    return [what for what, true in facts.items() if true]


def needed_by_formula(scenario: Scenario, target: Target) -> int:
    """Of a scenario for which `why_not_by_formula` finds nothing."""
    kind = scenario.contacts[0]
    queue = scenario.queue(kind.queue)
    patience = kind.patience.time.mean_s if kind.patience.time else None
    level = queue.goal if target.level is None else target.level
    return agents_needed(
        kind.arrivals[0] / scenario.interval_s,
        kind.handling.mean_s,
        patience,
        queue.within_s,
        replace(target, level=level),
    )


# --- by simulation --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Staffing:
    """What the search found: the least staff that meets the target, and what one head fewer gives (None: nobody).

    `heads` counts the fullest interval of the groups that were changed.
    """

    heads: int
    enough: Report
    too_few: Report | None


def staff(
    scenario: Scenario,
    groups: Iterable[str],
    target: Target,
    progress: Callable[[int, int], None] | None = None,
) -> Staffing:
    """Change the heads of these groups, in the proportions that they have, until every queue meets the target.

    The customers are the same for each number of heads, so a bisection finds the border. A queue that none of the
    groups serves is not looked at. `progress` is told the heads and the replications done with them. ScenarioError
    if a group does not exist; NotReachable.
    """
    changed = set(groups)
    unknown = changed - {group.id for group in scenario.groups}
    if unknown or not changed:
        known = ", ".join(group.id for group in scenario.groups)
        raise ScenarioError(f"There is no group {', '.join(sorted(unknown)) or 'named'}; there are {known}.")
    peak = _peak(scenario, changed)
    if not peak:
        raise ScenarioError(
            f"The groups {', '.join(sorted(changed))} have no heads at all; give them a shape."
        )
    served = {queue for group in scenario.groups if group.id in changed for queue in group.queues}
    reports: dict[int, Report] = {}

    def enough(heads: int) -> bool:
        resized = _resized(scenario, changed, heads, peak)
        tell = (lambda done: progress(heads, done)) if progress is not None else None
        reports[heads] = simulate(resized, tell)
        return all(_meets(reports[heads], queue, target) for queue in served)

    found = _least(enough, start=peak, most=MOST_TIMES * peak)
    if found is None:
        missed = sorted(queue for queue in served if not _meets(reports[MOST_TIMES * peak], queue, target))
        raise NotReachable(
            f"Not even {MOST_TIMES} times these heads meet the target of {', '.join(missed)}: something else than "
            "the number of agents stands in the way (closed intervals, skills, the time to answer)."
        )
    return Staffing(found, reports[found], reports.get(found - 1))


def _peak(scenario: Scenario, groups: set[str]) -> int:
    """The sum of heads in the interval where these groups have most."""
    chosen = [group.heads for group in scenario.groups if group.id in groups]
    return max(map(sum, zip(*chosen, strict=True)))


def _resized(scenario: Scenario, groups: set[str], heads: int, peak: int) -> Scenario:
    """Every head count times heads/peak, rounded up: more heads are nowhere fewer, and an open interval stays open."""
    return replace(
        scenario,
        groups=tuple(
            replace(group, heads=tuple(-(-count * heads // peak) for count in group.heads))
            if group.id in groups
            else group
            for group in scenario.groups
        ),
    )


def _meets(report: Report, queue: str, target: Target) -> bool:
    figures = report.queues[queue]
    goal = report.scenario.queue(queue).goal if target.level is None else target.level
    if not _value(figures, "offered", 0.0):
        return True
    return target.met(
        _value(figures, f"service_level_{target.definition}", 0.0),
        _value(figures, "asa_s", float("inf")),
        _value(figures, "abandoned_share", 0.0),
        goal,
    )


def _value(figures: Figures, name: str, otherwise: float) -> float:
    found = figures[name]
    return otherwise if found is None else found.value
