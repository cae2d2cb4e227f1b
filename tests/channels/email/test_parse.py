"""Every sequence of bytes is a mail; ordinary mail is read as its writer meant it."""

import pickle
import time
import tracemalloc
import unicodedata
from base64 import b64encode
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.contract import MailAddress, MailReceived
from channels.email.parse import UNREADABLE, file_name
from channels.email.receive import read_off_loop
from tests.channels.email.mails import (
    BAD,
    CUSTOMER,
    ENVELOPE,
    MAILBOX,
    ORDINARY,
    PNG,
    READ,
    mail,
    multipart,
    part,
)


def holds(event: MailReceived, raw: bytes) -> None:
    """What is true of every mail, however bad."""
    assert UNREADABLE not in event.notes
    assert event.raw_size == len(raw)
    assert event.dedupe_key.startswith("mail:")
    for text in (event.subject, event.text, event.quoted, event.html or ""):
        assert "\x00" not in text
        text.encode()
    assert unicodedata.is_normalized("NFC", event.text)
    assert len(event.text) <= 500_000
    for attachment in event.attachments:
        assert attachment.name == file_name(attachment.name, "x")
    assert event == READ(raw, ENVELOPE), "the same bytes are the same event"


def test_an_ordinary_mail() -> None:
    event = READ(mail("Hello\n\nZoë", Content_Language="de-CH", Cc="Bo <bo@b.example>"), ENVELOPE)
    assert event.sender == MailAddress(CUSTOMER, "Zoë")
    assert (event.to, event.cc) == ((MailAddress(MAILBOX),), (MailAddress("bo@b.example", "Bo"),))
    assert (event.subject, event.text, event.message_id) == ("Oven", "Hello\n\nZoë", "<1@customer.example>")
    assert event.sent_at == 1_795_251_600_000_000
    assert (event.language, event.doubts, event.notes) == ("de-CH", (), ())
    assert (event.html, event.quoted, event.machine_reason) == (None, "", "")


def test_rich_mail_with_an_image_and_a_file() -> None:
    related = (
        b'Content-Type: multipart/related; boundary="r"\r\n\r\n--r\r\n'
        + part('<p>See <img src="cid:i@x"> <img src="https://track.example/p.gif"></p>', "text/html")
        + b"\r\n--r\r\n"
        + part(b64encode(PNG), "image/png", Content_ID="<i@x>", Content_Transfer_Encoding="base64")
        + b"\r\n--r--\r\n"
    )
    alternative = (
        b'Content-Type: multipart/alternative; boundary="a"\r\n\r\n--a\r\n'
        + part("See picture")
        + b"\r\n--a\r\n"
        + related
        + b"\r\n--a--\r\n"
    )
    file = part(
        b64encode(b"%PDF"),
        "application/pdf",
        Content_Disposition="attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf",
        Content_Transfer_Encoding="base64",
    )
    event = READ(multipart("mixed", alternative, file), ENVELOPE)
    assert event.text == "See picture"
    assert event.html is not None
    assert 'src="cid:i@x"' in event.html
    assert 'data-remote-src="https://track.example/p.gif"' in event.html
    assert event.remote_images == 1
    shown, hung = event.attachments
    assert (shown.content, shown.content_id, shown.inline) == (PNG, "i@x", True)
    assert (hung.content, hung.name, hung.inline, hung.size) == (b"%PDF", "Grüße.pdf", False, 4)


def test_only_rich_text_has_a_plain_one_too() -> None:
    event = READ(
        mail("<p>Hello<br>there</p><script>x</script>", Content_Type="text/html; charset=utf-8"), None
    )
    assert event.text == "Hello\nthere"
    assert event.html == "<p>Hello<br>there</p>"


@pytest.mark.parametrize("name", BAD)
def test_bad_mail_is_read_in_time(name: str) -> None:
    started = time.process_time()
    event = READ(BAD[name], ENVELOPE)
    assert time.process_time() - started < 5
    holds(event, BAD[name])
    assert pickle.loads(pickle.dumps(event)) == event


@pytest.mark.parametrize(
    ("name", "noted"),
    [
        ("unknown charset", "the character set is unknown"),
        ("broken utf-8", "some characters cannot be read"),
        ("broken base64", "an attachment or text is damaged (base64)"),
        ("unknown encoding", "a transfer encoding is unknown"),
        ("no boundary", "a multipart names no boundary"),
        ("no parts", "a multipart has no parts"),
        ("no end", "the end of a multipart is missing"),
        ("many parts", "there are more than 1000 parts: the rest is not shown"),
        ("nested", "parts are nested more than 50 deep: the innermost are not shown"),
        ("huge header", "the header is too long: its rest is not shown"),
        ("many headers", "the header is too long: its rest is not shown"),
        ("junk line", "a line in the header is no field"),
        ("winmail", "the files of this mail are packed inside winmail.dat"),
        ("long text", "the text is very long: the whole of it is attached"),
        ("tangled html", "the rich text is nested too deeply: only its text is shown"),
        ("many attributes", "an element has too many attributes: only its text is shown"),
        ("bare returns", "the lines end in bare carriage returns"),
        ("nul in text", "the text holds NUL characters"),
        ("worse type", "a content type cannot be read"),
    ],
)
def test_what_is_wrong_is_said(name: str, noted: str) -> None:
    assert noted in READ(BAD[name], ENVELOPE).notes


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lying charset", "Grüße"),
        ("unknown charset", "Grüße"),
        ("idna", "Grüße"),
        ("punycode", "Grüße"),
        ("undefined", "Grüße"),
        ("bare newlines", "a\nb"),
        ("bare returns", "a\nb"),
        ("mbox", "Hello"),
        ("junk line", "Hello"),
        ("no header", "just some words"),
        ("no end", "one\n\ntwo"),
        ("nul in text", "ab"),
        ("broken base64", "Hello world"),
        ("uu", "Cat"),
        ("utf-7", "+ADw-script+AD4-"),
    ],
)
def test_as_much_as_possible_is_read(name: str, text: str) -> None:
    assert READ(BAD[name], ENVELOPE).text.strip() == text


def test_headers_in_other_alphabets() -> None:
    assert READ(BAD["eight bit header"], None).subject == "Grüße"
    assert READ(BAD["half word"], None).subject.startswith("Grüße")


def test_nobody_and_everybody_as_author() -> None:
    nobody = READ(BAD["no from"], None)
    assert (nobody.sender, nobody.doubts) == (None, ("nobody is named as the author",))
    by_envelope = READ(BAD["no from"], ENVELOPE)
    assert by_envelope.sender == MailAddress(CUSTOMER)
    assert "only the envelope names the author" in by_envelope.doubts
    two = READ(BAD["two addresses"], ENVELOPE)
    assert two.sender is not None
    assert two.sender.address == "bob@evil.example"
    assert two.doubts == ("the name looks like another address",)


def test_no_date_is_no_guess() -> None:
    assert READ(BAD["no date"], None).sent_at is None
    assert READ(BAD["nonsense date"], None).sent_at is None


def test_the_same_mail_over_two_ways_is_one_and_a_stolen_id_is_not() -> None:
    one = READ(b"Received: from a by b\r\nX-Spam: 1\r\n" + mail(), ENVELOPE)
    two = READ(b"Received: from c by d\r\n" + mail(), ENVELOPE)
    forged = READ(mail("Something else"), ENVELOPE)
    assert one.dedupe_key == two.dedupe_key != forged.dedupe_key
    without = [READ(mail(text, Message_ID=None), ENVELOPE) for text in ("a", "a", "b")]
    assert without[0].message_id is None
    assert without[0].dedupe_key == without[1].dedupe_key != without[2].dedupe_key


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("\u200b.htaccess", "htaccess"),
        (". .htaccess", "htaccess"),
        ("C:\\a\\b.exe", "C__a_b.exe"),
        ("a\r\nContent-Type: text/html", "a Content-Type_ text_html"),
        ("\u202egpj.exe", "gpj.exe"),
        ("\uff0e\uff0e\uff0fx", "_x"),
        ("...", "usual.bin"),
        ("", "usual.bin"),
        ("x" * 500 + ".pdf", "x" * 196 + ".pdf"),
    ],
)
def test_names_of_files_are_only_names(written: str, clean: str) -> None:
    assert file_name(written, "usual.bin") == clean
    assert file_name(clean, "usual.bin") == clean


@pytest.mark.parametrize(
    ("text", "own", "quoted"),
    [
        ("New\n\nOn Mon, 1 Nov 2026, Help wrote:\n> old", "New", "On Mon, 1 Nov 2026, Help wrote:\n> old"),
        (
            "Neu\n\nAm 1. November 2026 um 10:00 schrieb Help\n<help@desk.example>:\n> alt",
            "Neu",
            "Am 1. November 2026 um 10:00 schrieb Help\n<help@desk.example>:\n> alt",
        ),
        (
            "New\n-----Original Message-----\nFrom: Help\n\nold",
            "New",
            "-----Original Message-----\nFrom: Help\n\nold",
        ),
        (
            "New\n________________________________\nFrom: Help\nSent: today\n\nold",
            "New",
            "________________________________\nFrom: Help\nSent: today\n\nold",
        ),
        ("New\nVon: Help\nGesendet: heute\n\nalt", "New", "Von: Help\nGesendet: heute\n\nalt"),
        ("> question\nanswer\n> question\nanswer", None, ""),
        ("Intro\n> question\nanswer", None, ""),
        ("> only a quote", None, ""),
        ("On Monday I wrote: nothing", None, ""),
        ("From: me", None, ""),
    ],
)
def test_history_is_split_off_only_when_sure(text: str, own: str | None, quoted: str) -> None:
    event = READ(mail(text), None)
    assert (event.text, event.quoted) == (text if own is None else own, quoted)


@given(st.binary(max_size=2_000))
@settings(max_examples=300)
def test_random_bytes(raw: bytes) -> None:
    holds(READ(raw, ENVELOPE), raw)


SNIPPETS = [
    b"", b"\r\n", b"\n", b"--xyz", b"--xyz--", b"=?", b"?=", b";", b'"', b"\x00", b"\xff",
    b"Content-Type: multipart/mixed; boundary=xyz\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
]  # fmt: skip
MUTATED = st.tuples(
    st.sampled_from([*ORDINARY, *(raw for raw in BAD.values() if len(raw) < 3_000)]),
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 30), st.sampled_from(SNIPPETS)), max_size=6),
)


@given(MUTATED)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_mails(mutated: tuple[bytes, list[tuple[int, int, bytes]]]) -> None:
    raw, cuts = mutated
    for at, length, instead in cuts:
        raw = raw[:at] + instead + raw[at + length :]
    holds(READ(raw, ENVELOPE), raw)


def test_a_large_attachment_is_read_quickly_and_in_little_memory() -> None:
    content = bytes(range(256)) * (15 * 1024 * 1024 // 256)
    encoded = b64encode(content)
    lines = b"\r\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76))
    raw = multipart(
        "mixed",
        part("x"),
        part(
            lines,
            "application/zip",
            Content_Disposition="attachment; filename=a.zip",
            Content_Transfer_Encoding="base64",
        ),
    )
    assert len(raw) > 20_000_000
    started = time.process_time()
    event = READ(raw, ENVELOPE)
    assert time.process_time() - started < 2
    assert event.attachments[0].content == content
    tracemalloc.start()
    READ(raw, ENVELOPE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(raw)


async def test_another_process_can_do_it() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        event = await read_off_loop(READ, mail(), ENVELOPE, pool)
    assert event == READ(mail(), ENVELOPE)


class Slow:
    """A reader that does not come back by itself."""

    def __call__(self, raw: bytes, envelope: object = None) -> MailReceived:
        time.sleep(1)
        raise AssertionError("too late to matter")


async def test_a_mail_that_takes_too_long_is_shown_as_it_came() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        event = await read_off_loop(Slow(), mail("Hello"), ENVELOPE, pool, limit_s=0.05)
    assert event.notes == ("reading the mail took more than 0.05 seconds",)
    assert "Hello" in event.text
    assert event.sender == MailAddress(CUSTOMER)
