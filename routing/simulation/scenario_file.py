"""Scenario files: TOML in, a checked Scenario out. What cannot be is refused with the field's name and a cure."""

import tomllib
from collections.abc import Mapping
from typing import Any

from routing.simulation.feasible import check
from routing.simulation.scenario import ContactType, Group, Patience, Queue, Scenario, ScenarioError
from routing.simulation.streams import SHAPES, Duration, Shape
from routing.simulation.table import Table
from routing.simulation.translate import check_rules

MOST_INTERVALS = 2016  # three weeks of quarter hours
MOST_HEADS = 20_000
MOST_CONTACTS = 2_000_000  # a replication


def read_scenario(text: str) -> Scenario:
    """The scenario that this TOML describes. ScenarioError if it cannot be."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"This is no TOML: {error}.") from error
    return scenario_of(data)


def scenario_of(data: Mapping[str, Any]) -> Scenario:
    """The same of what TOML or JSON has been read into."""
    top = Table(data, "")
    day = top.table("day")
    intervals = day.whole("intervals", least=1, most=MOST_INTERVALS)
    interval_s = 60 * day.number("interval_min", above=0, most=1440)
    opens_s = day.clock("from", "00:00")
    warm_up_s = 60 * day.number("warm_up_min", default=0.0, least=0)
    day.done()
    if warm_up_s >= intervals * interval_s:
        raise day.wrong("warm_up_min", "must be shorter than the day, or nothing is left to count")
    rules = top.table("rules", optional=True)
    exclusive = frozenset(rules.names("exclusive", ["phone"]))
    scenario = Scenario(
        name=top.text("name"),
        seed=top.whole("seed", default=1),
        replications=top.whole("replications", default=20, least=1, most=10_000),
        interval_s=interval_s,
        intervals=intervals,
        opens_s=opens_s,
        warm_up_s=warm_up_s,
        exclusive=exclusive,
        rules=rules.rest(),
        queues=tuple(read_queue(table) for table in top.tables("queues")),
        contacts=tuple(_contact(table, intervals, interval_s) for table in top.tables("contacts")),
        groups=tuple(_group(table, intervals) for table in top.tables("groups")),
    )
    top.done()
    check_rules(scenario)
    check(scenario)
    if sum(sum(kind.arrivals) for kind in scenario.contacts) > MOST_CONTACTS:
        raise ScenarioError(f"contacts: more than {MOST_CONTACTS:,} are expected a day; lower the rates.")
    return scenario


def read_queue(table: Table, before: Queue | None = None) -> Queue:
    """A queue; what is left out is as `before`, or the default."""
    target_s = table.number("target_s", default=before.target_s if before else 20.0, least=0)
    usual = before or Queue("", within_s=target_s)
    queue = Queue(
        id=table.text("id"),
        target_s=target_s,
        within_s=table.number("service_level_s", default=usual.within_s, least=0),
        goal=table.share("goal_pct", default=100 * usual.goal),
        ring_s=table.number("ring_s", default=usual.ring_s, above=0),
        wrap_up_s=table.number("wrap_up_s", default=usual.wrap_up_s, least=0),
        decline_pause_s=table.number("decline_pause_s", default=usual.decline_pause_s, least=0),
        priority=table.whole("priority", default=usual.priority),
        rules={**usual.rules, **table.table("rules", optional=True).rest()},
    )
    table.done()
    return queue


def _contact(table: Table, intervals: int, interval_s: float) -> ContactType:
    name = table.text("id")
    transfer = table.table("transfer", optional=True)
    kind = ContactType(
        id=name,
        queue=table.text("queue"),
        medium=table.text("medium", "phone"),
        arrivals=_arrivals(table, intervals, interval_s),
        busyness_cv=table.number("busyness_cv", default=0.0, least=0, most=3),
        patience=_patience(table.table("patience", optional=True)),
        handling=_duration(table.table("handling")),
        wrap_up=_duration(table.table("wrap_up")) if table.has("wrap_up") else None,
        requires=table.levels("requires"),
        priority=table.whole("priority", default=0),
        transfer_to=transfer.text("to") if table.has("transfer") else None,
        transfer_share=transfer.share("share_pct") if table.has("transfer") else 0.0,
        routing=table.table("routing", optional=True).rest(),
    )
    transfer.done()
    table.done()
    return kind


def _arrivals(table: Table, intervals: int, interval_s: float) -> tuple[float, ...]:
    """Exactly one of per_hour (all day) and per_interval (a list); neither for what only comes by transfer."""
    if table.has("per_hour") and table.has("per_interval"):
        raise table.wrong("per_hour", "stands beside per_interval; keep one of them")
    if table.has("per_interval"):
        return table.numbers("per_interval", intervals)
    return (table.number("per_hour", default=0.0, least=0) * interval_s / 3600,) * intervals


def _patience(table: Table) -> Patience:
    at_once = table.share("at_once_pct", default=0.0)
    time = _duration(table) if table.has("mean_s") or table.has("shape") else None
    table.done()
    return Patience(time, at_once)


def _duration(table: Table) -> Duration:
    shape: Shape = table.choice("shape", SHAPES, "exponential")
    if shape == "empirical":
        values = table.numbers("values_s")
        table.done()
        if not values or sum(values) <= 0:
            raise table.wrong("values_s", "needs at least one number, and not all 0")
        return Duration(sum(values) / len(values), shape, values_s=values)
    mean_s = table.number("mean_s", above=0)
    cv = table.number("cv", above=0, most=10) if shape in {"lognormal", "gamma"} else 1.0
    table.done()
    return Duration(mean_s, shape, cv)


def _group(table: Table, intervals: int) -> Group:
    group = Group(
        id=table.text("id"),
        heads=table.wholes("heads", intervals, most=MOST_HEADS),
        queues=frozenset(table.names("queues")),
        skills=table.levels("skills"),
        capacity=table.counts("capacity", {"phone": 1}),
        answer=_duration(table.table("answer")) if table.has("answer") else None,
        back_s=table.number("back_s", default=60.0, least=0),
        routing=table.table("routing", optional=True).rest(),
    )
    table.done()
    return group
