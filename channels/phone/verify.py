"""What the provider is known to send about calls. How a request is checked: channels/twilio_signature.py."""

from channels.phone.settings import PhoneSettings
from channels.twilio_signature import Verifier

PLACES = tuple(
    f"{party}{part}"
    for party in ("From", "To", "Caller", "Called")
    for part in ("City", "State", "Zip", "Country")
)
KNOWN_NAMES = frozenset(
    (
        *PLACES,
        *("AccountSid", "AddOns", "AnsweredBy", "ApiVersion", "ApplicationSid", "CallDuration", "CallSid"),
        *(
            "CallStatus",
            "CallToken",
            "CallbackSource",
            "Called",
            "CalledVia",
            "Caller",
            "CallerName",
            "Confidence",
        ),
        *(
            "Digits",
            "Direction",
            "Duration",
            "ErrorCode",
            "ErrorUrl",
            "FinishedOnKey",
            "ForwardedFrom",
            "From",
        ),
        *("ParentCallSid", "RecordingDuration", "RecordingSid", "RecordingUrl", "SequenceNumber"),
        *(
            "SipResponseCode",
            "SpeechResult",
            "StirPassportToken",
            "StirStatus",
            "StirVerstat",
            "Timestamp",
            "To",
        ),
        *("msg", "interaction_id"),
        # <Dial> and <Conference>
        *("DialBridged", "DialCallDuration", "DialCallSid", "DialCallStatus"),
        *("AnnounceUrl", "CallSidEndingConference", "CallSidToCoach", "Coaching", "ConferenceSid"),
        *(
            "EndConferenceOnExit",
            "FriendlyName",
            "Hold",
            "Muted",
            "ParticipantCallStatus",
            "ParticipantLabel",
        ),
        *("ParticipantLabelEndingConference", "Reason", "ReasonAnnouncementFailed", "ReasonConferenceEnded"),
        *("ReasonParticipantLeft", "StartConferenceOnEnter", "StatusCallbackEvent"),
    )
)


def open_verifier(settings: PhoneSettings) -> Verifier:
    """Checks requests about calls of one account."""
    return Verifier(settings, KNOWN_NAMES)
