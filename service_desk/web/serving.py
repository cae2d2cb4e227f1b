"""Serving an operation: who asks, what they ask, one read or one action, the answer.

The one place where sessions, rights, keys, versions and bodies are checked, the same way for every route.
"""

import hashlib
import inspect
import re
from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json
from sqlalchemy import RowMapping

from service_desk.actions.once import Stored, once
from service_desk.domain.access import Principal, require
from service_desk.domain.views import View
from service_desk.errors import Invalid, NotFound
from service_desk.storage.transaction import Tx
from service_desk.web.bodies import read_body
from service_desk.web.keys import DESK, SETTINGS
from service_desk.web.openapi import (
    KEY_HEADER,
    PATH_NAME,
    PUBLIC,
    SIGNED_IN,
    Nothing,
    Operation,
    takes_json,
)
from service_desk.web.problems import BadRequest, PreconditionRequired, UnsupportedMedia
from service_desk.web.sessions import SESSION, SESSIONS
from service_desk.wording import in_words

V = TypeVar("V", bound=View)

ID = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[0-9]{1,6})?")
"""An offer's id is its interaction's and the number of the attempt."""
KEY = re.compile(r"[\x21-\x7e]{1,255}")
VERSION = re.compile(r'"([1-9][0-9]{0,8})"')


def add_operations(app: web.Application, operations: Iterable[Operation]) -> None:
    """Register them with aiohttp."""
    for operation in operations:
        app.router.add_route(operation.method, operation.path, partial(_serve, operation))


async def _serve(operation: Operation, request: web.Request) -> web.StreamResponse:
    """Who asks, whether they may, what they ask, the answer: in this order strangers learn nothing."""
    who = await _admit(operation, request)
    arguments = await _bind(operation, request, who)
    if inspect.iscoroutinefunction(operation.handler):
        result: View | web.Response = await operation.handler(request, **arguments)
        return result if isinstance(result, web.Response) else as_response(result, operation.status)
    if operation.method == "GET":
        view: View | None = await request.app[DESK].read(partial(operation.handler, **arguments))
        return as_response(found(view), operation.status)
    assert who is not None, "only coroutines serve strangers"
    action = partial(_change, operation, arguments)
    if not operation.keyed:
        status, body = await request.app[DESK].run(action, actor=who.agent_id)
    else:
        key, digest = _key(request), _digest(operation, request, arguments.get("body"))
        foreseen = operation.foresees(arguments) if operation.foresees is not None else ()
        status, body = await request.app[DESK].run(
            once, who.agent_id, key, digest, action, foreseen, actor=who.agent_id
        )
    return _json(status, body)


def _change(operation: Operation, arguments: dict[str, Any], tx: Tx) -> Stored:
    """The action and its answer as text, made in the same transaction."""
    view: View | None = operation.handler(tx, **arguments)
    return (204, "") if view is None else (operation.status, view.model_dump_json())


async def _admit(operation: Operation, request: web.Request) -> Principal | None:
    """The one place where every route's rights are asked for."""
    if operation.needs is PUBLIC:
        return None
    session = await request.app[SESSIONS].of(request)
    if operation.needs != SIGNED_IN:
        require(session.principal, operation.needs)
    request[SESSION] = session
    return session.principal


async def _bind(operation: Operation, request: web.Request, who: Principal | None) -> dict[str, Any]:
    """The arguments that the handler's parameters name."""
    arguments: dict[str, Any] = {name: _id(request, name) for name in PATH_NAME.findall(operation.path)}
    if operation.keyed:
        key = _key(request)
        if "key" in operation.hints:
            arguments["key"] = key
    if operation.versioned:
        arguments["version"] = _version(request)
    if operation.query is not None:
        arguments["query"] = _query(operation.query, request)
    elif request.query_string:
        raise BadRequest("This takes no query.", field=next(iter(request.query), None))
    if takes_json(operation):
        body = await _body(operation, request)
        if "body" in operation.hints:
            arguments["body"] = body
    if "who" in operation.hints:
        arguments["who"] = who
    return arguments


def _id(request: web.Request, name: str) -> str:
    """A part of the path that could be an id: what could not is nowhere, and never reaches the database."""
    text = request.match_info[name]
    if not ID.fullmatch(text):
        raise NotFound("There is nothing of this name.")
    return text


def _key(request: web.Request) -> str:
    key = request.headers.get(KEY_HEADER)
    if key is None:
        raise BadRequest(
            f"The header {KEY_HEADER} is missing: a random text, the same for each repetition of this act.",
            field=KEY_HEADER,
            code="key_required",
        )
    if not KEY.fullmatch(key):
        raise BadRequest(f"{KEY_HEADER} is 1 to 255 visible ASCII characters.", field=KEY_HEADER)
    return key


def _version(request: web.Request) -> int:
    text = request.headers.get("If-Match")
    if text is None:
        raise PreconditionRequired(
            'The header If-Match is missing: the version that you changed, as in "3".', field="If-Match"
        )
    matched = VERSION.fullmatch(text.strip())
    if matched is None:
        raise BadRequest('If-Match is a version in quotation marks, as in "3".', field="If-Match")
    return int(matched[1])


def _query(model: type[BaseModel], request: web.Request) -> BaseModel:
    values = dict(request.query)
    if len(values) != len(request.query):
        raise BadRequest("A query parameter is given twice.")
    try:
        return model.model_validate_strings(values)
    except ValidationError as error:
        raise invalid(error) from None


async def _body(operation: Operation, request: web.Request) -> BaseModel:
    """The body, checked. Unknown fields are refused, so that nobody sets what they must not."""
    if request.content_type != "application/json":  # also makes a foreign page's browser ask before it sends
        raise UnsupportedMedia("Send JSON: Content-Type: application/json.", field="Content-Type")
    limits = request.app[SETTINGS].limits
    raw = await read_body(request, getattr(limits, operation.size), limits.body_read_s)
    try:
        return (operation.body or Nothing).model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise invalid(error) from None


def _digest(operation: Operation, request: web.Request, body: BaseModel | None) -> str:
    """What makes two requests the same: method, path and what the body means."""
    meaning = b"" if body is None else to_json(body)
    head = f"{operation.method} {request.rel_url.raw_path}\n".encode()
    return hashlib.sha256(head + meaning).hexdigest()


def found(view: V | None) -> V:
    """The view; NotFound where a query found nothing."""
    if view is None:
        raise NotFound("There is no such thing, or not any more.")
    return view


def there(row: RowMapping | None) -> RowMapping:
    """The row; NotFound where there is none."""
    if row is None:
        raise NotFound("There is no such thing, or not any more.")
    return row


def as_response(view: View, status: int = 200) -> web.Response:
    """A view as JSON."""
    return _json(status, view.model_dump_json())


def _json(status: int, body: str) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if not body:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, body=body.encode(), content_type="application/json", headers=headers)


def invalid(error: ValidationError) -> Invalid:
    """The first thing that is wrong, with its field and a cure; the others beside it."""
    details = error.errors(include_input=False, include_url=False)
    first, *rest = [(_field(detail), f"{in_words(detail)}.") for detail in details]
    more = [{"field": name, "detail": words} for name, words in rest[:20]]
    refusal = Invalid(f"{first[0]}: {first[1]}", field=first[0])
    if more:
        refusal.extras["also"] = more
    return refusal


def _field(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"]) or "body"
