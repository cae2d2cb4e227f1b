"""The floor: everything that waits and everyone who serves, kept consistent. It moves and decides nothing."""

from routing import capacity
from routing.buckets import NOWHERE, Buckets
from routing.estimate import QueueRates
from routing.model import Agent, Micros, Offer, Policy, WorkItem
from routing.policies import Rules
from routing.records import AgentRecord, ItemRecord, Place
from routing.timers import OFFER, PAUSE, WRAP_UP, Timer, Timers
from routing.waiting import QueueLine

LATE_ANSWERS = 8  # closed offers per item whose answer is still believed
ENDED_ITEMS = 1024  # remembered for a while with their offers: one that comes back uses no id twice


class Floor:
    """State and the moves between places; the way from place to place leads over PARKED.

    `match_due`: after a rebuild, until the first tick has looked at everything. `orphans`: offers in the rows
    that cannot stand, which that tick withdraws.
    """

    __slots__ = (
        "agents",
        "buckets",
        "ended",
        "items",
        "lines",
        "match_due",
        "now",
        "orphans",
        "rates",
        "rules",
        "timers",
    )

    def __init__(self, policy: Policy) -> None:
        self.rules = Rules(policy)
        self.now: Micros = 0
        self.items: dict[str, ItemRecord] = {}
        self.ended: dict[str, tuple[int, dict[str, str]]] = {}  # item: attempts, late; the latest to end
        self.agents: dict[str, AgentRecord] = {}
        self.buckets = Buckets()
        self.lines: dict[str, QueueLine] = {}
        self.rates: dict[str, QueueRates] = {}
        self.timers = Timers(self.is_live)
        self.match_due = False
        self.orphans: list[Offer] = []

    # --- looking up -------------------------------------------------------------------------------------

    def agent(self, name: str) -> AgentRecord:
        """The agent; one whom nobody has introduced can hold work, but has no queues yet."""
        record = self.agents.get(name)
        if record is None:
            record = self.agents[name] = AgentRecord(Agent(name, frozenset()))
        return record

    def line(self, queue: str) -> QueueLine:
        line = self.lines.get(queue)
        if line is None:
            line = self.lines[queue] = QueueLine()
        return line

    def rates_of(self, queue: str) -> QueueRates:
        rates = self.rates.get(queue)
        if rates is None:
            rates = self.rates[queue] = QueueRates()
        return rates

    def is_live(self, timer: Timer) -> bool:
        record = self.items.get(timer.item)
        if record is None:
            return False
        if timer.kind == OFFER:
            offer = record.offer
            return offer is not None and offer.deadline == timer.at and offer.agent == timer.agent
        if timer.kind == WRAP_UP:
            return record.place is Place.WRAP_UP and record.owner == timer.agent and record.until == timer.at
        return record.pauses.get(timer.agent) == timer.at

    # --- items ------------------------------------------------------------------------------------------

    def add(self, item: WorkItem, attempts: int = 0) -> ItemRecord:
        before, late = self.ended.pop(item.id, (0, {}))
        record = self.items[item.id] = ItemRecord(item, max(attempts, before), NOWHERE)
        record.late = late
        return record

    def forget(self, record: ItemRecord) -> None:
        """PARKED: out of everything."""
        name = record.item.id
        del self.items[name]
        for agent in record.pauses:
            self.agents[agent].paused.discard(name)
        if record.attempts:
            self.ended[name] = (record.attempts, record.late)
            if len(self.ended) > ENDED_ITEMS:
                del self.ended[next(iter(self.ended))]

    def enqueue(self, record: ItemRecord) -> None:
        """PARKED to WAITING, in the place that its key gives it."""
        item = record.item
        record.entry = (self.rules.key(item), item.id)
        record.bucket = self.buckets.bucket(item)
        record.bucket.users += 1
        self.line(item.queue).unanswered[item.id] = item.queued_at
        self._show(record)

    def _show(self, record: ItemRecord) -> None:
        record.bucket.waiting.add(record.entry)
        self.lines[record.item.queue].waiting.add(record.entry)
        record.place = Place.WAITING

    def _hide(self, record: ItemRecord) -> int:
        """Out of the lines; the number of items that were before it in its queue."""
        record.bucket.waiting.remove(record.entry)
        return self.lines[record.item.queue].waiting.remove(record.entry)

    def take_from_line(self, record: ItemRecord) -> None:
        """WAITING or OFFERED to PARKED; a pending offer is closed."""
        if record.offer is not None:
            self._close(record, record.offer)
        else:
            self._hide(record)
        record.bucket.users -= 1
        record.bucket = NOWHERE
        del self.lines[record.item.queue].unanswered[record.item.id]
        record.place = Place.PARKED

    def reline(self, record: ItemRecord, item: WorkItem) -> None:
        """OFFERED and stays so: what is known of the item changes around its offer."""
        old = record.item
        del self.lines[old.queue].unanswered[old.id]
        record.bucket.users -= 1
        record.item = item
        record.entry = (self.rules.key(item), item.id)
        record.bucket = self.buckets.bucket(item)
        record.bucket.users += 1
        self.line(item.queue).unanswered[item.id] = item.queued_at

    def offer(self, record: ItemRecord, agent: AgentRecord, offer: Offer) -> int:
        """WAITING to OFFERED; the number of items that were before it in its queue."""
        ahead = self._hide(record)
        record.place = Place.OFFERED
        record.offer = offer
        record.attempts = max(record.attempts, offer.attempt)
        agent.ringing = record.item.id
        agent.hold(record.item)
        self.timers.add(Timer(offer.deadline, OFFER, record.item.id, offer.agent))
        if agent.listed:
            self.unlist(agent)
        return ahead

    def put_back(self, record: ItemRecord, offer: Offer) -> None:
        """OFFERED with this offer to WAITING, in its old place."""
        self._close(record, offer)
        self._show(record)

    def _close(self, record: ItemRecord, offer: Offer) -> None:
        record.offer = None
        agent = self.agents[offer.agent]
        agent.ringing = None
        agent.let_go(record.item.id)

    def expect_late_answer(self, record: ItemRecord, offer: Offer) -> None:
        """We closed the offer; the row may have been answered just before."""
        record.late.pop(offer.id, None)
        record.late[offer.id] = offer.agent
        if len(record.late) > LATE_ANSWERS:
            del record.late[next(iter(record.late))]

    def serve(self, record: ItemRecord, agent: AgentRecord, since: Micros | None) -> None:
        """PARKED to SERVED."""
        record.place = Place.SERVED
        record.owner = agent.agent.id
        record.since = since
        record.unroutable = False
        agent.hold(record.item)

    def wrap_up(self, record: ItemRecord, until: Micros) -> None:
        """SERVED to WRAP_UP, or another end of it."""
        record.place = Place.WRAP_UP
        record.until = until
        self.timers.add(Timer(until, WRAP_UP, record.item.id, record.owner))

    def free(self, record: ItemRecord) -> AgentRecord:
        """SERVED or WRAP_UP to PARKED. The agent is idle from now on, as far as this item goes."""
        agent = self.agents[record.owner]
        agent.let_go(record.item.id)
        agent.idle_since = self.now
        record.owner = ""
        record.since = None
        record.place = Place.PARKED
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

    def open_media(self, agent: AgentRecord) -> tuple[str, ...]:
        """The media of which the agent may be offered one more item; at most one thing rings at a time."""
        if not agent.ready or agent.blocked or agent.ringing is not None:
            return ()
        return capacity.open_media(agent.agent.capacity, agent.load, self.rules.exclusive)

    def list_idle(self, agent: AgentRecord, media: tuple[str, ...]) -> None:
        """Let the agent stand in the idle lines of exactly these media."""
        if media == agent.listed and (not media or agent.idle_since == agent.listed_since):
            return
        self.unlist(agent)
        agent.listed = media
        agent.listed_since = agent.idle_since
        entry = (agent.idle_since, agent.agent.id)
        for medium in media:
            for bucket in agent.buckets.get(medium, ()):
                bucket.idle.add(entry)

    def unlist(self, agent: AgentRecord) -> None:
        entry = (agent.listed_since, agent.agent.id)
        for medium in agent.listed:
            for bucket in agent.buckets.get(medium, ()):
                bucket.idle.remove(entry)
        agent.listed = ()

    # --- rules ------------------------------------------------------------------------------------------

    def change_policy(self, policy: Policy) -> None:
        """New rules for all that waits: the keys are computed anew."""
        self.rules = Rules(policy)
        for record in self.items.values():
            if record.place is Place.WAITING:
                self._hide(record)
                record.entry = (self.rules.key(record.item), record.item.id)
                self._show(record)
            elif record.place is Place.OFFERED:
                record.entry = (self.rules.key(record.item), record.item.id)
