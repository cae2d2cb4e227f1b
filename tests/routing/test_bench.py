"""Benched after so many offers in a row that nobody answered (`Policy.bench_after`); the first one by default."""

from dataclasses import replace

from routing import commands as c
from routing import decisions as d
from routing.model import SECOND
from routing.router import Router
from tests.routing.floors import POLICY, Floor, kinds
from tests.routing.worlds import START, agent, item, queued, ready

THREE = replace(POLICY, bench_after=3)
RING, PAUSE = 15 * SECOND, 30 * SECOND


def miss(floor: Floor) -> list[d.Decision]:
    """What rings is not answered."""
    return floor.do(c.Tick(), after=RING)


def test_the_agent_stays_ready_and_is_benched_with_the_third_and_the_reason() -> None:
    floor = Floor(ready(), queued("one"), queued("two"), queued("three"), policy=THREE)
    assert kinds(miss(floor)) == ["OfferExpired", "OfferMade"]
    assert floor.rings() == {"three": "anna"}, "what they did not answer is not asked again at once"
    assert kinds(miss(floor)) == ["OfferExpired", "OfferMade"]
    expired, benched = miss(floor)
    assert isinstance(benched, d.AgentBenched)
    assert (benched.agent, benched.reason, benched.because["missed"]) == ("anna", "no_answer", 3)
    seen = floor.router.agent("anna")
    assert seen is not None
    assert (seen.ready, seen.away_reason) == (False, "no_answer")
    assert isinstance(expired, d.OfferExpired)
    (made,) = floor.do(ready(), after=PAUSE)
    assert isinstance(made, d.OfferMade), "by their own word they are back"
    assert made.offer.attempt == 2, "attempts are counted"


def test_any_answer_begins_the_count_anew() -> None:
    for answer in (Floor.accept, Floor.decline):
        floor = Floor(ready(capacity={"phone": 3, "chat": 3}), policy=replace(THREE, exclusive=frozenset()))
        for name in ("one", "two", "three", "four"):
            floor.do(queued(name, medium="chat"))
        miss(floor), miss(floor)
        answer(floor, "three")
        assert kinds(miss(floor))[0] == "OfferExpired"
        seen = floor.router.agent("anna")
        assert seen is not None
        assert seen.ready, answer


def test_who_did_not_answer_is_asked_again_for_the_same_item_after_the_pause() -> None:
    floor = Floor(ready(), queued(), policy=THREE)
    miss(floor)
    assert floor.rings() == {}
    floor.do(c.Tick(), after=PAUSE)
    assert floor.rings() == {"call": "anna"}


def test_the_count_outlives_a_restart_by_snapshot_and_by_rows() -> None:
    floor = Floor(ready(), queued("one"), queued("two"), policy=replace(THREE, bench_after=2))
    miss(floor)
    stored = floor.router.snapshot()
    from_rows = Router.rebuild(
        floor.router.policy,
        floor.now,
        agents=[(agent(), True, START, None)],
        waiting=[(item("one"), 1), (item("two"), 1)],
        offers=floor.router.pending_offers(),
        pauses=[("one", "anna", floor.now + PAUSE)],
        missed={"anna": 1},
    )
    from_rows.apply(c.Tick(), floor.now)
    for router in (Router.restore(stored), from_rows):
        decided = router.apply(c.Tick(), floor.now + RING)
        assert kinds(list(decided)) == ["OfferExpired", "AgentBenched"]


def test_one_is_enough_by_default_and_says_no_more_than_it_did() -> None:
    floor = Floor(ready(), queued())
    _, benched = miss(floor)
    assert isinstance(benched, d.AgentBenched)
    assert "missed" not in benched.because
