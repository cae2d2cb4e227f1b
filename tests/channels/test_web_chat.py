"""What a visitor's browser sends becomes events, or a refusal that names the field."""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.contract import (
    Accepted,
    Ask,
    ChatClosed,
    ChatOpened,
    HangUp,
    Hold,
    Join,
    MessageReceived,
    OutboundMessage,
    Prompt,
    Unrecognised,
)
from channels.web_chat.parse import chat_closed, chat_opened, folded_mailbox, message_received
from channels.web_chat.render import message, notice

CHAT, VISITOR = "cht_1", "vis_1"


def opened(**payload: Any) -> ChatOpened:
    return chat_opened({"client_id": "c1", **payload}, chat_id=CHAT, visitor_id=VISITOR)


def said(text: Any, client_id: Any = "m1") -> MessageReceived:
    return message_received(
        {"client_id": client_id, "text": text}, chat_id=CHAT, visitor_id=VISITOR, sent_at=5
    )


def refused(field: str, **payload: Any) -> str:
    with pytest.raises(Unrecognised) as caught:
        opened(**payload)
    assert caught.value.field == field
    return str(caught.value)


def test_a_chat_opens_with_what_the_form_asked() -> None:
    event = opened(
        name="  Zoë\u0000  Dan\n",
        mailbox=" Zoe.Dan@Example.COM ",
        topic="Repair",
        page="https://shop.example/ovens?x=1",
        language="de-CH",
        details={"order": "A-17", "empty": " "},
    )
    assert event == ChatOpened(
        chat_id=CHAT,
        visitor_id=VISITOR,
        dedupe_key="open:cht_1:c1",
        name="Zoë Dan",
        mailbox="zoe.dan@example.com",
        topic="Repair",
        page="https://shop.example/ovens?x=1",
        language="de-CH",
        details={"order": "A-17"},
    )
    assert opened() == ChatOpened(CHAT, VISITOR, "open:cht_1:c1")


def test_a_message() -> None:
    assert said("Hello") == MessageReceived(CHAT, "m1", VISITOR, "Hello", "message:cht_1:m1", 5)


def test_sending_again_is_the_same_message() -> None:
    assert said("Hello").dedupe_key == said("Hello").dedupe_key != said("Hello", "m2").dedupe_key


def test_text_is_normalised() -> None:
    assert said("Zoe\u0308\r\nline\ttab\x00\x1b\ud800\x85").text == "Zoë\nline\ttab"


@pytest.mark.parametrize("text", ["", " \n\t ", "\x00", "\x00\r\n", None, 5, ["x"], {"a": 1}])
def test_empty_text_is_refused(text: Any) -> None:
    with pytest.raises(Unrecognised) as caught:
        said(text)
    assert caught.value.field == "text"


@pytest.mark.parametrize("text", ["x" * 100_000, "x" * 16_001, "ö" * 16_001, "🙂" * 16_001])
def test_too_much_text_is_refused_with_the_limit(text: str) -> None:
    with pytest.raises(Unrecognised, match="at most 16000 characters") as caught:
        said(text)
    assert caught.value.field == "text"


@pytest.mark.parametrize("text", ["x" * 16_000, "ö" * 16_000, "🙂" * 16_000])
def test_text_up_to_the_limit_passes(text: str) -> None:
    assert said(text).text == text


@pytest.mark.parametrize("client_id", ["", "x" * 65, "a b", None, 5, "ü", "a\n"])
def test_a_message_needs_an_id(client_id: Any) -> None:
    with pytest.raises(Unrecognised) as caught:
        said("Hello", client_id)
    assert caught.value.field == "client_id"


def test_long_or_wrong_fields_are_named() -> None:
    assert "100" in refused("name", name="x" * 101)
    refused("topic", topic="x" * 101)
    refused("name", name=5)
    assert "Check it" in refused("mailbox", mailbox="not an address")
    refused("page", page="javascript:alert(1)")
    refused("language", language="deutsch!")
    refused("details", details={"a b": "c"})
    refused("details", details={f"k{number}": "v" for number in range(21)})
    refused("admin", admin=True)
    refused("visitor_id", visitor_id="vis_2")


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("A.B+c@Example.co.uk", "a.b+c@example.co.uk"),
        ("jürgen@müller.example", "jürgen@müller.example"),
        ("a@b", None),
        ("@example.com", None),
        ("a@", None),
        ("a b@example.com", None),
        ("a@example..com", None),
        ("a@-example.com", None),
        (".a@example.com", None),
        ("a..b@example.com", None),
        ("alice@good.example <bob@evil.example>", None),
        ("a@b.example, c@d.example", None),
        ("x" * 65 + "@example.com", None),
        ("a@" + "x" * 64 + ".example", None),
        ("a\u202e@example.com", None),
    ],
)
def test_mailboxes(text: str, folded: str | None) -> None:
    assert folded_mailbox(text) == folded


def test_closing() -> None:
    assert chat_closed({}, chat_id=CHAT) == ChatClosed(CHAT, "close:cht_1")
    assert chat_closed({"reason": "left_page"}, chat_id=CHAT).reason == "left_page"
    with pytest.raises(Unrecognised):
        chat_closed({"reason": "DROP TABLE"}, chat_id=CHAT)


@given(
    st.dictionaries(
        st.sampled_from(
            ["client_id", "name", "mailbox", "topic", "page", "language", "details", "text", "reason"]
        ),
        st.none()
        | st.text(max_size=300)
        | st.integers()
        | st.lists(st.text())
        | st.dictionaries(st.text(max_size=10), st.text(max_size=10) | st.integers()),
    )
)
def test_anything_is_an_event_or_a_refusal(payload: dict[str, Any]) -> None:
    for read in (
        lambda: chat_opened(payload, chat_id=CHAT, visitor_id=VISITOR),
        lambda: message_received(payload, chat_id=CHAT, visitor_id=VISITOR),
        lambda: chat_closed(payload, chat_id=CHAT),
    ):
        event, field = outcome(read)
        assert (event is None) == bool(field)
        for text in (getattr(event, "text", None), getattr(event, "name", None)):
            assert text is None or (unicodedata.is_normalized("NFC", text) and "\x00" not in text)


def outcome(read: Callable[[], object]) -> tuple[object | None, str]:
    """The event, or the field that was refused."""
    try:
        return read(), ""
    except Unrecognised as error:
        return None, error.field


def test_answers_become_notices() -> None:
    assert notice(Accepted()) == {"state": "open", "text": None}
    assert notice(Hold(Prompt("You are number 2."))) == {"state": "waiting", "text": "You are number 2."}
    assert notice(Ask(Prompt("Which?"))) == {"state": "asked", "text": "Which?"}
    assert notice(Join("int_1", "customer")) == {"state": "talking", "text": None}
    assert notice(HangUp(Prompt("Bye."))) == {"state": "ended", "text": "Bye."}
    assert notice(HangUp()) == {"state": "ended", "text": None}


def test_an_agents_message() -> None:
    assert message(OutboundMessage("msg_1", VISITOR, "Hi\r\nthere")) == {"id": "msg_1", "text": "Hi\nthere"}
    for text in ("", " ", "x" * 16_385):
        with pytest.raises(ValueError, match="message"):
            message(OutboundMessage("msg_1", VISITOR, text))
