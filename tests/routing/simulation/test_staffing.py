"""How many agents: by formula where it holds, by simulation where it does not, and the border is one."""

from dataclasses import replace

import pytest

from routing.simulation.changes import with_agents, with_policy
from routing.simulation.erlang import performance
from routing.simulation.report import Report, difference, simulate
from routing.simulation.scenario import Patience, Queue, Scenario, ScenarioError
from routing.simulation.staffing import (
    NotReachable,
    Target,
    agents_needed,
    needed_by_formula,
    staff,
    why_not_by_formula,
)
from routing.simulation.streams import Duration
from tests.routing.simulation.centres import calls, one_queue, team


@pytest.mark.parametrize("patience", [None, 90.0])
@pytest.mark.parametrize("load", [0.4, 8.0, 120.0])
@pytest.mark.parametrize("target", [Target(0.8), Target(0.95, "of_answered"), Target(asa_s=5.0)])
def test_one_fewer_would_not_do(patience: float | None, load: float, target: Target) -> None:
    needed = agents_needed(load / 240, 240, patience, 20, target)
    assert target.met_by(performance(needed, load, 240, patience, 20))
    assert needed == 1 or not target.met_by(performance(needed - 1, load, 240, patience, 20))


def test_a_share_that_gives_up_can_be_asked_for() -> None:
    needed = agents_needed(48 / 60, 60, 120, 20, Target(abandoned=0.031))
    assert needed == 50


def test_what_no_number_reaches_is_said() -> None:
    with pytest.raises(NotReachable, match="100 %: ask for less"):
        agents_needed(1, 240, None, 20, Target(1.0))
    with pytest.raises(NotReachable, match="100,000 agents"):
        agents_needed(1000, 240, None, 20, Target(0.8))


@pytest.mark.parametrize("target", [Target(abandoned=0.03), Target(level=0.0), Target(asa_s=float("inf"))])
def test_without_patience_a_line_that_grows_for_ever_is_no_answer(target: Target) -> None:
    assert agents_needed(8 / 240, 240, None, 20, target) == 9
    assert agents_needed(0.4 / 240, 240, None, 20, target) == 1


@pytest.mark.parametrize("patience", [None, 60.0])
def test_a_load_that_nobody_can_serve_is_said_at_once(patience: float | None) -> None:
    with pytest.raises(NotReachable, match="are more than 100,000 agents can serve"):
        agents_needed(1e12 / 3600, 240, patience, 20, Target(0.8))


def test_patience_without_end_is_refused_and_not_added_up() -> None:
    with pytest.raises(NotReachable, match="too many to reckon with"):
        agents_needed(1 / 30, 240, 1e12, 20, Target(abandoned=0.5))


def test_the_simulation_finds_what_the_formula_finds() -> None:
    """A world in which both may answer; the target lies in the middle between two numbers of agents."""
    scenario = one_queue(3, 9.0, 120.0, 180.0, 20.0, hours=6, replications=5)
    assert why_not_by_formula(scenario) == []
    levels = [performance(agents, 9.0, 120, 180, 20).of_offered for agents in (9, 10)]
    target = Target(sum(levels) / 2)
    found = staff(scenario, ["team"], target)
    assert found.heads == needed_by_formula(scenario, target) == 10
    assert found.too_few is not None
    assert found.too_few.scenario.groups[0].heads == (9,)


def test_each_reason_against_the_formula_is_seen() -> None:
    plain = one_queue(5, 4.0, 120.0, 60.0, 20.0)
    kind, group = plain.contacts[0], plain.groups[0]
    halves = replace(plain, interval_s=plain.interval_s / 2, intervals=2)
    even, steady = replace(kind, arrivals=(9.0, 9.0)), replace(group, heads=(5, 5))
    uneven, shift = replace(kind, arrivals=(9.0, 1.0)), replace(group, heads=(5, 4))
    changes: dict[str, Scenario] = {
        "several kinds": replace(plain, contacts=(kind, replace(kind, id="other"))),
        "several groups": replace(plain, groups=(group, replace(group, id="other"))),
        "arrival rates": replace(halves, contacts=(uneven,), groups=(steady,)),
        "heads that": replace(halves, contacts=(even,), groups=(shift,)),
        "busy and quiet": replace(plain, contacts=(replace(kind, busyness_cv=0.1),)),
        "handling times": replace(plain, contacts=(replace(kind, handling=Duration(9, "fixed")),)),
        "wrap-up": replace(plain, contacts=(replace(kind, wrap_up=Duration(9)),)),
        "patience": replace(plain, contacts=(replace(kind, patience=Patience(None, 0.1)),)),
        "take some time": replace(plain, groups=(replace(group, answer=Duration(3)),)),
        "several contacts at once": replace(plain, groups=(replace(group, capacity={"phone": 2}),)),
        "handed on": replace(plain, contacts=(replace(kind, transfer_to="x"),)),
    }
    for words, scenario in changes.items():
        (reason,) = why_not_by_formula(scenario)
        assert words in reason


def two_queues() -> Scenario:
    """Calls that anybody takes, and repairs that only the technicians know."""
    plain = one_queue(6, 4.0, 120.0, 120.0, 20.0, hours=3, replications=4)
    repair = replace(calls(1 / 60, plain.day_s), id="repair", queue="repair", requires={"repair": 2})
    technicians = team(2, id="technicians", queues=frozenset({"repair", "calls"}), skills={"repair": 3})
    return replace(
        plain,
        queues=(*plain.queues, Queue("repair", within_s=60, goal=0.9)),
        contacts=(*plain.contacts, repair),
        groups=(*plain.groups, technicians),
    )


def test_only_the_named_groups_change_and_every_queue_of_theirs_meets_its_goal() -> None:
    scenario = two_queues()
    found = staff(scenario, ["technicians"], Target())
    assert found.enough.scenario.groups[0].heads == (6,)
    assert found.enough.scenario.groups[1].heads == (found.heads,)
    assert found.too_few is not None

    def levels(report: Report) -> list[float]:
        found = [figures["service_level_of_offered"] for figures in report.queues.values()]
        return [figure.value for figure in found if figure is not None]

    assert all(level >= goal for level, goal in zip(levels(found.enough), (0.8, 0.9), strict=True))
    assert any(level < goal for level, goal in zip(levels(found.too_few), (0.8, 0.9), strict=True))


def test_staff_that_cannot_help_and_groups_that_are_not_there_are_said() -> None:
    scenario = two_queues()
    slow = replace(
        scenario, groups=(scenario.groups[0], replace(scenario.groups[1], answer=Duration(90, "fixed")))
    )
    repair = replace(slow.contacts[1], patience=Patience(Duration(100)))
    impossible = replace(slow, replications=1, contacts=(repair,))
    with pytest.raises(NotReachable, match="the target of repair"):
        staff(impossible, ["technicians"], Target(asa_s=1.0))
    with pytest.raises(ScenarioError, match="no group nobody; there are team, technicians"):
        staff(scenario, ["nobody"], Target())


def test_a_difference_is_sharper_than_its_two_sides() -> None:
    scenario = one_queue(10, 9.0, 240.0, 120.0, 20.0, hours=3)
    before, after = simulate(scenario), simulate(with_agents(scenario, "+1"))
    changed = difference(before, after)
    figure, was = changed.total["service_level_of_offered"], before.total["service_level_of_offered"]
    exact = [performance(agents, 9.0, 240, 120, 20).of_offered for agents in (10, 11)]
    assert figure is not None
    assert was is not None
    assert figure.holds(exact[1] - exact[0])
    assert figure.half is not None
    assert was.half is not None
    assert figure.half < was.half
    offered = changed.total["offered"]
    assert offered is not None
    assert (offered.value, offered.half) == (0.0, 0.0)
    with pytest.raises(ValueError, match="same seed"):
        difference(before, simulate(replace(scenario, seed=9, replications=2)))


def test_agents_are_changed_where_there_are_some() -> None:
    scenario = two_queues()
    assert with_agents(scenario, "technicians=+3").groups[1].heads == (5,)
    assert with_agents(scenario, "technicians=-3").groups[1].heads == (0,)
    assert [group.heads for group in with_agents(scenario, "+3").groups] == [(8,), (3,)]
    for wrong, message in {
        "2": "is not like",
        "sales=+1": "there are team, technicians",
    }.items():
        with pytest.raises(ScenarioError, match=message):
            with_agents(scenario, wrong)
    closed = replace(scenario, groups=(replace(scenario.groups[0], heads=(0,)),))
    assert with_agents(closed, "+2").groups[0].heads == (0,)


def test_a_policy_changes_what_it_names() -> None:
    scenario = two_queues()
    changed = with_policy(scenario, '[[queues]]\nid = "repair"\npriority = 3\n')
    assert changed.queues[0] == scenario.queues[0]
    assert changed.queues[1] == replace(scenario.queues[1], priority=3)
    for wrong, message in {
        '[[queues]]\nid = "mail"': "queues\\[1\\].id: there is no queue 'mail'",
        '[[queues]]\nid = "repair"\nspeed = 3': "queues\\[1\\].speed: is unknown",
        "version = 3": "queues: is missing",
        "queues": "no TOML",
    }.items():
        with pytest.raises(ScenarioError, match=message):
            with_policy(scenario, wrong)
