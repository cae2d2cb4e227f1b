"""The command line as a person types it: in a folder of one's own, with real processes where it serves."""

import contextlib
import http.cookiejar
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest
from click.testing import CliRunner, Result

from service_desk.cli import main
from tests.quick import log_plainly

START_S = 90.0  # a machine with other work
STOP_S = 8.0  # 3 s is what a person is promised; more for a machine on which other tests start processes
COMMANDS = ["demo", "serve", "migrate", "user add", "audit", "openapi", "events-schema", "config"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Commands run in an empty folder, without settings of this machine, and leave logging as it was."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("SERVICE_DESK_") and not name.startswith("SERVICE_DESK_TEST"):
            monkeypatch.delenv(name)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield tmp_path
    root.handlers[:], root.level = handlers, level
    log_plainly()


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=given)


def sql(path: Path, statement: str, *values: Any) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def until(true: Callable[[], Any], seconds: float) -> Any:
    """Wait for a condition; its value."""
    give_up = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < give_up, f"waited {seconds} s"
        time.sleep(0.05)
    return value


# --- help, versions, descriptions ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    answer = run(*command.split(), "--help")
    assert answer.exit_code == 0
    assert f"Usage: main {command}" in answer.output
    if command not in ("openapi", "events-schema"):
        assert f"service-desk {command}" in answer.output, "an example shows how"


def test_the_overview_leads_a_newcomer_to_the_demo() -> None:
    answer = run("--help")
    assert "service-desk demo" in answer.output
    assert "Exit codes" in answer.output
    assert run("--version").output.startswith("service-desk, version ")
    assert run().exit_code == 2, "no command is no use"


def test_openapi_is_a_document_with_every_operation() -> None:
    document = json.loads(run("openapi").output)
    assert document["openapi"].startswith("3.")
    assert {"/api/v1/session", "/api/v1/offers/{offer_id}/accept", "/api/v1/tickets"} <= set(
        document["paths"]
    )


def test_the_events_schema_names_every_kind() -> None:
    from service_desk.domain.events import EVENTS

    document = json.loads(run("events-schema").output)
    assert set(document["events"]) == set(EVENTS)
    assert {"snapshot", "frame", "board"} <= set(document["messages"])


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["audit"], ["user", "add", "x", "--name", "X"]])
def test_an_unknown_setting_is_named_and_stops_it(command: list[str], own_folder: Path) -> None:
    (own_folder / "desk.toml").write_text('databas_url = "sqlite:///x"\n')
    answer = run(*command, "--config", "desk.toml")
    assert answer.exit_code == 2
    assert "databas_url: this setting is not known. Did you mean database_url?" in answer.output
    assert not (own_folder / "var").exists()


def test_a_missing_settings_file_is_named() -> None:
    answer = run("audit", "--config", "nowhere.toml")
    assert answer.exit_code == 2
    assert "nowhere.toml" in answer.output


@pytest.mark.parametrize(
    "url", ["foo", "mysql://desk:hushhush@db/desk", "postgresql://desk:hushhush@db:port/desk", "sqlite:desk"]
)
@pytest.mark.parametrize("command", [["config", "show"], ["migrate"], ["serve"], ["audit"]])
def test_a_database_address_that_cannot_be_is_one_sentence(
    command: list[str], url: str, own_folder: Path
) -> None:
    (own_folder / "desk.toml").write_text(f'database_url = "{url}"\n')
    answer = run(*command, "--config", "desk.toml")
    assert answer.exit_code == 2
    assert "database_url: write it like sqlite:///var/desk.sqlite3 or postgresql://" in answer.output
    assert "hushhush" not in answer.output
    assert "Traceback" not in answer.output


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SERVICE_DESK_DATABSE_URL", "SERVICE_DESK_DATABASE_URL"),
        ("SERVICE_DESK_SERVR__PORT", "SERVICE_DESK_SERVER__PORT"),
    ],
)
def test_an_unknown_variable_is_named_with_what_was_meant(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    answer = run("config", "show")
    assert answer.exit_code == 2
    assert f"environment variable {name}: this setting is not known. Did you mean {meant}?" in answer.output


def test_a_database_that_is_away_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        port = taken.getsockname()[1]
        monkeypatch.setenv("SERVICE_DESK_DATABASE_URL", f"postgresql://desk:hushhush@127.0.0.1:{port}/desk")
        answer = run("audit")
    assert answer.exit_code == 1
    assert "cannot be reached" in answer.output
    assert "hushhush" not in answer.output
    assert "Traceback" not in answer.output


# --- migrate, user add, audit -------------------------------------------------------------------------------

DATABASE = Path("var/desk.sqlite3")


def test_migrate_makes_a_desk_and_again_changes_nothing() -> None:
    answer = run("migrate")
    assert answer.exit_code == 0, answer.output
    assert re.search(r"at version \d{4}\.", answer.output)
    before = sql(DATABASE, "SELECT version, state FROM config_version")
    assert before == [(1, "published")]
    assert run("migrate").exit_code == 0
    assert sql(DATABASE, "SELECT version, state FROM config_version") == before


def test_rules_are_changed_by_file(tmp_path: Path) -> None:
    run("migrate")
    file = tmp_path / "rules.json"
    body = json.loads(run("config", "show").output)
    file.write_text(json.dumps(body), encoding="utf-8")
    assert run("config", "diff", str(file)).output == "Nothing differs.\n"

    queue = body["queues"][0]
    before, queue["priority"] = queue["priority"], 33
    file.write_text(json.dumps(body), encoding="utf-8")
    assert run("config", "check", str(file)).exit_code == 0
    differs = run("config", "diff", str(file)).output.splitlines()
    assert differs == [f"queues.{queue['id']}.priority: changed", f"  - {before}", "  + 33"]
    assert run("config", "publish", str(file)).output == "Version 2 is in force.\n"
    assert json.loads(run("config", "show").output) == {**body, "version": 2}
    again = run("config", "publish", str(file))
    assert again.exit_code == 1, "it was made from version 1"
    assert "Version 2 is in force" in again.output

    assert run("config", "roll-back", "1").output == "Version 3 is in force, with the rules of version 1.\n"
    assert json.loads(run("config", "show").output)["queues"][0]["priority"] == before
    lines = [line.split(maxsplit=6) for line in run("config", "versions").output.splitlines()]
    assert [(line[0], line[1], line[6:]) for line in lines] == [
        ("3", "published", ["the rules of version 1 again"]),
        ("2", "retired", ["from rules.json by the command line"]),
        ("1", "retired", []),
    ]


def test_a_wrong_rule_is_named_and_changes_nothing(tmp_path: Path) -> None:
    run("migrate")
    body = json.loads(run("config", "show").output)
    body["queues"][0]["target_s"] = -1
    body["time_zone"] = "Europe/Nowhere"
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    for verb in ("check", "publish"):
        answer = run("config", verb, str(file))
        assert answer.exit_code == 1
        assert f"queues.{body['queues'][0]['id']}.target_s: must be at least 1" in answer.output
        assert "time_zone: 'Europe/Nowhere' is not known" in answer.output, "all of it at once"
    answer = run("config", "diff", str(file))
    assert answer.exit_code == 1, "what is no configuration differs in nothing that can be said"
    assert f"queues.{body['queues'][0]['id']}.target_s: must be at least 1" in answer.output
    assert "version" not in answer.output
    assert sql(DATABASE, "SELECT version, state FROM config_version") == [(1, "published")]
    (tmp_path / "rules.toml").write_text("queues = [", encoding="utf-8")
    assert "cannot be read" in run("config", "check", str(tmp_path / "rules.toml")).output
    (tmp_path / "rules.yaml").write_text("queues:\n  - id: service\n", encoding="utf-8")
    said = run("config", "check", str(tmp_path / "rules.yaml")).output
    assert "rules.yaml cannot be read: it must be TOML, or JSON with a name that ends in .json" in said


def test_a_file_made_from_another_version_is_warned_of(tmp_path: Path) -> None:
    run("migrate")
    body = json.loads(run("config", "show").output)
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({**body, "version": 7}), encoding="utf-8")
    check = run("config", "check", str(file))
    assert check.exit_code == 1
    assert "version: Version 1 is in force, and this file was made from version 7" in check.output
    assert "1 fault in" in check.output
    diff = run("config", "diff", str(file))
    assert diff.exit_code == 0
    assert diff.stdout == "Nothing differs.\n"
    assert "Version 1 is in force, and this file was made from version 7" in diff.stderr


def test_a_version_that_is_no_number_is_called_so() -> None:
    answer = run("config", "roll-back", "abc")
    assert answer.exit_code == 2
    assert "'abc' is not a valid whole number." in answer.output


def test_migrate_works_on_postgres(postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres_server.execute("CREATE DATABASE desk_cli")
    monkeypatch.setenv("SERVICE_DESK_DATABASE_URL", postgres_server.url("desk_cli"))
    assert "is empty" in run("audit").output
    assert run("migrate").exit_code == 0
    added = run("user", "add", "ruth", "--name", "Ruth", "--password-stdin", given="correct horse battery\n")
    assert added.exit_code == 0, added.output
    answer = run("audit")
    assert (answer.exit_code, answer.output) == (0, "Nothing wrong: rows, log and router agree.\n")
    postgres_server.execute("DROP DATABASE desk_cli WITH (FORCE)")


@pytest.mark.parametrize("command", [["serve"], ["audit"], ["user", "add", "x", "--name", "X"]])
def test_an_empty_database_is_told_apart(command: list[str], own_folder: Path) -> None:
    answer = run(*command)
    assert answer.exit_code == 1
    assert "is empty. Run: service-desk migrate" in answer.output
    assert not DATABASE.exists(), "looking makes no file"


def test_somebody_is_added_and_can_be_known_by_password() -> None:
    run("migrate")
    answer = run(
        *("user", "add", "Anna", "--name", "Anna Lindqvist", "--role", "supervisor", "--password-stdin"),
        *("--queues", "service, repair", "--skills", "german=4,english"),
        given="correct horse battery\n",
    )
    assert (answer.exit_code, answer.output) == (0, "Anna Lindqvist can sign in as anna (supervisor).\n")
    ((login, role, queues, skills, hashed),) = sql(
        DATABASE, "SELECT login, role, queues, skills, password_hash FROM agent"
    )
    assert (login, role) == ("anna", "supervisor")
    assert json.loads(queues) == ["service", "repair"]
    assert json.loads(skills) == {"german": 4, "english": 1}
    assert argon2.PasswordHasher().verify(hashed, "correct horse battery")


def test_the_password_is_asked_twice_and_not_shown() -> None:
    run("migrate")
    answer = run(
        "user", "add", "ben", "--name", "Ben", given="correct horse battery\ncorrect horse battery\n"
    )
    assert answer.exit_code == 0, answer.output
    assert answer.output.count("Password:") == 1
    assert "Repeat for confirmation" in answer.output
    assert "horse" not in answer.output


@pytest.mark.parametrize(
    ("arguments", "given", "code", "words"),
    [
        (["--password-stdin"], "short\n", 1, "A password has 10 to 200 characters."),
        (["--password-stdin", "--queues", "service,garden"], "correct horse battery\n", 1, "no queue garden"),
        (["--role", "boss"], "", 2, "'boss' is not one of"),
        (["--skills", "german=9"], "", 2, "levels from 1 to 5"),
    ],
)
def test_who_cannot_be_added_is_refused_in_words(
    arguments: list[str], given: str, code: int, words: str
) -> None:
    run("migrate")
    answer = run("user", "add", "carla", "--name", "Carla", *arguments, given=given)
    assert answer.exit_code == code
    assert words in answer.output
    assert "Traceback" not in answer.output
    assert sql(DATABASE, "SELECT count(*) FROM agent") == [(0,)]


def test_a_login_is_taken_once() -> None:
    run("migrate")
    david = ("user", "add", "david", "--name", "D", "--password-stdin")
    assert run(*david, given="correct horse battery\n").exit_code == 0
    answer = run(*david, given="correct horse battery\n")
    assert answer.exit_code == 1
    assert "The login david is taken." in answer.output


def test_audit_says_what_it_found_and_fails() -> None:
    run("migrate")
    assert run("audit").exit_code == 0
    sql(DATABASE, "UPDATE positions SET event = event - 1")
    answer = run("audit")
    assert answer.exit_code == 1
    head, row = answer.output.splitlines()[:2]
    assert head.split() == ["CHECK", "SUBJECT", "FINDING"]
    assert row.split()[:2] == ["streams", "event"]
    assert row.index("the newest") == head.index("FINDING"), "columns line up"
    assert "1 finding." in answer.output


# --- serve --------------------------------------------------------------------------------------------------

PROGRAM = [sys.executable, "-c", "from service_desk.cli import main; main()"]


class Process:
    """The command line as a process, its output in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.output = folder / f"{arguments[0]}-{time.monotonic_ns()}.txt"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [*PROGRAM, *arguments],
                cwd=folder,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def address(self, words: str) -> str:
        """The address that it prints after some words, once it does."""

        def found() -> Any:
            assert self.process.poll() is None, self.said()
            return re.search(words + r"\s+(http://127\.0\.0\.1:\d+)", self.said())

        match: re.Match[str] = until(found, START_S)
        return match[1]

    def stop(self, number: int = signal.SIGINT) -> float:
        """Send a signal and wait; how many seconds it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(START_S)
        return time.monotonic() - started


@contextlib.contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Process]:
    process = Process(folder, *arguments)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def serve_settings(folder: Path) -> None:
    (folder / "desk.toml").write_text("[server]\nport = 0\n")


def test_serve_answers_until_it_is_told_to_stop(own_folder: Path) -> None:
    serve_settings(own_folder)
    run("migrate")
    with running(own_folder, "serve", "--config", "desk.toml") as server:
        address = server.address("The desk answers at")
        assert get(f"{address}/health")["status"] == "ok", (
            "the first rules name accounts, but nobody gave any yet"
        )
        for account in ("phone account phone-main", "email account mail-main", "sms account text-main"):
            assert account in server.said(), "the log says what is to be given"
        seconds = server.stop(signal.SIGTERM)
        assert server.process.returncode == 0, server.said()
    assert seconds < STOP_S
    assert run("audit").exit_code == 0


def test_a_second_server_on_the_same_file_is_refused(own_folder: Path) -> None:
    serve_settings(own_folder)
    run("migrate")
    with running(own_folder, "serve", "--config", "desk.toml") as first:
        first.address("The desk answers at")
        answer = run("serve", "--config", "desk.toml")
        assert answer.exit_code == 1
        assert f"Another server (process {first.process.pid}) is working on var" in answer.output
        again = run("config", "roll-back", "1")
        assert again.exit_code == 1
        assert "POST /api/v1/config/drafts" in again.output, "what can be done beside a server is said"
        first.process.kill()
        first.process.wait()
    with running(own_folder, "serve", "--config", "desk.toml") as second:
        second.address("The desk answers at")  # the lock went with the killed process


def test_on_sqlite_the_roles_stay_together() -> None:
    run("migrate")
    answer = run("serve", "--roles", "web")
    assert answer.exit_code == 2
    assert "On SQLite one process does everything" in answer.output
    answer = run("serve", "--roles", "web,cook")
    assert answer.exit_code == 2
    assert "there are web, route, send" in answer.output


# --- demo ---------------------------------------------------------------------------------------------------


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(),
    reason="Looks for processes in /proc, which is Linux's: run it there.",
)


def carrier_of(pid: int) -> int:
    """The process id of a demo's carrier."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"channels.simulator" in stat.with_name("cmdline").read_bytes():
                return int(stat.parent.name)
    raise AssertionError(f"process {pid} has no carrier")


def alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sign_in(address: str, login: str, password: str) -> Any:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    request = urllib.request.Request(
        f"{address}/api/v1/session",
        json.dumps({"login": login, "password": password}).encode(),
        {"Content-Type": "application/json", "Origin": address},
    )
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


@needs_proc
@pytest.mark.timeout(300)
def test_the_demo_from_first_start_to_third(own_folder: Path) -> None:
    with running(own_folder, "demo", "--port", "0", "--traffic", "600") as demo:
        address = demo.address("is open at")
        assert get(f"{address}/health")["status"] == "ok"
        for role, login in (("agent", "anna"), ("supervisor", "martin"), ("admin", "ruth")):
            password = re.search(rf"{role}\s+password (\S+)\s+logins .*\b{login}\b", demo.said())
            assert password, demo.said()
            assert sign_in(address, login, password[1])["me"]["role"] == role
        assert len(get(f"{address}/simulator-api/people")) == 300
        database = own_folder / "var" / "demo.sqlite3"
        until(lambda: sql(database, "SELECT 1 FROM interaction WHERE state = 'queued' LIMIT 1"), START_S)
        carrier = carrier_of(demo.process.pid)
        seconds = demo.stop(signal.SIGINT)
        assert demo.process.returncode == 0, demo.said()
        assert "Traceback" not in demo.said(), demo.said()
    assert seconds < STOP_S
    assert not alive(carrier)
    left = {path.name for path in own_folder.iterdir()} - {demo.output.name}
    assert left == {"var"}
    with running(own_folder, "demo", "--port", "0", "--traffic", "0") as again:
        again.address("is open at")
        assert "Making the demo's people" not in again.said()
        waiting = "SELECT count(*) FROM interaction WHERE state IN ('menu', 'queued', 'offered', 'active')"
        until(lambda: sql(database, waiting) == [(0,)], START_S)
        again.stop(signal.SIGTERM)
        assert again.process.returncode == 0, again.said()
    assert run_audit_on(database) == 0
    with running(own_folder, "demo", "--port", "0", "--traffic", "0") as killed:
        killed.address("is open at")
        carrier = carrier_of(killed.process.pid)
        killed.process.kill()
        killed.process.wait()
        until(lambda: not alive(carrier), 10)


def run_audit_on(database: Path) -> int:
    settings = database.parent / "audit.toml"
    settings.write_text(f'database_url = "sqlite:///{database}"\n')
    answer = run("audit", "--config", str(settings))
    assert answer.exit_code == 0, answer.output
    return answer.exit_code


def test_a_taken_port_is_one_sentence_and_leaves_no_data(own_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = run("demo", "--port", str(port))
    assert answer.exit_code == 1
    assert f"Port {port} of this machine is taken" in answer.output
    assert not (own_folder / "var" / "demo.sqlite3").exists()


def test_fresh_does_not_touch_a_demo_that_runs(own_folder: Path) -> None:
    from service_desk.storage.file_lock import only_server

    database = own_folder / "var" / "demo.sqlite3"
    with only_server(f"sqlite:///{database}"):
        database.write_bytes(b"precious")
        answer = run("demo", "--port", "0", "--fresh")
        assert answer.exit_code == 1
        assert "Another server" in answer.output
        assert database.read_bytes() == b"precious"
