"""The pretend account that all these tests share, and requests as the provider signs them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from channels.contract import WebhookRequest
from channels.phone.settings import PhoneSettings
from channels.simulator.settings import SimulatorSettings

ACCOUNT = "phone-main"
ACCOUNT_SID = "AC" + "1" * 32
AUTH_TOKEN = "a" * 32
API_KEY_SID = "SK" + "2" * 32
API_KEY_SECRET = "k" * 32
APP_SID = "AP" + "3" * 32
NUMBER = "+14155550100"
CALL_SID = "CA" + "0123456789abcdef" * 2
CONFERENCE_SID = "CF" + "fedcba9876543210" * 2
BASE = f"https://desk.example/hooks/phone/{ACCOUNT}"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def phone_settings(**overrides: Any) -> PhoneSettings:
    values: dict[str, Any] = {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "api_key_sid": API_KEY_SID,
        "api_key_secret": API_KEY_SECRET,
        "twiml_app_sid": APP_SID,
        "numbers": [NUMBER],
    }
    return PhoneSettings.model_validate(values | overrides)


def simulator_settings(**overrides: Any) -> SimulatorSettings:
    values: dict[str, Any] = {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "api_key_sid": API_KEY_SID,
        "api_key_secret": API_KEY_SECRET,
        "speed": 50.0,
    }
    return SimulatorSettings.model_validate(values | overrides)


def signature(url: str, form: Mapping[str, str], token: str = AUTH_TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, dict(form)))


def signed(url: str, form: Mapping[str, str], token: str = AUTH_TOKEN, **headers: str) -> WebhookRequest:
    """A request as the provider sends it."""
    given = {"content-type": FORM, "x-twilio-signature": signature(url, form, token), **headers}
    return WebhookRequest("POST", url, given, urlencode(form).encode())


PLACES = {
    f"{party}{part}": value
    for party in ("Called", "Caller", "From", "To")
    for part, value in {"City": "TORONTO", "State": "ON", "Zip": "M4B 1B3", "Country": "CA"}.items()
}
VOICE_FORM = {
    **PLACES,
    "AccountSid": ACCOUNT_SID,
    "ApiVersion": "2010-04-01",
    "CallSid": CALL_SID,
    "CallStatus": "ringing",
    "CallToken": "%7B%22parentCallInfoToken%22%3A%22eyJhbGciOiJFUzI1NiJ9%22%7D",
    "Called": NUMBER,
    "Caller": "+16135550199",
    "CallerName": "Zoë Dan",
    "Direction": "inbound",
    "From": "+16135550199",
    "StirVerstat": "TN-Validation-Passed-A",
    "To": NUMBER,
}
MENU_FORM = {
    **{name: value for name, value in VOICE_FORM.items() if name not in {"CallToken", "StirVerstat"}},
    "CallStatus": "in-progress",
    "Digits": "2",
    "FinishedOnKey": "",
    "msg": "Gather End",
}
WAIT_FORM = {
    name: value for name, value in MENU_FORM.items() if name not in {"Digits", "FinishedOnKey", "msg"}
}
AGENT_FORM = {
    "AccountSid": ACCOUNT_SID,
    "ApiVersion": "2010-04-01",
    "ApplicationSid": APP_SID,
    "CallSid": CALL_SID,
    "CallStatus": "ringing",
    "Called": "",
    "Caller": "client:agt_01hzx",
    "Direction": "inbound",
    "From": "client:agt_01hzx",
    "To": "",
    "interaction_id": "int_01hzy",
}
STATUS_FORM = {
    **WAIT_FORM,
    "CallDuration": "42",
    "CallStatus": "completed",
    "CallbackSource": "call-progress-events",
    "Duration": "1",
    "SequenceNumber": "0",
    "SipResponseCode": "200",
    "Timestamp": "Sat, 21 Nov 2026 10:00:00 +0000",
}
DIAL = "int_01hzy.3"
DIALLED_FORM = {
    **{
        name: value
        for name, value in STATUS_FORM.items()
        if name not in {"CallDuration", "Duration", "SipResponseCode"}
    },
    "CallStatus": "ringing",
    "Called": "+16135550199",
    "Caller": NUMBER,
    "Direction": "outbound-api",
    "From": NUMBER,
    "SequenceNumber": "1",
    "To": "+16135550199",
}
ANSWERED_FORM = {
    **{
        name: value
        for name, value in DIALLED_FORM.items()
        if name not in {"CallbackSource", "SequenceNumber", "Timestamp"}
    },
    "CallStatus": "in-progress",
}
JOIN_FORM = {
    "AccountSid": ACCOUNT_SID,
    "ApiVersion": "2010-04-01",
    "CallSid": CALL_SID,
    "Coaching": "false",
    "ConferenceSid": CONFERENCE_SID,
    "EndConferenceOnExit": "true",
    "FriendlyName": "int_01hzy",
    "Hold": "false",
    "Muted": "false",
    "ParticipantLabel": "customer",
    "SequenceNumber": "1",
    "StartConferenceOnEnter": "false",
    "StatusCallbackEvent": "participant-join",
    "Timestamp": "Sat, 21 Nov 2026 10:00:00 +0000",
}
LEAVE_FORM = JOIN_FORM | {
    "ParticipantCallStatus": "completed",
    "ReasonParticipantLeft": "participant_hung_up",
    "SequenceNumber": "4",
    "StatusCallbackEvent": "participant-leave",
}
END_FORM = {
    "AccountSid": ACCOUNT_SID,
    "ApiVersion": "2010-04-01",
    "CallSidEndingConference": CALL_SID,
    "ConferenceSid": CONFERENCE_SID,
    "FriendlyName": "int_01hzy",
    "ParticipantLabelEndingConference": "customer",
    "Reason": "Participant left",
    "ReasonConferenceEnded": "participant-with-end-conference-on-exit-left",
    "SequenceNumber": "5",
    "StatusCallbackEvent": "conference-end",
    "Timestamp": "Sat, 21 Nov 2026 10:00:00 +0000",
}
FALLBACK_FORM = {**VOICE_FORM, "ErrorCode": "11200", "ErrorUrl": f"{BASE}/voice"}

RECORDED: dict[str, tuple[str, dict[str, str]]] = {
    "voice": ("voice", VOICE_FORM),
    "menu": ("menu?attempt=1", MENU_FORM),
    "silent menu": ("menu?attempt=2&silent=1", WAIT_FORM),
    "wait": ("wait", WAIT_FORM),
    "callback": ("callback", MENU_FORM | {"Digits": "1"}),
    "customer": (f"customer?dial={DIAL}", ANSWERED_FORM),
    "dialled": (f"dialled?dial={DIAL}", DIALLED_FORM),
    "agent": ("agent", AGENT_FORM),
    "status": ("status", STATUS_FORM),
    "join": ("conference", JOIN_FORM),
    "leave": ("conference", LEAVE_FORM),
    "end": ("conference", END_FORM),
    "fallback": ("fallback", FALLBACK_FORM),
}
"""Endpoint with query, and form, for every kind of request that the provider sends."""
