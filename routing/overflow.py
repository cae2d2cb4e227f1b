"""When an item leaves its queue by the queue's own rules, and by which of them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from routing.model import Micros, Overflow
from routing.records import ItemRecord

if TYPE_CHECKING:  # the floor moves items by these functions
    from routing.floor import Floor


def times_of(floor: "Floor", record: ItemRecord) -> list[Micros]:
    """When time alone may make an overflow step count."""
    steps = record.line.policy.overflow
    times = [record.item.waits_since + step.after for step in steps if step.when == "wait"]
    hourly = {"closed", "no_staff"} if record.item.placed else {"closed"}
    if any(step.when in hourly for step in steps):
        _, until = record.line.open_until(floor.now)
        times += [] if until is None else [until]
    return times


def step_of(floor: "Floor", record: ItemRecord, *, arrived: bool) -> Overflow | None:
    """The first step of the item's queue that counts now; the size does so only for who has just come."""
    line, item = record.line, record.item
    for step in line.policy.overflow:
        if spent_name(item.queue, step.when, step.to) in record.spent:
            continue
        if item.callback is not None and step.to != "queue":
            continue  # the customer was promised a call
        match step.when:
            case "wait":
                counts = item.waits_since + step.after <= floor.now
            case "size":
                counts = arrived and not item.placed and line.unanswered > step.size
            case "no_staff":
                counts = not is_staffed(floor, item.queue) and not _waits_for_opening(floor, record)
            case _:
                counts = not line.open_until(floor.now)[0] and not _waits_for_opening(floor, record)
        if counts:
            return step
    return None


def _waits_for_opening(floor: "Floor", record: ItemRecord) -> bool:
    """Whether a person put it into its queue while that was closed, and it has not opened since."""
    line, item = record.line, record.item
    is_open, _ = line.open_until(floor.now)
    return item.placed and not is_open and not line.closed_anew(item.waits_since, floor.now)


def is_staffed(floor: "Floor", queue: str) -> bool:
    """Whether anybody of the queue takes work now, idle or busy."""
    return any(agent.takes_work(floor.now) for agent in floor.buckets.team(queue))


def unstaffed(floor: "Floor", queues: Iterable[str]) -> list[ItemRecord]:
    """All that waits in those of these queues where somebody should be and nobody is."""
    found = []
    for queue in sorted(queues):
        line = floor.lines.get(queue)
        if line is None or not any(step.when == "no_staff" for step in line.policy.overflow):
            continue
        if not is_staffed(floor, queue):
            found += [entry[2] for entry in line.waiting]
    return found


def spent_name(queue: str, when: str, to: str) -> str:
    """How a record remembers a step that was refused."""
    return f"{queue} {when} {to}"
