"""Ways back to a router: from its snapshot, exactly; from the stored rows, deciding alike from then on."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from routing import roster, stages
from routing.codec import decode_as, encode
from routing.floor import Floor
from routing.lines import QueueLine
from routing.model import Agent, AwayReason, Micros, Offer, Policy, WorkItem
from routing.records import AgentRecord, ItemRecord, Place
from routing.turn import is_staged

FORMAT = 1


class Rows(NamedTuple):
    """What `Router.rebuild` is given."""

    agents: Iterable[tuple[Agent, bool, Micros, AwayReason | None]]
    waiting: Iterable[tuple[WorkItem, int]]
    offers: Iterable[Offer]
    serving: Iterable[tuple[WorkItem, str]]
    wrapping: Iterable[tuple[WorkItem, str, Micros]]
    pauses: Iterable[tuple[str, str, Micros]]
    estimates: Mapping[str, tuple[float, float]]
    missed: Mapping[str, int]


# --- from the rows --------------------------------------------------------------------------------------


def rebuild_into(floor: Floor, now: Micros, rows: Rows) -> None:
    """Fill a new router. Contradicting rows are taken as far as they go and left to the first tick."""
    floor.now = now
    for definition, ready, idle_since, reason in rows.agents:
        _put_agent(floor, definition, ready=ready, idle_since=idle_since, reason=reason)
    for name, count in rows.missed.items():
        floor.agent(name).missed = count
    for item, attempts in rows.waiting:
        if item.id not in floor.items:
            floor.enqueue(floor.add(item, attempts))
    for item, name in rows.serving:
        _put_served(floor, item, name)
    for item, name, until in rows.wrapping:
        floor.wrap_up(_put_served(floor, item, name), until)
    for offer in sorted(rows.offers, key=lambda offer: offer.id):
        _put_offer(floor, offer)
    _put_pauses(floor, rows)
    for queue, (mu, theta) in rows.estimates.items():
        floor.line(queue).handling.set_to(mu)
        floor.line(queue).patience.set_to(theta)
    _list_and_flag(floor)
    floor.match_due = True


def _put_agent(
    floor: Floor, definition: Agent, *, ready: bool, idle_since: Micros, reason: AwayReason | None
) -> AgentRecord:
    record = floor.agent(definition.id)
    roster.enrol(floor, record, definition)
    record.ready = ready
    record.reason = None if ready else reason
    record.idle_since = idle_since
    return record


def _put_served(floor: Floor, item: WorkItem, name: str) -> ItemRecord:
    """Who has an item has it, also if another row says that it waits."""
    record = floor.items.get(item.id)
    if record is None:
        record = floor.add(item)
    elif record.place is Place.WAITING:
        floor.take_from_line(record)
    else:
        idle_since = floor.agents[record.owner].idle_since if record.owner else 0
        floor.free(record).idle_since = idle_since
    floor.serve(record, floor.agent(name), None)
    return record


def _put_offer(floor: Floor, offer: Offer) -> None:
    record = floor.items.get(offer.item)
    agent = floor.agent(offer.agent)
    if record is None or record.place is not Place.WAITING or agent.ringing is not None:
        floor.orphans.append(offer)
    else:
        stages.match_offer(floor, record, agent)
        floor.offer(record, agent, offer)


def _put_pauses(floor: Floor, rows: Rows) -> None:
    for name, agent, until in rows.pauses:
        record = floor.items.get(name)
        if record is not None:
            floor.pause(record, agent, until)


def _list_and_flag(floor: Floor) -> None:
    """What follows from the rest: who stands idle, and which items were told to be unroutable already."""
    for record in floor.items.values():  # pauses came later than items
        if record.place is Place.WAITING and is_staged(record):
            stages.restage(floor, record)
    floor.buckets.flipped.clear()
    floor.buckets.opened.clear()
    for agent in floor.agents.values():
        roster.list_idle(floor, agent, roster.open_media(floor, agent))
    for record in floor.items.values():
        asleep = record.bucket.need.asleep
        record.unroutable = record.place is Place.WAITING and not (record.bucket.members or asleep)


# --- snapshots ------------------------------------------------------------------------------------------


def snapshot(floor: Floor) -> dict[str, Any]:
    """Everything that is not derived, in one order."""
    turns = floor.rules.takes_turns
    look = {} if floor.look_at is None else {"look_at": floor.look_at}
    return look | {
        "format": FORMAT,
        "now": floor.now,
        "policy": encode(floor.rules.policy),
        "match_due": floor.match_due,
        "orphans": [encode(offer) for offer in floor.orphans],
        "agents": [_write_agent(floor.agents[name], with_turns=turns) for name in sorted(floor.agents)],
        "items": [_write_item(floor.items[item]) for item in sorted(floor.items)],
        "ended": [[item, attempts, _write_late(late)] for item, (attempts, late) in floor.ended.items()],
        "rates": {
            queue: _write_rates(line) for queue, line in sorted(floor.lines.items()) if line.has_learned
        },
    }


def _write_agent(record: AgentRecord, *, with_turns: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "agent": encode(record.agent),
        "ready": record.ready,
        "reason": record.reason,
        "idle_since": record.idle_since,
        "blocked": record.blocked,
        "benched_by": record.benched_by,
    }
    if record.missed:
        row["missed"] = record.missed
    if with_turns:
        row["last_offer"] = record.last_offer
    return row


def _write_item(record: ItemRecord) -> dict[str, Any]:
    row: dict[str, Any] = {
        "item": encode(record.item),
        "place": record.place.value,
        "attempts": record.attempts,
        "offer": None if record.offer is None else encode(record.offer),
        "owner": record.owner,
        "since": record.since,
        "until": record.until,
        "pauses": dict(sorted(record.pauses.items())),
        "late": _write_late(record.late),
        "unroutable": record.unroutable,
    }
    if record.spent:
        row["spent"] = list(record.spent)
    if record.place is Place.OFFERED and is_staged(record):  # as of when it was offered
        wish = None if record.only is None else record.item.preferred.index(record.only)
        row["stage"] = [record.ring, wish]
    return row


def _write_late(late: Mapping[str, str]) -> list[list[str]]:
    """Oldest first: the order counts."""
    return [list(pair) for pair in late.items()]


def _write_rates(rates: QueueLine) -> list[float]:
    return [rates.handling.count, rates.handling.exposure, rates.patience.count, rates.patience.exposure]


def policy_of(snapshot: Mapping[str, Any]) -> Policy:
    """ValueError if this is no snapshot of ours."""
    if snapshot.get("format") != FORMAT:
        raise ValueError(f"snapshot format {snapshot.get('format')!r}, this router reads {FORMAT}")
    return decode_as(Policy, snapshot["policy"])


def restore_into(floor: Floor, snapshot: Mapping[str, Any]) -> None:
    """Fill a new floor; lines, buckets, idle lists and timers follow from the rest."""
    floor.now = snapshot["now"]
    floor.match_due = snapshot["match_due"]
    floor.look_at = snapshot.get("look_at")
    floor.orphans = [decode_as(Offer, offer) for offer in snapshot["orphans"]]
    for row in snapshot["agents"]:
        agent = _put_agent(
            floor,
            decode_as(Agent, row["agent"]),
            ready=row["ready"],
            idle_since=row["idle_since"],
            reason=row["reason"],
        )
        agent.blocked = row["blocked"]
        agent.benched_by = row["benched_by"]
        agent.missed = row.get("missed", 0)
    for row in snapshot["items"]:
        _read_item(floor, row)
    for row in snapshot["agents"]:  # now, as a pending offer that is put back counts as one made
        floor.agents[row["agent"]["id"]].last_offer = row.get("last_offer", 0)
    for item, attempts, late in snapshot["ended"]:
        floor.ended[item] = (attempts, dict(late))
    for queue, (handled, handling, gave_up, patience) in snapshot["rates"].items():
        rates = floor.line(queue)
        rates.handling.count, rates.handling.exposure = handled, handling
        rates.patience.count, rates.patience.exposure = gave_up, patience
    _list_and_flag(floor)
    for row in snapshot["items"]:
        floor.items[row["item"]["id"]].unroutable = row["unroutable"]


def _read_item(floor: Floor, row: Mapping[str, Any]) -> None:
    record = floor.add(decode_as(WorkItem, row["item"]), row["attempts"])
    place = Place(row["place"])
    if place in {Place.WAITING, Place.OFFERED}:
        floor.enqueue(record)
    if place is Place.OFFERED:
        offer = decode_as(Offer, row["offer"])
        if "stage" in row:
            ring, wish = row["stage"]
            stages.set_stage(floor, record, ring, None if wish is None else record.item.preferred[wish])
        floor.offer(record, floor.agent(offer.agent), offer)
    if place in {Place.SERVED, Place.WRAP_UP}:
        floor.serve(record, floor.agent(row["owner"]), row["since"])
    if place is Place.WRAP_UP:
        floor.wrap_up(record, row["until"])
    record.until = row["until"]
    for agent, until in row["pauses"].items():
        floor.pause(record, agent, until)
    record.late = dict(row["late"])
    record.spent = tuple(row.get("spent", ()))
