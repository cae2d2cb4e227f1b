"""Webhooks: find the account by path, let its adapter read and render, hand the event to the one door.

Who asks is proved by the adapter (signature); the URL that was signed is built from the configured public
base, never from the request's headers. A refused body is not logged.
"""

import asyncio
from dataclasses import dataclass

import structlog
from aiohttp import web
from structlog.contextvars import bind_contextvars

from channels.contract import (
    AccountId,
    InboundEvent,
    Join,
    NotInteresting,
    Rejected,
    Unrecognised,
    Webhook,
    WebhookRequest,
    WebhookResponse,
)
from service_desk.errors import DeskError, Forbidden, NotFound, Unavailable
from service_desk.trace import about, contact, learn
from service_desk.web.bodies import read_body
from service_desk.web.keys import INTAKE, SETTINGS, Channels
from service_desk.web.metrics import METRICS
from service_desk.web.problems import BadRequest

log = structlog.get_logger(__name__)

PATH = "/hooks/{channel}/{account}/{name}"


@dataclass(frozen=True, slots=True)
class Hook:
    """One path of one account."""

    channel: str
    account: AccountId
    webhook: Webhook


Hooks = dict[tuple[str, str, str], Hook]
HOOKS: web.AppKey[Hooks] = web.AppKey("hooks", dict)


def hooks_of(channels: Channels) -> Hooks:
    """Every path of every account."""
    return {
        (channel.name, channel.account, webhook.name): Hook(channel.name, channel.account, webhook)
        for channel in channels.values()
        for webhook in channel.webhooks()
    }


async def receive_webhook(request: web.Request) -> web.Response:
    """One webhook, from its bytes to the answer."""
    place = request.match_info
    hook = request.app[HOOKS].get((place["channel"], place["account"], place["name"]))
    if hook is None:
        raise NotFound("There is no such webhook.")
    with about(channel=hook.channel, account=hook.account):
        return await _receive(request, hook)


async def _receive(request: web.Request, hook: Hook) -> web.Response:
    outcome = "failed"
    try:
        outcome, response = await _answer(request, hook)
        say = log.info if contact() is not None else log.debug  # a caller who waits asks every few seconds
        say("webhook", name=hook.webhook.name, outcome=outcome)
    except Rejected as error:
        outcome = "rejected"
        log.warning(
            "webhook.rejected",
            channel=hook.channel,
            account=hook.account,
            name=hook.webhook.name,
            why=str(error),
        )
        raise Forbidden("This is not signed as it must be.", code="bad_signature") from None
    except Unrecognised as error:
        outcome = "unrecognised"
        raise BadRequest(f"This cannot be understood: {error}.", field=error.field or None) from None
    except DeskError as error:
        outcome = error.code
        raise
    finally:
        request.app[METRICS].webhooks.labels(hook.channel, hook.account, hook.webhook.name, outcome).inc()
    return _http(response)


async def _answer(request: web.Request, hook: Hook) -> tuple[str, WebhookResponse]:
    limits = request.app[SETTINGS].limits
    most = min(hook.webhook.max_bytes, limits.webhook_body_bytes)
    body = await read_body(request, most, limits.body_read_s)
    try:
        event = hook.webhook.parse(_plain(request, body))
    except NotInteresting:
        return "not_interesting", WebhookResponse(200)
    bind_contextvars(call=getattr(event, "call_id", None))
    try:
        return "taken", await _ask_desk(request, hook, event)
    except (Unavailable, TimeoutError) as error:
        if hook.webhook.outage is None:
            raise Unavailable("The desk cannot take this now: send it again.") from error
        log.warning(
            "webhook.outage",
            why=str(error),
            channel=hook.channel,
            account=hook.account,
            name=hook.webhook.name,
        )
        return "outage", hook.webhook.outage


async def _ask_desk(request: web.Request, hook: Hook, event: InboundEvent) -> WebhookResponse:
    """Bounded in time: a database that hangs is away. The event may still be taken; its key makes it one."""
    async with asyncio.timeout(request.app[SETTINGS].limits.webhook_answer_s):
        answer = await request.app[INTAKE].receive(hook.account, event)
    if isinstance(answer, Join):
        learn(answer.interaction_id)
    return hook.webhook.render(answer)


def _plain(request: web.Request, body: bytes) -> WebhookRequest:
    """The request as its sender signed it. A header that comes twice is joined into one."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        low = name.lower()
        headers[low] = f"{headers[low]}, {value}" if low in headers else value
    url = f"{request.app[SETTINGS].public_base}{request.rel_url.raw_path_qs}"
    return WebhookRequest(request.method, url, headers, body)


def _http(response: WebhookResponse) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if response.status != 204:
        headers["Content-Type"] = response.content_type
    return web.Response(status=response.status, body=response.body or None, headers=headers)
