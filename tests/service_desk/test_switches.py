"""Only a source tree can be made to fail on purpose, and it says so when it starts."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service_desk.app import running
from service_desk.settings import load_settings
from service_desk.switches import KILL_AT, PAUSE_AT, PLANT

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("__init__", "guard", "killpoint", "planted", "switches")
PLANTED = "from service_desk.planted import planted; print(planted('event_lost'))"
PASSED = "from service_desk.killpoint import killpoint; killpoint('store.after_commit'); print('lives')"


def asked(folder: Path, program: str, variable: str, said: str) -> subprocess.CompletedProcess[str]:
    """What the package in this folder makes of the variable."""
    environment = {**os.environ, variable: said, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package without a pyproject.toml beside it."""
    names = [f"service_desk/{module}.py" for module in MODULES]
    for name in (*names, "channels/__init__.py", "routing/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_an_installed_desk_has_no_faults_to_plant(installed: Path) -> None:
    assert asked(installed, PLANTED, PLANT, "event_lost").stdout == "False\n"
    assert asked(ROOT, PLANTED, PLANT, "event_lost").stdout == "True\n"


def test_an_installed_desk_is_not_killed_or_paused(installed: Path) -> None:
    for variable in (KILL_AT, PAUSE_AT):
        assert asked(installed, PASSED, variable, "store.after_commit").stdout == "lives\n"
    assert asked(ROOT, PASSED, KILL_AT, "store.after_commit").returncode == -signal.SIGKILL
    assert asked(ROOT, PASSED, KILL_AT, "store.after_commit:2").stdout == "lives\n"


def test_a_name_that_nobody_planted_is_an_error() -> None:
    run = asked(ROOT, PLANTED, PLANT, "event_losst")
    assert run.returncode != 0
    assert "names no fault" in run.stderr


@pytest.mark.parametrize("number", ["", "x", "0", "-1", "1.5"])
def test_a_number_that_is_none_is_an_error_with_the_name(number: str) -> None:
    run = asked(ROOT, PASSED, PAUSE_AT, f"store.after_commit:{number}")
    assert run.returncode == 1
    assert f"{PAUSE_AT}=store.after_commit:{number}: write name:n, with a number from 1 on" in run.stderr


@pytest.mark.parametrize("variable", [KILL_AT, PAUSE_AT, PLANT])
async def test_a_desk_that_fails_on_purpose_says_so_when_it_starts(
    variable: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the modules are imported already, and nothing heeds it any more."""
    settings = load_settings(None, database_url=sqlite_url, var_dir=tmp_path, server={"port": 0})
    monkeypatch.setenv(variable, "event_lost")
    with capture_logs() as logs:
        async with running(settings):
            pass
    warnings = [line for line in logs if line["log_level"] == "warning" and "variable" in line]
    assert [(line["variable"], line["says"]) for line in warnings] == [(variable, "event_lost")]
