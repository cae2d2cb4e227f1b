"""What happens in a simulated day: customers, offers, shifts, wrap-up, transfers; nothing is lost."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from routing import decisions as d
from routing.simulation.people import fates, time_to_answer
from routing.simulation.scenario import Group, Patience, Queue, Recorded, Scenario
from routing.simulation.scenario_file import read_scenario
from routing.simulation.streams import Duration
from routing.simulation.translate import decision_line
from tests.routing.simulation.centres import HOUR, calls, lived, one_queue, team

SCENARIOS = sorted((Path(__file__).resolve().parents[3] / "config" / "scenarios").glob("*.toml"))


def quiet(*groups: Group, per_hour: float = 60, **changes: object) -> Scenario:
    """A day of two hours with fixed times; everybody waits as long as it takes."""
    kind = replace(
        calls(per_hour / HOUR / 2, 2 * HOUR, handling=Duration(60, "fixed")), arrivals=(per_hour,) * 2
    )
    values = {"interval_s": HOUR, "intervals": 2, **changes}
    return Scenario("quiet", (Queue("calls"),), (kind,), groups, **values)  # type: ignore[arg-type]  # test's values


def offers(seen: list[tuple[d.Decision, int]]) -> list[tuple[str, int]]:
    return [(each.offer.agent, at) for each, at in seen if isinstance(each, d.OfferMade)]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_contact_of_the_examples_comes_to_an_end(path: Path) -> None:
    scenario = read_scenario(path.read_text(encoding="utf-8"))
    day, _ = lived(scenario)
    for queue in day.queues.values():
        assert queue.offered == queue.answered + queue.abandoned + queue.moved + queue.unserved
        assert queue.unserved == 0
        assert 0 < queue.in_time <= queue.answered
        assert queue.short <= queue.abandoned
        assert queue.longest >= queue.wait_answered / queue.answered
    expected = sum(sum(kind.arrivals) for kind in scenario.contacts)
    assert day.all_queues().offered == pytest.approx(expected, rel=0.3)
    for group in day.groups.values():
        assert 0 < group.busy <= group.staffed
    assert sum(group.answered for group in day.groups.values()) == day.all_queues().answered


def test_the_same_seed_gives_the_same_decisions_to_the_byte_and_another_one_others() -> None:
    def log(seed: int, day: int = 0) -> str:
        _, seen = lived(replace(scenario, seed=seed), day)
        return "".join(decision_line(day, decision, at) for decision, at in seen)

    scenario = read_scenario(SCENARIOS[-1].read_text(encoding="utf-8"))
    first = log(7)
    assert log(7) == first
    assert log(8) != first
    assert log(7, day=1) != first
    lines = [json.loads(line) for line in first.splitlines()]
    assert len(lines) > 500
    assert all(line["decision"]["because"] for line in lines)
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)


def test_other_staff_meets_the_same_customers() -> None:
    """Who comes, when, how long it takes: nothing of it hangs on the staff."""

    def handled(heads: int) -> dict[str, int]:
        _, seen = lived(one_queue(heads, 4.0, 180.0, None, 20.0, hours=2, warm_up_s=0.0))
        return {each.offer.item: at for each, at in seen if isinstance(each, d.OfferMade)}

    few, many = handled(5), handled(30)
    assert few.keys() == many.keys()
    assert all(many[item] <= at for item, at in few.items())
    assert sum(many[item] < at for item, at in few.items()) > 10


def test_heads_follow_the_intervals() -> None:
    """Two people in the first hour, one in the second; who is in a call finishes it."""
    _, seen = lived(quiet(team(2, 1), per_hour=90))
    made = offers(seen)
    assert {agent for agent, at in made if at < HOUR * 1e6} == {"team-0001", "team-0002"}
    assert {agent for agent, at in made if at > HOUR * 1e6} == {"team-0001"}
    day, _ = lived(quiet(team(2, 1), per_hour=90))
    assert 3 * HOUR <= day.groups["team"].staffed <= 3 * HOUR + 60


def test_nobody_is_there_for_the_last_ones() -> None:
    day, _ = lived(quiet(team(2, 0)))
    queue = day.queues["calls"]
    assert queue.unserved > 30
    assert queue.offered == queue.answered + queue.unserved


def test_wrap_up_keeps_the_agent_and_the_rule_limits_it() -> None:
    scenario = quiet(team(1, 1), per_hour=200)
    slow = replace(scenario.contacts[0], wrap_up=Duration(40, "fixed"))

    def gap(limit_s: float) -> int:
        changed = replace(scenario, contacts=(slow,), queues=(Queue("calls", wrap_up_s=limit_s),))
        _, seen = lived(changed)
        times = [at for _, at in offers(seen)]
        return min(after - before for before, after in pairwise(times))

    assert gap(86_400) == 100 * 1e6
    assert gap(15) == 75 * 1e6
    assert gap(0) == 60 * 1e6


def test_an_agent_who_is_too_slow_is_benched_and_comes_back() -> None:
    """The ring is 20 s, they need 30 s: nobody is ever answered, and each offer is followed by a bench."""
    slow = team(1, 1, answer=Duration(30, "fixed"), back_s=60)
    scenario = quiet(slow)
    kind = replace(scenario.contacts[0], patience=Patience(Duration(600, "fixed")))
    day, seen = lived(replace(scenario, contacts=(kind,)))
    kinds = [type(each).__name__ for each, _ in seen]
    assert day.queues["calls"].answered == 0
    assert kinds.count("AgentBenched") == kinds.count("OfferExpired") > 50
    benched = [at for each, at in seen if isinstance(each, d.AgentBenched)]
    assert not [at for _, at in offers(seen) for since in benched if since <= at < since + 60 * 1e6]


def test_the_time_to_answer_is_part_of_the_wait() -> None:
    day, _ = lived(quiet(team(9, 9, answer=Duration(5, "fixed"))))
    queue = day.queues["calls"]
    assert queue.waited == 0
    assert queue.wait_answered == pytest.approx(5 * queue.answered)


def test_who_does_not_wait_leaves_only_if_nobody_is_free() -> None:
    def abandoned(heads: int, answer: Duration | None = None) -> int:
        scenario = quiet(team(heads, heads, answer=answer), per_hour=100)
        kind = replace(scenario.contacts[0], patience=Patience(None, at_once=1.0))
        queue = lived(replace(scenario, contacts=(kind,)))[0].queues["calls"]
        assert queue.short == queue.abandoned
        assert queue.answered == queue.offered - queue.abandoned
        return queue.abandoned

    assert abandoned(30) == 0
    assert abandoned(30, answer=Duration(3, "fixed")) == 0
    assert abandoned(1) > 50


def test_a_share_is_handed_on_to_another_queue() -> None:
    scenario = read_scenario((SCENARIOS[0].parent / "two-tiers.toml").read_text(encoding="utf-8"))
    day, seen = lived(scenario)
    first, second = day.queues["first-line"], day.queues["specialists"]
    assert second.offered == pytest.approx(0.2 * first.answered, rel=0.25)
    helpers = {agent.partition("-0")[0] for agent, _ in offers(seen)}
    assert helpers == {"first-line", "specialists"}
    for each, _ in seen:
        if isinstance(each, d.OfferMade) and each.offer.item.startswith("escalations"):
            assert each.offer.agent.startswith("specialists")


def test_the_warm_up_is_not_counted() -> None:
    cold = lived(one_queue(5, 4.0, 180.0, None, 20.0, hours=4, warm_up_s=0.0))[0]
    warm = lived(one_queue(5, 4.0, 180.0, None, 20.0, hours=4, warm_up_s=3 * HOUR))[0]
    assert warm.queues["calls"].offered == pytest.approx(cold.queues["calls"].offered / 4, rel=0.25)
    assert warm.groups["team"].staffed == pytest.approx(5 * HOUR)
    assert cold.groups["team"].staffed == pytest.approx(20 * HOUR)


def test_chats_are_served_side_by_side() -> None:
    scenario = quiet(team(1, 1, capacity={"web_chat": 3}), per_hour=150)
    chat = replace(scenario.contacts[0], medium="web_chat")
    alone = lived(quiet(team(1, 1), per_hour=150))[0].queues["calls"]
    three = lived(replace(scenario, contacts=(chat,)))[0].queues["calls"]
    assert three.wait_answered * 20 < alone.wait_answered


def overflowing(**step: object) -> Scenario:
    """Two people and far too many calls; the neighbours have time."""
    scenario = quiet(team(1, 1), team(9, 9, id="neighbours", queues=frozenset({"other"})), per_hour=150)
    kind = replace(scenario.contacts[0], patience=Patience(Duration(300)))
    return replace(
        scenario, contacts=(kind,), queues=(Queue("calls", rules={"overflow": [step]}), Queue("other"))
    )


def test_a_long_wait_leads_to_the_neighbours_by_the_routers_own_rule() -> None:
    day, seen = lived(overflowing(when="wait", after=30_000_000, to="queue", queue="other"))
    moved = {each.item: at for each, at in seen if isinstance(each, d.Overflowed)}
    assert len(moved) > 50
    made = [(each.offer, at) for each, at in seen if isinstance(each, d.OfferMade)]
    taken = {offer.item: at for offer, at in made if offer.agent.startswith("neighbours")}
    assert taken.keys() == moved.keys()
    assert all(taken[item] == at for item, at in moved.items())
    assert day.queues["calls"].longest <= 30.0
    assert day.queues["other"].offered == 0, "they are counted where they came in"


def test_who_is_sent_to_voicemail_has_left_the_line() -> None:
    day, seen = lived(overflowing(when="size", size=3, to="voicemail"))
    queue = day.queues["calls"]
    assert queue.moved == sum(isinstance(each, d.Overflowed) for each, _ in seen) > 50
    assert queue.offered == queue.answered + queue.abandoned + queue.moved
    assert day.groups["neighbours"].answered == 0


def recorded(*contacts: Recorded) -> Scenario:
    scenario = quiet(team(2, 2))
    return replace(scenario, contacts=(replace(scenario.contacts[0], recorded=contacts),))


def test_the_time_on_shift_goes_on_when_nothing_happens() -> None:
    day, _ = lived(recorded(Recorded(at_s=60, waited_s=0, gave_up=False)))
    assert day.queues["calls"].answered == 1
    assert day.groups["team"].staffed == pytest.approx(4 * HOUR)


def test_a_day_on_which_nobody_ever_answers_ends_all_the_same() -> None:
    day, seen = lived(quiet(team(1, 1, answer=Duration(30, "fixed"), back_s=3_600)))
    queue = day.queues["calls"]
    assert queue.unserved == queue.offered > 50
    assert max(at for _, at in seen) <= 26 * HOUR * 1e6


def test_what_is_recorded_is_kept_and_the_rest_is_drawn() -> None:
    contacts = (
        Recorded(at_s=0, waited_s=12, gave_up=True),
        Recorded(at_s=1, waited_s=7, gave_up=False, handling_s=33, wrap_up_s=4),
    )
    kind = replace(
        quiet(team(1, 1)).contacts[0],
        recorded=contacts,
        patience=Patience(Duration(50)),
        wrap_up=Duration(9),
        handling=Duration(60),
    )
    days = [list(fates(kind, 1, day)) for day in range(5)]
    assert {gave_up.patience for gave_up, _ in days} == {12_000_000}
    assert len({gave_up.handling for gave_up, _ in days}) == 5
    assert {(answered.handling, answered.wrap_up) for _, answered in days} == {(33_000_000, 4_000_000)}
    waits = {answered.patience or 0 for _, answered in days}
    assert len(waits) == 5
    assert min(waits) > 7_000_000


def test_how_long_an_offer_rings_is_the_offers_luck() -> None:
    def rings(group: str, offer: str) -> int:
        return time_to_answer(team(1, id=group, answer=Duration(5)), offer, 1, 0)

    assert rings("team", "call-1.1") == rings("others", "call-1.1") != rings("team", "call-2.1")
