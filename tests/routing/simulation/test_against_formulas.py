"""The centre in virtual time lies within its own interval of Erlang C and A, and its intervals are honest."""

import pytest

from routing.simulation.erlang import Performance, performance
from routing.simulation.report import Report, simulate
from tests.routing.simulation.centres import one_queue

CENTRES = [  # agents, load, handling, patience, threshold
    pytest.param(1, 0.6, 120.0, None, 60.0, id="C, alone"),
    pytest.param(5, 4.0, 180.0, None, 20.0, id="C, small"),
    pytest.param(20, 17.0, 180.0, None, 20.0, id="C, middle"),
    pytest.param(10, 9.0, 240.0, 120.0, 20.0, id="A, busy"),
    pytest.param(10, 14.0, 240.0, 300.0, 60.0, id="A, overloaded"),
    pytest.param(50, 48.0, 60.0, 120.0, 20.0, id="A, large"),
]
SEED = 2


def misses(report: Report, exact: Performance) -> list[str]:
    """The figures whose interval does not hold the formula's value."""
    total = report.total
    pairs = {
        "p_wait": exact.p_wait,
        "asa_s": exact.asa,
        "abandoned_share": exact.abandoned,
        "service_level_of_offered": exact.of_offered,
        "service_level_of_answered": exact.of_answered,
        "service_level_without_short": exact.without_short,
        "occupancy": exact.occupancy,
    }
    found = []
    for name, value in pairs.items():
        figure = total[name]
        assert figure is not None
        if not figure.holds(value):
            found.append(f"{name}: {figure.value:.5f} ± {figure.half:.5f} without {value:.5f}, seed {SEED}")
    return found


@pytest.mark.parametrize(("agents", "load", "handling", "patience", "within"), CENTRES)
def test_the_simulation_agrees_with_the_formula(
    agents: int, load: float, handling: float, patience: float | None, within: float
) -> None:
    hours = 8 if agents < 50 else 3  # some thousand contacts a day
    scenario = one_queue(agents, load, handling, patience, within, seed=SEED, hours=hours)
    exact = performance(agents, load, handling, patience, within)
    assert misses(simulate(scenario), exact) == []


def test_a_faulty_centre_would_be_noticed() -> None:
    """One agent fewer than the formula is told of: the intervals are narrow enough to tell."""
    report = simulate(one_queue(9, 9.0, 240.0, 120.0, 20.0, seed=SEED, hours=8))
    assert len(misses(report, performance(10, 9.0, 240.0, 120.0, 20.0))) == 7


@pytest.mark.soak
def test_the_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """A hundred seeds: 95 of 100 on average; fewer than 88 or all of them would be dishonest (chance below 1 %)."""
    exact = performance(10, 9.0, 240.0, 120.0, 20.0)
    held = dict.fromkeys(("p_wait", "asa_s", "service_level_of_offered"), 0)
    for seed in range(100):
        total = simulate(one_queue(10, 9.0, 240.0, 120.0, 20.0, seed=seed, hours=8)).total
        for name, value in zip(held, (exact.p_wait, exact.asa, exact.of_offered), strict=True):
            figure = total[name]
            assert figure is not None
            held[name] += figure.holds(value)
    assert all(count >= 88 for count in held.values()), held
