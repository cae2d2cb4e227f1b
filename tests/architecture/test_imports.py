"""Rules about imports that import-linter and ruff cannot say, and proof that those two are switched on."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("service_desk", "channels", "routing")

# No clock, no randomness, no threads, no input or output: the same commands always give the same decisions.
PURE = {
    "__future__", "abc", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal",
    "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "re",
    "array", "statistics", "string", "types", "typing",
}  # fmt: skip
HOURS = {"zoneinfo"}  # in routing/hours.py: the rules of time zones are data, the same for the same instant
SIMULATED = {"random", "tomllib"}  # in routing/simulation: named, seeded streams; scenarios from text


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def test_routing_imports_only_the_pure_part_of_the_standard_library() -> None:
    paths = modules("routing")
    assert len(paths) > 3
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        for name in imports_of(path)
        if name.partition(".")[0]
        not in PURE
        | {"routing"}
        | (SIMULATED if is_simulation(path) else set())
        | (HOURS if path.name == "hours.py" else set())
    }
    assert not wrong


def is_simulation(path: Path) -> bool:
    return path.parent == ROOT / "routing" / "simulation"


def test_the_router_does_not_know_that_it_can_be_simulated() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules("routing")
        for name in imports_of(path)
        if name.startswith("routing.simulation") and not is_simulation(path)
    }
    assert not wrong


def test_two_modules_of_the_simulation_speak_with_the_router() -> None:
    speaks = {
        path.name
        for path in modules("routing")
        for name in imports_of(path)
        if is_simulation(path) and name.startswith("routing") and not name.startswith("routing.simulation")
    }
    assert speaks == {"centre.py", "translate.py"}


def test_product_code_does_not_import_tests_or_build_tools() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for package in PACKAGES
        for path in modules(package)
        for name in imports_of(path)
        if name.partition(".")[0] in {"tests", "benchmarks", "tools", "pytest", "hypothesis", "unittest"}
        and path.relative_to(ROOT).as_posix() not in MADE_FOR_TESTS
    }
    assert not wrong


MADE_FOR_TESTS = {"channels/testing.py"}  # the suite that every adapter's author runs


def findings(folder: Path) -> list[tuple[str, str]]:
    """Path and message of each use of what is banned, in a folder that has our settings."""
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--output-format",
        "json",
        "--select",
        "TID251",
    ]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return [(finding["filename"], finding["message"]) for finding in json.loads(run.stdout)]


BANNED = {
    "import datetime\ndatetime.datetime.now()\n": "clock.now()",
    "from datetime import datetime\ndatetime.utcnow()\n": "clock.now()",
    "from datetime import date\ndate.today()\n": "clock.now()",
    "import time\ntime.time()\n": "clock.now()",
    "from time import monotonic\nmonotonic()\n": "clock.monotonic()",
    "import time\ntime.sleep(1)\n": "clock.sleep_until()",
    "import asyncio\nasyncio.sleep(1)\n": "clock.sleep_until()",
    "import random\n": "service_desk.ids",
    "from random import choice\n": "service_desk.ids",
    "import uuid\nuuid.uuid4()\n": "service_desk.ids",
    "from secrets import token_urlsafe\n": "service_desk.ids",
    "import os\nos.urandom(16)\n": "service_desk.ids",
}


@pytest.mark.parametrize("code", BANNED)
def test_product_code_reads_no_clock_and_draws_no_random_number(tmp_path: Path, code: str) -> None:
    paths = ["service_desk/actions/calls.py", "channels/phone/parse.py", "routing/router.py"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(code)
    found = {path: message for path, message in findings(tmp_path) if BANNED[code] in message}
    assert set(found) == {str(tmp_path / path) for path in paths}


def test_only_two_modules_are_exempt(tmp_path: Path) -> None:
    """Elsewhere a use that cannot be avoided needs an exception on its own line, with its reason."""
    everything = [path.relative_to(ROOT) for package in PACKAGES for path in modules(package)]
    for path in everything:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("".join(BANNED))
    found = {Path(path).relative_to(tmp_path) for path, _ in findings(tmp_path)}
    exempt = sorted(path.as_posix() for path in set(everything) - found)
    assert exempt == ["service_desk/clock.py", "service_desk/ids.py"]
