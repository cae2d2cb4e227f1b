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
from routing.simulation.scenario import Scenario
from service_desk.domain.config import DeskConfig
from service_desk.planning.recorded import queues_of
from service_desk.planning.show import document

MOST_S = 60.0
NICE = 10
"""The desk itself goes first on a machine that is busy."""


class TooLong(Exception):
    """It was given up after MOST_S seconds."""


def under(scenario: Scenario, config: DeskConfig) -> Scenario:
    """The same day with the queues of another configuration. A queue that it lacks keeps its rules: it has contacts.

    What of the configuration is no queue's (`interrupts`) is as it was.
    """
    queues = tuple(queues_of(config))
    known = {queue.id for queue in queues}
    return replace(scenario, queues=(*queues, *(queue for queue in scenario.queues if queue.id not in known)))


async def compared(before: Scenario, after: Scenario) -> dict[str, Any]:
    """Figures before, after, and after less before, with their intervals. Raises TooLong."""
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
    return found


def main() -> None:
    """The child."""
    os.nice(NICE)
    before, after = (simulate(scenario) for scenario in pickle.load(sys.stdin.buffer))  # noqa: S301  # our parent's
    reports = {"before": before, "after": after, "difference": difference(before, after)}
    sys.stdout.write(json.dumps({name: document(report) for name, report in reports.items()}))


if __name__ == "__main__":
    main()
