"""`service-desk backup`, `restore`, and the backup that `migrate` makes first."""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from click.testing import CliRunner, Result

from service_desk.backup.archive import open_archive
from service_desk.cli import main
from service_desk.storage.engines import make_engine
from service_desk.storage.file_lock import FileInUse, only_server
from service_desk.storage.upgrade import upgrade
from service_desk.storage.versions import newest_version

DATABASE = Path("var/desk.sqlite3")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Commands run in an empty folder, without settings of this machine, and leave logging as it was."""
    monkeypatch.chdir(tmp_path)
    for name in ("SERVICE_DESK_CONFIG", "SERVICE_DESK_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield tmp_path
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=given)


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def at_version(revision: str) -> None:
    """The desk's database as an older release left it."""
    DATABASE.parent.mkdir(exist_ok=True)
    engine = make_engine(f"sqlite:///{DATABASE}")
    with engine.begin() as connection:
        upgrade(connection, revision)
        connection.execute(sa.text("INSERT INTO company (id, name) VALUES ('com_1', 'Bakery')"))
    engine.dispose()


def test_a_desk_is_backed_up_and_restored_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("migrate").exit_code == 0
    added = run("user", "add", "ruth", "--name", "Ruth", "--password-stdin", given="correct horse battery\n")
    assert added.exit_code == 0, added.output
    made = run("backup", "desk.backup")
    assert made.exit_code == 0, made.output
    assert f"schema {newest_version()}" in made.output
    refused = run("restore", "desk.backup")
    assert refused.exit_code == 1
    assert "not empty" in refused.output
    monkeypatch.setenv("SERVICE_DESK_DATABASE_URL", "sqlite:///elsewhere/desk.sqlite3")
    restored = run("restore", "desk.backup")
    assert restored.exit_code == 0, restored.output
    assert "Now run: service-desk audit" in restored.output
    assert rows(Path("elsewhere/desk.sqlite3"), "SELECT login FROM agent") == [("ruth",)]
    assert run("audit").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["backup", "desk.backup"], "is empty: there is nothing to back up"),
        (["restore", "no.backup"], "does not exist"),
        (["restore", "text.backup"], "no backup, or it was cut off"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: list[str], words: str, own_folder: Path) -> None:
    (own_folder / "text.backup").write_text("a letter to my bakery")
    answer = run(*arguments)
    assert answer.exit_code != 0
    assert words in answer.output
    assert "Traceback" not in answer.output
    assert not (own_folder / "desk.backup").exists()


def test_migrate_first_keeps_the_database_as_it_was() -> None:
    at_version("0005")
    answer = run("migrate")
    assert answer.exit_code == 0, answer.output
    (backup,) = DATABASE.parent.glob("*.backup")
    assert f"at version 0005, is in {backup}" in answer.output
    with open_archive(backup) as archive:
        assert archive.manifest.schema_version == "0005"
        assert list(archive.rows("company")) == [["com_1", "Bakery"]]
    assert run("migrate").exit_code == 0
    assert list(DATABASE.parent.glob("*.backup")) == [backup], "nothing to change, nothing to keep"


def test_migrate_goes_without_where_told_to() -> None:
    at_version("0005")
    assert run("migrate", "--no-backup").exit_code == 0
    assert list(DATABASE.parent.glob("*.backup")) == []
    assert rows(DATABASE, "SELECT name FROM company") == [("Bakery",)]


def test_a_desk_that_runs_is_not_migrated() -> None:
    """It could write between the backup and the migration."""
    at_version("0005")
    with only_server(f"sqlite:///{DATABASE}"):
        for arguments in (["migrate"], ["migrate", "--no-backup"]):
            answer = run(*arguments)
            assert answer.exit_code == 1
            assert f"Another server (process {os.getpid()}) is working on {DATABASE}" in answer.output
    assert rows(DATABASE, "SELECT version_num FROM alembic_version") == [("0005",)]
    assert list(DATABASE.parent.glob("*.backup")) == []
    assert run("migrate").exit_code == 0


def test_no_server_starts_between_the_backup_and_the_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    at_version("0005")
    refused = []

    def start_a_server(*_: object) -> None:
        with pytest.raises(FileInUse), only_server(f"sqlite:///{DATABASE}"):
            pass
        refused.append(True)

    monkeypatch.setattr("service_desk.cli.verbs._back_up_before_migration", start_a_server)
    assert run("migrate").exit_code == 0
    assert refused == [True]


def test_a_migration_without_a_backup_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, a folder that may not be written: the database stays as it is."""
    at_version("0005")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("service_desk.backup.archive.os.fsync", full)
    answer = run("migrate")
    assert answer.exit_code == 1
    assert "No space left on device" in answer.output
    assert rows(DATABASE, "SELECT version_num FROM alembic_version") == [("0005",)]
    assert [path.name for path in DATABASE.parent.iterdir() if "backup" in path.name] == []
