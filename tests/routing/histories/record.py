"""Records the histories in this folder anew: python -m tests.routing.histories.record

Only after a change that is meant to decide differently; the difference belongs into the review of that change.
"""

import json
from pathlib import Path
from typing import Any

from routing.codec import encode
from routing.router import Router
from tests.routing.centre import POLICY, Centre

FOLDER = Path(__file__).parent
SEEDS = {"morning": (11, 6), "short_of_staff": (12, 2), "many_hands": (13, 15)}
LENGTH = 250


def record(seed: int, agents: int) -> dict[str, Any]:
    """Commands, times and decisions, and the snapshot that they end in."""
    router = Router(POLICY)
    steps = []
    for command, now in Centre(seed, agents).history(LENGTH):
        decisions = router.apply(command, now)
        steps.append(
            {"now": now, "command": encode(command), "decisions": [encode(each) for each in decisions]}
        )
    return {"policy": encode(POLICY), "steps": steps, "snapshot": router.snapshot()}


def main() -> None:
    for name, (seed, agents) in SEEDS.items():
        steps = record(seed, agents)
        lines = [json.dumps(step, sort_keys=True) for step in steps["steps"]]  # a line per step, for diffs
        text = (
            f'{{"policy": {json.dumps(steps["policy"], sort_keys=True)},\n"steps": [\n'
            + ",\n".join(lines)
            + f'\n],\n"snapshot": {json.dumps(steps["snapshot"], sort_keys=True)}}}\n'
        )
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
