"""A desk of a hundred lines around the phone channel: enough to answer, too little to be the product."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from channels.contract import (
    Accepted,
    AccountId,
    AgentDialled,
    Answer,
    Ask,
    CallStarted,
    CallWaiting,
    ChannelError,
    DigitsPressed,
    Hold,
    InboundEvent,
    Join,
    NotInteresting,
    Prompt,
    Rejected,
    Webhook,
    WebhookRequest,
    WebhookResponse,
)
from channels.phone.plugin import PhoneChannel, open_phone
from channels.phone.settings import PhoneSettings
from channels.simulator.serving import serving
from channels.simulator.settings import AppRoute, NumberRoute
from tests.channels.pretend import ACCOUNT, APP_SID, NUMBER

Policy = Callable[[InboundEvent], Answer]
MENU = Ask(Prompt("For service press 1, for sales press 2."))
HOLD = Hold(Prompt("You are number 1 in the line."), pause_s=5)


def usual(event: InboundEvent) -> Answer:
    """Menu, then hold; agents join what they dial for."""
    match event:
        case CallStarted():
            return MENU
        case DigitsPressed(digits="") if event.attempt < 3:
            return Ask(MENU.prompt, attempt=event.attempt + 1)
        case DigitsPressed() | CallWaiting():
            return HOLD
        case AgentDialled():
            return Join(event.interaction_id, role="agent")
        case _:
            return Accepted()


class LittleDesk:
    """Receives webhooks over real HTTP, remembers the events, answers by a policy."""

    def __init__(self) -> None:
        self.channel: PhoneChannel
        self.base_url = ""
        self.policy: Policy = usual
        self.out = False
        self.stuck: set[str] = set()
        self.released = asyncio.Event()
        self.refusals: list[tuple[str, ChannelError]] = []
        self._events: list[InboundEvent] = []
        self._more = asyncio.Condition()

    @property
    def events(self) -> list[InboundEvent]:
        return list(self._events)

    def routes(self) -> tuple[tuple[NumberRoute, ...], tuple[AppRoute, ...]]:
        hooks = f"{self.base_url}/hooks/phone/{ACCOUNT}"
        number = NumberRoute(
            number=NUMBER,
            voice_url=f"{hooks}/voice",
            fallback_url=f"{hooks}/fallback",
            status_callback=f"{hooks}/status",
        )
        app = AppRoute(sid=APP_SID, voice_url=f"{hooks}/agent", status_callback=f"{hooks}/status")
        return (number,), (app,)

    async def event(self, wanted: Callable[[InboundEvent], bool], after: int = 0) -> InboundEvent:
        """The first event, now or later, that fits."""
        async with self._more, asyncio.timeout(10):
            while True:
                for event in self._events[after:]:
                    if wanted(event):
                        return event
                await self._more.wait()

    async def count(self, kind: type, number: int) -> list[InboundEvent]:
        """Wait until so many events of a kind have come."""
        async with self._more, asyncio.timeout(10):
            while len(found := [event for event in self._events if isinstance(event, kind)]) < number:
                await self._more.wait()
            return found

    async def hook(self, request: web.Request) -> web.Response:
        """What the product's web layer does, in little."""
        webhook = self._webhook(request.match_info["endpoint"])
        if webhook.name in self.stuck:
            await self.released.wait()
        plain = WebhookRequest(
            method=request.method,
            url=f"{self.base_url}{request.rel_url}",
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        if self.out:
            return _http(webhook.outage or WebhookResponse(503))
        try:
            event = webhook.parse(plain)
        except NotInteresting:
            return web.Response(status=200)
        except ChannelError as error:
            self.refusals.append((webhook.name, error))
            return web.Response(status=403 if isinstance(error, Rejected) else 400)
        async with self._more:
            self._events.append(event)
            self._more.notify_all()
        return _http(webhook.render(self.policy(event)))

    def _webhook(self, name: str) -> Webhook:
        for webhook in self.channel.webhooks():
            if webhook.name == name:
                return webhook
        raise web.HTTPNotFound


def _http(response: WebhookResponse) -> web.Response:
    return web.Response(
        status=response.status, body=response.body, headers={"Content-Type": response.content_type}
    )


@asynccontextmanager
async def listening(settings: PhoneSettings) -> AsyncIterator[LittleDesk]:
    """A little desk on a free port."""
    desk = LittleDesk()
    app = web.Application()
    app.router.add_post(f"/hooks/phone/{ACCOUNT}/{{endpoint}}", desk.hook)
    async with serving(app, shutdown_s=0.5) as base_url:
        desk.base_url = base_url
        desk.channel = open_phone(AccountId(ACCOUNT), settings, base_url)
        yield desk
        await desk.channel.close()
