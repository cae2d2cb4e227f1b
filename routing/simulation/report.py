"""Figures of a simulated centre, each over its replications with its interval."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from routing.simulation import intervals
from routing.simulation.centre import Centre, Watch
from routing.simulation.intervals import Estimate
from routing.simulation.scenario import Scenario
from routing.simulation.tally import Day, GroupTally, QueueTally

Figures: TypeAlias = dict[str, Estimate | None]
"""By name, in the order of QUEUE_FIGURES or GROUP_FIGURES; None where there was nothing to divide by."""

Count: TypeAlias = Callable[[Any], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """`part` per day, or all `part` out of all `whole`. `unit`: "" for a number, "%" for a share, s, h."""

    name: str
    unit: str
    meaning: str
    part: Count
    whole: Count | None = None

    def of(self, tallies: Sequence[QueueTally] | Sequence[GroupTally]) -> Estimate | None:
        """Over one tally for each replication."""
        parts = [self.part(tally) for tally in tallies]
        if self.whole is None:
            return intervals.mean(parts)
        return intervals.ratio(parts, [self.whole(tally) for tally in tallies])


QUEUE_FIGURES: tuple[Figure, ...] = (
    Figure("offered", "", "offered, a day", lambda q: q.offered),
    Figure("served", "", "served, a day", lambda q: q.answered),
    Figure("abandoned", "", "abandoned, a day", lambda q: q.abandoned),
    Figure("moved_out", "", "moved out by an overflow rule, a day", lambda q: q.moved),
    Figure("unserved", "", "unserved at the end, a day", lambda q: q.unserved),
    Figure("abandoned_share", "%", "abandoned, of all offered", lambda q: q.abandoned, lambda q: q.offered),
    Figure(
        "p_wait", "%", "P(wait): no agent at once, of all offered", lambda q: q.waited, lambda q: q.offered
    ),
    Figure("asa_s", "s", "ASA: mean wait of those answered", lambda q: q.wait_answered, lambda q: q.answered),
    Figure(
        "service_level_of_offered",
        "%",
        "service level: answered in time, of all offered",
        lambda q: q.in_time,
        lambda q: q.offered - q.moved,
    ),
    Figure(
        "service_level_of_answered",
        "%",
        "service level: answered in time, of those answered",
        lambda q: q.in_time,
        lambda q: q.answered,
    ),
    Figure(
        "service_level_without_short",
        "%",
        "service level: answered in time, of offered without short abandons",
        lambda q: q.in_time,
        lambda q: q.offered - q.moved - q.short,
    ),
    Figure("max_wait_s", "s", "longest wait of the day", lambda q: q.longest),
)
GROUP_FIGURES: tuple[Figure, ...] = (
    Figure("served", "", "served, a day", lambda g: g.answered),
    Figure(
        "occupancy",
        "%",
        "occupancy: contact and wrap-up, of the time on shift",
        lambda g: g.busy,
        lambda g: g.staffed,
    ),
    Figure("staffed_h", "h", "on shift, a day", lambda g: g.staffed / 3600),
)


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one scenario. `decisions`: the router's, of all replications together."""

    scenario: Scenario
    queues: dict[str, Figures]
    groups: dict[str, Figures]
    total: Figures
    decisions: int

    def rows(self) -> Iterator[tuple[str, str, Figures]]:
        """(kind, id, figures) of each queue, each group and the whole."""
        for name, figures in self.queues.items():
            yield "queue", name, figures
        for name, figures in self.groups.items():
            yield "group", name, figures
        yield "total", "all", self.total


Progress: TypeAlias = Callable[[int], None]
"""Is told the number of replications done."""


def simulate(
    scenario: Scenario, progress: Progress | None = None, watch: Callable[[int], Watch] | None = None
) -> Report:
    """Play all replications. `watch(replication)` gives who is shown that one's decisions."""
    days = []
    for number in range(scenario.replications):
        days.append(Centre(scenario, number, watch(number) if watch else None).run())
        if progress is not None:
            progress(number + 1)
    return summarise(scenario, days)


def summarise(scenario: Scenario, days: Sequence[Day]) -> Report:
    """The figures of replications that were played."""
    everyone = _figures(GROUP_FIGURES[1:], [day.all_groups() for day in days])
    return Report(
        scenario,
        {
            queue.id: _figures(QUEUE_FIGURES, [day.queues[queue.id] for day in days])
            for queue in scenario.queues
        },
        {
            group.id: _figures(GROUP_FIGURES, [day.groups[group.id] for day in days])
            for group in scenario.groups
        },
        _figures(QUEUE_FIGURES, [day.all_queues() for day in days]) | everyone,
        sum(day.decisions for day in days),
    )


def _figures(which: Iterable[Figure], tallies: Sequence[QueueTally] | Sequence[GroupTally]) -> Figures:
    return {figure.name: figure.of(tallies) for figure in which}


def difference(before: Report, after: Report) -> Report:
    """After minus before, figure by figure, of runs with the same seed and number of replications.

    ValueError if they are not paired. Queues and groups of only one of them are left out.
    """
    if (before.scenario.seed, before.scenario.replications) != (
        after.scenario.seed,
        after.scenario.replications,
    ):
        raise ValueError("only runs with the same seed and replications can be compared pair by pair")
    return Report(
        after.scenario,
        {
            name: _minus(old, after.queues[name])
            for name, old in before.queues.items()
            if name in after.queues
        },
        {
            name: _minus(old, after.groups[name])
            for name, old in before.groups.items()
            if name in after.groups
        },
        _minus(before.total, after.total),
        after.decisions - before.decisions,
    )


def _minus(before: Figures, after: Figures) -> Figures:
    figures: Figures = {}
    for name, old in before.items():
        new = after[name]
        figures[name] = intervals.difference(old, new) if old is not None and new is not None else None
    return figures
