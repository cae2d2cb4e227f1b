"""Facts that cross our decisions on the way: the row decided, the router follows."""

import pytest

from routing import commands as c
from routing import decisions as d
from routing.model import MINUTE, SECOND, Offer
from tests.routing.floors import Floor
from tests.routing.worlds import POLICY, START, item, queued, ready

RING = 20 * SECOND


class Scene(Floor):
    """Anna is idle longest, then Bert; one call came and rings at Anna."""

    def __init__(self, *more: c.Command) -> None:
        super().__init__(policy=POLICY)
        made = self.do(ready("anna", START - 9), ready("bert", START - 5), queued("call"), *more)
        first = made[0]
        assert isinstance(first, d.OfferMade)
        self.made = first
        self.offer: Offer = first.offer

    def state(self, name: str) -> str:
        seen = self.router.agent(name)
        assert seen is not None
        return seen.state


ACCEPTED = c.OfferAccepted("call.1", "call", "anna")
DECLINED = c.OfferDeclined("call.1", "call", "anna")


def test_accepted_after_it_expired_and_rings_at_somebody_else() -> None:
    scene = Scene()
    scene.do(c.Tick(), after=RING)
    assert scene.rings() == {"call": "bert"}
    (withdrawn,) = scene.do(ACCEPTED)
    assert isinstance(withdrawn, d.OfferWithdrawn)
    assert (withdrawn.offer.agent, withdrawn.because["rule"]) == ("bert", "accepted_by_another")
    seen = scene.router.agent("anna")
    assert seen is not None
    assert (seen.serving, seen.ready, seen.away_reason) == (("call",), True, None)


def test_the_bench_is_not_lifted_for_another_offer() -> None:
    scene = Scene(c.AgentAway("bert", "lunch"), c.AgentAway("anna", "lunch"), ready("anna"))
    scene.do(c.Tick(), after=RING)  # this ends the second offer, which nobody answered
    assert scene.state("anna") == "away"
    scene.do(ACCEPTED)
    seen = scene.router.agent("anna")
    assert seen is not None
    assert (seen.serving, seen.ready) == (("call",), False)


def test_a_bench_that_the_agent_replaced_by_a_state_of_their_own_stays() -> None:
    scene = Scene()
    scene.do(c.Tick(), after=RING)
    scene.do(c.AgentAway("anna", "lunch"), ACCEPTED)
    seen = scene.router.agent("anna")
    assert seen is not None
    assert (seen.ready, seen.away_reason, seen.serving) == (False, "lunch", ("call",))


def test_accepted_after_the_agent_went_away() -> None:
    scene = Scene()
    scene.do(c.AgentAway("anna", "lunch"))
    assert [each.because["rule"] for each in scene.do(ACCEPTED)] == ["accepted_by_another"]
    assert scene.state("anna") == "busy"


def test_accepted_after_the_end_is_nothing() -> None:
    scene = Scene()
    scene.do(c.WorkEnded("call"))
    before = scene.router.snapshot()
    assert scene.do(ACCEPTED) == []
    assert scene.router.snapshot() == before


def test_accepted_twice_after_it_was_queued_again_is_nothing() -> None:
    """The item must not stick to somebody who had it before."""
    scene = Scene()
    scene.do(ACCEPTED, c.WorkQueued(item("call", queue="repair"), attempts=1))
    assert scene.rings() == {"call": "bert"}
    assert scene.do(ACCEPTED) == []
    assert scene.rings() == {"call": "bert"}


def test_an_agent_who_accepts_late_loses_what_rings_besides() -> None:
    scene = Scene(queued("other"))
    scene.do(c.AgentAway("anna", "lunch"), ready("anna", START - 9))
    assert scene.rings() == {"call": "anna", "other": "bert"}
    decisions = scene.do(c.OfferAccepted("other.1", "other", "bert"), c.WorkEnded("other"))
    assert decisions == []
    scene.do(c.OfferAccepted("call.2", "call", "anna"))
    assert scene.rings() == {}


def test_declined_after_it_expired() -> None:
    """They did answer: no bench, but the item is spared them."""
    scene = Scene()
    scene.do(c.Tick(), after=RING)
    scene.do(DECLINED, c.AgentAway("bert", "lunch"))
    assert scene.state("anna") == "ready"
    assert scene.rings() == {}
    assert scene.do(queued("other"))
    assert scene.rings() == {"other": "anna"}


def test_an_offer_refused_because_the_item_is_gone() -> None:
    """The agent gets the next one, the item waits for the fact that says where it is."""
    scene = Scene(queued("other", queued_at=START + 1), c.AgentAway("bert", "lunch"))
    scene.do(c.DecisionRefused(scene.made, "item"))
    assert scene.rings() == {"other": "anna"}
    assert scene.router.position("call") is None
    scene.do(ready("bert"), ready("carl"))
    assert "call" not in scene.rings()
    scene.do(c.WorkEnded("call"))
    assert scene.router.waiting("billing").waiting == 1


@pytest.mark.parametrize("agent", ["anna", "bert", "carl"])
def test_an_item_refused_as_gone_turns_out_to_be_served(agent: str) -> None:
    scene = Scene()
    scene.do(c.DecisionRefused(scene.made, "item"), c.WorkTaken(item("call"), agent))
    assert scene.state(agent) == "busy"


def test_an_item_refused_as_gone_is_queued_again() -> None:
    scene = Scene()
    scene.do(c.DecisionRefused(scene.made, "item"), c.WorkQueued(item("call"), attempts=0))
    assert [offer.id for offer in scene.router.pending_offers()] == ["call.2"]


def test_an_offer_refused_because_the_agent_is_not_to_be_had() -> None:
    """Nothing for them until the next fact about them, and the item rings elsewhere."""
    scene = Scene()
    scene.do(c.DecisionRefused(scene.made, "agent"))
    assert scene.rings() == {"call": "bert"}
    scene.do(queued("other"))
    assert "other" not in scene.rings()
    scene.do(ready("anna"))
    assert scene.rings() == {"call": "bert", "other": "anna"}


@pytest.mark.parametrize(
    "fact",
    [
        c.AgentChanged(ready("anna").agent),
        c.WorkTaken(item("mail", medium="mail"), "anna"),
        c.OfferDeclined("call.1", "call", "anna"),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_any_fact_about_the_agent_ends_the_block(fact: c.Command) -> None:
    scene = Scene()
    scene.do(c.DecisionRefused(scene.made, "agent"), fact, queued("chat", medium="chat"))
    assert scene.rings()["chat"] == "anna"


def test_an_offer_refused_as_closed_is_made_anew_under_another_id() -> None:
    """As after a rebuild from rows that count too few offers."""
    scene = Scene()
    (made,) = scene.do(c.DecisionRefused(scene.made, "closed"))
    assert isinstance(made, d.OfferMade)
    assert made.offer.id == "call.2"


def test_an_offer_refused_after_it_was_withdrawn_is_nothing() -> None:
    scene = Scene()
    scene.do(c.AgentAway("anna", "lunch"), ready("anna"))
    before = scene.router.snapshot()
    for reason in ("item", "agent", "closed"):
        assert scene.do(c.DecisionRefused(scene.made, reason)) == []
    assert scene.router.snapshot() == before


def test_a_bench_refused_because_the_agent_had_answered() -> None:
    scene = Scene()
    expired, benched, made = scene.do(c.Tick(), after=RING)
    scene.do(c.DecisionRefused(expired, "closed"), c.DecisionRefused(benched, "closed"))
    scene.do(c.DecisionRefused(made, "item"))
    assert scene.state("anna") == "ready"
    scene.do(ACCEPTED)
    assert scene.state("anna") == "busy"
    assert scene.state("bert") == "ready"


def test_a_bench_refused_because_of_another_state_waits_for_that_fact() -> None:
    scene = Scene()
    _, benched, _ = scene.do(c.Tick(), after=RING)
    scene.do(c.DecisionRefused(benched, "agent"), queued("other"))
    assert scene.rings() == {"call": "bert"}
    scene.do(c.AgentAway("anna", "lunch"))
    assert scene.state("anna") == "away"


def test_a_taken_and_queued_item_may_still_be_accepted_by_its_first_offer() -> None:
    """Both facts were on their way when the offer was stored."""
    scene = Scene(c.WorkTaken(item("call"), "carl"), c.WorkQueued(item("call"), attempts=0))
    scene.do(ACCEPTED)
    assert scene.state("anna") == "busy"
    assert scene.rings() == {}


def test_an_offer_id_is_never_used_twice_for_an_item_that_comes_back() -> None:
    scene = Scene(c.WorkEnded("call"))
    (made,) = scene.do(c.WorkQueued(item("call"), attempts=0))
    assert isinstance(made, d.OfferMade)
    assert made.offer.id == "call.2"


def test_the_memory_of_ended_items_and_of_late_answers_has_an_end() -> None:
    scene = Scene()
    for number in range(1100):
        scene.do(
            c.WorkQueued(item(f"i{number}", queue="billing")), c.WorkEnded("call"), c.WorkEnded(f"i{number}")
        )
    assert len(scene.router.floor.ended) == 1024
    scene.do(queued("stubborn"))
    for _ in range(20):
        scene.do(c.Tick(), after=MINUTE)
        scene.do(ready("anna"), ready("bert"))
    assert len(scene.router.floor.items["stubborn"].late) == 8


def test_a_late_answer_counts_once() -> None:
    scene = Scene()
    scene.do(c.Tick(), after=RING)
    scene.do(ACCEPTED, c.WorkQueued(item("call", queue="repair"), attempts=2))
    before = scene.router.snapshot()
    assert scene.do(ACCEPTED) == []
    assert scene.router.snapshot() == before


def test_an_offer_that_was_refused_and_is_accepted_all_the_same_is_believed() -> None:
    scene = Scene()
    scene.do(c.DecisionRefused(scene.made, "item"), ACCEPTED)
    assert scene.state("anna") == "busy"
