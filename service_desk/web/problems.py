"""Refusals as RFC 9457 problem documents; for a person who opens a page, as a page.

Nothing of an unexpected error reaches the caller but an id that stands in the log beside the trace.
"""

from collections.abc import Awaitable, Callable
from html import escape
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from pydantic_core import to_json

from service_desk.errors import DeskError, TooMany
from service_desk.ids import new_id
from service_desk.web.keys import DESK

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROBLEM_TYPE = "application/problem+json"
MACHINE_PATHS = frozenset(
    {
        "api",
        "hooks",
        "simulator-api",
        "simulator-desk",
        "widget",
        "assets",
        "health",
        "metrics",
        "live",
        "chat",
    }
)
"""First parts of paths below which there are no pages."""
UNREAD_BODY = frozenset({408, 413, 415})
"""After these the connection is closed: what is left of the body is not worth reading."""

CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    503: "unavailable",
}


class BadRequest(DeskError):
    """The request cannot be read at all."""

    code = "bad_request"


class BodyTimeout(DeskError):
    """The body did not arrive in time."""

    status = 408
    code = "timeout"


class UnsupportedMedia(DeskError):
    """A form of body that is not taken here."""

    status = 415
    code = "unsupported_media_type"


class PreconditionRequired(DeskError):
    """A change must say on which version it was made."""

    status = 428
    code = "version_required"


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Make an answer of every refusal and every fault."""
    try:
        return await handler(request)
    except DeskError as error:
        return answer(request, error.status, error.code, error.detail, error.field, error.extras)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _from_http(request, error)
    except Exception as error:  # the last stop: whatever it was, it becomes an id and a trace in the log
        if isinstance(error, ConnectionError) and _has_gone(request):
            return web.Response(status=499)  # nobody reads it, and it is no fault of ours
        error_id = new_id("err", request.app[DESK].clock.now())
        log.exception("request.failed", error_id=error_id, method=request.method, route=route_of(request))
        detail = (
            f"Something went wrong on our side. Nothing more was done. Quote {error_id} when you report it."
        )
        return answer(request, 500, "internal", detail, None, {"error_id": error_id})


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _from_http(request: web.Request, error: web.HTTPException) -> web.Response:
    """The refusals of aiohttp itself, in our words; a 405 keeps its list of methods."""
    code = CODES.get(error.status, f"http_{error.status}")
    details = {404: "There is nothing at this address.", 405: f"{request.method} is not possible here."}
    detail = details.get(error.status, f"{HTTPStatus(error.status).phrase}.")
    response = answer(request, error.status, code, detail, None, {})
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def answer(
    request: web.Request, status: int, code: str, detail: str, field: str | None, extras: dict[str, Any]
) -> web.Response:
    """A problem in the form that the caller reads."""
    response = (
        _page(status, detail) if wants_page(request) else _document(status, code, detail, field, extras)
    )
    if status in UNREAD_BODY:
        response.force_close()
    if status == TooMany.status:
        response.headers["Retry-After"] = str(max(1, round(extras.get("retry_after_s", 1))))
    return response


def _document(status: int, code: str, detail: str, field: str | None, extras: dict[str, Any]) -> web.Response:
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **({"field": field} if field is not None else {}),
        **{name: value for name, value in extras.items() if name not in ("type", "title", "status", "code")},
    }
    headers = {"Cache-Control": "no-store"}
    return web.Response(status=status, body=to_json(document), content_type=PROBLEM_TYPE, headers=headers)


def _page(status: int, detail: str) -> web.Response:
    phrase = HTTPStatus(status).phrase
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{phrase}</title>'
        f'<h1>{phrase}</h1><p>{escape(detail)}</p><p><a href="/">To the console</a></p></html>'
    )
    return web.Response(
        status=status, text=text, content_type="text/html", headers={"Cache-Control": "no-store"}
    )


def wants_page(request: web.Request) -> bool:
    """Whether a person waits for a page: not below the paths of programs, and only if they say so."""
    return "text/html" in request.headers.get("Accept", "") and not is_machine_path(request.path)


def is_machine_path(path: str) -> bool:
    """Whether a path is for programs."""
    return path.split("/", 2)[1] in MACHINE_PATHS if path.startswith("/") else True


def route_of(request: web.Request) -> str:
    """The route's pattern: never the path itself, which may hold anything."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
