"""The command `service-desk simulate`."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service_desk.cli.base import (
    Misuse,
    Whole,
    clear_errors,
    config_option,
    counted,
    open_store,
    settings_url,
)
from service_desk.cli.scenarios import read_file, readable_file, scenario_errors

if TYPE_CHECKING:  # --help should be quick: the simulation is loaded where it is used
    from routing.simulation.report import Report
    from routing.simulation.scenario import Scenario


@click.command()
@click.argument("scenario", type=readable_file, required=False)
@click.option(
    "--from-log",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Instead of a scenario: a day of the desk's own log, in its time zone.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--seed", type=Whole(), help="Other customers than the scenario's seed gives.")
@click.option("--replications", type=Whole(1, 10_000), help="Days to play instead of the scenario's.")
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
    with scenario_errors():
        base = (
            read_file(scenario, seed, replications)
            if scenario
            else _recorded(day, seed, replications, config)
        )
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
    from routing.simulation.centre import Watch  # noqa: PLC0415
    from routing.simulation.translate import decision_line  # noqa: PLC0415

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


def _recorded(
    day: datetime | None, seed: int | None, replications: int | None, config: Path | None
) -> "Scenario":
    """The recorded day; what of it cannot be played is said on standard error."""
    from service_desk.planning.recorded import recorded_day  # noqa: PLC0415

    assert day is not None
    with clear_errors(), open_store(settings_url(config)) as store:
        found = store.read(
            recorded_day, day.date(), seed=1 if seed is None else seed, replications=replications or 20
        )
    click.echo(f"In the log: {found.answered} answered, {found.abandoned} not.", err=True)
    if found.left_out:
        click.echo(
            f"{counted(found.left_out, 'contact')} left out: nobody who was there could have answered.",
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
