"""The SMS adapter holds the contract; its settings refuse what cannot be."""

from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from channels import load
from channels.contract import AccountId, Channel, DeliveryChanged, TextControl, TextReceived
from channels.sms.plugin import PLUGIN, open_sms
from channels.testing import ContractSuite, Example
from tests.channels.pretend import API_KEY_SECRET, AUTH_TOKEN, NUMBER, signed
from tests.channels.sms.pretend_texts import RECORDED_TEXTS, SMS_ACCOUNT, SMS_BASE, sms_settings


class TestSms(ContractSuite):
    def open(self) -> Channel:
        return open_sms(AccountId(SMS_ACCOUNT), sms_settings(), "https://desk.example")

    def examples(self) -> Sequence[Example]:
        return [
            Example(
                path.partition("?")[0],
                signed(f"{SMS_BASE}/{path}", form),
                TextReceived if path == "incoming" else DeliveryChanged,
            )
            for path, form in RECORDED_TEXTS.values()
        ]

    def secrets(self) -> Sequence[str]:
        return (AUTH_TOKEN, API_KEY_SECRET)

    def test_it_controls_texts(self) -> None:
        assert isinstance(self.open(), TextControl)


def test_it_is_found() -> None:
    assert load.find("sms") is PLUGIN


@pytest.mark.parametrize(
    "wrong",
    [
        {"numbers": []},
        {"numbers": ["4155550100"]},  # ten digits are neither E.164 nor a short code
        {"numbers": [NUMBER, NUMBER]},
        {"messaging_service_sid": "MG1"},
        {"validity_s": 5},
        {"messages_per_second": 0},
        {"api_base_url": "http://twilio.example"},
        {"twiml_app_sid": "AP" + "3" * 32},
    ],
)
def test_settings_refuse(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        sms_settings(**wrong)


@pytest.mark.parametrize(
    ("account", "base"),
    [("Sms Main", "https://desk.example"), ("sms-main", "http://desk.example"), ("sms-main", "desk.example")],
)
def test_what_cannot_stand_in_a_url(account: str, base: str) -> None:
    with pytest.raises(ValueError, match=r"must be|is named"):
        open_sms(AccountId(account), sms_settings(), base)
