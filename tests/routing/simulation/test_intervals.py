"""Student's t, ratios, and differences of paired runs."""

from random import Random

import pytest

from routing.simulation.intervals import difference, mean, ratio, student_t

# Printed in every table of the distribution: two-sided 95 %.
TABLE = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    9: 2.262,
    10: 2.228,
    19: 2.093,
    30: 2.042,
    120: 1.980,
}


@pytest.mark.parametrize(("freedom", "factor"), TABLE.items())
def test_the_factors_are_those_of_the_tables(freedom: int, factor: float) -> None:
    assert student_t(freedom) == pytest.approx(factor, abs=6e-4)


def test_one_replication_has_no_interval() -> None:
    one = mean([3.0])
    assert (one.value, one.half, one.low, one.high) == (3.0, None, None, None)
    assert not one.holds(3.0)
    with pytest.raises(ValueError, match="two replications"):
        student_t(0)
    with pytest.raises(ValueError, match="no replication"):
        mean([])


def test_a_mean_has_the_textbooks_interval() -> None:
    found = mean([4.0, 6.0, 5.0, 9.0])
    assert found.value == 6.0
    assert found.half == pytest.approx(3.182 * (14 / 3) ** 0.5 / 2, rel=1e-3)


def test_a_ratio_is_that_of_the_sums_and_none_of_nothing() -> None:
    found = ratio([1, 90], [10, 100])
    assert found is not None
    assert found.value == pytest.approx(91 / 110)
    assert ratio([0, 0], [0, 0]) is None
    steady = ratio([5, 50, 20], [10, 100, 40])
    assert steady is not None
    assert steady.half == pytest.approx(0.0)


def test_pairs_take_out_the_luck_that_both_have() -> None:
    luck = [Random(5).gauss(100, 30) for _ in range(1)] + [
        Random(n).gauss(100, 30) for _, n in enumerate(range(19))
    ]
    before = mean(luck)
    after = mean([value - 5 + 0.1 * (at % 3) for at, value in enumerate(luck)])
    found = difference(before, after)
    assert found.value == pytest.approx(-5 + 0.1 * sum(at % 3 for at in range(20)) / 20)
    assert found.half is not None
    assert before.half is not None
    assert found.half < 0.01 * before.half
    with pytest.raises(ValueError, match="argument 2"):
        difference(before, mean([1.0, 2.0]))


@pytest.mark.parametrize("seed", range(3))
def test_the_ratios_interval_holds_the_true_share_as_often_as_it_says(seed: int) -> None:
    """Days of different size, 300 experiments of 10 days each: between 90 and 98 % (seed in the test's name)."""
    random = Random(seed)
    held = 0
    for _ in range(300):
        sizes = [random.randint(50, 150) for _ in range(10)]
        parts = [sum(random.random() < 0.3 for _ in range(size)) for size in sizes]
        found = ratio(parts, sizes)
        assert found is not None
        held += found.holds(0.3)
    assert 270 <= held <= 295
