"""The facts behind each decision, short and JSON-able: `because`."""

from routing import callbacks
from routing.ageing import PLAIN, place_at
from routing.decisions import Because
from routing.floor import Floor
from routing.model import Micros, Offer, Overflow
from routing.records import AgentRecord, ItemRecord


def of_offer(floor: Floor, record: ItemRecord, agent: AgentRecord, ahead: int, candidates: int) -> Because:
    """Why this item, why this agent: to be asked when the item has just left its line.

    `ahead` counts the items before it in its queue, which nobody who was free may take; `candidates` the
    agents who could have had it. `key` is queued_at + target_ms - head_start_min - value_ms; with a `slope_pct`
    it is now - slope_pct / 100 of waited_ms instead of queued_at.
    """
    item, line, now = record.item, record.line, floor.now
    policy = line.policy
    waited, idle = now - item.queued_at, now - agent.idle_since
    because: dict[str, str | int] = {
        "rule": policy.choice,
        "queue": item.queue,
        "position": ahead + 1,
        "waiting": line.waiting.size + 1,
        "waited_ms": waited // 1000 if waited > 0 else 0,
        "key": record.entry[0],
        "target_ms": line.target_ms,
        "head_start_min": policy.priority + item.priority,
        "candidates": candidates,
        "idle_ms": idle // 1000 if idle > 0 else 0,
        "attempt": record.attempts,
        "policy_version": floor.rules.version,
    }
    if not record.plain:
        _add_special(because, record, now)
    return because


def _add_special(because: dict[str, str | int], record: ItemRecord, now: Micros) -> None:
    """What few items have to do with."""
    item, line = record.item, record.line
    policy = line.policy
    if record.only is not None:
        because["preferred"] = record.only.why
    if item.callback is not None:
        because["callback"] = callbacks.rule_of(policy).first
        because["missed"] = item.callback.missed
        if item.callback.asked_at:
            because["promised_ms"] = max(now - item.callback.asked_at, 0) // 1000
    if item.kept:
        because["kept"] = item.kept
    if record.ring:
        because["ring"] = record.ring
    if item.value:
        because["value_ms"] = line.worth(item) // 1000
    if record.slope != PLAIN:
        because["slope_pct"] = record.slope
        because["key"] = place_at(now, record.slope, record.entry[0]) // PLAIN
    if policy.order != "due":
        because["order"] = policy.order


def of_close(floor: Floor, offer: Offer, rule: str) -> Because:
    """Why an offer is over; `rule` is the fact that ended it."""
    return {
        "rule": rule,
        "rang_ms": max(floor.now - offer.made_at, 0) // 1000,
        "attempt": offer.attempt,
        "policy_version": floor.rules.version,
    }


def of_bench(floor: Floor, offer: Offer, agent: AgentRecord) -> Because:
    """The last of the offers that they did not answer, and how many in a row there were if one is not enough."""
    because = of_close(floor, offer, "no_answer")
    return {**because, "missed": agent.missed} if floor.rules.policy.bench_after > 1 else because


def of_unroutable(floor: Floor, record: ItemRecord) -> Because:
    """What nobody has: `requires` as in "german>=3, repair>=1"."""
    item, terms = record.item, record.bucket.need.terms
    because: dict[str, str | int] = {
        "rule": "no_such_agent",
        "queue": item.queue,
        "medium": item.medium,
        "requires": " or ".join(", ".join(f"{name}>={level}" for name, level in term) for term in terms),
        "policy_version": floor.rules.version,
    }
    if not terms:
        because |= {"rule": "too_many_requirements", "field": "requires", "terms": len(item.any_of)}
    return because


def of_wrap_up(floor: Floor, record: ItemRecord) -> Because:
    """The end that was set, and how much later it was noticed."""
    return {
        "rule": "wrap_up_over",
        "until": record.until,
        "late_ms": max(floor.now - record.until, 0) // 1000,
        "policy_version": floor.rules.version,
    }


def of_overflow(floor: Floor, record: ItemRecord, step: Overflow) -> Because:
    """Which step, and what it looked at."""
    item = record.item
    return {
        "rule": "overflow",
        "when": step.when,
        "to": step.to,
        "waited_ms": max(floor.now - item.queued_at, 0) // 1000,
        "after_ms": step.after // 1000,
        "waiting": record.line.unanswered,
        "size": step.size,
        "policy_version": floor.rules.version,
    }
