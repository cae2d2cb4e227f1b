"""Adapters are found by name; settings refuse what they do not know."""

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
from pydantic import ValidationError

from channels import load
from channels.contract import AccountId, Plugin
from channels.phone.plugin import PLUGIN as PHONE
from channels.phone.plugin import open_phone
from channels.web_chat.settings import WebChatSettings
from tests.channels.pretend import API_KEY_SECRET, AUTH_TOKEN, phone_settings

FOREIGN = Plugin(name="pigeon", settings=WebChatSettings, open=open_phone)


def offering(monkeypatch: pytest.MonkeyPatch, *offers: tuple[str, str]) -> None:
    entries = EntryPoints(EntryPoint(name, value, load.ENTRY_POINT_GROUP) for name, value in offers)
    monkeypatch.setattr(load, "entry_points", lambda group: entries.select(group=group))


def test_our_own() -> None:
    assert load.find("phone") is PHONE
    assert load.find("web_chat").name == "web_chat"
    assert set(load.names()) >= {"phone", "web_chat"}


def test_an_installed_adapter_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    offering(monkeypatch, ("pigeon", f"{__name__}:FOREIGN"))
    assert load.find("pigeon").name == "pigeon"
    assert "pigeon" in load.names()


def test_nobody_takes_over_our_phone(monkeypatch: pytest.MonkeyPatch) -> None:
    offering(monkeypatch, ("phone", f"{__name__}:FOREIGN"))
    assert load.find("phone") is PHONE


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(load.UnknownChannelError, match="phone"):
        load.find("telegraph")


@pytest.mark.parametrize(
    "offers",
    [
        [("pigeon", f"{__name__}:FOREIGN"), ("pigeon", "other:PLUGIN")],
        [("raven", f"{__name__}:FOREIGN")],
        [("raven", f"{__name__}:offering")],
    ],
)
def test_bad_offers_are_refused(monkeypatch: pytest.MonkeyPatch, offers: list[tuple[str, str]]) -> None:
    offering(monkeypatch, *offers)
    with pytest.raises(load.BadPluginError):
        load.find(offers[0][0])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_sid", "AC1"),
        ("auth_token", "short"),
        ("numbers", []),
        ("numbers", ["0041 44 555 01 00"]),
        ("api_base_url", "http://api.twilio.example"),
        ("api_base_url", "ftp://127.0.0.1"),
        ("api_base_url", "https://user@api.twilio.com"),
        ("request_timeout_s", 0),
        ("tokens", "unknown key"),
    ],
)
def test_phone_settings_name_the_wrong_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        phone_settings(**{field: value})
    assert caught.value.errors()[0]["loc"][0] == field


def test_settings_do_not_show_secrets() -> None:
    shown = repr(phone_settings()) + str(phone_settings().model_dump())
    assert AUTH_TOKEN not in shown
    assert API_KEY_SECRET not in shown


@pytest.mark.parametrize("base", ["http://desk.example", "desk.example", "https://desk.example/?x=1", ""])
def test_the_public_base_must_be_usable(base: str) -> None:
    with pytest.raises(ValueError, match="must"):
        open_phone(AccountId("phone-main"), phone_settings(), base)


@pytest.mark.parametrize("account", ["", "Phone", "a/b", "a b", "../x", "x" * 64])
def test_account_names_are_path_segments(account: str) -> None:
    with pytest.raises(ValueError, match="account"):
        open_phone(AccountId(account), phone_settings(), "https://desk.example")


def test_softphone_tokens_have_limits(channel: Any) -> None:
    for agent in ("", "agent one", "AGENT", "agt_1;x"):
        with pytest.raises(ValueError, match="agent id"):
            channel.softphone_token(agent)
    for lifetime in (0, 86_401):
        with pytest.raises(ValueError, match="a day"):
            channel.softphone_token("agt_1", lifetime)
