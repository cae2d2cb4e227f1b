"""The commands `service-desk simulate` and `service-desk staff`."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service_desk.cli.base import Misuse, Sentence, clear_errors, config_option, open_store, settings_url

if TYPE_CHECKING:  # --help should be quick: the simulation is loaded where it is used
    from routing.simulation.report import Report
    from routing.simulation.scenario import Scenario
    from routing.simulation.staffing import Definition, Target

DEFINITIONS = ("of_offered", "of_answered", "without_short")

readable_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    from routing.simulation.scenario import ScenarioError  # noqa: PLC0415 - as all below: --help should be quick
    from routing.simulation.staffing import NotReachable  # noqa: PLC0415

    try:
        yield
    except ScenarioError as error:
        raise Misuse(str(error)) from None
    except NotReachable as error:
        raise Sentence(str(error)) from None
    except UnicodeDecodeError as error:
        raise Misuse(f"A file is not UTF-8 text: {error.reason}.") from None


def _read(path: Path, seed: int | None, replications: int | None) -> "Scenario":
    from routing.simulation.scenario_file import read_scenario  # noqa: PLC0415

    scenario = read_scenario(path.read_text(encoding="utf-8"))
    return replace(
        scenario,
        seed=scenario.seed if seed is None else seed,
        replications=scenario.replications if replications is None else replications,
    )


def _recorded(
    day: datetime | None, seed: int | None, replications: int | None, config: Path | None
) -> "Scenario":
    """The recorded day; what of it cannot be played is said on standard error."""
    from service_desk.planning.recorded import recorded_day  # noqa: PLC0415

    assert day is not None
    with clear_errors(), open_store(settings_url(config)) as store:
        found = store.read(recorded_day, day.date(), seed=seed or 1, replications=replications or 20)
    click.echo(f"In the log: {found.answered} answered, {found.abandoned} not.", err=True)
    if found.left_out:
        click.echo(
            f"{found.left_out} contacts are left out: nobody who was there could have answered them.",
            err=True,
        )
    scenario: Scenario = found.scenario
    return scenario


@contextlib.contextmanager
def _progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """A bar on standard error while it is a terminal; takes the number of replications done."""
    with click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        yield lambda done: bar.update(done - bar.pos)


# --- simulate -------------------------------------------------------------------------------------------


@click.command()
@click.argument("scenario", type=readable_file, required=False)
@click.option(
    "--from-log",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Instead of a scenario: a day of the desk's own log, in its time zone.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--seed", type=int, help="Other customers than the scenario's seed gives.")
@click.option(
    "--replications", type=click.IntRange(1, 10_000), help="Days to play instead of the scenario's."
)
@click.option(
    "--decisions",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write each decision of the router as a line of JSON. The same seed gives the same file.",
)
@click.option(
    "--agents", multiple=True, metavar="[GROUP=]+N", help="What if a group had so many more or fewer?"
)
@click.option(
    "--policy", type=readable_file, help="What if these queues had these rules? TOML with [[queues]]."
)
@config_option
def simulate(
    scenario: Path | None,
    *,
    day: datetime | None,
    as_json: bool,
    seed: int | None,
    replications: int | None,
    decisions: Path | None,
    agents: tuple[str, ...],
    policy: Path | None,
    config: Path | None,
) -> None:
    """Play days of a centre in virtual time, with the router that routes the desk.

    Prints per queue, per group and in total what customers and agents got, each figure with its 95 % interval over
    the days. With --agents or --policy both centres are played with the same customers, and the difference is
    printed.

    \b
    Examples:
        service-desk simulate centre.toml
        service-desk simulate centre.toml --json --replications 100
        service-desk simulate centre.toml --agents sales=+2 --policy rules.toml
        service-desk simulate --from-log 2026-03-02 --agents +2
    """
    if (scenario is None) == (day is None):
        raise Misuse("Name a scenario, or a day with --from-log.")
    with _clear_errors():
        base = _read(scenario, seed, replications) if scenario else _recorded(day, seed, replications, config)
        other = _changed(base, agents, policy)
        with contextlib.ExitStack() as files:
            lines = files.enter_context(decisions.open("w", encoding="utf-8")) if decisions else None
            before = _play(base, "Playing", lines)
        if other is None:
            _print(before, as_json=as_json)
            return
        _print_difference(before, _play(other, "With the change", None), as_json=as_json)


def _changed(base: "Scenario", agents: tuple[str, ...], policy: Path | None) -> "Scenario | None":
    """The centre to compare with; None if nothing is to be changed."""
    from routing.simulation.changes import with_agents, with_policy  # noqa: PLC0415

    if not agents and policy is None:
        return None
    changed = base
    for change in agents:
        changed = with_agents(changed, change)
    return changed if policy is None else with_policy(changed, policy.read_text(encoding="utf-8"))


def _play(scenario: "Scenario", label: str, lines: Any) -> "Report":
    from routing.simulation import report  # noqa: PLC0415
    from routing.simulation.centre import Watch, decision_line  # noqa: PLC0415

    def watch(replication: int) -> Watch:
        return lambda decision, at: lines.write(decision_line(replication, decision, at))

    with _progress(scenario.replications, label) as progress:
        return report.simulate(scenario, progress, watch if lines else None)


def _print(report: "Report", *, as_json: bool) -> None:
    from service_desk.planning import show  # noqa: PLC0415

    if as_json:
        click.echo(json.dumps(show.document(report), indent=2))
    else:
        click.echo(f"{show.heading(report)}\n\n{show.text(report)}")


def _print_difference(before: "Report", after: "Report", *, as_json: bool) -> None:
    from routing.simulation.report import difference  # noqa: PLC0415
    from service_desk.planning import show  # noqa: PLC0415

    changed = difference(before, after)
    if as_json:
        reports = {"before": before, "after": after, "difference": changed}
        click.echo(json.dumps({name: show.document(each) for name, each in reports.items()}, indent=2))
        return
    click.echo(f"{show.heading(before)}\n\n{show.text(before)}\n")
    click.echo(
        f"With the change, paired with the same customers: after - before\n\n{show.text(changed, signed=True)}"
    )


# --- staff ----------------------------------------------------------------------------------------------


@click.command()
@click.argument("scenario", type=readable_file, required=False)
@click.option(
    "--per-hour", type=click.FloatRange(0, min_open=True), help="Contacts an hour, without a scenario."
)
@click.option(
    "--handling-s", type=click.FloatRange(0, min_open=True), help="Mean handling time with wrap-up."
)
@click.option(
    "--patience-s", type=click.FloatRange(0, min_open=True), help="Mean patience. Left out: nobody gives up."
)
@click.option(
    "--within-s", type=click.FloatRange(0), default=20.0, show_default=True, help="In time is within ..."
)
@click.option(
    "--level",
    type=click.FloatRange(0, 100),
    help="Per cent in time. 80, or in a scenario the queues' goal_pct, if nothing is asked for.",
)
@click.option("--definition", type=click.Choice(DEFINITIONS), default="of_offered", show_default=True)
@click.option("--asa-s", type=click.FloatRange(0), help="Mean wait of those answered, at most.")
@click.option("--abandoned-pct", type=click.FloatRange(0, 100), help="Who gives up, at most.")
@click.option("--group", "groups", multiple=True, help="Scenario: whose heads may change; all, if left out.")
@click.option("--seed", type=int, help="Scenario: other customers.")
@click.option(
    "--replications", type=click.IntRange(1, 10_000), help="Scenario: days to play for each number."
)
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
    with _clear_errors():
        if scenario is not None:
            if per_hour or handling_s or patience_s:
                raise Misuse(
                    "The load stands in the scenario: leave --per-hour, --handling-s, --patience-s out."
                )
            _staff_scenario(_read(scenario, seed, replications), groups, target, as_json=as_json)
            return
        if per_hour is None or handling_s is None:
            raise Misuse("Name a scenario, or --per-hour and --handling-s.")
        if groups or seed is not None or replications is not None:
            raise Misuse("--group, --seed and --replications belong to a scenario.")
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
    from dataclasses import asdict  # noqa: PLC0415

    from routing.simulation.erlang import performance  # noqa: PLC0415
    from routing.simulation.staffing import agents_needed  # noqa: PLC0415
    from service_desk.planning import show  # noqa: PLC0415

    per_s = per_hour / 3600
    needed = agents_needed(per_s, handling_s, patience_s, within_s, target)
    around = range(max(needed - 2, 1), needed + 3)
    found = [(n, performance(n, per_s * handling_s, handling_s, patience_s, within_s)) for n in around]
    model = "Erlang C" if patience_s is None else "Erlang A"
    if as_json:
        said = {"method": model, "agents": needed, "load_erlang": per_s * handling_s}
        rows = [{"agents": agents, **asdict(figures)} for agents, figures in found]
        click.echo(json.dumps({**said, "around": rows}, indent=2))
        return
    click.echo(
        f"{needed} agents, by {model} for {per_s * handling_s:.1f} erlangs; in time is within {within_s:g} s.\n"
    )
    click.echo(show.formula_table(found, needed))


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
            else f"{needed} agents, by formula: nothing stands against it."
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
