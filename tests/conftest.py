"""What every test can ask for: a migrated database of its own, PostgreSQL, Redis, a browser.

`db_url` is the usual one: the test then runs twice, on SQLite and on PostgreSQL.
"""

import gc
import shutil
import socket
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import servers
from tests.postgres_pool import PostgresPool
from tests.quick import log_plainly, share_compiled, work_in_memory

# A slow machine is no counterexample; the blob replays a failure that another machine found.
hypothesis.settings.register_profile("suite", deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")
share_compiled()
log_plainly()


def pytest_configure(config: pytest.Config) -> None:
    """The long tests measure, also the disk."""
    if "not soak" in config.option.markexpr:
        work_in_memory()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the tests without the collector, and spare it from then on what stays to the end.

    Compiled modules and thousands of tests are made here and no garbage: to look for some took a quarter of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)  # less often than Python does by itself, as in a desk that serves
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let all tests that lack the same server share one line of the summary, not one line each."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        _, _, reason = report.longrepr
        if reason.removeprefix("Skipped: ") in servers.HINTS:
            report.longrepr = (servers.__file__, 1, reason)
    return report


def prepare_database(url: str) -> None:
    """Bring the empty database at this address to the newest schema, as `service-desk migrate` does."""
    from service_desk.storage.store import migrate

    migrate(url)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.PostgresServer]:
    """This worker's PostgreSQL server. Do not stop it; `own_postgres_server` is for that."""
    programs = servers.required(servers.find_postgres(), servers.POSTGRES_HINT)
    with servers.postgres_server(programs) as server:
        yield server


@pytest.fixture
def own_postgres_server() -> Iterator[servers.PostgresServer]:
    """A PostgreSQL server for this test alone, which may stop and start it. Takes about a second."""
    programs = servers.required(servers.find_postgres(), servers.POSTGRES_HINT)
    with servers.postgres_server(programs) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[servers.RedisServer]:
    """This worker's Redis or Valkey server. Do not stop it; `own_redis_server` is for that."""
    program = servers.required(servers.find_redis(), servers.REDIS_HINT)
    with servers.redis_server(program) as server:
        yield server


@pytest.fixture
def own_redis_server() -> Iterator[servers.RedisServer]:
    """A Redis or Valkey server for this test alone, which may stop and start it. Takes about 20 ms."""
    program = servers.required(servers.find_redis(), servers.REDIS_HINT)
    with servers.redis_server(program) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: servers.RedisServer) -> str:
    """The address of an empty Redis database."""
    with socket.create_connection(("127.0.0.1", redis_server.port), timeout=5) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(16).startswith(b"+OK")
    return redis_server.url


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file; copying it is quicker than migrating for each test."""
    path = tmp_path_factory.mktemp("template") / "desk.sqlite3"
    prepare_database(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:  # what still lies in the log beside the file comes into it
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: servers.PostgresServer) -> str:
    """The name of a migrated PostgreSQL database that nobody else opens."""
    postgres_server.execute("CREATE DATABASE desk_template")
    prepare_database(postgres_server.url("desk_template"))
    return "desk_template"


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a migrated SQLite file of this test alone."""
    path = tmp_path / "desk.sqlite3"
    shutil.copyfile(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def _postgres_pool(
    postgres_server: servers.PostgresServer, _postgres_template: str
) -> Iterator[PostgresPool]:
    """This worker's databases."""
    pool = PostgresPool(postgres_server, _postgres_template)
    yield pool
    pool.close()


@pytest.fixture
def postgres_url(postgres_server: servers.PostgresServer, _postgres_pool: PostgresPool) -> Iterator[str]:
    """The address of a migrated PostgreSQL database that this test has for itself."""
    name = _postgres_pool.take()
    yield postgres_server.url(name)
    _postgres_pool.give_back(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def db_url(request: pytest.FixtureRequest) -> str:
    """The address of a migrated database of this test alone: first on SQLite, then on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program, for Playwright's `executable_path`."""
    return servers.required(servers.find_browser(), servers.BROWSER_HINT)
