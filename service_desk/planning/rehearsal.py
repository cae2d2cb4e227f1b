"""A day of the log under other rules, played in a process of its own: it may take minutes, and contacts come first.

The child is this module run as a program: it reads two scenarios (pickled by its parent) and writes the figures of
both, and of their difference, as one JSON document.
"""

import asyncio
import json
import os
import pickle
import sys
from dataclasses import replace
from typing import Any

from routing.simulation.report import difference, simulate
from routing.simulation.scenario import ContactType, Group, Scenario, ScenarioError
from service_desk.domain.config import DeskConfig
from service_desk.planning.recorded import queues_of, rules_of
from service_desk.planning.show import document

MOST_S = 60.0
NICE = 10
"""The desk itself goes first on a machine that is busy."""


class TooLong(Exception):
    """It was given up after MOST_S seconds."""


class CannotBePlayed(Exception):
    """The simulation does not take these rules; the words say which."""


def under(scenario: Scenario, before: DeskConfig, after: DeskConfig) -> Scenario:
    """The same day by the rules of another configuration. A queue that it lacks keeps its rules: it has contacts.

    Mail and texts have their own promise, and their place by it. What belongs to the line that a contact came by is as
    it was.
    """
    queues = tuple(queues_of(after))
    known = {queue.id for queue in queues}
    both = known & {queue.id for queue in before.queues}
    return replace(
        scenario,
        queues=(*queues, *(queue for queue in scenario.queues if queue.id not in known)),
        contacts=tuple(
            _under(kind, before, after) if kind.queue in both else kind for kind in scenario.contacts
        ),
        groups=tuple(_with_units(group, after.agent_units) for group in scenario.groups),
        rules=rules_of(after),
    )


def _under(kind: ContactType, before: DeskConfig, after: DeskConfig) -> ContactType:
    queue, medium = kind.queue, kind.medium
    more = after.head_start(queue, medium) - before.head_start(queue, medium)
    return replace(kind, priority=kind.priority + more, within_s=float(after.target_s(queue, medium)))


def _with_units(group: Group, units: int | None) -> Group:
    rest = {name: value for name, value in group.routing.items() if name != "units"}
    return replace(group, routing=rest if units is None else {**rest, "units": units})


async def compared(before: Scenario, after: Scenario) -> dict[str, Any]:
    """Figures before, after, and after less before, with their intervals. Raises TooLong, CannotBePlayed."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(MOST_S):
            said, _ = await child.communicate(pickle.dumps((before, after)))
    except TimeoutError:
        raise TooLong from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise RuntimeError(f"the rehearsal ended with exit code {child.returncode}")
    found: dict[str, Any] = json.loads(said)
    if (words := found.get("refused")) is not None:
        raise CannotBePlayed(words)
    return found


def main() -> None:
    """The child."""
    os.nice(NICE)
    try:
        before, after = (simulate(scenario) for scenario in pickle.load(sys.stdin.buffer))  # noqa: S301  # our parent's
    except ScenarioError as error:
        sys.stdout.write(json.dumps({"refused": str(error)}))
        return
    reports = {"before": before, "after": after, "difference": difference(before, after)}
    sys.stdout.write(json.dumps({name: document(report) for name, report in reports.items()}))


if __name__ == "__main__":
    main()
