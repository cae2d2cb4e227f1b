"""Both adapters hold the contract, and the suite catches an adapter that does not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from channels.contract import (
    AccountId,
    AgentDialled,
    CallbackAsked,
    CallChanged,
    CallStarted,
    CallWaiting,
    Channel,
    ConferenceChanged,
    CustomerAnswered,
    DigitsPressed,
    InboundEvent,
    Webhook,
    WebhookRequest,
)
from channels.phone.plugin import PhoneChannel, open_phone
from channels.testing import ContractSuite, Example
from channels.web_chat.plugin import open_web_chat
from channels.web_chat.settings import WebChatSettings
from tests.channels.pretend import ACCOUNT, API_KEY_SECRET, AUTH_TOKEN, BASE, RECORDED, phone_settings, signed

EVENTS: dict[str, type[InboundEvent]] = {
    "voice": CallStarted,
    "menu": DigitsPressed,
    "silent menu": DigitsPressed,
    "wait": CallWaiting,
    "callback": CallbackAsked,
    "customer": CustomerAnswered,
    "dialled": CallChanged,
    "agent": AgentDialled,
    "status": CallChanged,
    "join": ConferenceChanged,
    "leave": ConferenceChanged,
    "end": ConferenceChanged,
    "fallback": CallStarted,
}


class TestPhone(ContractSuite):
    def open(self) -> Channel:
        return open_phone(AccountId(ACCOUNT), phone_settings(), "https://desk.example")

    def examples(self) -> Sequence[Example]:
        return [
            Example(path.partition("?")[0], signed(f"{BASE}/{path}", form), EVENTS[name])
            for name, (path, form) in RECORDED.items()
        ]

    def secrets(self) -> Sequence[str]:
        return (AUTH_TOKEN, API_KEY_SECRET)


class TestWebChat(ContractSuite):
    def open(self) -> Channel:
        return open_web_chat(AccountId("site"), WebChatSettings(), "https://desk.example")

    def examples(self) -> Sequence[Example]:
        return ()


class _Broken(TestPhone):
    """A phone channel that believes anybody."""

    __test__ = False

    def open(self) -> Channel:
        class Gullible(PhoneChannel):
            def webhooks(self) -> Sequence[Webhook]:
                return [replace(webhook, parse=self._believe) for webhook in super().webhooks()]

            @staticmethod
            def _believe(request: WebhookRequest) -> InboundEvent:
                return CallWaiting(request.body.decode(errors="replace") + AUTH_TOKEN)

        return Gullible(AccountId(ACCOUNT), phone_settings(), "https://desk.example")


@pytest.mark.parametrize(
    "name",
    [
        "test_examples_become_events",
        "test_forged_requests_are_rejected",
        "test_junk_raises_channel_errors_only",
    ],
)
def test_the_suite_catches_a_gullible_adapter(name: str) -> None:
    with pytest.raises(AssertionError):
        getattr(_Broken(), name)()
