"""What must hold after every command. For tests, simulations and an audit of a running router."""

# asserting is what this module is for; `check` refuses to run where asserts are off

from collections import Counter

from routing import callbacks, choice, overflow, roster, stages
from routing.buckets import NOWHERE, Bucket
from routing.capacity import has_room
from routing.floor import Floor
from routing.lines import QueueLine
from routing.records import AgentRecord, ItemRecord, Place
from routing.router import Router
from routing.timers import OFFER, PAUSE, WRAP_UP, Timer
from routing.waiting import Line


def check(router: Router) -> None:
    """AssertionError that says what is broken. After a rebuild, not before the first tick."""
    if not __debug__:
        raise RuntimeError("python -O leaves the checks out")
    floor = router.floor
    assert not floor.match_due, "a router that was rebuilt is checked after its first tick"
    for record in floor.items.values():
        _check_item(floor, record)
    for agent in floor.agents.values():
        _check_agent(floor, agent)
    for bucket in floor.buckets:
        _check_bucket(floor, bucket)
    _check_conservation(floor)
    _check_deadlines(floor)
    _check_nobody_idles(floor)
    _check_sleepers(router)
    looks = any(callbacks.rule_of(line.policy).within for line in floor.sleepy.values())
    assert looks == (floor.look_at is not None), f"expected waits are looked at {floor.look_at}"


def _check_item(floor: Floor, record: ItemRecord) -> None:
    name, place = record.item.id, record.place
    assert floor.items[name] is record, f"{name} is kept under another id"
    assert (record.offer is not None) == (place is Place.OFFERED), f"{name} is {place} with {record.offer}"
    owned = place in {Place.SERVED, Place.WRAP_UP}
    assert bool(record.owner) == owned, f"{name} is {place} and owned by {record.owner}"
    holders = [agent.agent.id for agent in floor.agents.values() if record in agent.holds]
    if record.offer is not None:
        assert record.offer.item == name, f"{name} rings with the offer of another item"
        assert record.offer.attempt <= record.attempts, f"{name} was offered more often than counted"
        assert holders == [record.offer.agent], (
            f"{name} rings at {record.offer.agent} and weighs on {holders}"
        )
        assert floor.agents[record.offer.agent].ringing == name, f"{name} rings unheard"
    else:
        assert holders == ([record.owner] if owned else []), f"{name} is {place} and weighs on {holders}"
    if place in {Place.WAITING, Place.OFFERED}:
        _check_queued(floor, record)
    else:
        assert record.bucket is NOWHERE, f"{name} is {place} and in a bucket"


def _check_queued(floor: Floor, record: ItemRecord) -> None:
    name, item, bucket = record.item.id, record.item, record.bucket
    assert record.slope == record.line.slope(item), f"{name} ages by {record.slope}"
    assert record.entry[:2] == (record.line.key(item), name), f"{name} has the place {record.entry}"
    rings = record.line.policy.rings
    if bucket.need.terms:  # else it was refused, and stays so
        mine = floor.buckets.bucket(item, rings[: record.ring], record.only, record.slope)
        assert bucket is mine, f"{name} is in {bucket.need}"
    if record.place is Place.WAITING:
        passed = sum(item.waits_since + ring.after <= floor.now for ring in rings)
        assert record.ring == passed, f"{name} has passed {record.ring} rings of {passed}"
        assert record.only == stages.preference(floor, record), f"{name} waits for {record.only}"
    waits = record.place is Place.WAITING
    assert (record.entry in set(bucket.waiting)) == waits, (
        f"{name} is {record.place}, its bucket says otherwise"
    )
    assert (record.entry in set(floor.lines[item.queue].waiting)) == waits, f"{name}: its line says otherwise"
    _check_sleep(floor, record)
    assert record.line is floor.lines[item.queue], f"{name} stands in another line"
    served = bucket.members or bucket.need.asleep
    assert record.unroutable == (waits and not served), f"{name}: unroutable is {record.unroutable}"


def _check_sleep(floor: Floor, record: ItemRecord) -> None:
    """A callback is where its rule says that it is at this moment; everything else is offered."""
    name, callback, line = record.item.id, record.item.callback, record.line
    rule, now = callbacks.rule_of(line.policy), floor.now
    waits = record.place is Place.WAITING and callback is not None
    sleeps = waits and callback is not None and callbacks.sleeps(callback, rule, now)
    rests = waits and callback is not None and callbacks.is_resting(callback, now)
    offered = callback is None or callbacks.is_offered(callback, rule, now)
    if record.place is Place.WAITING:
        assert record.bucket.need.asleep == (not offered), f"{name} is in {record.bucket.need}"
    assert record.sleeps == sleeps == (record.entry in set(line.sleepers)), f"{name} sleeps: {record.sleeps}"
    assert not sleeps or floor.sleepy.get(record.item.queue) is line, f"nobody looks after {name}"
    assert record.rests == rests == (record.entry in set(line.resting)), f"{name} rests: {record.rests}"
    if waits and callback is not None and callback.dialled_at is not None:
        assert now < callback.dialled_at + rule.answer, f"{name} is dialled for too long"
    expires_at = callbacks.expires_at(record.item, rule) if waits else None
    if expires_at is not None and callbacks.PROMISE_KEPT not in record.spent:
        assert now < expires_at, f"the promise of {name} is over"


def _check_sleepers(router: Router) -> None:
    """Whoever sleeps has a reason: their turn is not near, or nobody is there; a closed queue wakes by itself."""
    floor = router.floor
    for queue, line in floor.sleepy.items():
        is_open, opens_at = line.open_until(floor.now)
        if not is_open:
            due = router.next_deadline()
            assert opens_at is None or (due is not None and due <= opens_at), f"{queue} sleeps until {due}"
            continue
        if not overflow.is_staffed(floor, queue):
            continue
        for _, _, record in line.sleepers:
            ahead = line.waiting.rank(record.entry) - line.resting.rank(record.entry)
            near = ahead < callbacks.rule_of(line.policy).position
            assert not near, f"{record.item.id} sleeps behind {ahead} and was not dialled"


def _check_agent(floor: Floor, agent: AgentRecord) -> None:
    name = agent.agent.id
    held = [record.item for record in agent.holds]
    load = dict(Counter(item.medium for item in held))
    assert agent.room.load == load, f"{name}: load {agent.room.load}, holds {held}"
    assert agent.room is floor.rules.rooms(agent.agent).room(load), f"{name} is in a room of other rules"
    paused = {item for item, record in floor.items.items() if name in record.pauses}
    assert agent.paused == paused, f"{name} pauses from {agent.paused} instead of {paused}"
    _check_ringing(floor, agent)
    media = roster.open_media(floor, agent)
    assert set(agent.listed) == set(media), f"{name} is listed for {agent.listed} instead of {media}"
    if agent.benched_by is not None:
        assert not agent.ready, f"{name} is benched and ready"


def _check_ringing(floor: Floor, agent: AgentRecord) -> None:
    """A pending offer fits: the agent may have the item beside all that they hold."""
    name = agent.agent.id
    pending = [record.item.id for record in agent.holds if record.place is Place.OFFERED]
    assert pending == ([agent.ringing] if agent.ringing else []), f"{name} has the offers {pending}"
    if agent.ringing is None:
        return
    item = floor.items[agent.ringing].item
    assert agent.ready, f"{name} is not ready and {item.id} rings"
    assert not agent.blocked, f"{name} is blocked and {item.id} rings"
    need = floor.items[agent.ringing].bucket.need
    assert need.is_met_by(agent.agent), f"{name} cannot serve {item.id}"
    rest = dict(Counter(held.item.medium for held in agent.holds if held.item is not item))
    policy = floor.rules.policy
    fits = has_room(
        agent.agent.capacity,
        rest,
        item.medium,
        policy.exclusive,
        interrupts=policy.interrupts.get(item.medium, frozenset()),
        weights=policy.weights,
        units=agent.agent.units,
    )
    assert fits or need.override, f"{name} has no room for {item.id} beside {rest}"


def _check_bucket(floor: Floor, bucket: Bucket) -> None:
    need = bucket.need
    members = {agent for agent, record in floor.agents.items() if need.is_met_by(record.agent)}
    assert set(bucket.members) == members, f"{need} has the members {sorted(bucket.members)}"
    rule = floor.rules.queue(need.queue).choice
    idle = {
        choice.entry(rule, record, need.terms)
        for record in bucket.members.values()
        if bucket.slot in record.listed
    }
    assert set(bucket.idle) == idle, f"{need} has the idle agents {list(bucket.idle)}"
    _check_order(bucket.waiting)
    _check_order(bucket.idle)
    users = [record for record in floor.items.values() if record.bucket is bucket]
    assert bucket.users == len(users), f"{need} counts {bucket.users} users of {len(users)}"


def _check_conservation(floor: Floor) -> None:
    """No item is in two places, none is in a line that nobody knows of."""
    places = Counter(record.place for record in floor.items.values())
    lines = floor.lines.values()
    waiting = sum(len(line.waiting) for line in lines)
    unanswered = sum(line.unanswered for line in lines)
    held = sum(len(agent.holds) for agent in floor.agents.values())
    assert waiting == places[Place.WAITING], f"{waiting} in the lines, {places[Place.WAITING]} wait"
    assert waiting == sum(len(bucket.waiting) for bucket in floor.buckets), "lines and buckets differ"
    assert unanswered == waiting + places[Place.OFFERED], f"{unanswered} unanswered"
    busy = places[Place.OFFERED] + places[Place.SERVED] + places[Place.WRAP_UP]
    assert held == busy, f"{held} items weigh on agents, {busy} are offered, served or in wrap-up"
    for line in lines:
        _check_line(floor, line)
        came = [
            record.item.queued_at
            for record in floor.items.values()
            if record.line is line and record.place in {Place.WAITING, Place.OFFERED}
        ]
        assert line.unanswered == len(came), f"{line.unanswered} unanswered of {len(came)}"
        assert line.oldest() == min(came, default=None), f"the oldest came at {line.oldest()}"


def _check_line(floor: Floor, line: QueueLine) -> None:
    """One line, or one for each class, with ranks as of now."""
    if isinstance(line.waiting, Line):
        _check_order(line.waiting)
        return
    places = [floor.place(entry)[:2] for entry in line.waiting]
    assert places == sorted(places), "classes are merged out of order"
    for rank, entry in enumerate(line.waiting):
        assert line.waiting.rank(entry) == rank, f"{entry} has another rank than {rank}"


def _check_order(line: Line) -> None:
    entries = list(line)
    assert entries == sorted(entries), "a line is out of order"
    assert len(line) == len(entries), f"a line counts {len(line)} entries of {len(entries)}"
    assert line.head == (entries[0] if entries else None), f"a line has the head {line.head}"


def _check_deadlines(floor: Floor) -> None:
    expected = set()
    for name, record in floor.items.items():
        if record.offer is not None:
            expected.add(Timer(record.offer.deadline, OFFER, name, record.offer.agent))
        if record.place is Place.WRAP_UP and record.owner:
            expected.add(Timer(record.until, WRAP_UP, name, record.owner))
        expected.update(Timer(until, PAUSE, name, agent) for agent, until in record.pauses.items())
    live = floor.timers.live()
    assert live == expected, f"timers without a cause {live - expected}, without a timer {expected - live}"


def _check_nobody_idles(floor: Floor) -> None:
    """No agent who could have it stands idle while an item waits."""
    policy = floor.rules.policy
    for record in floor.items.values():
        if record.place is not Place.WAITING:
            continue
        item = record.item
        for name, agent in floor.agents.items():
            on_shift = agent.closes_at is None or floor.now < agent.closes_at
            free = (
                on_shift
                and agent.ready
                and not agent.blocked
                and agent.ringing is None
                and name not in record.pauses
            )
            if free and record.bucket.need.is_met_by(agent.agent):
                room = record.bucket.need.override or has_room(
                    agent.agent.capacity,
                    agent.room.load,
                    item.medium,
                    policy.exclusive,
                    interrupts=policy.interrupts.get(item.medium, frozenset()),
                    weights=policy.weights,
                    units=agent.agent.units,
                )
                assert not room, f"{name} idles while {item.id} waits"
