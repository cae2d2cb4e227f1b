"""From signed form parameters to events. Pure: no clock, no network, no state.

Dedupe keys are natural keys. A delivery that is repeated, retried or sent to the fallback URL gives the
same key.
"""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

from channels.contract import (
    AgentDialled,
    CallbackAsked,
    CallChanged,
    CallStarted,
    CallStatus,
    CallWaiting,
    ConferenceChanged,
    CustomerAnswered,
    DigitsPressed,
    InboundEvent,
    NotInteresting,
    ParticipantChange,
    Unrecognised,
)
from channels.twilio_signature import FormRules, VerifiedForm

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
CALLED = re.compile(r"(?:\+[1-9][0-9]{6,14})?")  # a softphone that dials an app calls nobody
CALL_SID = re.compile(r"CA[0-9a-f]{32}")
CONFERENCE_SID = re.compile(r"CF[0-9a-f]{32}")
ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
LIVE_STATUS = re.compile(r"queued|ringing|in-progress|completed|busy|failed|no-answer|canceled")
ANY_STATUS = re.compile(r"initiated|" + LIVE_STATUS.pattern)
DIRECTION = re.compile(r"inbound|outbound-(?:api|dial)")  # read so that no caller's name swallows it
PARTY = re.compile(r"[^\x00-\x1f\x7f]{0,256}")
WORDS = re.compile(r"[^\x00-\x1f\x7f]{0,256}")
DESK_ID = (
    r"[a-z]{2,12}_[0-9a-z]{1,40}"  # no capital: a name that follows cannot be swallowed, nor the tail cut off
)
CLIENT = re.compile(f"client:{DESK_ID}")
DIGIT = re.compile(r"[0-9*#]")
COUNT = re.compile(r"[0-9]{1,9}")
INTERACTION_ID = re.compile(DESK_ID)
DIAL = re.compile(rf"{DESK_ID}\.[0-9]{{1,6}}")
CONFERENCE_EVENT = re.compile(
    r"conference-(?:start|end)|participant-(?:join|leave|mute|unmute|hold|unhold|modify|speech-start|speech-stop)"
    r"|announcement-(?:end|fail)"
)
REASON = re.compile(r"[a-z_-]{1,100}")
SIP_CODE = re.compile(r"[1-6][0-9]{2}")
ERROR_URL = re.compile(r"https?://[^\x00-\x20]{1,2000}")
MAX_ATTEMPT = 9
CALLER_NAME_CHARACTERS = 100

# What carriers put in place of a number that was withheld: the words, and the same words as telephone keys.
WITHHELD = frozenset(
    {"", "anonymous", "restricted", "unavailable", "unknown", "blocked", "private"}
    | {"266696687", "7378742833", "86282452253", "8656696", "2562533", "7748283"}
)

CALL = MappingProxyType({"AccountSid": ACCOUNT_SID, "CallSid": CALL_SID, "CallStatus": LIVE_STATUS})
VOICE_RULES = FormRules(
    required={**CALL, "From": PARTY, "To": E164},
    optional={"CallerName": WORDS, "Direction": DIRECTION},
    free_text=frozenset({"From", "CallerName"}),
)
MENU_RULES = FormRules(required={**CALL, "Digits": DIGIT})
SILENT_MENU_RULES = FormRules(required=CALL)
WAIT_RULES = FormRules(required=CALL)
CALLBACK_RULES = FormRules(required={**CALL, "Digits": DIGIT})
CUSTOMER_RULES = FormRules(required=CALL)
AGENT_RULES = FormRules(required={**CALL, "From": CLIENT, "interaction_id": INTERACTION_ID})
STATUS_RULES = FormRules(
    required={"AccountSid": ACCOUNT_SID, "CallSid": CALL_SID, "CallStatus": ANY_STATUS},
    optional={"SequenceNumber": COUNT, "CallDuration": COUNT, "SipResponseCode": SIP_CODE},
)
CONFERENCE_RULES = FormRules(
    required={
        "AccountSid": ACCOUNT_SID,
        "ConferenceSid": CONFERENCE_SID,
        "FriendlyName": INTERACTION_ID,
        "StatusCallbackEvent": CONFERENCE_EVENT,
        "SequenceNumber": COUNT,
    },
    optional={"CallSid": CALL_SID, "ReasonParticipantLeft": REASON, "ReasonConferenceEnded": REASON},
)
FALLBACK_RULES = FormRules(
    required={**CALL, "From": PARTY, "ErrorUrl": ERROR_URL},
    optional={"CallerName": WORDS, "Direction": DIRECTION, "To": CALLED, "interaction_id": INTERACTION_ID},
    free_text=frozenset({"From", "CallerName", "ErrorUrl"}),
)


def call_started(form: VerifiedForm) -> CallStarted:
    """Somebody phones one of our numbers."""
    call_id = form["CallSid"]
    return CallStarted(
        call_id=call_id,
        caller=caller_number(form["From"]),
        called=form["To"],
        dedupe_key=f"voice:{call_id}",
        caller_name=_caller_name(form),
    )


def digits_pressed(form: VerifiedForm, attempt: int) -> DigitsPressed:
    """The caller pressed a key in the menu."""
    call_id = form["CallSid"]
    return DigitsPressed(call_id, form["Digits"], dedupe_key=f"menu:{call_id}:{attempt}", attempt=attempt)


def silence_in_menu(form: VerifiedForm, attempt: int) -> DigitsPressed:
    """The caller pressed nothing in time. The key differs from the pressed one: an outage may end in both."""
    call_id = form["CallSid"]
    return DigitsPressed(call_id, "", dedupe_key=f"menu:{call_id}:{attempt}:silent", attempt=attempt)


def call_waiting(form: VerifiedForm) -> CallWaiting:
    """A waiting leg asks what it should hear next."""
    return CallWaiting(form["CallSid"])


def callback_asked(form: VerifiedForm) -> CallbackAsked:
    """The caller pressed a key where they were offered to be called back."""
    call_id = form["CallSid"]
    return CallbackAsked(call_id, form["Digits"], dedupe_key=f"callback:{call_id}:{form['Digits']}")


def customer_answered(form: VerifiedForm, dial: str) -> CustomerAnswered:
    """Somebody whom we called picked up, and asks what they should hear."""
    call_id = form["CallSid"]
    return CustomerAnswered(call_id, dial, dedupe_key=f"customer:{call_id}")


def agent_dialled(form: VerifiedForm) -> AgentDialled:
    """An agent's softphone calls in; its identity was signed into its token, so it is who it says."""
    call_id = form["CallSid"]
    return AgentDialled(
        call_id=call_id,
        agent_id=form["From"].removeprefix("client:"),
        interaction_id=form["interaction_id"],
        dedupe_key=f"agent:{call_id}",
    )


def call_changed(form: VerifiedForm, dial: str | None = None) -> CallChanged:
    """A leg has a new status; `dial`: it is of a call of ours."""
    call_id, status = form["CallSid"], CallStatus(form["CallStatus"])
    sequence, duration = int(form.get("SequenceNumber") or 0), form.get("CallDuration")
    return CallChanged(
        call_id=call_id,
        status=status,
        dedupe_key=f"status:{call_id}:{sequence}:{status.value}",
        sequence=sequence,
        duration_s=None if duration is None else int(duration),
        cause=form.get("SipResponseCode"),
        dial=dial,
    )


CONFERENCE_CHANGES = MappingProxyType(
    {
        "participant-join": ParticipantChange.JOINED,
        "participant-leave": ParticipantChange.LEFT,
        "conference-end": ParticipantChange.ENDED,
    }
)


def conference_changed(form: VerifiedForm) -> ConferenceChanged:
    """A leg joined or left, or the conference ended. NotInteresting for mutes, holds and the start."""
    word, conference_id, sequence = (
        form["StatusCallbackEvent"],
        form["ConferenceSid"],
        int(form["SequenceNumber"]),
    )
    change = CONFERENCE_CHANGES.get(word)
    if change is None:
        raise NotInteresting(word)
    ended = change is ParticipantChange.ENDED
    call_id = form.get("CallSid")
    if call_id is None and not ended:
        raise Unrecognised("a parameter is missing", "CallSid")
    return ConferenceChanged(
        interaction_id=form["FriendlyName"],
        conference_id=conference_id,
        change=change,
        dedupe_key=f"conference:{conference_id}:{sequence}:{word}",
        sequence=sequence,
        call_id=None if ended else call_id,
        reason=form.get("ReasonConferenceEnded" if ended else "ReasonParticipantLeft"),
    )


def fallen_back(form: VerifiedForm) -> InboundEvent:
    """The provider could not fetch or understand what it asked us for, and asks again here.

    It becomes the event that got lost, under the same key, as far as that can be told from the URL that
    failed.
    """
    lost = urlsplit(form["ErrorUrl"]).path.rpartition("/")[2]
    if lost == "agent":
        if form.get("interaction_id") is None or not CLIENT.fullmatch(form["From"]):
            raise Unrecognised("a parameter is missing", "interaction_id")
        return agent_dialled(form)
    if lost != "voice":
        return call_waiting(form)
    if not form.get("To"):
        raise Unrecognised("a parameter is missing", "To")
    return call_started(form)


def caller_number(party: str) -> str | None:
    """The caller in E.164, None when it was withheld or is no telephone number (a SIP address, say)."""
    folded = unicodedata.normalize("NFKC", party).strip()
    if folded.lstrip("+").lower() in WITHHELD:
        return None
    return folded if E164.fullmatch(folded) else None


def _caller_name(form: VerifiedForm) -> str | None:
    name = form.get("CallerName")
    if name is None or not form.all_known:
        return None
    return unicodedata.normalize("NFC", name).strip()[:CALLER_NAME_CHARACTERS] or None


def menu_query(url: str) -> tuple[int, bool]:
    """Attempt and silence from a menu URL that we rendered. Unrecognised for any other query."""
    query = _query(url, allowed=frozenset({"attempt", "silent"}))
    attempt, silent = query.get("attempt", ""), query.get("silent")
    if not attempt.isascii() or not attempt.isdigit() or not 1 <= int(attempt[:3]) <= MAX_ATTEMPT:
        raise Unrecognised("not an attempt", "attempt")
    if silent not in {None, "1"}:
        raise Unrecognised("unexpected value", "silent")
    return int(attempt), silent is not None


def dial_query(url: str) -> str:
    """Which call of ours a URL is about that we gave with it. Unrecognised for any other query."""
    dial = _query(url, allowed=frozenset({"dial"})).get("dial", "")
    if not DIAL.fullmatch(dial):
        raise Unrecognised("not a call of ours", "dial")
    return dial


def no_query(url: str) -> None:
    """Refuse a URL that we never rendered."""
    _query(url, allowed=frozenset())


def _query(url: str, allowed: frozenset[str]) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError as error:
        raise Unrecognised("the URL cannot be read", "url") from error
    pairs = [pair for pair in pairs if pair[0] != "bodySHA256"]
    query = dict(pairs)
    if len(query) != len(pairs) or not query.keys() <= allowed:
        raise Unrecognised("unexpected query", "query")
    return query
