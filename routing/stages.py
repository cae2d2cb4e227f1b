"""What an item that waits asks for at a moment: fewer skills after each ring, one agent first, rest for a callback.

It changes as time passes and as agents come and go; the item moves to another bucket then, in its old place.
"""

from dataclasses import replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from routing import callbacks, overflow
from routing.buckets import Bucket
from routing.model import Callback, Micros, Preferred
from routing.records import WAITING, AgentRecord, ItemRecord

if TYPE_CHECKING:  # the floor moves items by these functions
    from routing.floor import Floor


def stage(floor: "Floor", record: ItemRecord) -> Bucket:
    """The bucket of this moment; notes when time changes it."""
    item, rings = record.item, record.line.policy.rings
    for wish in item.preferred:
        floor.wishers.setdefault(wish.agent, {})[item.id] = record
    record.ring = sum(item.waits_since + ring.after <= floor.now for ring in rings)
    record.only = preference(floor, record)
    later = [item.waits_since + ring.after for ring in rings[record.ring :]]
    times = (record.line.within(wish) for wish in item.preferred)
    later += [item.waits_since + within for within in times if within is not None]
    later += overflow.times_of(floor, record)
    bed = None if item.callback is None else _lay_down(floor, record, item.callback, later)
    record.stage_at = min((at for at in later if at > floor.now), default=None)
    if record.stage_at is not None:
        heappush(floor.stages, (record.stage_at, next(floor.numbers), record))
    return bed or floor.buckets.bucket(item, rings[: record.ring], record.only, record.slope)


def _lay_down(floor: "Floor", record: ItemRecord, callback: Callback, later: list[Micros]) -> Bucket | None:
    """A callback: the bucket where nobody gets it, if nobody may now; notes when time changes that."""
    rule, item, now = callbacks.rule_of(record.line.policy), record.item, floor.now
    wake(floor, record)
    later.append(callbacks.next_change(callback, rule))
    expires_at = callbacks.expires_at(item, rule)
    if expires_at is not None:
        later.append(expires_at)
    if callbacks.is_offered(callback, rule, now):
        return None
    if callbacks.is_resting(callback, now):
        record.rests = True
        record.line.resting.add(record.entry)
    elif callbacks.sleeps(callback, rule, now):
        record.sleeps = True
        record.line.sleepers.add(record.entry)
        floor.sleepy[item.queue] = record.line
    return floor.buckets.bedroom(item, record.slope)


def wake(floor: "Floor", record: ItemRecord) -> None:
    """It neither rests nor sleeps any more."""
    line = record.line
    if record.rests:
        record.rests = False
        line.resting.remove(record.entry)
    if record.sleeps:
        record.sleeps = False
        line.sleepers.remove(record.entry)
        if not line.sleepers.size:
            del floor.sleepy[line.policy.id]


def dial(floor: "Floor", record: ItemRecord) -> None:
    """WAITING and asleep: the customer is being dialled from now on."""
    assert record.item.callback is not None, "only callbacks sleep"
    record.item = replace(record.item, callback=replace(record.item.callback, dialled_at=floor.now))
    restage(floor, record)


def preference(floor: "Floor", record: ItemRecord) -> Preferred | None:
    """Whom the item waits for now: the first who is to be had and whose time is not over."""
    item, rings = record.item, record.line.policy.rings[: record.ring]
    for wish in item.preferred:
        agent = floor.agents.get(wish.agent)
        within = record.line.within(wish)
        over = within is not None and item.waits_since + within <= floor.now
        if over or agent is None or not agent.takes_work(floor.now) or wish.agent in record.pauses:
            continue
        if floor.buckets.bucket(item, rings, wish, record.slope).need.is_met_by(agent.agent):
            return wish
    return None


def restage(floor: "Floor", record: ItemRecord) -> bool:
    """Another bucket, if this moment's is another one: in its old place. False if nothing changes."""
    bucket = stage(floor, record)
    if bucket is record.bucket:
        return False
    _move(record, bucket)
    return True


def set_stage(floor: "Floor", record: ItemRecord, ring: int, only: Preferred | None) -> None:
    """WAITING: into the bucket of this stage."""
    record.ring, record.only = ring, only
    rings = record.line.policy.rings[:ring]
    _move(record, floor.buckets.bucket(record.item, rings, only, record.slope))


def match_offer(floor: "Floor", record: ItemRecord, agent: AgentRecord) -> None:
    """WAITING: into the bucket in which it was offered to the agent, as far as the item says."""
    if record.bucket.need.asleep:
        return  # it cannot stand, which the first tick finds
    for wish in (record.only, None, *record.item.preferred):
        if agent.name in record.bucket.members:
            return
        rings = record.line.policy.rings[: record.ring]
        bucket = floor.buckets.bucket(record.item, rings, wish, record.slope)
        if bucket.need.is_met_by(agent.agent):
            set_stage(floor, record, record.ring, wish)


def _move(record: ItemRecord, bucket: Bucket) -> None:
    record.bucket.waiting.remove(record.entry)
    record.bucket.users -= 1
    record.bucket = bucket
    bucket.users += 1
    bucket.waiting.add(record.entry)


def due(floor: "Floor") -> list[ItemRecord]:
    """Items that wait and whose stage is over by now."""
    found = []
    while floor.stages and floor.stages[0][0] <= floor.now:
        at, _, record = heappop(floor.stages)
        if record.place is WAITING and record.stage_at == at:
            found.append(record)
    return found


def next_due(floor: "Floor") -> Micros | None:
    """When the next of them is."""
    while floor.stages and not (
        floor.stages[0][2].place is WAITING and floor.stages[0][2].stage_at == floor.stages[0][0]
    ):
        heappop(floor.stages)
    return floor.stages[0][0] if floor.stages else None


def forget_wishes(floor: "Floor", record: ItemRecord) -> None:
    """It waits for nobody in particular any more."""
    for wish in record.item.preferred:
        wishers = floor.wishers.get(wish.agent, {})
        wishers.pop(record.item.id, None)
        if not wishers:
            floor.wishers.pop(wish.agent, None)
