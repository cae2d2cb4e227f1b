"""Figures over replications with their 95 % intervals, and the interval of a difference of two paired runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import atan, cos, fsum, pi, sin, sqrt

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over replications. `half` is half the width of its interval, None from a single replication.

    `pulls` says for each replication how far it pulls the figure away; figures of paired runs are subtracted
    pull by pull, so that what luck gave both of them cancels out.
    """

    value: float
    half: float | None
    pulls: tuple[float, ...] = ()

    @property
    def low(self) -> float | None:
        return None if self.half is None else self.value - self.half

    @property
    def high(self) -> float | None:
        return None if self.half is None else self.value + self.half

    def holds(self, value: float) -> bool:
        """Whether the interval holds the value; False without an interval."""
        return self.half is not None and abs(value - self.value) <= self.half


def mean(values: Sequence[float]) -> Estimate:
    """Of one number per replication. ValueError if there is none."""
    if not values:
        raise ValueError("there is no replication")
    middle = fsum(values) / len(values)
    return _with_interval(middle, [value - middle for value in values])


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Estimate | None:
    """All parts out of all wholes, as a share of all customers (not the mean of the days' shares). None of nothing.

    The interval is that of a ratio estimator: part - ratio x whole has mean 0, its spread is the figure's.
    """
    whole = fsum(wholes)
    if whole <= 0:
        return None
    value = fsum(parts) / whole
    scale = len(wholes) / whole
    return _with_interval(
        value, [(part - value * of) * scale for part, of in zip(parts, wholes, strict=True)]
    )


def difference(before: Estimate, after: Estimate) -> Estimate:
    """After minus before, of paired replications. ValueError if their numbers differ."""
    pulls = [b - a for a, b in zip(before.pulls, after.pulls, strict=True)]
    return _with_interval(after.value - before.value, pulls)


def _with_interval(value: float, pulls: list[float]) -> Estimate:
    count = len(pulls)
    if count < 2:
        return Estimate(value, None, tuple(pulls))
    spread = sqrt(fsum(pull * pull for pull in pulls) / (count - 1) / count)
    return Estimate(value, student_t(count - 1) * spread, tuple(pulls))


@cache
def student_t(freedom: int) -> float:
    """The number of standard errors that CONFIDENCE asks for to both sides. ValueError below one degree."""
    if freedom < 1:
        raise ValueError("an interval needs two replications")
    low, high = 0.0, 1e3
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if _within(middle, freedom) < CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _within(t: float, freedom: int) -> float:
    """P(|T| <= t): for whole degrees of freedom a finite sum of powers of a cosine."""
    angle = atan(t / sqrt(freedom))
    square = cos(angle) ** 2
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= square * k / (k + 1)
    if odd:
        return 2 / pi * (angle + sin(angle) * total)
    return sin(angle) * total
