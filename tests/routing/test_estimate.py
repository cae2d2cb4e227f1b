"""Position and expected wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import commands as c
from routing.estimate import HANDLING_PRIOR, PATIENCE_PRIOR, Rate, expected_wait
from routing.model import MINUTE, SECOND, Policy, QueuePolicy
from routing.router import Router
from tests.routing.worlds import POLICY, START, item, queued, ready


@given(st.integers(0, 3000), st.floats(0.01, 100), st.floats(0.0001, 10))
def test_the_sum_is_that_of_the_definition(ahead: int, service: float, theta: float) -> None:
    exact = sum(1 / (service + k * theta) for k in range(ahead + 1))
    assert expected_wait(ahead, service, theta) == pytest.approx(exact, rel=1e-4)


def test_without_abandons_it_is_the_number_over_the_rate() -> None:
    assert expected_wait(9, 0.5, 0.0) == 20


def test_abandons_ahead_shorten_the_wait() -> None:
    assert expected_wait(20, 0.1, 0.01) < expected_wait(20, 0.1, 0.001) < expected_wait(20, 0.1, 0)


def test_a_rate_starts_from_its_prior_and_learns() -> None:
    rate = Rate(4 * MINUTE)
    assert rate.per_second == pytest.approx(1 / 240)
    for _ in range(500):
        rate.observe(happened=True, exposure=MINUTE)
    assert rate.per_second == pytest.approx(1 / 60, rel=0.06)


def test_who_is_served_counts_as_patient() -> None:
    rate = Rate(PATIENCE_PRIOR)
    for number in range(1000):
        rate.observe(happened=number % 10 == 0, exposure=30 * SECOND)
    assert rate.per_second == pytest.approx(0.1 / 30, rel=0.35)


@given(st.floats(0.0005, 1.0))
def test_a_stored_rate_is_taken_over(per_second: float) -> None:
    rate = Rate(HANDLING_PRIOR)
    rate.set_to(per_second)
    assert rate.per_second == pytest.approx(per_second, rel=1e-6)


def busy(*commands: c.Command) -> Router:
    """Anna and Bert are on calls, and three more wait."""
    router = Router(POLICY)
    for name in ("anna", "bert"):
        router.apply(ready(name), START)
        router.apply(c.WorkTaken(item(f"with-{name}"), name), START)
    for number in range(3):
        router.apply(queued(f"call{number}", queued_at=START + number), START)
    for command in commands:
        router.apply(command, START)
    return router


def test_each_waiting_item_has_a_position_and_a_wait_by_the_model() -> None:
    router = busy()
    mu, theta = router.rates("billing")
    for ahead in range(3):
        estimate = router.estimate(f"call{ahead}")
        assert estimate is not None
        assert (estimate.position, estimate.basis) == (ahead + 1, "model")
        expected = expected_wait(ahead, 2 * mu, theta) * SECOND
        assert estimate.wait == pytest.approx(expected, abs=2)


def test_one_who_would_join_now_is_behind_everybody() -> None:
    router = busy()
    joining, last = router.estimate("billing", "phone"), router.estimate("call2")
    assert joining is not None
    assert last is not None
    assert joining.position == 4
    assert (joining.wait or 0) > (last.wait or 0)


def test_more_places_shorten_the_wait() -> None:
    router = busy(ready("carl", capacity={"phone": 1}, queues=frozenset({"repair", "billing"})))
    with_three = router.estimate("call2")
    alone = busy().estimate("call2")
    assert with_three is not None
    assert alone is not None
    assert (with_three.wait or 0) < (alone.wait or 0)


def test_agents_who_are_away_do_not_count() -> None:
    router = busy(c.AgentAway("bert", "lunch"))
    mu, theta = router.rates("billing")
    estimate = router.estimate("call0")
    assert estimate is not None
    assert estimate.wait == pytest.approx(expected_wait(0, mu, theta) * SECOND, abs=2)


def test_nobody_there_means_the_age_of_the_head() -> None:
    router = busy(c.AgentGone("anna"), c.AgentGone("bert"))
    router.apply(c.Tick(), START + MINUTE)
    estimate = router.estimate("call2")
    assert estimate is not None
    assert (estimate.wait, estimate.basis) == (MINUTE, "head_age")


def test_the_age_is_that_of_the_wait_itself_and_not_of_the_place_that_it_took_back() -> None:
    router = Router(POLICY)
    again = item("again", queued_at=START - MINUTE, kept="called_again", joined_at=START)
    router.apply(c.WorkQueued(again), START)
    router.apply(c.Tick(), START + 10 * SECOND)
    estimate = router.estimate("again")
    assert estimate is not None
    assert (estimate.wait, estimate.basis) == (10 * SECOND, "head_age")


def test_places_are_what_those_who_are_ready_may_have_at_once_of_a_medium() -> None:
    policy = Policy(1, (QueuePolicy("billing"),), weights={"chat": 2, "mail": 0})
    many = {"phone": 1, "chat": 5, "mail": 9}
    team: list[c.Command] = [
        ready("free", capacity=many, queues=frozenset({"billing"})),
        ready("bound", capacity=many, units=5, queues=frozenset({"billing", "repair"})),
        ready("gone", capacity=many, queues=frozenset({"billing"})),
        c.AgentGone("gone"),
    ]
    router = Router(policy)
    for command in team:
        router.apply(command, START)
    assert router.places() == {
        "billing": {"phone": 2, "chat": 7, "mail": 18},
        "repair": {"phone": 1, "chat": 2, "mail": 9},
    }
    router.apply(c.WorkQueued(item("chat", medium="chat")), START)
    router.apply(c.WorkQueued(item("other", medium="chat")), START)
    mu, theta = router.rates("billing")
    estimate = router.estimate("billing", "chat")
    assert estimate is not None
    assert estimate.wait == pytest.approx(expected_wait(0, 7 * mu, theta) * SECOND, abs=2)


def test_nobody_there_and_nobody_waiting_means_not_known() -> None:
    estimate = Router(POLICY).estimate("billing")
    assert estimate is not None
    assert (estimate.position, estimate.wait) == (1, None)


def test_what_does_not_wait_has_no_position_and_no_estimate() -> None:
    router = busy()
    assert router.position("with-anna") is None
    assert router.estimate("with-anna") is None
    assert router.position("unknown") is None


def test_an_item_that_rings_has_the_position_it_would_come_back_to() -> None:
    router = busy(c.WorkEnded("with-anna"))
    assert router.pending_offers()[0].item == "call0"
    assert [router.position(f"call{number}") for number in range(3)] == [1, 1, 2]


def test_handling_time_and_patience_are_learned_from_what_happens() -> None:
    router = busy()
    mu, theta = router.rates("billing")
    router.apply(c.WorkEnded("with-anna"), START + 10 * SECOND)  # shorter than believed
    router.apply(c.WorkEnded("call2"), START + 11 * SECOND)  # gave up
    assert router.rates("billing")[0] > mu
    assert router.rates("billing")[1] > theta


def test_views_count_what_is_there() -> None:
    router = busy(
        c.WorkEnded("with-anna"), c.WrapUpStarted("with-bert", "bert", START + MINUTE), ready("carl")
    )
    view = router.waiting("billing")
    assert (view.waiting, view.ringing, view.oldest, view.ready) == (3, 2, START, 3)
    assert router.agents_by_state() == {
        "ready": 0,
        "offered": 2,
        "busy": 0,
        "wrap_up": 1,
        "away": 0,
        "gone": 0,
    }
    assert router.queues() == ("billing", "repair")
    empty = router.waiting("no-such-queue")
    assert (empty.waiting, empty.oldest, empty.ready) == (0, None, 0)
    assert router.agent("nobody") is None
