"""A day from the desk's own log as a scenario: who came and when, how long it took, who was there to answer.

What the log cannot say is drawn for each replication: how long somebody who gave up would have talked (like others of
their kind did), how long somebody who was answered would have waited (exponential, from all waits of their kind).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from routing.codec import encode
from routing.simulation.feasible import may_serve
from routing.simulation.scenario import ContactType, Group, Patience, Queue, Recorded, Scenario, ScenarioError
from routing.simulation.streams import Duration
from service_desk.clock import DAY, SECOND, Micros
from service_desk.domain.config import DeskConfig
from service_desk.domain.events import AgentStateChanged
from service_desk.queries.figures import midnight
from service_desk.storage import schema
from service_desk.storage.store import Reader

SEGMENT = schema.segment
INTERACTION = schema.interaction
EVENT = schema.event
MINUTE = 60 * SECOND
HANDLING_S = 240.0  # where nobody of a kind was ever answered
Row = sa.RowMapping


class RecordedDay(NamedTuple):
    """What came, and what became of it in the log, answered and abandoned.

    `left_out`: contacts that nobody who was there could have answered, by what the accounts say now.
    """

    scenario: Scenario
    left_out: int
    answered: int
    abandoned: int


def recorded_day(reader: Reader, day: date, *, seed: int, replications: int) -> RecordedDay:
    """The day as the desk lived it, under the rules as they are now. ScenarioError if nobody came."""
    since, until = midnight(reader.config, day), midnight(reader.config, day + timedelta(days=1))
    segments = _segments(reader, since, until)
    if not segments:
        raise ScenarioError(f"--from-log: nobody came on {day}.")
    shifts = _shifts(reader, segments, since, until)
    minutes = (until - since) // MINUTE
    groups = _groups(reader, shifts, _answer_times(reader, since, until), since, minutes)
    contacts = [kind for kind in _contacts(segments, since, reader.config) if _somebody_serves(groups, kind)]
    if not contacts:
        raise ScenarioError(f"--from-log: nobody who was there on {day} could have answered what came.")
    kept = sum(len(kind.recorded or ()) for kind in contacts)
    scenario = Scenario(
        name=f"{reader.config.brand}, {day}",
        queues=tuple(queues_of(reader.config)),
        contacts=tuple(contacts),
        groups=groups,
        opens_s=since / SECOND,  # in the world's time, so that opening hours are what they were
        interval_s=60.0,
        intervals=minutes,
        replications=replications,
        seed=seed,
        rules=rules_of(reader.config),
    )
    answered = sum(row["answered_at"] is not None for row in segments)
    return RecordedDay(scenario, len(segments) - kept, answered, len(segments) - answered)


def queues_of(config: DeskConfig) -> Iterable[Queue]:
    """The rules of its queues, as the simulated centre takes them: who would be called back waits on the line there."""
    for policy in config.policy().queues:
        stays = tuple(step for step in policy.overflow if step.to != "callback")
        queue = replace(policy, overflow=stays, callback=None)
        within_s = queue.target / SECOND
        rules = {name: value for name, value in encode(queue).items() if name != "kind"}
        yield Queue(
            id=queue.id, within_s=within_s, target_s=within_s, wrap_up_s=queue.wrap_up / SECOND, rules=rules
        )


def rules_of(config: DeskConfig) -> dict[str, Any]:
    """What of its rules is no queue's: which media interrupt which, and what they weigh."""
    rules = encode(config.policy())
    return {
        name: rules[name]
        for name in ("interrupts", "weights", "shift_margin", "bench_after")
        if name in rules
    }


# --- who came -------------------------------------------------------------------------------------------


def _segments(reader: Reader, since: Micros, until: Micros) -> Sequence[Row]:
    """Those that entered a queue. Who moved on unanswered is met again where they went."""
    what = (
        *SEGMENT.c,
        INTERACTION.c.channel,
        INTERACTION.c.account,
        INTERACTION.c.requires,
        INTERACTION.c.priority,
        INTERACTION.c.callback_at,
    )
    statement = (
        sa.select(*what)
        .join(INTERACTION, INTERACTION.c.id == SEGMENT.c.interaction_id)
        .where(SEGMENT.c.queued_at >= since, SEGMENT.c.queued_at < until, SEGMENT.c.entered)
        .where(sa.or_(SEGMENT.c.answered_at.is_not(None), SEGMENT.c.outcome.is_distinct_from("moved")))
        .order_by(SEGMENT.c.queued_at, SEGMENT.c.id)
    )
    return list(reader.all(statement))


def _contacts(segments: Sequence[Row], since: Micros, config: DeskConfig) -> Iterable[ContactType]:
    """A kind for each queue, medium, line, set of requirements and head start."""
    kinds: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in segments:
        kinds[
            row["queue_id"],
            row["channel"],
            row["account"],
            tuple(sorted(row["requires"].items())),
            row["priority"],
        ].append(row)
    for number, ((queue, medium, account, requires, priority), rows) in enumerate(sorted(kinds.items()), 1):
        talks = [talk for row in rows if (talk := _handling_s(row)) is not None]
        yield ContactType(
            id=f"{queue}-{medium}-{number}",
            queue=queue,
            medium=medium,
            requires=dict(requires),
            priority=priority,
            arrivals=(),
            handling=_like(talks) or Duration(HANDLING_S),
            wrap_up=_like([paper for row in rows if (paper := _wrap_up_s(row)) is not None]),
            patience=_patience(rows),
            recorded=tuple(_recorded(row, since) for row in rows),
            within_s=_promise_s(config, queue, medium),
            routing={"value": value} if (value := config.value_of(account)) else {},
        )


def _promise_s(config: DeskConfig, queue: str, medium: str) -> float | None:
    """None for a queue that is gone."""
    known = {each.id for each in config.queues}
    return float(config.target_s(queue, medium)) if queue in known else None


def _recorded(row: Row, since: Micros) -> Recorded:
    """Who asked to be called back waited until then, and had not given up: what follows is not their patience."""
    asked = row["callback_at"]
    gave_up = row["answered_at"] is None and row["outcome"] == "abandoned" and asked is None
    left = row["answered_at"] or row["ended_at"] or row["queued_at"]
    if asked is not None:
        left = max(row["queued_at"], min(left, asked))
    return Recorded(
        at_s=(row["queued_at"] - since) / SECOND,
        waited_s=(left - row["queued_at"]) / SECOND,
        gave_up=gave_up,
        handling_s=_handling_s(row),
        wrap_up_s=_wrap_up_s(row),
    )


def _handling_s(row: Row) -> float | None:
    """From the answer to the end for the customer, or until it was put back or parked; None if neither was."""
    begin: Micros | None = row["answered_at"]
    end: Micros | None = row["handled_at"] or row["ended_at"]
    return None if begin is None or end is None else (end - begin) / SECOND


def _wrap_up_s(row: Row) -> float | None:
    end: Micros | None = row["ended_at"]
    if row["answered_at"] is None or end is None:
        return None
    begin: Micros = row["handled_at"] or end
    return (end - begin) / SECOND


def _like(times: list[float]) -> Duration | None:
    """To draw from what was seen; None if nothing was, or never took any time."""
    if sum(times) <= 0:
        return None
    return Duration(sum(times) / len(times), "empirical", values_s=tuple(times))


def _patience(rows: Sequence[Row]) -> Patience:
    """All time that was waited over the number who gave up: what an answered wait says is counted, too."""
    found = [_recorded(row, 0) for row in rows]
    gave_up = sum(contact.gave_up for contact in found)
    waited = sum(contact.waited_s for contact in found)
    return Patience(Duration(waited / gave_up) if gave_up and waited else None)


# --- who was there --------------------------------------------------------------------------------------

Shifts = dict[str, list[tuple[Micros, Micros]]]


def _shifts(reader: Reader, segments: Sequence[Row], since: Micros, until: Micros) -> Shifts:
    """When each agent was ready or at work. Whose states the log does not have: from the first contact to the last."""
    rows = reader.all(
        sa.select(EVENT.c.at, EVENT.c.subject, EVENT.c.data)
        .where(EVENT.c.kind == AgentStateChanged.KIND, EVENT.c.at >= since - DAY, EVENT.c.at < until)
        .order_by(EVENT.c.position)
    )
    shifts: Shifts = defaultdict(list)
    ready: dict[str, Micros] = {}
    for change in rows:
        if change["data"]["state"] == "ready":
            ready.setdefault(change["subject"], change["at"])
        elif (begin := ready.pop(change["subject"], None)) is not None and change["at"] > since:
            shifts[change["subject"]].append((begin, change["at"]))
    for agent, begin in ready.items():
        shifts[agent].append((begin, min(until, reader.now)))
    worked: dict[str, list[Row]] = defaultdict(list)
    for row in segments:
        if row["agent_id"] is not None and row["answered_at"] is not None:
            worked[row["agent_id"]].append(row)
    for agent, theirs in worked.items():
        if agent not in shifts:
            end = max(row["ended_at"] or row["answered_at"] for row in theirs)
            shifts[agent].append((min(row["answered_at"] for row in theirs), end))
    return shifts


def _answer_times(reader: Reader, since: Micros, until: Micros) -> Duration | None:
    offer = schema.offer
    rows = reader.all(
        sa.select(offer.c.made_at, offer.c.closed_at)
        .where(offer.c.state == "accepted", offer.c.closed_at >= since, offer.c.closed_at < until)
        .order_by(offer.c.closed_at, offer.c.id)
    )
    return _like([(row["closed_at"] - row["made_at"]) / SECOND for row in rows])


def _groups(
    reader: Reader, shifts: Shifts, answer: Duration | None, since: Micros, minutes: int
) -> tuple[Group, ...]:
    """A group of one for each agent, by login: skills, queues and capacity as they are now."""
    rows = reader.all(sa.select(schema.agent).order_by(schema.agent.c.login))
    units = reader.config.agent_units
    groups = []
    for row in rows:
        there = [0] * minutes
        for begin, end in shifts.get(row["id"], ()):
            for minute in range(max((begin - since) // MINUTE, 0), min(-(-(end - since) // MINUTE), minutes)):
                there[minute] = 1
        if any(there):
            groups.append(
                Group(
                    id=row["login"],
                    heads=tuple(there),
                    queues=frozenset(row["queues"]),
                    skills=dict(row["skills"]),
                    capacity=dict(row["capacity"]),
                    answer=answer,
                    routing={} if units is None else {"units": units},
                )
            )
    return tuple(groups)


def _somebody_serves(groups: Sequence[Group], kind: ContactType) -> bool:
    return any(may_serve(group, kind) for group in groups)
