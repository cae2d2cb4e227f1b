"""A small layer between aiohttp and plain typed functions, and the OpenAPI 3.1 document of them.

An operation is a function whose parameters say what it needs:

    @routes.post("/api/v1/tickets/{ticket_id}/notes", needs="ticket.write")
    def note(tx: Tx, who: Principal, ticket_id: str, body: Text, key: str) -> EntryView: ...

First a `Reader` (GET: runs as one read) or a `Tx` (a change: runs as one action); then, by name, `who`, parts
of the path, `body`, `query`, `key` (the Idempotency-Key) and `version` (from If-Match). It returns the
answer. A POST runs once per key, a PUT or PATCH needs If-Match. Coroutines get the `web.Request`, for cookies
and other things that are not data, and return a view or a whole response.
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from pydantic_core import ErrorDetails, to_json

from service_desk.actions.once import Stored, once
from service_desk.domain.access import Principal, require
from service_desk.domain.views import View
from service_desk.errors import Invalid, NotFound
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.bodies import read_body
from service_desk.web.keys import DESK, SETTINGS
from service_desk.web.problems import BadRequest, PreconditionRequired, UnsupportedMedia
from service_desk.web.sessions import SESSION, SESSIONS

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V", bound=View)

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Size = Literal["json_body_bytes", "text_body_bytes"]

PATH_NAME = re.compile(r"\{([a-z_]+)\}")
ID = re.compile(
    r"[A-Za-z0-9_-]{1,64}(\.[0-9]{1,6})?"
)  # an offer is its interaction and the number of the attempt
KEY = re.compile(r"[\x21-\x7e]{1,255}")
VERSION = re.compile(r'"([1-9][0-9]{0,8})"')
KEY_HEADER = "Idempotency-Key"
SIGNED_IN = "signed in"
"""Needs a session, and no permission beyond it."""
PUBLIC = None
"""Needs no session."""


class Nothing(BaseModel):
    """A body without content: {}."""

    model_config = {"extra": "forbid"}


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One method of one path, as read from a function."""

    method: Method
    path: str
    handler: Callable[..., Any]
    needs: str | None
    status: int
    size: Size
    hints: Mapping[str, Any]
    tag: str

    @property
    def name(self) -> str:
        return self.handler.__name__

    @property
    def body(self) -> type[BaseModel] | None:
        return self.hints.get("body")

    @property
    def query(self) -> type[BaseModel] | None:
        return self.hints.get("query")

    @property
    def answer(self) -> type[BaseModel] | None:
        """The answer's shape, None for an empty one."""
        shapes = [shape for shape in _members(self.hints.get("return")) if shape is not NoneType]
        return shapes[0] if shapes and issubclass(shapes[0], BaseModel) else None

    @property
    def keyed(self) -> bool:
        """Whether it needs an Idempotency-Key: every POST does, but signing in."""
        return self.method == "POST" and self.needs is not PUBLIC

    @property
    def versioned(self) -> bool:
        return self.method in ("PUT", "PATCH")


@dataclass
class Routes:
    """The operations of one resource."""

    tag: str
    operations: list[Operation] = field(default_factory=list)

    def get(self, path: str, *, needs: str | None) -> Callable[[F], F]:
        return self._add("GET", path, needs)

    def post(
        self, path: str, *, needs: str | None, status: int = 200, size: Size = "json_body_bytes"
    ) -> Callable[[F], F]:
        return self._add("POST", path, needs, status, size)

    def put(self, path: str, *, needs: str) -> Callable[[F], F]:
        return self._add("PUT", path, needs)

    def patch(self, path: str, *, needs: str, size: Size = "json_body_bytes") -> Callable[[F], F]:
        return self._add("PATCH", path, needs, size=size)

    def delete(self, path: str, *, needs: str, status: int = 204) -> Callable[[F], F]:
        return self._add("DELETE", path, needs, status)

    def _add(
        self, method: Method, path: str, needs: str | None, status: int = 200, size: Size = "json_body_bytes"
    ) -> Callable[[F], F]:
        def register(handler: F) -> F:
            hints = get_type_hints(handler)
            operation = Operation(method, path, handler, needs, status, size, hints, self.tag)
            _check_parameters(operation)
            self.operations.append(operation)
            return handler

        return register


def _check_parameters(operation: Operation) -> None:
    """A slip in a handler's parameters is found at import, not at the first request."""
    names = list(inspect.signature(operation.handler).parameters)
    known = {"who", "body", "query", "key", "version", *PATH_NAME.findall(operation.path)}
    if wrong := set(names[1:]) - known:
        raise TypeError(f"{operation.name}: no such parameter of an operation: {', '.join(sorted(wrong))}")
    change = Reader if operation.method == "GET" else Tx
    wanted = web.Request if inspect.iscoroutinefunction(operation.handler) else change
    if operation.hints[names[0]] is not wanted:
        raise TypeError(f"{operation.name}: the first parameter must be a {wanted.__name__}")


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


# --- running ------------------------------------------------------------------------------------------------


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
        status, body = await request.app[DESK].run(
            once, who.agent_id, key, digest, action, actor=who.agent_id
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
    if operation.method not in ("GET", "DELETE"):
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
    details = error.errors(include_input=False, include_url=False, include_context=False)
    first, *rest = [(_field(detail), _cure(detail)) for detail in details]
    more = [{"field": name, "detail": words} for name, words in rest[:20]]
    refusal = Invalid(f"{first[0]}: {first[1]}", field=first[0])
    if more:
        refusal.extras["also"] = more
    return refusal


def _field(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"]) or "body"


def _cure(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "this field is not known here: leave it out."
    if detail["type"] == "missing":
        return "this field is missing."
    return f"{detail['msg'].removeprefix('Value error, ')}."


# --- describing ---------------------------------------------------------------------------------------------


class Problem(BaseModel):
    """RFC 9457. `code` is stable; further members depend on it."""

    model_config = {"extra": "allow"}

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None


def describe(
    operations: Iterable[Operation], title: str, version: str, also: Iterable[type[BaseModel]] = ()
) -> dict[str, Any]:
    """The OpenAPI 3.1 document. `also`: shapes that no operation answers with, for its components."""
    known = list(operations)
    inputs = {
        model for one in known for model in (one.body or (Nothing if _has_body(one) else None),) if model
    }
    outputs = {model for one in known for model in (one.answer,) if model} | {Problem, *also}
    wanted: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        *((model, "validation") for model in sorted(inputs, key=lambda model: model.__name__)),
        *((model, "serialization") for model in sorted(outputs, key=lambda model: model.__name__)),
    ]
    references, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    paths: dict[str, dict[str, Any]] = {}
    for one in known:
        paths.setdefault(one.path, {})[one.method.lower()] = _describe_one(one, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "desk_session"}},
        },
    }


def _has_body(operation: Operation) -> bool:
    return operation.method not in ("GET", "DELETE")


def _describe_one(one: Operation, references: Mapping[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": inspect.getdoc(one.handler) or one.name,
        "tags": [one.tag],
        "parameters": [*_path_parameters(one), *_query_parameters(one), *_header_parameters(one)],
        "responses": {
            str(one.status if one.answer else 204): _content(one.answer, references),
            "default": {
                "description": "Refused, with the reason.",
                "content": {"application/problem+json": {"schema": references[(Problem, "serialization")]}},
            },
        },
        "security": [] if one.needs is PUBLIC else [{"session": []}],
    }
    if one.needs not in (PUBLIC, SIGNED_IN):
        described["x-permission"] = one.needs
    if _has_body(one):
        schema = references[(one.body or Nothing, "validation")]
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _content(answer: type[BaseModel] | None, references: Mapping[Any, Any]) -> dict[str, Any]:
    if answer is None:
        return {"description": "Done."}
    schema = references[(answer, "serialization")]
    return {
        "description": inspect.getdoc(answer) or answer.__name__,
        "content": {"application/json": {"schema": schema}},
    }


def _path_parameters(one: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in PATH_NAME.findall(one.path)
    ]


def _query_parameters(one: Operation) -> list[dict[str, Any]]:
    if one.query is None:
        return []
    schema = one.query.model_json_schema()
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": shape}
        for name, shape in schema["properties"].items()
    ]


def _header_parameters(one: Operation) -> list[dict[str, Any]]:
    headers = []
    if one.keyed:
        headers.append((KEY_HEADER, {"type": "string", "pattern": "^[!-~]{1,255}$"}))
    if one.versioned:
        headers.append(("If-Match", {"type": "string", "pattern": '^"[1-9][0-9]{0,8}"$'}))
    if one.method != "GET" and one.needs is not PUBLIC:
        headers.append(("X-CSRF-Token", {"type": "string"}))
    return [{"name": name, "in": "header", "required": True, "schema": schema} for name, schema in headers]
