"""Another distribution's `channels` or `routing` is refused at start, with the cure."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = '"""Another distribution with the same import name."""\n\n__version__ = "4.3.2"\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages that holds ours."""
    folder = tmp_path / "site-packages"
    (folder / "service_desk").mkdir(parents=True)
    for name in ("__init__.py", "guard.py"):
        shutil.copyfile(ROOT / "service_desk" / name, folder / "service_desk" / name)
    for name in ("channels", "routing"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text('PRODUCT = "service-desk"\n')
    return folder


def start(*sites: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, sites))
    return subprocess.run(
        [sys.executable, "-c", "import service_desk; print('started')"],
        cwd=sites[0].parent,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_our_own_packages_start_from_any_folder(site: Path) -> None:
    assert start(site).stdout == "started\n"


@pytest.mark.parametrize("name", ["channels", "routing"])
def test_an_overwritten_package_is_refused_with_the_cure(site: Path, name: str) -> None:
    (site / name / "__init__.py").write_text(FOREIGN)
    run = start(site)
    assert run.returncode != 0
    assert f"'{name}' was taken from {site / name / '__init__.py'}" in run.stderr
    assert "virtual environment of its own" in run.stderr


def test_a_package_that_comes_first_on_the_path_is_refused(site: Path, tmp_path: Path) -> None:
    """It may even say that it is ours: an older copy in another folder is not the one that belongs to us."""
    shutil.copytree(site / "channels", tmp_path / "first" / "channels")
    run = start(tmp_path / "first", site)
    assert run.returncode != 0
    assert "virtual environment of its own" in run.stderr


def test_a_folder_without_code_is_refused(site: Path) -> None:
    """Python takes any folder of that name for a namespace package."""
    (site / "channels" / "__init__.py").unlink()
    run = start(site)
    assert run.returncode != 0
    assert "virtual environment of its own" in run.stderr


@pytest.mark.parametrize("name", ["channels", "routing"])
def test_the_packages_do_not_import_the_service_desk_themselves(name: str) -> None:
    """The guard runs while `service_desk` is being imported: a way back would be a cycle."""
    script = f"import sys, {name}; sys.exit('service_desk' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
