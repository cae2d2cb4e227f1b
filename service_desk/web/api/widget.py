"""What an embedded chat needs before anybody chats. Public: it says only what its page shows anyway."""

from typing import Any

import sqlalchemy as sa
from aiohttp import web
from pydantic_core import to_json

from service_desk.actions.chats import staffed
from service_desk.domain.config import Widget
from service_desk.domain.interaction import WAITING
from service_desk.errors import Forbidden, NotFound
from service_desk.queries.lines import wait_s
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.web.keys import DESK, SETTINGS


async def widget_config(request: web.Request) -> web.Response:
    """For the pages that may embed this widget, each by its exact origin."""
    widget_id, languages = request.query.get("widget", ""), request.headers.get("Accept-Language", "")
    widget, facts = await request.app[DESK].read(_facts, widget_id, languages)
    headers = {"Cache-Control": "no-store", "Vary": "Origin, Accept-Language"}
    origin = request.headers.get("Origin")
    if origin is not None:
        _require_origin(request, widget, origin)
        headers |= {"Access-Control-Allow-Origin": origin, "Cross-Origin-Resource-Policy": "cross-origin"}
    return web.Response(body=to_json(facts), content_type="application/json", headers=headers)


def _require_origin(request: web.Request, widget: Widget, origin: str) -> None:
    own = "self" in widget.allowed_origins and request.app[SETTINGS].is_own_origin(origin)
    if not own and origin not in widget.allowed_origins:
        raise Forbidden("This page may not embed this chat: add its origin to the widget.", code="origin")


def _facts(reader: Reader, widget_id: str, languages: str) -> tuple[Widget, dict[str, Any]]:
    widget = reader.config.widget(widget_id)
    if widget is None:
        raise NotFound("There is no such chat widget.")
    queues = sorted({widget.default_queue, *(topic.queue for topic in widget.topics)})
    return widget, {
        "brand": widget.brand,
        "accent": widget.accent,
        "greeting": _in_language(widget, languages),
        "topics": [{"id": topic.id, "name": topic.name} for topic in widget.topics],
        "languages": widget.languages,
        "staffed": any(staffed(reader, queue) for queue in queues),
        "expected_wait_s": wait_s(
            reader, widget.default_queue, "web_chat", _waiting(reader, widget.default_queue)
        ),
    }


def _waiting(reader: Reader, queue_id: str) -> int:
    table = schema.interaction
    count: int = reader.scalar(
        sa.select(sa.func.count()).where(table.c.queue_id == queue_id, table.c.state.in_(tuple(WAITING)))
    )
    return count


def _in_language(widget: Widget, wishes: str) -> str | None:
    """The greeting in the first wished language that there is (wishes stand in order), else the widget's own."""
    wished = [wish.partition(";")[0].strip()[:2].lower() for wish in wishes.split(",")]
    known = [language for language in (*wished, *widget.languages) if language in widget.greeting]
    return widget.greeting[known[0]] if known else None
