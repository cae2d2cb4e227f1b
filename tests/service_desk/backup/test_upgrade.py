"""What earlier releases left behind is brought to this one: a desk of each, kept as a backup in the repository."""

from pathlib import Path

import pytest

from service_desk import __version__
from service_desk.backup.restore import restore
from service_desk.blobs.files import FileBlobs
from service_desk.clock import SystemClock
from service_desk.storage.versions import current_version, newest_version
from tests.service_desk.backup.desks import all_rows, findings, snapshots

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "upgrade"
KEPT = sorted(FOLDER.glob("*.backup"))
MUST_HAVE_ROWS = {
    "agent",
    "call_leg",
    "customer",
    "dispatch_step",
    "effect",
    "event",
    "input",
    "interaction",
    "interval_count",
    "message",
    "note",
    "offer",
    "segment",
    "thread",
    "ticket",
    "visitor",
}


def test_this_release_has_its_fixture() -> None:
    """Made by tools/upgrade_fixture.py, once for each release."""
    assert f"{__version__}.backup" in {path.name for path in KEPT}


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.soak])]
)
def test_a_desk_of_that_release_becomes_one_of_this(
    path: Path, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/desk.sqlite3"
    if database == "postgres":
        server = request.getfixturevalue("postgres_server")
        name = f"upgrade_{path.stem.replace('.', '_')}"
        server.execute(f"CREATE DATABASE {name}")
        request.addfinalizer(lambda: server.execute(f"DROP DATABASE {name} WITH (FORCE)"))
        url = server.url(name)
    made = restore(url, path, FileBlobs(tmp_path / "blobs"), SystemClock().now(), lambda _: None)
    assert current_version(url) == newest_version()
    rows = all_rows(url)
    assert {name for name, found in rows.items() if found} >= MUST_HAVE_ROWS
    kept = {"agent", "customer", "interaction", "message", "note", "offer", "ticket"}
    assert {name: len(rows[name]) for name in kept} == {name: made.tables[name].rows for name in kept}
    assert findings(url) == []
    assert all(snapshots(url).values()), "every console can be shown"
