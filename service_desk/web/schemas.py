"""Descriptions for programs: the API as OpenAPI, sockets' messages and log events as JSON Schema."""

from functools import lru_cache
from importlib.metadata import version

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json

from service_desk.domain import supervision_views, views
from service_desk.domain.events import event_schema
from service_desk.web.openapi import Operation, describe

TITLE = "Service Desk"
MESSAGES: dict[str, type[BaseModel]] = {
    "snapshot": views.SnapshotView,
    "frame": views.FrameView,
    "board": views.BoardView,
    "floor": supervision_views.FloorView,
    "alerts": supervision_views.AlertsNowView,
    "chat": views.ChatView,
    "entry": views.ChatEntryView,
    "status": views.ChatStatusView,
}


@lru_cache(maxsize=1)
def openapi_document(operations: tuple[Operation, ...]) -> bytes:
    """The whole API, and the sockets' messages among its components, so that one file gives all types."""
    return to_json(describe(operations, TITLE, version("service-desk"), MESSAGES.values()))


@lru_cache(maxsize=1)
def events_document() -> bytes:
    """What the sockets carry. Unknown kinds and fields are to be ignored."""
    references, definitions = models_json_schema(
        [(model, "serialization") for model in MESSAGES.values()], ref_template="#/$defs/{model}"
    )
    return to_json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "live_schema": views.LIVE_SCHEMA,
            "messages": {name: references[(model, "serialization")] for name, model in MESSAGES.items()},
            "events": event_schema(),
            **definitions,
        }
    )


def document(body: bytes) -> web.Response:
    """A description, asked for again each time."""
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-cache"})
