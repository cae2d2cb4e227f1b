"""The lock files pin versions and nothing else: no host, no folder of the machine that wrote them."""

import json
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = (ROOT / "constraints.txt").read_text()
UI_LOCK = (ROOT / "agent_ui" / "package-lock.json").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return found[0].lower().replace("_", "-")


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


@pytest.mark.parametrize(
    "trace", ["://", "file:", "--index", "--extra-index", "--find-links", "--hash", " @ "]
)
def test_constraints_name_no_place(trace: str) -> None:
    assert trace not in CONSTRAINTS


def test_every_constraint_is_one_exact_version() -> None:
    loose = [
        line for line in CONSTRAINTS.splitlines() if not re.match(r"[a-z0-9-]+==[0-9a-z.]+( ; .+)?$", line)
    ]
    assert not loose


def test_every_requirement_is_pinned() -> None:
    pinned = {name_of(line) for line in CONSTRAINTS.splitlines()}
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    assert not {name_of(line) for line in wanted} - pinned


def test_the_browser_parts_lock_names_no_place() -> None:
    assert '"resolved"' not in UI_LOCK
    assert '"link"' not in UI_LOCK
    versions = [package["version"] for package in json.loads(UI_LOCK)["packages"].values()]
    assert not [text for text in versions if not re.match(r"\d+\.\d+\.\d+", text)]


def test_the_browser_parts_lock_has_a_hash_for_every_package() -> None:
    packages = json.loads(UI_LOCK)["packages"]
    bare = [name for name, package in packages.items() if name and "integrity" not in package]
    assert len(packages) > 100
    assert not bare


def test_the_browser_parts_lock_fits_its_package_file() -> None:
    package = json.loads((ROOT / "agent_ui" / "package.json").read_text())
    locked = json.loads(UI_LOCK)["packages"][""]
    for part in ("dependencies", "devDependencies"):
        assert locked[part] == package[part], "run: python tools/node.py npm install"


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a git checkout")
@pytest.mark.parametrize(
    "path", ["uv.lock", "pylock.toml", "agent_ui/dist", "agent_ui/node_modules", "var", ".venv"]
)
def test_is_not_tracked(path: str) -> None:
    command = ["git", "ls-files", "--", path]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout == b""


# Below these versions the stack has published holes that our own code cannot close.
FLOORS = {
    "aiohttp": "3.14.4",  # WebSocket length overflow, multipart and decompression limits
    "python-socketio": "5.16.4",  # pickle between servers, half-sent binary packets
    "sqlalchemy": "2.1.0",  # the release that no longer brings greenlet
    "twilio": "9.13.0",
}
# Above these, something that we rely on is gone.
CEILINGS = {
    "python-engineio": "5",  # a private name of its aiohttp driver
    "redis": "9",
}


@pytest.mark.parametrize("name", FLOORS)
def test_floor_holds_for_what_is_installed_locked_and_asked_for(name: str) -> None:
    floor = numbers(FLOORS[name])
    assert numbers(version(name)) >= floor
    locked = re.search(rf"^{name}==(\S+)", CONSTRAINTS, re.MULTILINE)
    assert locked
    assert numbers(locked[1]) >= floor
    (asked,) = (line for line in PROJECT["dependencies"] if name_of(line) == name)
    lowest = re.search(r">=([0-9.]+)", asked)
    assert lowest
    assert numbers(lowest[1]) >= floor[: len(numbers(lowest[1]))]


@pytest.mark.parametrize("name", CEILINGS)
def test_ceiling_holds(name: str) -> None:
    assert numbers(version(name)) < numbers(CEILINGS[name])
    (asked,) = (line for line in PROJECT["dependencies"] if name_of(line) == name)
    assert f"<{CEILINGS[name]}" in asked
