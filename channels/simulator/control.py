"""The control API, for people (the /simulator page) and tests. The provider has nothing like it.

JSON in and out. A browser may use it only from the configured origins; other pages on the same machine may
not.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from channels.phone.settings import PhoneNumber
from channels.simulator.customers import CallCustomers
from channels.simulator.exchange import BadTokenError, Exchange, NoSuchRouteError
from channels.simulator.faults import FaultRule
from channels.simulator.legs import Heard, Leg
from channels.simulator.settings import AppRoute, Digits, NumberRoute

HEARTBEAT_S = 15.0
LOG_PAGE_MAX = 1_000

Model = TypeVar("Model", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCall(_Body):
    """A telephone call. `from` null withholds the number."""

    caller: PhoneNumber | None = Field(default=None, alias="from")
    to: PhoneNumber | None = None
    caller_name: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None


class Keys(_Body):
    """Keys that the person presses."""

    digits: Digits


class Words(_Body):
    """What the person says."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Dialling(_Body):
    """What a softphone sends along."""

    params: dict[str, str] = Field(default_factory=dict)


class Routes(_Body):
    """Numbers and apps to add or replace."""

    numbers: tuple[NumberRoute, ...] = ()
    apps: tuple[AppRoute, ...] = ()


class FaultRules(_Body):
    """The faults that are on; an empty list switches all off."""

    rules: list[FaultRule]


class TrafficRate(_Body):
    """How lively the background customers are."""

    calls_per_minute: float = Field(ge=0, le=6_000)


class ControlApi:
    """The routes below /control of one exchange."""

    def __init__(self, exchange: Exchange, customers: CallCustomers) -> None:
        self._exchange = exchange
        self._customers = customers

    def add_to(self, app: web.Application) -> None:
        """Register the routes and the rule about origins."""
        app.middlewares.append(self._origins)
        call = "/control/calls/{call_sid}"
        app.router.add_routes(
            [
                web.get("/control/health", self._health),
                web.get("/control/people", self._list_people),
                web.get("/control/numbers", self._list_numbers),
                web.get("/control/calls", self._list_calls),
                web.post("/control/calls", self._place_call),
                web.get(call, self._show_call),
                web.get(f"{call}/events", self._events),
                web.post(f"{call}/digits", self._press),
                web.post(f"{call}/hangup", self._hang_up),
                web.post(f"{call}/say", self._say),
                web.post("/control/softphones/dial", self._dial),
                web.get("/control/log", self._log),
                web.get("/control/faults", self._show_faults),
                web.put("/control/faults", self._set_faults),
                web.put("/control/routes", self._set_routes),
                web.get("/control/traffic", self._show_traffic),
                web.put("/control/traffic", self._set_traffic),
            ]
        )

    @web.middleware
    async def _origins(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/control/"):
            return await handler(request)
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._exchange.settings.allowed_origins:
            return _problem(403, "This page may not use the simulator.", "origin")
        response = _preflight() if request.method == "OPTIONS" else await self._handled(request, handler)
        if origin is not None and not response.prepared:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Vary"] = "Origin"
        return response

    @staticmethod
    async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except _BadRequest as error:
            return error.response
        except BadTokenError as error:
            return _problem(401, str(error), "Authorization")
        except NoSuchRouteError as error:
            return _problem(404, str(error), "to")
        except web.HTTPException as error:
            return _problem(error.status, error.reason or "refused")

    async def _health(self, _request: web.Request) -> web.Response:
        living = self._exchange.living()
        return web.json_response(
            {
                "ok": True,
                "speed": self._exchange.pace.speed,
                "calls": len(living),
                "numbers": sorted(self._exchange.numbers),
                "last": self._exchange.record.last,
            }
        )

    async def _list_people(self, _request: web.Request) -> web.Response:
        return web.json_response([person.model_dump() for person in self._exchange.settings.people])

    async def _list_numbers(self, _request: web.Request) -> web.Response:
        routes = self._exchange.numbers.values()
        return web.json_response([{"number": route.number, "label": route.label} for route in routes])

    async def _list_calls(self, _request: web.Request) -> web.Response:
        return web.json_response({"calls": [_leg_json(leg) for leg in self._exchange.living()]})

    async def _place_call(self, request: web.Request) -> web.Response:
        wish = await _body(request, NewCall)
        leg = self._exchange.place_call(wish.caller, wish.to, wish.caller_name)
        return web.json_response({"call_sid": leg.sid}, status=201)

    async def _dial(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        wish = await _body(request, Dialling)
        if scheme.lower() != "bearer" or not token:
            raise BadTokenError("needs Authorization: Bearer <voice access token>")
        try:
            leg = self._exchange.dial_from_softphone(token, wish.params)
        except BadTokenError:
            raise
        except ValueError as error:
            raise _BadRequest(_problem(400, str(error), "params")) from error
        return web.json_response({"call_sid": leg.sid}, status=201)

    async def _show_call(self, request: web.Request) -> web.Response:
        leg = self._leg(request)
        heard = [_heard_json(event) for event in leg.ear.all[-200:]]
        return web.json_response({**_leg_json(leg), "events": heard})

    async def _press(self, request: web.Request) -> web.Response:
        leg, keys = self._living_leg(request), await _body(request, Keys)
        return web.json_response({"digits": keys.digits, "taken": leg.press(keys.digits)})

    async def _hang_up(self, request: web.Request) -> web.Response:
        leg = self._leg(request)
        return web.json_response({"call_sid": leg.sid, "hung_up": self._exchange.hang_up(leg)})

    async def _say(self, request: web.Request) -> web.Response:
        leg, words = self._living_leg(request), await _body(request, Words)
        heard_by = [] if leg.participant is None else leg.participant.conference.say(leg, words.text)
        return web.json_response({"heard_by": heard_by})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-Sent Events of what the person hears; 204 when all of an ended call is known."""
        leg, after = self._leg(request), _last_event_id(request)
        if leg.ear.closed and after >= leg.ear.last:
            return web.Response(status=204)
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
        origin = request.headers.get("Origin")
        if origin is not None:  # too late in the middleware
            headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        with suppress(ConnectionError):  # the page went away
            await _stream(response, leg, after)
        return response

    async def _log(self, request: web.Request) -> web.Response:
        after, limit = _count(request, "after", 0), min(_count(request, "limit", 200), LOG_PAGE_MAX)
        entries = self._exchange.record.after(after, limit, request.query.get("kind"))
        return web.json_response({"entries": entries, "last": self._exchange.record.last})

    async def _show_faults(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"rules": [rule.model_dump(mode="json") for rule in self._exchange.faults.rules]}
        )

    async def _set_faults(self, request: web.Request) -> web.Response:
        wish = await _body(request, FaultRules)
        self._exchange.faults.replace(wish.rules)
        self._exchange.record.add("fault", rules=[rule.model_dump(mode="json") for rule in wish.rules])
        return await self._show_faults(request)

    async def _set_routes(self, request: web.Request) -> web.Response:
        wish = await _body(request, Routes)
        self._exchange.set_routes(wish.numbers, wish.apps)
        return web.json_response(
            {"numbers": sorted(self._exchange.numbers), "apps": sorted(self._exchange.apps)}
        )

    async def _show_traffic(self, _request: web.Request) -> web.Response:
        return web.json_response(self._customers.counts())

    async def _set_traffic(self, request: web.Request) -> web.Response:
        wish = await _body(request, TrafficRate)
        self._customers.set_rate(wish.calls_per_minute)
        return await self._show_traffic(request)

    def _leg(self, request: web.Request) -> Leg:
        leg = self._exchange.legs.get(request.match_info["call_sid"])
        if leg is None:
            raise _BadRequest(_problem(404, "There is no such call.", "call_sid"))
        return leg

    def _living_leg(self, request: web.Request) -> Leg:
        leg = self._leg(request)
        if leg.end is not None:
            raise _BadRequest(_problem(409, "The call is over.", "call_sid"))
        return leg


class _BadRequest(Exception):
    """Carries the answer out of a helper."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.text)
        self.response = response


async def _body(request: web.Request, model: type[Model]) -> Model:
    if request.content_type != "application/json":  # also makes a browser ask before it sends
        raise _BadRequest(_problem(415, "Send JSON.", "content-type"))
    try:
        return model.model_validate(await request.json())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _BadRequest(_problem(400, first["msg"], ".".join(map(str, first["loc"])))) from error
    except ValueError as error:
        raise _BadRequest(_problem(400, "This is not JSON.", "body")) from error


def _count(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise _BadRequest(_problem(400, "Must be a whole number.", name))
    return int(text)


def _last_event_id(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or "0"
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


async def _stream(response: web.StreamResponse, leg: Leg, after: int) -> None:
    """Write events as they come, and a comment now and then so that a dead connection shows."""
    await response.write(b"retry: 500\n\n")
    events = leg.ear.follow(after)
    pending = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait({pending}, timeout=HEARTBEAT_S)
            if not pending.done():
                await response.write(b": still here\n\n")
                continue
            heard = pending.result()
            if heard is None:
                return
            await response.write(_sse(heard))
            pending = asyncio.ensure_future(anext(events, None))
    finally:
        pending.cancel()


def _sse(heard: Heard) -> bytes:
    data = json.dumps({"at": heard.at, "kind": heard.kind, **heard.data}, ensure_ascii=False)
    return f"id: {heard.id}\nevent: {heard.kind}\ndata: {data}\n\n".encode()


def _heard_json(heard: Heard) -> dict[str, Any]:
    return {"id": heard.id, "at": heard.at, "kind": heard.kind, **heard.data}


def _leg_json(leg: Leg) -> dict[str, Any]:
    conference = None if leg.participant is None else leg.participant.conference
    return {
        "call_sid": leg.sid,
        "from": leg.caller,
        "to": leg.called,
        "status": leg.status.value,
        "listening": leg.listening,
        "conference": None
        if conference is None
        else {"name": conference.name, "status": conference.status.value},
        "on_hold": leg.participant is not None and leg.participant.hold,
        "created_at": leg.created_at,
        "ended": None if leg.end is None else {"reason": leg.end.reason, "by": leg.end.by},
        "last_event_id": leg.ear.last,
    }


def _preflight() -> web.Response:
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
            "Access-Control-Max-Age": "600",
        },
    )


def _problem(status: int, detail: str, field: str = "") -> web.Response:
    body = {"status": status, "detail": detail, "field": field}
    return web.json_response(body, status=status, content_type="application/problem+json")
