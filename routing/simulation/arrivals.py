"""When customers come: a Poisson process whose rate changes with the intervals and with the day's busyness."""

from collections.abc import Iterator
from itertools import accumulate

from routing.simulation.scenario import ContactType
from routing.simulation.streams import stream


def arrivals(kind: ContactType, interval_s: float, seed: int, day: int) -> Iterator[float]:
    """Seconds since opening, ascending.

    A Poisson process of rate 1 is stretched so that each interval gets its expected number. So another number of
    customers shifts the same arrivals, and draws no others.
    """
    if kind.recorded is not None:
        yield from (contact.at_s for contact in kind.recorded)
        return
    busyness = 1.0
    if kind.busyness_cv:
        shape = 1 / kind.busyness_cv**2
        busyness = stream(seed, day, "busyness", kind.id).gammavariate(shape, 1 / shape)
    gaps = stream(seed, day, "arrivals", kind.id)
    reached = gaps.expovariate(1.0)
    ends = accumulate(expected * busyness for expected in kind.arrivals)
    begin = 0.0
    for interval, end in enumerate(ends):
        while reached < end:
            yield (interval + (reached - begin) / (end - begin)) * interval_s
            reached += gaps.expovariate(1.0)
        begin = end
