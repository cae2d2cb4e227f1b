import os
import stat
from pathlib import Path
from typing import Any

import pytest

from service_desk.settings import BadSettings, Settings, load_settings, signing_key
from tests.service_desk.web.world import PHONE


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("SERVICE_DESK_"):
            monkeypatch.delenv(name)


def from_text(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "desk.toml"
    path.write_text(text)
    return load_settings(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 1", "prot: this setting is not known"),
        ("[server]\nprot = 1", "server.prot: this setting is not known. Did you mean port?"),
        (
            "[limits]\njson_body = 5",
            "limits.json_body: this setting is not known. Did you mean json_body_bytes?",
        ),
        ("[server]\nport = 70000", "server.port: "),
        ("[accounts.fax.main]\n", "no channel 'fax'; there are "),
        ("[accounts.phone.main]\nauth_tokn = 'x'", "phone.main.auth_tokn: this setting is not known"),
        ("roles = ['web', 'cook']", "roles.1: "),
        ("trusted_proxies = ['everybody']", "trusted_proxies.0: "),
        ("[server]\nhost = '0.0.0.0'", "server.public_base is needed"),
        ("[server]\npublic_base = 'http://desk.example.org'", "must be https"),
        ("[server]\npublic_base = 'https://desk.example.org/?a'", "no user, query or fragment"),
        (
            "[server]\nhost = '10.0.0.1'\npublic_base = 'https://d.example'\n[simulator]\nenabled = true",
            "without a password",
        ),
        ("[simulator]\nurl = 'http://10.0.0.1:80'", "listens on this machine"),
        ("[secrets]\nkey = 'short'", "secrets.key: "),
        ("[server\n", "no valid TOML"),
        *(
            (f"redis_url = '{url}'", "redis_url: write it like redis://:password@host:6379/0, or rediss://")
            for url in (
                "",
                "redis",
                "redis:h",
                "http://h:6379",
                "redis://h:port",
                "redis://h:70000",
                "redis:///0",
                "redis://:pass@/0",
                "redis://h/first",
                "redis://h/0/1",
                "redis://[::1",
                "redis://h?socket_timeout=soon",
            )
        ),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadSettings) as refused:
        from_text(tmp_path, text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p@h:1/15?protocol=3", "redis://[::1]:6379/", "unix:///r.sock?db=1"]
)
def test_an_address_of_redis_is_taken_as_its_client_reads_it(tmp_path: Path, url: str) -> None:
    settings = from_text(tmp_path, f"redis_url = '{url}'")
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == url


def test_every_mistake_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_DESK_SERVR__PORT", "1")
    monkeypatch.setenv("SERVICE_DESK_SERVER__HOSST", "1")
    with pytest.raises(BadSettings) as refused:
        from_text(tmp_path, "colour = 'red'\n[limits]\nfoo = 1")
    for name in ("SERVICE_DESK_SERVR__PORT", "server.hosst", "colour", "limits.foo"):
        assert name in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"no-such\.toml cannot be read"):
        load_settings(tmp_path / "no-such.toml")


def test_the_environment_beats_the_file_and_the_command_line_beats_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(
        "[server]\nhost = '127.0.0.2'\nport = 1\n[limits]\nlogin_threads = 3\nlogin_waiting = 7\n"
    )
    monkeypatch.setenv("SERVICE_DESK_SERVER__PORT", "2")
    monkeypatch.setenv("service_desk_limits__login_threads", "4")
    monkeypatch.setenv("SERVICE_DESK_ROLES", "web, send")
    monkeypatch.setenv("SERVICE_DESK_TRUSTED_PROXIES", "10.0.0.0/8,::1")
    settings = load_settings(path, server={"port": 3})
    assert (settings.server.host, settings.server.port) == ("127.0.0.2", 3)
    assert (settings.limits.login_threads, settings.limits.login_waiting) == (4, 7)
    assert settings.roles == ("web", "send")
    assert settings.trusts("10.9.9.9")
    assert not settings.trusts("11.0.0.1")
    assert not settings.trusts("not an address")


def test_names_of_the_build_and_the_tests_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUILD_UI", "TEST_REQUIRE", "TWILIO_OPENAPI", "URL", "CONFIG"):
        monkeypatch.setenv(f"SERVICE_DESK_{name}", "1")
    load_settings()


def test_no_secret_is_ever_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_DESK_DATABASE_URL", "postgresql://desk:hushhush@db/desk")
    monkeypatch.setenv("SERVICE_DESK_SECRETS__KEY", "hushhush" * 4)
    phone = {**PHONE, "auth_token": "hushhush" * 4, "api_key_secret": "hushhush" * 4}
    settings = load_settings(accounts={"phone": {"main": phone}})
    assert "hushhush" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    phone["auth_token"] = "hushhush"
    with pytest.raises(BadSettings) as refused:
        load_settings(accounts={"phone": {"main": phone}}, secrets={"key": "hushhush"})
    assert "phone.main.auth_token" in str(refused.value)
    assert "hushhush" not in f"{refused.value} {refused.value!r}"


def test_the_key_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    settings = load_settings(var_dir=str(tmp_path / "var"))
    key = signing_key(settings)
    assert len(key) >= 32
    assert signing_key(settings) == key
    path = tmp_path / "var" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]
    path.chmod(0o644)
    with pytest.raises(BadSettings, match="chmod 600"):
        signing_key(settings)


def test_a_cluster_needs_a_common_key(tmp_path: Path) -> None:
    over: dict[str, Any] = {"redis_url": "redis://127.0.0.1:1", "var_dir": str(tmp_path)}
    with pytest.raises(BadSettings, match="all nodes must have the same"):
        signing_key(load_settings(**over))
    path = tmp_path / "given.key"
    path.write_bytes(b"0" * 31)
    path.chmod(0o600)
    with pytest.raises(BadSettings, match="holds 31 bytes"):
        signing_key(load_settings(**over, secrets={"key_file": str(path)}))
    assert signing_key(load_settings(**over, secrets={"key": "k" * 32})) == b"k" * 32


def test_our_own_pages() -> None:
    local = load_settings(server={"port": 9000, "allowed_origins": ["http://localhost:5173"]})
    for origin in (
        "http://127.0.0.1:9000",
        "http://localhost:9000",
        "http://[::1]:9000",
        "http://localhost:5173",
    ):
        assert local.is_own_origin(origin)
    for origin in ("null", "http://127.0.0.1:9001", "https://127.0.0.1:9000", "http://evil.example:9000", ""):
        assert not local.is_own_origin(origin)
    public = load_settings(server={"host": "10.0.0.1", "public_base": "https://desk.example.org/"})
    assert public.public_base == "https://desk.example.org"
    assert public.is_own_origin("https://desk.example.org")
    for origin in (
        "http://desk.example.org",
        "https://desk.example.org:444",
        "https://desk.example.org.evil.example",
    ):
        assert not public.is_own_origin(origin)
    assert (local.cookie_name, public.cookie_name) == ("desk_session", "__Host-desk")
