"""Recorded forms of texts and what they become."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from channels.contract import (
    AccountId,
    DeliveryChanged,
    DeliveryStatus,
    NotInteresting,
    Rejected,
    TextKeyword,
    TextMedia,
    TextReceived,
    Unrecognised,
)
from channels.sms.parse import STATUSES
from channels.sms.plugin import SmsChannel, open_sms
from tests.channels.pretend import NUMBER, signed
from tests.channels.sms.pretend_texts import (
    CUSTOMER,
    DELIVERED_FORM,
    FALLBACK_FORM,
    MEDIA_URLS,
    MESSAGE_SID,
    MMS_SID,
    PICTURE_FORM,
    SENT_FORM,
    SMS_ACCOUNT,
    SMS_BASE,
    STOP_FORM,
    TEXT_FORM,
    UNDELIVERED_FORM,
    sms_settings,
)

CHANNEL: SmsChannel = open_sms(AccountId(SMS_ACCOUNT), sms_settings(), "https://desk.example")
HOOKS = {webhook.name: webhook for webhook in CHANNEL.webhooks()}


def incoming(form: dict[str, str]) -> Any:
    return HOOKS["incoming"].parse(signed(f"{SMS_BASE}/incoming", form))


def status(form: dict[str, str], query: str = "?key=msg_1") -> Any:
    return HOOKS["status"].parse(signed(f"{SMS_BASE}/status{query}", form))


def test_a_text() -> None:
    assert incoming(TEXT_FORM) == TextReceived(
        message_id=MESSAGE_SID,
        sender=CUSTOMER,
        to=NUMBER,
        text="Hello, my dishwasher stops.\nWhat can I do?",
        dedupe_key=MESSAGE_SID,
        segments=1,
    )


def test_pictures_without_words() -> None:
    event = incoming(PICTURE_FORM)
    assert event.text == ""
    assert event.media == (TextMedia(MEDIA_URLS[0], "image/jpeg"), TextMedia(MEDIA_URLS[1], "image/png"))
    assert event.message_id == event.dedupe_key == MMS_SID


def test_a_picture_without_a_type() -> None:
    form = {name: value for name, value in PICTURE_FORM.items() if name != "MediaContentType1"}
    assert incoming(form).media[1] == TextMedia(MEDIA_URLS[1], "application/octet-stream")


def test_a_picture_that_is_not_there() -> None:
    with pytest.raises(Unrecognised) as caught:
        incoming({name: value for name, value in PICTURE_FORM.items() if name != "MediaUrl1"})
    assert caught.value.field == "MediaUrl1"


def test_more_pictures_than_are_named() -> None:
    """The form names ten at most, whatever it counts."""
    many = {f"MediaUrl{number}": MEDIA_URLS[0] for number in range(10)}
    assert len(incoming(TEXT_FORM | many | {"NumMedia": "12"}).media) == 10


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Zoe\u0308", "Zoë"),
        ("a\x00b", "ab"),
        ("", ""),
        ("👍🏽", "👍🏽"),
        ("x" * 1_600, "x" * 1_600),
        ("line\r\nline", "line\r\nline"),
        ("ErrorCode 500, and MediaUrl0 in the log", "ErrorCode 500, and MediaUrl0 in the log"),
        ("MessageSid=SM1&From=+1", "MessageSid=SM1&From=+1"),
        ("the OptOutType", "the OptOutType"),
        ("I got it Forwarded", "I got it Forwarded"),  # with the name that follows it reads ForwardedFrom
    ],
)
def test_any_words_arrive(body: str, text: str) -> None:
    assert incoming(TEXT_FORM | {"Body": body}).text == text


def test_names_that_may_come_are_tolerated() -> None:
    form = TEXT_FORM | {"DestinationRegion": "EMEA", "TrustScore": "5", "ZipZap": ""}
    assert incoming(form) == incoming(TEXT_FORM)


def test_the_fallback_brings_the_same_text() -> None:
    assert incoming(FALLBACK_FORM) == incoming(TEXT_FORM)


def test_the_same_message_twice_has_one_key() -> None:
    assert incoming(TEXT_FORM).dedupe_key == incoming(TEXT_FORM | {"FromCity": "MONTREAL"}).dedupe_key


@pytest.mark.parametrize(
    ("form", "keyword", "reported"),
    [
        (STOP_FORM, TextKeyword.OPT_OUT, True),
        (STOP_FORM | {"Body": "no more", "OptOutType": "STOP"}, TextKeyword.OPT_OUT, True),
        (STOP_FORM | {"OptOutType": "START"}, TextKeyword.OPT_IN, True),  # the provider's finding comes first
        (STOP_FORM | {"OptOutType": "HELP"}, TextKeyword.HELP, True),
        (STOP_FORM | {"OptOutType": "PAUSE"}, TextKeyword.OPT_OUT, False),
        (TEXT_FORM | {"Body": " stop! "}, TextKeyword.OPT_OUT, False),
        (TEXT_FORM | {"Body": "please stop"}, None, False),
    ],
)
def test_keywords(form: dict[str, str], keyword: TextKeyword | None, reported: bool) -> None:
    event = incoming(form)
    assert (event.keyword, event.keyword_reported) == (keyword, reported)


@pytest.mark.parametrize("sender", ["+16135550199", "12345", "MyBank", "A&B-Shop_1."])
def test_senders(sender: str) -> None:
    assert incoming(TEXT_FORM | {"From": sender}).sender == sender


@pytest.mark.parametrize(
    "wrong",
    [
        {"From": "whatsapp:+16135550199"},
        {"From": ""},
        {"To": "MyDesk"},
        {"MessageSid": "SM1"},
        {"MessageSid": "CA" + "0" * 32},
        {"NumMedia": "many"},
        {"NumMedia": "1"},
        {"MediaUrl0": "file:///etc/passwd"},
    ],
)
def test_odd_forms_are_unrecognised(wrong: dict[str, str]) -> None:
    with pytest.raises(Unrecognised):
        incoming(TEXT_FORM | wrong)


def test_another_account_is_rejected() -> None:
    with pytest.raises(Rejected):
        incoming(TEXT_FORM | {"AccountSid": "AC" + "9" * 32})


# --- status ---


def test_a_delivery() -> None:
    assert status(SENT_FORM) == DeliveryChanged(
        MESSAGE_SID, DeliveryStatus.SENT, f"text:{MESSAGE_SID}:sent", key="msg_1"
    )
    assert status(DELIVERED_FORM, query="").key is None


def test_a_failure_says_what_to_do() -> None:
    event = status(UNDELIVERED_FORM)
    assert (event.status, event.error_code, event.worth_retrying) == (
        DeliveryStatus.UNDELIVERED,
        "30003",
        True,
    )
    assert "could not be reached" in event.error
    blocked = status(UNDELIVERED_FORM | {"ErrorCode": "30004"})
    assert not blocked.worth_retrying
    assert blocked.dedupe_key != event.dedupe_key


def test_a_failure_without_a_code_has_words_too() -> None:
    form = {name: value for name, value in UNDELIVERED_FORM.items() if name != "ErrorCode"}
    assert status(form).error
    assert status(form | {"ErrorCode": "0"}).error_code is None


def test_every_status_word_has_a_rank() -> None:
    """However they are shuffled on the way, the furthest one wins by rank."""
    words = ["delivered", "queued", "sent", "accepted", "sending"]
    events = [status(SENT_FORM | {"MessageStatus": word}) for word in words]
    assert max(events, key=lambda event: event.status.rank).status is DeliveryStatus.DELIVERED
    ranks = [status(SENT_FORM | {"MessageStatus": word}).status.rank for word in STATUSES]
    assert ranks == [0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 4]


@pytest.mark.parametrize("word", ["received", "receiving", "teleported"])
def test_other_status_words_are_not_interesting(word: str) -> None:
    with pytest.raises(NotInteresting):
        status(SENT_FORM | {"MessageStatus": word})


@pytest.mark.parametrize(
    "query", ["?key=", "?key=a%20b", "?key=a&key=b", "?other=1", "?key=a&x=1", f"?key={'k' * 101}"]
)
def test_a_status_url_that_we_never_gave(query: str) -> None:
    with pytest.raises(Unrecognised):
        status(SENT_FORM, query)


def test_the_key_is_signed() -> None:
    request = signed(f"{SMS_BASE}/status?key=msg_1", SENT_FORM)
    with pytest.raises(Rejected):
        HOOKS["status"].parse(replace(request, url=f"{SMS_BASE}/status?key=msg_2"))


def test_incoming_takes_no_query() -> None:
    with pytest.raises(Unrecognised):
        HOOKS["incoming"].parse(signed(f"{SMS_BASE}/incoming?key=msg_1", TEXT_FORM))


def test_a_body_in_another_charset_is_refused() -> None:
    request = signed(f"{SMS_BASE}/incoming", TEXT_FORM)
    broken = urlencode(TEXT_FORM).replace("Hello", "%E9").encode()
    with pytest.raises(Unrecognised):
        HOOKS["incoming"].parse(replace(request, body=broken))
