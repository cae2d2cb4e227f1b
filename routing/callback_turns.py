"""What is decided about callbacks in a turn: whom to dial, who was missed, and whose promise is over."""

from routing import callbacks, overflow, stages
from routing.decisions import Because, CallbackExpired, CallbackMissed, CustomerDialled, Decision
from routing.estimate import expected_wait
from routing.floor import Floor
from routing.lines import QueueLine
from routing.model import Micros
from routing.records import WAITING, ItemRecord


def dial_who_is_near(floor: Floor, out: list[Decision], *, looks: bool) -> None:
    """Dial who sleeps and whose turn is near, in the order of their lines; `looks`: also by their expected wait."""
    for queue in sorted(floor.sleepy):
        line = floor.sleepy[queue]
        if not may_dial(floor, queue, line):
            continue
        rule = callbacks.rule_of(line.policy)
        while (head := line.sleepers.head) is not None:
            record: ItemRecord = head[2]
            position = _ahead(line, record) + 1
            wait = _wait(floor, line, record, position) if looks and rule.within else None
            if position > rule.position and (wait is None or wait > rule.within):
                break  # who is behind them is further away
            attempt = 1 + (record.item.callback.missed if record.item.callback else 0)
            because: Because = {
                "rule": "turn_is_near",
                "queue": queue,
                "position": position,
                "wait_ms": None if wait is None else wait // 1000,
                "waited_ms": max(floor.now - record.item.queued_at, 0) // 1000,
                "policy_version": floor.rules.version,
            }
            stages.dial(floor, record)
            out.append(CustomerDialled(record.item.id, attempt, because))


def may_dial(floor: Floor, queue: str, line: QueueLine) -> bool:
    """Whether who answers now would find somebody: the queue is open, and staffed by who is idle or busy.

    An agent who becomes ready is a command, which looks again by itself; for the opening see `next_opening`.
    """
    return line.open_until(floor.now)[0] and overflow.is_staffed(floor, queue)


def next_opening(floor: Floor) -> Micros | None:
    """When the first closed queue opens in which callbacks sleep; None if there is none, or not within months."""
    changes = (line.open_until(floor.now) for line in floor.sleepy.values())
    return min((until for is_open, until in changes if not is_open and until is not None), default=None)


def _ahead(line: QueueLine, record: ItemRecord) -> int:
    """How many are before it. What rests will not be served before it is dialled again."""
    return line.waiting.rank(record.entry) - line.resting.rank(record.entry)


def _wait(floor: Floor, line: QueueLine, record: ItemRecord, position: int) -> Micros | None:
    """How long until its turn, as far as is known."""
    item = record.item
    team = floor.buckets.team(item.queue)
    places = sum(agent.agent.capacity.get(item.medium, 0) for agent in team if agent.takes_work(floor.now))
    if not places:
        return None
    return round(expected_wait(position - 1, places * line.handling.value, line.patience.value))


def note_next_look(floor: Floor, *, looks: bool) -> None:
    """When expected waits are to be looked at again: kept until a look has come, whatever else happens meanwhile."""
    if not any(callbacks.rule_of(line.policy).within for line in floor.sleepy.values()):
        floor.look_at = None
    elif looks or floor.look_at is None:
        floor.look_at = (floor.now // callbacks.LOOK_EVERY + 1) * callbacks.LOOK_EVERY


def miss_who_is_overdue(floor: Floor, record: ItemRecord, out: list[Decision]) -> bool:
    """Whether a customer is being dialled for too long and was missed: they rest, or that was the last try."""
    callback, rule = record.item.callback, callbacks.rule_of(record.line.policy)
    if callback is None or callback.dialled_at is None or floor.now < callback.dialled_at + rule.answer:
        return False
    because: Because = {
        "rule": "no_answer",
        "dialled_ms": (floor.now - callback.dialled_at) // 1000,
        "tries": rule.tries,
        "policy_version": floor.rules.version,
    }
    again = callbacks.missed(record.item, rule, floor.now)
    out.append(CallbackMissed(record.item.id, callback.missed + 1, again is None, because))
    floor.take_from_line(record)
    if again is not None:
        record.item = again
        floor.enqueue(record)
    return True


def end_who_waits_in_vain(floor: Floor, record: ItemRecord, out: list[Decision]) -> bool:
    """Whether the promise to call a customer is over before its turn has come: it is out of its line then."""
    item, rule = record.item, callbacks.rule_of(record.line.policy)
    at = callbacks.expires_at(item, rule)
    if record.place is not WAITING or at is None or floor.now < at or callbacks.PROMISE_KEPT in record.spent:
        return False
    because: Because = {
        "rule": "promise_over",
        "queue": item.queue,
        "promised_ms": (floor.now - callbacks.promised_at(item)) // 1000,
        "lasts_ms": rule.lasts // 1000,
        "missed": 0 if item.callback is None else item.callback.missed,
        "policy_version": floor.rules.version,
    }
    out.append(CallbackExpired(item.id, because))
    floor.take_from_line(record)
    return True
