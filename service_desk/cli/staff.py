"""The command `service-desk staff`."""

import json
import sys
from dataclasses import asdict, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service_desk.cli.base import Misuse, Number, Whole, counted
from service_desk.cli.scenarios import read_file, readable_file, scenario_errors

if TYPE_CHECKING:  # --help should be quick: the simulation is loaded where it is used
    from routing.simulation.scenario import Scenario
    from routing.simulation.staffing import Definition, Target

DEFINITIONS = ("of_offered", "of_answered", "without_short")


@click.command()
@click.argument("scenario", type=readable_file, required=False)
@click.option("--per-hour", type=Number(0, min_open=True), help="Contacts an hour, without a scenario.")
@click.option("--handling-s", type=Number(0, min_open=True), help="Mean handling time with wrap-up.")
@click.option("--patience-s", type=Number(0, min_open=True), help="Mean patience. Left out: nobody gives up.")
@click.option("--within-s", type=Number(0), default=20.0, show_default=True, help="In time is within ...")
@click.option(
    "--level",
    type=Number(0, 100),
    help="Per cent in time. 80, or in a scenario the queues' goal_pct, if nothing is asked for.",
)
@click.option("--definition", type=click.Choice(DEFINITIONS), default="of_offered", show_default=True)
@click.option("--asa-s", type=Number(0), help="Mean wait of those answered, at most.")
@click.option("--abandoned-pct", type=Number(0, 100), help="Who gives up, at most.")
@click.option("--group", "groups", multiple=True, help="Scenario: whose heads may change; all, if left out.")
@click.option("--seed", type=Whole(), help="Scenario: other customers.")
@click.option("--replications", type=Whole(1, 10_000), help="Scenario: days to play for each number.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def staff(
    scenario: Path | None,
    *,
    per_hour: float | None,
    handling_s: float | None,
    patience_s: float | None,
    within_s: float,
    level: float | None,
    definition: "Definition",
    asa_s: float | None,
    abandoned_pct: float | None,
    groups: tuple[str, ...],
    seed: int | None,
    replications: int | None,
    as_json: bool,
) -> None:
    """Say how many agents a load needs for a target.

    One kind of contact, one team: by Erlang C, or Erlang A with patience. A scenario that is more than that is
    simulated, with more and fewer heads until the least is found that meets the target in every queue; why the
    formula does not do is said.

    \b
    Examples:
        service-desk staff --per-hour 120 --handling-s 240 --level 80 --within-s 20
        service-desk staff --per-hour 120 --handling-s 240 --patience-s 180 --abandoned-pct 3
        service-desk staff centre.toml --group sales
    """
    from routing.simulation.staffing import Target  # noqa: PLC0415

    share = None if level is None else level / 100
    target = Target(share, definition, asa_s, None if abandoned_pct is None else abandoned_pct / 100)
    with scenario_errors():
        if scenario is not None:
            if per_hour or handling_s or patience_s:
                raise Misuse(
                    "The load stands in the scenario: leave --per-hour, --handling-s, --patience-s out."
                )
            _staff_scenario(read_file(scenario, seed, replications), groups, target, as_json=as_json)
            return
        if per_hour is None or handling_s is None:
            raise Misuse("Name a scenario, or --per-hour and --handling-s.")
        if groups or seed is not None or replications is not None:
            raise Misuse("--group, --seed and --replications belong to a scenario.")
        if patience_s is None and abandoned_pct is not None and level is None and asa_s is None:
            raise Misuse(
                "Without patience nobody gives up, however long they wait: give --patience-s with --abandoned-pct."
            )
        if level is None and asa_s is None and abandoned_pct is None:
            target = replace(target, level=0.8)
        _staff_by_formula(per_hour, handling_s, patience_s, within_s, target, as_json=as_json)


def _staff_by_formula(
    per_hour: float,
    handling_s: float,
    patience_s: float | None,
    within_s: float,
    target: "Target",
    *,
    as_json: bool,
) -> None:
    from routing.simulation.erlang import performance  # noqa: PLC0415
    from routing.simulation.staffing import agents_needed  # noqa: PLC0415
    from service_desk.planning import show  # noqa: PLC0415

    per_s = per_hour / 3600
    needed = agents_needed(per_s, handling_s, patience_s, within_s, target)
    around = range(max(needed - 2, 1), needed + 3)
    found = [(n, performance(n, per_s * handling_s, handling_s, patience_s, within_s)) for n in around]
    model = "Erlang C" if patience_s is None else "Erlang A"
    if as_json:
        answer = {"method": model, "agents": needed, "load_erlang": per_s * handling_s}
        rows = [{"agents": agents, **_finite(asdict(figures))} for agents, figures in found]
        click.echo(json.dumps({**answer, "around": rows}, indent=2))
        return
    said = f"{counted(needed, 'agent')}, by {model} for {per_s * handling_s:.1f} erlangs"
    click.echo(f"{said}; in time is within {within_s:g} s.\n")
    click.echo(show.formula_table(found, needed))


def _finite(figures: dict[str, float]) -> dict[str, float | None]:
    """JSON has no infinity: the wait in a line that grows for ever is null."""
    return {name: value if isfinite(value) else None for name, value in figures.items()}


def _staff_scenario(
    scenario: "Scenario", groups: tuple[str, ...], target: "Target", *, as_json: bool
) -> None:
    from routing.simulation import staffing  # noqa: PLC0415
    from service_desk.planning import show  # noqa: PLC0415

    reasons = staffing.why_not_by_formula(scenario)
    if not reasons:
        needed = staffing.needed_by_formula(scenario, target)
        said = {"method": "formula", "agents": needed}
        click.echo(
            json.dumps(said, indent=2)
            if as_json
            else f"{counted(needed, 'agent')}, by formula: nothing stands against it."
        )
        return
    names = groups or tuple(group.id for group in scenario.groups)
    found = _search(scenario, names, target)
    heads = {group.id: group.heads for group in found.enough.scenario.groups if group.id in names}
    if as_json:
        answer = {
            "method": "simulation",
            "because": reasons,
            "heads": heads,
            "enough": show.document(found.enough),
            "too_few": show.document(found.too_few) if found.too_few else None,
        }
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(f"By simulation, because there are {', '.join(reasons)}.\n")
    click.echo(
        show.aligned(
            [["heads per interval", ""], *([name, " ".join(map(str, n))] for name, n in heads.items())]
        )
    )
    click.echo(f"\n{show.heading(found.enough)}\n\n{show.text(found.enough)}")


def _search(scenario: "Scenario", groups: tuple[str, ...], target: "Target") -> Any:
    """The search with a word on standard error about each number that is tried."""
    from routing.simulation.staffing import staff as search  # noqa: PLC0415

    def tell(heads: int, done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == scenario.replications else ""
            click.echo(
                f"\r{heads} heads at most: day {done} of {scenario.replications}{end}", nl=False, err=True
            )

    return search(scenario, groups, target, tell)
