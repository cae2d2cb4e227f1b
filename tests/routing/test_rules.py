"""One rule after the other, each by its smallest example."""

from dataclasses import replace

import pytest

from routing import commands as c
from routing import decisions as d
from routing.model import MINUTE, SECOND, Offer, Policy, Skill
from routing.router import Router
from tests.routing.floors import POLICY, Floor, kinds
from tests.routing.worlds import START, agent, item, queued, ready

# --- order of items and agents ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"queued_at": START - 1}, {"queued_at": START}, id="older"),
        pytest.param(
            {"queue": "billing"}, {"queue": "repair", "queued_at": START - 59 * SECOND}, id="due sooner"
        ),
        pytest.param(
            {"queue": "repair", "queued_at": START - 61 * SECOND}, {"queue": "billing"}, id="aged beyond"
        ),
        pytest.param({"priority": 3}, {"queued_at": START - 3 * MINUTE + 1}, id="minutes of head start"),
        pytest.param(
            {"queued_at": START - 3 * MINUTE - 1}, {"priority": 3}, id="head start outweighed by age"
        ),
        pytest.param({"queue": "sales"}, {"queued_at": START - 2 * MINUTE + 1}, id="priority of the queue"),
    ],
)
def test_a_free_agent_gets_the_item_with_the_smallest_key(
    first: dict[str, object], second: dict[str, object]
) -> None:
    floor = Floor(queued("z-first", **first), queued("a-second", **second))
    floor.do(ready("anna"))
    assert floor.rings() == {"z-first": "anna"}


def test_equal_keys_go_by_item_id() -> None:
    floor = Floor(queued("b"), queued("a"), ready("anna"))
    assert floor.rings() == {"a": "anna"}


def test_an_item_goes_to_the_agent_who_is_idle_longest_and_among_equals_by_id() -> None:
    floor = Floor(ready("carl", START - 5), ready("bert", START - 9), ready("anna", START - 5))
    floor.do(queued("one"), queued("two"), queued("three"))
    assert floor.rings() == {"one": "bert", "two": "anna", "three": "carl"}


def test_who_ends_an_item_goes_to_the_end_of_the_idle_line() -> None:
    floor = Floor(ready("anna", START - 9), ready("bert", START - 5))
    floor.do(queued("one"))
    floor.accept("one")
    floor.do(c.WorkEnded("one"), after=SECOND)
    floor.do(queued("two"))
    assert floor.rings() == {"two": "bert"}


def test_who_declines_keeps_the_place_in_the_idle_line() -> None:
    floor = Floor(ready("anna", START - 9), ready("bert", START - 5), queued("one"))
    floor.decline("one")
    assert floor.rings() == {"one": "bert"}
    floor.do(queued("two"))
    assert floor.rings()["two"] == "anna"


def test_a_hard_item_does_not_block_the_line() -> None:
    floor = Floor(queued("hard", queued_at=START - MINUTE, requires=(Skill("latin"),)), queued("easy"))
    made = floor.do(ready("anna"))
    assert floor.rings() == {"easy": "anna"}
    assert made[0].because["position"] == 2


# --- who may have what ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skills", "requires", "fits"),
    [
        ({}, (), True),
        ({"german": 3}, (Skill("german", 3),), True),
        ({"german": 2}, (Skill("german", 3),), False),
        ({}, (Skill("german", 1),), False),
        ({"german": 3, "repair": 1}, (Skill("german", 3), Skill("repair", 1)), True),
        ({"german": 3}, (Skill("german", 3), Skill("repair", 1)), False),
        ({"german": 2}, (Skill("german", 1), Skill("german", 3)), False),
    ],
)
def test_all_required_skills_at_their_level(
    skills: dict[str, int], requires: tuple[Skill, ...], *, fits: bool
) -> None:
    floor = Floor(ready("anna", skills=skills), queued("call", requires=requires))
    assert floor.rings() == ({"call": "anna"} if fits else {})


def test_only_agents_of_the_queue() -> None:
    floor = Floor(ready("anna", queues=frozenset({"repair"})), queued("call", queue="billing"))
    assert floor.rings() == {}


@pytest.mark.parametrize(
    ("serving", "arriving", "fits"),
    [
        (["chat", "chat"], "chat", False),
        (["chat"], "chat", True),
        (["chat"], "mail", True),
        (["chat"], "phone", False),
        (["phone"], "chat", False),
        (["phone"], "phone", False),
        ([], "fax", False),
    ],
)
def test_capacity_per_medium_and_media_that_stand_alone(
    serving: list[str], arriving: str, *, fits: bool
) -> None:
    floor = Floor(ready("anna", capacity={"phone": 2, "chat": 2, "mail": 1}))
    for number, medium in enumerate(serving):
        floor.do(c.WorkTaken(item(f"held{number}", medium=medium), "anna"))
    floor.do(queued("new", medium=arriving))
    assert floor.rings() == ({"new": "anna"} if fits else {})


def test_one_thing_rings_at_a_time() -> None:
    floor = Floor(ready("anna", capacity={"chat": 3, "mail": 3}))
    floor.do(queued("one", medium="chat"), queued("two", medium="mail"))
    assert floor.rings() == {"one": "anna"}
    floor.accept("one")
    assert floor.rings() == {"two": "anna"}


def test_without_exclusive_media_a_call_goes_beside_a_chat() -> None:
    floor = Floor(ready("anna"), policy=replace(POLICY, exclusive=frozenset()))
    floor.do(c.WorkTaken(item("chat", medium="chat"), "anna"), queued("call"))
    assert floor.rings() == {"call": "anna"}


# --- an offer's life --------------------------------------------------------------------------------------------


def test_an_offer_names_its_attempt_and_stands_for_the_ring_time_of_its_queue() -> None:
    floor = Floor(c.WorkQueued(item("call", queue="repair"), attempts=4))
    made = floor.do(ready("anna"), after=SECOND)
    assert isinstance(made[0], d.OfferMade)
    offer = made[0].offer
    assert (offer.id, offer.attempt) == ("call.5", 5)
    assert (offer.made_at, offer.deadline) == (floor.now, floor.now + 25 * SECOND)
    assert floor.router.next_deadline() == offer.deadline


def test_an_offer_says_why() -> None:
    floor = Floor(ready("anna", START - 50 * SECOND), ready("bert", START - 40 * SECOND))
    floor.do(queued("hard", requires=(Skill("latin"),), queued_at=START - 2 * MINUTE))
    made = floor.do(queued("call", queued_at=START - 3 * SECOND, priority=1), after=2 * SECOND)
    assert made[0].because == {
        "rule": "longest_idle",
        "queue": "billing",
        "position": 2,
        "waiting": 2,
        "waited_ms": 5000,
        "key": START - 3 * SECOND + 20 * SECOND - MINUTE,
        "target_ms": 20_000,
        "head_start_min": 1,
        "candidates": 2,
        "idle_ms": 52_000,
        "attempt": 1,
        "policy_version": 7,
    }


def test_an_item_that_nobody_answered_keeps_its_place() -> None:
    floor = Floor(ready("anna"), queued("call"), queued("behind", queued_at=START + 1))
    assert kinds(floor.do(c.Tick(), after=15 * SECOND)) == ["OfferExpired", "AgentBenched"]
    assert floor.router.position("call") == 1
    floor.do(ready("carl"))
    assert floor.rings() == {"call": "carl"}


def test_an_expired_offer_rings_at_the_next_agent_in_the_same_tick() -> None:
    floor = Floor(ready("anna", START - 9), ready("bert", START - 5), queued("call"))
    expired, benched, made = floor.do(c.Tick(), after=15 * SECOND)
    assert isinstance(expired, d.OfferExpired)
    assert expired.because == {"rule": "no_answer", "rang_ms": 15_000, "attempt": 1, "policy_version": 7}
    assert isinstance(benched, d.AgentBenched)
    assert (benched.agent, benched.reason, benched.offer) == ("anna", "no_answer", "call.1")
    assert isinstance(made, d.OfferMade)
    assert (made.offer.agent, made.offer.id) == ("bert", "call.2")


def test_a_benched_agent_gets_nothing_until_they_say_that_they_are_ready() -> None:
    floor = Floor(ready("anna"), queued("call"))
    floor.do(c.Tick(), after=15 * SECOND)
    seen = floor.router.agent("anna")
    assert seen is not None
    assert (seen.state, seen.away_reason) == ("away", "no_answer")
    assert floor.do(queued("other")) == []
    floor.do(ready("anna"))
    assert floor.rings() == {"call": "anna"}


def test_only_a_tick_decides_what_is_due() -> None:
    floor = Floor(ready("anna"), queued("call"))
    floor.do(queued("other"), after=MINUTE)
    assert floor.rings() == {"call": "anna"}
    assert floor.accept("call") == []


def test_a_tick_before_the_deadline_decides_nothing() -> None:
    floor = Floor(ready("anna"), queued("call"))
    assert floor.do(c.Tick(), after=15 * SECOND - 1) == []
    assert kinds(floor.do(c.Tick(), after=1)) == ["OfferExpired", "AgentBenched"]


def test_who_declines_is_spared_this_item_and_gets_the_next() -> None:
    floor = Floor(ready("anna"), queued("call"))
    assert floor.decline("call") == []
    assert floor.rings() == {}
    floor.do(queued("other"))
    assert floor.rings() == {"other": "anna"}


def test_a_declined_item_comes_back_after_the_pause() -> None:
    floor = Floor(ready("anna"), queued("call"))
    floor.decline("call")
    assert floor.router.next_deadline() == floor.now + 30 * SECOND
    assert floor.do(c.Tick(), after=30 * SECOND - 1) == []
    floor.do(c.Tick(), after=1)
    assert floor.rings() == {"call": "anna"}


def test_a_declined_item_rings_at_somebody_else_at_once() -> None:
    floor = Floor(ready("anna", START - 9), ready("bert", START - 5), queued("call"))
    made = floor.decline("call")
    assert floor.rings() == {"call": "bert"}
    assert made[0].because["candidates"] == 1  # who has just declined is none


@pytest.mark.parametrize(
    ("command", "rule"), [(c.AgentAway("anna", "lunch"), "agent_away"), (c.AgentGone("anna"), "agent_gone")]
)
def test_an_agent_leaves_while_it_rings(command: c.Command, rule: str) -> None:
    floor = Floor(ready("anna", START - 9), ready("bert", START - 5), queued("call"))
    withdrawn, made = floor.do(command)
    assert isinstance(withdrawn, d.OfferWithdrawn)
    assert withdrawn.because["rule"] == rule
    assert isinstance(made, d.OfferMade)
    assert made.offer.agent == "bert"


def test_an_item_that_ends_while_it_rings_sets_the_agent_free() -> None:
    floor = Floor(ready("anna"), queued("call"), queued("next"))
    assert kinds(floor.do(c.WorkEnded("call"))) == ["OfferWithdrawn", "OfferMade"]
    assert floor.rings() == {"next": "anna"}


def test_what_an_agent_serves_stays_theirs_when_they_leave() -> None:
    floor = Floor(ready("anna"), queued("call"))
    floor.accept("call")
    assert floor.do(c.AgentGone("anna")) == []
    seen = floor.router.agent("anna")
    assert seen is not None
    assert (seen.serving, seen.state, seen.ready) == (("call",), "busy", False)


# --- wrap-up ----------------------------------------------------------------------------------------------------


def test_wrap_up_holds_the_capacity_until_it_ends() -> None:
    floor = Floor(ready("anna"), queued("call"), queued("next"))
    floor.accept("call")
    assert floor.do(c.WrapUpStarted("call", "anna", floor.now + MINUTE)) == []
    floor.do(c.WrapUpEnded("call", "anna"), after=SECOND)
    assert floor.rings() == {"next": "anna"}


def test_wrap_up_runs_out() -> None:
    floor = Floor(ready("anna"), queued("call"), queued("next"))
    floor.accept("call")
    floor.do(c.WrapUpStarted("call", "anna", floor.now + MINUTE))
    assert floor.router.next_deadline() == floor.now + MINUTE
    over, made = floor.do(c.Tick(), after=MINUTE + 2 * SECOND)
    assert isinstance(over, d.WrapUpExpired)
    assert (over.item, over.agent, over.because["late_ms"]) == ("call", "anna", 2000)
    assert isinstance(made, d.OfferMade)
    assert made.because["idle_ms"] == 0


def test_an_exclusive_medium_stays_exclusive_in_wrap_up() -> None:
    floor = Floor(ready("anna"), queued("call"))
    floor.accept("call")
    floor.do(c.WrapUpStarted("call", "anna", floor.now + MINUTE), queued("chat", medium="chat"))
    assert floor.rings() == {}


# --- changes ----------------------------------------------------------------------------------------------------


def test_an_offer_stands_if_the_changed_item_still_fits() -> None:
    floor = Floor(ready("anna", queues=frozenset({"billing", "repair"})), queued("call"))
    assert floor.do(c.WorkChanged(item("call", queue="repair", priority=2))) == []
    assert floor.rings() == {"call": "anna"}


def test_an_offer_is_withdrawn_if_the_changed_item_does_not_fit() -> None:
    floor = Floor(ready("anna", START - 9), ready("bert", skills={"german": 3}), queued("call"))
    floor.do(c.WorkChanged(item("call", requires=(Skill("german", 2),))))
    assert floor.rings() == {"call": "bert"}


def test_a_higher_priority_moves_an_item_that_waits() -> None:
    floor = Floor(queued("one", queued_at=START - SECOND), queued("two"))
    floor.do(c.WorkChanged(item("two", priority=1)), ready("anna"))
    assert floor.rings() == {"two": "anna"}


def test_a_new_skill_counts_for_work_that_waits() -> None:
    floor = Floor(ready("anna"), queued("call", requires=(Skill("german", 2),)))
    floor.do(c.AgentChanged(agent("anna", skills={"german": 2})))
    assert floor.rings() == {"call": "anna"}


def test_a_lost_queue_withdraws_what_rings() -> None:
    floor = Floor(ready("anna"), queued("call"))
    assert kinds(floor.do(c.AgentChanged(agent("anna", queues=frozenset({"repair"}))))) == [
        "OfferWithdrawn",
        "Unroutable",
    ]


def test_ready_again_while_it_rings_makes_no_second_offer() -> None:
    floor = Floor(ready("anna"), queued("call"), queued("other"))
    assert floor.do(ready("anna", START + 1)) == []
    assert floor.rings() == {"call": "anna"}


def test_taking_work_withdraws_what_rings_elsewhere_and_what_does_not_fit_any_more() -> None:
    floor = Floor(ready("anna", START - 9), ready("bert"), queued("one"), queued("two"))
    assert floor.rings() == {"one": "anna", "two": "bert"}
    decisions = floor.do(c.WorkTaken(item("one"), "bert"))
    assert [each.because["rule"] for each in decisions] == ["taken", "agent_took_work", "longest_idle"]
    assert floor.rings() == {"two": "anna"}


def test_a_transfer_sets_the_former_agent_free() -> None:
    floor = Floor(ready("anna"), queued("call"), queued("next"))
    floor.accept("call")
    floor.do(c.WorkTaken(item("call"), "bert"))
    assert floor.rings() == {"next": "anna"}


def test_queued_again_keeps_the_count_of_offers() -> None:
    floor = Floor(ready("anna"), queued("call"))
    floor.accept("call")
    floor.do(c.WorkQueued(item("call", queue="repair"), attempts=1))
    assert [offer.id for offer in floor.router.pending_offers()] == ["call.2"]


def test_new_rules_order_what_waits_anew() -> None:
    floor = Floor(queued("call"), queued("fix", queue="repair"))
    queues = tuple(replace(each, target=0) if each.id == "repair" else each for each in POLICY.queues)
    floor.do(c.PolicyChanged(Policy(8, queues)), ready("anna"))
    assert floor.rings() == {"fix": "anna"}


def test_new_rules_open_what_was_exclusive() -> None:
    floor = Floor(ready("anna"), c.WorkTaken(item("call"), "anna"), queued("chat", medium="chat"))
    assert floor.rings() == {}
    floor.do(c.PolicyChanged(replace(POLICY, version=8, exclusive=frozenset())))
    assert floor.rings() == {"chat": "anna"}


def test_an_older_policy_comes_too_late() -> None:
    floor = Floor()
    floor.do(c.PolicyChanged(Policy(3, ())))
    assert floor.router.policy == POLICY


# --- unroutable -------------------------------------------------------------------------------------------------


def test_unroutable_is_said_once_and_again_only_after_it_was_routable() -> None:
    floor = Floor(ready("anna"))
    hard = item("call", requires=(Skill("latin", 2), Skill("greek", 1)))
    (told,) = floor.do(c.WorkQueued(hard))
    assert isinstance(told, d.Unroutable)
    assert told.because["requires"] == "greek>=1, latin>=2"
    assert (
        floor.do(c.WorkQueued(hard), ready("bert"), c.Tick(), c.WorkChanged(replace(hard, priority=1))) == []
    )
    floor.do(c.AgentChanged(agent("carl", skills={"latin": 2, "greek": 1})))
    assert kinds(floor.do(c.AgentChanged(agent("carl")))) == ["Unroutable"]


def test_somebody_who_is_away_or_gone_makes_an_item_routable() -> None:
    floor = Floor(ready("anna"), c.AgentGone("anna"))
    assert floor.do(queued("call")) == []


# --- commands that say nothing new ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        c.WorkChanged(item("nothing")),
        c.WorkEnded("nothing"),
        c.AgentAway("nobody", "lunch"),
        c.AgentGone("nobody"),
        c.WrapUpStarted("nothing", "nobody", START),
        c.WrapUpStarted("served", "bert", START),
        c.WrapUpEnded("served", "anna"),
        c.OfferAccepted("nothing.1", "nothing", "nobody"),
        c.OfferAccepted("rings.9", "rings", "bert"),
        c.OfferAccepted("served.1", "served", "anna"),
        c.OfferDeclined("rings.1", "rings", "anna"),
        c.DecisionRefused(d.Unroutable("nothing"), "item"),
        c.DecisionRefused(d.WrapUpExpired("served", "anna"), "closed"),
        c.DecisionRefused(d.AgentBenched("nobody", "no_answer", "x.1"), "closed"),
        c.PolicyChanged(POLICY),
        c.Tick(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_late_and_unknown_changes_nothing(command: c.Command) -> None:
    floor = Floor(ready("anna"), queued("served"))
    floor.accept("served")
    floor.do(ready("bert"), queued("rings"), queued("waits"))
    before = floor.router.snapshot()
    assert floor.do(command) == []
    assert floor.router.snapshot() == before


@pytest.mark.parametrize(
    "command",
    [
        queued("call"),
        c.WorkChanged(item("call", priority=1)),
        c.WorkTaken(item("call"), "anna"),
        c.WorkEnded("call"),
        ready("bert"),
        c.AgentChanged(agent("anna", queues=frozenset())),
        c.AgentAway("anna", "lunch"),
        c.AgentGone("anna"),
        c.OfferAccepted("call.1", "call", "anna"),
        c.OfferDeclined("call.1", "call", "anna"),
        c.DecisionRefused(
            d.OfferMade(Offer("call.1", "call", "anna", START, START + 15 * SECOND, 1)), "item"
        ),
    ],
    ids=lambda command: type(command).__name__,
)
def test_twice_is_once(command: c.Command) -> None:
    floor = Floor(ready("anna"), queued("call"), queued("other"))
    floor.do(command)
    after_one = floor.router.snapshot()
    assert floor.do(command) == []
    assert floor.router.snapshot() == after_one


def test_a_clock_that_steps_back_stands_still() -> None:
    floor = Floor(ready("anna"))
    floor.do(c.Tick(), after=MINUTE)
    made = floor.do(queued("call"), after=-30 * SECOND)
    assert isinstance(made[0], d.OfferMade)
    assert made[0].offer.made_at == START + MINUTE
    assert floor.do(c.Tick(), after=-MINUTE) == []


def test_what_is_no_command_is_refused() -> None:
    with pytest.raises(TypeError, match="str is not a command"):
        Router(POLICY).apply("tick", START)  # type: ignore[arg-type]  # the fault itself


def test_several_agents_who_get_free_at_once_share_the_line() -> None:
    """All of them want the first item; those who do not get it look on."""
    floor = Floor(*(queued(f"call{number}", queued_at=START + number) for number in range(3)))
    for number, name in enumerate(("anna", "bert", "carl")):
        floor.do(c.WorkTaken(item(f"with-{name}"), name), ready(name, START - number))
        floor.do(c.WrapUpStarted(f"with-{name}", name, START + MINUTE))
    floor.do(c.Tick(), after=MINUTE)
    assert floor.rings() == {"call0": "anna", "call1": "bert", "call2": "carl"}
