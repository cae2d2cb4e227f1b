"""One simulated day on the real router. Of the simulation, only this module drives the router.

The centre plays customers, agents and the desk: it tells the router facts and does what it decides. Its clock jumps
to whatever is next, a planned event or the router's deadline.
"""

from collections import deque
from collections.abc import Callable, Iterator

from routing import commands as c
from routing import decisions as d
from routing.model import WorkItem
from routing.router import Router
from routing.simulation.arrivals import arrivals
from routing.simulation.people import Agenda, Contact, Worker, fates, micros, time_to_answer, workers
from routing.simulation.scenario import Scenario
from routing.simulation.tally import Day, GroupTally, QueueTally
from routing.simulation.translate import agent_of, item_of, policy_of

LATEST = micros(86_400)
"""After closing: who still waits then, because nobody ever answers, is not served."""
Watch = Callable[[d.Decision, int], None]
"""Is shown each decision with its time, microseconds since the simulated midnight."""


class Centre:
    """One day. `run` plays it through and counts."""

    def __init__(self, scenario: Scenario, day: int, watch: Watch | None = None) -> None:
        self.scenario = scenario
        self.number = day
        self.router = Router(policy_of(scenario))
        self.agenda = Agenda()
        self.opens = micros(scenario.opens_s)
        self.counts_from = self.opens + micros(scenario.warm_up_s)
        self.closes = self.opens + micros(scenario.day_s)
        self.latest = self.closes + LATEST
        self.now = self.opens
        self.day = Day(
            {queue.id: QueueTally() for queue in scenario.queues},
            {group.id: GroupTally() for group in scenario.groups},
        )
        self._watch = watch
        self._decided: deque[d.Decision] = deque()
        self._queues = frozenset(queue.id for queue in scenario.queues)
        self._within = {
            kind.id: micros(scenario.queue(kind.queue).within_s if kind.within_s is None else kind.within_s)
            for kind in scenario.contacts
        }
        self._wrap_up = {queue.id: micros(queue.wrap_up_s) for queue in scenario.queues}
        self._kinds = {kind.id: kind for kind in scenario.contacts}
        self._fates = {kind.id: fates(kind, scenario.seed, day) for kind in scenario.contacts}
        self._came = dict.fromkeys(self._kinds, 0)
        self._teams = workers(scenario)
        self._workers = {worker.id: worker for team in self._teams.values() for worker in team}
        self._contacts: dict[str, Contact] = {}
        self._follow: dict[type, Callable[..., None]] = {
            d.OfferMade: self._offered,
            d.OfferExpired: self._offer_over,
            d.OfferWithdrawn: self._offer_over,
            d.AgentBenched: self._benched,
            d.WrapUpExpired: self._wrap_up_expired,
            d.Overflowed: self._overflowed,
        }
        for kind in scenario.contacts:
            self._plan_arrival(kind.id, arrivals(kind, scenario.interval_s, scenario.seed, day))
        for interval in range(scenario.intervals):
            self.agenda.at(self.opens + micros(interval * scenario.interval_s), self._shift, interval)

    def run(self) -> Day:
        """From opening until nobody waits or works any more, nothing can happen, or it is LATEST."""
        while (following := self._next()) is not None and following[0] <= self.latest:
            self.now, happen, about = following
            happen(*about)
        self.now = max(self.now, self.closes)
        for contact in self._contacts.values():
            if contact.agent is None:
                self._count_wait(contact).unserved += 1
        for worker in self._workers.values():
            self._go_off(worker)
        return self.day

    def _next(self) -> tuple[int, Callable[..., None], tuple[object, ...]] | None:
        """A deadline of the router's comes before what is planned for the same moment."""
        planned, due = self.agenda.next_at(), self.router.next_deadline()
        if due is not None and (planned is None or due <= planned):
            return max(due, self.now), self._tell, (c.Tick(),)
        return self.agenda.pop() if planned is not None else None

    def _tell(self, command: c.Command) -> None:
        """Tell the router and do what it decides, in its order."""
        idle = not self._decided
        made = self.router.apply(command, self.now)
        self.day.decisions += len(made)
        self._decided.extend(made)
        if self._watch is not None:
            for decision in made:
                self._watch(decision, self.now)
        while idle and self._decided:
            decision = self._decided.popleft()
            follow = self._follow.get(type(decision))
            if follow is not None:
                follow(decision)

    # --- customers --------------------------------------------------------------------------------------

    def _plan_arrival(self, kind: str, times: Iterator[float]) -> None:
        seconds = next(times, None)
        if seconds is not None:
            self.agenda.at(self.opens + micros(seconds), self._arrive_and_plan, kind, times)

    def _arrive_and_plan(self, kind: str, times: Iterator[float]) -> None:
        self._plan_arrival(kind, times)
        self._arrive(kind)

    def _arrive(self, name: str) -> None:
        kind = self._kinds[name]
        self._came[name] += 1
        contact = Contact(f"{name}-{self._came[name]:06}", kind, self.now, next(self._fates[name]))
        self._contacts[contact.id] = contact
        self._tell(c.WorkQueued(self._item(contact)))
        contact.waited = contact.agent is None and contact.offer is None
        rings_at_once = contact.fate.patience == 0 and contact.offer is not None
        if contact.fate.patience is not None and contact.agent is None and not rings_at_once:
            self.agenda.at(self.now + contact.fate.patience, self._lose_patience, contact)

    def _item(self, contact: Contact) -> WorkItem:
        return item_of(contact.kind, contact.id, contact.queue, contact.arrived)

    def _lose_patience(self, contact: Contact) -> None:
        if contact.agent is not None or contact.over:
            return
        tally = self._count_wait(contact)
        tally.abandoned += 1
        tally.short += self.now - contact.arrived <= self._within[contact.kind.id]
        self._end(contact)

    def _end(self, contact: Contact) -> None:
        contact.over = True
        del self._contacts[contact.id]
        self._tell(c.WorkEnded(contact.id))

    def _count_wait(self, contact: Contact) -> QueueTally:
        """The tally of a contact whose wait is over; one that nobody reads if it came in the warm-up."""
        if contact.arrived < self.counts_from:
            return QueueTally()
        tally = self.day.queues[contact.kind.queue]
        tally.offered += 1
        tally.waited += contact.waited
        tally.longest = max(tally.longest, (self.now - contact.arrived) / 1e6)
        return tally

    # --- offers -----------------------------------------------------------------------------------------

    def _offered(self, decision: d.OfferMade) -> None:
        offer = decision.offer
        contact, worker = self._contacts.get(offer.item), self._workers[offer.agent]
        if contact is None:
            return
        contact.offer = offer.id
        takes = time_to_answer(worker.group, offer.id, self.scenario.seed, self.number)
        if takes:
            self.agenda.at(self.now + takes, self._answer, contact, worker, offer.id)
        else:
            self._answer(contact, worker, offer.id)

    def _answer(self, contact: Contact, worker: Worker, offer: str) -> None:
        if contact.offer != offer or contact.over:
            return
        contact.offer, contact.agent = None, worker.id
        tally = self._count_wait(contact)
        wait = self.now - contact.arrived
        tally.answered += 1
        tally.wait_answered += wait / 1e6
        tally.in_time += wait <= self._within[contact.kind.id]
        if contact.arrived >= self.counts_from:
            self.day.groups[worker.group.id].answered += 1
        if not worker.holds:
            worker.busy_since = self.now
        worker.holds += 1
        self._tell(c.OfferAccepted(offer, contact.id, worker.id))
        self.agenda.at(self.now + contact.fate.handling, self._finish, contact, worker)

    def _offer_over(self, decision: d.OfferExpired | d.OfferWithdrawn) -> None:
        contact = self._contacts.get(decision.offer.item)
        if contact is not None and contact.offer == decision.offer.id:
            contact.offer = None
            if contact.fate.patience == 0:  # who does not wait stayed because it rang
                self.agenda.at(self.now, self._lose_patience, contact)

    def _benched(self, decision: d.AgentBenched) -> None:
        worker = self._workers[decision.agent]
        self.agenda.at(self.now + micros(worker.group.back_s), self._come_back, worker)

    def _come_back(self, worker: Worker) -> None:
        if worker.on:
            self._tell(c.AgentReady(agent_of(worker.group, worker.id), self.now))

    def _overflowed(self, decision: d.Overflowed) -> None:
        """To another queue the contact goes on waiting there; to anything else it has left the line."""
        contact = self._contacts.get(decision.item)
        if contact is None or contact.agent is not None:
            return
        if decision.to in self._queues:
            contact.queue = decision.to
            self._tell(c.WorkChanged(self._item(contact)))
        else:
            self._count_wait(contact).moved += 1
            self._end(contact)

    # --- service ----------------------------------------------------------------------------------------

    def _finish(self, contact: Contact, worker: Worker) -> None:
        """The customer is through; they may go on to somebody else while the agent does the paperwork."""
        if contact.fate.transfers and contact.kind.transfer_to is not None:
            self._arrive(contact.kind.transfer_to)
        longest = self._wrap_up[contact.queue]
        if not contact.fate.wrap_up or not longest:
            self._put_down(worker)
            self._end(contact)
            return
        self._tell(c.WrapUpStarted(contact.id, worker.id, self.now + longest))
        if contact.fate.wrap_up < longest:
            self.agenda.at(self.now + contact.fate.wrap_up, self._end_wrap_up, contact, worker)

    def _end_wrap_up(self, contact: Contact, worker: Worker) -> None:
        contact.over = True
        del self._contacts[contact.id]
        self._put_down(worker)
        self._tell(c.WrapUpEnded(contact.id, worker.id))

    def _wrap_up_expired(self, decision: d.WrapUpExpired) -> None:
        contact = self._contacts.pop(decision.item)
        contact.over = True
        self._put_down(self._workers[decision.agent])

    def _put_down(self, worker: Worker) -> None:
        worker.holds -= 1
        if not worker.holds:
            self.day.groups[worker.group.id].busy += self._counted(worker.busy_since, self.now)
            if not worker.on:
                self._go_off(worker)

    def _counted(self, begin: int, end: int) -> float:
        """Seconds of a stretch that lie between warm-up and closing."""
        return max(min(end, self.closes) - max(begin, self.counts_from), 0) / 1e6

    # --- shifts -----------------------------------------------------------------------------------------

    def _shift(self, interval: int) -> None:
        """The first of each group are on, the others go when they have finished what they have."""
        for group in self.scenario.groups:
            for number, worker in enumerate(self._teams[group.id]):
                if number < group.heads[interval] and not worker.on:
                    worker.on = True
                    if worker.on_since is None:
                        worker.on_since = self.now
                    self._tell(c.AgentReady(agent_of(worker.group, worker.id), self.now))
                elif number >= group.heads[interval] and worker.on:
                    worker.on = False
                    self._tell(c.AgentGone(worker.id))
                    if not worker.holds:
                        self._go_off(worker)

    def _go_off(self, worker: Worker) -> None:
        if worker.on_since is not None:
            self.day.groups[worker.group.id].staffed += self._counted(worker.on_since, self.now)
            worker.on_since = None
