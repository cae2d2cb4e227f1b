"""Threshold alerts: when one is raised and when it is cleared. Pure: values and instants in, a verdict out.

Two thresholds with a gap between them, and a time that a value has to stay beyond each: a figure that trembles
around either changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from service_desk.clock import SECOND, Micros
from service_desk.domain.config import AlertRule
from service_desk.domain.recount import Count

Verdict = Literal["raise", "clear"]


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of one rule: whether it is raised, and since when the value asks for the other."""

    raised: bool = False
    since: Micros | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """What rules look at in one queue, or in all together: now, and today's counters."""

    waiting: int
    oldest_at: Micros | None
    """Of the waiting calls and chats: a mail may wait for hours by its own promise."""
    agents_ready: int
    today: Count


def value_of(rule: AlertRule, readings: Readings, now: Micros) -> float | None:
    """The figure in the rule's unit; None where there is nothing to measure yet."""
    match rule.figure:
        case "waiting":
            return readings.waiting
        case "longest_wait_s":
            return 0 if readings.oldest_at is None else max(0, now - readings.oldest_at) / SECOND
        case "agents_ready":
            return readings.agents_ready
        case "service_level_pct":
            return _percent(rule, readings.today, readings.today.service_levels().of_offered)
        case "abandoned_pct":
            return _percent(rule, readings.today, readings.today.abandoned_share())


def _percent(rule: AlertRule, today: Count, share: float | None) -> float | None:
    """Of too few contacts a share says nothing."""
    return None if share is None or today.stayed < rule.least_offered else share * 100


def is_beyond(rule: AlertRule, value: float | None) -> bool:
    """Whether the value is bad enough to raise. What cannot be measured is not."""
    if value is None:
        return False
    return value <= rule.raise_at if rule.low_is_bad else value >= rule.raise_at


def is_calm(rule: AlertRule, value: float | None) -> bool:
    """Whether the value is good enough to clear; in the gap it is neither beyond nor calm."""
    if value is None:
        return True
    return value >= rule.clear_at if rule.low_is_bad else value <= rule.clear_at


def look(rule: AlertRule, watch: Watch, value: float | None, now: Micros) -> tuple[Watch, Verdict | None]:
    """One look at a figure; the verdict where it has asked for a change for long enough."""
    asks = is_calm(rule, value) if watch.raised else is_beyond(rule, value)
    if not asks:
        return replace(watch, since=None), None
    since = now if watch.since is None else min(watch.since, now)  # a clock may step back
    if now - since < (rule.clear_s if watch.raised else rule.raise_s) * SECOND:
        return replace(watch, since=since), None
    return Watch(raised=not watch.raised), "clear" if watch.raised else "raise"


def together(readings: Iterable[Readings]) -> Readings:
    """All queues as one. An agent who serves several counts once: `agents_ready` is to be set by who knows them."""
    every = list(readings)
    today = Count()
    for each in every:
        today.add(each.today)
    oldest = min((each.oldest_at for each in every if each.oldest_at is not None), default=None)
    return Readings(sum(each.waiting for each in every), oldest, 0, today)


def readings_of(rule: AlertRule, queues: Mapping[str, Readings], everything: Readings) -> Readings:
    """What the rule looks at."""
    return everything if rule.queue is None else queues[rule.queue]
