"""Why this agent, why is it waiting, why not me: every reason once, and the scan agrees with the router."""

import json
from dataclasses import replace
from typing import Any

import pytest

from routing import commands as c
from routing.ageing import PLAIN
from routing.codec import decode, decode_as
from routing.explain import AHEAD_MOST, Moment, waiting, witnessed
from routing.model import MINUTE, SECOND, Policy, Preferred, QueuePolicy, Ring, Skill
from routing.router import Router
from tests.routing.floors import Floor
from tests.routing.histories.record import FOLDER
from tests.routing.worlds import START, item, queued, ready

GERMAN = (Skill("german", 3),)


def of_waiting(floor: Floor, name: str = "call") -> Moment:
    found = waiting(floor.router, name)
    assert found is not None
    assert found.disagreements() == ()
    return found


def rules(found: Moment, agent: str) -> list[object]:
    verdict = found.verdict(agent)
    assert verdict is not None
    return [each["rule"] for each in verdict.excluded]


def test_the_moment_of_an_offer_has_everybody_who_could_have_had_it_in_the_order_of_the_rule() -> None:
    floor = Floor(
        ready("anna", START - 9 * SECOND),
        ready("bert", START - 5 * SECOND),
        ready("carl", START - 7 * SECOND, queues=frozenset({"repair"})),
    )
    _, moments = witnessed(floor.router, queued(), START)
    found = moments["call.1"]
    assert [each.agent for each in found.candidates] == ["anna", "bert"]
    assert [each.terms["idle_ms"] for each in found.candidates] == [9_000, 5_000]
    assert rules(found, "carl") == ["not_in_queue"]
    assert (found.position, found.waiting, found.rule) == (1, 1, "longest_idle")
    assert found.score == {
        "key": START + 20 * SECOND,
        "slope_pct": PLAIN,
        "queued_at": START,
        "target_ms": 20_000,
        "head_start_min": 0,
        "value_ms": 0,
        "order": "due",
    }
    assert found.disagreements() == ()
    assert floor.rings() == {"call": "anna"}, "watching changes nothing"


@pytest.mark.parametrize(
    ("agent", "asked", "expected"),
    [
        (ready(queues=frozenset({"sales"})), item(), ["not_in_queue"]),
        (ready(skills={"german": 2}), item(requires=GERMAN), ["skills"]),
        (ready(capacity={"chat": 1}), item(), ["medium"]),
        (ready(shift_end=START - SECOND), item(), ["shift_over"]),
        (ready(queues=frozenset(), capacity={}), item(requires=GERMAN), ["not_in_queue", "skills", "medium"]),
    ],
)
def test_what_somebody_could_not_take(agent: c.AgentReady, asked: Any, expected: list[str]) -> None:
    assert rules(of_waiting(Floor(agent, c.WorkQueued(asked))), "anna") == expected


def test_what_keeps_somebody_from_it_at_this_moment() -> None:
    away = Floor(ready(), c.AgentAway("anna", "lunch"), queued())
    assert of_waiting(away).others[0].excluded == ({"rule": "away", "reason": "lunch"},)
    ringing = Floor(ready(capacity={"phone": 2}), queued("first"), queued())
    assert rules(of_waiting(ringing), "anna") == ["another_offer_rings", "no_room"]
    full = Floor(ready(), c.WorkTaken(item("first"), "anna"), queued())
    assert of_waiting(full).others[0].excluded == ({"rule": "no_room", "holds": "1 phone"},)
    refused = Floor(ready())
    refused.do(c.DecisionRefused(refused.do(queued())[0], "agent"))
    assert rules(of_waiting(refused), "anna") == ["not_to_be_had"]
    declined = Floor(ready(), queued())
    declined.decline("call")
    declined.do(c.Tick(), after=10 * SECOND)
    assert of_waiting(declined).others[0].excluded == ({"rule": "declined", "pause_ms": 20_000},)


def test_who_it_waits_for_and_what_it_asks_after_its_rings() -> None:
    wish = Preferred("anna", within=MINUTE)
    floor = Floor(ready("anna"), ready("bert"), c.WorkTaken(item("other"), "anna"))
    floor.do(queued(preferred=(wish,)))
    found = of_waiting(floor)
    assert rules(found, "bert") == ["waits_for_another"]
    assert (found.asks["only"], found.asks["why_only"]) == ("anna", "last_agent")
    rings = (Ring(10 * SECOND, lower=1), Ring(20 * SECOND, drop=("german",)))
    floor = Floor(ready(), policy=Policy(1, (QueuePolicy("billing", rings=rings),)))
    floor.do(queued(requires=(Skill("german", 3), Skill("repair", 1))))
    assert of_waiting(floor).asks["skills"] == "german>=3 and repair>=1"
    floor.do(c.Tick(), after=15 * SECOND)
    found = of_waiting(floor)
    assert (found.asks["skills"], found.asks["ring"]) == ("german>=2 and repair>=1", 1)


def test_those_before_it_are_named_but_not_all_of_very_many() -> None:
    floor = Floor()
    floor.do(*(queued(f"before{number:02}", queued_at=START - 1) for number in range(30)), queued())
    found = of_waiting(floor)
    assert (found.position, found.waiting, len(found.ahead)) == (31, 31, AHEAD_MOST)
    assert found.ahead[0] == "before00"


def test_a_decision_that_another_rule_made_is_seen() -> None:
    """The fault to find: the recorded offer went to somebody who was not first."""
    floor = Floor(ready("anna", START - 9), ready("bert", START - 5))
    _, moments = witnessed(floor.router, queued(), START)
    found = moments["call.1"]
    assert found.offer is not None
    assert found.because is not None
    wrong = replace(
        found, offer=replace(found.offer, agent="bert"), because={**found.because, "candidates": 1}
    )
    assert wrong.disagreements() == (
        "offered to bert, first by the rule is anna",
        "candidates is stored as 1, the scan finds 2",
    )
    idle = replace(found, offer=None, because=None)
    assert idle.disagreements() == ("the item waits, and anna could have it",)


def test_what_does_not_wait_has_no_moment() -> None:
    floor = Floor(ready(), c.WorkTaken(item(), "anna"))
    assert waiting(floor.router, "call") is None
    assert waiting(floor.router, "unknown") is None


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_every_offer_of_the_recorded_histories_is_explained(name: str) -> None:
    history = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    router, count = Router(decode_as(Policy, history["policy"])), 0
    for step in history["steps"]:
        decided, moments = witnessed(router, decode(step["command"]), step["now"])
        assert len(decided) == len(step["decisions"])
        for picture in moments.values():
            assert picture.disagreements() == ()
            count += 1
    assert count > 20
