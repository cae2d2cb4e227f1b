"""What we ask of the provider about texts. No request is repeated here: the outbox decides that.

Sending is not idempotent at the provider, and it takes no key of ours. After a time-out or a 5xx nobody knows
whether the text went out. Two things settle it:

- the callback. Each request names a status URL of its own, with our key in it, and that URL is signed. A callback
  with the key proves that the provider has the message, and says its id. That none has come proves nothing.
- `look_up`, which reads the provider's list. What it finds and what that is worth stands there.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from twilio.rest.api.v2010.account.message import MessageInstance

from channels.contract import (
    DeliveryChanged,
    FetchedMedia,
    Health,
    NotInteresting,
    OutboundMessage,
    OutboundText,
    SendFailed,
    Sent,
)
from channels.sms.errors import QUEUE_FULL, explain
from channels.sms.media import MediaShelf
from channels.sms.parse import KEY, OURS, delivery
from channels.sms.segments import count_segments, plain_text
from channels.sms.settings import SmsSettings
from channels.sms.verify import MEDIA_MAX
from channels.twilio_rest import PatientHttpClient, Refused, account_health, mapped, open_account
from channels.twilio_settings import LOOPBACK_HOSTS

NOT_FOUND = 20404
QUEUE_FULL_RETRY_S = 30.0
LOOKED_THROUGH = 200
"""Messages to one number, newest first, in which a lost one is looked for."""
PAGE = 100
CLOCKS_APART = timedelta(seconds=5)
"""The provider keeps whole seconds, and its clock is not ours."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TwilioTexts:
    """Sends texts of one account and reads how they fare. `status_url` is where callbacks go, without a query."""

    def __init__(self, settings: SmsSettings, status_url: str) -> None:
        self._settings = settings
        self._status_url = status_url
        self._http = PatientHttpClient(settings.request_timeout_s)
        self._account = open_account(settings, self._http)
        self._media = MediaShelf(settings)

    async def send(self, message: OutboundMessage) -> Sent:
        """Give a text to the provider.

        Raises SendFailed with a sentence for the agent (permanent, unless the provider is busy or cannot be
        reached), or OutcomeUnknown: then read back before sending again.
        """
        parameters = self._parameters(message)
        try:
            made = await mapped(self._account.messages.create_async(**parameters))
        except Refused as refusal:
            retry_after_s = QUEUE_FULL_RETRY_S if refusal.number == QUEUE_FULL else None
            raise SendFailed(explain(refusal.number).words, retry_after_s, refusal.code) from refusal
        return Sent(str(made.sid))

    async def look_up(
        self, message: OutboundMessage, since: int, known: frozenset[str] = frozenset()
    ) -> Sent | None:
        """The oldest message of the provider's list that is like this one and was made since that instant.

        Like means: outgoing, to the same number, from the same one if the message names one, with the same text
        and as many attachments, and not `known` as another message of ours. `since` is when the attempt began
        (microseconds); five seconds are allowed for clocks.

        What is certain: such a message exists, the customer gets these words, so sending again would double them.
        What is not: that it is this attempt's, if the same words went to the same number at the same time and
        the other's id is not in `known`. None is no proof, either, within the first minute (a slow request may
        yet be carried out; the list may lag), behind more than 200 newer messages to that number, or where a
        messaging service replaces signs in the text. After a minute without a callback, None is as good as it
        gets. Raises SendFailed or OutcomeUnknown when the list cannot be read.
        """
        sender = self._sender(message)
        filters: dict[str, Any] = {"to": message.to} | ({"from_": sender} if sender else {})
        found = await mapped(
            self._account.messages.list_async(**filters, page_size=PAGE, limit=LOOKED_THROUGH)
        )
        earliest = EPOCH + timedelta(microseconds=since) - CLOCKS_APART
        alike = [one for one in found if _alike(one, message, earliest) and str(one.sid) not in known]
        return Sent(str(alike[-1].sid)) if alike else None

    async def delivery(self, provider_id: str) -> DeliveryChanged | None:
        """How a message fares now; None when the provider knows no such message of ours."""
        try:
            message = await mapped(self._account.messages(provider_id).fetch_async())
        except Refused as refusal:
            if refusal.number == NOT_FOUND:
                return None
            raise
        code = None if message.error_code is None else str(message.error_code)
        try:
            return delivery(provider_id, str(message.status), code)
        except NotInteresting:  # a customer's own message
            return None

    async def fetch_media(self, url: str, max_bytes: int) -> FetchedMedia:
        """The content of a customer's picture or file. Raises SendFailed."""
        return await self._media.fetch(url, max_bytes)

    async def health(self) -> Health:
        """Whether the account answers, in one small request."""
        return await account_health(self._account)

    async def close(self) -> None:
        """Close the connections; safe to repeat."""
        await self._http.close()

    def _parameters(self, message: OutboundMessage) -> dict[str, Any]:
        """The request, checked as far as we can tell what the provider will refuse."""
        text, media = plain_text(message.text), _media_urls(message)
        if count_segments(text).too_long:
            raise _refused(21617)
        if not text.strip() and not media:
            raise _refused(21602)
        if not OURS.fullmatch(message.to):
            raise _refused(21211)
        if not KEY.fullmatch(message.key):
            raise SendFailed("the key cannot stand in a URL")
        parameters: dict[str, Any] = {
            "to": message.to,
            "status_callback": f"{self._status_url}?key={message.key}",
            **self._from(message),
        }
        parameters |= {"body": text} if text.strip() else {}
        parameters |= {"media_url": list(media)} if media else {}
        validity_s = self._settings.validity_s
        return parameters | ({"validity_period": validity_s} if validity_s is not None else {})

    def _sender(self, message: OutboundMessage) -> str | None:
        """The number that the message asks for, if it is ours (any more)."""
        sender = message.sender if isinstance(message, OutboundText) else None
        return sender if sender in self._settings.numbers else None

    def _from(self, message: OutboundMessage) -> dict[str, str]:
        settings, sender = self._settings, self._sender(message)
        service = settings.messaging_service_sid
        if service is None:
            return {"from_": sender or settings.numbers[0]}
        return {"messaging_service_sid": service} | ({"from_": sender} if sender else {})


def _refused(code: int) -> SendFailed:
    return SendFailed(explain(code).words, code=str(code))


def _media_urls(message: OutboundMessage) -> tuple[str, ...]:
    urls = message.media_urls if isinstance(message, OutboundText) else ()
    if len(urls) > MEDIA_MAX:
        raise _refused(21623)
    if not all(_fetchable(url) for url in urls):
        raise _refused(21620)
    return urls


def _fetchable(url: str) -> bool:
    """Whether the provider may be told this address: https, or on this machine for the simulator."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    return secure and bool(parts.hostname) and url.isascii() and url.isprintable() and " " not in url


def _alike(one: MessageInstance, message: OutboundMessage, earliest: datetime) -> bool:
    media = message.media_urls if isinstance(message, OutboundText) else ()
    created = one.date_created
    return (
        str(one.direction).startswith("outbound")
        and str(one.body or "").strip() == plain_text(message.text).strip()
        and int(one.num_media or 0) == len(media)
        and created is not None
        and created >= earliest
    )
