"""The part of the provider's REST API that is about texts: create, read and list messages, and their media.

Checked as the real one does, with its codes, and stricter: what it takes and this carrier would have to ignore
is refused.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from channels.simulator.legs import API_VERSION
from channels.simulator.messages import Medium, Message
from channels.simulator.messaging import OPTED_OUT, REFUSED_BELOW, BusyError, Messaging
from channels.simulator.pace import new_sid
from channels.simulator.rest_shapes import (
    INSTANT,
    INVALID,
    PAGING,
    TEXT,
    URL,
    ApiError,
    Rule,
    between,
    date_text,
    matches,
    not_found,
    page_json,
    page_of,
    read_parameters,
)
from channels.simulator.settings import SimulatorSettings

BODY_CHARACTERS = 1_600
MEDIA_MAX = 10
DAY_US = 86_400_000_000

INVALID_TO, SAME_NUMBER, NO_BODY, NO_FROM, NO_TO, NOT_OURS = 21211, 21266, 21602, 21603, 21604, 21606
BAD_CALLBACK, QUEUE_FULL, TOO_LONG, BAD_MEDIA, TOO_MANY_MEDIA = 21609, 21611, 21617, 21620, 21623

_any = matches(r"(?s:.*)")
_recipient = matches(r"\+[1-9][0-9]{6,14}")

CREATE_MESSAGE: Mapping[str, Rule] = {
    "To": _any,
    "From": _any,
    "MessagingServiceSid": matches("MG[0-9a-fA-F]{32}"),
    "Body": lambda value: "\x00" not in value and "\ufffd" not in value,
    "MediaUrl": _any,
    "StatusCallback": _any,
    "ValidityPeriod": between(1, 36_000),
}
"""Those without a rule have an error code of their own, below."""
LIST_MESSAGES: Mapping[str, Rule] = {
    **PAGING,
    "To": TEXT,
    "From": TEXT,
    **{f"DateSent{sign}": INSTANT for sign in ("", "<", ">")},
}
NOTHING: Mapping[str, Rule] = {}

TextHandler = Callable[[web.Request, dict[str, str]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class TextApiRoute:
    """One operation: which parameters it takes and what it does."""

    method: str
    path: str
    rules: Mapping[str, Rule]
    handler: TextHandler


class MessagesRest:
    """Operations on the messages of one account."""

    def __init__(self, messaging: Messaging, settings: SimulatorSettings) -> None:
        self._messaging = messaging
        self._settings = settings

    def routes(self, base: str) -> tuple[TextApiRoute, ...]:
        """All operations; `base` is the account's path."""
        message = f"{base}/Messages/{{message_sid}}"
        return (
            TextApiRoute("POST", f"{base}/Messages.json", CREATE_MESSAGE, self._create),
            TextApiRoute("GET", f"{base}/Messages.json", LIST_MESSAGES, self._list),
            TextApiRoute("GET", f"{message}.json", NOTHING, self._fetch),
            TextApiRoute("GET", f"{message}/Media/{{media_sid}}", NOTHING, self._medium),
        )

    async def _create(self, request: web.Request, parameters: dict[str, str]) -> web.Response:
        media = [value for name, value in await read_parameters(request) if name == "MediaUrl"]
        _check_content(parameters, media)
        message = self._message(parameters, media)
        self._refuse_recipient(message)
        try:
            self._messaging.submit(message)
        except BusyError:
            raise ApiError(429, QUEUE_FULL, "This 'From' number has exceeded its queued messages") from None
        return web.json_response(self._json(message), status=201)

    def _message(self, parameters: Mapping[str, str], media: list[str]) -> Message:
        to, service_sid = parameters["To"], parameters.get("MessagingServiceSid")
        return Message(
            sid=new_sid("MM" if media else "SM"),
            customer=to,
            sender=self._sender(parameters),
            to=to,
            body=parameters.get("Body", ""),
            direction="outbound-api",
            status="queued" if service_sid is None else "accepted",
            media=tuple(Medium(url, "application/octet-stream") for url in media),
            service_sid=service_sid,
            status_callback=parameters.get("StatusCallback"),
        )

    def _sender(self, parameters: Mapping[str, str]) -> str | None:
        """Whose number it comes from. Raises ApiError unless it is the account's, and the service's if one is named."""
        sender, service_sid = parameters.get("From"), parameters.get("MessagingServiceSid")
        if service_sid is None:
            if sender is None:
                raise ApiError(400, NO_FROM, "A 'From' phone number is required.")
            numbers = tuple(self._messaging.routes)
        else:
            service = self._messaging.services.get(service_sid)
            if service is None:
                raise ApiError(404, 20404, f"The messaging service {service_sid} was not found")
            numbers = service.numbers
        if sender is None:
            return self._messaging.sender_for(parameters["To"], service_sid or "")
        if sender not in numbers:
            raise ApiError(400, NOT_OURS, f"The 'From' phone number {sender} is not yours")
        return sender

    def _refuse_recipient(self, message: Message) -> None:
        if message.sender is not None and self._messaging.opted_out(message.to, message.sender):
            raise ApiError(400, OPTED_OUT, "Attempt to send to unsubscribed recipient")
        code = self._messaging.phone_fails_with(message.to)
        if code is not None and code < REFUSED_BELOW:
            raise ApiError(400, code, f"Refused by the 'To' number's condition ({code})")

    async def _list(self, request: web.Request, parameters: dict[str, str]) -> dict[str, Any]:
        found = [message for message in self._messaging.book.newest_first() if _fits(message, parameters)]
        page = page_of([self._json(message) for message in found], parameters)
        return page_json(request, "messages", page)

    async def _fetch(self, request: web.Request, _parameters: dict[str, str]) -> dict[str, Any]:
        message = self._messaging.book.get(request.match_info["message_sid"])
        if message is None:
            raise not_found(request)
        return self._json(message)

    async def _medium(self, request: web.Request, _parameters: dict[str, str]) -> web.Response:
        found = self._messaging.book.medium(request.match_info["media_sid"])
        if found is None:
            raise not_found(request)
        content, media_type = found
        return web.Response(body=content, headers={"Content-Type": media_type})

    def _json(self, message: Message) -> dict[str, Any]:
        base = f"/{API_VERSION}/Accounts/{self._settings.account_sid}/Messages/{message.sid}"
        failed = message.error_code is not None
        return {
            "sid": message.sid,
            "account_sid": self._settings.account_sid,
            "api_version": API_VERSION,
            "body": message.body,
            "date_created": date_text(message.created_at),
            "date_sent": date_text(message.sent_at),
            "date_updated": date_text(message.updated_at),
            "direction": message.direction,
            "error_code": message.error_code,
            "error_message": "The message did not arrive." if failed else None,
            "from": None if message.status == "accepted" else message.sender,
            "messaging_service_sid": message.service_sid,
            "num_media": str(len(message.media)),
            "num_segments": str(0 if message.status == "accepted" else message.segments),
            "price": None,
            "price_unit": "USD",
            "status": message.status,
            "subresource_uris": {"media": f"{base}/Media.json"},
            "to": message.to,
            "uri": f"{base}.json",
        }


def _check_content(parameters: Mapping[str, str], media: list[str]) -> None:
    """What the provider says about a request before it looks at its own numbers. Raises ApiError."""
    to, body = parameters.get("To", ""), parameters.get("Body", "")
    for wrong, code, message in (
        (not to, NO_TO, "A 'To' phone number is required."),
        (_utf16_length(body) > BODY_CHARACTERS, TOO_LONG, "The body exceeds the 1600 character limit."),
        (not body and not media, NO_BODY, "Message body is required."),
        (not _recipient(to), INVALID_TO, "The 'To' number is not a valid phone number."),
        (to == parameters.get("From"), SAME_NUMBER, "'To' and 'From' number cannot be the same"),
        (len(media) > MEDIA_MAX, TOO_MANY_MEDIA, "Number of media files exceeds allowed limit"),
        (not all(URL(url) for url in media), BAD_MEDIA, "Invalid media URL(s)"),
        (not URL(parameters.get("StatusCallback", "https://a")), BAD_CALLBACK, "Invalid StatusCallback"),
    ):
        if wrong:
            raise ApiError(400, code, message)


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _fits(message: Message, parameters: Mapping[str, str]) -> bool:
    """Whether a message is in a filtered list. One that was not sent yet has no date to be found by."""
    if parameters.get("To", message.to) != message.to:
        return False
    if parameters.get("From", message.sender) != message.sender:
        return False
    for sign in ("", "<", ">"):
        wanted = parameters.get(f"DateSent{sign}")
        if wanted is not None and not _sent_within(message.sent_at, sign, *_span(wanted)):
            return False
    return True


def _sent_within(sent_at: int | None, sign: str, start: float, end: float) -> bool:
    if sent_at is None:
        return False
    return (start if sign != "<" else -math.inf) <= sent_at < (end if sign != ">" else math.inf)


def _span(text: str) -> tuple[int, int]:
    """The day or the second that is meant, in microseconds. Raises ApiError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ApiError(400, INVALID, "Invalid value of parameter: DateSent") from error
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    start = int(instant.timestamp()) * 1_000_000
    return start, start + (DAY_US if "T" not in text else 1_000_000)
