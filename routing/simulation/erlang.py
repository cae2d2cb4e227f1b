"""Erlang B, C and A: one kind of contact, one team, Poisson arrivals, exponential handling times.

`agents` is their number, `load` the offered load in erlangs (arrivals per second times mean handling time),
times are seconds. With patience the model is Erlang A (M/M/N+M), without it Erlang C (M/M/N). A line that
would grow for ever has a P(wait) of 1, an infinite wait and a service level of 0: that is its limit, no error.
"""

from dataclasses import dataclass
from math import exp, expm1, fsum, inf, log

NEGLIGIBLE = 1e-18  # a state this much rarer than the likeliest one, and those beyond it, add nothing to 1e-6
UNDERFLOW = -745.0  # exp of less is 0


@dataclass(frozen=True, slots=True)
class Performance:
    """What customers and agents get in the long run.

    `p_wait`: share of all who find no free agent. `asa`: mean wait of those who are answered, seconds; `wait`:
    of all. `abandoned`: share of all. `occupancy`: share of the agents' time. The service level three ways, for
    the threshold asked for: answered within it out of all offered (`of_offered`), out of those answered
    (`of_answered`), out of those offered who did not give up within it (`without_short`).
    """

    p_wait: float
    asa: float
    wait: float
    abandoned: float
    occupancy: float
    of_offered: float
    of_answered: float
    without_short: float


def erlang_b(agents: int, load: float) -> float:
    """The share that is blocked if nobody can wait. ValueError unless agents >= 0 and load > 0."""
    _check(agents, load)
    blocked = 1.0
    for busy in range(1, agents + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked


def erlang_c(agents: int, load: float) -> float:
    """The share that must wait if everybody waits as long as it takes; 1 if the line grows for ever."""
    blocked = erlang_b(agents, load)
    if load >= agents:
        return 1.0
    return agents * blocked / (agents - load * (1 - blocked))


def performance(
    agents: int, load: float, handling_s: float, patience_s: float | None = None, within_s: float = 20.0
) -> Performance:
    """Erlang A, or Erlang C if `patience_s` is None. ValueError for numbers that no centre can have."""
    _check(agents, load)
    if not 0 < handling_s < inf or within_s < 0 or (patience_s is not None and not 0 < patience_s < inf):
        raise ValueError("handling and patience must be positive, the threshold not negative")
    if agents == 0:
        return _nobody_there(patience_s, within_s)
    if patience_s is None:
        return _without_abandons(agents, load, handling_s, within_s)
    return _with_abandons(agents, load, handling_s, patience_s, within_s)


def _check(agents: int, load: float) -> None:
    if agents < 0 or not 0 < load < inf:
        raise ValueError("agents must not be negative and load must be positive and finite")


def _nobody_there(patience_s: float | None, within_s: float) -> Performance:
    wait, abandoned = (inf, 0.0) if patience_s is None else (patience_s, 1.0)
    without_short = 0.0 if patience_s is None or within_s < inf else 1.0
    return Performance(1.0, inf, wait, abandoned, 0.0, 0.0, 0.0, without_short)


def _without_abandons(agents: int, load: float, handling_s: float, within_s: float) -> Performance:
    if load >= agents:
        return Performance(1.0, inf, inf, 0.0, 1.0, 0.0, 0.0, 0.0)
    p_wait = erlang_c(agents, load)
    spare = (agents - load) / handling_s  # contacts a second that could be served beyond those that come
    level = 1 - p_wait * exp(-spare * within_s)
    return Performance(p_wait, p_wait / spare, p_wait / spare, 0.0, load / agents, level, level, level)


def _with_abandons(
    agents: int, load: float, handling_s: float, patience_s: float, within_s: float
) -> Performance:
    """The stationary mix of what somebody meets who finds `line` others waiting and no agent free."""
    service, theta = agents / handling_s, 1 / patience_s  # per second: contacts that end, patience that ends
    p_wait, lines = _lines(agents, load, load / handling_s, service, theta)
    short = _Short(service, theta, within_s)
    answered, waited, early, gone_early = [], [], [], []
    wait_if_answered = 0.0
    for line, chance in enumerate(lines):
        rate = service + (line + 1) * theta
        wait_if_answered += 1 / rate
        answered.append(chance * service / rate)
        waited.append(chance * service / rate * wait_if_answered)
        within, gone = short.of_next(service / rate)
        early.append(chance * within)
        gone_early.append(chance * gone)
    all_answered = 1 - p_wait + fsum(answered)
    in_time = 1 - p_wait + fsum(early)
    abandoned = max(1 - all_answered, 0.0)
    return Performance(
        p_wait=p_wait,
        asa=fsum(waited) / all_answered,
        wait=abandoned / theta,  # Little: the rate of giving up is theta times the number who wait
        abandoned=abandoned,
        occupancy=min(load * all_answered / agents, 1.0),
        of_offered=in_time,
        of_answered=min(in_time / all_answered, 1.0),
        without_short=min(in_time / (1 - fsum(gone_early)), 1.0),
    )


def _lines(
    agents: int, load: float, arrivals: float, service: float, theta: float
) -> tuple[float, list[float]]:
    """P(wait), and the chances that all agents are busy and 0, 1, 2 ... wait.

    Weights are relative to the likeliest length, so that no overload overflows.
    """
    blocked = erlang_b(agents, load)
    if blocked == 0:
        return 0.0, []
    mode = max(int((arrivals - service) / theta), 0)
    weights = [0.0] * mode + [1.0]
    for line in range(mode, 0, -1):
        weights[line - 1] = weights[line] * (service + line * theta) / arrivals
        if weights[line - 1] < NEGLIGIBLE:
            break
    while weights[-1] > NEGLIGIBLE:
        weights.append(weights[-1] * arrivals / (service + len(weights) * theta))
    somebody_free = weights[0] * (1 / blocked - 1)
    total = fsum([*weights, somebody_free])
    return 1 - somebody_free / total, [weight / total for weight in weights]


class _Short:
    """For lines of 0, 1, 2 ...: the chances to be answered, and to give up, within the threshold t.

    Behind `line` others, the wait that lies ahead ends after line + 1 exponential steps with rates service + k
    theta. That it is longer than t has the probability I_x(service/theta, line + 1), x = exp(-theta t), the
    regularised incomplete beta function; that of an answered customer I_x(service/theta + 1, line + 1). With a
    whole second parameter both are sums of line + 1 positive terms, each made of the one before.
    """

    def __init__(self, service: float, theta: float, within_s: float) -> None:
        self._still_patient = exp(-theta * within_s)
        self._longer = _BetaSum(service / theta, theta * within_s)
        self._longer_if_answered = _BetaSum(service / theta + 1, theta * within_s)

    def of_next(self, answered: float) -> tuple[float, float]:
        """Of the next length of the line, beginning with 0; `answered` is the chance to be answered at all."""
        within = answered * (1 - self._longer_if_answered.next())
        gone = 1 - self._still_patient * self._longer.next() - within
        return max(within, 0.0), max(gone, 0.0)


class _BetaSum:
    """I_x(a, n) for n = 1, 2, 3 ..., x = exp(-minus_log_x), 0 < x <= 1; logarithms keep far terms from underflow."""

    def __init__(self, a: float, minus_log_x: float) -> None:
        self._a = a
        self._log_rest = log(-expm1(-minus_log_x)) if minus_log_x > 0 else -inf  # of 1 - x
        self._log_term = -a * minus_log_x
        self._terms = 0
        self._sum = 0.0

    def next(self) -> float:
        self._sum += exp(self._log_term) if self._log_term > UNDERFLOW else 0.0
        self._log_term += log((self._a + self._terms) / (self._terms + 1)) + self._log_rest
        self._terms += 1
        return min(self._sum, 1.0)
