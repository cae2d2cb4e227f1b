"""The provider's REST API, as far as our adapters use it, and stricter than the real one.

The real one ignores parameters that it does not know; here each is refused with 400, for it is a mistake of
ours.
"""

import hmac
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from channels.contract import CallStatus
from channels.simulator.calls_rest import CREATE_CALL, TWIML_CHARACTERS, check_twiml, place
from channels.simulator.conferences import Conference, ConferenceStatus, Participant
from channels.simulator.exchange import Exchange, conference_named
from channels.simulator.faults import Fault
from channels.simulator.legs import API_VERSION, End, Leg, Source
from channels.simulator.messaging_rest import MessagesRest, TextApiRoute
from channels.simulator.pace import rest_real
from channels.simulator.rest_shapes import (
    DATE,
    FLAG,
    INSTANT,
    INTERNAL,
    INVALID,
    METHOD,
    NOT_IN_PROGRESS,
    PAGING,
    TEXT,
    TOO_MANY,
    UNAUTHORISED,
    URL,
    ApiError,
    Rule,
    check_parameters,
    date_text,
    matches,
    not_found,
    page_json,
    page_of,
    read_parameters,
)

BASE = f"/{API_VERSION}/Accounts/{{account_sid}}"

# --- parameters ---------------------------------------------------------------------------------------------

_call_sid = matches("CA[0-9a-fA-F]{32}")
_call_status = matches("queued|ringing|in-progress|completed|busy|failed|no-answer|canceled")
_conference_status = matches("init|in-progress|completed")

LIST_CALLS: Mapping[str, Rule] = {
    **PAGING,
    "To": TEXT,
    "From": TEXT,
    "ParentCallSid": _call_sid,
    "Status": _call_status,
    **{f"{when}{sign}": INSTANT for when in ("StartTime", "EndTime") for sign in ("", "<", ">")},
}
LIST_CONFERENCES: Mapping[str, Rule] = {
    **PAGING,
    "FriendlyName": TEXT,
    "Status": _conference_status,
    **{f"{when}{sign}": DATE for when in ("DateCreated", "DateUpdated") for sign in ("", "<", ">")},
}
LIST_PARTICIPANTS: Mapping[str, Rule] = {**PAGING, "Muted": FLAG, "Hold": FLAG, "Coaching": FLAG}
UPDATE_CALL: Mapping[str, Rule] = {
    "Url": URL,
    "Method": METHOD,
    "Status": matches("canceled|completed"),
    "Twiml": lambda value: len(value) <= TWIML_CHARACTERS,
}
UPDATE_CONFERENCE: Mapping[str, Rule] = {
    "Status": matches("completed"),
    "AnnounceUrl": URL,
    "AnnounceMethod": METHOD,
}
UPDATE_PARTICIPANT: Mapping[str, Rule] = {
    "Muted": FLAG,
    "Hold": FLAG,
    "HoldUrl": URL,
    "HoldMethod": METHOD,
    "AnnounceUrl": URL,
    "AnnounceMethod": METHOD,
    "EndConferenceOnExit": FLAG,
    "Coaching": FLAG,
    "CallSidToCoach": _call_sid,
}
# These tables lack what the real one takes and this simulator would have to ignore: it refuses that, too.
NOTHING: Mapping[str, Rule] = {}


Handler = Callable[["RestApi", web.Request, dict[str, str]], Awaitable[Any]]


@dataclass(slots=True)
class Done:
    """Whether a request was carried out, which its answer may not say."""

    carried_out: bool = False


class RestApi:
    """The routes below /2010-04-01 of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def add_to(self, app: web.Application) -> None:
        """Register the routes; every other path and method of the API is answered in the provider's shape."""
        conference = f"{BASE}/Conferences/{{conference_sid}}"
        participant = f"{conference}/Participants/{{who}}.json"
        for method, path, rules, handler in (
            ("GET", f"/{API_VERSION}/Accounts/{{account_sid}}.json", NOTHING, RestApi._account),
            ("GET", f"{BASE}/Calls.json", LIST_CALLS, RestApi._list_calls),
            ("POST", f"{BASE}/Calls.json", CREATE_CALL, RestApi._create_call),
            ("GET", f"{BASE}/Calls/{{call_sid}}.json", NOTHING, RestApi._fetch_call),
            ("POST", f"{BASE}/Calls/{{call_sid}}.json", UPDATE_CALL, RestApi._update_call),
            ("GET", f"{BASE}/Conferences.json", LIST_CONFERENCES, RestApi._list_conferences),
            ("GET", f"{conference}.json", NOTHING, RestApi._fetch_conference),
            ("POST", f"{conference}.json", UPDATE_CONFERENCE, RestApi._update_conference),
            ("GET", f"{conference}/Participants.json", LIST_PARTICIPANTS, RestApi._list_participants),
            ("GET", participant, NOTHING, RestApi._fetch_participant),
            ("POST", participant, UPDATE_PARTICIPANT, RestApi._update_participant),
            ("DELETE", participant, NOTHING, RestApi._kick_participant),
        ):
            app.router.add_route(method, path, self._guarded(rules, handler))
        for text_route in MessagesRest(self._exchange.messaging, self._exchange.settings).routes(BASE):
            app.router.add_route(text_route.method, text_route.path, self._guarded_text(text_route))
        app.router.add_route("*", f"/{API_VERSION}/{{rest:.*}}", self._guarded(NOTHING, RestApi._unknown))

    def _guarded_text(self, route: TextApiRoute) -> Callable[[web.Request], Awaitable[web.Response]]:
        def handler(_api: RestApi, request: web.Request, parameters: dict[str, str]) -> Awaitable[Any]:
            return route.handler(request, parameters)

        return self._guarded(route.rules, handler)

    def _guarded(
        self, rules: Mapping[str, Rule], handler: Handler
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            parameters: dict[str, str] = {}
            done = Done()
            try:
                response = await self._answer(request, rules, handler, parameters, done)
            except ApiError as error:
                response = error.response()
            self._exchange.record.add(
                "rest",
                method=request.method,
                path=request.path,
                parameters=parameters,
                status=response.status,
                carried_out=done.carried_out,
            )
            return response

        return guarded

    async def _answer(
        self,
        request: web.Request,
        rules: Mapping[str, Rule],
        handler: Handler,
        parameters: dict[str, str],
        done: "Done",
    ) -> web.Response:
        self._authenticate(request)
        pairs = await read_parameters(request)
        parameters |= dict(pairs)
        struck = self._exchange.faults.on_rest(request.method, request.path)
        if Fault.SLOW in struck:
            await rest_real(struck[Fault.SLOW].seconds)
        if Fault.TOO_MANY in struck:
            response = ApiError(429, TOO_MANY, "Too Many Requests").response()
            response.headers["Retry-After"] = str(max(1, round(struck[Fault.TOO_MANY].seconds)))
            return response
        if Fault.ERROR in struck:
            raise ApiError(500, INTERNAL, "Internal Server Error")
        if handler is not RestApi._unknown:
            check_parameters(pairs, rules)
        body = await handler(self, request, parameters)
        done.carried_out = True
        if Fault.ERROR_AFTER_EFFECT in struck:
            raise ApiError(500, INTERNAL, "Internal Server Error")
        if isinstance(body, web.Response):
            return body
        return web.Response(status=204) if body is None else web.json_response(body)

    def _authenticate(self, request: web.Request) -> None:
        settings = self._exchange.settings
        user, password = _basic(request.headers.get("Authorization", ""))
        secrets = {settings.account_sid: settings.auth_token, settings.api_key_sid: settings.api_key_secret}
        secret = secrets.get(user)
        if secret is None or not hmac.compare_digest(secret.get_secret_value().encode(), password.encode()):
            raise ApiError(401, UNAUTHORISED, "Authenticate")
        if request.match_info.get("account_sid", settings.account_sid) != settings.account_sid:
            raise not_found(request)

    # --- accounts and calls ---

    async def _account(self, _request: web.Request, _parameters: dict[str, str]) -> dict[str, Any]:
        sid = self._exchange.settings.account_sid
        return {
            "sid": sid,
            "status": "active",
            "type": "Full",
            "friendly_name": "pretend",
            "owner_account_sid": sid,
        }

    async def _list_calls(self, request: web.Request, parameters: dict[str, str]) -> dict[str, Any]:
        found = [_call_json(leg) for leg in reversed(self._exchange.legs.values())]
        wanted = {"To": "to", "From": "from", "Status": "status"}
        for name, key in wanted.items():
            if name in parameters:
                found = [call for call in found if call[key] == parameters[name]]
        return page_json(request, "calls", page_of(found, parameters))

    async def _fetch_call(self, request: web.Request, _parameters: dict[str, str]) -> dict[str, Any]:
        return _call_json(self._leg(request))

    async def _create_call(self, request: web.Request, parameters: dict[str, str]) -> web.Response:
        pairs = await read_parameters(request)  # again: an event is a parameter that may be repeated
        events = frozenset(value for name, value in pairs if name == "StatusCallbackEvent")
        return web.json_response(_call_json(place(self._exchange, parameters, events)), status=201)

    async def _update_call(self, request: web.Request, parameters: dict[str, str]) -> dict[str, Any]:
        leg = self._leg(request)
        acts = sorted({"Url", "Twiml", "Status"} & parameters.keys())
        if len(acts) != 1:
            raise ApiError(400, INVALID, "Needs exactly one of Url, Twiml and Status")
        if acts == ["Status"]:
            self._end_call(leg, parameters["Status"])
        else:
            self._redirect_call(leg, parameters)
        return _call_json(leg)

    def _end_call(self, leg: Leg, status: str) -> None:
        unanswered = leg.answered_at is None
        if status == "canceled" and not unanswered:
            raise ApiError(
                400, NOT_IN_PROGRESS, "Unable to update record. Call is in progress. Cannot cancel."
            )
        never_talked = leg.outgoing and unanswered
        end = CallStatus.CANCELED if status == "canceled" or never_talked else CallStatus.COMPLETED
        if not self._exchange.turn(leg, End("ended by REST", "desk", end)):
            raise _over()

    def _redirect_call(self, leg: Leg, parameters: dict[str, str]) -> None:
        if leg.status is not CallStatus.IN_PROGRESS:
            raise _over()
        twiml = parameters.get("Twiml")
        check_twiml(twiml)
        source = Source(parameters.get("Url", ""), parameters.get("Method", "POST"), twiml=twiml)
        if not self._exchange.turn(leg, source):
            raise _over()

    # --- conferences ---

    async def _list_conferences(self, request: web.Request, parameters: dict[str, str]) -> dict[str, Any]:
        found = [_conference_json(known) for known in reversed(self._exchange.conferences.all.values())]
        for name, key in {"FriendlyName": "friendly_name", "Status": "status"}.items():
            if name in parameters:
                found = [conference for conference in found if conference[key] == parameters[name]]
        return page_json(request, "conferences", page_of(found, parameters))

    async def _fetch_conference(self, request: web.Request, _parameters: dict[str, str]) -> dict[str, Any]:
        return _conference_json(self._conference(request))

    async def _update_conference(self, request: web.Request, parameters: dict[str, str]) -> dict[str, Any]:
        conference = self._living_conference(request)
        if "AnnounceUrl" in parameters:
            for participant in conference.participants.values():
                self._announce(participant, parameters)
        if "Status" in parameters:
            conference.end("conference-ended-via-api")
        return _conference_json(conference)

    async def _list_participants(self, request: web.Request, parameters: dict[str, str]) -> dict[str, Any]:
        found = [_participant_json(one) for one in self._conference(request).participants.values()]
        for name in ("Muted", "Hold", "Coaching"):
            if name in parameters:
                found = [one for one in found if one[name.lower()] == (parameters[name] == "true")]
        return page_json(request, "participants", page_of(found, parameters))

    async def _fetch_participant(self, request: web.Request, _parameters: dict[str, str]) -> dict[str, Any]:
        return _participant_json(self._participant(request))

    async def _update_participant(self, request: web.Request, parameters: dict[str, str]) -> dict[str, Any]:
        participant = self._participant(request)
        conference = participant.conference
        self._update_coaching(participant, parameters)
        if "Muted" in parameters:
            conference.set_muted(participant, muted=parameters["Muted"] == "true")
        if "EndConferenceOnExit" in parameters:
            participant.end_on_exit = parameters["EndConferenceOnExit"] == "true"
        if "Hold" in parameters:
            self._hold(participant, parameters)
        if "AnnounceUrl" in parameters:
            self._announce(participant, parameters)
        return _participant_json(participant)

    async def _kick_participant(self, request: web.Request, _parameters: dict[str, str]) -> None:
        participant = self._participant(request)
        participant.conference.leave(participant, "participant_updated_via_api", kicked=True)

    def _update_coaching(self, participant: Participant, parameters: dict[str, str]) -> None:
        coached = parameters.get("CallSidToCoach")
        if "Coaching" not in parameters and coached is None:
            return
        coaching = parameters.get("Coaching", "true") == "true"
        if coaching and coached not in participant.conference.participants:
            raise ApiError(400, INVALID, "CallSidToCoach is no participant of this conference")
        participant.conference.set_coaching(participant, coaching=coaching, coached_call=coached)

    def _hold(self, participant: Participant, parameters: dict[str, str]) -> None:
        hold = parameters["Hold"] == "true"
        participant.conference.set_hold(participant, hold=hold)
        if hold:
            method = parameters.get("HoldMethod", "GET")
            self._exchange.executor.treat(participant, parameters.get("HoldUrl"), method)
        else:
            participant.treat(None)

    def _announce(self, participant: Participant, parameters: dict[str, str]) -> None:
        method = parameters.get("AnnounceMethod", "POST")
        self._exchange.executor.treat(participant, parameters["AnnounceUrl"], method, once=True)

    # --- finding ---

    def _leg(self, request: web.Request) -> Leg:
        leg = self._exchange.legs.get(request.match_info["call_sid"])
        if leg is None:
            raise not_found(request)
        return leg

    def _conference(self, request: web.Request) -> Conference:
        conference = conference_named(self._exchange, request.match_info["conference_sid"])
        if conference is None:
            raise not_found(request)
        return conference

    def _living_conference(self, request: web.Request) -> Conference:
        conference = self._conference(request)
        if conference.status is ConferenceStatus.COMPLETED:
            raise not_found(request)
        return conference

    def _participant(self, request: web.Request) -> Participant:
        """By call or by label."""
        who, participants = request.match_info["who"], self._living_conference(request).participants
        for participant in participants.values():
            if who in {participant.leg.sid, participant.joining.label}:
                return participant
        raise not_found(request)

    async def _unknown(self, request: web.Request, _parameters: dict[str, str]) -> None:
        raise not_found(request)


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return user, password


def _over() -> ApiError:
    return ApiError(
        400, NOT_IN_PROGRESS, "Unable to update record. Call is not in-progress. Cannot redirect."
    )


# --- shapes -------------------------------------------------------------------------------------------------


def _call_json(leg: Leg) -> dict[str, Any]:
    base = f"/{API_VERSION}/Accounts/{leg.account_sid}/Calls/{leg.sid}"
    return {
        "sid": leg.sid,
        "account_sid": leg.account_sid,
        "api_version": API_VERSION,
        "caller_name": leg.caller_name,
        "date_created": date_text(leg.created_at),
        "date_updated": date_text(leg.ended_at or leg.answered_at or leg.created_at),
        "direction": leg.direction,
        "duration": str(leg.duration_s) if leg.ended_at is not None else None,
        "end_time": date_text(leg.ended_at),
        "from": leg.caller,
        "from_formatted": leg.caller,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": "USD",
        "start_time": date_text(leg.answered_at),
        "status": leg.status.value,
        "to": leg.called,
        "to_formatted": leg.called,
        "uri": f"{base}.json",
        "subresource_uris": {"recordings": f"{base}/Recordings.json"},
    }


def _conference_json(conference: Conference) -> dict[str, Any]:
    base = f"/{API_VERSION}/Accounts/{conference.account_sid}/Conferences/{conference.sid}"
    return {
        "sid": conference.sid,
        "account_sid": conference.account_sid,
        "api_version": API_VERSION,
        "call_sid_ending_conference": None if conference.ended_by is None else conference.ended_by.sid,
        "date_created": date_text(conference.created_at),
        "date_updated": date_text(conference.updated_at),
        "friendly_name": conference.name,
        "reason_conference_ended": conference.reason_ended,
        "region": "us1",
        "status": conference.status.value,
        "uri": f"{base}.json",
        "subresource_uris": {"participants": f"{base}/Participants.json"},
    }


def _participant_json(participant: Participant) -> dict[str, Any]:
    conference, leg = participant.conference, participant.leg
    base = f"/{API_VERSION}/Accounts/{conference.account_sid}/Conferences/{conference.sid}"
    return {
        "account_sid": conference.account_sid,
        "call_sid": leg.sid,
        "call_sid_to_coach": participant.coached_call,
        "coaching": participant.coaching,
        "conference_sid": conference.sid,
        "date_created": date_text(participant.joined_at),
        "date_updated": date_text(conference.updated_at),
        "end_conference_on_exit": participant.end_on_exit,
        "hold": participant.hold,
        "label": participant.joining.label,
        "muted": participant.muted,
        "queue_time": "0",
        "start_conference_on_enter": participant.joining.start_on_enter,
        "status": "connected",
        "uri": f"{base}/Participants/{leg.sid}.json",
    }
