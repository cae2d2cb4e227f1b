"""The pretend SMS account, and the forms that the provider sends about texts, as recorded."""

from typing import Any

from channels.sms.settings import SmsSettings
from tests.channels.pretend import ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN, NUMBER

SMS_ACCOUNT = "sms-main"
SMS_BASE = f"https://desk.example/hooks/sms/{SMS_ACCOUNT}"
MESSAGE_SID = "SM" + "0123456789abcdef" * 2
MMS_SID = "MM" + "0123456789abcdef" * 2
SERVICE_SID = "MG" + "4" * 32
CUSTOMER = "+16135550199"
MEDIA_BASE = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{MMS_SID}/Media"
MEDIA_URLS = tuple(f"{MEDIA_BASE}/ME{str(number) * 32}" for number in range(2))


def sms_settings(**overrides: Any) -> SmsSettings:
    values: dict[str, Any] = {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "api_key_sid": API_KEY_SID,
        "api_key_secret": API_KEY_SECRET,
        "numbers": [NUMBER],
    }
    return SmsSettings.model_validate(values | overrides)


TEXT_FORM = {
    "AccountSid": ACCOUNT_SID,
    "ApiVersion": "2010-04-01",
    "Body": "Hello, my dishwasher stops.\nWhat can I do?",
    "From": CUSTOMER,
    "FromCity": "OTTAWA",
    "FromCountry": "CA",
    "FromState": "ON",
    "FromZip": "K1A 0A0",
    "MessageSid": MESSAGE_SID,
    "NumMedia": "0",
    "NumSegments": "1",
    "SmsMessageSid": MESSAGE_SID,
    "SmsSid": MESSAGE_SID,
    "SmsStatus": "received",
    "To": NUMBER,
    "ToCity": "SAN FRANCISCO",
    "ToCountry": "US",
    "ToState": "CA",
    "ToZip": "94105",
}
PICTURE_FORM = TEXT_FORM | {
    "Body": "",
    "MediaContentType0": "image/jpeg",
    "MediaContentType1": "image/png",
    "MediaUrl0": MEDIA_URLS[0],
    "MediaUrl1": MEDIA_URLS[1],
    "MessageSid": MMS_SID,
    "NumMedia": "2",
    "SmsMessageSid": MMS_SID,
    "SmsSid": MMS_SID,
}
STOP_FORM = TEXT_FORM | {"Body": "Stop", "MessagingServiceSid": SERVICE_SID, "OptOutType": "STOP"}
FALLBACK_FORM = TEXT_FORM | {"ErrorCode": "11200", "ErrorUrl": f"{SMS_BASE}/incoming"}
SENT_FORM = {
    "AccountSid": ACCOUNT_SID,
    "ApiVersion": "2010-04-01",
    "From": NUMBER,
    "MessageSid": MESSAGE_SID,
    "MessageStatus": "sent",
    "SmsSid": MESSAGE_SID,
    "SmsStatus": "sent",
    "To": CUSTOMER,
}
DELIVERED_FORM = SENT_FORM | {
    "MessageStatus": "delivered",
    "RawDlrDoneDate": "2611211000",
    "SmsStatus": "delivered",
}
UNDELIVERED_FORM = SENT_FORM | {
    "ErrorCode": "30003",
    "MessageStatus": "undelivered",
    "SmsStatus": "undelivered",
}

RECORDED_TEXTS: dict[str, tuple[str, dict[str, str]]] = {
    "text": ("incoming", TEXT_FORM),
    "picture": ("incoming", PICTURE_FORM),
    "stop": ("incoming", STOP_FORM),
    "fallback": ("incoming", FALLBACK_FORM),
    "sent": ("status?key=msg_1", SENT_FORM),
    "delivered": ("status?key=msg_1", DELIVERED_FORM),
    "undelivered": ("status?key=msg_1", UNDELIVERED_FORM),
    "status of somebody else's": ("status", SENT_FORM),
}
"""Endpoint with query, and form, for every kind of request that the provider sends."""
