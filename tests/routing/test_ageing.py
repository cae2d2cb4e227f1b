"""Classes that age at slopes of their own: keys stay within a class, heads are compared as time passes."""

from dataclasses import replace
from random import Random

import pytest

from routing import commands as c
from routing import decisions as d
from routing.ageing import overtaking
from routing.model import MINUTE, SECOND, Ageing, Micros, Policy, QueuePolicy, WorkItem
from tests.routing.floors import Floor
from tests.routing.worlds import START, queued, ready

URGENT = Ageing(300, priority=1)
PATIENT = Ageing(50, media=frozenset({"mail"}))
BILLING = QueuePolicy("billing", target=20 * SECOND, ageing=(PATIENT, URGENT))
POLICY = Policy(1, (BILLING,))


def order(floor: Floor, *names: str) -> list[str]:
    return sorted(names, key=lambda name: floor.router.position(name) or 0)


def test_who_ages_faster_overtakes_as_time_passes() -> None:
    """An ordinary call and, three minutes later, an urgent one with a minute's head start: level after one more."""
    floor = Floor(queued("old", queued_at=START - 3 * MINUTE), queued("urgent", priority=1), policy=POLICY)
    assert order(floor, "old", "urgent") == ["old", "urgent"]
    floor.do(c.Tick(), after=MINUTE)  # 1 + 3 × 1 minutes against 4: level, and the smaller id is first
    assert order(floor, "old", "urgent") == ["old", "urgent"]
    floor.do(c.Tick(), after=1)
    assert order(floor, "old", "urgent") == ["urgent", "old"]
    (made,) = floor.do(ready("anna"))
    assert floor.rings() == {"urgent": "anna"}
    assert made.because["slope_pct"] == 300
    assert made.because["position"] == 1
    waited = floor.now - START
    assert made.because["key"] == floor.now - 3 * waited + 20 * SECOND - MINUTE


def test_who_ages_slower_falls_behind() -> None:
    floor = Floor(queued("mail", medium="mail", queued_at=START - 2 * MINUTE), queued("call"), policy=POLICY)
    assert order(floor, "mail", "call") == ["mail", "call"]
    floor.do(c.Tick(), after=2 * MINUTE + 1)
    assert order(floor, "mail", "call") == ["call", "mail"]


def test_several_at_once_get_who_is_first_now() -> None:
    floor = Floor(ready("anna"), ready("bert", START + 1), policy=POLICY)
    for agent in ("anna", "bert"):
        floor.do(c.AgentAway(agent, "lunch"))
    floor.do(
        queued("old", queued_at=START - 3 * MINUTE),
        queued("mail", medium="mail", queued_at=START - 4 * MINUTE),
        queued("urgent", priority=1, queued_at=START - 2 * MINUTE),
    )
    assert order(floor, "old", "mail", "urgent") == ["urgent", "old", "mail"]
    more = replace(POLICY, version=2)
    floor.do(ready("anna"), ready("bert", START + 1), c.PolicyChanged(more))
    assert floor.rings() == {"urgent": "anna", "old": "bert"}


@pytest.mark.parametrize("ageing", [(), (Ageing(100, priority=1),)], ids=["without", "as everybody"])
def test_the_rule_counts_for_what_waits_when_it_comes_and_when_it_goes(ageing: tuple[Ageing, ...]) -> None:
    plain = Policy(1, (replace(BILLING, ageing=ageing),))
    floor = Floor(queued("old", queued_at=START - 3 * MINUTE), policy=plain)
    floor.do(queued("urgent", priority=1, queued_at=START - MINUTE - 1))
    assert order(floor, "old", "urgent") == ["old", "urgent"]
    floor.do(c.PolicyChanged(replace(POLICY, version=2)))
    assert order(floor, "old", "urgent") == ["urgent", "old"]
    floor.do(c.PolicyChanged(replace(plain, version=3)))
    assert order(floor, "old", "urgent") == ["old", "urgent"]


def test_the_bound_grows_with_the_wait_where_others_age_faster() -> None:
    slow = QueuePolicy("billing", target=80 * SECOND)
    fast = QueuePolicy("repair", target=20 * SECOND, ageing=(Ageing(400, priority=1),))
    policy = Policy(1, (slow, fast))
    assert overtaking(policy, fast) is None
    assert overtaking(Policy(1, (slow,)), slow) == 0
    assert overtaking(policy, slow) is None
    assert overtaking(policy, slow, waited=400 * SECOND) == 315 * SECOND  # 400 × 3/4 + 60 / 4


@pytest.mark.parametrize("seed", range(8))
def test_nobody_is_overtaken_from_further_back_than_the_bound(seed: int) -> None:
    """Random arrivals at one agent: of all who are served while one waits, none came later by more than the bound."""
    dice = Random(seed)
    policy = Policy(
        1, (BILLING, QueuePolicy("repair", target=80 * SECOND, ageing=(Ageing(700, priority=2),)))
    )
    floor = Floor(ready("anna"), policy=policy)
    waiting: dict[str, WorkItem] = {}
    tightest: Micros | None = None
    for number in range(120):
        name = f"i{number:03}"
        medium, queue = dice.choice(("phone", "mail")), dice.choice(("billing", "repair"))
        arrival = queued(
            name, medium=medium, queue=queue, priority=dice.choice((0, 0, 1, 2)), queued_at=floor.now
        )
        waiting[name] = arrival.item
        made = floor.do(arrival)
        if number % 3 == 2:
            for item in floor.router.agent("anna").serving:  # type: ignore[union-attr]  # she is known
                made += floor.do(c.WorkEnded(item))
        for decision in made:
            assert isinstance(decision, d.OfferMade)
            served = waiting.pop(decision.offer.item)
            floor.accept(served.id)
            for other in waiting.values():
                queue_of = next(each for each in policy.queues if each.id == other.queue)
                bound = overtaking(policy, queue_of, priority=2, waited=floor.now - other.queued_at)
                assert bound is not None
                spare = bound - (served.queued_at - other.queued_at)
                tightest = spare if tightest is None else min(tightest, spare)
                assert spare >= 0, f"seed {seed}: {served} before {other}"
        floor.now += dice.randrange(30) * SECOND
    assert tightest is not None
