"""The arrows between packages hold, and a wrong import is really found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", script, "--no-cache", "--no-logo"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the three packages with the contracts."""
    for name in ("service_desk", "channels", "routing"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.toml"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


WRONG_IMPORTS = [
    ("routing/router.py", "import channels.contract", "routing knows nobody"),
    ("channels/contract.py", "import routing.model", "channels knows neither our data nor routing"),
    ("channels/contract.py", "import service_desk.ids", "channels knows neither our data nor routing"),
    ("channels/contract.py", "import sqlalchemy", "channels has no database and no socket server"),
    ("service_desk/domain/events.py", "import service_desk.storage.store", "layers inside service_desk"),
    ("service_desk/storage/store.py", "import service_desk.actions.calls", "layers inside service_desk"),
    ("service_desk/clock.py", "import service_desk.domain.events", "layers inside service_desk"),
    ("service_desk/desk.py", "import service_desk.web.hooks", "layers inside service_desk"),
    ("service_desk/actions/calls.py", "import asyncio", "actions, queries and domain cannot wait"),
]


def test_the_tree_as_it_is_keeps_every_contract(tree: Path) -> None:
    run = lint_imports(tree)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(("path", "line", "contract"), WRONG_IMPORTS)
def test_a_wrong_import_breaks_its_contract(tree: Path, path: str, line: str, contract: str) -> None:
    with (tree / path).open("a") as module:
        module.write(f"\n{line}\n")
    run = lint_imports(tree)
    assert run.returncode == 1, run.stdout + run.stderr
    broken = [text for text in run.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken), run.stdout
