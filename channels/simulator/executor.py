"""Carries out TwiML for one leg: fetches a document, checks it, does its verbs, and goes where they lead."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

from channels.contract import CallStatus
from channels.simulator.conferences import Conference, ConferenceStatus, Joining, Participant
from channels.simulator.courier import Courier, DeliveryError
from channels.simulator.grammar import WRONG_TYPE, TwimlError, check_limited, read_document
from channels.simulator.legs import End, Leg, Source, Turn
from channels.simulator.pace import Pace
from channels.simulator.record import Record
from channels.simulator.settings import SimulatorSettings

XML_TYPES = frozenset({"text/xml", "application/xml", "text/html"})
DEFAULT_MUSIC = "the provider's own hold music"
APPLICATION_ERROR_WORDS = "We are sorry. An application error has occurred. Goodbye."
NOT_PRETENDED = 13000
"""Our code for verbs that the provider has and this simulator does not: never a silent pass."""
FOREVER_LOOP = 1_000  # loop="0" means that many, at the provider, too
CONFERENCES_KEPT = 10_000
DOCUMENTS_MAX = 100_000
"""Documents in one call: a redirect to itself without a pause must end some day."""


class Executor:
    """Does what documents say. One for the exchange; all state lies in legs and conferences."""

    def __init__(
        self,
        settings: SimulatorSettings,
        pace: Pace,
        record: Record,
        courier: Courier,
        conferences: "ConferenceBook",
    ) -> None:
        self._settings = settings
        self._pace = pace
        self._record = record
        self._courier = courier
        self._conferences = conferences
        self._requests: set[asyncio.Task[Any]] = set()

    async def live(self, leg: Leg, first: Source) -> End:
        """From the first document to the end of the leg."""
        turn: Turn = first
        for _ in range(DOCUMENTS_MAX):
            if isinstance(turn, End):
                return turn
            turn = await self._until_turned(leg, turn)
        return End("too many documents", "network", CallStatus.FAILED)

    async def close(self) -> None:
        """Stop requests whose legs are gone."""
        requests = list(self._requests)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

    async def _until_turned(self, leg: Leg, source: Source) -> Turn:
        """Follow a document until it leads on, or until somebody turns the leg elsewhere."""
        work = asyncio.create_task(self._follow(leg, source))
        try:
            await asyncio.wait({work, leg.turn}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        if leg.turn.done():
            turn, leg.turn = leg.turn.result(), asyncio.get_running_loop().create_future()
            return turn
        return work.result()

    async def _follow(self, leg: Leg, source: Source) -> Turn:
        try:
            root, base = await self._document(leg, source)
            return await self._perform(leg, root, base)
        except (DeliveryError, TwimlError) as error:
            return await self._failed(leg, source, error)

    async def _failed(self, leg: Leg, source: Source, error: DeliveryError | TwimlError) -> Turn:
        """The fallback URL gets another try; without one the caller hears an apology and is gone."""
        self._record.add("error", code=error.code, message=str(error), call=leg.sid, url=source.url)
        leg.ear.hear("error", code=error.code, message=str(error))
        if leg.route.fallback_url is not None and not source.is_fallback:
            extra = {
                **leg.parameters,
                "ErrorCode": str(error.code),
                "ErrorUrl": source.url or leg.route.voice_url,
            }
            return Source(leg.route.fallback_url, extra=extra, is_fallback=True)
        leg.answer()
        await self._say(leg, APPLICATION_ERROR_WORDS, "en-US")
        return End("application error", "network", CallStatus.COMPLETED)

    async def _document(self, leg: Leg, source: Source) -> tuple[ET.Element, Source]:
        if source.twiml is not None:
            return read_document(source.twiml.encode()), source
        body = await self._fetch(source.url, source.method, leg.form() | dict(source.extra))
        return read_document(body), source

    async def _fetch(self, url: str, method: str, form: Mapping[str, str]) -> bytes:
        """A document's bytes.

        The request goes on when the leg is gone: a provider does not take requests back.
        """
        request = asyncio.create_task(self._courier.ask(url, method, form))
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)
        request.add_done_callback(_look_at)
        reply = await asyncio.shield(request)
        if reply.content_type not in XML_TYPES:
            raise TwimlError(WRONG_TYPE, f"the content type is {reply.content_type or 'missing'}")
        return reply.body

    async def _perform(self, leg: Leg, root: ET.Element, base: Source) -> Turn:
        for verb in root:
            if verb.tag not in {"Reject", "Redirect"}:
                leg.answer()
            turn = await self._do(leg, verb, base)
            if turn is not None:
                return turn
        return End("end of the document", "desk", CallStatus.COMPLETED)

    async def _do(self, leg: Leg, verb: ET.Element, base: Source) -> Turn | None:
        match verb.tag:
            case "Say" | "Play" | "Pause":
                await self._sound(leg, verb, base.url)
                return None
            case "Gather":
                return await self._gather(leg, verb, base)
            case "Redirect":
                return _source(_text(verb) or base.url, verb.get("method"), base)
            case "Dial":
                return await self._dial(leg, verb, base)
            case "Hangup":
                return End("the document hung up", "desk", CallStatus.COMPLETED)
            case "Reject":
                busy = verb.get("reason") == "busy"
                return End("rejected", "desk", CallStatus.BUSY if busy else CallStatus.NO_ANSWER)
            case other:
                raise TwimlError(NOT_PRETENDED, f"this simulator does not pretend <{other}>")

    # --- what is heard ---

    async def _sound(self, leg: Leg, verb: ET.Element, base_url: str) -> None:
        if verb.tag == "Pause":
            seconds = int(verb.get("length", "1"))
            leg.ear.hear("silence", seconds=seconds)
            await self._pace.rest(seconds)
            return
        for _ in range(int(verb.get("loop", "1")) or FOREVER_LOOP):
            if verb.tag == "Say":
                await self._say(
                    leg, " ".join("".join(verb.itertext()).split()), verb.get("language", "en-US")
                )
            else:
                leg.ear.hear("music", url=urljoin(base_url, _text(verb)), seconds=self._settings.play_s)
                await self._pace.rest(self._settings.play_s)

    async def _say(self, leg: Leg, text: str, language: str) -> None:
        seconds = len(text.split()) * self._settings.words_s
        leg.ear.hear("words", text=text, language=language, seconds=round(seconds, 2))
        await self._pace.rest(seconds)

    # --- Gather ---

    async def _gather(self, leg: Leg, verb: ET.Element, base: Source) -> Turn | None:
        leg.listen()
        limit = int(verb.get("numDigits", "1000"))
        leg.ear.hear("listening", digits=limit if limit < 1000 else None)
        sounding = asyncio.create_task(self._all_sounds(leg, verb, base.url))
        try:
            digits, finished_on = await self._collect(leg, verb, sounding)
        finally:
            leg.listening = False
            sounding.cancel()
            await asyncio.gather(sounding, return_exceptions=True)
        if not digits and verb.get("actionOnEmptyResult") != "true":
            return None
        extra = {"Digits": digits, "FinishedOnKey": finished_on, "msg": "Gather End"}
        return replace(_source(verb.get("action") or base.url, verb.get("method"), base), extra=extra)

    async def _all_sounds(self, leg: Leg, parent: ET.Element, base_url: str) -> None:
        for verb in parent:
            await self._sound(leg, verb, base_url)

    async def _collect(self, leg: Leg, verb: ET.Element, sounding: "asyncio.Task[None]") -> tuple[str, str]:
        """Keys until there are enough, the finishing key or a silence. The first key stops the sounds."""
        limit, finish = int(verb.get("numDigits", "1000")), verb.get("finishOnKey", "#")
        silence_s = self._pace.real(int(verb.get("timeout", "5")))
        digits = ""
        pressed = asyncio.create_task(leg.keys.get())
        try:
            await asyncio.wait({pressed, sounding}, return_when=asyncio.FIRST_COMPLETED)
            while len(digits) < limit:
                await asyncio.wait({pressed}, timeout=silence_s)
                if not pressed.done():
                    break
                sounding.cancel()
                key = pressed.result()
                if key == finish:
                    return digits, key
                digits += key
                pressed = asyncio.create_task(leg.keys.get())
            return digits, ""
        finally:
            pressed.cancel()

    # --- Dial ---

    async def _dial(self, leg: Leg, verb: ET.Element, base: Source) -> Turn | None:
        nouns = list(verb)
        if len(nouns) != 1 or nouns[0].tag != "Conference":
            raise TwimlError(NOT_PRETENDED, "this simulator dials conferences only")
        await self._confer(leg, nouns[0], base)
        action = verb.get("action")
        if action is None:
            return None
        extra = {"DialCallStatus": "completed", "DialBridged": "true"}
        return replace(_source(action, verb.get("method"), base), extra=extra)

    async def _confer(self, leg: Leg, noun: ET.Element, base: Source) -> None:
        """Stay in the conference until it, or somebody, lets the leg go."""
        joining = _joining(noun, base)
        try:
            participant = self._conferences.enter(leg, _text(noun), joining)
        except ValueError as error:
            raise TwimlError(NOT_PRETENDED, str(error)) from error
        conference = participant.conference
        if not conference.live:
            self.treat(participant, joining.wait_url, joining.wait_method)
        try:
            await participant.released
        finally:
            gone = leg.turn.done() and isinstance(leg.turn.result(), End)
            conference.leave(participant, "participant_hung_up" if gone else "participant_updated_via_api")

    def treat(self, participant: Participant, url: str | None, method: str, *, once: bool = False) -> None:
        """Let a participant hear a document, not the conference; None is the default music, "" silence."""
        participant.treat(_quiet_task(self._treatment(participant, url, method, once=once)))

    async def _treatment(self, participant: Participant, url: str | None, method: str, *, once: bool) -> None:
        leg = participant.leg
        if url == "":
            return
        if url is None:
            leg.ear.hear("music", url=DEFAULT_MUSIC, seconds=None)
            return
        source = Source(url, method)
        try:
            while True:
                source = await self._treatment_round(participant, source)
                if once:
                    return
        except (DeliveryError, TwimlError) as error:
            self._record.add("error", code=error.code, message=str(error), call=leg.sid, url=source.url)
            leg.ear.hear("error", code=error.code, message=str(error))

    async def _treatment_round(self, participant: Participant, source: Source) -> Source:
        leg = participant.leg
        conference = participant.conference
        form = leg.form() | {"ConferenceSid": conference.sid, "FriendlyName": conference.name}
        root = read_document(await self._fetch(source.url, source.method, form))
        check_limited(root)
        for verb in root:
            if verb.tag == "Redirect":
                return _source(_text(verb) or source.url, verb.get("method"), source)
            await self._sound(leg, verb, source.url)
        await self._pace.rest(0.1)  # an empty document is asked for again and again
        return source


class ConferenceBook:
    """The conferences by name and id. A name can be used again when its conference is over."""

    def __init__(self, account_sid: str, courier: Courier, record: Record) -> None:
        self._account_sid = account_sid
        self._courier = courier
        self._record = record
        self.all: dict[str, Conference] = {}
        self._living: dict[str, Conference] = {}

    def enter(self, leg: Leg, name: str, joining: Joining) -> Participant:
        """Join the living conference of a name, or open it. ValueError when it cannot be joined."""
        conference = self._living.get(name)
        if conference is None or conference.status is ConferenceStatus.COMPLETED:
            conference = Conference(
                self._account_sid, name, joining.callback, joining.callback_events, self._notify
            )
            self.all[conference.sid] = conference
            if len(self.all) > CONFERENCES_KEPT:
                self._forget_old()
            self._living[name] = conference
        return conference.join(leg, joining)

    def _forget_old(self) -> None:
        over = [sid for sid, known in self.all.items() if known.status is ConferenceStatus.COMPLETED]
        for sid in over[: CONFERENCES_KEPT // 2]:
            gone = self.all.pop(sid)
            if self._living.get(gone.name) is gone:
                del self._living[gone.name]

    def _notify(self, conference: Conference, event: str, form: Mapping[str, str]) -> None:
        self._record.add(
            "conference",
            conference=conference.sid,
            name=conference.name,
            event=event,
            call=form.get("CallSid"),
        )
        if conference.callback is not None:
            self._courier.tell(conference.sid, conference.callback, form)


def _joining(noun: ET.Element, base: Source) -> Joining:
    wait_url, callback = noun.get("waitUrl"), noun.get("statusCallback")
    return Joining(
        label=noun.get("participantLabel"),
        muted=noun.get("muted") == "true",
        start_on_enter=noun.get("startConferenceOnEnter", "true") == "true",
        end_on_exit=noun.get("endConferenceOnExit") == "true",
        wait_url=urljoin(base.url, wait_url) if wait_url else wait_url,
        wait_method=noun.get("waitMethod", "POST"),
        max_participants=int(noun.get("maxParticipants", "250")),
        callback=urljoin(base.url, callback) if callback else None,
        callback_events=frozenset((noun.get("statusCallbackEvent") or "").split()),
    )


def _source(url: str, method: str | None, base: Source) -> Source:
    return Source(urljoin(base.url, url), method or "POST")


def _text(element: ET.Element) -> str:
    return "".join(element.itertext()).strip()


def _look_at(task: "asyncio.Task[Any]") -> None:
    """A request whose leg is gone may fail without anybody to tell; the record has it."""
    if not task.cancelled():
        task.exception()


def _quiet_task(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    return asyncio.create_task(work)
