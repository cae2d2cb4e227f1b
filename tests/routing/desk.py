"""Rows and a router beside each other, as in the running desk: actions change rows and leave commands, the router
follows with a delay, and its decisions are compared with rows that may have moved on meanwhile."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from routing import commands as c
from routing import decisions as d
from routing.capacity import has_room
from routing.invariants import check
from routing.model import Agent, Micros, Offer, Policy, WorkItem
from routing.records import Place
from routing.router import Router


@dataclass
class ItemRow:
    item: WorkItem
    state: str = "waiting"  # then served, wrap_up; the row of what has ended is deleted here
    attempts: int = 0
    owner: str = ""
    until: Micros = 0


@dataclass
class AgentRow:
    agent: Agent
    ready: bool
    idle_since: Micros
    reason: str | None
    changed: int  # the number of the last command about their readiness


@dataclass
class OfferRow:
    offer: Offer
    state: str = "pending"
    paused_until: Micros = 0


class Desk:
    def __init__(self, policy: Policy, now: Micros) -> None:
        self.policy = policy
        self.now = now
        self.items: dict[str, ItemRow] = {}
        self.agents: dict[str, AgentRow] = {}
        self.offers: dict[str, OfferRow] = {}
        self.media: dict[str, str] = {}  # by item, and outlives its end
        self.attempts: dict[str, int] = {}  # outlives the item's end; counts refused offers too
        self.commands: deque[tuple[int, c.Command, Micros]] = deque()
        self.sent = 0
        self.followed = 0
        self.router = Router(policy)
        self.twin: Router | None = None  # rebuilt from the rows at some moment, and compared from then on
        self.unrecorded: list[d.Decision] = []
        self.refusals = 0
        self.ticked_at = now

    # --- actions: they check rows, change them and say so ---------------------------------------------------------

    def say(self, command: c.Command) -> None:
        self.sent += 1
        self.commands.append((self.sent, command, self.now))

    def pending(self) -> list[OfferRow]:
        return [row for row in self.offers.values() if row.state == "pending"]

    def in_state(self, *states: str) -> list[ItemRow]:
        return [row for row in self.items.values() if row.state in states]

    def arrive(self, item: WorkItem) -> None:
        row = self.items.setdefault(item.id, ItemRow(item))
        self._leave(row)
        row.item = item
        self.media[item.id] = item.medium
        row.state = "waiting"
        row.attempts = self.attempts.get(item.id, 0)
        self.say(c.WorkQueued(item, row.attempts))

    def change(self, row: ItemRow, priority: int) -> None:
        row.item = replace(row.item, priority=priority)
        self.say(c.WorkChanged(row.item))

    def take(self, row: ItemRow, agent: str) -> None:
        if row.owner == agent:
            return
        self._leave(row)
        row.state, row.owner = "served", agent
        self.say(c.WorkTaken(row.item, agent))

    def end(self, row: ItemRow) -> None:
        self._close(row)
        self.say(c.WorkEnded(row.item.id))

    def start_wrap_up(self, row: ItemRow, length: Micros) -> None:
        row.state, row.until = "wrap_up", self.now + length
        self.say(c.WrapUpStarted(row.item.id, row.owner, row.until))

    def end_wrap_up(self, row: ItemRow) -> None:
        owner = row.owner
        self._close(row)
        self.say(c.WrapUpEnded(row.item.id, owner))

    def accept(self, row: OfferRow) -> None:
        item = self.items[row.offer.item]
        row.state = "accepted"
        item.state, item.owner = "served", row.offer.agent
        self.say(c.OfferAccepted(row.offer.id, row.offer.item, row.offer.agent))

    def decline(self, row: OfferRow, pause: Micros) -> None:
        row.state, row.paused_until = "declined", self.now + pause
        self.say(c.OfferDeclined(row.offer.id, row.offer.item, row.offer.agent))

    def ready(self, agent: Agent) -> None:
        self.say(c.AgentReady(agent, self.now))
        self.agents[agent.id] = AgentRow(agent, True, self.now, None, self.sent)

    def stop(self, row: AgentRow, *, gone: bool) -> None:
        self.say(c.AgentGone(row.agent.id) if gone else c.AgentAway(row.agent.id, "lunch"))
        row.ready, row.reason, row.changed = False, "signed_out" if gone else "lunch", self.sent

    def teach(self, row: AgentRow, agent: Agent) -> None:
        row.agent = agent
        self.say(c.AgentChanged(agent))

    def _leave(self, row: ItemRow) -> None:
        """Nobody has the item any more, and an offer of it is void."""
        for offer in self.pending():
            if offer.offer.item == row.item.id:
                offer.state = "withdrawn"
        if row.owner:
            self.agents[row.owner].idle_since = self.now
        row.owner = ""

    def _close(self, row: ItemRow) -> None:
        """The item is over; so are the pauses of those who declined it."""
        self._leave(row)
        del self.items[row.item.id]
        for offer in self.offers.values():
            if offer.offer.item == row.item.id:
                offer.paused_until = 0

    # --- the routing host -----------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Apply the next command; what it decides is recorded later."""
        number, command, at = self.commands.popleft()
        self.followed = number
        self.unrecorded = list(self._apply(command, at))

    def tick(self) -> None:
        self.ticked_at = self.now
        self.unrecorded = list(self._apply(c.Tick(), self.now))
        if any(isinstance(each, d.WrapUpExpired) for each in self.unrecorded):
            self.record()  # else a wrap-up ended twice would have two moments since when the agent is idle

    def _apply(self, command: c.Command, at: Micros) -> tuple[d.Decision, ...]:
        found = self.router.apply(command, at)
        check(self.router)
        if self.twin is not None:
            assert self.twin.apply(command, at) == found
        return found

    def record(self) -> None:
        """Compare with the rows and set them; refused decisions go back at once."""
        while self.unrecorded:
            batch, self.unrecorded = self.unrecorded, []
            refused = [(each, reason) for each in batch if (reason := self._record(each))]
            for decision, reason in refused:
                self.refusals += 1
                # At the time of the command: the facts that follow are older than this moment.
                self.unrecorded += self._apply(c.DecisionRefused(decision, reason), self.router.floor.now)

    def _record(self, decision: d.Decision) -> str | None:
        match decision:
            case d.OfferMade(offer=offer):
                return self._record_offer(offer)
            case d.OfferExpired(offer=offer) | d.OfferWithdrawn(offer=offer):
                row = self.offers.get(offer.id)
                if row is None or row.state != "pending":
                    return "closed"
                row.state = "expired" if isinstance(decision, d.OfferExpired) else "withdrawn"
            case d.AgentBenched(agent=name, offer=offer_id):
                agent = self.agents[name]
                expired = offer_id in self.offers and self.offers[offer_id].state == "expired"
                if not expired or agent.changed > self.followed:
                    return "agent" if expired else "closed"
                agent.ready, agent.reason = False, "no_answer"
            case d.WrapUpExpired(item=name, agent=owner):
                item = self.items.get(name)
                if item is None or (item.state, item.owner) != ("wrap_up", owner):
                    return "closed"
                idle_since = max(
                    self.agents[owner].idle_since, self.ticked_at
                )  # a later fact may be in the row
                self._close(item)
                self.agents[owner].idle_since = idle_since
            case _:
                pass
        return None

    def _record_offer(self, offer: Offer) -> str | None:
        item, agent = self.items.get(offer.item), self.agents[offer.agent]
        self.attempts[offer.item] = max(offer.attempt, self.attempts.get(offer.item, 0))
        if item is not None:
            item.attempts = self.attempts[offer.item]
        assert offer.id not in self.offers, f"{offer.id} names two offers"
        rings = [row.offer.item for row in self.pending()]
        if item is None or item.state != "waiting" or offer.item in rings:
            return "item"
        if not agent.ready or not self._fits(agent, item.item):
            return "agent"
        self.offers[offer.id] = OfferRow(offer)
        return None

    def _fits(self, agent: AgentRow, item: WorkItem) -> bool:
        name = agent.agent.id
        if any(wish.agent == name and wish.override for wish in item.preferred):
            return True
        held = [row.item.medium for row in self.items.values() if row.owner == name]
        held += [self.items[row.offer.item].item.medium for row in self.pending() if row.offer.agent == name]
        load = {medium: held.count(medium) for medium in held}
        return has_room(agent.agent.capacity, load, item.medium, self.policy.exclusive)

    # --- rebuilding and the audit ---------------------------------------------------------------------------------

    def settle(self) -> None:
        """Everything is followed and recorded."""
        self.record()
        while self.commands:
            self.follow()
            self.record()

    def rebuilt(self) -> Router:
        """The router that the rows describe, once everything is settled."""
        self.settle()
        return Router.rebuild(
            self.policy,
            self.now,
            agents=[(row.agent, row.ready, row.idle_since, row.reason) for row in self.agents.values()],
            waiting=[(row.item, row.attempts) for row in self.in_state("waiting")],
            offers=[row.offer for row in self.pending()],
            serving=[(row.item, row.owner) for row in self.in_state("served")],
            wrapping=[(row.item, row.owner, row.until) for row in self.in_state("wrap_up")],
            pauses=self._pauses(),
            estimates={queue: self.router.rates(queue) for queue in self.router.queues()},
        )

    def _pauses(self) -> Iterable[tuple[str, str, Micros]]:
        """Of declined offers, as long as no tick has ended them; a later decline counts."""
        latest: dict[tuple[str, str], Micros] = {}
        for row in self.offers.values():
            if row.state == "declined" and row.paused_until > self.ticked_at:
                pair = (row.offer.item, row.offer.agent)
                latest[pair] = max(latest.get(pair, 0), row.paused_until)
        return [(item, agent, until) for (item, agent), until in latest.items()]

    def audit(self) -> None:
        """Settled rows and the router say the same."""
        self.settle()
        floor = self.router.floor
        assert self.router.pending_offers() == tuple(
            sorted((row.offer for row in self.pending()), key=lambda offer: (offer.deadline, offer.id))
        )
        places = {name: (record.place, record.owner) for name, record in floor.items.items()}
        rings = {row.offer.item for row in self.pending()}
        assert places == {
            name: (Place.OFFERED if name in rings else Place(row.state), row.owner)
            for name, row in self.items.items()
        }
        for name, row in self.agents.items():
            seen = floor.agents[name]
            assert (seen.ready, seen.reason, seen.idle_since) == (row.ready, row.reason, row.idle_since)
            assert not seen.blocked, f"{name} got no fact after the refusal"
