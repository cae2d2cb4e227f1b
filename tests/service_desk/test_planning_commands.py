"""`service-desk simulate` and `service-desk staff` as a person types them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from routing.simulation import staffing
from routing.simulation.erlang import performance
from service_desk.cli import main
from service_desk.cli.staff import DEFINITIONS

SCENARIOS = Path(__file__).resolve().parents[2] / "config" / "scenarios"
TWO_TIERS = str(SCENARIOS / "two-tiers.toml")

PLAIN = """
name = "plain"
replications = 3
[day]
intervals = 4
interval_min = 60
[[queues]]
id = "calls"
[[contacts]]
id = "call"
queue = "calls"
per_hour = 100
patience = { mean_s = 120 }
handling = { mean_s = 120 }
[[groups]]
id = "team"
queues = ["calls"]
heads = 5
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def plain(tmp_path: Path) -> str:
    path = tmp_path / "plain.toml"
    path.write_text(PLAIN)
    return str(path)


def test_the_figures_of_queues_groups_and_the_whole_are_printed(plain: str) -> None:
    answer = run("simulate", plain)
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0].startswith("plain: 3 days, ± is half of the 95 % interval; seed 1,")
    assert answer.stderr == "", "the progress bar is for terminals"
    begins = [
        "offered, a day", "served, a day", "abandoned, a day", "P(wait)", "ASA",
        "service level: answered in time, of all offered",
        "service level: answered in time, of those answered",
        "service level: answered in time, of offered without short abandons",
        "longest wait of the day", "occupancy",
    ]  # fmt: skip
    for begin in begins:
        (line, *_) = [line for line in lines if line.startswith(begin)]
        assert line.count("±") == 2, line


def test_json_has_each_figure_with_its_interval(plain: str) -> None:
    found = json.loads(run("simulate", plain, "--json", "--replications", "4").stdout)
    assert (found["replications"], found["confidence"]) == (4, 0.95)
    assert found["queues"].keys() == {"calls"}
    assert found["groups"].keys() == {"team"}
    figures = found["queues"]["calls"]
    assert figures.keys() | {"occupancy", "staffed_h"} == found["figures"].keys()
    for figure in (*figures.values(), *found["groups"]["team"].values(), *found["total"].values()):
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert figures["offered"]["value"] == pytest.approx(400, rel=0.15)


def test_the_same_seed_writes_the_same_file_of_decisions(tmp_path: Path) -> None:
    def written(name: str, *options: str) -> bytes:
        path = tmp_path / name
        answer = run("simulate", TWO_TIERS, "--replications", "2", "--decisions", str(path), *options)
        assert answer.exit_code == 0, answer.output
        return path.read_bytes()

    first = written("first")
    assert written("again") == first
    assert written("other", "--seed", "8") != first
    lines = [json.loads(line) for line in first.splitlines()]
    assert {line["replication"] for line in lines} == {0, 1}
    assert {line["decision"]["kind"] for line in lines} >= {"OfferMade"}


def test_other_agents_and_rules_are_compared_with_the_same_customers(plain: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[queues]]\nid = "calls"\nservice_level_s = 60\n')
    found = json.loads(run("simulate", plain, "--json", "--agents", "+2", "--policy", str(rules)).stdout)
    difference = found["difference"]["total"]
    assert difference["offered"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert difference["asa_s"]["high"] < 0
    before, after = (
        found[side]["total"]["service_level_of_offered"]["value"] for side in ("before", "after")
    )
    assert difference["service_level_of_offered"]["value"] == pytest.approx(after - before)
    printed = run("simulate", plain, "--agents", "+2")
    before_text, after_text = printed.stdout.split("after - before")
    level = "service level: answered in time, of all offered"
    (was,) = [line for line in before_text.splitlines() if line.startswith(level)]
    (differs,) = [line for line in after_text.splitlines() if line.startswith(level)]
    assert was.endswith(" %")
    assert differs.endswith(" pp"), "the difference of two percentages is in percentage points"
    assert "%" not in differs
    assert "+0.0 ±0.0" in printed.stdout


def test_a_mistake_in_a_scenario_is_one_sentence(plain: str) -> None:
    Path(plain).write_text(PLAIN.replace("per_hour = 100", "per_hour = -3"))
    answer = run("simulate", plain)
    assert answer.exit_code == 2
    assert answer.stderr.strip() == "Error: contacts[1].per_hour: is -3 and must be at least 0."
    Path(plain).write_bytes(b"\xff\xfe")
    assert run("simulate", plain).exit_code == 2
    assert run("simulate", TWO_TIERS, "--agents", "two").exit_code == 2


def test_staff_by_formula_marks_the_least_that_is_enough() -> None:
    load = ("--per-hour", "2880", "--handling-s", "60", "--patience-s", "120", "--level", "94.3")
    answer = run("staff", *load)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("50 agents, by Erlang A for 48.0 erlangs")
    (marked,) = [line for line in answer.stdout.splitlines() if line.startswith("->")]
    assert marked.split()[1] == "50"
    assert [share for share in ("94.3 %", "97.3 %", "97.2 %") if share not in marked] == []
    found = json.loads(run("staff", *load, "--json").stdout)
    assert (found["method"], found["agents"]) == ("Erlang A", 50)
    (row,) = [row for row in found["around"] if row["agents"] == 50]
    assert row["p_wait"] == performance(50, 48, 60, 120).p_wait


def test_staff_takes_the_formula_where_it_holds_and_says_why_where_it_does_not(plain: str) -> None:
    answer = run("staff", plain, "--level", "80")
    assert answer.stdout.startswith("5 agents, by formula")
    found = json.loads(run("staff", TWO_TIERS, "--group", "first-line", "--asa-s", "100", "--level", "60",
                           "--definition", "of_answered", "--replications", "2", "--json").stdout)  # fmt: skip
    assert found["method"] == "simulation"
    assert "several groups" in found["because"]
    assert found["heads"].keys() == {"first-line"}
    level = "service_level_of_answered"
    assert found["enough"]["queues"]["first-line"][level]["value"] >= 0.6
    assert found["too_few"]["queues"]["first-line"][level]["value"] < 0.6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name a scenario"),
        (("--per-hour", "10"), "Name a scenario"),
        ((TWO_TIERS, "--per-hour", "10"), "leave --per-hour"),
        (("--per-hour", "10", "--handling-s", "60", "--group", "x"), "belong to a scenario"),
        ((TWO_TIERS, "--group", "x"), "no group x"),
        (("--per-hour", "10", "--handling-s", "0"), "--handling-s"),
        (("--per-hour", "120", "--handling-s", "240", "--abandoned-pct", "3"), "give --patience-s"),
        (("--per-hour", "ten", "--handling-s", "240"), "'ten' is not a valid number."),
        ((TWO_TIERS, "--replications", "abc"), "'abc' is not a valid whole number."),
    ],
)
def test_wrong_ways_of_asking_are_explained(arguments: tuple[str, ...], words: str) -> None:
    answer = run("staff", *arguments)
    assert answer.exit_code == 2
    assert words in answer.stderr


def test_what_no_number_reaches_ends_with_one_sentence() -> None:
    answer = run("staff", "--per-hour", "10", "--handling-s", "60", "--level", "100")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Error: Chance leaves no number")


def test_a_line_that_grows_for_ever_is_shown_as_that() -> None:
    load = ("staff", "--per-hour", "120", "--handling-s", "240", "--asa-s", "1e9")
    answer = run(*load)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("9 agents, by Erlang C for 8.0 erlangs")
    assert "inf" not in answer.stdout
    rows = [line.split() for line in answer.stdout.splitlines() if "%" in line]
    assert [row[0] for row in rows if "grows" in row] == ["7", "8"]
    found = json.loads(run(*load, "--json").stdout, parse_constant=pytest.fail)
    assert [row["asa"] is None for row in found["around"]] == [True, True, False, False, False]
    assert run("staff", "--per-hour", "1", "--handling-s", "240").stdout.startswith("1 agent, by")


def test_a_load_beyond_all_agents_ends_with_one_sentence() -> None:
    answer = run("staff", "--per-hour", "1e12", "--handling-s", "240")
    assert answer.exit_code == 1
    assert answer.stderr.strip().endswith("agents can serve: look whether the load is right.")


def test_a_file_of_another_kind_is_named() -> None:
    queues = str(SCENARIOS.parent / "queues.example.toml")
    answer = run("simulate", queues)
    assert answer.exit_code == 2
    assert answer.stderr.startswith(f"Error: {queues} is no scenario:")


def test_the_definitions_are_the_simulations() -> None:
    assert DEFINITIONS == staffing.DEFINITIONS
