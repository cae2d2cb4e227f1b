"""What every adapter must hold. Subclass `ContractSuite` in a test module and let pytest find the methods.

class TestMyChannel(ContractSuite):
    def open(self): return open_mine(AccountId("mine-1"), settings, "https://desk.example")
    def examples(self): return [Example("incoming", signed_request, MessageReceived)]
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from channels.contract import (
    Accepted,
    Answer,
    Ask,
    Channel,
    ChannelError,
    HangUp,
    Hold,
    InboundEvent,
    Join,
    Outbound,
    OutboundMessage,
    Prompt,
    Rejected,
    SendFailed,
    Sent,
    Webhook,
    WebhookRequest,
    WebhookResponse,
)

ANSWERS: tuple[Answer, ...] = (
    Hold(Prompt("One moment.\x00 <b>&amp; \u202e", language="xx"), pause_s=0),
    Hold(Prompt("", language="de", music_url="https://desk.example/music.mp3?a=1&b=2")),
    Hold(Prompt("Press 1."), offers_callback=True),
    Ask(Prompt("1 or 2? " * 1_000), timeout_s=0, attempt=9),
    Join("int_1", role="customer"),
    Join("int_1", role="agent"),
    HangUp(),
    HangUp(Prompt("Good bye.", language="fr-CA")),
    Accepted(),
)
"""Every kind of answer, with the ugliest values that the desk may give."""

JUNK = (b"", b"\x00", b"\xff\xfe", b"%", b"=&=&=", b"a=1&a=1", b"{}", b"[" * 1_000, b"x" * 300_000)


@dataclass(frozen=True, slots=True)
class Example:
    """A genuine request to one webhook, and the type of the event that it is."""

    webhook: str
    request: WebhookRequest
    event: type[InboundEvent]


class ContractSuite:
    """Tests that hold for every adapter. `open` and `examples` are the adapter's part."""

    def open(self) -> Channel:
        """A channel with test settings."""
        raise NotImplementedError

    def examples(self) -> Sequence[Example]:
        """At least one genuine request for each webhook."""
        raise NotImplementedError

    def secrets(self) -> Sequence[str]:
        """The secrets in the test settings: no message may hold one."""
        return ()

    def too_much(self, characters: int) -> Outbound:
        """A message of the channel's own kind, with so many characters of text."""
        return OutboundMessage("key-1", "somebody", "x" * characters)

    # --- the tests ---

    def test_names_and_limits(self) -> None:
        channel = self.open()
        names = [webhook.name for webhook in channel.webhooks()]
        _require(len(set(names)) == len(names), "webhook names are unique")
        for name in names:
            _require(
                name.isascii() and name.isalnum() and name.islower(), f"{name!r} is a plain path segment"
            )
        for webhook in channel.webhooks():
            _require(0 < webhook.max_bytes <= 1_000_000, f"{webhook.name} limits its body")
        _require(channel.limits.text_characters >= 0, "the limit of text is not negative")

    def test_every_webhook_has_an_example(self) -> None:
        webhooks = {webhook.name for webhook in self.open().webhooks()}
        shown = {example.webhook for example in self.examples()}
        _require(shown == webhooks, f"examples for {sorted(webhooks ^ shown)}")

    def test_examples_become_events(self) -> None:
        for webhook, example in self._pairs():
            event = webhook.parse(example.request)
            _require(isinstance(event, example.event), f"{example.webhook} gives {example.event.__name__}")

    def test_the_same_request_is_the_same_event(self) -> None:
        """A retry is recognised by its dedupe key, also by another process."""
        again = {webhook.name: webhook for webhook in self.open().webhooks()}
        for webhook, example in self._pairs():
            first, second = webhook.parse(example.request), again[webhook.name].parse(example.request)
            _require(first == second, f"{example.webhook} is parsed by its content only")
            _require(getattr(first, "dedupe_key", "x") != "", f"{example.webhook} has a dedupe key")

    def test_forged_requests_are_rejected(self) -> None:
        """Whatever a signature covers: without any credentials nothing gets in."""
        for webhook, example in self._pairs():
            bare = {"content-type": example.request.headers.get("content-type", "")}
            try:
                webhook.parse(replace(example.request, headers=bare))
            except Rejected:
                continue
            raise AssertionError(f"{webhook.name} takes a request without a signature")

    def test_junk_raises_channel_errors_only(self) -> None:
        for webhook, example in self._pairs():
            for body in JUNK:
                for headers in (example.request.headers, {}, {"content-type": "application/json"}):
                    self._refused(webhook, replace(example.request, body=body, headers=headers))

    def test_every_answer_can_be_rendered(self) -> None:
        for webhook in self.open().webhooks():
            for answer in ANSWERS:
                response = webhook.render(answer)
                _require(isinstance(response, WebhookResponse), f"{webhook.name} answers {answer}")
                _require(200 <= response.status < 300, f"{webhook.name} answers {answer} with success")

    def test_an_outage_is_answered_with_success_or_503(self) -> None:
        for webhook in self.open().webhooks():
            if webhook.outage is not None:
                _require(
                    200 <= webhook.outage.status < 300, f"{webhook.name} keeps the customer during an outage"
                )

    def test_sending_too_much_is_refused_for_good(self) -> None:
        channel = self.open()
        message = self.too_much(channel.limits.text_characters + 1)

        async def send() -> Sent:
            try:
                return await channel.send(message)
            finally:
                await channel.close()

        try:
            asyncio.run(send())
        except SendFailed as error:
            _require(error.retry_after_s is None, "too long today is too long tomorrow")
        else:
            raise AssertionError("text over the limit is refused")

    def test_closing_twice_is_no_error(self) -> None:
        async def close_twice() -> None:
            channel = self.open()
            await channel.close()
            await channel.close()

        asyncio.run(close_twice())

    def test_no_secret_in_words(self) -> None:
        """Neither a channel's own words nor its errors hold a secret."""
        words = [repr(self.open())]
        for webhook, example in self._pairs():
            words += [repr(self._refused(webhook, replace(example.request, body=body))) for body in JUNK]
        for secret in self.secrets():
            _require(not any(secret in word for word in words), "a secret shows")

    # --- helpers ---

    def _pairs(self) -> Iterator[tuple[Webhook, Example]]:
        webhooks = {webhook.name: webhook for webhook in self.open().webhooks()}
        for example in self.examples():
            yield webhooks[example.webhook], example

    @staticmethod
    def _refused(webhook: Webhook, request: WebhookRequest) -> ChannelError:
        try:
            webhook.parse(request)
        except ChannelError as error:
            return error
        raise AssertionError(f"{webhook.name} takes junk")


def _require(holds: object, what: str) -> None:
    """An assert that also works under -O."""
    if not holds:
        raise AssertionError(f"broken: {what}")
