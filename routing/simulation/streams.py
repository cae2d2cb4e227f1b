"""Random numbers by purpose, and the shapes of times that are drawn from them.

Each purpose has a stream of its own, made of the seed and its name alone. Two runs that differ in staff or rules
meet the same customers with the same patience, so their difference is not blurred by luck (common random numbers).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt
from random import Random  # noqa: TID251 - the one generator of the simulated centre, always seeded by name
from typing import Literal, TypeAlias

Shape: TypeAlias = Literal["exponential", "lognormal", "gamma", "fixed", "empirical"]
SHAPES: tuple[Shape, ...] = ("exponential", "lognormal", "gamma", "fixed", "empirical")
Draw: TypeAlias = Callable[[], float]


def stream(seed: int, day: int, *purpose: str) -> Random:
    """The stream of one purpose on one simulated day; equal arguments give equal numbers, on any machine."""
    return Random("/".join((str(seed), str(day), *purpose)))  # noqa: S311 - a simulation, no secret


@dataclass(frozen=True, slots=True)
class Duration:
    """How long something takes, seconds.

    `cv` is standard deviation / mean (lognormal, gamma); `values_s` are what an empirical one is drawn from, each
    as likely as the others; its mean is theirs.
    """

    mean_s: float
    shape: Shape = "exponential"
    cv: float = 1.0
    values_s: tuple[float, ...] = ()

    def drawn_from(self, random: Random) -> Draw:
        """Draws seconds, one after the other, from this stream. Another mean scales the same draws."""
        mean = self.mean_s
        if self.shape == "exponential":
            return lambda: mean * random.expovariate(1.0)
        if self.shape == "fixed":
            return lambda: mean
        if self.shape == "empirical":
            values = self.values_s
            return lambda: values[int(random.random() * len(values))]
        if self.shape == "gamma":
            alpha = 1 / self.cv**2
            return lambda: mean * random.gammavariate(alpha, 1 / alpha)
        sigma = sqrt(log(1 + self.cv**2))
        return lambda: mean * random.lognormvariate(-sigma * sigma / 2, sigma)
