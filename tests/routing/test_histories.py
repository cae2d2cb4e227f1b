"""Recorded histories decide as they did: a change that decides differently is seen in its review.

They are recorded by histories/record.py.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from routing.codec import decode, decode_as, encode
from routing.invariants import check
from routing.model import Policy
from routing.router import Router
from tests.routing.centre import POLICY, Centre
from tests.routing.histories.record import FOLDER, SCENES, record

ROOT = Path(__file__).parents[2]


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_a_recorded_history_decides_as_it_did(name: str) -> None:
    history = load(name)
    router = Router(decode_as(Policy, history["policy"]))
    for number, step in enumerate(history["steps"]):
        decisions = router.apply(decode(step["command"]), step["now"])
        assert [encode(each) for each in decisions] == step["decisions"], f"step {number}"
        check(router)
    assert router.snapshot() == history["snapshot"]


def test_the_recorded_histories_hold_every_kind_of_decision_and_most_commands() -> None:
    kinds: Counter[str] = Counter()
    for name in SCENES:
        for step in load(name)["steps"]:
            kinds.update([step["command"]["kind"], *(each["kind"] for each in step["decisions"])])
    assert not {
        "OfferMade",
        "OfferExpired",
        "OfferWithdrawn",
        "AgentBenched",
        "Overflowed",
        "Unroutable",
        "WrapUpExpired",
    } - set(kinds)
    assert len(kinds) >= 18, kinds
    assert kinds["OfferMade"] > 150


def test_each_scene_shows_the_rules_that_it_is_for() -> None:
    def because(name: str) -> set[str]:
        steps = load(name)["steps"]
        return {
            f"{key}={value}"
            for step in steps
            for each in step["decisions"]
            for key, value in each["because"].items()
        }

    assert {"ring=1", "ring=2", "ring=3", "preferred=last_agent"} <= because("rings")
    assert {"when=no_staff", "when=size", "when=wait"} <= because("overflow")
    assert {"order=strict", "rule=best_skill", "value_ms=60000", "value_ms=10000"} <= because(
        "strict_and_value"
    )


@pytest.mark.parametrize("name", SCENES)
def test_the_files_are_what_the_recorder_writes(name: str) -> None:
    assert json.loads(json.dumps(record(SCENES[name]))) == load(name)


def test_each_step_can_be_restored_and_goes_on_alike() -> None:
    history = load("morning")
    router = Router(decode_as(Policy, history["policy"]))
    for step in history["steps"]:
        router = Router.restore(json.loads(json.dumps(router.snapshot())))
        decisions = router.apply(decode(step["command"]), step["now"])
        assert [encode(each) for each in decisions] == step["decisions"]


def decisions_of(seed: int) -> list[str]:
    router = Router(POLICY)
    return [
        json.dumps([encode(each) for each in router.apply(command, now)], sort_keys=True)
        for command, now in Centre(seed, 8).history(300)
    ]


def test_the_hash_seed_of_python_decides_nothing() -> None:
    code = "from tests.routing.test_histories import decisions_of; print('\\n'.join(decisions_of(5)))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert outputs == {"\n".join(decisions_of(5)) + "\n"}
