"""What machines write is known as such, and never answered by one."""

import pytest

from channels.contract import Bounce, Machine, MailEnvelope
from channels.email.machine import may_answer
from channels.email.parse import Reading
from channels.email.send import build
from channels.email.threads import ThreadTokens, TokenKey
from tests.channels.email.mails import ENVELOPE, MAILBOX, READ, REPORT, THREAD, TOKENS, email_settings, mail
from tests.channels.email.test_send import outbound

OWN_ID = TOKENS.message_id("desk.example", THREAD, "m")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, Machine.NONE),
        ({"Auto_Submitted": "no"}, Machine.NONE),
        ({"X_Auto_Response_Suppress": "None"}, Machine.NONE),
        ({"Auto_Submitted": "auto-replied (vacation)"}, Machine.AUTO_REPLY),
        ({"Auto_Submitted": "auto-generated; owner=x"}, Machine.AUTO_REPLY),
        ({"X_Auto_Response_Suppress": "DR, OOF, AutoReply"}, Machine.AUTO_REPLY),
        ({"X_Autoreply": "yes"}, Machine.AUTO_REPLY),
        ({"Precedence": "junk"}, Machine.AUTO_REPLY),
        ({"Return_Path": "<>"}, Machine.AUTO_REPLY),
        ({"From": "No Reply <no-reply@shop.example>"}, Machine.AUTO_REPLY),
        ({"From": "do_not_reply@shop.example"}, Machine.AUTO_REPLY),
        ({"From": "postmaster@shop.example"}, Machine.AUTO_REPLY),
        (
            {"Content_Type": "multipart/report; report-type=disposition-notification; boundary=x"},
            Machine.AUTO_REPLY,
        ),
        ({"List_Id": "<news.shop.example>"}, Machine.LIST),
        ({"List_Unsubscribe": "<https://shop.example/u>"}, Machine.LIST),
        ({"Precedence": "bulk"}, Machine.LIST),
        ({"From": "MAILER-DAEMON@mx.example"}, Machine.BOUNCE),
        ({"X_Failed_Recipients": "zoe@customer.example"}, Machine.BOUNCE),
        ({"Content_Type": "multipart/report; report-type=delivery-status; boundary=x"}, Machine.BOUNCE),
        ({"Content_Type": "multipart/report; report-type=feedback-report; boundary=x"}, Machine.COMPLAINT),
        ({"From": f"Help <{MAILBOX}>"}, Machine.OWN),
        ({"From": TOKENS.reply_address(MAILBOX, THREAD)}, Machine.OWN),
        ({"X_Loop": MAILBOX.upper()}, Machine.OWN),
        ({"Message_ID": OWN_ID}, Machine.OWN),
        ({"X_Loop": "other@desk.example"}, Machine.NONE),
    ],
)
def test_who_wrote_it(fields: dict[str, str | None], kind: Machine) -> None:
    event = READ(mail(**fields), ENVELOPE)
    assert event.machine is kind
    assert bool(event.machine_reason) is (kind is not Machine.NONE)
    assert may_answer(event) is (kind is Machine.NONE)


def test_one_mailbox_of_the_desk_writes_to_another() -> None:
    """Its Message-ID is ours, but it goes in no circle: the other mailbox must get it."""
    sales = Reading(("sales@desk.example",), TOKENS)
    raw = mail(From=f"Help <{MAILBOX}>", To="sales@desk.example", Message_ID=OWN_ID, X_Loop=MAILBOX)
    assert sales(raw, ENVELOPE).machine is Machine.NONE
    assert READ(raw, ENVELOPE).machine is Machine.OWN, "back where it was written"
    passed_on = mail(From="A list <list@lists.example>", To="sales@desk.example", Message_ID=OWN_ID)
    assert sales(passed_on, ENVELOPE).machine is Machine.OWN, "it was sent on under another name"


def test_an_empty_reverse_path_is_a_machine() -> None:
    event = READ(mail(), MailEnvelope("", (MAILBOX,)))
    assert event.machine is Machine.AUTO_REPLY


def test_a_mail_that_runs_in_circles() -> None:
    assert READ(b"Received: x\r\n" * 100 + mail(), ENVELOPE).machine is Machine.OWN


def test_a_mail_from_nobody_cannot_be_answered() -> None:
    assert not may_answer(READ(mail(From=None), None))


def test_a_bounce_names_our_mail() -> None:
    event = READ(REPORT, MailEnvelope("", (MAILBOX,)))
    assert event.machine is Machine.BOUNCE
    assert event.bounce == Bounce(True, "5.1.1", "gone@customer.example", "<abc@desk.example>")
    delayed = READ(REPORT.replace(b"Action: failed", b"Action: delayed").replace(b"5.1.1", b"4.4.1"), None)
    assert delayed.bounce is not None
    assert delayed.bounce.permanent is False
    empty = READ(REPORT.replace(b"Action: failed", b"X: y").replace(b"5.1.1", b"?"), None)
    assert empty.bounce is not None
    assert empty.bounce.permanent is None


def test_two_desks_do_not_answer_each_other() -> None:
    """What one sends by itself is a machine's mail to the other, and its own mail to itself."""
    settings = email_settings(mailbox="service@other.example")
    other = ThreadTokens([TokenKey("k1", b"b" * 32)])
    automatic = build(outbound(automatic=True, in_reply_to="<1@a.example>"), settings, other)
    assert automatic.sender == ""
    elsewhere = READ(automatic.message, MailEnvelope("", (MAILBOX,)))
    assert elsewhere.machine is Machine.AUTO_REPLY
    home = Reading(("service@other.example",), other)
    assert home(automatic.message, ENVELOPE).machine is Machine.OWN
