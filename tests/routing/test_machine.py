"""All commands in any order, against the plain model, with every invariant after every step."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from routing import callbacks
from routing import commands as c
from routing import decisions as d
from routing.explain import Moment, waiting, witnessed
from routing.invariants import check
from routing.model import SECOND, Agent, CallbackRule, Micros, Offer, Policy, QueuePolicy, WorkItem
from routing.router import Router
from tests.routing import worlds
from tests.routing.naive import Item, NaiveRouter, plain
from tests.routing.worlds import START

STEPS = 60
steps = st.integers(-3, 25).map(lambda seconds: seconds * SECOND)  # now and then the clock steps back


class RouterMachine(RuleBasedStateMachine):
    """Each rule applies one command to both routers."""

    taken = 0  # steps of all runs together: a class that tests set to 0

    def __init__(self) -> None:
        super().__init__()
        self.now: Micros = START
        self.offers: list[Offer] = []
        self.decisions: list[d.Decision] = []
        self.latest: tuple[d.Decision, ...] = ()  # of the last command
        self.router = Router(worlds.POLICY)
        self.naive = NaiveRouter(worlds.POLICY, self.rates)

    def both(self, command: c.Command) -> None:
        type(self).taken += 1
        found, moments = witnessed(self.router, command, self.now)
        expected = self.naive.apply(command, self.now)
        assert plain(found) == plain(expected)
        check(self.router)
        self.same_explanations(moments)
        self.same_views()
        self.latest = found
        self.decisions = (self.decisions + list(found))[-20:]
        self.offers = (self.offers + [each.offer for each in found if isinstance(each, d.OfferMade)])[-12:]

    def same_explanations(self, moments: dict[str, Moment]) -> None:
        now = [waiting(self.router, name) for name in self.naive.items]
        for picture in (*moments.values(), *now):
            assert picture is None or picture.disagreements() == ()

    def rates(self, queue: str) -> tuple[float, float]:
        line = self.router.floor.line(queue)
        return line.handling.value, line.patience.value

    def same_views(self) -> None:
        assert {name for name in self.naive.items if self.router.position(name) is not None} == {
            name for name, each in self.naive.items.items() if each.place in {"waiting", "offered"}
        }
        for queue in worlds.QUEUES:
            line = self.naive.line(queue)
            assert [self.router.position(each.item.id) for each in line] == list(range(1, len(line) + 1))
            unanswered = [
                each.item.queued_at
                for each in self.naive.items.values()
                if each.item.queue == queue and each.place in {"waiting", "offered"}
            ]
            view = self.router.waiting(queue)
            assert (view.waiting, view.waiting - view.ringing) == (len(unanswered), len(line))
            assert view.oldest == (min(unanswered) if unanswered else None)
        for name, person in self.naive.people.items():
            seen = self.router.agent(name)
            assert seen is not None
            held = self.naive.held_by(name)
            assert (seen.ready, seen.away_reason) == (person.ready, person.reason)
            assert seen.serving == tuple(sorted(each.item.id for each in held if each.place == "served"))
            assert seen.wrapping == tuple(sorted(each.item.id for each in held if each.place == "wrap_up"))
            assert seen.offered == next((each.item.id for each in held if each.offer), None)

    @initialize(
        team=st.lists(worlds.likely_agents, min_size=1, max_size=5, unique_by=lambda agent: agent.id),
        data=st.data(),
        waiting=st.integers(0, 4),
    )
    def begin(self, team: list[Agent], data: st.DataObject, waiting: int) -> None:
        for agent in team:
            self.both(c.AgentReady(agent, self.now))
        for _ in range(waiting):
            self.both(c.WorkQueued(data.draw(worlds.items(self.now))))

    @rule(step=steps)
    def tick(self, step: Micros) -> None:
        self.now += step
        self.both(c.Tick())

    @rule()
    def tick_at_the_next_deadline(self) -> None:
        due = self.router.next_deadline()
        self.now = max(self.now, due or 0)
        self.both(c.Tick())

    @rule(data=st.data(), step=steps, attempts=st.sampled_from([0, 0, 0, 1, 5]))
    def work_queued(self, data: st.DataObject, step: Micros, attempts: int) -> None:
        self.now += step
        self.both(c.WorkQueued(data.draw(worlds.items(self.now)), attempts))

    @rule(data=st.data(), priority=st.one_of(st.none(), st.integers(0, 3)))
    def work_changed(self, data: st.DataObject, priority: int | None) -> None:
        new = data.draw(worlds.items(self.now))
        known = self.naive.items.get(new.id)
        if known is not None and priority is not None:
            new = replace(known.item, priority=priority)
        self.both(c.WorkChanged(new))

    @rule(data=st.data(), agent=st.sampled_from(worlds.AGENTS))
    def work_taken(self, data: st.DataObject, agent: str) -> None:
        self.both(c.WorkTaken(data.draw(worlds.items(self.now)), agent))

    @rule(item=st.sampled_from(worlds.ITEMS), step=steps)
    def work_ended(self, item: str, step: Micros) -> None:
        self.now += step
        self.both(c.WorkEnded(item))

    @rule(agent=st.one_of(worlds.agents, worlds.likely_agents), ago=st.integers(0, 3))
    def agent_ready(self, agent: Agent, ago: int) -> None:
        self.both(c.AgentReady(agent, self.now - ago * 10 * SECOND))

    @rule(agent=st.one_of(worlds.agents, worlds.likely_agents))
    def agent_changed(self, agent: Agent) -> None:
        self.both(c.AgentChanged(agent))

    @rule(agent=st.sampled_from(worlds.AGENTS), gone=st.booleans())
    def agent_stops(self, agent: str, *, gone: bool) -> None:
        self.both(c.AgentGone(agent) if gone else c.AgentAway(agent, "lunch"))

    @rule(data=st.data(), length=st.integers(0, 3))
    def wrap_up_started(self, data: st.DataObject, length: int) -> None:
        item, agent = self.pair(data, lambda each: each.owner)
        self.both(c.WrapUpStarted(item, agent, self.now + length * 10 * SECOND))

    @rule(data=st.data())
    def wrap_up_ended(self, data: st.DataObject) -> None:
        item, agent = self.pair(data, lambda each: each.owner if each.place == "wrap_up" else None)
        self.both(c.WrapUpEnded(item, agent))

    @rule(data=st.data(), step=steps)
    def pending_offer_accepted(self, data: st.DataObject, step: Micros) -> None:
        self.now += step
        item, agent = self.pair(data, lambda each: each.offer.agent if each.offer else None)
        offer = self.naive.items[item].offer if item in self.naive.items else None
        self.both(c.OfferAccepted(offer.id if offer else f"{item}.1", item, agent))

    @rule(data=st.data())
    def pending_offer_declined(self, data: st.DataObject) -> None:
        item, agent = self.pair(data, lambda each: each.offer.agent if each.offer else None)
        offer = self.naive.items[item].offer if item in self.naive.items else None
        self.both(c.OfferDeclined(offer.id if offer else f"{item}.1", item, agent))

    @rule(data=st.data(), answer=st.sampled_from([c.OfferAccepted, c.OfferDeclined]), twice=st.booleans())
    def any_offer_answered(
        self, data: st.DataObject, answer: type[c.OfferAccepted | c.OfferDeclined], *, twice: bool
    ) -> None:
        """Late, twice or after the item was given away."""
        if not self.offers:
            return
        offer = data.draw(st.sampled_from(self.offers))
        for _ in range(1 + twice):
            self.both(answer(offer.id, offer.item, offer.agent))

    @precondition(lambda self: any(each.offer for each in self.naive.items.values()))
    @rule(data=st.data(), answer=st.sampled_from([c.OfferAccepted, c.OfferDeclined]))
    def offer_answered_after_it_expired(
        self, data: st.DataObject, answer: type[c.OfferAccepted | c.OfferDeclined]
    ) -> None:
        offer = data.draw(st.sampled_from([each.offer for each in self.naive.items.values() if each.offer]))
        self.now = max(self.now, offer.deadline)
        self.both(c.Tick())
        self.both(answer(offer.id, offer.item, offer.agent))

    @precondition(lambda self: self.latest)
    @rule(reason=st.sampled_from(["item", "agent", "closed"]))
    def latest_decisions_refused(self, reason: str) -> None:
        for decision in self.latest:
            self.both(c.DecisionRefused(decision, reason))

    @rule(data=st.data(), reason=st.sampled_from(["item", "agent", "closed"]))
    def decision_refused(self, data: st.DataObject, reason: str) -> None:
        if self.decisions:
            self.both(c.DecisionRefused(data.draw(st.sampled_from(self.decisions)), reason))

    @rule(policy=worlds.policies)
    def policy_changed(self, policy: Policy) -> None:
        self.both(c.PolicyChanged(policy))

    @rule(rule=worlds.some_call_rules)
    def customers_are_called_back(self, rule: CallbackRule) -> None:
        """Everywhere by one rule, so that it meets what waits."""
        queues = tuple(QueuePolicy(queue, callback=rule) for queue in worlds.QUEUES)
        self.both(c.PolicyChanged(replace(self.naive.policy, version=3, queues=queues)))

    @precondition(lambda self: any(each.waits for each in self.naive.items.values()))
    @rule(data=st.data(), what=st.sampled_from([callbacks.asked, callbacks.asked, callbacks.reached, None]))
    def callback_moves_on(self, data: st.DataObject, what: Callable[[WorkItem], WorkItem] | None) -> None:
        """A customer asks for it, answers it or (None) does not."""
        item = data.draw(st.sampled_from([each.item for each in self.naive.items.values() if each.waits]))
        rule = self.naive.calls_back(item)
        new = callbacks.missed(item, rule, self.now) if what is None else what(item)
        self.both(
            c.WorkEnded(item.id) if new is None else c.WorkQueued(new, self.naive.items[item.id].attempts)
        )

    @rule()
    def stored_and_restored(self) -> None:
        stored = self.router.snapshot()
        self.router = Router.restore(json.loads(json.dumps(stored)))
        assert self.router.snapshot() == stored
        check(self.router)

    def pair(self, data: st.DataObject, agent_of: Callable[[Item], str | None]) -> tuple[str, str]:
        """Mostly an item and an agent who belong together, sometimes ones who do not."""
        found = sorted(
            (name, agent_of(each) or "") for name, each in self.naive.items.items() if agent_of(each)
        )
        strangers = st.tuples(st.sampled_from(worlds.ITEMS), st.sampled_from(worlds.AGENTS))
        if not found:
            return data.draw(strangers)
        return data.draw(st.one_of(st.sampled_from(found), st.sampled_from(found), strangers))


def run(runs: int) -> int:
    RouterMachine.taken = 0
    run_state_machine_as_test(
        RouterMachine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
            print_blob=True,
        ),
    )
    return RouterMachine.taken


def test_every_command_decides_as_the_plain_model() -> None:
    assert run(runs=130) >= 5_000


@pytest.mark.soak
def test_every_command_decides_as_the_plain_model_for_long() -> None:
    assert run(runs=2_400) >= 100_000
