"""What goes out is a mail that every program reads as it was meant, and nothing breaks out of its field."""

import email
import email.policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.contract import MailAddress, MailAttachment, OutboundMail, SendFailed
from channels.email.send import build, folded
from tests.channels.email.mails import CUSTOMER, MAILBOX, PNG, READ, THREAD, TOKENS, email_settings

SETTINGS = email_settings()
TEXT = st.text(max_size=300)


def outbound(**overrides: Any) -> OutboundMail:
    values: dict[str, Any] = {
        "key": "msg_1",
        "to": (MailAddress(CUSTOMER, "Zoë Dan"),),
        "subject": "Re: Oven",
        "text": "Hello\n\n.\nFrom here\nGrüße",
        "written_at": 1_795_251_600_000_000,
        "thread_id": THREAD,
    }
    return OutboundMail(**(values | overrides))


def sent(**overrides: Any) -> email.message.EmailMessage:
    """The message as another program reads it: the standard library, not our own parser."""
    built = build(outbound(**overrides), SETTINGS, TOKENS)
    message = email.message_from_bytes(built.message, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    assert not message.defects
    return message


def test_a_plain_answer() -> None:
    message = sent(in_reply_to="<1@customer.example>", references=("<0@customer.example>",))
    assert message["From"] == f"Help <{MAILBOX}>"
    assert message["To"] == f"Zoë Dan <{CUSTOMER}>"
    assert message["Subject"] == "Re: Oven"
    assert message["Date"].datetime.timestamp() == 1_795_251_600
    assert message["In-Reply-To"] == "<1@customer.example>"
    assert message["References"] == "<0@customer.example> <1@customer.example>"
    assert TOKENS.in_message_id(message["Message-ID"]) == THREAD
    assert TOKENS.in_address(message["Reply-To"].addresses[0].addr_spec) == THREAD
    assert message["Auto-Submitted"] is None
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == "Hello\n\n.\nFrom here\nGrüße\n"


def test_rich_text_images_and_files() -> None:
    message = sent(
        html='<p>See <img src="cid:i@x"></p><script>x</script>',
        attachments=(
            MailAttachment("bild.png", "image/png", PNG, content_id="i@x", inline=True),
            MailAttachment('Grüße "1".pdf', "application/pdf", b"%PDF" * 1_000),
            MailAttachment("a.eml", "message/rfc822", b"Subject: x\r\n\r\nx"),
        ),
    )
    assert message.get_content_type() == "multipart/mixed"
    body = message.get_body(("html",))
    assert body is not None
    assert "<script" not in body.get_content()
    assert "cid:i@x" in body.get_content()
    files = list(message.iter_attachments())
    assert [one.get_filename() for one in files] == ['Grüße "1".pdf', "a.eml"]
    assert files[0].get_content() == b"%PDF" * 1_000
    inline = [part for part in message.walk() if part["Content-ID"]]
    assert [part["Content-ID"] for part in inline] == ["<i@x>"]
    assert inline[0].get_content() == PNG


def test_the_same_mail_is_the_same_to_the_byte() -> None:
    """So that a retry after an ambiguous answer is one mail for its reader."""
    one, two = (build(outbound(html="<p>x</p>"), SETTINGS, TOKENS) for _ in range(2))
    assert one == two
    assert build(outbound(key="msg_2"), SETTINGS, TOKENS).message_id != one.message_id


def test_without_keys_or_thread_there_is_no_token() -> None:
    for tokens, thread in ((None, THREAD), (TOKENS, None)):
        message = build(outbound(thread_id=thread), SETTINGS, tokens).message
        assert b"Reply-To" not in message
        assert b"Message-ID: <m." in message


def test_automatic_mail_says_so_and_bounces_nowhere() -> None:
    built = build(outbound(automatic=True, in_reply_to="<1@a.example>"), SETTINGS, TOKENS)
    assert built.sender == ""
    assert b"Auto-Submitted: auto-replied\r\n" in built.message
    assert b"Auto-Submitted: auto-generated\r\n" in build(outbound(automatic=True), SETTINGS, TOKENS).message


def test_references_are_bounded_and_odd_ones_left_out() -> None:
    ids = tuple(f"<{n}@a.example>" for n in range(100))
    message = sent(references=(*ids, "no id", "<a b@c>", "<\r\nBcc: x@y>"), in_reply_to=ids[50])
    kept = str(message["References"]).split()
    assert len(kept) == 20
    assert (kept[0], kept[-2], kept[-1]) == (ids[0], ids[99], ids[50])


def test_names_and_domains_of_other_alphabets() -> None:
    built = build(
        outbound(to=(MailAddress("zoe@bücher.example", "Dan, Zoe"),), cc=(MailAddress("用户@例子.广告"),)),
        SETTINGS,
        None,
    )
    assert built.recipients[0] == "zoe@xn--bcher-kva.example"
    assert built.needs_utf8
    assert b'To: "Dan, Zoe" <zoe@xn--bcher-kva.example>\r\n' in built.message


@pytest.mark.parametrize(
    "overrides",
    [
        {"to": ()},
        {"to": (MailAddress("nobody"),)},
        {"to": (MailAddress("a@b.example\r\nRCPT TO:<c@d.example>"),)},
        {"to": (MailAddress(CUSTOMER),) * 101},
        {"text": "x" * 500_001},
        {"html": "x" * 1_000_001},
        {"subject": "x" * 1_001},
        {"attachments": (MailAttachment("a", "text/plain", b"x" * 20_000_000),)},
        {"attachments": (MailAttachment("a", "text/plain", b"x" * 26_300_000),)},
    ],
)
def test_what_cannot_go_is_refused_for_good(overrides: dict[str, Any]) -> None:
    with pytest.raises(SendFailed) as caught:
        build(outbound(**overrides), SETTINGS, TOKENS)
    assert caught.value.retry_after_s is None
    assert CUSTOMER not in str(caught.value)


@given(subject=TEXT, name=TEXT, file=TEXT, text=TEXT, kind=TEXT, cid=TEXT)
def test_nothing_breaks_out(subject: str, name: str, file: str, text: str, kind: str, cid: str) -> None:
    attachments = (MailAttachment(file, kind, b"content", content_id=cid, inline=True),)
    built = build(
        outbound(
            subject=subject,
            to=(MailAddress(CUSTOMER, name),),
            text=text,
            html="<p>x</p>",
            attachments=attachments,
            references=(text, subject),
        ),
        SETTINGS,
        TOKENS,
    )
    message = email.message_from_bytes(built.message)
    expected = {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Reply-To",
        "X-Loop",
        "MIME-Version",
        "Content-Type",
    }
    assert set(message.keys()) == expected
    assert all(len(line) <= 998 for line in built.message.split(b"\r\n"))
    assert built.message.replace(b"\r\n", b"").translate(None, b"\r\n\x00") == built.message.replace(
        b"\r\n", b""
    )
    event = READ(built.message, None)
    assert [one.address for one in event.to] == [CUSTOMER]
    assert [one.content for one in event.attachments] == [b"content"]
    assert set(event.notes) <= {"To: the name looks like another address"}


@given(TEXT)
def test_subject_and_text_come_back(text: str) -> None:
    event = READ(build(outbound(subject=text, text=text), SETTINGS, None).message, None)
    again = READ(build(outbound(subject=event.subject, text=event.text), SETTINGS, None).message, None)
    assert again.subject == event.subject
    assert again.text == event.text


def test_a_field_that_breaks_out_is_a_fault() -> None:
    for value in ("a\r\nb", "a\nb", "a\x00b"):
        with pytest.raises(ValueError, match="control character"):
            folded("Subject", value)
