"""What all of the provider's REST API has in common: errors, checked parameters, pages of lists."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from channels.simulator.pace import rfc2822

PAGE_SIZE = 50

UNAUTHORISED, NOT_FOUND, INVALID = 20003, 20404, 20001
METHOD_NOT_ALLOWED, TOO_MANY, INTERNAL, NOT_IN_PROGRESS = 20004, 20429, 20500, 21220
REPEATABLE = frozenset({"MediaUrl", "StatusCallbackEvent"})
"""Parameters that may come more than once."""


class ApiError(Exception):
    """An answer in the provider's error shape."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def response(self) -> web.Response:
        body = {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return web.json_response(body, status=self.status)


# --- parameters ---------------------------------------------------------------------------------------------

Rule = Callable[[str], bool]
"""Whether a value is one that the provider takes."""


def matches(pattern: str) -> Rule:
    """The whole value is of this form."""
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def between(low: int, high: float) -> Rule:
    """A whole number within bounds, both included."""
    return lambda value: value.isascii() and value.isdigit() and low <= int(value[:9]) <= high


FLAG = matches("true|false")
URL = matches(r"https?://[A-Za-z0-9.\-\[\]:]+(/[^\s<>\"]*)?(\?[^\s<>\"]*)?")
METHOD = matches("GET|POST")
DATE = matches(r"\d{4}-\d\d-\d\d")
INSTANT = matches(r"\d{4}-\d\d-\d\d(T[0-9:.+Z-]+)?")
TEXT = matches(r"[^\x00-\x1f\x7f]{1,1000}")

PAGING: Mapping[str, Rule] = {
    "PageSize": between(1, 1_000),
    "Page": between(0, math.inf),
    "PageToken": TEXT,
}


async def read_parameters(request: web.Request) -> list[tuple[str, str]]:
    """Query of a GET, form of a POST; never both."""
    query = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
    if request.method != "POST":
        return query
    if query:
        raise ApiError(400, INVALID, "A POST takes no query")
    if request.content_type != "application/x-www-form-urlencoded":
        raise ApiError(415, INVALID, "Not a form")
    return parse_qsl((await request.read()).decode("utf-8", "replace"), keep_blank_values=True)


def check_parameters(pairs: list[tuple[str, str]], rules: Mapping[str, Rule]) -> None:
    """Refuse what is repeated, unknown or not in its form. Raises ApiError."""
    names = [name for name, _ in pairs if name not in REPEATABLE]
    if len(set(names)) != len(names):
        raise ApiError(400, INVALID, "A parameter is repeated")
    for name, value in pairs:
        if name not in rules:
            raise ApiError(400, INVALID, f"Unknown parameter: {name}")
        if not rules[name](value):
            raise ApiError(400, INVALID, f"Invalid value of parameter: {name}")


def not_found(request: web.Request) -> ApiError:
    """What the provider says about a resource that it does not have."""
    return ApiError(404, NOT_FOUND, f"The requested resource {request.path} was not found")


# --- lists --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: list[dict[str, Any]]
    number: int
    size: int
    more: bool


def page_of(items: list[dict[str, Any]], parameters: Mapping[str, str]) -> Page:
    """The page of a list that was asked for."""
    size, number = int(parameters.get("PageSize", PAGE_SIZE)), int(parameters.get("Page", 0))
    start = size * number
    return Page(items[start : start + size], number, size, more=len(items) > start + size)


def page_json(request: web.Request, key: str, page: Page) -> dict[str, Any]:
    """A page as the provider writes it, with the way to the next one."""

    def uri(number: int) -> str:
        return str(request.rel_url.update_query(Page=str(number), PageSize=str(page.size)))

    return {
        key: page.items,
        "page": page.number,
        "page_size": page.size,
        "start": page.number * page.size,
        "end": page.number * page.size + max(len(page.items) - 1, 0),
        "first_page_uri": uri(0),
        "previous_page_uri": uri(page.number - 1) if page.number else None,
        "next_page_uri": uri(page.number + 1) if page.more else None,
        "uri": str(request.rel_url),
    }


def date_text(instant_us: int | None) -> str | None:
    """An instant as the provider writes it, None when it has not come."""
    return None if instant_us is None else rfc2822(instant_us)
