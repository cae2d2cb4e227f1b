"""What is shipped: the three packages, the configuration and the built browser part, and nothing else."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests import servers

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = {"service_desk", "channels", "routing"}


def build(folder: Path, target: str, output: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(output)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (built,) = output.iterdir()
    return built


@pytest.fixture
def built_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser part is there; it is not built anew below the feet of a test that shows it."""
    index = ROOT / "agent_ui" / "dist" / "index.html"
    servers.required(index if index.exists() else None, "The browser part is not built. Run: make ui")
    monkeypatch.setenv("SERVICE_DESK_BUILD_UI", "0")


def test_the_wheel_holds_packages_configuration_and_browser_part(built_ui: None, tmp_path: Path) -> None:
    with zipfile.ZipFile(build(ROOT, "wheel", tmp_path)) as wheel:
        names = wheel.namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == SHIPPED
    folder = ROOT / "config"
    configuration = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {f"service_desk/_config/{name}" for name in configuration} <= set(names)
    for page in ("index.html", "simulator.html", "widget/widget.js"):
        assert f"service_desk/_ui/{page}" in names
    assert any(name.startswith("service_desk/_ui/assets/") for name in names)
    assert not [name for name in names if "test_" in name or "node_modules" in name or name.endswith(".map")]
    for package in SHIPPED:
        assert f"{package}/py.typed" in names


@pytest.fixture
def tree_with_fresh_ui(tmp_path: Path) -> Path:
    """A copy of the project whose browser part counts as built from the sources that lie there."""
    tree = tmp_path / "tree"
    left_out = shutil.ignore_patterns(
        "node_modules", "dist", "__pycache__", ".*_cache", ".venv", ".git", "var"
    )
    shutil.copytree(ROOT, tree, ignore=left_out)
    (tree / "agent_ui" / "dist").mkdir()
    (tree / "agent_ui" / "dist" / "index.html").write_text("<title>built before</title>")
    script = "import node; node.BUILD_STAMP.write_text(node.sources_digest())"
    subprocess.run([sys.executable, "-c", script], cwd=tree / "tools", check=True)
    return tree


def test_the_wheel_can_be_made_from_the_source_archive_without_node(
    tree_with_fresh_ui: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(build(tree_with_fresh_ui, "sdist", tmp_path / "sdist")) as archive:
        if hasattr(tarfile, "data_filter"):  # since 3.11.4, and not in Debian's 3.11
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(tmp_path / "source")
    (source,) = (tmp_path / "source").iterdir()
    monkeypatch.setenv("SERVICE_DESK_BUILD_UI", "1")
    monkeypatch.setenv("npm_config_offline", "true")  # should it try to build, it fails at once
    with zipfile.ZipFile(build(source, "wheel", tmp_path / "wheel")) as wheel:
        assert wheel.read("service_desk/_ui/index.html") == b"<title>built before</title>"
    assert not (source / "agent_ui" / "node_modules").exists()


def test_a_changed_source_makes_the_build_stale(tree_with_fresh_ui: Path) -> None:
    script = "import node; print(node.build_is_wanted())"
    command = [sys.executable, "-c", script]
    tools = tree_with_fresh_ui / "tools"
    before = subprocess.run(command, cwd=tools, check=True, capture_output=True, text=True).stdout
    (tree_with_fresh_ui / "agent_ui" / "index.html").touch()
    touched = subprocess.run(command, cwd=tools, check=True, capture_output=True, text=True).stdout
    with (tree_with_fresh_ui / "agent_ui" / "index.html").open("a") as page:
        page.write("<!-- changed -->")
    changed = subprocess.run(command, cwd=tools, check=True, capture_output=True, text=True).stdout
    assert (before, touched, changed) == ("False\n", "False\n", "True\n")
