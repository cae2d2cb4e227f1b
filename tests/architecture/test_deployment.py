"""What config/ has for running a cluster fits the desk as it is, and the programs that will read it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from channels.email.settings import EmailSettings
from service_desk.settings import Limits, load_settings
from service_desk.web.problems import MACHINE_PATHS
from tests.cluster.nginx import NGINX_HINT, find_nginx, proxy_file
from tests.servers import free_port, required

CONFIG = Path(__file__).resolve().parents[2] / "config"
NODES = ("desk-1", "desk-2")


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CONFIG / "compose.yaml").read_text(encoding="utf-8"))
    return found


def test_the_settings_of_the_composed_nodes_are_taken(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*NODES, "migrate"):
        service = compose["services"][name]
        with monkeypatch.context() as environment:
            for variable, value in service["environment"].items():
                environment.setenv(variable, value)
            environment.setenv("SERVICE_DESK_SECRETS__KEY", "k" * 64)
            settings = load_settings(None)
        assert settings.database_url.get_secret_value() == "postgresql://desk@postgres/desk"
        assert settings.redis_url is not None
        assert settings.nodes_expected == len(NODES)
        port = settings.server.port
        assert f":{port}/health/ready" in service["healthcheck"].get("test", [f":{port}/health/ready"])[-1]
        assert settings.trusts("172.30.0.5")
        assert compose["networks"]["default"]["ipam"]["config"] == [{"subnet": "172.30.0.0/24"}]


def test_the_composed_nodes_start_after_what_they_need(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services, name
            if how["condition"] == "service_healthy":
                assert "test" in services[needed]["healthcheck"], needed
    assert services["desk-1"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["migrate"]["command"] == ["service-desk", "migrate"]


def test_what_the_entry_point_hands_over(compose: dict[str, Any], tmp_path: Path) -> None:
    """Run as the container does, with the secrets in another folder: they become settings, and the command runs."""
    (tmp_path / "database").write_text("db-word\n")
    (tmp_path / "desk_key").write_text("k" * 40 + "\n")
    shell, option, script, name = compose["services"]["desk-1"]["entrypoint"]
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    show = "import os; print(os.environ['PGPASSWORD'], os.environ['SERVICE_DESK_SECRETS__KEY'])"
    run = subprocess.run(
        [shell, option, script, name, sys.executable, "-c", show], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["db-word", "k" * 40]


def test_the_cluster_file_is_taken_and_says_what_a_cluster_needs() -> None:
    settings = load_settings(CONFIG / "cluster.toml")
    assert settings.redis_url is not None
    assert settings.secrets.key_file is not None
    assert settings.nodes_expected > 1


# --- the proxy ------------------------------------------------------------------------------------------------


def bytes_of(size: str) -> int:
    return int(size[:-1]) * {"k": 1 << 10, "m": 1 << 20}[size[-1]]


def test_the_proxy_lets_through_what_the_desk_takes() -> None:
    text = (CONFIG / "proxy.conf").read_text(encoding="utf-8")
    usual, files = (bytes_of(size) for size in re.findall(r"client_max_body_size (\w+);", text))
    limits = Limits()
    assert usual >= max(limits.text_body_bytes, limits.webhook_body_bytes)
    assert files >= EmailSettings.model_fields["listener"].get_default(call_default_factory=True).mail_bytes
    places = set(re.findall(r"location (?:= |~ \^)?/\(?([\w|]+)", text))
    named = {name for place in places for name in place.split("|")}
    assert named - {"api"} <= MACHINE_PATHS
    assert {"live", "chat", "hooks", "metrics", "health"} <= named


def test_nginx_takes_the_file(tmp_path: Path) -> None:
    nginx = required(find_nginx(), NGINX_HINT)
    file = proxy_file(tmp_path, free_port(), ["127.0.0.1:1", "127.0.0.1:2"])
    command = [nginx, "-t", "-q", "-p", str(tmp_path), "-c", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, re.findall(r"\[(?:emerg|warn|crit)\].*", run.stderr)) == (0, []), run.stderr


# --- systemd --------------------------------------------------------------------------------------------------


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze not found. Install: apt-get install systemd")
    text = (CONFIG / "service-desk.service").read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=(\S+) serve ", text, re.MULTILINE)
    assert command is not None
    unit = tmp_path / "service-desk.service"
    unit.write_text(text.replace(command[1], "/bin/true"), encoding="utf-8")
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout + run.stderr) == (0, "")
