"""Agents on the floor: which queues and shifts they have, and the idle lines in which they stand."""

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from routing.capacity import OVERRIDE
from routing.model import Agent, Micros
from routing.records import AgentRecord

if TYPE_CHECKING:  # the floor moves items by these functions
    from routing.floor import Floor


def enrol(floor: "Floor", record: AgentRecord, agent: Agent) -> None:
    """Take over queues, skills and capacity; unchanged ones cost nothing."""
    if record.agent != agent:
        unlist(record)
        floor.buckets.enrol(record, agent)
        record.room = floor.rules.rooms(agent).room(record.room.load)
        note_shift(floor, record)


def note_shift(floor: "Floor", record: AgentRecord) -> None:
    """From when on the agent gets nothing more, by their shift and the rules of now."""
    end = record.agent.shift_end
    record.closes_at = None if end is None else end - floor.rules.policy.shift_margin
    if record.closes_at is not None:
        heappush(floor.closings, (record.closes_at, record.name))


def next_closing(floor: "Floor") -> Micros | None:
    """When a shift ends next, or was to."""
    return floor.closings[0][0] if floor.closings else None


def due_closings(floor: "Floor") -> list[AgentRecord]:
    """Agents whose shift is over, or was to be."""
    found = []
    while floor.closings and floor.closings[0][0] <= floor.now:
        found.append(floor.agents[heappop(floor.closings)[1]])
    return found


def open_media(floor: "Floor", agent: AgentRecord) -> tuple[str, ...]:
    """The media of which the agent may be offered one more item; at most one thing rings at a time."""
    if agent.ringing is not None or not agent.takes_work(floor.now):
        return ()
    return (*agent.room.open, OVERRIDE) if agent.overrides else agent.room.open


def list_idle(floor: "Floor", agent: AgentRecord, media: tuple[str, ...]) -> None:
    """Let the agent stand in the idle lines of exactly these media."""
    if agent.listed:
        unlist(agent)
    agent.listed = media
    plain = None if floor.buckets.choices else (agent.idle_since, agent.name, agent)
    for medium in media:
        for bucket in agent.buckets.get(medium, ()):
            if plain is None:
                floor.buckets.stand(agent, bucket)
            else:
                bucket.idle.add(plain)
                agent.spots.append((bucket, plain))


def unlist(agent: AgentRecord) -> None:
    """Out of all idle lines."""
    for bucket, entry in agent.spots:
        bucket.idle.remove(entry)
    agent.spots = []
    agent.listed = ()
