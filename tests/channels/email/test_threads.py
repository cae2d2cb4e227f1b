"""Only our own mark proves a thread; everything that a stranger can know is a claim."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.contract import MailReceived, ProvenThread
from channels.email.threads import Found, Match, Proof, Question, ThreadTokens, TokenKey, match, questions
from tests.channels.email.mails import CUSTOMER, ENVELOPE, MAILBOX, READ, THREAD, TOKENS, mail

NUMBER = re.compile(r"\[#(\d{1,9})\]")
OTHERS = "int_01hzzzzzzzzzzzzzzzzzzzzzzz"
SENT = "<old@desk.example>"


def event(**fields: str | None) -> MailReceived:
    return READ(mail(**fields), ENVELOPE)


def records(question: Question) -> Found | None:
    """A desk that has two threads; the customer has a part in the first only."""
    match question:
        case Question(Proof.ADDRESS_TOKEN | Proof.MESSAGE_TOKEN, value) if value in {THREAD, OTHERS}:
            return Found(value, sender_belongs=False)
        case Question(Proof.ANSWERS_OURS, "<old@desk.example>", sender):
            return Found(THREAD, sender_belongs=sender == CUSTOMER)
        case Question(Proof.NUMBER, "17", sender):
            return Found(THREAD, sender_belongs=sender in (CUSTOMER, ""))
        case Question(Proof.NUMBER, "18"):
            return Found(OTHERS, sender_belongs=False)
    return None


def test_tokens_come_back() -> None:
    address = TOKENS.reply_address(MAILBOX, THREAD)
    assert address is not None
    assert len(address.partition("@")[0]) <= 64
    assert TOKENS.in_address(address) == TOKENS.in_address(address.upper()) == THREAD
    message_id = TOKENS.message_id("desk.example", THREAD, "msg_1")
    assert TOKENS.in_message_id(message_id) == THREAD
    assert message_id == TOKENS.message_id("desk.example", THREAD, "msg_1")
    assert message_id != TOKENS.message_id("desk.example", THREAD, "msg_2")


def test_ids_of_every_form_come_back_or_are_left_out() -> None:
    for thread_id in ("int_1", "tick_1", "x", "int_"):
        address = TOKENS.reply_address(MAILBOX, thread_id)
        assert address is not None
        assert TOKENS.in_address(address) == thread_id
    assert TOKENS.reply_address("a-very-long-department@desk.example", THREAD) is None
    for wrong in ("", "INT_1", "int-1", "int_1@x", "x" * 41):
        with pytest.raises(ValueError, match="thread"):
            TOKENS.reply_address(MAILBOX, wrong)


def test_keys_rotate() -> None:
    old, new = TokenKey("k1", b"a" * 32), TokenKey("k2", b"b" * 32)
    address = ThreadTokens([old]).reply_address(MAILBOX, THREAD)
    assert address is not None
    rotated = ThreadTokens([new, old])
    assert rotated.in_address(address) == THREAD
    assert ".k2." in (rotated.reply_address(MAILBOX, THREAD) or "")
    assert ThreadTokens([new]).in_address(address) is None
    assert ThreadTokens([TokenKey("k1", b"c" * 32)]).in_address(address) is None


@pytest.mark.parametrize(
    ("key_id", "secret"), [("", b"a" * 32), ("K1", b"a" * 32), ("k12345", b"a" * 32), ("k1", b"a" * 31)]
)
def test_keys_must_be_usable(key_id: str, secret: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        TokenKey(key_id, secret)


def test_no_secret_shows() -> None:
    key = TokenKey("k1", b"very-secret-very-secret-very-sec")
    assert "secret-" not in repr(key) + repr(ThreadTokens([key]))
    with pytest.raises(ValueError, match="key"):
        ThreadTokens([])


@given(st.data())
def test_a_changed_token_proves_nothing(data: st.DataObject) -> None:
    token = data.draw(
        st.sampled_from(
            [TOKENS.reply_address(MAILBOX, THREAD), TOKENS.message_id("desk.example", THREAD, "m")]
        )
    )
    assert token is not None
    at = data.draw(st.integers(0, token.index("@") - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567._"))
    changed = token[:at] + other + token[at + 1 :]
    if changed.lower() == token.lower():
        return
    local = changed.partition("@")[0]
    assert TOKENS.in_message_id(changed) is None
    assert (
        TOKENS.in_address(changed) is None
        or local.partition("+")[2] == token.partition("@")[0].partition("+")[2]
    )


def test_a_mark_counts_only_in_its_own_place() -> None:
    address = TOKENS.reply_address(MAILBOX, THREAD)
    assert address is not None
    mark = address.partition("@")[0].rpartition(".")[2]
    assert TOKENS.in_message_id(f"<t.{THREAD}.k1.{'a' * 16}.{mark}aaaaaa@desk.example>") is None


def test_a_token_in_the_recipient_or_the_reference_is_found() -> None:
    address = TOKENS.reply_address(MAILBOX, THREAD)
    message_id = TOKENS.message_id("desk.example", THREAD, "m")
    assert event(To=f"Help <{address}>").proven == ProvenThread(THREAD, "address")
    assert event(References=f"<a@b> {message_id} <c@d>").proven == ProvenThread(THREAD, "message_id")
    assert event(In_Reply_To=message_id).proven == ProvenThread(THREAD, "message_id")
    other = TOKENS.message_id("desk.example", OTHERS, "m")
    assert event(To=address, In_Reply_To=other).proven == ProvenThread(THREAD, "address")
    delivered = replace(ENVELOPE, recipients=(address or "",))
    assert READ(mail(), delivered).proven == ProvenThread(THREAD, "address")


def test_proofs_in_their_order() -> None:
    message_id = TOKENS.message_id("desk.example", OTHERS, "m")
    full = event(In_Reply_To=message_id, References=f"<a@b> {SENT}", Subject="Re: [#17] Oven")
    asked = [(question.proof, question.value) for question in questions(full, NUMBER)]
    assert asked == [
        (Proof.MESSAGE_TOKEN, OTHERS),
        (Proof.ANSWERS_OURS, message_id),
        (Proof.ANSWERS_OURS, SENT),
        (Proof.ANSWERS_OURS, "<a@b>"),
        (Proof.NUMBER, "17"),
    ]
    assert match(full, records, NUMBER) == Match(OTHERS, Proof.MESSAGE_TOKEN)
    assert match(event(In_Reply_To=SENT), records) == Match(THREAD, Proof.ANSWERS_OURS)
    assert match(event(), records, NUMBER) == Match(None)


def test_a_number_is_a_claim_whoever_seems_to_write_it() -> None:
    """The From field is the customer's, but nobody has checked who filled it in."""
    assert match(event(Subject="[#17]"), records, NUMBER) == Match(None, claimed=THREAD)


def test_without_proof_it_is_a_claim() -> None:
    assert match(event(Subject="Re: [#18] other"), records, NUMBER) == Match(None, claimed=OTHERS)
    stranger = event(From="eve@evil.example", In_Reply_To=SENT, Subject="[#17]")
    assert match(stranger, records, NUMBER) == Match(None, claimed=THREAD)
    doubtful = event(From=f'"{CUSTOMER}" <eve@evil.example>', In_Reply_To=SENT)
    assert match(doubtful, records) == Match(None, claimed=THREAD)


def test_a_sender_in_doubt_is_no_participant() -> None:
    """Two From fields, of which the one that counts is the customer's: still not believed."""
    forged = event(From=f"eve@evil.example\r\nFrom: {CUSTOMER}", In_Reply_To=SENT, Subject="[#17]")
    assert forged.sender is not None
    assert forged.sender.address == CUSTOMER
    assert match(forged, records, NUMBER) == Match(None, claimed=THREAD)


PUBLIC = st.sampled_from(
    [
        THREAD, OTHERS, "17", "18", "[#17]", "[#18]", SENT, MAILBOX, "help+t.", ".k1.", "a" * 20, "a" * 26,
        f"<t.{THREAD}.k1.", "@desk.example>", f"help+t.{THREAD[4:]}.k1.", " ", "<", ">",
    ]
)  # fmt: skip


@given(*(st.lists(PUBLIC, max_size=8).map("".join) for _ in range(4)))
def test_nothing_public_opens_a_thread_to_a_stranger(
    to: str, subject: str, reply: str, references: str
) -> None:
    forged = event(From="eve@evil.example", To=to, Subject=subject, In_Reply_To=reply, References=references)
    assert match(forged, records, NUMBER).thread_id is None
