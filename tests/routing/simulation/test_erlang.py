"""The formulas, against sums in exact fractions and against chains of states that are stepped through."""

from fractions import Fraction
from math import exp, factorial, inf
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.simulation.erlang import erlang_b, erlang_c, performance

EXACT = 1e-6
TEAMS = [(1, "0.5"), (2, "1.9"), (5, "4"), (10, "9.5"), (50, "48"), (120, "118"), (30, "45")]
CENTRES = [  # agents, load, handling, patience, threshold
    (1, 0.7, 60.0, 90.0, 20.0),
    (3, 2.5, 120.0, 60.0, 10.0),
    (10, 9.0, 240.0, 120.0, 20.0),
    (10, 14.0, 240.0, 480.0, 60.0),
    (50, 48.0, 60.0, 120.0, 20.0),
    (20, 15.0, 300.0, 30.0, 0.0),
]


@pytest.mark.parametrize(("agents", "written"), TEAMS)
def test_b_and_c_are_the_sums_of_their_definitions(agents: int, written: str) -> None:
    load = Fraction(written)
    terms = [load**busy / factorial(busy) for busy in range(agents + 1)]
    blocked = terms[-1] / sum(terms)
    assert erlang_b(agents, float(load)) == pytest.approx(float(blocked), abs=EXACT)
    if load < agents:
        queueing = terms[-1] * agents / (agents - load)
        waits = queueing / (sum(terms[:-1]) + queueing)
        assert erlang_c(agents, float(load)) == pytest.approx(float(waits), abs=EXACT)
    else:
        assert erlang_c(agents, float(load)) == 1.0


class Chain:
    """M/M/N+M without any formula: the stationary states by their balance, waits by stepping through the line."""

    def __init__(self, agents: int, load: float, handling_s: float, patience_s: float) -> None:
        self.agents, self.theta = agents, 1 / patience_s
        self.service, self.arrivals = agents / handling_s, load / handling_s
        weights = [1.0]
        for busy in range(1, agents + 1):
            weights.append(weights[-1] * self.arrivals * handling_s / busy)
        while weights[-1] > 1e-15 * max(weights):
            waiting = len(weights) - agents
            weights.append(weights[-1] * self.arrivals / (self.service + waiting * self.theta))
        self.states = [weight / sum(weights) for weight in weights]

    def waiting(self) -> list[float]:
        """Chances of 0, 1, 2 ... ahead of somebody who finds no agent."""
        return self.states[self.agents :]

    def answered_in_the_end(self) -> list[tuple[float, float]]:
        """(P(answered), E(wait; answered)) with 0, 1, 2 ... ahead, by looking one step forward."""
        found, before = [], (1.0, 0.0)
        for ahead in range(len(self.waiting())):
            leaves = self.service + ahead * self.theta
            answered = before[0] * leaves / (leaves + self.theta)
            wait = (answered + leaves * before[1]) / (leaves + self.theta)
            before = (answered, wait)
            found.append(before)
        return found

    def within(self, seconds: float) -> tuple[float, float]:
        """(P(waits, is answered within), P(gives up within)): the chain in small steps of equal rate."""
        places = self.waiting()
        rate = self.service + len(places) * self.theta
        answered = gone = 0.0
        shares, weight, jumps = list(places), exp(-rate * seconds), 0
        answered_by = gone_by = 0.0
        told = 0.0
        while told < 1 - 1e-13 and jumps < 20_000:
            told += weight
            answered_by += weight * answered
            gone_by += weight * gone
            answered += shares[0] * self.service / rate
            gone += sum(shares) * self.theta / rate
            after = []
            for ahead, share in enumerate(shares):
                stays = 1 - (self.service + (ahead + 1) * self.theta) / rate
                comes = (
                    shares[ahead + 1] * (self.service + (ahead + 1) * self.theta)
                    if ahead + 1 < len(shares)
                    else 0
                )
                after.append(share * stays + comes / rate)
            shares = after
            jumps += 1
            weight *= rate * seconds / jumps
        return answered_by, gone_by


@pytest.mark.parametrize(("agents", "load", "handling", "patience", "within"), CENTRES)
def test_a_is_what_the_chain_does(
    agents: int, load: float, handling: float, patience: float, within: float
) -> None:
    chain = Chain(agents, load, handling, patience)
    found = performance(agents, load, handling, patience, within)
    waiting = chain.waiting()
    at_once = 1 - sum(waiting)
    answered = at_once + sum(
        p * share for p, (share, _) in zip(waiting, chain.answered_in_the_end(), strict=True)
    )
    wait = sum(p * each for p, (_, each) in zip(waiting, chain.answered_in_the_end(), strict=True))
    soon, gone = chain.within(within)
    length = sum(ahead * p for ahead, p in enumerate(waiting))
    busy = sum(min(count, agents) * p for count, p in enumerate(chain.states))
    assert found.p_wait == pytest.approx(sum(waiting), abs=EXACT)
    assert found.abandoned == pytest.approx(1 - answered, abs=EXACT)
    assert found.asa == pytest.approx(wait / answered, abs=EXACT)
    assert found.wait == pytest.approx(length / chain.arrivals, abs=EXACT)
    assert found.occupancy == pytest.approx(busy / agents, abs=EXACT)
    assert found.of_offered == pytest.approx(at_once + soon, abs=EXACT)
    assert found.of_answered == pytest.approx((at_once + soon) / answered, abs=EXACT)
    assert found.without_short == pytest.approx((at_once + soon) / (1 - gone), abs=EXACT)


def test_the_three_service_levels_differ_by_points() -> None:
    """48 calls a minute of a minute each, 50 agents, two minutes of patience, 20 s."""
    found = performance(50, 48, 60, 120, 20)
    levels = (found.of_offered, found.without_short, found.of_answered)
    assert [round(100 * level, 2) for level in levels] == [94.30, 97.20, 97.31]


@pytest.mark.parametrize(
    ("beta", "limit"), [(0.1, 0.880), (0.25, 0.721), (0.5, 0.505), (1.0, 0.223), (1.5, 0.0847), (2.0, 0.0269)]
)
def test_large_teams_wait_as_halfin_and_whitt_say(beta: float, limit: float) -> None:
    agents = 1_000_000
    load = agents - beta * agents**0.5
    assert erlang_c(agents, load) == pytest.approx(limit, rel=0.01)


def test_ten_thousand_agents_are_no_trouble() -> None:
    for load in (1.0, 5_000.0, 9_900.0, 10_000.0, 15_000.0):
        blocked = erlang_b(10_000, load)
        assert 0 <= blocked < 1
        assert blocked == pytest.approx(max(1 - 10_000 / load, 0), abs=0.01)
        found = performance(10_000, load, 300, 180, 20)
        assert found.abandoned == pytest.approx(max(1 - 10_000 / load, 0), abs=0.005)
        assert found.occupancy <= 1
    # With patience equal to handling, M/M/N+M has a Poisson number of customers, whatever N is.
    found = performance(10_000, 10_100.0, 300, 300, 20)
    at_least_10_000 = NormalDist().cdf((10_100 - 9_999.5) / 10_100**0.5)
    assert found.p_wait == pytest.approx(at_least_10_000, abs=2e-3)


def test_almost_endless_patience_is_erlang_c() -> None:
    patient, endless = performance(10, 9.0, 240, 1e9, 20), performance(10, 9.0, 240, None, 20)
    assert patient.p_wait == pytest.approx(endless.p_wait, abs=EXACT)
    assert patient.of_offered == pytest.approx(endless.of_offered, abs=EXACT)
    assert patient.asa == pytest.approx(endless.asa, rel=1e-5)


def test_what_grows_for_ever_says_so() -> None:
    found = performance(10, 10.0, 240, None, 20)
    assert (found.p_wait, found.asa, found.of_offered, found.occupancy) == (1.0, inf, 0.0, 1.0)
    nobody = performance(0, 3.0, 240, 60, 20)
    assert (nobody.p_wait, nobody.abandoned, nobody.of_offered) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    "given",
    [
        (-1, 1.0, 60.0, None),
        (5, 0.0, 60.0, None),
        (5, inf, 60.0, None),
        (5, 1.0, 0.0, None),
        (5, 1.0, 60.0, 0.0),
    ],
)
def test_impossible_centres_are_refused(given: tuple[int, float, float, float | None]) -> None:
    with pytest.raises(ValueError, match="must"):
        performance(*given)


teams = st.integers(1, 200)
loads = st.floats(0.05, 1.6)  # an agent
times = st.floats(10, 2_000)


@given(teams, loads, times, times, st.floats(0, 300))
@settings(max_examples=60)
def test_more_agents_are_never_worse_and_more_load_never_better(
    agents: int, per_agent: float, handling: float, patience: float, within: float
) -> None:
    load = agents * per_agent
    usual = performance(agents, load, handling, patience, within)
    more = performance(agents + 1, load, handling, patience, within)
    busier = performance(agents, load * 1.02, handling, patience, within)
    slack = 1e-9
    for better, worse in ((more, usual), (usual, busier)):
        assert better.p_wait <= worse.p_wait + slack
        assert better.abandoned <= worse.abandoned + slack
        assert better.asa <= worse.asa * (1 + slack) + slack
        assert better.of_offered >= worse.of_offered - slack
    assert more.occupancy <= usual.occupancy + slack
    assert usual.occupancy <= busier.occupancy + slack
    shares = (
        usual.p_wait,
        usual.abandoned,
        usual.occupancy,
        usual.of_offered,
        usual.of_answered,
        usual.without_short,
    )
    assert all(-slack <= share <= 1 + slack for share in shares)
    assert usual.of_offered <= usual.without_short + slack


@given(st.integers(1, 10_000), st.floats(0.05, 0.999))
@settings(max_examples=40)
def test_b_and_c_are_monotone_and_ordered(agents: int, per_agent: float) -> None:
    load = agents * per_agent
    assert 0 <= erlang_b(agents, load) <= erlang_c(agents, load) <= 1
    assert erlang_b(agents + 1, load) <= erlang_b(agents, load)
    assert erlang_c(agents, load) <= erlang_c(agents, min(load * 1.001, agents))
