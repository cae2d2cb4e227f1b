"""What the provider is known to send about messages. How a request is checked: channels/twilio_signature.py."""

from channels.sms.settings import SmsSettings
from channels.twilio_signature import Verifier

MEDIA_MAX = 10

PLACES = tuple(f"{party}{part}" for party in ("From", "To") for part in ("City", "State", "Zip", "Country"))
MEDIA = tuple(f"{name}{number}" for name in ("MediaUrl", "MediaContentType") for number in range(MEDIA_MAX))
KNOWN_NAMES = frozenset(
    (
        *PLACES,
        *MEDIA,
        *("AccountSid", "AddOns", "ApiVersion", "Body", "ErrorCode", "ErrorMessage", "ErrorUrl", "From"),
        *("MessageSid", "MessageStatus", "MessagingServiceSid", "NumMedia", "NumSegments", "OptOutType"),
        *("RawDlrDoneDate", "SmsMessageSid", "SmsSid", "SmsStatus", "To"),
        # channels that are not texts, and what comes with them
        *(
            "ButtonPayload",
            "ButtonText",
            "ButtonType",
            "ChannelInstallSid",
            "ChannelMetadata",
            "ChannelPrefix",
        ),
        *("ChannelStatusMessage", "ChannelToAddress", "EventType", "Forwarded", "FrequentlyForwarded"),
        *("Address", "Label", "Latitude", "Longitude", "MessageType", "OriginalRepliedMessageSender"),
        *("OriginalRepliedMessageSid", "ProfileName", "ReferralNumMedia", "StructuredMessage", "WaId"),
    )
)


def open_verifier(settings: SmsSettings) -> Verifier:
    """Checks requests about messages of one account."""
    return Verifier(settings, KNOWN_NAMES)
