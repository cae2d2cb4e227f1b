"""How long will it take? The number of people ahead, the agents there and how fast work and patience end.

Waits end in two ways: one of N agents gets free (rate mu each), or one of those ahead gives up (rate theta
each). With q ahead the expected wait is the sum over k = 0..q of 1 / (N mu + k theta), known as QLm: of the
usual estimates the one with the least error when callers abandon (Ibrahim and Whitt 2009). Where it has no
answer, because nobody serves the queue, the age of the head of the line is a guess that needs no model: how long the
one who waits there now has waited, without an earlier wait whose place they took back.
"""

from dataclasses import dataclass
from math import log
from typing import Literal

from routing.model import SECOND, Micros

MEMORY = 64  # observations; older ones fade with this time constant
FADE = 1 - 1 / MEMORY
HANDLING_PRIOR: Micros = (
    240 * SECOND
)  # mean handling time that one observation's weight is believed to begin with
PATIENCE_PRIOR: Micros = 180 * SECOND  # mean patience, the same
EXACT_TERMS = 64  # of the sum; the rest is its integral, exact to a few parts in a million


class Rate:
    """Events per microsecond of exposure, exponentially weighted.

    An exposure that ends without the event (a caller who was served did not run out of patience) counts as
    time: without it the impatient alone would be asked how patient they are.
    """

    __slots__ = ("_prior", "count", "exposure")

    def __init__(self, prior: Micros) -> None:
        self._prior = prior
        self.count = 0.0
        self.exposure = 0.0

    def observe(self, *, happened: bool, exposure: Micros) -> None:
        self.count = self.count * FADE + happened
        self.exposure = self.exposure * FADE + max(0, exposure)

    def set_to(self, per_second: float) -> None:
        """Take over a rate that was learned elsewhere as if this one had seen a full memory of it."""
        self.count = max(per_second * MEMORY * self._prior / SECOND - 1, 0.0)
        self.exposure = (MEMORY - 1.0) * self._prior

    @property
    def value(self) -> float:
        return (self.count + 1) / (self.exposure + self._prior)

    @property
    def per_second(self) -> float:
        return self.value * SECOND


@dataclass(frozen=True, slots=True)
class Estimate:
    """`position` from 1, `wait` in microseconds from now, None if nothing is known.

    `basis` says where it comes from: "model" (QLm) or "head_age" (nobody serves the queue now).
    """

    position: int
    wait: Micros | None
    basis: Literal["model", "head_age"]


def expected_wait(ahead: int, service: float, theta: float) -> float:
    """QLm for `ahead` items before this one; `service` is N mu. Rates in events per unit, result in units."""
    if theta <= 0:
        return (ahead + 1) / service
    exact = min(ahead + 1, EXACT_TERMS)
    total = sum(1 / (service + k * theta) for k in range(exact))
    if ahead + 1 > exact:  # each further term is the integral over the unit around it
        total += log((service + (ahead + 0.5) * theta) / (service + (exact - 0.5) * theta)) / theta
    return total
