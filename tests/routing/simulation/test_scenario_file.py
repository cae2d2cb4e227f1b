"""Scenario files: what is read, and what is refused with the field and the cure."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from routing.simulation.scenario import ScenarioError
from routing.simulation.scenario_file import read_scenario, scenario_of
from routing.simulation.streams import Duration
from routing.simulation.table import Table
from routing.simulation.translate import item_of, policy_of

FOLDER = Path(__file__).resolve().parents[3] / "config" / "scenarios"

SMALL = tomllib.loads("""
name = "small"
[day]
from = "08:30"
intervals = 2
interval_min = 30
[[queues]]
id = "calls"
target_s = 15
[[contacts]]
id = "call"
queue = "calls"
per_hour = 60
handling = { mean_s = 240 }
[[groups]]
id = "team"
queues = ["calls"]
heads = 5
""")


def small(**changes: Any) -> dict[str, Any]:
    """The small scenario with other values; day__intervals=3 sets one in a table, contacts__queue in the first."""
    data = copy.deepcopy(SMALL)
    for name, value in changes.items():
        where: Any = data
        *path, last = name.split("__")
        for part in path:
            where = where[part][0] if isinstance(where[part], list) else where[part]
        if value is None:
            del where[last]
        else:
            where[last] = value
    return data


def test_what_is_left_out_has_its_default() -> None:
    found = scenario_of(small())
    assert (found.seed, found.replications, found.warm_up_s, found.opens_s) == (1, 20, 0.0, 30_600.0)
    assert found.exclusive == {"phone"}
    assert found.contacts[0].arrivals == (30.0, 30.0)
    assert found.contacts[0].handling == Duration(240)
    assert found.contacts[0].patience.time is None
    assert found.groups[0].heads == (5, 5)
    assert (found.queues[0].within_s, found.queues[0].ring_s, found.queues[0].goal) == (15, 20, 0.8)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_are_read(path: Path) -> None:
    assert read_scenario(path.read_text(encoding="utf-8")).name


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "name: is missing; add it"),
    ({"spead": 3}, "spead: is unknown; here are contacts, day, "),
    ({"seed": "x"}, "seed: must be a whole number"),
    ({"replications": 0}, "replications: is 0 and must be at least 1"),
    ({"day__intervals": 0}, "day.intervals: is 0 and must be at least 1"),
    ({"day__from": "8:30"}, 'day.from: must be a time of day like "08:30"'),
    ({"day__warm_up_min": 60}, "day.warm_up_min: must be shorter than the day"),
    ({"queues": []}, "queues: must be at least one table; begin each with [[queues]]"),
    ({"queues__target_s": -1}, "queues[1].target_s: is -1 and must be at least 0"),
    ({"queues__ring_s": 0}, "queues[1].ring_s: is 0 and must be more than 0"),
    ({"queues__goal_pct": 101}, "queues[1].goal_pct: is 101 and must be at most 100"),
    ({"queues__colour": "red"}, "queues[1].colour: is unknown"),
    ({"contacts__per_hour": -5}, "contacts[1].per_hour: is -5 and must be at least 0"),
    ({"contacts__per_hour": float("nan")}, "contacts[1].per_hour: must be a number"),
    ({"contacts__per_hour": 5_000_000}, "contacts: more than 2,000,000 are expected a day"),
    (
        {"contacts__per_interval": [1, 2]},
        "contacts[1].per_hour: stands beside per_interval; keep one of them",
    ),
    (
        {"contacts__per_hour": None, "contacts__per_interval": [1]},
        "contacts[1].per_interval: has 1 entries and needs one for each of the 2 intervals",
    ),
    ({"contacts__handling": 240}, "contacts[1].handling: must be a table"),
    ({"contacts__handling": {}}, "contacts[1].handling.mean_s: is missing"),
    (
        {"contacts__handling": {"mean_s": 1, "shape": "cubic"}},
        "contacts[1].handling.shape: must be one of exponential",
    ),
    ({"contacts__handling": {"mean_s": 1, "shape": "gamma"}}, "contacts[1].handling.cv: is missing"),
    ({"contacts__handling": {"mean_s": 1, "cv": 1}}, "contacts[1].handling.cv: is unknown"),
    (
        {"contacts__handling": {"shape": "empirical", "values_s": []}},
        "contacts[1].handling.values_s: needs at least",
    ),
    (
        {"contacts__handling": {"shape": "empirical", "values_s": [1, -2]}},
        "contacts[1].handling.values_s[1]: is -2",
    ),
    ({"contacts__patience": {"at_once_pct": 120}}, "contacts[1].patience.at_once_pct: is 120"),
    ({"contacts__queue": "mail"}, "contacts[1].queue: there is no queue 'mail'; add it or use one of calls"),
    ({"contacts__medium": "fax"}, "contacts[1].medium: no group of 'calls' has room for 'fax'"),
    ({"contacts__requires": {"german": 3}}, "contacts[1].requires: no group of 'calls' has german >= 3"),
    ({"contacts__requires": {"german": 6}}, "contacts[1].requires.german: is 6 and must be at most 5"),
    (
        {"contacts__transfer": {"to": "call", "share_pct": 5}},
        "contacts[1].transfer.to: leads back to 'call' in a circle",
    ),
    ({"contacts__transfer": {"to": "x", "share_pct": 5}}, "contacts[1].transfer.to: there is no contact 'x'"),
    ({"groups__heads": 2.5}, "groups[1].heads: must be a list"),
    ({"groups__heads": [1]}, "groups[1].heads: has 1 entries and needs one for each of the 2 intervals"),
    ({"groups__heads": [1, 2.5]}, "groups[1].heads: must be whole numbers"),
    ({"groups__heads": 0}, "contacts[1].queue: no group with heads serves 'calls'"),
    ({"groups__queues": "calls"}, "groups[1].queues: must be a list of texts"),
    ({"groups__queues": ["sales"]}, "groups[1].queues: there is no queue 'sales'"),
    ({"rules": {"exclusive": [3]}}, "rules.exclusive: must be a list of texts"),
    ({"rules": {"gravity": 9}}, "rules: "),
    ({"queues__rules": {"speed_s": 3}}, "queues[1].rules: "),
    ({"queues__rules": {"ring_s": "long"}}, "queues[1].rules: "),
    ({"queues__rules": {"choice": "nobody"}}, "queues.calls.choice: "),
    (
        {"queues__rules": {"overflow": [{"when": "wait", "to": "queue", "queue": "x"}]}},
        "queues.calls.overflow",
    ),
    ({"contacts__routing": {"colour": "red"}}, "call.routing: "),
    ({"groups__routing": {"mood": 3}}, "team.routing: "),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_named_with_its_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        scenario_of(small(**change))
    assert str(refused.value).startswith(message), refused.value
    assert str(refused.value).endswith(".")


def test_two_of_one_name_and_text_that_is_no_toml_are_refused() -> None:
    twice = small()
    twice["groups"].append(twice["groups"][0])
    with pytest.raises(ScenarioError, match="groups: 'team' stands there twice"):
        scenario_of(twice)
    with pytest.raises(ScenarioError, match="no TOML"):
        read_scenario("name = ")


def test_rules_that_have_no_field_here_reach_the_router() -> None:
    """Any field of the router's own, durations in seconds by the name's end, also within lists."""
    found = scenario_of(
        small(queues__rules={"wrap_up_s": 7.5, "priority": 4}, contacts__routing={"priority": 2})
    )
    policy = policy_of(found).queues[0]
    assert (policy.wrap_up, policy.priority, policy.target) == (7_500_000, 4, 15_000_000)
    assert item_of(found.contacts[0], "call-1", "calls", 5).priority == 2
    rest = Table({"steps": [{"after_s": 2, "drop": ["german"]}], "id": "x"}, "")
    assert rest.text("id") == "x"
    assert rest.rest() == {"steps": [{"after": 2_000_000, "drop": ["german"]}]}
