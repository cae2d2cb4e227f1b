"""Records the histories in this folder anew: python -m tests.routing.histories.record

Only after a change that is meant to decide differently; the difference belongs into the review of that change.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from routing.codec import encode
from routing.model import Policy
from routing.router import Router
from tests.routing.centre import OVERFLOW, POLICY, RINGS, STRICT, Centre, ChoosyCentre

FOLDER = Path(__file__).parent


class Scene(NamedTuple):
    """Who plays it, so many agents, so many commands, under which rules."""

    seed: int
    agents: int
    length: int = 250
    policy: Policy = POLICY
    centre: type[Centre] = Centre


SCENES = {
    "morning": Scene(11, 6),
    "short_of_staff": Scene(12, 2),
    "many_hands": Scene(13, 15),
    "rings": Scene(14, 5, 200, RINGS, ChoosyCentre),
    "overflow": Scene(15, 4, 200, OVERFLOW),
    "strict_and_value": Scene(16, 6, 200, STRICT, ChoosyCentre),
}


def record(scene: Scene) -> dict[str, Any]:
    """Commands, times and decisions, and the snapshot that they end in."""
    router = Router(scene.policy)
    steps = []
    for command, now in scene.centre(scene.seed, scene.agents, scene.policy).history(scene.length):
        decisions = router.apply(command, now)
        steps.append(
            {"now": now, "command": encode(command), "decisions": [encode(each) for each in decisions]}
        )
    return {"policy": encode(scene.policy), "steps": steps, "snapshot": router.snapshot()}


def main() -> None:
    for name, scene in SCENES.items():
        steps = record(scene)
        lines = [json.dumps(step, sort_keys=True) for step in steps["steps"]]  # a line per step, for diffs
        text = (
            f'{{"policy": {json.dumps(steps["policy"], sort_keys=True)},\n"steps": [\n'
            + ",\n".join(lines)
            + f'\n],\n"snapshot": {json.dumps(steps["snapshot"], sort_keys=True)}}}\n'
        )
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
