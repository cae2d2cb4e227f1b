"""The control API, for people (the /simulator page) and tests. The provider has nothing like it.

JSON in and out. A browser may use it only from the configured origins; other pages on the same machine may
not.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, StringConstraints

from channels.contract import CallStatus
from channels.simulator.bodies import (
    BadRequestError,
    Body,
    count_of,
    event_bytes,
    last_event_id,
    problem,
    read_body,
    stream,
)
from channels.simulator.customers import CallCustomers
from channels.simulator.exchange import BadTokenError, Exchange
from channels.simulator.faults import FaultRule
from channels.simulator.legs import Heard, Leg
from channels.simulator.messaging_control import MessagingControl
from channels.simulator.settings import (
    AppRoute,
    Digits,
    MessagingService,
    NoSuchRouteError,
    NumberRoute,
    TextRoute,
)
from channels.twilio_settings import PhoneNumber

LOG_PAGE_MAX = 1_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class NewCall(Body):
    """A telephone call. `from` null withholds the number."""

    caller: PhoneNumber | None = Field(default=None, alias="from")
    to: PhoneNumber | None = None
    caller_name: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None


class Keys(Body):
    """Keys that the person presses."""

    digits: Digits


class Words(Body):
    """What the person says."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Dialling(Body):
    """What a softphone sends along."""

    params: dict[str, str] = Field(default_factory=dict)


class Routes(Body):
    """Numbers, apps and where texts lead, to add or replace."""

    numbers: tuple[NumberRoute, ...] = ()
    apps: tuple[AppRoute, ...] = ()
    texts: tuple[TextRoute, ...] = ()
    messaging_services: tuple[MessagingService, ...] = ()


class FaultRules(Body):
    """The faults that are on; an empty list switches all off."""

    rules: list[FaultRule]


class TrafficRate(Body):
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
                web.post(f"{call}/answer", self._pick_up),
                web.post(f"{call}/say", self._say),
                web.post("/control/softphones/dial", self._dial),
                web.get("/control/log", self._log),
                web.get("/control/faults", self._show_faults),
                web.put("/control/faults", self._set_faults),
                web.put("/control/routes", self._set_routes),
                web.get("/control/traffic", self._show_traffic),
                web.put("/control/traffic", self._set_traffic),
                *MessagingControl(self._exchange.messaging).routes(),
            ]
        )

    @web.middleware
    async def _origins(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/control/"):
            return await handler(request)
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._exchange.settings.allowed_origins:
            return problem(403, "This page may not use the simulator.", "origin")
        response = _preflight() if request.method == "OPTIONS" else await self._handled(request, handler)
        if origin is not None and not response.prepared:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Vary"] = "Origin"
        return response

    @staticmethod
    async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except BadRequestError as error:
            return error.response
        except BadTokenError as error:
            return problem(401, str(error), "Authorization")
        except NoSuchRouteError as error:
            return problem(404, str(error), "to")
        except web.HTTPException as error:
            return problem(error.status, error.reason or "refused")

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

    async def _list_calls(self, request: web.Request) -> web.Response:
        """Living calls; `?ringing=1`: only the telephones that ring because the desk calls them."""
        legs = self._exchange.living()
        if request.query.get("ringing") == "1":
            legs = [leg for leg in legs if leg.outgoing and leg.status is CallStatus.RINGING]
        return web.json_response({"calls": [_leg_json(leg) for leg in legs]})

    async def _place_call(self, request: web.Request) -> web.Response:
        wish = await read_body(request, NewCall)
        leg = self._exchange.place_call(wish.caller, wish.to, wish.caller_name)
        return web.json_response({"call_sid": leg.sid}, status=201)

    async def _dial(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        wish = await read_body(request, Dialling)
        if scheme.lower() != "bearer" or not token:
            raise BadTokenError("needs Authorization: Bearer <voice access token>")
        try:
            leg = self._exchange.dial_from_softphone(token, wish.params)
        except BadTokenError:
            raise
        except ValueError as error:
            raise BadRequestError(problem(400, str(error), "params")) from error
        return web.json_response({"call_sid": leg.sid}, status=201)

    async def _show_call(self, request: web.Request) -> web.Response:
        leg = self._leg(request)
        heard = [_heard_json(event) for event in leg.ear.all[-200:]]
        return web.json_response({**_leg_json(leg), "events": heard})

    async def _press(self, request: web.Request) -> web.Response:
        leg, keys = self._living_leg(request), await read_body(request, Keys)
        return web.json_response({"digits": keys.digits, "taken": leg.press(keys.digits)})

    async def _hang_up(self, request: web.Request) -> web.Response:
        leg = self._leg(request)
        return web.json_response({"call_sid": leg.sid, "hung_up": self._exchange.hang_up(leg)})

    async def _pick_up(self, request: web.Request) -> web.Response:
        """A customer answers; to decline is to hang up."""
        leg = self._living_leg(request)
        return web.json_response({"call_sid": leg.sid, "answered": self._exchange.pick_up(leg)})

    async def _say(self, request: web.Request) -> web.Response:
        leg, words = self._living_leg(request), await read_body(request, Words)
        heard_by = [] if leg.participant is None else leg.participant.conference.say(leg, words.text)
        return web.json_response({"heard_by": heard_by})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-Sent Events of what the person hears; 204 when all of an ended call is known."""
        leg, after = self._leg(request), last_event_id(request)
        if leg.ear.closed and after >= leg.ear.last:
            return web.Response(status=204)
        return await stream(request, _heard(leg, after))

    async def _log(self, request: web.Request) -> web.Response:
        after, limit = count_of(request, "after", 0), min(count_of(request, "limit", 200), LOG_PAGE_MAX)
        entries = self._exchange.record.after(after, limit, request.query.get("kind"))
        return web.json_response({"entries": entries, "last": self._exchange.record.last})

    async def _show_faults(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"rules": [rule.model_dump(mode="json") for rule in self._exchange.faults.rules]}
        )

    async def _set_faults(self, request: web.Request) -> web.Response:
        wish = await read_body(request, FaultRules)
        self._exchange.faults.replace(wish.rules)
        self._exchange.record.add("fault", rules=[rule.model_dump(mode="json") for rule in wish.rules])
        return await self._show_faults(request)

    async def _set_routes(self, request: web.Request) -> web.Response:
        wish = await read_body(request, Routes)
        self._exchange.set_routes(wish.numbers, wish.apps)
        self._exchange.messaging.set_routes(wish.texts, wish.messaging_services)
        return web.json_response(
            {
                "numbers": sorted(self._exchange.numbers),
                "apps": sorted(self._exchange.apps),
                "texts": sorted(self._exchange.messaging.routes),
            }
        )

    async def _show_traffic(self, _request: web.Request) -> web.Response:
        return web.json_response(self._customers.counts())

    async def _set_traffic(self, request: web.Request) -> web.Response:
        wish = await read_body(request, TrafficRate)
        self._customers.set_rate(wish.calls_per_minute)
        return await self._show_traffic(request)

    def _leg(self, request: web.Request) -> Leg:
        leg = self._exchange.legs.get(request.match_info["call_sid"])
        if leg is None:
            raise BadRequestError(problem(404, "There is no such call.", "call_sid"))
        return leg

    def _living_leg(self, request: web.Request) -> Leg:
        leg = self._leg(request)
        if leg.end is not None:
            raise BadRequestError(problem(409, "The call is over.", "call_sid"))
        return leg


def _sse(heard: Heard) -> bytes:
    return event_bytes(heard.id, heard.kind, {"at": heard.at, "kind": heard.kind, **heard.data})


async def _heard(leg: Leg, after: int) -> AsyncIterator[bytes]:
    async for heard in leg.ear.follow(after):
        yield _sse(heard)


def _heard_json(heard: Heard) -> dict[str, Any]:
    return {"id": heard.id, "at": heard.at, "kind": heard.kind, **heard.data}


def _leg_json(leg: Leg) -> dict[str, Any]:
    conference = None if leg.participant is None else leg.participant.conference
    return {
        "call_sid": leg.sid,
        "from": leg.caller,
        "to": leg.called,
        "direction": leg.direction,
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
