"""The pretend carrier's switchboard: places calls, connects softphones, turns and ends legs."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from channels.contract import CallStatus
from channels.simulator.conferences import Conference
from channels.simulator.courier import Courier
from channels.simulator.executor import ConferenceBook, Executor
from channels.simulator.faults import Faults
from channels.simulator.legs import WITHHELD_CALLER, End, Leg, Progress, Source, Turn
from channels.simulator.messaging import Messaging
from channels.simulator.pace import Pace, new_sid, now_us, rfc2822
from channels.simulator.record import Record
from channels.simulator.settings import AppRoute, NoSuchRouteError, NumberRoute, Route, SimulatorSettings

PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
PARAMETERS_MAX = 20
PARAMETER_CHARACTERS = 500
LEGS_KEPT = 10_000
"""Ended legs that can still be asked about."""


class BadTokenError(ValueError):
    """A softphone token that the provider would refuse; the message says why."""


class Exchange:
    """All legs and conferences of one account."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.pace = Pace(settings.speed, settings.seed)
        self.record = Record(settings.record_file)
        self.faults = Faults(self.pace.random)
        self.courier = Courier(settings, self.record, self.faults)
        self.conferences = ConferenceBook(settings.account_sid, self.courier, self.record)
        self.executor = Executor(settings, self.pace, self.record, self.courier, self.conferences)
        self.messaging = Messaging(settings, self.pace, self.record, self.courier)
        self.legs: dict[str, Leg] = {}
        self.numbers = {route.number: route for route in settings.numbers}
        self.apps = {route.sid: route for route in settings.apps}
        self.rung: Callable[[Leg], None] | None = None
        """Called when a customer's telephone begins to ring."""
        self._lives: dict[str, asyncio.Task[None]] = {}

    def set_routes(self, numbers: tuple[NumberRoute, ...], apps: tuple[AppRoute, ...]) -> None:
        """Add or replace where numbers and apps lead. Calls under way keep their old routes."""
        self.numbers |= {route.number: route for route in numbers}
        self.apps |= {route.sid: route for route in apps}

    def place_call(
        self, caller: str | None, called: str | None = None, caller_name: str | None = None
    ) -> Leg:
        """A telephone calls one of our numbers; caller None withholds its number.

        NoSuchRouteError if nobody is there.
        """
        called = called or next(iter(self.numbers), None)
        route = self.numbers.get(called or "")
        if called is None or route is None:
            raise NoSuchRouteError(f"no number {called}")
        leg = Leg(
            sid=new_sid("CA"),
            account_sid=self.settings.account_sid,
            caller=caller or WITHHELD_CALLER,
            called=called,
            route=route,
            caller_name=caller_name,
        )
        return self._begin(leg)

    def call_customer(
        self,
        number: str,
        sender: str,
        first: Source,
        fallback_url: str | None,
        progress: Progress | None,
        rings_s: int,
    ) -> Leg:
        """Ring a customer's telephone, as we were asked to; `first` is what they hear when they answer."""
        leg = Leg(
            sid=new_sid("CA"),
            account_sid=self.settings.account_sid,
            caller=sender,
            called=number,
            route=Route(
                voice_url=first.url or fallback_url or "http://127.0.0.1/", fallback_url=fallback_url
            ),
            outgoing=True,
            rings_s=rings_s,
            progress=progress,
            status=CallStatus.QUEUED,
        )
        return self._begin(leg, first)

    def pick_up(self, leg: Leg) -> bool:
        """The customer answers a call that rings; False when it does not ring (any more)."""
        if leg.status is not CallStatus.RINGING or not leg.outgoing or leg.picked_up.done():
            return False
        leg.picked_up.set_result(None)
        return True

    def dial_from_softphone(self, token: str, parameters: Mapping[str, str]) -> Leg:
        """A softphone dials its app.

        Raises BadTokenError, NoSuchRouteError, or ValueError for bad parameters.
        """
        identity, app_sid = self._softphone(token)
        route = self.apps.get(app_sid)
        if route is None:
            raise NoSuchRouteError(f"no app {app_sid}")
        leg = Leg(
            sid=new_sid("CA"),
            account_sid=self.settings.account_sid,
            caller=f"client:{identity}",
            called="",
            route=route,
            app_sid=app_sid,
            parameters=dict(parameters),
        )
        _check_parameters(parameters, leg.form())
        return self._begin(leg)

    def turn(self, leg: Leg, turn: Turn) -> bool:
        """Send a leg elsewhere, or end it. False when it is over already."""
        if leg.end is not None:
            return False
        if not leg.turn.done():
            leg.turn.set_result(turn)
        elif isinstance(turn, End):  # a hang-up beats a redirect that was not yet carried out
            leg.turn = asyncio.get_running_loop().create_future()
            leg.turn.set_result(turn)
        return True

    def hang_up(self, leg: Leg) -> bool:
        """The leg's person hangs up, or will not answer. False when it is over already."""
        unanswered = CallStatus.BUSY if leg.outgoing else CallStatus.NO_ANSWER
        status = CallStatus.COMPLETED if leg.answered_at is not None else unanswered
        return self.turn(leg, End("hung up", "caller", status))

    def living(self) -> list[Leg]:
        """Legs that are not over."""
        return [leg for leg in self.legs.values() if not leg.status.final]

    async def close(self) -> None:
        """End everything. Nobody is told: a carrier that stops says nothing."""
        lives = list(self._lives.values())
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        await self.executor.close()
        await self.messaging.close()
        await self.courier.close()
        self.record.close()

    def _begin(self, leg: Leg, first: Source | None = None) -> Leg:
        self._forget_old()
        self.legs[leg.sid] = leg
        self.record.add("call", call=leg.sid, caller=leg.caller, called=leg.called, status=leg.status.value)
        leg.ear.hear("state", status=leg.status.value)
        life = asyncio.create_task(
            self._live(leg, first or Source(leg.route.voice_url, extra=leg.parameters))
        )
        self._lives[leg.sid] = life
        life.add_done_callback(lambda _: self._lives.pop(leg.sid, None))
        return leg

    async def _live(self, leg: Leg, first: Source) -> None:
        try:
            end = await self._ring(leg) if leg.outgoing else None
            end = end or await self.executor.live(leg, first)
        except Exception as error:  # noqa: BLE001 - a fault of ours must show in the record and not leave a ghost
            self.record.add("error", code=0, message=f"{type(error).__name__}: {error}", call=leg.sid)
            end = End("the simulator failed", "network", CallStatus.FAILED)
        self._over(leg, end)

    async def _ring(self, leg: Leg) -> End | None:
        """An outgoing call until it is answered (None), or until it ends without that."""
        for status, word in ((CallStatus.INITIATED, "initiated"), (CallStatus.RINGING, "ringing")):
            leg.move_to(status)
            self._tell_progress(leg, word)
        if self.rung is not None:
            self.rung(leg)
        either: set[asyncio.Future[Any]] = {leg.turn, leg.picked_up}
        await asyncio.wait(
            either,
            timeout=self.pace.real(leg.rings_s),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if leg.turn.done():
            turn = leg.turn.result()
            return turn if isinstance(turn, End) else None
        if not leg.picked_up.done():
            leg.picked_up.cancel()
            return End("nobody answered", "network", CallStatus.NO_ANSWER)
        leg.answer()
        self._tell_progress(leg, "answered")
        return None

    def _tell_progress(self, leg: Leg, word: str) -> None:
        """A step of an outgoing call, where it was asked for. They are numbered, told or not."""
        number, leg.told = leg.told, leg.told + 1
        if leg.progress is not None and word in leg.progress.events:
            form = _completed_form(leg) if leg.end is not None else _progress_form(leg)
            self.courier.tell(leg.sid, leg.progress.url, form | {"SequenceNumber": str(number)})

    def _over(self, leg: Leg, end: End) -> None:
        leg.end, leg.ended_at = end, now_us()
        leg.move_to(end.status)
        leg.ear.hear("ended", reason=end.reason, by=end.by, status=end.status.value)
        self.record.add(
            "call",
            call=leg.sid,
            status=end.status.value,
            reason=end.reason,
            by=end.by,
            duration_s=leg.duration_s,
        )
        if leg.outgoing:
            self._tell_progress(leg, "completed")
        elif leg.route.status_callback is not None:
            self.courier.tell(leg.sid, leg.route.status_callback, _completed_form(leg))

    def _softphone(self, token: str) -> tuple[str, str]:
        """Identity and app of a voice access token that we could have signed."""
        secret = self.settings.api_key_secret.get_secret_value()
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                issuer=self.settings.api_key_sid,
                options={"require": ["exp", "iss", "sub"]},
            )
            grants = claims["grants"]
            identity, app_sid = grants["identity"], grants["voice"]["outgoing"]["application_sid"]
        except jwt.PyJWTError as error:
            raise BadTokenError(f"the token is not valid: {error}") from error
        except (KeyError, TypeError) as error:
            raise BadTokenError("the token grants no outgoing voice") from error
        if claims["sub"] != self.settings.account_sid:
            raise BadTokenError("the token is for another account")
        return str(identity), str(app_sid)

    def _forget_old(self) -> None:
        if len(self.legs) > LEGS_KEPT * 2:
            ended = [sid for sid, leg in self.legs.items() if leg.status.final]
            for sid in ended[:LEGS_KEPT]:
                del self.legs[sid]


def conference_named(exchange: Exchange, sid: str) -> Conference | None:
    """A conference by its id."""
    return exchange.conferences.all.get(sid)


def _check_parameters(parameters: Mapping[str, str], system: Mapping[str, str]) -> None:
    if len(parameters) > PARAMETERS_MAX:
        raise ValueError(f"at most {PARAMETERS_MAX} parameters")
    for name, value in parameters.items():
        if not PARAMETER_NAME.fullmatch(name) or name in system:
            raise ValueError(f"{name!r} cannot be the name of a parameter")
        if len(value) > PARAMETER_CHARACTERS:
            raise ValueError(f"{name} must have at most {PARAMETER_CHARACTERS} characters")


def _progress_form(leg: Leg) -> dict[str, str]:
    """A step in the life of a call."""
    return leg.form() | {
        "CallbackSource": "call-progress-events",
        "SequenceNumber": "0",
        "Timestamp": rfc2822(now_us()),
    }


def _completed_form(leg: Leg) -> dict[str, str]:
    """The end of a call: of an incoming one the only step that is told."""
    return _progress_form(leg) | {
        "CallDuration": str(leg.duration_s),
        "Duration": str(-(-leg.duration_s // 60)),
        "SipResponseCode": "487" if leg.answered_at is None else "200",
    }
