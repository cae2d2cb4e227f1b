"""Percentiles by rank: the smallest value that so many percent are not above."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """ValueError without values."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]
