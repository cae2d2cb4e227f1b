"""The SMS channel: puts verify, parse, render and send together for one account."""

from collections.abc import Sequence

from channels.contract import (
    AccountId,
    DeliveryChanged,
    FetchedMedia,
    Health,
    InboundEvent,
    Limits,
    Outbound,
    OutboundMessage,
    Plugin,
    SendFailed,
    Sent,
    Webhook,
    WebhookRequest,
)
from channels.sms import parse, render
from channels.sms.segments import TEXT_CHARACTERS
from channels.sms.send import TwilioTexts
from channels.sms.settings import SmsSettings
from channels.sms.verify import open_verifier
from channels.twilio_settings import plain_account_name, plain_base_url

ATTACHMENT_BYTES = 5_000_000
"""All of a message together, by the provider's limit."""


class SmsChannel:
    """One account for texts. It is also the TextControl of its messages."""

    def __init__(self, account: AccountId, settings: SmsSettings, public_base: str) -> None:
        plain_account_name(account)
        self._account = account
        self._verifier = open_verifier(settings)
        self._texts = TwilioTexts(settings, f"{plain_base_url(public_base)}/hooks/sms/{account}/status")
        self._limits = Limits(
            text_characters=TEXT_CHARACTERS,
            attachment_bytes=ATTACHMENT_BYTES,
            requests_per_second=settings.messages_per_second,
        )

    @property
    def name(self) -> str:
        return "sms"

    @property
    def account(self) -> AccountId:
        return self._account

    @property
    def limits(self) -> Limits:
        return self._limits

    def webhooks(self) -> Sequence[Webhook]:
        """`incoming` is told to the provider (as fallback, too); `status` goes along with each message of ours."""
        return (
            Webhook("incoming", self._parse_incoming, render.empty_document, max_bytes=64_000),
            Webhook("status", self._parse_status, render.nothing, max_bytes=64_000),
        )

    async def run(self) -> None:
        """Returns at once: the provider comes to us."""

    async def send(self, message: Outbound) -> Sent:
        if not isinstance(message, OutboundMessage):
            raise SendFailed(f"this is no text message ({message.key})")
        return await self._texts.send(message)

    async def look_up(
        self, message: OutboundMessage, since: int, known: frozenset[str] = frozenset()
    ) -> Sent | None:
        return await self._texts.look_up(message, since, known)

    async def delivery(self, provider_id: str) -> DeliveryChanged | None:
        return await self._texts.delivery(provider_id)

    async def fetch_media(self, url: str, max_bytes: int = ATTACHMENT_BYTES) -> FetchedMedia:
        return await self._texts.fetch_media(url, max_bytes)

    async def health(self) -> Health:
        return await self._texts.health()

    async def close(self) -> None:
        await self._texts.close()

    def _parse_incoming(self, request: WebhookRequest) -> InboundEvent:
        form = self._verifier.form(request, parse.INCOMING_RULES)
        parse.no_query(request.url)
        return parse.text_received(form)

    def _parse_status(self, request: WebhookRequest) -> InboundEvent:
        form = self._verifier.form(request, parse.STATUS_RULES)
        return parse.delivery_changed(form, parse.key_of(request.url))


def open_sms(account: AccountId, settings: SmsSettings, public_base: str) -> SmsChannel:
    """An account from its validated settings. ValueError for a public base or account name that cannot be."""
    return SmsChannel(account, settings, public_base)


PLUGIN = Plugin(name="sms", settings=SmsSettings, open=open_sms)
