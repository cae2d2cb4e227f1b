"""The mail channel holds the contract, is found by name, and its settings refuse what cannot be."""

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from channels import load
from channels.contract import AccountId, Channel, MailDoor, Outbound, OutboundMessage, SendFailed
from channels.email.plugin import EmailChannel, open_email
from channels.testing import ContractSuite, Example
from tests.channels.email.mails import PASSWORD, TOKENS, email_settings
from tests.channels.email.test_send import outbound

RELAY = {"host": "relay.example", "user": "desk", "password": PASSWORD}


class TestEmail(ContractSuite):
    def open(self) -> Channel:
        return EmailChannel(AccountId("mail-main"), email_settings(relay=RELAY), TOKENS)

    def examples(self) -> Sequence[Example]:
        return ()

    def too_much(self, characters: int) -> Outbound:
        return outbound(text="x" * characters)

    def secrets(self) -> Sequence[str]:
        return (PASSWORD, "a" * 32)


def test_it_is_found_by_name_and_is_a_door() -> None:
    plugin = load.find("email")
    channel = plugin.open(
        AccountId("mail-main"),
        plugin.settings.model_validate({"mailbox": "Help@Desk.example", "relay": RELAY}),
        "https://desk.example",
    )
    assert isinstance(channel, MailDoor)
    assert channel.name == "email"


async def test_a_message_without_an_address_is_refused() -> None:
    with pytest.raises(SendFailed):
        await open_email(AccountId("mail-main"), email_settings(), "x").send(
            OutboundMessage("k", "a@b.example", "x")
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mailbox", "nobody"),
        ("mailbox", "Help <help@desk.example>"),
        ("mailbox", "hélp@desk.example"),
        ("aliases", ["x"]),
        ("display_name", "a\r\nBcc: x@y"),
        ("relay", {"host": "relay.example", "tls": "none"}),
        ("relay", {"host": "relay.example", "user": "x"}),
        ("relay", {"host": "a b"}),
        ("listener", {"mail_bytes": 0}),
        ("listener", {"port": 70_000}),
        ("unknown", 1),
    ],
)
def test_settings_name_the_wrong_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        email_settings(**{field: value})
    assert caught.value.errors()[0]["loc"][0] == field


def test_settings_do_not_show_secrets() -> None:
    settings = email_settings(relay=RELAY)
    assert PASSWORD not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize("account", ["", "Mail", "a/b", "x" * 64])
def test_account_names_are_path_segments(account: str) -> None:
    with pytest.raises(ValueError, match="account"):
        open_email(AccountId(account), email_settings(), "https://desk.example")
