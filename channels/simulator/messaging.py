"""The pretend carrier's texts: it takes ours, brings the customers', and keeps the list of who opted out."""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from typing import Any

from channels.simulator.courier import Courier, DeliveryError, Reply
from channels.simulator.grammar import TwimlError
from channels.simulator.legs import API_VERSION, PLACE
from channels.simulator.messages import Medium, Message, MessageBook, read_replies
from channels.simulator.pace import Pace, new_sid, now_us
from channels.simulator.record import Record
from channels.simulator.settings import MessagingService, NoSuchRouteError, SimulatorSettings, TextRoute
from channels.sms.segments import count_segments

QUEUED_S, SENDING_S, SENT_S = 0.3, 0.3, 0.8
"""Pretend seconds that a message of ours spends in each state."""
UNDER_WAY_MAX = 5_000
"""Messages of ours that are not over; beyond them the queue is full (21611)."""
BRINGING_MAX = 1_000
"""Messages of customers whose webhook is not yet answered."""
ORDER_PATIENCE_S = 1.0
"""So long (real seconds) a customer's message waits for the one before it; then it overtakes."""
REMEMBERED = 10_000
"""Customers whose opting out and whose phone's condition are kept."""
REFUSED_BELOW = 30_000
"""Codes below it refuse the request, the others end the message undelivered."""
OPTED_OUT = 21610

OUT_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
IN_WORDS = frozenset({"START", "UNSTOP", "YES"})
HELP_WORDS = frozenset({"HELP", "INFO"})
OUT_REPLY = "You will get no more messages from this number. Text START to get them again."
IN_REPLY = "You will get messages from this number again. Text STOP to end them, HELP for help."
HELP_REPLY = "Text STOP to end messages from this number."


class BusyError(Exception):
    """Too much is under way at once."""


class Messaging:
    """All texts of one account."""

    def __init__(self, settings: SimulatorSettings, pace: Pace, record: Record, courier: Courier) -> None:
        self._settings = settings
        self._pace = pace
        self._record = record
        self._courier = courier
        self.base_url = ""
        """Where this carrier is reached; set when it listens."""
        self.book = MessageBook()
        self.routes = {route.number: route for route in settings.texts}
        self.services = {service.sid: service for service in settings.messaging_services}
        self._opted_out: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._phones: OrderedDict[str, int] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._last_brought: dict[str, asyncio.Task[None]] = {}

    def set_routes(self, routes: tuple[TextRoute, ...], services: tuple[MessagingService, ...] = ()) -> None:
        """Add or replace where texts lead."""
        self.routes |= {route.number: route for route in routes}
        self.services |= {service.sid: service for service in services}

    # --- who gets texts ---

    def opted_out(self, customer: str, sender: str) -> bool:
        """Whether a customer wants no texts from this number, or from the service that it belongs to."""
        return (customer, self._scope(sender)) in self._opted_out

    def opt_out(self, customer: str, number: str) -> bool:
        """Block texts to a customer. False when they were blocked."""
        key = (customer, self._scope(number))
        known = key in self._opted_out
        self._opted_out[key] = None
        _forget_oldest(self._opted_out)
        return not known

    def opt_in(self, customer: str, number: str) -> bool:
        """Let texts through again. False when they were not blocked."""
        key = (customer, self._scope(number))
        known = key in self._opted_out
        self._opted_out.pop(key, None)
        return known

    def blocked_numbers(self, customer: str) -> list[str]:
        """Ours from which a customer gets nothing."""
        return sorted(number for number in self.routes if self.opted_out(customer, number))

    def phone_fails_with(self, customer: str) -> int | None:
        """The error code with which texts to this phone end; None when all is well."""
        return self._phones.get(customer)

    def set_phone(self, customer: str, error_code: int | None) -> None:
        """From now on texts to this phone end so; None makes it well again."""
        self._phones.pop(customer, None)
        if error_code is not None:
            self._phones[customer] = error_code
            _forget_oldest(self._phones)

    # --- ours ---

    def sender_for(self, customer: str, service_sid: str) -> str | None:
        """Which number of a service texts a customer: the one that did before, else the first."""
        numbers = self.services[service_sid].numbers
        before = [message.sender for message in self.book.thread(customer) if not message.incoming]
        return next((number for number in reversed(before) if number in numbers), next(iter(numbers), None))

    def submit(self, message: Message) -> None:
        """Take a message of ours on its way. BusyError when too many are under way."""
        if self._under_way >= UNDER_WAY_MAX:
            raise BusyError
        message.segments = count_segments(message.body).segments
        self.book.add(message)
        self._note(message)
        self._under_way += 1
        task = self._start(self._deliver(message))
        task.add_done_callback(self._delivered)

    async def _deliver(self, message: Message) -> None:
        await self._pace.rest(QUEUED_S)
        if message.status == "accepted":
            self._move(message, "queued")
        self._move(message, "sending")
        await self._pace.rest(SENDING_S)
        self._move(message, "sent")
        await self._pace.rest(SENT_S)
        code = self._phones.get(message.to)
        self._move(message, "delivered" if code is None else "undelivered", code)

    def _delivered(self, _done: "asyncio.Task[None]") -> None:
        self._under_way -= 1

    def _move(self, message: Message, status: str, error_code: int | None = None) -> None:
        self.book.move(message, status, error_code)
        self._note(message)
        if message.status_callback is not None:
            self._courier.tell(message.sid, message.status_callback, self._status_form(message))

    # --- the customers' ---

    def text(
        self, customer: str, to: str | None, body: str, media: tuple[tuple[bytes, str], ...] = ()
    ) -> Message:
        """A customer texts one of our numbers. NoSuchRouteError if nobody is there, BusyError if too many do."""
        to = to or next(iter(self.routes), None)
        route = self.routes.get(to or "")
        if to is None or route is None:
            raise NoSuchRouteError(f"no number {to} takes texts")
        if len(self._last_brought) >= BRINGING_MAX:
            raise BusyError
        sid = new_sid("MM" if media else "SM")
        service_sid = self._service_of(to)
        message = Message(
            sid=sid,
            customer=customer,
            sender=customer,
            to=to,
            body=body,
            direction="inbound",
            status="received",
            segments=max(count_segments(body).segments, 1),
            media=tuple(self._keep(sid, content, media_type) for content, media_type in media),
            service_sid=service_sid,
            sent_at=now_us(),
        )
        self.book.add(message)
        self._note(message)
        found = self._obey(message)
        self._bring_in_order(message, route, found if route.reports_opt_out else None)
        return message

    def _obey(self, message: Message) -> str | None:
        """Act on a keyword as the provider does by default, and answer it once. Returns STOP, START, HELP or None."""
        word = message.body.strip().upper()
        customer, number = message.customer, message.to
        if word in OUT_WORDS:
            if self.opt_out(customer, number):
                self._answer_itself(message, OUT_REPLY)
            return "STOP"
        if word in IN_WORDS:
            if self.opt_in(customer, number):
                self._answer_itself(message, IN_REPLY)
            return "START"
        if word in HELP_WORDS:
            if not self.opted_out(customer, number):
                self._answer_itself(message, HELP_REPLY)
            return "HELP"
        return None

    def _answer_itself(self, message: Message, words: str) -> None:
        """The carrier's own reply: the customer sees it, the desk does not."""
        reply = self._reply(message, words, status="delivered")
        reply.by_carrier = True
        self.book.add(reply)
        self._note(reply)

    def _bring_in_order(self, message: Message, route: TextRoute, opt_out_type: str | None) -> None:
        customer = message.customer
        before = self._last_brought.get(customer)
        task = self._start(self._bring(message, route, opt_out_type, before))
        self._last_brought[customer] = task
        task.add_done_callback(lambda done: self._brought(customer, done))

    def _brought(self, customer: str, done: "asyncio.Task[None]") -> None:
        if self._last_brought.get(customer) is done:
            del self._last_brought[customer]

    async def _bring(
        self,
        message: Message,
        route: TextRoute,
        opt_out_type: str | None,
        before: "asyncio.Task[None] | None",
    ) -> None:
        if before is not None:
            await asyncio.wait([before], timeout=ORDER_PATIENCE_S)
        form = self._incoming_form(message) | ({"OptOutType": opt_out_type} if opt_out_type else {})
        reply = await self._ask(route, form)
        if reply is None:
            return
        try:
            words = read_replies(reply.body, reply.content_type)
        except TwimlError as error:
            self._record.add("error", code=error.code, message=str(error), text=message.sid)
            return
        for text in words:
            if self.opted_out(message.customer, message.to):
                self._record.add("error", code=OPTED_OUT, message="opted out", text=message.sid)
            else:
                self.submit(self._reply(message, text, status="queued"))

    async def _ask(self, route: TextRoute, form: Mapping[str, str]) -> Reply | None:
        """Bring a text to its URL, then once to the fallback's; None when both fail: it is lost."""
        try:
            return await self._courier.ask(route.sms_url, "POST", form)
        except DeliveryError as error:
            self._record.add("error", code=error.code, message=str(error), text=form["MessageSid"])
            if route.fallback_url is None:
                return None
            again = {**form, "ErrorCode": str(error.code), "ErrorUrl": route.sms_url}
        try:
            return await self._courier.ask(route.fallback_url, "POST", again)
        except DeliveryError as error:
            self._record.add("error", code=error.code, message=str(error), text=form["MessageSid"])
            return None

    async def close(self) -> None:
        """Stop what is under way."""
        running = list(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    # --- shapes ---

    def _reply(self, message: Message, words: str, status: str) -> Message:
        return Message(
            sid=new_sid("SM"),
            customer=message.customer,
            sender=message.to,
            to=message.customer,
            body=words,
            direction="outbound-reply",
            status=status,
            segments=count_segments(words).segments,
        )

    def _status_form(self, message: Message) -> dict[str, str]:
        form = {
            "AccountSid": self._settings.account_sid,
            "ApiVersion": API_VERSION,
            "From": message.sender or "",
            "MessageSid": message.sid,
            "MessageStatus": message.status,
            "SmsSid": message.sid,
            "SmsStatus": message.status,
            "To": message.to,
        }
        form |= {"MessagingServiceSid": message.service_sid} if message.service_sid else {}
        return form | ({"ErrorCode": str(message.error_code)} if message.error_code is not None else {})

    def _incoming_form(self, message: Message) -> dict[str, str]:
        form = {
            "AccountSid": self._settings.account_sid,
            "ApiVersion": API_VERSION,
            "Body": message.body,
            "From": message.customer,
            "MessageSid": message.sid,
            "NumMedia": str(len(message.media)),
            "NumSegments": str(message.segments),
            "SmsMessageSid": message.sid,
            "SmsSid": message.sid,
            "SmsStatus": "received",
            "To": message.to,
        }
        form |= {f"{party}{part}": value for party in ("From", "To") for part, value in PLACE.items()}
        form |= {"MessagingServiceSid": message.service_sid} if message.service_sid else {}
        for number, medium in enumerate(message.media):
            form |= {f"MediaUrl{number}": medium.url, f"MediaContentType{number}": medium.media_type}
        return form

    def _keep(self, message_sid: str, content: bytes, media_type: str) -> Medium:
        sid = new_sid("ME")
        self.book.keep_medium(sid, content, media_type)
        path = f"/{API_VERSION}/Accounts/{self._settings.account_sid}/Messages/{message_sid}/Media/{sid}"
        return Medium(f"{self.base_url}{path}", media_type)

    def _scope(self, number: str) -> str:
        return self._service_of(number) or number

    def _service_of(self, number: str) -> str | None:
        return next((sid for sid, service in self.services.items() if number in service.numbers), None)

    def _note(self, message: Message) -> None:
        self._record.add(
            "text",
            text=message.sid,
            sender=message.sender,
            to=message.to,
            direction=message.direction,
            status=message.status,
            by_carrier=message.by_carrier,
            error_code=message.error_code,
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _forget_oldest(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
