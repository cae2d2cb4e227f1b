"""Recorded forms become events."""

import pytest

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
    Rejected,
    Unrecognised,
    Webhook,
)
from channels.phone.parse import caller_number
from channels.phone.plugin import PhoneChannel
from tests.channels.pretend import (
    AGENT_FORM,
    BASE,
    CALL_SID,
    CONFERENCE_SID,
    DIAL,
    FALLBACK_FORM,
    JOIN_FORM,
    MENU_FORM,
    NUMBER,
    RECORDED,
    VOICE_FORM,
    WAIT_FORM,
    signed,
)

EXPECTED: dict[str, InboundEvent] = {
    "voice": CallStarted(CALL_SID, "+16135550199", NUMBER, f"voice:{CALL_SID}", "Zoë Dan"),
    "menu": DigitsPressed(CALL_SID, "2", f"menu:{CALL_SID}:1", 1),
    "silent menu": DigitsPressed(CALL_SID, "", f"menu:{CALL_SID}:2:silent", 2),
    "wait": CallWaiting(CALL_SID),
    "callback": CallbackAsked(CALL_SID, "1", f"callback:{CALL_SID}:1"),
    "customer": CustomerAnswered(CALL_SID, DIAL, f"customer:{CALL_SID}"),
    "dialled": CallChanged(
        CALL_SID, CallStatus.RINGING, f"status:{CALL_SID}:1:ringing", 1, None, None, dial=DIAL
    ),
    "agent": AgentDialled(CALL_SID, "agt_01hzx", "int_01hzy", f"agent:{CALL_SID}"),
    "status": CallChanged(CALL_SID, CallStatus.COMPLETED, f"status:{CALL_SID}:0:completed", 0, 42, "200"),
    "join": ConferenceChanged(
        "int_01hzy",
        CONFERENCE_SID,
        ParticipantChange.JOINED,
        f"conference:{CONFERENCE_SID}:1:participant-join",
        1,
        CALL_SID,
    ),
    "leave": ConferenceChanged(
        "int_01hzy",
        CONFERENCE_SID,
        ParticipantChange.LEFT,
        f"conference:{CONFERENCE_SID}:4:participant-leave",
        4,
        CALL_SID,
        "participant_hung_up",
    ),
    "end": ConferenceChanged(
        "int_01hzy",
        CONFERENCE_SID,
        ParticipantChange.ENDED,
        f"conference:{CONFERENCE_SID}:5:conference-end",
        5,
        None,
        "participant-with-end-conference-on-exit-left",
    ),
    "fallback": CallStarted(CALL_SID, "+16135550199", NUMBER, f"voice:{CALL_SID}", "Zoë Dan"),
}


def webhook(channel: PhoneChannel, path: str) -> Webhook:
    return next(hook for hook in channel.webhooks() if hook.name == path.partition("?")[0])


def parsed(channel: PhoneChannel, path: str, form: dict[str, str]) -> InboundEvent:
    return webhook(channel, path).parse(signed(f"{BASE}/{path}", form))


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_forms(channel: PhoneChannel, name: str) -> None:
    assert parsed(channel, *RECORDED[name]) == EXPECTED[name]


@pytest.mark.parametrize(
    ("party", "number"),
    [
        ("+16135550199", "+16135550199"),
        ("anonymous", None),
        ("Anonymous", None),
        ("+266696687", None),  # ANONYMOUS on a telephone's keys
        ("+7378742833", None),  # RESTRICTED
        ("Restricted", None),
        ("", None),
        ("unknown", None),
        ("12345", None),  # a short code is nobody's number in E.164
        ("sip:alice@example.com", None),
        ("+0123456789", None),
        ("+1 613 555 0199", None),
        ("٠١٢٣٤٥٦٧٨٩", None),
    ],
)
def test_callers(channel: PhoneChannel, party: str, number: str | None) -> None:
    assert caller_number(party) == number
    event = parsed(channel, "voice", VOICE_FORM | {"From": party, "Caller": party})
    assert isinstance(event, CallStarted)
    assert event.caller == number


def test_a_caller_name_with_ordinary_words_is_no_attack(channel: PhoneChannel) -> None:
    for name in ("Confidence Bank", "Digits Ltd", "Hold & Caller Inc", "To From", "Zoë"):
        event = parsed(channel, "voice", VOICE_FORM | {"CallerName": name})
        assert isinstance(event, CallStarted)
        assert event.caller_name == name


def test_unknown_parameters_are_tolerated(channel: PhoneChannel) -> None:
    for name, (path, form) in RECORDED.items():
        event = parsed(channel, path, form | {"NewThing": "x", "Another_One2": ""})
        expected = EXPECTED[name]
        if isinstance(expected, CallStarted):  # free text is believed only when every name is known
            expected = CallStarted(expected.call_id, expected.caller, expected.called, expected.dedupe_key)
        assert event == expected


def test_mutes_and_starts_are_not_interesting(channel: PhoneChannel) -> None:
    for word in ("participant-mute", "conference-start", "participant-speech-start"):
        with pytest.raises(NotInteresting):
            parsed(channel, "conference", JOIN_FORM | {"StatusCallbackEvent": word})


def test_a_join_without_its_call_names_the_field(channel: PhoneChannel) -> None:
    form = {name: value for name, value in JOIN_FORM.items() if name != "CallSid"}
    with pytest.raises(Unrecognised) as caught:
        parsed(channel, "conference", form)
    assert caught.value.field == "CallSid"


@pytest.mark.parametrize(
    ("path", "form", "field"),
    [
        ("voice", VOICE_FORM | {"CallSid": "CA1"}, "CallSid"),
        ("voice", VOICE_FORM | {"CallSid": CALL_SID.upper()}, "CallSid"),
        ("voice", VOICE_FORM | {"CallStatus": "flying"}, "CallStatus"),
        ("menu?attempt=1", MENU_FORM | {"Digits": "22"}, "Digits"),
        ("menu?attempt=1", MENU_FORM | {"Digits": "\uff12"}, "Digits"),
        ("menu?attempt=1", WAIT_FORM, "Digits"),
        ("menu?attempt=0", MENU_FORM, "attempt"),
        ("menu?attempt=10", MENU_FORM, "attempt"),
        ("menu?attempt=x", MENU_FORM, "attempt"),
        ("menu", MENU_FORM, "attempt"),
        ("menu?attempt=1&attempt=2", MENU_FORM, "query"),
        ("menu?attempt=1&silent=2", MENU_FORM, "silent"),
        ("wait?attempt=1", WAIT_FORM, "query"),
        ("agent", AGENT_FORM | {"From": "+16135550199"}, "From"),
        ("agent", AGENT_FORM | {"interaction_id": "../x"}, "interaction_id"),
        ("agent", {n: v for n, v in AGENT_FORM.items() if n != "interaction_id"}, "interaction_id"),
        ("status", WAIT_FORM | {"SequenceNumber": "-1"}, "SequenceNumber"),
        ("conference", JOIN_FORM | {"FriendlyName": "a b"}, "FriendlyName"),
        ("conference", JOIN_FORM | {"StatusCallbackEvent": "participant-dance"}, "StatusCallbackEvent"),
    ],
)
def test_signed_but_not_understood_names_the_field(
    channel: PhoneChannel, path: str, form: dict[str, str], field: str
) -> None:
    with pytest.raises(Unrecognised) as caught:
        parsed(channel, path, form)
    assert caught.value.field == field


def test_another_account_is_rejected(channel: PhoneChannel) -> None:
    with pytest.raises(Rejected):
        parsed(channel, "voice", VOICE_FORM | {"AccountSid": "AC" + "9" * 32})


def test_a_fallback_is_the_event_that_got_lost(channel: PhoneChannel) -> None:
    lost_wait = FALLBACK_FORM | {"ErrorUrl": f"{BASE}/wait"}
    assert parsed(channel, "fallback", lost_wait) == CallWaiting(CALL_SID)
    lost_menu = FALLBACK_FORM | {"ErrorUrl": f"{BASE}/menu?attempt=2"}
    assert parsed(channel, "fallback", lost_menu) == CallWaiting(CALL_SID)
    lost_agent = AGENT_FORM | {"ErrorUrl": f"{BASE}/agent", "ErrorCode": "11200"}
    assert parsed(channel, "fallback", lost_agent) == EXPECTED["agent"]
    with pytest.raises(Unrecognised):
        parsed(channel, "fallback", FALLBACK_FORM | {"ErrorUrl": f"{BASE}/agent"})
