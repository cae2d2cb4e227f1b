"""A little desk around the SMS channel, and a customer with a mobile phone at the control API."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from channels.contract import (
    Accepted,
    AccountId,
    ChannelError,
    DeliveryChanged,
    InboundEvent,
    NotInteresting,
    Rejected,
    WebhookRequest,
)
from channels.simulator.server import RunningSimulator
from channels.simulator.serving import serving
from channels.simulator.settings import TextRoute
from channels.sms.plugin import SmsChannel, open_sms
from channels.sms.settings import SmsSettings
from tests.channels.people import sse
from tests.channels.pretend import NUMBER
from tests.channels.sms.pretend_texts import CUSTOMER, SMS_ACCOUNT

Kind = TypeVar("Kind")


class TextDesk:
    """Receives webhooks over real HTTP and remembers the events."""

    def __init__(self) -> None:
        self.channel: SmsChannel
        self.base_url = ""
        self.events: list[InboundEvent] = []
        self.refusals: list[ChannelError] = []
        self._more = asyncio.Condition()

    def route(self, number: str = NUMBER, **more: Any) -> TextRoute:
        url = f"{self.base_url}/hooks/sms/{SMS_ACCOUNT}/incoming"
        return TextRoute(number=number, sms_url=url, fallback_url=url, **more)

    async def next(
        self, kind: type[Kind], fits: Callable[[Kind], bool] = lambda _: True, number: int = 1
    ) -> list[Kind]:
        """So many events of a kind that fit, now or later."""
        async with self._more, asyncio.timeout(10):
            while True:
                found: list[Kind] = [
                    event for event in self.events if isinstance(event, kind) and fits(event)
                ]
                if len(found) >= number:
                    return found
                await self._more.wait()

    async def fared(self, message_id: str, status: str) -> DeliveryChanged:
        """The first report of a message's status."""
        (first, *_) = await self.next(
            DeliveryChanged, lambda event: (event.message_id, event.status) == (message_id, status)
        )
        return first

    async def hook(self, request: web.Request) -> web.Response:
        webhooks = {webhook.name: webhook for webhook in self.channel.webhooks()}
        webhook = webhooks[request.match_info["endpoint"]]
        headers = {name.lower(): value for name, value in request.headers.items()}
        plain = WebhookRequest("POST", f"{self.base_url}{request.rel_url}", headers, await request.read())
        try:
            event = webhook.parse(plain)
        except NotInteresting:
            return web.Response()
        except ChannelError as error:
            self.refusals.append(error)
            return web.Response(status=403 if isinstance(error, Rejected) else 400)
        async with self._more:
            self.events.append(event)
            self._more.notify_all()
        answer = webhook.render(Accepted())
        content_type = {"Content-Type": answer.content_type} if answer.body else {}
        return web.Response(status=answer.status, body=answer.body or None, headers=content_type)


@asynccontextmanager
async def listening(settings: SmsSettings) -> AsyncIterator[TextDesk]:
    """A little desk on a free port."""
    desk = TextDesk()
    app = web.Application()
    app.router.add_post(f"/hooks/sms/{SMS_ACCOUNT}/{{endpoint}}", desk.hook)
    async with serving(app, shutdown_s=0.5) as base_url:
        desk.base_url = base_url
        desk.channel = open_sms(AccountId(SMS_ACCOUNT), settings, base_url)
        yield desk
        await desk.channel.close()


class Mobile:
    """A customer's phone at the control API, as the /simulator page has it."""

    def __init__(
        self, session: aiohttp.ClientSession, simulator: RunningSimulator, number: str = CUSTOMER
    ) -> None:
        self.session = session
        self.number = number
        self.base = f"{simulator.base_url}/control/texts"

    async def texts(self, text: str, *media: tuple[str, bytes], **more: Any) -> str:
        """Send a text; its id."""
        sent = [{"media_type": kind, "data": base64.b64encode(data).decode()} for kind, data in media]
        body = {"from": self.number, "text": text, "media": sent, **more}
        async with self.session.post(self.base, json=body) as response:
            assert response.status == 201, await response.text()
            return str((await response.json())["message_sid"])

    async def shows(self) -> dict[str, Any]:
        """The thread and the phone's condition."""
        async with self.session.get(f"{self.base}/{self.number}") as response:
            assert response.status == 200, await response.text()
            shown: dict[str, Any] = await response.json()
            return shown

    async def arrived(self) -> list[tuple[str, bool]]:
        """What stands on it: words, and whether the carrier wrote them itself."""
        messages = (await self.shows())["messages"]
        return [
            (one["text"], one["by_carrier"]) for one in messages if one["arrived"] and not one["incoming"]
        ]

    async def until(self, after: int = 0, **facts: Any) -> dict[str, Any]:
        """Follow the thread until a message is as wanted."""
        url = f"{self.base}/{self.number}/events?last_event_id={after}"
        async with asyncio.timeout(10), self.session.get(url) as response:
            async for event in sse(response):
                if all(event.get(name) == value for name, value in facts.items()):
                    return event
        raise AssertionError(f"the stream ended without {facts}")

    async def breaks(self, error_code: int | None) -> None:
        url = f"{self.base}/{self.number}/phone"
        async with self.session.put(url, json={"error_code": error_code}) as response:
            assert response.status == 200, await response.text()

    async def act(self, what: str, **body: Any) -> dict[str, Any]:
        async with self.session.post(f"{self.base}/{self.number}/{what}", json=body) as response:
            answered: dict[str, Any] = await response.json()
            return {"http_status": response.status, **answered}
