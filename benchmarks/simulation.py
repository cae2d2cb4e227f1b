"""How long a simulated day takes: 10,000 calls and 100 agents on the real router.

python -m benchmarks.simulation
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from time import process_time

from benchmarks.report import Row
from routing.simulation.centre import Centre
from routing.simulation.scenario import ContactType, Group, Patience, Queue, Scenario
from routing.simulation.staffing import Target, agents_needed
from routing.simulation.streams import Duration
from routing.simulation.tally import Day

METHOD = (
    "python -m benchmarks.simulation: four queues with skills, patience, wrap-up; CPU time of one replication"
)
HOURS = (300, 700, 1000, 1150, 1100, 1000, 900, 950, 1000, 900, 600, 400)  # 10,000 calls
QUEUES = ("service", "sales", "billing", "repair")


def centre() -> Scenario:
    """A hundred agents in four groups, each of which also serves the next one's queue."""
    return Scenario(
        name="10,000 calls",
        queues=tuple(Queue(queue) for queue in QUEUES),
        contacts=tuple(
            ContactType(
                id=queue,
                queue=queue,
                arrivals=tuple(calls / len(QUEUES) for calls in HOURS),
                handling=Duration(240, "lognormal", 0.8),
                wrap_up=Duration(30),
                patience=Patience(Duration(180), at_once=0.02),
                requires={queue: 2},
            )
            for queue in QUEUES
        ),
        groups=tuple(
            Group(
                id=queue,
                heads=tuple(round(25 * calls / max(HOURS)) for calls in HOURS),
                queues=frozenset((queue, other)),
                skills={queue: 4, other: 2},
                answer=Duration(3, "fixed"),
            )
            for queue, other in zip(QUEUES, (*QUEUES[1:], QUEUES[0]), strict=True)
        ),
        interval_s=3600,
        intervals=len(HOURS),
    )


def timed(scenario: Scenario) -> tuple[Day, float]:
    """One day, and the CPU seconds that it took."""
    begin = process_time()
    day = Centre(scenario, 0).run()
    return day, process_time() - begin


def measure() -> Iterator[Row]:
    """The rows of `make bench`."""
    day, seconds = timed(centre())
    calls = day.all_queues().offered
    assert 9_000 < calls < 11_000, "the seed's day is a usual one"
    yield Row("simulation: a day of 10,000 calls, 100 agents", seconds, "s", "< 10", METHOD)
    yield Row("simulation: calls", calls / seconds, "calls/s", "", METHOD)
    yield Row("simulation: decisions", day.decisions / seconds, "decisions/s", "", METHOD)
    _, fewer = timed(replace(centre(), groups=tuple(_fewer(group) for group in centre().groups)))
    yield Row("simulation: the same day with a third of the agents, long lines", fewer, "s", "< 10", METHOD)
    begin = process_time()
    needed = agents_needed(10_000 / 300, 300, 180, 20, Target(0.8))
    yield Row(f"staffing by Erlang A: {needed:,} agents", process_time() - begin, "s", "< 1", METHOD)


def _fewer(group: Group) -> Group:
    return replace(group, heads=tuple(max(heads // 3, 1) for heads in group.heads))


if __name__ == "__main__":
    for row in measure():
        sys.stdout.write(f"{row.name:<65} {row.value:>10,.2f} {row.unit:<12} {row.goal}\n")
