"""The router that lived through the recorded steps and the one that the rows describe are the same."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from routing.router import Router
from service_desk.audit.findings import Finding, Findings, pages
from service_desk.audit.steps import starts, steps_after
from service_desk.dispatch.restore import rebuild_router
from service_desk.storage import schema
from service_desk.storage.store import Reader


@dataclass(slots=True)
class Touched:
    """Items and agents that commands speak of which the router has not read yet."""

    items: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)


def check_dispatch(reader: Reader) -> Findings:
    """The recorded steps give the recorded decisions again; the router that they end with fits the rows."""
    router, findings = replay(reader)
    yield from findings
    if router is None:
        return
    on_their_way = _touched(reader)
    rebuilt = rebuild_router(reader, reader.now).snapshot()
    for offer in rebuilt["orphans"]:
        if offer["item"] not in on_their_way.items and offer["agent"] not in on_their_way.agents:
            yield Finding("dispatch", offer["id"], "the offer in the rows contradicts the other rows")
    yield from _compare_items(router.snapshot(), rebuilt, on_their_way)
    yield from _compare_agents(router.snapshot(), rebuilt, on_their_way)


def replay(reader: Reader) -> tuple[Router | None, list[Finding]]:
    """The router that the steps since its last rebuilding lead to; None if it never ran."""
    for start, _, router in starts(reader):
        for step in steps_after(reader, start):
            difference = step.difference(router.apply(step.command, step.at))
            if difference is not None:  # the rest would only repeat it
                return None, [Finding("dispatch", f"step {step.seq}", difference)]
        return router, []
    return None, []


def _touched(reader: Reader) -> Touched:
    cursor = reader.scalar(sa.select(schema.cursor.c.position).where(schema.cursor.c.name == "routing")) or 0
    touched = Touched()
    for row in pages(reader, schema.command, cursor):
        body = row["body"]
        item, agent = body.get("item"), body.get("agent")
        if item is not None:
            touched.items.add(item["id"] if isinstance(item, dict) else item)
        if agent is not None:
            touched.agents.add(agent["id"] if isinstance(agent, dict) else agent)
    timer = schema.timer
    grace = sa.select(timer.c.subject).where(timer.c.kind == "agent_lost")
    touched.agents |= {row["subject"] for row in reader.all(grace)}
    return touched


def _compare_items(told: dict[str, Any], rows: dict[str, Any], skip: Touched) -> Findings:
    """Where each item is, whose it is, which offer rings, and what its place in the line is made of."""
    one, other = _places(told), _places(rows)
    for item in sorted(one.keys() | other.keys()):
        if item not in skip.items and one.get(item) != other.get(item):
            detail = f"the router has it {_words(one.get(item))}, the rows {_words(other.get(item))}"
            yield Finding("dispatch", item, detail)


Place = tuple[str, str | None, str | None, str]


def _places(snapshot: dict[str, Any]) -> dict[str, Place]:
    return {
        row["item"]["id"]: (
            row["place"],
            row["owner"],
            row["offer"]["id"] if row["offer"] else None,
            _standing(row["item"]) if row["place"] in ("waiting", "offered") else "",
        )
        for row in snapshot["items"]
    }


def _standing(item: dict[str, Any]) -> str:
    """What decides on the place of one that waits."""
    value, asked = item.get("value", 0), item.get("callback")
    place = f"in {item['queue']} since {item['queued_at']}, priority {item['priority']}, value {value}"
    if asked is None:
        return place
    facts = ", ".join(f"{name} {asked.get(name)}" for name in ("missed", "rests_until", "dialled_at"))
    return f"{place}, to be called ({facts})"


def _words(place: Place | None) -> str:
    return "nowhere" if place is None else " ".join(part for part in place if part)


def _compare_agents(told: dict[str, Any], rows: dict[str, Any], skip: Touched) -> Findings:
    """Who is to be offered work."""
    one, other = _ready(told), _ready(rows)
    for agent in sorted((one ^ other) - skip.agents):
        detail = "ready for the router only" if agent in one else "ready by the rows only"
        yield Finding("dispatch", agent, detail)


def _ready(snapshot: dict[str, Any]) -> set[str]:
    return {row["agent"]["id"] for row in snapshot["agents"] if row["ready"]}
