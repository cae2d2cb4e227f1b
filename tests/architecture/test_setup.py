"""The set-up says what is missing, and finds a Node.js that is new enough."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def make(goal: str, python: Path, folder: Path) -> str:
    """What `make` says in a folder where nothing is installed yet; it must not succeed."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "hatch_build.py"):
        shutil.copyfile(ROOT / name, folder / name)
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    run = subprocess.run(
        ["make", goal, f"PYTHON={python}"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert not (folder / ".venv").exists()
    return run.stdout + run.stderr


@pytest.mark.parametrize("goal", ["demo", "test", "check"])
def test_an_old_python_is_named_with_the_cure(tmp_path: Path, goal: str) -> None:
    old = program(tmp_path / "python3", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    said = make(goal, old, tmp_path)
    assert "needs Python 3.11 or newer" in said
    assert "is Python 3.9.2" in said
    assert f"make {goal} PYTHON=" in said


def test_a_python_without_venv_names_the_missing_package(tmp_path: Path) -> None:
    script = f'if [ "$1" = -m ]; then mkdir .venv; exit 1; fi; exec {sys.executable} "$@"'
    said = make("demo", program(tmp_path / "python3", script), tmp_path)
    assert f"apt-get install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in said


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module tools/node.py, which is no package's part."""
    spec = importlib.util.spec_from_file_location("node_under_test", ROOT / "tools" / "node.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # its dataclass asks for it by name
    spec.loader.exec_module(module)
    return module


def machine_with_node(folder: Path, answer: str) -> str:
    program(folder / "node", f"echo {answer}")
    program(folder / "npm", "exit 0")
    return str(folder)


@pytest.mark.parametrize(("answer", "is_used"), [("v22.18.0", True), ("v24.1.0", True), ("v22.17.9", False)])
def test_the_machines_own_node_is_used_when_it_is_new_enough(
    node: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, is_used: bool
) -> None:
    monkeypatch.setenv("PATH", machine_with_node(tmp_path, answer))
    found = node.find_node()
    assert (found.executable == tmp_path / "node") is is_used


@pytest.mark.parametrize("answer", ["nonsense", "v20.20.2"])
def test_a_useless_node_makes_room_for_the_wheels(
    node: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setenv("PATH", machine_with_node(tmp_path, answer))
    found = node.find_node()
    assert node.version_of(str(found.executable)) >= node.MINIMUM
    run = subprocess.run([*found.npm, "--version"], capture_output=True, text=True, check=True)
    assert int(run.stdout.split(".")[0]) >= 10


def test_without_any_node_the_cure_is_named(
    node: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node, "wheel_node", lambda: None)
    with pytest.raises(RuntimeError, match="make ui"):
        node.find_node()


def test_building_can_be_switched_off(node: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "sources_digest", lambda: "another")
    monkeypatch.setenv("SERVICE_DESK_BUILD_UI", "1")
    assert node.build_is_wanted()
    monkeypatch.setenv("SERVICE_DESK_BUILD_UI", "0")
    assert not node.build_is_wanted()
