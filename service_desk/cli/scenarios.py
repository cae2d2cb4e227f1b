"""What the planning commands share: scenario files and their errors."""

import contextlib
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service_desk.cli.base import Misuse, Sentence

if TYPE_CHECKING:  # --help should be quick: the simulation is loaded where it is used
    from routing.simulation.scenario import Scenario

PARTS = frozenset({"day", "contacts", "groups"})
"""What a scenario has and no other file of ours: without any of them it is something else."""

readable_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@contextlib.contextmanager
def scenario_errors() -> Iterator[None]:
    """What cannot be as a sentence: a bad scenario is misuse, a target out of reach is an answer."""
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


def read_file(path: Path, seed: int | None, replications: int | None) -> "Scenario":
    """The scenario of a file; `seed` and `replications`, unless None, come over its own.

    Raises ScenarioError; and Misuse, with the file's name, for a file of another kind.
    """
    from routing.simulation.scenario_file import scenario_of  # noqa: PLC0415

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise Misuse(f"{path} is no TOML, as a scenario is: {error}.") from None
    if not data.keys() & PARTS:
        raise Misuse(
            f"{path} is no scenario: it has no [day], no [[contacts]] and no [[groups]]. "
            "config/scenarios/ has examples."
        )
    scenario = scenario_of(data)
    return replace(
        scenario,
        seed=scenario.seed if seed is None else seed,
        replications=scenario.replications if replications is None else replications,
    )
