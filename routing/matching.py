"""Who gets what. One rule for every occasion: the first item in line goes to the agent who is idle longest.

Items are taken by (ordering key, id), agents by (idle_since, id), among those who may have the item: queue,
skills, capacity, exclusive media, and no decline of theirs that still counts. Before a command nothing was
left that fits together, so a match always has a newcomer in it: an item that came (back) into its line, or an
agent who can take one more. Only these are looked at.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from routing import roster
from routing.buckets import Bucket
from routing.floor import Floor
from routing.records import WAITING, AgentRecord, ItemRecord
from routing.waiting import Entry

Match: TypeAlias = tuple[ItemRecord, AgentRecord, int]
"""An item, the agent it should be offered to and the number of agents who could have had it."""


def match_agent(floor: Floor, agent: AgentRecord) -> Match | None:
    """One agent is the only newcomer. Nobody else is a candidate: they would have had the item before."""
    media = roster.open_media(floor, agent)
    found = _first_in_line(floor, agent, media) if media else None
    if found is not None:
        return found[2], agent, 1
    if media or agent.listed:
        roster.list_idle(floor, agent, media)
    return None


def match_item(record: ItemRecord) -> Match | None:
    """The agent for an item, among those who stand idle."""
    if record.place is not WAITING:
        return None
    idle = record.bucket.idle
    first = idle.head
    if first is None:
        return None
    if not record.pauses:
        return record, first[-1], idle.size
    paused = sum(_stands_idle(name, record.bucket) for name in record.pauses)
    if paused == len(idle):
        return None
    chosen = next(entry[-1] for entry in idle if entry[-2] not in record.pauses)
    return record, chosen, len(idle) - paused


def match_many(floor: Floor, items: Iterable[ItemRecord], agents: Iterable[AgentRecord]) -> Iterator[Match]:
    """Newcomers on both sides, first item first. Each match must be made before the next is asked for.

    The heap holds each new item, and for each new agent the best item for them.
    """
    # The second part is the agent who looks at the item, or "".
    heap = [(floor.place(record.entry), "") for record in items if record.place is WAITING]
    for agent in agents:
        roster.list_idle(floor, agent, roster.open_media(floor, agent))
        heap.extend(_wish(floor, agent))
    heapify(heap)
    while heap:
        entry, name = heappop(heap)
        match = match_item(entry[2])
        if match is not None:
            yield match
        if name:  # if the item went to somebody else, they look on
            for wish in _wish(floor, floor.agents[name]):
                heappush(heap, wish)


def may_stand(record: ItemRecord, agent: AgentRecord) -> bool:
    """Whether the pending offer of the item to the agent could still be made if it were not there."""
    if not agent.ready or agent.blocked or agent.name not in record.bucket.members:
        return False
    medium = record.item.medium
    return record.bucket.need.override or medium in agent.room.minus(medium).open


def _wish(floor: Floor, agent: AgentRecord) -> Iterator[tuple[Entry, str]]:
    """The best item for an agent who stands idle, if there is one."""
    found = _first_in_line(floor, agent, agent.listed)
    if found is not None:
        yield floor.place(found), agent.name


def _stands_idle(agent: str, bucket: Bucket) -> bool:
    record = bucket.members.get(agent)
    return record is not None and bucket.slot in record.listed


def _first_in_line(floor: Floor, agent: AgentRecord, media: tuple[str, ...]) -> Entry | None:
    """The smallest head of the lines of these media that the agent may take from."""
    place = floor.place if floor.rules.ages else None
    if not agent.paused:
        return floor.buckets.first_in_line(agent, media, place)
    mine = [bucket for medium in media for bucket in agent.buckets.get(medium, ())]
    heads = (next((each for each in bucket.waiting if each[1] not in agent.paused), None) for bucket in mine)
    return min((head for head in heads if head is not None), default=None, key=place)
