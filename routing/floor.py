"""The floor: everything that waits and everyone who serves, kept consistent. It moves and decides nothing."""

from collections import OrderedDict
from itertools import count

from routing import roster, stages
from routing.ageing import PLAIN, as_of
from routing.buckets import NOWHERE, Buckets
from routing.choice import LONGEST_IDLE
from routing.lines import QueueLine
from routing.model import Agent, Micros, Offer, Policy, WorkItem
from routing.policies import Rules
from routing.records import OFFERED, PARKED, SERVED, WAITING, WRAP_UP, AgentRecord, ItemRecord
from routing.timers import OFFER, PAUSE, Timer, Timers
from routing.timers import WRAP_UP as WRAP_UP_END
from routing.waiting import Entry

LATE_ANSWERS = 8  # closed offers per item whose answer is still believed
ENDED_ITEMS = 1024  # remembered for a while with their offers: one that comes back uses no id twice


class Floor:
    """State and the moves between places; the way from place to place leads over PARKED.

    What an item asks for while it waits is in `stages`, where agents stand in `roster`.

    `match_due`: after a rebuild, until the first tick has looked at everything. `orphans`: offers in the rows
    that cannot stand, which that tick withdraws.
    """

    __slots__ = (
        "agents",
        "buckets",
        "closings",
        "ended",
        "items",
        "lines",
        "look_at",
        "match_due",
        "now",
        "numbers",
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
        self.numbers = count()  # so that no two records are compared
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
            stages.forget_wishes(self, record)
        if line.policy.id != item.queue:
            line = record.line = self.line(item.queue)
        record.item = item
        record.slope = line.slope(item) if line.classes else PLAIN
        record.entry = (line.key(item), item.id, record)
        if line.staged or item.preferred or item.callback is not None:
            record.plain = False
            bucket = stages.stage(self, record)
        else:
            record.plain = not (line.special or item.kept or item.value)
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
            stages.forget_wishes(self, record)
        if record.item.callback is not None:
            stages.wake(self, record)

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
            roster.unlist(agent)
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
            roster.unlist(agent)
            agent.room = self.rules.rooms(agent.agent).room(agent.room.load)
            roster.note_shift(self, agent)
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
