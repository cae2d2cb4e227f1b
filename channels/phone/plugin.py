"""The phone channel: puts verify, parse, render and calls together for one account."""

from collections.abc import Callable, Sequence

from channels.contract import (
    AccountId,
    Health,
    InboundEvent,
    LegState,
    Limits,
    Outbound,
    OutboundCall,
    ParseWebhook,
    Plugin,
    SendFailed,
    Sent,
    Unrecognised,
    Webhook,
    WebhookRequest,
)
from channels.phone import parse
from channels.phone.calls import TwilioCalls
from channels.phone.render import Hooks, Renderer
from channels.phone.settings import PhoneSettings
from channels.phone.verify import open_verifier
from channels.twilio_settings import plain_account_name, plain_base_url
from channels.twilio_signature import FormRules, VerifiedForm

LIMITS = Limits(text_characters=0, requests_per_second=100.0)


class PhoneChannel:
    """One phone account. It is also the CallControl of its calls."""

    def __init__(self, account: AccountId, settings: PhoneSettings, public_base: str) -> None:
        plain_account_name(account)
        hooks = Hooks(plain_base_url(public_base), account)
        self._account = account
        self._hooks = hooks
        self._verifier = open_verifier(settings)
        self._renderer = Renderer(hooks)
        self._calls = TwilioCalls(settings, self._renderer)
        self._calls_per_second = settings.calls_per_second

    @property
    def name(self) -> str:
        return "phone"

    @property
    def account(self) -> AccountId:
        return self._account

    @property
    def limits(self) -> Limits:
        return LIMITS

    @property
    def calls_per_second(self) -> float:
        return self._calls_per_second

    def webhooks(self) -> Sequence[Webhook]:
        """The ten paths that the provider is told, or reads in our TwiML."""
        renderer, hooks = self._renderer, self._hooks
        silent_again = hooks.silent_menu(1)
        return (
            Webhook(
                "voice",
                self._plain(parse.VOICE_RULES, parse.call_started),
                renderer.for_caller,
                outage=renderer.outage(hooks.url("voice")),
            ),
            Webhook("menu", self._parse_menu, renderer.for_caller, outage=renderer.outage(silent_again)),
            Webhook(
                "wait",
                self._plain(parse.WAIT_RULES, parse.call_waiting),
                renderer.for_caller,
                outage=renderer.outage(hooks.url("wait")),
            ),
            Webhook(
                "fallback",
                self._plain(parse.FALLBACK_RULES, parse.fallen_back),
                renderer.for_caller,
                outage=renderer.outage(hooks.url("voice")),
            ),
            Webhook(
                "callback",
                self._plain(parse.CALLBACK_RULES, parse.callback_asked),
                renderer.for_caller,
                outage=renderer.outage(hooks.url("wait")),
            ),
            Webhook(
                "customer",
                self._parse_customer,
                renderer.for_caller,
                outage=renderer.outage(hooks.url("wait")),
            ),
            Webhook("dialled", self._parse_dialled, renderer.for_status),
            Webhook("agent", self._plain(parse.AGENT_RULES, parse.agent_dialled), renderer.for_agent),
            Webhook("status", self._plain(parse.STATUS_RULES, parse.call_changed), renderer.for_status),
            Webhook(
                "conference",
                self._plain(parse.CONFERENCE_RULES, parse.conference_changed),
                renderer.for_status,
            ),
        )

    async def run(self) -> None:
        """Returns at once: the provider comes to us."""

    async def send(self, message: Outbound) -> Sent:
        raise SendFailed(f"the phone carries no written message ({message.key})")

    async def health(self) -> Health:
        return await self._calls.health()

    async def close(self) -> None:
        await self._calls.close()

    async def dial(self, call: OutboundCall) -> str:
        return await self._calls.dial(call)

    async def find_dialled(self, call: OutboundCall, since: int) -> Sequence[LegState]:
        return await self._calls.find_dialled(call, since)

    async def connect(self, call_id: str, interaction_id: str, *, first: bool = False) -> None:
        await self._calls.connect(call_id, interaction_id, first=first)

    async def put_back(self, call_id: str) -> None:
        await self._calls.put_back(call_id)

    async def hang_up(self, call_id: str) -> None:
        await self._calls.hang_up(call_id)

    async def look_up(self, call_id: str, interaction_id: str | None = None) -> LegState | None:
        return await self._calls.look_up(call_id, interaction_id)

    def softphone_token(self, agent_id: str, lifetime_s: int = 3600) -> str:
        return self._calls.softphone_token(agent_id, lifetime_s)

    def _plain(self, rules: FormRules, read: Callable[[VerifiedForm], InboundEvent]) -> ParseWebhook:
        def parse_request(request: WebhookRequest) -> InboundEvent:
            form = self._verifier.form(request, rules)
            parse.no_query(request.url)
            return read(form)

        return parse_request

    def _parse_customer(self, request: WebhookRequest) -> InboundEvent:
        form = self._verifier.form(request, parse.CUSTOMER_RULES)
        return parse.customer_answered(form, parse.dial_query(request.url))

    def _parse_dialled(self, request: WebhookRequest) -> InboundEvent:
        form = self._verifier.form(request, parse.STATUS_RULES)
        return parse.call_changed(form, parse.dial_query(request.url))

    def _parse_menu(self, request: WebhookRequest) -> InboundEvent:
        try:
            attempt, silent = parse.menu_query(request.url)
        except Unrecognised:
            self._verifier.form(request, parse.SILENT_MENU_RULES)  # a forged request is told so first
            raise
        if silent:
            return parse.silence_in_menu(self._verifier.form(request, parse.SILENT_MENU_RULES), attempt)
        return parse.digits_pressed(self._verifier.form(request, parse.MENU_RULES), attempt)


def open_phone(account: AccountId, settings: PhoneSettings, public_base: str) -> PhoneChannel:
    """An account from its validated settings. ValueError for a public base or account name that cannot be."""
    return PhoneChannel(account, settings, public_base)


PLUGIN = Plugin(name="phone", settings=PhoneSettings, open=open_phone)
