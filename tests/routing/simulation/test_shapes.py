"""What is drawn has the mean, the spread and the rate that were asked for; streams are apart."""

from dataclasses import replace
from itertools import islice
from statistics import fmean, pstdev

import pytest

from routing.simulation.arrivals import arrivals
from routing.simulation.scenario import ContactType
from routing.simulation.streams import Duration, stream
from tests.routing.simulation.centres import calls

SEED = 11  # of all draws here
MANY = 20_000


@pytest.mark.parametrize(
    ("duration", "spread"),
    [
        (Duration(240), 1.0),
        (Duration(240, "lognormal", 0.8), 0.8),
        (Duration(240, "gamma", 0.5), 0.5),
        (Duration(240, "fixed"), 0.0),
        (Duration(240, "empirical", values_s=(120, 120, 480)), 0.5**0.5),
    ],
    ids=lambda given: given.shape if isinstance(given, Duration) else "",
)
def test_mean_and_spread_are_as_asked_for(duration: Duration, spread: float) -> None:
    draw = duration.drawn_from(stream(SEED, 0, "test"))
    drawn = [draw() for _ in range(MANY)]
    assert fmean(drawn) == pytest.approx(240, rel=0.03)
    assert pstdev(drawn) / 240 == pytest.approx(spread, abs=0.04)
    assert min(drawn) >= 0


@pytest.mark.parametrize("shape", ["exponential", "lognormal", "gamma", "fixed"])
def test_another_mean_scales_the_same_draws(shape: str) -> None:
    one = Duration(100, shape, 0.7).drawn_from(stream(SEED, 0, "test"))  # type: ignore[arg-type]  # one of them
    two = Duration(250, shape, 0.7).drawn_from(stream(SEED, 0, "test"))  # type: ignore[arg-type]  # as above
    for _ in range(50):
        assert two() == pytest.approx(2.5 * one())


def test_streams_are_their_names() -> None:
    def first(*name: str, seed: int = 1, day: int = 0) -> list[float]:
        random = stream(seed, day, *name)
        return [random.random() for _ in range(3)]

    assert first("patience", "a") == first("patience", "a")
    others = [first("patience", "b"), first("handling", "a"), first("patience", "a", seed=2)]
    others += [first("patience", "a", day=1)]
    assert first("patience", "a") not in others
    assert len({tuple(each) for each in others}) == len(others)
    # The same on every machine and in every process: a recorded decision log can be made again.
    assert first("patience", "a") == [0.49259359003256076, 0.6187527410334179, 0.7335921575982823]


def test_each_interval_gets_its_number() -> None:
    kind = calls(0, 1)
    rates = (400.0, 0.0, 100.0)
    found: dict[int, int] = {0: 0, 1: 0, 2: 0}
    for day in range(20):
        times = list(arrivals_of(kind, rates, day))
        assert times == sorted(times)
        for at in times:
            found[int(at // 600)] += 1
    assert found[0] == pytest.approx(8_000, rel=0.04)
    assert found[1] == 0
    assert found[2] == pytest.approx(2_000, rel=0.08)


def arrivals_of(kind: ContactType, rates: tuple[float, ...], day: int, busyness: float = 0.0) -> list[float]:
    return list(arrivals(replace(kind, arrivals=rates, busyness_cv=busyness), 600, SEED, day))


def test_counts_are_poisson_and_busy_days_spread_them() -> None:
    calm = [len(arrivals_of(calls(0, 1), (100.0,), day)) for day in range(400)]
    busy = [len(arrivals_of(calls(0, 1), (100.0,), day, busyness=0.3)) for day in range(400)]
    assert fmean(calm) == pytest.approx(100, abs=2)
    assert pstdev(calm) == pytest.approx(10, abs=1.2)
    assert fmean(busy) == pytest.approx(100, abs=5)
    assert pstdev(busy) == pytest.approx((100 + 30**2) ** 0.5, abs=4)


def test_gaps_have_no_memory() -> None:
    times = arrivals_of(calls(0, 1), (5_000.0,), 0)
    gaps = [after - before for before, after in zip(times, islice(times, 1, None), strict=False)]
    assert pstdev(gaps) / fmean(gaps) == pytest.approx(1, abs=0.05)
