"""From answers to TwiML, written by the provider's own classes, with absolute URLs from the public base.

A waiting caller runs documents of ours in a loop (<Gather> around words and music, then <Redirect>): while
waiting inside a conference a document could only say, play, pause and redirect (error 13238).
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from twilio.twiml import voice_response

from channels.contract import Accepted, AccountId, Answer, Ask, HangUp, Hold, Join, Prompt, WebhookResponse

Twiml = Any
"""A document or an element of the SDK, whose methods are annotated in part only."""

TWIML_TYPE = "text/xml; charset=utf-8"
SAY_CHARACTERS = 3_000  # the provider takes 4,096 for one <Say>, and the whole of a REST update only 4,000
PAUSE_MAX_S = 180
DOCUMENTS_KEPT = 256
"""Most callers hear one of a few greetings, menus and positions: those are written once."""
CONFERENCE_EVENTS = "start end join leave"
OUTAGE_WORDS = "One moment please."
OUTAGE_PAUSE_S = 3
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]+")

# The languages that the provider's standard voices speak.
LANGUAGES = frozenset(
    {"ca-ES", "da-DK", "de-DE", "en-AU", "en-CA", "en-GB", "en-IN", "en-US", "es-ES", "es-MX", "fi-FI"}
    | {"fr-CA", "fr-FR", "it-IT", "ja-JP", "ko-KR", "nb-NO", "nl-NL", "pl-PL", "pt-BR", "pt-PT", "ru-RU"}
    | {"sv-SE", "zh-CN", "zh-HK", "zh-TW"}
)
HOME_REGIONS = {
    "da": "DK",
    "en": "US",
    "es": "ES",
    "fr": "FR",
    "ja": "JP",
    "ko": "KR",
    "nb": "NO",
    "no": "NO",
}
HOME_REGIONS |= {"pt": "PT", "sv": "SE", "zh": "CN", "ca": "ES"}


@dataclass(frozen=True, slots=True)
class Hooks:
    """The absolute URLs of one account."""

    public_base: str
    account: AccountId

    def url(self, endpoint: str) -> str:
        return f"{self.public_base}/hooks/phone/{self.account}/{endpoint}"

    def menu(self, attempt: int) -> str:
        return self.url(f"menu?attempt={attempt}")

    def silent_menu(self, attempt: int) -> str:
        return self.url(f"menu?attempt={attempt}&silent=1")

    def customer(self, dial: str) -> str:
        """What somebody hears whom we called."""
        return self.url(f"customer?dial={dial}")

    def dialled(self, dial: str) -> str:
        """How a call of ours fares."""
        return self.url(f"dialled?dial={dial}")


class Renderer:
    """Answers of one account as TwiML."""

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks
        self._document_of = lru_cache(DOCUMENTS_KEPT)(lambda answer: _document(self.caller_document(answer)))

    @property
    def wait_url(self) -> str:
        """Where a waiting leg asks what it should hear."""
        return self.hooks.url("wait")

    def for_caller(self, answer: Answer) -> WebhookResponse:
        """What a customer's leg does next. `Accepted` keeps it waiting: no slip of ours may drop a caller."""
        return self._document_of(answer)

    def for_agent(self, answer: Answer) -> WebhookResponse:
        """What an agent's leg does next; anything but `Join` and `HangUp` ends it."""
        return self._document_of(answer if isinstance(answer, Join | HangUp) else HangUp())

    def for_status(self, answer: Answer) -> WebhookResponse:  # noqa: ARG002 - the shape of RenderAnswer
        """A status callback is only taken note of."""
        return WebhookResponse(204)

    def outage(self, back_to: str) -> WebhookResponse:
        """What a caller hears while we cannot take the event: a word, a pause, and the same again."""
        response = _response()
        response.say(OUTAGE_WORDS, language="en-US")
        response.pause(length=OUTAGE_PAUSE_S)
        response.redirect(back_to, method="POST")
        return _document(response)

    def connect_document(self, interaction_id: str) -> str:
        """TwiML that moves a customer's leg into its conference, for a REST update."""
        return str(self.caller_document(Join(interaction_id, role="customer")).to_xml())

    def caller_document(self, answer: Answer) -> Twiml:
        """The document of an answer. ValueError for a role that there is not."""
        match answer:
            case Hold():
                return self._hold(answer)
            case Ask():
                return self._ask(answer)
            case Join():
                return self._join(answer)
            case HangUp():
                return self._hang_up(answer)
            case Accepted():
                return self._keep_waiting()

    def _hold(self, hold: Hold) -> Twiml:
        wait, response = self.wait_url, _response()
        pressed = self.hooks.url("callback") if hold.offers_callback else wait
        gather = response.gather(num_digits=1, timeout=1, finish_on_key="", action=pressed, method="POST")
        self._say(gather, hold.prompt)
        if hold.prompt.music_url is None:
            gather.pause(length=min(max(hold.pause_s, 1), PAUSE_MAX_S))
        response.redirect(wait, method="POST")
        return response

    def _ask(self, ask: Ask) -> Twiml:
        response = _response()
        gather = response.gather(
            input="dtmf",
            num_digits=1,
            timeout=max(ask.timeout_s, 1),
            finish_on_key="",
            action=self.hooks.menu(ask.attempt),
            method="POST",
        )
        self._say(gather, ask.prompt)
        response.redirect(self.hooks.silent_menu(ask.attempt), method="POST")
        return response

    def _join(self, join: Join) -> Twiml:
        if join.role not in {"customer", "agent"}:
            raise ValueError(f"a conference has no role {join.role!r}")
        customer, response = join.role == "customer", _response()
        response.dial().conference(
            join.interaction_id,
            beep="false",
            start_conference_on_enter=not customer,
            end_conference_on_exit=customer,
            wait_url="",
            participant_label="customer" if customer else None,
            status_callback=self.hooks.url("conference"),
            status_callback_event=CONFERENCE_EVENTS,
            status_callback_method="POST",
        )
        return response

    def _hang_up(self, hang_up: HangUp) -> Twiml:
        response = _response()
        if hang_up.prompt is not None:
            self._say(response, hang_up.prompt)
        response.hangup()
        return response

    def _keep_waiting(self) -> Twiml:
        response = _response()
        response.pause(length=1)
        response.redirect(self.wait_url, method="POST")
        return response

    @staticmethod
    def _say(parent: Any, prompt: Prompt) -> None:
        words = speakable(prompt.text)
        if words:
            parent.say(words, language=spoken_language(prompt.language))
        if prompt.music_url is not None:
            parent.play(prompt.music_url)


def speakable(text: str) -> str:
    """Words without control characters, of a length that one <Say> takes."""
    return CONTROL.sub(" ", unicodedata.normalize("NFC", text)).strip()[:SAY_CHARACTERS]


def spoken_language(tag: str) -> str:
    """The nearest language that the provider speaks: "de" gives de-DE, what it does not speak gives en-US."""
    primary, _, region = tag.replace("_", "-").partition("-")
    primary = primary.lower()
    for candidate in (region.upper(), HOME_REGIONS.get(primary, primary.upper())):
        if f"{primary}-{candidate}" in LANGUAGES:
            return f"{primary}-{candidate}"
    return "nb-NO" if primary == "no" else "en-US"


def _response() -> Twiml:
    return voice_response.VoiceResponse()


def _document(response: Twiml) -> WebhookResponse:
    return WebhookResponse(200, response.to_xml().encode(), TWIML_TYPE)
