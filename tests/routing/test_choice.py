"""Which agent (FEATURES §5: "Agent choice: longest idle, least busy, best skill, round robin"), and until when."""

from dataclasses import replace

import pytest

from routing import commands as c
from routing.model import MINUTE, SECOND, Policy, QueuePolicy, Skill
from routing.router import Router
from tests.routing.floors import Floor
from tests.routing.worlds import START, item, queued, ready

ROOMY = {"phone": 1, "chat": 5, "mail": 5}


def by(choice: str) -> Policy:
    return Policy(1, (QueuePolicy("billing", choice=choice), QueuePolicy("repair")))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("longest_idle", "anna"),
        ("least_loaded", "carl"),
        ("best_skill", "bert"),
        ("most_specific", "dora"),
        ("round_robin", "anna"),
    ],
)
def test_each_rule_chooses_its_agent(choice: str, expected: str) -> None:
    everything = frozenset({"billing", "repair", "sales"})
    floor = Floor(
        ready("anna", START - 40, skills={"german": 2, "x": 1}, queues=everything, capacity=ROOMY),
        ready("bert", START - 30, skills={"german": 5, "x": 1}, queues=everything, capacity=ROOMY),
        ready("carl", START - 20, skills={"german": 2, "x": 1}, queues=everything, capacity=ROOMY),
        ready("dora", START - 10, skills={"german": 2}, queues=frozenset({"billing"}), capacity=ROOMY),
        *(c.WorkTaken(item(f"with-{name}", medium="mail"), name) for name in ("anna", "bert", "dora")),
        policy=by(choice),
    )
    (made,) = floor.do(queued("chat", medium="chat", requires=(Skill("german", 2),)))
    assert floor.rings() == {"chat": expected}
    assert (made.because["rule"], made.because["candidates"]) == (choice, 4)


@pytest.mark.parametrize("choice", ["least_loaded", "best_skill", "round_robin", "most_specific"])
def test_ties_go_to_who_is_idle_longest_and_then_by_id(choice: str) -> None:
    floor = Floor(
        ready("carl", START - 9), ready("bert", START - 5), ready("anna", START - 5), policy=by(choice)
    )
    floor.do(queued("one"), queued("two"), queued("three"))
    assert floor.rings() == {"one": "carl", "two": "anna", "three": "bert"}


def test_round_robin_takes_turns_also_when_an_offer_is_declined() -> None:
    floor = Floor(ready("anna", START - 9), ready("bert", START - 5), policy=by("round_robin"))
    floor.do(queued("one"), after=SECOND)
    floor.decline("one")
    assert floor.rings() == {"one": "bert"}
    floor.accept("one")
    floor.do(c.WorkEnded("one"), queued("two"), after=SECOND)
    assert floor.rings() == {"two": "anna"}


def test_another_rule_counts_for_who_stands_idle_already() -> None:
    floor = Floor(
        ready("anna", START - 9, skills={"german": 1}), ready("bert", START - 5, skills={"german": 3})
    )
    floor.do(
        c.PolicyChanged(replace(by("best_skill"), version=9)), queued("call", requires=(Skill("german"),))
    )
    assert floor.rings() == {"call": "bert"}


def test_no_offers_towards_the_end_of_the_shift() -> None:
    policy = Policy(1, (QueuePolicy("billing"),), shift_margin=5 * MINUTE)
    floor = Floor(ready("anna", shift_end=START + 10 * MINUTE), policy=policy)
    assert floor.router.next_deadline() == START + 5 * MINUTE
    floor.do(c.Tick(), after=5 * MINUTE - 1)
    floor.do(queued("in-time"))
    assert floor.rings() == {"in-time": "anna"}
    floor.accept("in-time")
    floor.do(c.WorkEnded("in-time"), queued("late"), after=1)
    assert floor.rings() == {}
    floor.do(ready("anna", floor.now, shift_end=START + 20 * MINUTE))  # stays longer
    assert floor.rings() == {"late": "anna"}


def test_turns_are_restored_as_they_were_while_an_offer_from_before_the_rule_rings() -> None:
    """That offer counted for no turn when it was made, so it does not after a restore."""
    floor = Floor(ready("anna"), queued("call"))
    floor.do(c.PolicyChanged(replace(by("round_robin"), version=9)))
    stored = floor.router.snapshot()
    assert Router.restore(stored).snapshot() == stored
