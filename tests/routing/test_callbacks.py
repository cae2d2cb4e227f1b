"""A callback keeps its place: agent first and customer first, missed and tried again, with a bound."""

from dataclasses import replace

import pytest

from routing import callbacks
from routing import commands as c
from routing import decisions as d
from routing.model import (
    MINUTE,
    SECOND,
    Callback,
    CallbackRule,
    Hours,
    Micros,
    Policy,
    QueuePolicy,
    Span,
    WorkItem,
)
from routing.router import Router
from routing.waiting import Entry, Line
from tests.routing.floors import Floor, kinds
from tests.routing.worlds import START, item, queued, ready

BY_AGENT = CallbackRule("agent", tries=3, pause=MINUTE)
BY_CUSTOMER = CallbackRule("customer", position=2, tries=3, pause=MINUTE, answer=30 * SECOND)
FROM_2214 = Hours("UTC", ((Span(22 * 60 + 14, 24 * 60),),) * 7)  # START is 22:13:20
BUSY = (c.WorkTaken(item("talk", queue="sales"), "zoe"), ready("zoe"))
"""Somebody of the queue is at work, and has no room: customers may be dialled, nothing is offered."""


def by(rule: CallbackRule, version: int = 1) -> Policy:
    return Policy(version, (QueuePolicy("billing", callback=rule),))


def place_of(floor: Floor, name: str) -> WorkItem:
    return floor.router.floor.items[name].item


def tell(floor: Floor, new: WorkItem | None, name: str = "call", after: Micros = 0) -> list[d.Decision]:
    """What became of the customer, as the rows would say it."""
    return floor.do(c.WorkEnded(name) if new is None else c.WorkQueued(new), after=after)


def test_a_call_that_becomes_a_callback_keeps_arrival_priority_and_target() -> None:
    call = item("call", queued_at=START - MINUTE, priority=1)
    floor = Floor(
        queued("first", queued_at=START - 3 * MINUTE), c.WorkQueued(call), queued("late"), policy=by(BY_AGENT)
    )
    key = floor.router.floor.items["call"].entry[0]
    floor.do(c.WorkQueued(callbacks.asked(call)))
    assert floor.router.position("call") == 2
    assert floor.router.floor.items["call"].entry[0] == key
    floor.do(c.WorkEnded("first"))
    (made,) = floor.do(ready("anna"))
    assert floor.rings() == {"call": "anna"}
    assert (made.because["callback"], made.because["missed"]) == ("agent", 0)


def test_who_does_not_answer_the_agents_call_rests_in_their_place() -> None:
    call = callbacks.asked(item("call"))
    floor = Floor(ready("anna"), c.WorkQueued(call), queued("late", queued_at=START + 1), policy=by(BY_AGENT))
    floor.accept("call")  # she dials, and nobody answers
    tell(floor, callbacks.missed(call, BY_AGENT, floor.now))
    assert floor.rings() == {"late": "anna"}, "the one who rests holds up nobody"
    assert floor.router.position("call") == 1
    floor.accept("late")
    floor.do(c.WorkEnded("late"))
    assert floor.rings() == {}
    assert floor.router.next_deadline() == START + MINUTE
    (made,) = floor.do(c.Tick(), after=MINUTE)
    assert floor.rings() == {"call": "anna"}
    assert made.because["missed"] == 1
    last = replace(call, callback=Callback(2))
    assert callbacks.missed(last, BY_AGENT, floor.now) is None, "after three tries it is over"


def test_the_customer_is_dialled_when_their_turn_is_near_and_enters_at_their_place() -> None:
    call = callbacks.asked(item("call", queued_at=START - MINUTE))
    floor = Floor(
        *BUSY,
        *(queued(f"before{n}", queued_at=START - 5 * MINUTE + n) for n in range(3)),
        policy=by(BY_CUSTOMER),
    )
    assert floor.do(c.WorkQueued(call)) == []
    assert floor.router.position("call") == 4
    assert floor.do(c.WorkEnded("before0")) == []
    (dialled,) = floor.do(c.WorkEnded("before1"))
    assert isinstance(dialled, d.CustomerDialled)
    assert (dialled.item, dialled.attempt, dialled.because["position"]) == ("call", 1, 2)
    floor.do(queued("late"), ready("anna"))
    assert floor.rings() == {"before2": "anna"}
    floor.accept("before2")
    floor.do(c.WorkEnded("before2"))
    assert floor.rings() == {"late": "anna"}, "nobody is offered a customer who is still being dialled"
    floor.decline("late")
    tell(floor, callbacks.reached(place_of(floor, "call")), after=10 * SECOND)
    assert floor.rings() == {"call": "anna"}
    floor.accept("call")
    assert floor.router.agent("anna").serving == ("call",)  # type: ignore[union-attr]  # she is known


def test_who_is_not_reached_in_time_is_tried_again_and_then_it_is_over() -> None:
    floor = Floor(*BUSY, policy=by(BY_CUSTOMER))
    at: list[tuple[str, Micros]] = []
    decisions = floor.do(c.WorkQueued(callbacks.asked(item("call"))))
    while decisions and len(at) < 20:
        at += [(kind, floor.now - START) for kind in kinds(decisions)]
        due = floor.router.next_deadline()
        decisions = [] if due is None else floor.do(c.Tick(), after=max(due - floor.now, 0))
    expected = []
    for begin in (0, 90 * SECOND, 180 * SECOND):
        expected += [("CustomerDialled", begin), ("CallbackMissed", begin + BY_CUSTOMER.answer)]
    assert at == expected
    assert floor.router.position("call") is None
    longest = BY_CUSTOMER.tries * (BY_CUSTOMER.answer + BY_CUSTOMER.pause)
    assert floor.now - START <= longest


def test_who_rests_is_not_ahead_of_others_who_sleep() -> None:
    near = replace(BY_CUSTOMER, position=1)
    floor = Floor(*BUSY, c.WorkQueued(callbacks.asked(item("call"))), policy=by(near))
    assert floor.do(c.WorkQueued(callbacks.asked(item("next", queued_at=START + 1)))) == []
    (missed, dialled) = floor.do(c.Tick(), after=near.answer)
    assert isinstance(missed, d.CallbackMissed)
    assert isinstance(dialled, d.CustomerDialled)
    assert dialled.item == "next"


def test_many_who_rest_cost_no_look_at_each_with_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    floor = Router(by(replace(BY_CUSTOMER, position=1)))
    for command in BUSY:
        floor.apply(command, START)
    resting = Callback(1, START + MINUTE)
    for number in range(300):
        name = f"rests{number:03}"
        floor.apply(c.WorkQueued(item(name, queued_at=START - MINUTE + number, callback=resting)), START)
    floor.apply(queued("waits", queued_at=START - 1), START)
    floor.apply(c.WorkQueued(callbacks.asked(item("sleeps"))), START)
    ranked: list[Entry] = []
    plain = Line.rank

    def counted(line: Line, entry: Entry) -> int:
        ranked.append(entry)
        return plain(line, entry)

    monkeypatch.setattr(Line, "rank", counted)
    assert floor.apply(c.AgentChanged(ready("bert", queues=frozenset({"sales"})).agent), START + 1) == ()
    assert len(ranked) == 2
    (dialled,) = floor.apply(c.WorkEnded("waits"), START + 2)
    assert isinstance(dialled, d.CustomerDialled)
    assert dialled.because["position"] == 1


def test_nobody_is_dialled_while_nobody_works() -> None:
    """Who answered would hear music, and nobody would come: it sleeps until somebody of the queue is ready."""
    floor = Floor(c.WorkQueued(callbacks.asked(item("call"))), policy=by(BY_CUSTOMER))
    assert floor.router.next_deadline() == START + BY_CUSTOMER.lasts, "only its promise ends"
    floor.do(ready("bert", queues=frozenset({"sales"})))
    assert floor.do(c.Tick(), after=MINUTE) == []
    assert kinds(floor.do(*BUSY)) == ["CustomerDialled"], "busy is enough"


def test_nobody_is_dialled_while_the_queue_is_closed_and_its_opening_wakes_them() -> None:
    policy = Policy(1, (QueuePolicy("billing", callback=BY_CUSTOMER, hours=FROM_2214),))
    floor = Floor(*BUSY, c.WorkQueued(callbacks.asked(item("call"))), policy=policy)
    assert floor.router.next_deadline() == START + 40 * SECOND
    assert floor.do(c.Tick(), after=40 * SECOND - 1) == []
    twin = Router.restore(floor.router.snapshot())
    for router in (floor.router, twin):
        assert kinds(list(router.apply(c.Tick(), START + 40 * SECOND))) == ["CustomerDialled"]


def test_a_late_answer_is_believed() -> None:
    floor = Floor(c.WorkQueued(callbacks.asked(item("call"))), ready("anna"), policy=by(BY_CUSTOMER))
    floor.do(c.Tick(), after=BY_CUSTOMER.answer)
    tell(floor, callbacks.reached(place_of(floor, "call")))
    assert floor.rings() == {"call": "anna"}


def test_the_expected_wait_dials_too_and_is_looked_at_in_time() -> None:
    """Ten ahead of them, and thirty people who each take four minutes: it is their turn in less than two minutes."""
    rule = replace(BY_CUSTOMER, position=1, within=2 * MINUTE)
    floor = Floor(*(queued(f"before{n}", queued_at=START - MINUTE + n) for n in range(10)), policy=by(rule))
    assert floor.do(c.WorkQueued(callbacks.asked(item("call")))) == []
    due = floor.router.next_deadline()
    assert due is not None
    assert due - floor.now <= callbacks.LOOK_EVERY
    assert floor.do(c.Tick(), after=due - floor.now) == [], "nobody is there: nothing is known"
    for n in range(30):  # all of them busy
        name = f"agent{n}"
        floor.do(c.WorkTaken(item(f"busy{n}", queue="sales"), name), ready(name))
    decisions = floor.do(c.Tick(), after=callbacks.LOOK_EVERY)
    assert kinds(decisions) == ["CustomerDialled"]
    assert decisions[0].because["position"] == 11


def test_a_look_that_is_due_stays_due_until_it_has_come() -> None:
    """Steady traffic, each command just after a look was due: the router asks for a tick after the first of them."""
    rule = replace(BY_CUSTOMER, position=1, within=60 * MINUTE)
    floor = Floor(ready("anna"), queued("served"), queued("before"), policy=by(rule))
    floor.accept("served")
    floor.do(c.WorkQueued(callbacks.asked(item("call", queued_at=START + 1))))
    due = floor.router.next_deadline()
    assert due is not None
    floor.do(c.AgentChanged(ready("bert", queues=frozenset({"sales"})).agent), after=due - floor.now + 1000)
    twin = Router.restore(floor.router.snapshot())
    for router in (floor.router, twin):
        assert router.next_deadline() == due
        assert kinds(list(router.apply(c.Tick(), floor.now))) == ["CustomerDialled"]


@pytest.mark.parametrize("reason", ["item", "treatment"])
def test_a_refused_dial_leaves_nobody_being_dialled(reason: str) -> None:
    floor = Floor(*BUSY, policy=by(BY_CUSTOMER))
    (dialled,) = floor.do(c.WorkQueued(callbacks.asked(item("call"))))
    assert floor.do(c.DecisionRefused(dialled, reason)) == []
    assert floor.router.position("call") == (None if reason == "item" else 1)
    again = floor.do(c.Tick(), after=BY_CUSTOMER.pause)
    assert kinds(again) == ([] if reason == "item" else ["CustomerDialled"])


@pytest.mark.parametrize("reason", ["item", "treatment"])
def test_a_refused_end_of_a_callback_puts_it_back_to_be_tried_again(reason: str) -> None:
    """The row may know better: the customer answered in the last moment, or the end could not be carried out."""
    floor = Floor(*BUSY, policy=by(replace(BY_CUSTOMER, tries=1)))
    floor.do(c.WorkQueued(callbacks.asked(item("call"))))
    (missed,) = floor.do(c.Tick(), after=BY_CUSTOMER.answer)
    assert isinstance(missed, d.CallbackMissed)
    assert missed.gave_up
    assert floor.do(c.DecisionRefused(missed, reason)) == []
    assert floor.router.position("call") == (None if reason == "item" else 1)
    again = floor.do(c.Tick(), after=BY_CUSTOMER.pause)
    assert kinds(again) == ([] if reason == "item" else ["CustomerDialled"])


def test_an_answer_in_the_last_moment_is_served_after_the_refusal() -> None:
    call = callbacks.asked(item("call"))
    floor = Floor(*BUSY, c.WorkQueued(call), policy=by(replace(BY_CUSTOMER, tries=1)))
    (missed,) = floor.do(c.Tick(), after=BY_CUSTOMER.answer)
    floor.do(c.DecisionRefused(missed, "treatment"), c.WorkChanged(callbacks.reached(call)), ready("anna"))
    assert floor.rings() == {"call": "anna"}


def test_the_rule_counts_for_callbacks_that_wait_already() -> None:
    floor = Floor(*BUSY, policy=by(replace(BY_CUSTOMER, position=1)))
    floor.do(queued("first", queued_at=START - MINUTE), c.WorkQueued(callbacks.asked(item("call"))))
    assert kinds(floor.do(c.PolicyChanged(by(BY_CUSTOMER, 2)))) == ["CustomerDialled"]
    tell(floor, callbacks.missed(place_of(floor, "call"), BY_CUSTOMER, floor.now))
    floor.do(c.PolicyChanged(by(BY_AGENT, 3)), c.WorkEnded("first"), c.Tick(), after=MINUTE)
    floor.do(ready("anna"))
    assert floor.rings() == {"call": "anna"}


def test_a_router_from_the_rows_knows_who_is_being_dialled_and_since_when() -> None:
    floor = Floor(*BUSY, policy=by(BY_CUSTOMER))
    floor.do(
        c.WorkQueued(callbacks.asked(item("call"))),
        c.WorkQueued(callbacks.asked(item("next", queued_at=START + 1))),
    )
    floor.do(c.WorkQueued(callbacks.asked(item("third", queued_at=START + 2))))
    records = [record for record in floor.router.floor.items.values() if not record.owner]
    twin = Router.rebuild(
        by(BY_CUSTOMER),
        floor.now,
        agents=[(ready("zoe").agent, True, START, None)],
        waiting=[(record.item, record.attempts) for record in records],
    )
    twin.apply(BUSY[0], floor.now)
    twin.apply(c.Tick(), floor.now)
    for step in (c.Tick(), c.WorkEnded("next"), c.Tick()):
        floor.now += 15 * SECOND
        assert twin.apply(step, floor.now) == floor.router.apply(step, floor.now)
    assert twin.snapshot() == floor.router.snapshot()


DAY = 24 * 60 * MINUTE
CLOSED = Hours("UTC", ((),) * 7)


@pytest.mark.parametrize("why", ["nobody works", "closed", "agent first"])
def test_a_promise_whose_turn_does_not_come_ends_when_it_is_as_old_as_it_lasts(why: str) -> None:
    """Once, at its instant, counted from the promise: also for a router that is restored or begins from the rows."""
    rule = replace(BY_AGENT if why == "agent first" else BY_CUSTOMER, lasts=2 * DAY)
    policy = Policy(1, (QueuePolicy("billing", callback=rule, hours=CLOSED if why == "closed" else None),))
    works = why != "nobody works"
    floor = Floor(*(BUSY if works else ()), policy=policy)
    call = callbacks.asked(item("call", queued_at=START - MINUTE), START)
    assert floor.do(c.WorkQueued(call)) == []
    twin = Router.restore(floor.router.snapshot())
    agents = [(ready("zoe").agent, True, START, None)] if works else []
    anew = Router.rebuild(policy, floor.now, agents=agents, waiting=[(call, 0)])
    if works:
        anew.apply(BUSY[0], floor.now)
    over: list[d.Decision] = []
    while not over:
        due = floor.router.next_deadline()
        assert due is not None
        over = floor.do(c.Tick(), after=due - floor.now)
    assert floor.now == START + 2 * DAY
    (expired,) = over
    assert isinstance(expired, d.CallbackExpired)
    assert (expired.because["rule"], expired.because["promised_ms"]) == ("promise_over", 2 * DAY // 1000)
    assert floor.router.position("call") is None
    assert list(twin.apply(c.Tick(), floor.now)) == list(anew.apply(c.Tick(), floor.now)) == over
    assert floor.do(c.Tick(), ready("anna"), c.WorkEnded("call"), c.Tick(), after=DAY) == [], "once"


def test_who_is_being_dialled_when_the_promise_ends_may_still_answer() -> None:
    """It ends once they have not: they are not tried again."""
    rule = replace(BY_CUSTOMER, lasts=MINUTE)
    call = callbacks.asked(item("call"), START - MINUTE + SECOND)
    for answers in (True, False):
        floor = Floor(*BUSY, policy=by(rule))
        assert kinds(floor.do(c.WorkQueued(call))) == ["CustomerDialled"]
        assert floor.do(c.Tick(), after=SECOND) == []
        if answers:
            assert tell(floor, callbacks.reached(place_of(floor, "call"))) == []
            assert floor.do(c.Tick(), after=DAY) == [], "they are on the line"
        else:
            assert kinds(floor.do(c.Tick(), after=rule.answer)) == ["CallbackMissed", "CallbackExpired"]
            assert floor.router.position("call") is None


def test_what_rings_when_the_promise_ends_may_still_be_taken() -> None:
    rule = replace(BY_AGENT, lasts=10 * SECOND)
    for taken in (True, False):
        floor = Floor(ready("anna"), policy=by(rule))
        assert kinds(floor.do(c.WorkQueued(callbacks.asked(item("call"), START)))) == ["OfferMade"]
        assert floor.do(c.Tick(), after=11 * SECOND) == []
        if taken:
            floor.accept("call")
            assert floor.do(c.Tick(), after=DAY) == []
        else:
            decided = floor.do(c.Tick(), after=9 * SECOND)
            assert kinds(decided) == ["OfferExpired", "AgentBenched", "CallbackExpired"]


def test_a_shorter_promise_counts_for_those_that_were_made() -> None:
    floor = Floor(c.WorkQueued(callbacks.asked(item("call"), START)), policy=by(BY_CUSTOMER))
    assert floor.do(c.PolicyChanged(by(replace(BY_CUSTOMER, lasts=DAY), 2))) == []
    assert floor.router.next_deadline() == START + DAY
    assert floor.do(c.Tick(), after=DAY - SECOND) == []
    assert floor.do(c.PolicyChanged(by(BY_CUSTOMER, 3)), c.Tick(), after=SECOND) == [], "and a longer one"
    assert kinds(floor.do(c.PolicyChanged(by(replace(BY_CUSTOMER, lasts=DAY), 4)))) == ["CallbackExpired"]


@pytest.mark.parametrize("reason", ["item", "treatment"])
def test_a_refused_end_of_a_promise_is_not_tried_again(reason: str) -> None:
    floor = Floor(
        c.WorkQueued(callbacks.asked(item("call"), START)), policy=by(replace(BY_CUSTOMER, lasts=DAY))
    )
    (expired,) = floor.do(c.Tick(), after=DAY)
    assert floor.do(c.DecisionRefused(expired, reason)) == []
    assert floor.router.position("call") == (None if reason == "item" else 1)
    assert floor.do(c.Tick(), after=DAY) == []
    assert kinds(floor.do(*BUSY)) == ([] if reason == "item" else ["CustomerDialled"])


def test_an_offer_says_how_old_the_promise_is() -> None:
    floor = Floor(c.WorkQueued(callbacks.asked(item("call"), START)), policy=by(BY_AGENT))
    (made,) = floor.do(ready("anna"), after=2 * MINUTE)
    assert made.because["promised_ms"] == 120_000
