"""From signed form parameters to events. Pure: no clock, no network, no state.

The provider gives no time with a text, and promises no order. Its id is the dedupe key: the same text that is
delivered twice, or to the fallback URL as well, is one.
"""

import re
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

from channels.contract import (
    DeliveryChanged,
    DeliveryStatus,
    NotInteresting,
    TextKeyword,
    TextMedia,
    TextReceived,
    Unrecognised,
)
from channels.sms.errors import explain
from channels.sms.keywords import REPORTED, keyword_of
from channels.sms.segments import plain_text
from channels.sms.verify import MEDIA, MEDIA_MAX
from channels.twilio_signature import FormRules, VerifiedForm

ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
MESSAGE_SID = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")
SENDER = re.compile(r"\+[1-9][0-9]{2,14}|[0-9]{3,8}|[A-Za-z0-9&+_. -]{1,11}")  # the last: a name, no number
OURS = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}")
ANY_TEXT = re.compile(r"(?s:.*)")
COUNT = re.compile(r"[0-9]{1,3}")
MEDIA_URL = re.compile(  # whole, so that nothing can be cut off
    r"https?://[A-Za-z0-9.:\[\]-]{1,255}/2010-04-01/Accounts/AC[0-9a-fA-F]{32}"
    r"/Messages/(?:SM|MM)[0-9a-fA-F]{32}/Media/ME[0-9a-fA-F]{32}"
)
MEDIA_TYPE = re.compile(r"[\x20-\x7e]{0,200}")
OPT_OUT_TYPE = re.compile(
    r"STOP|START|HELP|(?![SH])[A-Z]{1,20}"
)  # others may come; STO is a STOP that was cut
STATUS = re.compile(r"[a-z_-]{2,30}")
ERROR_CODE = re.compile(r"[0-9]{1,6}")
KEY = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""What can stand in a callback's URL and come back unchanged."""

INCOMING_RULES = FormRules(
    required={
        "AccountSid": ACCOUNT_SID,
        "Body": ANY_TEXT,
        "From": SENDER,
        "MessageSid": MESSAGE_SID,
        "NumMedia": COUNT,
        "To": OURS,
    },
    optional={
        "NumSegments": COUNT,
        "OptOutType": OPT_OUT_TYPE,
        **{name: MEDIA_URL if name.startswith("MediaUrl") else MEDIA_TYPE for name in MEDIA},
    },
    free_text=frozenset({"From", *MEDIA}),
    open_text="Body",
)
STATUS_RULES = FormRules(
    required={"AccountSid": ACCOUNT_SID, "MessageSid": MESSAGE_SID, "MessageStatus": STATUS},
    optional={"ErrorCode": ERROR_CODE},
)

STATUSES = MappingProxyType(
    {
        "accepted": DeliveryStatus.QUEUED,
        "scheduled": DeliveryStatus.QUEUED,
        "queued": DeliveryStatus.QUEUED,
        "sending": DeliveryStatus.SENDING,
        "sent": DeliveryStatus.SENT,
        "delivered": DeliveryStatus.DELIVERED,
        "partially_delivered": DeliveryStatus.UNDELIVERED,
        "undelivered": DeliveryStatus.UNDELIVERED,
        "failed": DeliveryStatus.FAILED,
        "canceled": DeliveryStatus.FAILED,
        "read": DeliveryStatus.READ,
    }
)
"""The provider's words for a message of ours; "receiving" and "received" are of a customer's."""
WITHOUT_SUCCESS = frozenset({DeliveryStatus.UNDELIVERED, DeliveryStatus.FAILED})
CANCELED = "The text was taken back before it was sent."


def text_received(form: VerifiedForm) -> TextReceived:
    """A customer texts one of our numbers."""
    message_id, text = form["MessageSid"], plain_text(form["Body"])
    keyword, reported = _keyword(form, text)
    segments = form.get("NumSegments")
    return TextReceived(
        message_id=message_id,
        sender=form["From"].strip(),
        to=form["To"],
        text=text,
        dedupe_key=message_id,
        media=_media(form),
        segments=None if segments is None else int(segments),
        keyword=keyword,
        keyword_reported=reported,
    )


def delivery_changed(form: VerifiedForm, key: str | None) -> DeliveryChanged:
    """A message of ours fares so. NotInteresting for a status that we have no word for."""
    return delivery(form["MessageSid"], form["MessageStatus"], form.get("ErrorCode"), key)


def delivery(message_id: str, word: str, error_code: str | None, key: str | None = None) -> DeliveryChanged:
    """What the provider's status word and error code mean."""
    status = STATUSES.get(word)
    if status is None:
        raise NotInteresting(word)
    code = error_code if error_code and int(error_code) else None
    failed = status in WITHOUT_SUCCESS
    why = explain(code)
    return DeliveryChanged(
        message_id=message_id,
        status=status,
        dedupe_key=f"text:{message_id}:{word}" + (f":{code}" if code else ""),
        error=(CANCELED if word == "canceled" else why.words) if failed else None,
        error_code=code if failed else None,
        worth_retrying=failed and why.worth_retrying,
        key=key,
    )


def key_of(url: str) -> str | None:
    """Our own key from a status URL that we gave. Unrecognised for any query but ours."""
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError as error:
        raise Unrecognised("the URL cannot be read", "url") from error
    pairs = [pair for pair in pairs if pair[0] != "bodySHA256"]
    if not pairs:
        return None
    if len(pairs) > 1 or pairs[0][0] != "key" or not KEY.fullmatch(pairs[0][1]):
        raise Unrecognised("unexpected query", "query")
    return pairs[0][1]


def no_query(url: str) -> None:
    """Refuse a URL that we never gave."""
    if key_of(url) is not None:
        raise Unrecognised("unexpected query", "query")


def _keyword(form: VerifiedForm, text: str) -> tuple[TextKeyword | None, bool]:
    """The provider's finding before ours; what is said beside a picture is no keyword of its own."""
    reported = REPORTED.get(form.get("OptOutType") or "")
    return (reported, True) if reported is not None else (keyword_of(text), False)


def _media(form: VerifiedForm) -> tuple[TextMedia, ...]:
    found = []
    for number in range(min(int(form["NumMedia"]), MEDIA_MAX)):
        url, media_type = form.get(f"MediaUrl{number}"), form.get(f"MediaContentType{number}")
        if url is None:
            raise Unrecognised("a parameter is missing", f"MediaUrl{number}")
        found.append(TextMedia(url, (media_type or "").strip() or "application/octet-stream"))
    return tuple(found)
