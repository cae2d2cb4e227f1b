"""The floor: everything that waits and everyone who serves, kept consistent. It moves and decides nothing."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count

from routing import callbacks
from routing.ageing import PLAIN, as_of
from routing.buckets import NOWHERE, Bucket, Buckets
from routing.capacity import OVERRIDE
from routing.choice import LONGEST_IDLE
from routing.lines import QueueLine
from routing.model import Agent, Callback, Micros, Offer, Overflow, Policy, Preferred, WorkItem
from routing.policies import Rules
from routing.records import OFFERED, PARKED, SERVED, WAITING, WRAP_UP, AgentRecord, ItemRecord
from routing.timers import OFFER, PAUSE, Timer, Timers
from routing.timers import WRAP_UP as WRAP_UP_END
from routing.waiting import Entry

LATE_ANSWERS = 8  # closed offers per item whose answer is still believed
ENDED_ITEMS = 1024  # remembered for a while with their offers: one that comes back uses no id twice


class Floor:
    """State and the moves between places; the way from place to place leads over PARKED.

    `match_due`: after a rebuild, until the first tick has looked at everything. `orphans`: offers in the rows
    that cannot stand, which that tick withdraws.
    """

    __slots__ = (
        "_numbers",
        "agents",
        "buckets",
        "closings",
        "ended",
        "items",
        "lines",
        "look_at",
        "match_due",
        "now",
        "orphans",
        "rules",
        "sleepy",
        "stages",
        "timers",
        "wishers",
    )

    def __init__(self, policy: Policy) -> None:
        self.rules = Rules(policy)
        self.now: Micros = 0
        self.items: dict[str, ItemRecord] = {}
        self.ended: OrderedDict[str, tuple[int, dict[str, str]]] = OrderedDict()  # item: attempts, late
        self.agents: dict[str, AgentRecord] = {}
        self.buckets = Buckets()
        self.lines: dict[str, QueueLine] = {}
        self.sleepy: dict[
            str, QueueLine
        ] = {}  # those with callbacks that are dialled when their turn is near
        self.timers = Timers(self.is_live)
        self._numbers = count()  # so that no two records are compared
        self.stages: list[
            tuple[Micros, int, ItemRecord]
        ] = []  # heap; what means nothing any more leaves it late
        self.wishers: dict[str, dict[str, ItemRecord]] = {}  # agent: queued items that would rather have them
        self.closings: list[tuple[Micros, str]] = []  # heap: ends of shifts, also such as have moved
        self._note_choices()
        self.look_at: Micros | None = None  # when expected waits of callbacks are due to be looked at
        self.match_due = False
        self.orphans: list[Offer] = []

    # --- looking up -------------------------------------------------------------------------------------

    def time(self) -> Micros:
        return self.now

    def place(self, entry: Entry) -> Entry:
        """By which entries of different lines are compared at this moment."""
        return as_of(entry, self.now) if self.rules.ages else entry

    def agent(self, name: str) -> AgentRecord:
        """The agent; one whom nobody has introduced can hold work, but has no queues yet."""
        record = self.agents.get(name)
        if record is None:
            nobody = Agent(name, frozenset())
            record = self.agents[name] = AgentRecord(nobody, self.rules.rooms(nobody).room({}))
        return record

    def line(self, queue: str) -> QueueLine:
        line = self.lines.get(queue)
        if line is None:
            line = self.lines[queue] = QueueLine(self.rules.queue(queue), self.time)
        return line

    def is_live(self, timer: Timer) -> bool:
        record = self.items.get(timer.item)
        if record is None:
            return False
        if timer.kind == OFFER:
            offer = record.offer
            return offer is not None and offer.deadline == timer.at and offer.agent == timer.agent
        if timer.kind == WRAP_UP_END:
            return record.place is WRAP_UP and record.owner == timer.agent and record.until == timer.at
        return record.pauses.get(timer.agent) == timer.at

    # --- items ------------------------------------------------------------------------------------------

    def add(self, item: WorkItem, attempts: int = 0) -> ItemRecord:
        record = self.items[item.id] = ItemRecord(item, attempts, NOWHERE, self.line(item.queue))
        if item.id in self.ended:
            before, record.late = self.ended.pop(item.id)
            record.attempts = max(attempts, before)
        return record

    def forget(self, record: ItemRecord) -> None:
        """PARKED: out of everything."""
        name = record.item.id
        del self.items[name]
        record.entry = ()  # it holds the record: a circle
        if record.pauses:
            for agent in record.pauses:
                self.agents[agent].paused.discard(name)
        if record.attempts:
            self.ended[name] = (record.attempts, record.late)
            if len(self.ended) > ENDED_ITEMS:
                self.ended.popitem(last=False)

    def enqueue(self, record: ItemRecord) -> None:
        """PARKED to WAITING, in the place that its key gives it."""
        self._classify(record, record.item)
        record.bucket.waiting.add(record.entry)
        record.line.waiting.add(record.entry)
        record.place = WAITING

    def _classify(self, record: ItemRecord, item: WorkItem) -> None:
        """Which line, which bucket, which place."""
        line = record.line
        if record.item.preferred:
            self._forget_wishes(record)
        if line.policy.id != item.queue:
            line = record.line = self.line(item.queue)
        record.item = item
        record.slope = line.slope(item) if line.classes else PLAIN
        record.entry = (line.key(item), item.id, record)
        if line.staged or item.preferred or item.callback is not None:
            bucket = self._stage(record)
        else:
            record.ring, record.only, record.stage_at = 0, None, None
            bucket = self.buckets.bucket(item, slope=record.slope)
        record.bucket = bucket
        bucket.users += 1
        line.join(record)

    def take_from_line(self, record: ItemRecord) -> None:
        """WAITING or OFFERED to PARKED; a pending offer is closed."""
        if record.offer is not None:
            self._close(record, record.offer)
        else:
            record.bucket.waiting.remove(record.entry)
            record.line.waiting.remove(record.entry)
        self._leave_queue(record)

    def _leave_queue(self, record: ItemRecord) -> None:
        record.bucket.users -= 1
        record.bucket = NOWHERE
        record.line.unanswered -= 1
        record.place = PARKED
        record.stage_at = None
        if record.item.preferred:
            self._forget_wishes(record)
        if record.item.callback is not None:
            self._wake(record)

    # --- stages: what an item asks for, as time passes and agents come and go -------------------------------------

    def _stage(self, record: ItemRecord) -> Bucket:
        """The bucket of this moment; notes when time changes it."""
        item, rings = record.item, record.line.policy.rings
        for wish in item.preferred:
            self.wishers.setdefault(wish.agent, {})[item.id] = record
        record.ring = sum(item.waits_since + ring.after <= self.now for ring in rings)
        record.only = self.preference(record)
        later = [item.waits_since + ring.after for ring in rings[record.ring :]]
        times = (record.line.within(wish) for wish in item.preferred)
        later += [item.waits_since + within for within in times if within is not None]
        later += self._overflow_times(record)
        bed = None if item.callback is None else self._lay_down(record, item.callback, later)
        record.stage_at = min((at for at in later if at > self.now), default=None)
        if record.stage_at is not None:
            heappush(self.stages, (record.stage_at, next(self._numbers), record))
        return bed or self.buckets.bucket(item, rings[: record.ring], record.only, record.slope)

    def _lay_down(self, record: ItemRecord, callback: Callback, later: list[Micros]) -> Bucket | None:
        """A callback: the bucket where nobody gets it, if nobody may now; notes when time changes that."""
        rule, item, now = callbacks.rule_of(record.line.policy), record.item, self.now
        self._wake(record)
        later.append(callbacks.next_change(callback, rule))
        if callbacks.is_offered(callback, rule, now):
            return None
        if callbacks.is_resting(callback, now):
            record.rests = True
            record.line.resting.add(record.entry)
        elif callbacks.sleeps(callback, rule, now):
            record.sleeps = True
            record.line.sleepers.add(record.entry)
            self.sleepy[item.queue] = record.line
        return self.buckets.bedroom(item, record.slope)

    def _wake(self, record: ItemRecord) -> None:
        line = record.line
        if record.rests:
            record.rests = False
            line.resting.remove(record.entry)
        if record.sleeps:
            record.sleeps = False
            line.sleepers.remove(record.entry)
            if not line.sleepers.size:
                del self.sleepy[line.policy.id]

    def dial(self, record: ItemRecord) -> None:
        """WAITING and asleep: the customer is being dialled from now on."""
        assert record.item.callback is not None, "only callbacks sleep"
        record.item = replace(record.item, callback=replace(record.item.callback, dialled_at=self.now))
        self.restage(record)

    def _overflow_times(self, record: ItemRecord) -> list[Micros]:
        """When time alone may make an overflow step count."""
        steps = record.line.policy.overflow
        times = [record.item.waits_since + step.after for step in steps if step.when == "wait"]
        if any(step.when == "closed" for step in steps):
            _, until = record.line.open_until(self.now)
            times += [] if until is None else [until]
        return times

    def overflow(self, record: ItemRecord, *, arrived: bool) -> Overflow | None:
        """The first step of the item's queue that counts now; the size does so only for who has just come."""
        line, item = record.line, record.item
        for step in line.policy.overflow:
            if spent_name(item.queue, step.when, step.to) in record.spent:
                continue
            if item.callback is not None and step.to != "queue":
                continue  # the customer was promised a call
            match step.when:
                case "wait":
                    counts = item.waits_since + step.after <= self.now
                case "size":
                    counts = arrived and not item.placed and line.unanswered > step.size
                case "no_staff":
                    counts = not self.is_staffed(item.queue)
                case _:
                    counts = not line.open_until(self.now)[0]
                    if counts and item.placed:
                        counts = line.closed_anew(item.waits_since, self.now)
            if counts:
                return step
        return None

    def is_staffed(self, queue: str) -> bool:
        return any(agent.takes_work(self.now) for agent in self.buckets.team(queue))

    def unstaffed(self, queues: Iterable[str]) -> list[ItemRecord]:
        """All that waits in those of these queues where somebody should be and nobody is."""
        found = []
        for queue in sorted(queues):
            line = self.lines.get(queue)
            if line is None or not any(step.when == "no_staff" for step in line.policy.overflow):
                continue
            if not self.is_staffed(queue):
                found += [entry[2] for entry in line.waiting]
        return found

    def preference(self, record: ItemRecord) -> Preferred | None:
        """Whom the item waits for now: the first who is to be had and whose time is not over."""
        item, rings = record.item, record.line.policy.rings[: record.ring]
        for wish in item.preferred:
            agent = self.agents.get(wish.agent)
            within = record.line.within(wish)
            over = within is not None and item.waits_since + within <= self.now
            if over or agent is None or not agent.takes_work(self.now) or wish.agent in record.pauses:
                continue
            if self.buckets.bucket(item, rings, wish, record.slope).need.is_met_by(agent.agent):
                return wish
        return None

    def restage(self, record: ItemRecord) -> bool:
        """Another bucket, if this moment's is another one: in its old place. False if nothing changes."""
        bucket = self._stage(record)
        if bucket is record.bucket:
            return False
        self._move(record, bucket)
        return True

    def set_stage(self, record: ItemRecord, ring: int, only: Preferred | None) -> None:
        """WAITING: into the bucket of this stage."""
        record.ring, record.only = ring, only
        rings = record.line.policy.rings[:ring]
        self._move(record, self.buckets.bucket(record.item, rings, only, record.slope))

    def match_offer(self, record: ItemRecord, agent: AgentRecord) -> None:
        """WAITING: into the bucket in which it was offered to the agent, as far as the item says."""
        if record.bucket.need.asleep:
            return  # it cannot stand, which the first tick finds
        for wish in (record.only, None, *record.item.preferred):
            if agent.name in record.bucket.members:
                return
            rings = record.line.policy.rings[: record.ring]
            bucket = self.buckets.bucket(record.item, rings, wish, record.slope)
            if bucket.need.is_met_by(agent.agent):
                self.set_stage(record, record.ring, wish)

    def _move(self, record: ItemRecord, bucket: Bucket) -> None:
        record.bucket.waiting.remove(record.entry)
        record.bucket.users -= 1
        record.bucket = bucket
        bucket.users += 1
        bucket.waiting.add(record.entry)

    def due_stages(self) -> list[ItemRecord]:
        """Items that wait and whose stage is over."""
        found = []
        while self.stages and self.stages[0][0] <= self.now:
            at, _, record = heappop(self.stages)
            if record.place is WAITING and record.stage_at == at:
                found.append(record)
        return found

    def next_stage(self) -> Micros | None:
        while self.stages and not (
            self.stages[0][2].place is WAITING and self.stages[0][2].stage_at == self.stages[0][0]
        ):
            heappop(self.stages)
        return self.stages[0][0] if self.stages else None

    def _forget_wishes(self, record: ItemRecord) -> None:
        for wish in record.item.preferred:
            wishers = self.wishers.get(wish.agent, {})
            wishers.pop(record.item.id, None)
            if not wishers:
                self.wishers.pop(wish.agent, None)

    def reline(self, record: ItemRecord, item: WorkItem) -> None:
        """OFFERED and stays so: what is known of the item changes around its offer."""
        self._leave_queue(record)
        self._classify(record, item)
        record.place = OFFERED

    def offer(self, record: ItemRecord, agent: AgentRecord, offer: Offer) -> int:
        """WAITING to OFFERED; the number of items that were before it in its queue."""
        entry, name = record.entry, offer.item
        record.bucket.waiting.remove(entry)
        ahead = record.line.waiting.remove(entry)
        record.place = OFFERED
        record.offer = offer
        record.attempts = max(record.attempts, offer.attempt)
        if agent.listed:
            self.unlist(agent)
        agent.ringing = name
        if self.rules.takes_turns:
            agent.last_offer = offer.made_at
        agent.hold(record)
        self.timers.add(Timer(offer.deadline, OFFER, name, offer.agent))
        return ahead

    def accept(self, record: ItemRecord, offer: Offer) -> AgentRecord:
        """OFFERED to SERVED by whom it rings at: what they hold stays as it is."""
        agent = self.agents[offer.agent]
        agent.ringing = None
        record.offer = None
        self._leave_queue(record)
        record.place = SERVED
        record.owner = offer.agent
        record.since = self.now
        record.unroutable = False
        return agent

    def put_back(self, record: ItemRecord, offer: Offer) -> None:
        """OFFERED with this offer to WAITING, in its old place."""
        self._close(record, offer)
        record.bucket.waiting.add(record.entry)
        record.line.waiting.add(record.entry)
        record.place = WAITING

    def _close(self, record: ItemRecord, offer: Offer) -> None:
        record.offer = None
        agent = self.agents[offer.agent]
        agent.ringing = None
        agent.let_go(record)

    def expect_late_answer(self, record: ItemRecord, offer: Offer) -> None:
        """We closed the offer; the row may have been answered just before."""
        record.late.pop(offer.id, None)
        record.late[offer.id] = offer.agent
        if len(record.late) > LATE_ANSWERS:
            del record.late[next(iter(record.late))]

    def serve(self, record: ItemRecord, agent: AgentRecord, since: Micros | None) -> None:
        """PARKED to SERVED."""
        record.place = SERVED
        record.owner = agent.name
        record.since = since
        record.unroutable = False
        agent.hold(record)

    def wrap_up(self, record: ItemRecord, until: Micros) -> None:
        """SERVED to WRAP_UP, or another end of it."""
        record.place = WRAP_UP
        record.until = until
        self.timers.add(Timer(until, WRAP_UP_END, record.item.id, record.owner))

    def free(self, record: ItemRecord) -> AgentRecord:
        """SERVED or WRAP_UP to PARKED. The agent is idle from now on, as far as this item goes."""
        agent = self.agents[record.owner]
        agent.let_go(record)
        agent.idle_since = self.now
        record.owner = ""
        record.since = None
        record.place = PARKED
        return agent

    def pause(self, record: ItemRecord, agent: str, until: Micros) -> None:
        """The item is not offered to the agent until a tick at `until` or later."""
        record.pauses[agent] = until
        self.agent(agent).paused.add(record.item.id)
        self.timers.add(Timer(until, PAUSE, record.item.id, agent))

    def end_pause(self, record: ItemRecord, agent: AgentRecord) -> None:
        del record.pauses[agent.agent.id]
        agent.paused.discard(record.item.id)

    # --- agents -----------------------------------------------------------------------------------------

    def enrol(self, record: AgentRecord, agent: Agent) -> None:
        """Take over queues, skills and capacity; unchanged ones cost nothing."""
        if record.agent != agent:
            self.unlist(record)
            self.buckets.enrol(record, agent)
            record.room = self.rules.rooms(agent).room(record.room.load)
            self._note_shift(record)

    def _note_shift(self, record: AgentRecord) -> None:
        end = record.agent.shift_end
        record.closes_at = None if end is None else end - self.rules.policy.shift_margin
        if record.closes_at is not None:
            heappush(self.closings, (record.closes_at, record.name))

    def next_closing(self) -> Micros | None:
        return self.closings[0][0] if self.closings else None

    def due_closings(self) -> list[AgentRecord]:
        """Agents whose shift is over, or was to be."""
        found = []
        while self.closings and self.closings[0][0] <= self.now:
            found.append(self.agents[heappop(self.closings)[1]])
        return found

    def open_media(self, agent: AgentRecord) -> tuple[str, ...]:
        """The media of which the agent may be offered one more item; at most one thing rings at a time."""
        if agent.ringing is not None or not agent.takes_work(self.now):
            return ()
        return (*agent.room.open, OVERRIDE) if agent.overrides else agent.room.open

    def list_idle(self, agent: AgentRecord, media: tuple[str, ...]) -> None:
        """Let the agent stand in the idle lines of exactly these media."""
        if agent.listed:
            self.unlist(agent)
        agent.listed = media
        plain = None if self.buckets.choices else (agent.idle_since, agent.name, agent)
        for medium in media:
            for bucket in agent.buckets.get(medium, ()):
                if plain is None:
                    self.buckets.stand(agent, bucket)
                else:
                    bucket.idle.add(plain)
                    agent.spots.append((bucket, plain))

    def unlist(self, agent: AgentRecord) -> None:
        for bucket, entry in agent.spots:
            bucket.idle.remove(entry)
        agent.spots = []
        agent.listed = ()

    # --- rules ------------------------------------------------------------------------------------------

    def _note_choices(self) -> None:
        queues = self.rules.policy.queues
        self.buckets.choices = {queue.id: queue.choice for queue in queues if queue.choice != LONGEST_IDLE}
        self.buckets.set_asks({queue.id: queue.any_of for queue in queues if queue.any_of})

    def change_policy(self, policy: Policy) -> None:
        """New rules for all that waits: the keys are computed anew, in lines that are made anew at once."""
        self.rules = Rules(policy)
        if not self.rules.takes_turns:
            for agent in self.agents.values():
                agent.last_offer = 0
        for agent in self.agents.values():
            self.unlist(agent)
            agent.room = self.rules.rooms(agent.agent).room(agent.room.load)
            self._note_shift(agent)
        self._note_choices()
        for name, line in self.lines.items():
            line.set_policy(self.rules.queue(name))
        waiting = [record for record in self.items.values() if record.place is WAITING]
        for record in waiting:
            self.take_from_line(record)
        for record in self.items.values():
            if record.place is OFFERED:
                self.reline(record, record.item)
        for record in waiting:
            self.enqueue(record)
        for line in self.lines.values():
            line.tidy()


def spent_name(queue: str, when: str, to: str) -> str:
    """How a record remembers a step that was refused."""
    return f"{queue} {when} {to}"
