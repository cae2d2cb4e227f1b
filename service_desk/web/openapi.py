"""Operations of the API as plain typed functions, and the OpenAPI 3.1 document of them.

An operation is a function whose parameters say what it needs:

    @routes.post("/api/v1/tickets/{ticket_id}/notes", needs="ticket.write")
    def note(tx: Tx, who: Principal, ticket_id: str, body: Text, key: str) -> EntryView: ...

First a `Reader` (GET: runs as one read) or a `Tx` (a change: runs as one action); then, by name, `who`, parts
of the path, `body`, `query`, `key` (the Idempotency-Key) and `version` (from If-Match). It returns the
answer. A POST runs once per key, a PUT or PATCH needs If-Match. Coroutines get the `web.Request`, for cookies
and other things that are not data, and return a view or a whole response.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen, Tx

F = TypeVar("F", bound=Callable[..., Any])

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Size = Literal["json_body_bytes", "text_body_bytes"]

PATH_NAME = re.compile(r"\{([a-z_]+)\}")
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
    shape: type[BaseModel] | None = None
    """The answer's, where the handler makes a response of it to set a cookie."""
    text: str | None = None
    """The media type of an answer that is no JSON."""
    file: bool = False
    """Whether the body is a file, which the handler reads by itself."""
    foresees: Callable[[Mapping[str, Any]], list[Foreseen]] | None = None
    """By the handler's arguments, what it asks the database first: it is asked together with the key."""

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
        if self.shape is not None:
            return self.shape
        shapes = [shape for shape in _members(self.hints.get("return")) if shape is not NoneType]
        return shapes[0] if shapes and issubclass(shapes[0], BaseModel) else None

    @property
    def keyed(self) -> bool:
        """Whether it needs an Idempotency-Key: every POST does, but signing in."""
        return self.method == "POST" and self.needs is not PUBLIC

    @property
    def versioned(self) -> bool:
        """Whether it needs If-Match: every PUT and PATCH does, and a POST that asks for `version`."""
        return self.method in ("PUT", "PATCH") or "version" in self.hints


@dataclass
class Routes:
    """The operations of one resource."""

    tag: str
    operations: list[Operation] = field(default_factory=list)

    def get(self, path: str, *, needs: str | None, text: str | None = None) -> Callable[[F], F]:
        return self._add("GET", path, needs, text=text)

    def post(
        self,
        path: str,
        *,
        needs: str | None,
        status: int = 200,
        size: Size = "json_body_bytes",
        shape: type[BaseModel] | None = None,
        file: bool = False,
        foresees: Callable[[Mapping[str, Any]], list[Foreseen]] | None = None,
    ) -> Callable[[F], F]:
        return self._add("POST", path, needs, status, size, shape, file=file, foresees=foresees)

    def put(self, path: str, *, needs: str) -> Callable[[F], F]:
        return self._add("PUT", path, needs)

    def patch(self, path: str, *, needs: str, size: Size = "json_body_bytes") -> Callable[[F], F]:
        return self._add("PATCH", path, needs, size=size)

    def delete(self, path: str, *, needs: str, status: int = 204) -> Callable[[F], F]:
        return self._add("DELETE", path, needs, status)

    def _add(
        self,
        method: Method,
        path: str,
        needs: str | None,
        status: int = 200,
        size: Size = "json_body_bytes",
        shape: type[BaseModel] | None = None,
        text: str | None = None,
        *,
        file: bool = False,
        foresees: Callable[[Mapping[str, Any]], list[Foreseen]] | None = None,
    ) -> Callable[[F], F]:
        def register(handler: F) -> F:
            hints = get_type_hints(handler)
            operation = Operation(
                method, path, handler, needs, status, size, hints, self.tag, shape, text, file, foresees
            )
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
    inputs: set[type[BaseModel]] = {one.body or Nothing for one in known if takes_json(one)}
    outputs: set[type[BaseModel]] = {one.answer for one in known if one.answer} | {Problem, *also}
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


def takes_json(operation: Operation) -> bool:
    """Whether a body belongs to it, which is read before the handler is called."""
    return operation.method not in ("GET", "DELETE") and not operation.file


def _describe_one(one: Operation, references: Mapping[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": inspect.getdoc(one.handler) or one.name,
        "tags": [one.tag],
        "parameters": [*_path_parameters(one), *_query_parameters(one), *_header_parameters(one)],
        "responses": {
            str(one.status if one.answer or one.text else 204): _content(one, references),
            "default": {
                "description": "Refused, with the reason.",
                "content": {"application/problem+json": {"schema": references[(Problem, "serialization")]}},
            },
        },
        "security": [] if one.needs is PUBLIC else [{"session": []}],
    }
    if one.needs not in (PUBLIC, SIGNED_IN):
        described["x-permission"] = one.needs
    if one.file:
        described["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    if takes_json(one):
        schema = references[(one.body or Nothing, "validation")]
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _content(one: Operation, references: Mapping[Any, Any]) -> dict[str, Any]:
    answer = one.answer
    if one.text is not None:
        return {"description": "The text.", "content": {one.text: {"schema": {"type": "string"}}}}
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
