"""What the parts of the control API have in common: JSON in, problems out, streams of events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

HEARTBEAT_S = 15.0

Model = TypeVar("Model", bound=BaseModel)


class Body(BaseModel):
    """A request's JSON: nothing that is not named."""

    model_config = ConfigDict(extra="forbid")


class BadRequestError(Exception):
    """Carries the answer out of a helper."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.text)
        self.response = response


def problem(status: int, detail: str, field: str = "") -> web.Response:
    """An error as JSON; `field` names what is wrong."""
    body = {"status": status, "detail": detail, "field": field}
    return web.json_response(body, status=status, content_type="application/problem+json")


async def read_body(request: web.Request, model: type[Model]) -> Model:
    """The request's JSON. Raises BadRequestError."""
    if request.content_type != "application/json":  # also makes a browser ask before it sends
        raise BadRequestError(problem(415, "Send JSON.", "content-type"))
    try:
        return model.model_validate(await request.json())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadRequestError(problem(400, first["msg"], ".".join(map(str, first["loc"])))) from error
    except ValueError as error:
        raise BadRequestError(problem(400, "This is not JSON.", "body")) from error


def count_of(request: web.Request, name: str, default: int) -> int:
    """A whole number from the query. Raises BadRequestError."""
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise BadRequestError(problem(400, "Must be a whole number.", name))
    return int(text)


def last_event_id(request: web.Request) -> int:
    """Where a stream was left, 0 at its beginning."""
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or "0"
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


def event_bytes(number: int, kind: str, data: dict[str, Any]) -> bytes:
    """One Server-Sent Event."""
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


async def stream(request: web.Request, events: AsyncIterator[bytes]) -> web.StreamResponse:
    """Server-Sent Events as they come, and a comment now and then so that a dead connection shows."""
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
    origin = request.headers.get("Origin")
    if origin is not None:  # too late in the middleware
        headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    with suppress(ConnectionError):  # the page went away
        await _write(response, events)
    return response


async def _write(response: web.StreamResponse, events: AsyncIterator[bytes]) -> None:
    await response.write(b"retry: 500\n\n")
    pending = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait({pending}, timeout=HEARTBEAT_S)
            if not pending.done():
                await response.write(b": still here\n\n")
                continue
            event = pending.result()
            if event is None:
                return
            await response.write(event)
            pending = asyncio.ensure_future(anext(events, None))
    finally:
        pending.cancel()
        await asyncio.wait({pending})  # so that the generator has ended with it
