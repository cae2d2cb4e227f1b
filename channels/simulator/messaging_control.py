"""The control API's part for texts: play a customer with a mobile phone, and see what stands on it."""

from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Annotated

from aiohttp import web
from pydantic import Field, StringConstraints

from channels.simulator.bodies import (
    BadRequestError,
    Body,
    event_bytes,
    last_event_id,
    problem,
    read_body,
    stream,
)
from channels.simulator.messages import message_json
from channels.simulator.messaging import BusyError, Messaging
from channels.twilio_settings import PhoneNumber

THREADS_SHOWN = 200
MEDIA_MAX = 10
PICTURES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})

MediaType = Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]+$", max_length=100)]


class NewMedium(Body):
    """A picture or file that a customer sends along. `data` is base64."""

    media_type: MediaType
    data: Annotated[str, StringConstraints(min_length=1)]


class NewText(Body):
    """A text of a customer."""

    customer: PhoneNumber = Field(alias="from")
    to: str | None = None
    text: Annotated[str, StringConstraints(max_length=1_600)] = ""
    media: tuple[NewMedium, ...] = Field(default=(), max_length=MEDIA_MAX)


class OurNumber(Body):
    """One of the desk's numbers; without it all of them."""

    to: str | None = None


class PhoneCondition(Body):
    """How texts to a phone end: an error code of the provider, or null when it is well."""

    error_code: int | None = Field(ge=10_000, le=99_999)


class MessagingControl:
    """The routes below /control/texts."""

    def __init__(self, messaging: Messaging) -> None:
        self._messaging = messaging

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        thread = r"/control/texts/{customer:\+[1-9][0-9]{6,14}}"
        return [
            web.get("/control/texts", self._list),
            web.post("/control/texts", self._text),
            web.get("/control/texts/media/{media_sid}", self._medium),
            web.get(thread, self._thread),
            web.get(f"{thread}/events", self._events),
            web.post(f"{thread}/opt-out", self._opt_out),
            web.post(f"{thread}/opt-in", self._opt_in),
            web.put(f"{thread}/phone", self._set_phone),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        """Numbers to text to, and customers who have texted or were texted, the liveliest first."""
        threads = self._messaging.book.threads()[:THREADS_SHOWN]
        routes = self._messaging.routes.values()
        return web.json_response(
            {
                "numbers": [{"number": route.number, "label": route.label} for route in routes],
                "threads": [{"customer": customer, "newest": message_json(one)} for customer, one in threads],
                "last": self._messaging.book.last,
            }
        )

    async def _text(self, request: web.Request) -> web.Response:
        wish = await read_body(request, NewText)
        if not wish.text and not wish.media:
            raise BadRequestError(problem(400, "Write something or send a picture.", "text"))
        try:
            media = tuple((b64decode(one.data, validate=True), one.media_type) for one in wish.media)
        except ValueError as error:
            raise BadRequestError(problem(400, "This is not base64.", "media")) from error
        try:
            message = self._messaging.text(wish.customer, wish.to, wish.text, media)
        except BusyError as error:
            raise BadRequestError(problem(429, "Too many texts are on their way.")) from error
        return web.json_response({"message_sid": message.sid}, status=201)

    async def _thread(self, request: web.Request) -> web.Response:
        return self._shown(request.match_info["customer"])

    def _shown(self, customer: str) -> web.Response:
        messaging = self._messaging
        return web.json_response(
            {
                "customer": customer,
                "messages": [message_json(message) for message in messaging.book.thread(customer)],
                "opted_out_of": messaging.blocked_numbers(customer),
                "error_code": messaging.phone_fails_with(customer),
                "last": messaging.book.last,
            }
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-Sent Events: each message that is new or has changed, as it is now."""
        return await stream(request, self._changes(request.match_info["customer"], last_event_id(request)))

    async def _changes(self, customer: str, after: int) -> AsyncIterator[bytes]:
        async for number, message in self._messaging.book.follow(customer, after):
            yield event_bytes(number, "text", message_json(message))

    async def _opt_out(self, request: web.Request) -> web.Response:
        customer = request.match_info["customer"]
        for number in await self._meant(request):
            self._messaging.opt_out(customer, number)
        return self._shown(customer)

    async def _opt_in(self, request: web.Request) -> web.Response:
        customer = request.match_info["customer"]
        for number in await self._meant(request):
            self._messaging.opt_in(customer, number)
        return self._shown(customer)

    async def _meant(self, request: web.Request) -> list[str]:
        to = (await read_body(request, OurNumber)).to
        if to is not None and to not in self._messaging.routes:
            raise BadRequestError(problem(404, f"no number {to} takes texts", "to"))
        return [to] if to is not None else list(self._messaging.routes)

    async def _set_phone(self, request: web.Request) -> web.Response:
        customer = request.match_info["customer"]
        self._messaging.set_phone(customer, (await read_body(request, PhoneCondition)).error_code)
        return self._shown(customer)

    async def _medium(self, request: web.Request) -> web.Response:
        """A picture, for the page. Anything else comes as bytes: a page of ours must not run what somebody sent."""
        found = self._messaging.book.medium(request.match_info["media_sid"])
        if found is None:
            raise BadRequestError(problem(404, "There is no such picture or file.", "media_sid"))
        content, media_type = found
        shown_as = media_type if media_type in PICTURES else "application/octet-stream"
        return web.Response(
            body=content, headers={"Content-Type": shown_as, "X-Content-Type-Options": "nosniff"}
        )
