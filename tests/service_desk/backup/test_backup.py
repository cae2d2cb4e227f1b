"""A restored desk is the one that was backed up, from either database into either, and never half of it."""

import asyncio
import json
import shutil
import signal
import stat
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from annotated_types import Le
from click.testing import CliRunner

from channels.contract import CallStarted
from channels.email.settings import Listener
from service_desk.actions import admin, calls, chats, nodes
from service_desk.background.sending import MEDIA_BYTES
from service_desk.backup import archive as archives
from service_desk.backup.archive import BackupError, Manifest, open_archive
from service_desk.backup.restore import restore
from service_desk.backup.save import save
from service_desk.blobs.files import FileBlobs
from service_desk.bus.local import LocalBus
from service_desk.cli import main
from service_desk.clock import SECOND, SystemClock
from service_desk.desk import Desk
from service_desk.domain.effects import ConnectCall, SendMessage
from service_desk.lease import take
from service_desk.storage.engines import make_engine
from service_desk.storage.store import Store, migrate
from service_desk.storage.upgrade import upgrade
from service_desk.storage.versions import current_version, newest_version
from service_desk.web.api.files import UPLOAD_BYTES
from tests.service_desk.backup.desks import (
    PICTURE,
    RAW,
    Rows,
    all_rows,
    digest,
    findings,
    lived,
    snapshots,
)
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import PHONE, make_agent, open_chat

pytestmark = pytest.mark.xdist_group("backup")  # one worker, which plays the desk once
NOW = SystemClock().now()
_NUMBERS = count(1)


def quiet(_progress: str) -> None:
    """Nobody waits here."""


@dataclass(frozen=True, slots=True)
class Played:
    """A desk that worked, and a backup of it."""

    url: str
    folder: Path
    backup: Path
    manifest: Manifest


def back_up(url: str, folder: Path) -> tuple[Path, Manifest]:
    path = folder / f"{next(_NUMBERS)}.backup"
    return path, save(url, path, FileBlobs(folder / "var" / "blobs"), NOW, quiet)


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("played")
    url = f"sqlite:///{folder}/desk.sqlite3"
    migrate(url)
    asyncio.run(lived(url, folder))
    return Played(url, folder, *back_up(url, folder))


@pytest.fixture(scope="module")
def on_postgres(postgres_server: Any, on_sqlite: Played, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The same desk on PostgreSQL, by living there, not by a restore."""
    folder = tmp_path_factory.mktemp("played-postgres")
    postgres_server.execute("CREATE DATABASE backup_played")
    url = postgres_server.url("backup_played")
    migrate(url)
    asyncio.run(lived(url, folder))
    return Played(url, folder, *back_up(url, folder))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def played(request: pytest.FixtureRequest) -> Played:
    found: Played = request.getfixturevalue(f"on_{request.param}")
    return found


@pytest.fixture(params=["to_sqlite", pytest.param("to_postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without a single table."""
    if request.param == "to_sqlite":
        yield f"sqlite:///{tmp_path}/restored.sqlite3"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"backup_{next(_NUMBERS)}"
    server.execute(f"CREATE DATABASE {name}")
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def restored(url: str, backup: Path, folder: Path, *, moved: bool = True) -> Manifest:
    return restore(url, backup, FileBlobs(folder / "var" / "blobs"), NOW, quiet, moved=moved)


# --- equality -----------------------------------------------------------------------------------------------


def settled(rows: Rows) -> Rows:
    """Without what a restore changes on purpose, which has tests of its own below."""
    kept = {name: list(found) for name, found in rows.items()}
    kept["connection"] = kept["node"] = []
    kept["timer"] = [row for row in kept["timer"] if row["kind"] != "agent_lost"]
    kept["lease"] = [{**row, "expires_at": 0} for row in kept["lease"]]
    kept["cursor"] = [row for row in kept["cursor"] if row["name"] != "search"]
    kept["audit"] = [row for row in kept["audit"] if row["action"] != "desk.restored"]
    return kept


def test_every_row_comes_back(played: Played, empty_url: str, tmp_path: Path) -> None:
    before = settled(all_rows(played.url))
    restored(empty_url, played.backup, tmp_path)
    after = settled(all_rows(empty_url))
    assert {name: len(rows) for name, rows in after.items()} == {
        name: len(rows) for name, rows in before.items()
    }
    for name, rows in before.items():
        assert sorted(after[name], key=repr) == sorted(rows, key=repr), name
    assert sum(map(len, before.values())) > 150, "the played desk has rows to lose"
    shown = snapshots(played.url)
    assert snapshots(empty_url) == shown, "consoles show the same"
    assert any(state["entries"] for state in shown.values()), "there is something to show"
    assert current_version(empty_url) == newest_version()
    assert findings(empty_url) == []


def test_files_of_messages_come_along(on_sqlite: Played, tmp_path: Path) -> None:
    restored(f"sqlite:///{tmp_path}/restored.sqlite3", on_sqlite.backup, tmp_path)
    blobs = FileBlobs(tmp_path / "var" / "blobs")
    assert blobs.get(digest(PICTURE)) == PICTURE
    assert blobs.get(digest(RAW)) == RAW
    assert on_sqlite.manifest.files is not None
    assert (on_sqlite.manifest.files.count, on_sqlite.manifest.files.missing) == (2, ())


def test_the_backup_is_one_moment_of_a_desk_that_works(
    tmp_path: Path, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two of its parts the desk goes on; what is restored fits together all the same."""
    store = Store(db_url, SystemClock())
    store.run(admin.seed, CONFIG)
    _phone(store, "first")
    began = len(all_rows(db_url)["event"])
    write_part = archives.Writer.table

    def while_the_desk_works(writer: archives.Writer, name: str, *rest: Any) -> archives.Part:
        _phone(store, name)
        return write_part(writer, name, *rest)

    monkeypatch.setattr(archives.Writer, "table", while_the_desk_works)
    path, _ = back_up(db_url, tmp_path)
    store.close()
    assert len(all_rows(db_url)["event"]) > 10 * began, "it did go on"
    target = f"sqlite:///{tmp_path}/restored.sqlite3"
    restored(target, path, tmp_path)
    assert [finding for finding in findings(target) if finding.check != "counters"] == []  # nobody counted
    assert len(all_rows(target)["event"]) == began


def _phone(store: Store, name: str) -> None:
    event = CallStarted(f"CA-{name}", "+14155550177", "+15005550006", f"start-{name}")
    store.run(calls.start_call, PHONE, event)


# --- what must not come to life again -------------------------------------------------------------------------


async def _served(store: Store) -> tuple[str, str]:
    """An agent at an open console with a chat whose visitor is there."""
    desk = Desk(store, LocalBus(), SystemClock())
    agent = await make_agent(desk, "ann")
    _, contact = await open_chat(desk, "Vera", "hello")
    await desk.run(chats.visitor_online, contact, True)
    return agent, contact


def test_nothing_pretends_to_live(sqlite_url: str, empty_url: str, tmp_path: Path) -> None:
    store = Store(sqlite_url, SystemClock())
    store.run(admin.seed, CONFIG)
    store.run(nodes.beat, "node-1", "web")
    agent, contact = asyncio.run(_served(store))
    store.run(take, "routing", "node-1")
    store.run(admin.open_session, agent, "f" * 64, "csrf", SystemClock().now() + 3_600 * SECOND)
    store.close()
    path, _ = back_up(sqlite_url, tmp_path)
    assert b"csrf" not in b"".join(
        zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()
    )
    restored(empty_url, path, tmp_path)
    rows = all_rows(empty_url)
    assert (rows["connection"], rows["node"]) == ([], [])
    assert [(row["holder"], row["fence"], row["expires_at"]) for row in rows["lease"]] == [("node-1", 1, 0)]
    assert [(row["subject"]) for row in rows["timer"] if row["kind"] == "agent_lost"] == [agent]
    assert [row["visitor_online"] for row in rows["interaction"] if row["id"] == contact] == [False]
    (told,) = [row for row in rows["audit"] if row["action"] == "desk.restored"]
    assert told["data"]["made_at"].startswith("20")
    assert [finding for finding in findings(empty_url) if finding.check != "counters"] == []


@pytest.mark.parametrize("moved", [False, True])
def test_what_waited_to_be_sent_may_have_been_sent_since(
    moved: bool, sqlite_url: str, tmp_path: Path
) -> None:
    store = Store(sqlite_url, SystemClock())
    store.run(admin.seed, CONFIG)
    store.run(lambda tx: tx.later(SendMessage("text-main", "int_1", "msg_1")))
    store.run(lambda tx: tx.later(ConnectCall("phone-main", "int_2", "CA1", 1)))
    store.close()
    path, _ = back_up(sqlite_url, tmp_path)
    target = f"sqlite:///{tmp_path}/restored.sqlite3"
    restored(target, path, tmp_path, moved=moved)
    effects = {row["kind"]: row for row in all_rows(target)["effect"]}
    text = effects["send_message"]
    assert text["unsure"] is not moved
    assert (text["tried_at"] is not None, text["state"]) == (not moved, "ready")
    assert effects["connect_call"]["unsure"] is False


# --- refusals -------------------------------------------------------------------------------------------------


def test_a_backup_is_for_its_owner_and_never_over_another(on_sqlite: Played) -> None:
    assert stat.S_IMODE(on_sqlite.backup.stat().st_mode) == 0o600
    was = on_sqlite.backup.read_bytes()
    with pytest.raises(BackupError, match="is there already"):
        save(on_sqlite.url, on_sqlite.backup, None, NOW, quiet)
    assert on_sqlite.backup.read_bytes() == was
    assert not list(on_sqlite.folder.glob(".*.part"))


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="empty"):
        save(f"sqlite:///{tmp_path}/none.sqlite3", tmp_path / "a.backup", None, NOW, quiet)
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []


def test_a_database_with_anything_in_it_is_refused(played: Played, tmp_path: Path) -> None:
    before = all_rows(played.url)
    with pytest.raises(BackupError, match="not empty, and a restore never writes over a desk"):
        restored(played.url, played.backup, tmp_path)
    assert all_rows(played.url) == before
    other = f"sqlite:///{tmp_path}/other.sqlite3"
    with make_engine(other).begin() as connection:
        connection.execute(sa.text("CREATE TABLE recipe (name TEXT)"))
    with pytest.raises(BackupError, match="not the desk's"):
        restored(other, played.backup, tmp_path)


def rewritten(backup: Path, folder: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The same zip, whole and with right checksums of its own, with some part changed or (None) left out."""
    path = folder / "changed.backup"
    with zipfile.ZipFile(backup) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return path


def manifest_with(**values: Any) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        return json.dumps({**json.loads(content), **values}).encode() if name == "manifest.json" else content

    return change


def _less_a_row(name: str, content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[1:]) if name == "tables/customer.jsonl" else content


def _another_word(name: str, content: bytes) -> bytes:
    return content.replace(b"hello", b"jello") if name == "tables/message.jsonl" else content


CHANGES: dict[str, tuple[Callable[[str, bytes], bytes | None], str]] = {
    "another product": (manifest_with(product="recipes"), "no backup of this product"),
    "a later format": (manifest_with(format=2, release="9.0"), "Restore it with release 9.0"),
    "a newer schema": (manifest_with(schema_version="9999", release="9.0"), "Restore it with release 9.0"),
    "a manifest cut short": (manifest_with(tables=None), "manifest is not complete"),
    "no manifest": (lambda name, content: None if name == "manifest.json" else content, "damaged"),
    "a table less": (lambda name, content: None if name == "tables/offer.jsonl" else content, "damaged"),
    "a row less": (_less_a_row, "table customer is not what was written"),
    "another word": (_another_word, "table message is not what was written"),
    "a file less": (lambda name, content: None if name.startswith("blobs/") else content, "holds 0"),
    "another file": (
        lambda name, content: content[:-1] + b"?" if name.startswith("blobs/") else content,
        "not what was written",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_file_restores_nothing(what: str, on_sqlite: Played, tmp_path: Path) -> None:
    change, words = CHANGES[what]
    path = rewritten(on_sqlite.backup, tmp_path, change)
    target = f"sqlite:///{tmp_path}/restored.sqlite3"
    with pytest.raises(BackupError, match=words):
        restored(target, path, tmp_path)
    assert current_version(target) is None
    restored(target, on_sqlite.backup, tmp_path)  # nothing is left that stands in the way of a good one


BOMBS: dict[str, tuple[str, str]] = {
    "manifest.json": ("MANIFEST_MOST", "manifest.json has more than 1000 bytes"),
    "tables/message.jsonl": ("LINE_MOST", "a row of message has more than 1000 bytes"),
    "tables/customer.jsonl": ("", "table customer is not what was written"),
    "blobs/": ("BLOB_MOST", "has more than 1000 bytes"),
}
"""A part, the limit that refuses it, and how. Without a limit: it is longer than the manifest says."""


@pytest.mark.parametrize("part", BOMBS)
def test_a_bomb_is_refused_before_it_is_unpacked(
    part: str, on_sqlite: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty megabytes that unpack from thirty kilobytes. Never more than three are held."""
    limit, words = BOMBS[part]
    bomb = b" " * 30_000_000

    def with_bomb(name: str, content: bytes) -> bytes:
        if name == "manifest.json" and part == "tables/message.jsonl":
            manifest = json.loads(content)
            manifest["tables"]["message"]["size_bytes"] = len(bomb)
            return json.dumps(manifest).encode()
        return bomb if name.startswith(part) else content

    path = rewritten(on_sqlite.backup, tmp_path, with_bomb)
    assert path.stat().st_size < 1_000_000
    if limit:
        monkeypatch.setattr(archives, limit, 1_000)
    tracemalloc.start()
    try:
        with pytest.raises(BackupError, match=f"is damaged: .*{words}"), open_archive(path) as archive:
            list(archive.blobs() if part == "blobs/" else archive.rows(part[7:].removesuffix(".jsonl")))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3_000_000


@pytest.mark.parametrize("limit", ["MANIFEST_MOST", "LINE_MOST", "BLOB_MOST"])
def test_nothing_is_written_that_would_be_refused(
    limit: str, on_sqlite: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, limit, 10)
    blobs = FileBlobs(on_sqlite.folder / "var" / "blobs")
    with pytest.raises(BackupError, match=r"cannot be backed up: .* the most is 10\."):
        save(on_sqlite.url, tmp_path / "a.backup", blobs, NOW, quiet)
    assert not (tmp_path / "a.backup").exists()


def test_the_largest_file_of_a_message_may_be_restored() -> None:
    (most,) = (each.le for each in Listener.model_fields["mail_bytes"].metadata if isinstance(each, Le))
    assert isinstance(most, int)
    assert max(most, UPLOAD_BYTES, MEDIA_BYTES) <= archives.BLOB_MOST
    assert 6 * most <= archives.LINE_MOST


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(kept: float, on_sqlite: Played, tmp_path: Path) -> None:
    content = on_sqlite.backup.read_bytes()
    path = tmp_path / "cut.backup"
    path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    with pytest.raises(BackupError, match="cut off"):
        restored(f"sqlite:///{tmp_path}/restored.sqlite3", path, tmp_path)


def test_any_flipped_bit_is_noticed(on_sqlite: Played, tmp_path: Path) -> None:
    """Fifty places over the whole file: in a part, in the directory, in the manifest."""
    content = on_sqlite.backup.read_bytes()
    path = tmp_path / "flipped.backup"
    before = None
    for at in range(7, len(content), len(content) // 50):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        try:
            with open_archive(path) as archive:
                parts = {name: list(archive.rows(name)) for name in archive.manifest.tables}
                files = list(archive.blobs())
        except BackupError:
            continue
        before = before or _parts(on_sqlite.backup)
        assert (parts, files) == before, f"the flipped bit of byte {at} changed what is read"


def test_a_place_before_the_files_begin_is_noticed(on_sqlite: Played, tmp_path: Path) -> None:
    """Of a directory entry, the field that says where the part begins: zipfile would seek to a negative place."""
    content = bytearray(on_sqlite.backup.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    directory = int.from_bytes(content[end + 16 : end + 20], "little")
    content[end + 16 : end + 20] = (directory + 1_000_000).to_bytes(4, "little")
    path = tmp_path / "moved.backup"
    path.write_bytes(content)
    with pytest.raises(BackupError), open_archive(path) as archive:
        list(archive.rows(next(iter(archive.manifest.tables))))


def _parts(path: Path) -> tuple[dict[str, list[list[Any]]], list[bytes]]:
    with open_archive(path) as archive:
        return {name: list(archive.rows(name)) for name in archive.manifest.tables}, list(archive.blobs())


def test_a_file_that_is_gone_is_told(on_sqlite: Played, tmp_path: Path) -> None:
    shutil.copytree(on_sqlite.folder / "var", tmp_path / "var")
    name = digest(PICTURE)
    (tmp_path / "var" / "blobs" / name[:2] / name).unlink()
    manifest = save(on_sqlite.url, tmp_path / "a.backup", FileBlobs(tmp_path / "var" / "blobs"), NOW, quiet)
    assert manifest.files is not None
    assert (manifest.files.count, manifest.files.missing) == (1, (name,))


# --- broken off -----------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from service_desk.backup.restore import restore
from service_desk.blobs.files import FileBlobs
url, backup, blobs = sys.argv[1:]
def tell(progress):
    if progress.startswith("Bringing"):  # every row is in, nothing is committed
        os.kill(os.getpid(), signal.SIGKILL)
restore(url, Path(backup), FileBlobs(Path(blobs)), 1, tell)
"""


def test_a_restore_that_was_killed_left_nothing(
    on_sqlite: Played, empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        sys.executable,
        "-c",
        KILLED,
        empty_url,
        str(on_sqlite.backup),
        str(tmp_path / "var" / "blobs"),
    ]
    done = subprocess.run(command, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert current_version(empty_url) is None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERVICE_DESK_DATABASE_URL", empty_url)
    refused = CliRunner().invoke(main, ["serve"])
    assert refused.exit_code == 1
    assert (
        "is empty. Run: service-desk migrate, or with a backup: service-desk restore FILE" in refused.output
    )
    restored(empty_url, on_sqlite.backup, tmp_path)
    assert findings(empty_url) == []


# --- older schemas --------------------------------------------------------------------------------------------


def at_revision(url: str, revision: str) -> None:
    """A database as an older release left it, with a row or two."""
    engine = make_engine(url)
    with engine.begin() as connection:
        upgrade(connection, revision)
        connection.execute(sa.text("INSERT INTO company (id, name) VALUES ('com_1', 'Bakery')"))
        connection.execute(
            sa.text(
                "INSERT INTO effect (position, key, kind, subject, account, data, state, attempts, due_at, "
                "created_at) VALUES (1, 'send_message:m:1', 'send_message', 'int_1', 'text-main', '{}', "
                "'unknown', 1, 5, 5)"
            )
        )
        connection.execute(sa.text("UPDATE positions SET effect = 1"))
    engine.dispose()


@pytest.mark.parametrize("revision", ["0001", "0006"])
def test_an_older_schema_is_restored_and_brought_up(revision: str, empty_url: str, tmp_path: Path) -> None:
    old = f"sqlite:///{tmp_path}/old.sqlite3"
    at_revision(old, revision)
    path, manifest = back_up(old, tmp_path)
    assert manifest.schema_version == revision
    restored(empty_url, path, tmp_path)
    assert current_version(empty_url) == newest_version()
    rows = all_rows(empty_url)
    assert [row["name"] for row in rows["company"]] == ["Bakery"]
    (effect,) = rows["effect"]
    assert (effect["unsure"], effect["started_at"]) == (True, 5), (
        "what the migrations know of old rows is done"
    )
