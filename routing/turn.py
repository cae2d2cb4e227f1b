"""One command's turn: what moves on the floor, which decisions that means, who is looked at anew after it."""

from typing import Final

from routing import callback_turns, callbacks, matching, overflow, places, reasons, roster, stages
from routing.decisions import Decision, OfferExpired, OfferMade, OfferWithdrawn, Overflowed, Unroutable
from routing.floor import Floor
from routing.model import Offer
from routing.records import OFFERED, WAITING, AgentRecord, ItemRecord

MOST_HOPS: Final = 20  # from queue to queue; a policy that was validated has no circle


class Turn:
    """Collects decisions and newcomers while a command is followed; `settle` matches the newcomers.

    `items` are back in their line or changed there; of `agents`, what they can take may have changed.
    """

    __slots__ = ("agents", "arrived", "floor", "items", "left", "out", "ticked")

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.out: list[Decision] = []
        self.items: list[ItemRecord] = []
        self.agents: dict[str, AgentRecord] = {}
        self.arrived: set[str] = set()  # items that came into a queue which looks at how many there are
        self.ticked = False  # whether time itself is what has come
        self.left: set[str] = set()  # queues that an agent does not serve any more

    # --- moves ------------------------------------------------------------------------------------------

    def touch(self, agent: AgentRecord) -> None:
        self.agents[agent.name] = agent

    def enqueue(self, record: ItemRecord) -> None:
        """PARKED to WAITING, as a newcomer."""
        self.floor.enqueue(record)
        self.items.append(record)

    def vacate(self, record: ItemRecord, rule: str) -> None:
        """Take an item out of wherever it is: it is PARKED then."""
        offer = record.offer
        if offer is not None:
            self.out.append(OfferWithdrawn(offer, reasons.of_close(self.floor, offer, rule)))
            self.floor.take_from_line(record)
            self.floor.expect_late_answer(record, offer)
            self.touch(self.floor.agents[offer.agent])
        elif record.place is WAITING:
            self.floor.take_from_line(record)
        elif record.owner:
            self.free(record)

    def free(self, record: ItemRecord) -> None:
        """SERVED or WRAP_UP to PARKED; a fact about the agent, too."""
        if record.since is not None:
            record.line.handling.observe(happened=True, exposure=self.floor.now - record.since)
        agent = self.floor.free(record)
        agent.blocked = False
        self.touch(agent)

    def give(self, record: ItemRecord, name: str) -> None:
        """PARKED to SERVED. What rings at the agent besides may not fit any more."""
        agent = self.floor.agent(name)
        self.floor.serve(record, agent, self.floor.now)
        agent.blocked = False
        self.recheck(agent, "agent_took_work")

    def put_back(self, record: ItemRecord, offer: Offer) -> None:
        """An offer is over without a fact that says so; the item is a newcomer in its old place."""
        self.floor.put_back(record, offer)
        self.floor.expect_late_answer(record, offer)
        self.items.append(record)
        self.touch(self.floor.agents[offer.agent])

    def close_offer(
        self, record: ItemRecord, offer: Offer, kind: type[OfferExpired | OfferWithdrawn], rule: str
    ) -> None:
        """As `put_back`, by our own decision."""
        self.put_back(record, offer)
        self.out.append(kind(offer, reasons.of_close(self.floor, offer, rule)))

    def recheck(self, agent: AgentRecord, rule: str) -> None:
        """Withdraw what rings at the agent if it could not be offered to them as things are now."""
        if agent.ringing is not None:
            record = self.floor.items[agent.ringing]
            offer = record.offer
            if offer is not None and not matching.may_stand(record, agent):
                self.close_offer(record, offer, OfferWithdrawn, rule)
        self.touch(agent)

    def unbench(self, agent: AgentRecord) -> None:
        """The agent did answer, or nobody asked them: back to ready."""
        agent.ready = True
        agent.reason = None
        agent.benched_by = None
        self.touch(agent)

    def learn_patience(self, record: ItemRecord, *, gave_up: bool) -> None:
        """An item leaves its line, answered or given up; nothing if nobody knows how much of the time was waiting."""
        item = record.item
        if (record.place is WAITING or record.place is OFFERED) and callbacks.waited_on_the_line(item):
            record.line.patience.observe(happened=gave_up, exposure=self.floor.now - item.waits_since)

    # --- what fits together -----------------------------------------------------------------------------

    def settle(self) -> tuple[Decision, ...]:
        """Offer what fits together newly; the decisions of the whole turn."""
        items, agents = self.items, self.agents
        self._look_again()
        self._match(items, agents)
        floor = self.floor
        if floor.sleepy or floor.look_at is not None:
            if floor.sleepy:
                callback_turns.dial_who_is_near(floor, self.out, looks=self.ticked)
            callback_turns.note_next_look(floor, looks=self.ticked)
        if self.ticked or self.arrived or self.left:
            self.ticked, self.arrived, self.left = False, set(), set()
        if items:
            self.items = []
        if agents:
            self.agents = {}
        out = self.out
        if not out:
            return ()
        self.out = []
        return tuple(out)

    def _look_again(self) -> None:
        """What time and people change of what waits, where anything depends on them."""
        floor = self.floor
        if floor.closings:
            for agent in roster.due_closings(floor):
                self.touch(agent)
        staged = bool(floor.stages or floor.wishers or floor.rules.watches_staff)
        lost = bool(floor.buckets.flipped)
        for record in self.items:
            staged = staged or (not record.plain and is_staged(record))
            lost = lost or record.unroutable or not record.bucket.members
        if staged:
            self._restage()
        if staged or lost:
            self._tell_unroutable()

    def _match(self, items: list[ItemRecord], agents: dict[str, AgentRecord]) -> None:
        match = None
        if not items:
            if len(agents) == 1:
                match = matching.match_agent(self.floor, *agents.values())
        elif len(items) == 1 and not agents:
            match = matching.match_item(items[0])
        if match is not None:
            self._offer(*match)
        elif len(items) + len(agents) > 1:
            for each in matching.match_many(self.floor, items, agents.values()):
                self._offer(*each)

    def _restage(self) -> None:
        """What waits asks for what it should at this moment, or leaves its queue; what changes is a newcomer."""
        floor = self.floor
        records = {record.item.id: record for record in stages.due(floor)}
        for name in self.agents.keys() & floor.wishers.keys():
            records |= floor.wishers[name]
        away = [agent for agent in self.agents.values() if not agent.takes_work(floor.now)]
        left = {queue for agent in away for queue in agent.agent.queues}
        records |= {record.item.id: record for record in overflow.unstaffed(floor, left | self.left)}
        newcomers = {record.item.id for record in self.items}
        records |= {record.item.id: record for record in self.items}
        for name, record in sorted(records.items()):
            if record.place is not WAITING or not is_staged(record):
                continue
            changed = callback_turns.miss_who_is_overdue(floor, record, self.out)
            changed = self._overflow(record) or changed
            changed = callback_turns.end_who_waits_in_vain(floor, record, self.out) or changed
            if record.place is WAITING and stages.restage(floor, record):
                changed = True
            if changed and name not in newcomers:
                self.items.append(record)
        self.arrived, self.left = set(), set()
        for agent in floor.buckets.opened:
            self.touch(agent)
        floor.buckets.opened.clear()

    def _overflow(self, record: ItemRecord) -> bool:
        """Out of its queue by the rules of it, maybe through several; False if it stays."""
        floor, moved = self.floor, False
        for _ in range(MOST_HOPS):
            if record.place is not WAITING:
                break
            step = overflow.step_of(floor, record, arrived=moved or record.item.id in self.arrived)
            if step is None:
                break
            moved, item = True, record.item
            because = reasons.of_overflow(floor, record, step)
            self.out.append(Overflowed(item.id, item.queue, step.queue or step.to, because))
            floor.take_from_line(record)
            if step.to == "queue":
                record.item = places.moved(item, record.line.policy, floor.rules.queue(step.queue))
                floor.enqueue(record)
        return moved

    def _offer(self, record: ItemRecord, agent: AgentRecord, candidates: int) -> None:
        floor, name = self.floor, record.item.id
        attempt, now = record.attempts + 1, floor.now
        offer = Offer(f"{name}.{attempt}", name, agent.name, now, now + record.line.policy.ring, attempt)
        ahead = floor.offer(record, agent, offer)
        because = reasons.of_offer(floor, record, agent, ahead, candidates)
        self.out.append(OfferMade(offer, because))

    def _tell_unroutable(self) -> None:
        """Say it of items for which it has become true, first in line first."""
        floor = self.floor
        suspects = self.items
        if floor.buckets.flipped:
            suspects = suspects + [
                record for bucket in floor.buckets.flipped for _, _, record in bucket.waiting
            ]
            floor.buckets.flipped = []
        found = []
        for record in suspects:
            lost = record.place is WAITING and not (record.bucket.members or record.bucket.need.asleep)
            if lost and not record.unroutable:
                found.append(record)
            record.unroutable = lost
        for record in sorted(found, key=lambda record: floor.place(record.entry)[:2]):
            self.out.append(Unroutable(record.item.id, reasons.of_unroutable(floor, record)))


def is_staged(record: ItemRecord) -> bool:
    """Whether time or people may change what it asks for."""
    return record.line.staged or bool(record.item.preferred) or record.item.callback is not None
