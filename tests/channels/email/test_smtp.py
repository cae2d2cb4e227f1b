"""Mail comes in and goes out by real SMTP on loopback."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from channels.contract import (
    AccountId,
    MailAddress,
    MailAttachment,
    MailEnvelope,
    OutcomeUnknown,
    Rejected,
    SendFailed,
)
from channels.email.plugin import EmailChannel
from tests.channels.email.mails import CUSTOMER, MAILBOX, PASSWORD, THREAD, TOKENS, email_settings, mail
from tests.channels.email.test_send import outbound

Taken = list[tuple[bytes, MailEnvelope]]


class Door:
    """A channel that listens, and what its desk has kept."""

    def __init__(self, channel: EmailChannel) -> None:
        self.channel = channel
        self.taken: Taken = []
        self.hindrance: Callable[[], Awaitable[None]] | None = None
        channel.take_with(self.take)

    async def take(self, raw: bytes, envelope: MailEnvelope) -> None:
        if self.hindrance is not None:
            await self.hindrance()
        self.taken.append((raw, envelope))


@asynccontextmanager
async def open_door(**listener: Any) -> AsyncIterator[Door]:
    channel = EmailChannel(
        AccountId("mail-main"), email_settings(listener=listener, aliases=["sales@desk.example"]), TOKENS
    )
    door = Door(channel)
    run = asyncio.create_task(channel.run())
    await channel.listening()
    try:
        yield door
    finally:
        await channel.close()
        await run


class Client:
    """A sending server that says exactly what a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> str:
        async with asyncio.timeout(10):
            lines = [await self.reader.readline()]
            while lines[-1][3:4] == b"-":
                lines.append(await self.reader.readline())
        return b"".join(lines).decode()

    async def say(self, line: str | bytes) -> str:
        self.writer.write((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return await self.answer()

    async def until_data(self) -> None:
        assert (await self.say("EHLO mx.customer.example")).startswith("250")
        assert (await self.say(f"MAIL FROM:<{CUSTOMER}>")).startswith("250")
        assert (await self.say(f"RCPT TO:<{MAILBOX}>")).startswith("250")
        assert (await self.say("DATA")).startswith("354")


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer)
    try:
        yield client
    finally:
        writer.close()


@asynccontextmanager
async def greeted(door: Door) -> AsyncIterator[Client]:
    async with client_of(door.channel.port) as client:
        assert (await client.answer()).startswith("220")
        yield client


# --- in -----------------------------------------------------------------------------------------------------


async def test_a_mail_is_kept_as_it_came() -> None:
    raw = mail("..one\n.\n.two\nx") + b"bare\nnewline\rreturn\r\n"
    async with open_door() as door:

        def bring() -> None:
            with smtplib.SMTP("127.0.0.1", door.channel.port, local_hostname="mx.example") as client:
                client.ehlo()
                assert client.esmtp_features["size"] == str(25 * 1024 * 1024)
                client.mail(CUSTOMER)
                client.rcpt(MAILBOX.upper())
                client.rcpt("help+t.x.y@desk.example")
                client.rcpt("sales@desk.example")
                client.putcmd("data")
                assert client.getreply()[0] == 354
                client.send(raw.replace(b"\r\n.", b"\r\n..") + b".\r\n")
                assert client.getreply()[0] == 250

        await asyncio.to_thread(bring)
    recipients = (MAILBOX, "help+t.x.y@desk.example", "sales@desk.example")
    assert door.taken == [(raw, MailEnvelope(CUSTOMER, recipients, "127.0.0.1", "mx.example"))]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b".",
        b"a",
        b"\r\n",
        b".\r\n.",
        b"a." + b"\r\n" * 3,
        b"x" * 200_000 + b".",
        b"\n.\n",
        b"\r.\r",
        b"\n.\r\n",
        b"\r\n\x00.",
    ],
)
async def test_only_the_real_end_ends_a_mail(text: bytes) -> None:
    """Dots, bare line ends and lines without end; in one piece and byte by byte."""
    wire = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:] + (b"\r\n" if text else b"") + b".\r\n"
    async with open_door() as door, greeted(door) as client:
        await client.until_data()
        client.writer.write(wire)
        assert (await client.answer()).startswith("250")
        await client.until_data()
        for byte in wire[-300:]:
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        assert (await client.answer()).startswith("250")
        assert (await client.say("QUIT")).startswith("221")
    expected = text + (b"\r\n" if text else b"")
    assert door.taken[0][0] == expected
    assert len(door.taken) == 2
    if len(wire) <= 300:
        assert door.taken[1][0] == expected


async def test_a_smuggled_mail_stays_inside() -> None:
    """A bare newline, dot, newline ends no mail: what follows is text, not a second mail."""
    inner = b"one\r\n\n.\nMAIL FROM:<boss@desk.example>\r\nRCPT TO:<help@desk.example>\r\nDATA\r\nforged\r\n"
    async with open_door() as door, greeted(door) as client:
        await client.until_data()
        client.writer.write(inner + b".\r\n")
        assert (await client.answer()).startswith("250")
    assert [raw for raw, _ in door.taken] == [inner]


@pytest.mark.parametrize(
    "recipient",
    [
        "nobody@desk.example",
        "x@elsewhere.example",
        "helpx@desk.example",
        "help@desk.example.evil",
        "help",
        "<>",
        "help%x@desk.example",
        "@desk.example:x@evil.example",
    ],
)
async def test_other_mailboxes_are_refused_and_nothing_is_relayed(recipient: str) -> None:
    async with open_door() as door, greeted(door) as client:
        await client.say("EHLO x")
        await client.say("MAIL FROM:<>")
        answer = await client.say(f"RCPT TO:<{recipient}>")
        assert answer[:3] in {"550", "553", "501"}
        assert (await client.say("DATA")).startswith("503")
    assert door.taken == []


async def test_the_server_says_nothing_about_users() -> None:
    async with open_door() as door, greeted(door) as client:
        await client.say("EHLO x")
        known, unknown = await client.say(f"VRFY {MAILBOX}"), await client.say("VRFY nobody@desk.example")
        assert known == unknown
        assert known.startswith("252")
        assert (await client.say("EXPN all")).startswith("502")
        assert (await client.say("AUTH PLAIN AGEAYg==")).startswith("5")


async def test_guessing_mailboxes_ends_the_connection() -> None:
    async with open_door(refusals=3) as door, greeted(door) as client:
        await client.say("EHLO x")
        await client.say("MAIL FROM:<a@b.example>")
        answers = [await client.say(f"RCPT TO:<{n}@desk.example>") for n in range(4)]
        assert [answer[:3] for answer in answers] == ["550", "550", "550", "421"]
        assert await client.reader.read() == b""


async def test_too_much_is_refused_before_and_after() -> None:
    async with open_door(mail_bytes=10_000) as door, greeted(door) as client:
        assert "SIZE 10000" in await client.say("EHLO x")
        assert (await client.say("MAIL FROM:<a@b.example> SIZE=10001")).startswith("552")
        await client.until_data()
        client.writer.write(b"x" * 10_000 + b"\r\n.\r\n")
        assert (await client.answer()).startswith("552")
        await client.until_data()
        client.writer.write(b"x" * 9_998 + b"\r\n.\r\n")
        assert (await client.answer()).startswith("250")
        await client.until_data()
        client.writer.write(b"x" * 100_000)
        assert (await client.answer()).startswith("421")
        assert await client.reader.read() == b""
    assert [len(raw) for raw, _ in door.taken] == [10_000]


async def test_25_mebibytes_come_in_and_the_loop_stays_free() -> None:
    raw = mail("x" * 76 + "\n", Subject="big") + (b"y" * 76 + b"\r\n") * (25 * 1024 * 1024 // 78 - 10)
    laps = [0.0]

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.001)
            laps.append(loop.time() - before)

    async with open_door() as door:
        watching = asyncio.create_task(watch())

        def bring() -> None:
            with smtplib.SMTP("127.0.0.1", door.channel.port) as client:
                client.sendmail(CUSTOMER, [MAILBOX], raw)

        await asyncio.to_thread(bring)
        watching.cancel()
    assert [taken for taken, _ in door.taken] == [raw]
    assert max(laps) < 1


async def test_what_cannot_be_kept_comes_again() -> None:
    async def broken() -> None:
        raise OSError("the database is away")

    async def never() -> None:
        await asyncio.Event().wait()

    async def unwanted() -> None:
        raise Rejected("no")

    async with open_door(take_s=0.1) as door:
        for hindrance, code in ((broken, "451"), (never, "451"), (unwanted, "554"), (None, "250")):
            door.hindrance = hindrance
            async with greeted(door) as client:
                await client.until_data()
                client.writer.write(b"x\r\n.\r\n")
                assert (await client.answer()).startswith(code)
    assert len(door.taken) == 1


async def test_a_sender_who_hangs_up_does_not_stop_the_keeping() -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        entered.set()
        await go.wait()

    async with open_door() as door:
        door.hindrance = slow
        async with greeted(door) as client:
            await client.until_data()
            client.writer.write(b"x\r\n.\r\n")
            await entered.wait()
        go.set()
    assert len(door.taken) == 1


async def test_connections_are_limited() -> None:
    async with open_door(connections_per_peer=2) as door:
        async with greeted(door), greeted(door), client_of(door.channel.port) as third:
            assert (await third.answer()).startswith("421")
            assert await third.reader.read() == b""
        async with asyncio.timeout(10):
            while True:
                async with client_of(door.channel.port) as again:
                    if (await again.answer()).startswith("220"):
                        break


async def test_commands_are_limited() -> None:
    async with open_door(commands=10) as door:
        async with greeted(door) as client:
            answers = [await client.say("NOOP") for _ in range(11)]
            assert [answer[:3] for answer in answers] == ["250"] * 10 + ["421"]
        async with greeted(door) as client:
            assert (await client.say("EHLO " + "x" * 2_000)).startswith("500")
            assert (await client.say(b"\xff\xfe")).startswith("500")


async def test_an_idle_or_endless_connection_is_closed() -> None:
    async with open_door(idle_s=0.1) as door, greeted(door) as client, asyncio.timeout(10):
        assert await client.reader.read() == b""
    async with open_door(mail_s=0.1) as door, greeted(door) as client:
        await client.until_data()
        assert (await client.answer()).startswith("421")
    assert door.taken == []


async def test_memory_is_limited_for_all_together() -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        entered.set()
        await go.wait()

    async with open_door(waiting_bytes=15_000) as door:
        door.hindrance = slow
        async with greeted(door) as first, greeted(door) as second:
            await first.until_data()
            first.writer.write(b"x" * 10_000 + b"\r\n.\r\n")
            await entered.wait()
            await second.until_data()
            second.writer.write(b"x" * 10_000 + b"\r\n.\r\n")
            assert (await second.answer()).startswith("452")
            go.set()
            assert (await first.answer()).startswith("250")
            await second.until_data()
            second.writer.write(b"x" * 10_000 + b"\r\n.\r\n")
            assert (await second.answer()).startswith("250")


# --- out ----------------------------------------------------------------------------------------------------


class Relay:
    """A relay that answers as a test says: a word for a step replaces the usual answer."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.mails: list[tuple[str | None, list[str], bytes]] = []
        self.close_after_data = False

    async def handle_EHLO(  # noqa: N802 - the library's names
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [one for one in responses if "SMTPUTF8" not in one or "utf8" not in self.answers]

    async def handle_MAIL(  # noqa: N802 - the library's names
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if "mail" in self.answers:
            return self.answers["mail"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - the library's names
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if "rcpt" in self.answers:
            return self.answers["rcpt"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - as above
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        if self.close_after_data:
            server.transport.abort()
        return self.answers.get("data", "250 OK")


@asynccontextmanager
async def relaying(relay: Relay, **options: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()

    def connection() -> SMTP:
        return SMTP(
            relay,
            hostname="relay.example",
            enable_SMTPUTF8=True,
            loop=loop,
            data_size_limit=40_000_000,
            **options,
        )

    server = await loop.create_server(connection, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def sender(port: int, **relay: Any) -> EmailChannel:
    values = {"host": "127.0.0.1", "port": port, "tls": "none", "timeout_s": 2, "retry_s": 7} | relay
    return EmailChannel(AccountId("mail-main"), email_settings(relay=values), TOKENS)


async def test_a_mail_goes_out_to_all_its_recipients() -> None:
    relay = Relay()
    async with relaying(relay) as port:
        channel = sender(port)
        message = outbound(
            cc=(MailAddress("bo@b.example"),),
            attachments=(MailAttachment("a.bin", "application/zip", b"\x00" * 5_000_000),),
        )
        result = await channel.send(message)
        assert (await channel.health()).ok
    ((mail_from, recipients, content),) = relay.mails
    assert (mail_from, recipients) == (MAILBOX, [CUSTOMER, "bo@b.example"])
    event = channel.read(content)
    assert event.message_id == result.provider_id == channel.message_id(message)
    assert event.attachments[0].size == 5_000_000
    assert event.text == "Hello\n\n.\nFrom here\nGrüße"


async def test_automatic_mail_has_no_sender() -> None:
    relay = Relay()
    async with relaying(relay) as port:
        await sender(port).send(outbound(automatic=True))
    assert relay.mails[0][0] in {"", "<>"}


@pytest.mark.parametrize(
    ("step", "answer", "retry", "words"),
    [
        (
            "mail",
            "550 5.7.1 zoe@customer.example is unwanted",
            None,
            "the relay refused the sender: 550 5.7.1",
        ),
        ("mail", "451 4.3.0 later", 7, "the relay refused the sender: 451 4.3.0"),
        ("rcpt", "550 5.1.1 no zoe@customer.example", None, "the relay refused recipient 1 of 1: 550 5.1.1"),
        ("rcpt", "450 greylisted", 7, "the relay refused recipient 1 of 1: 450"),
        ("data", "554 5.6.0 bad zoe@customer.example", None, "the relay refused the mail: 554 5.6.0"),
        ("data", "452 4.3.1 full", 7, "the relay refused the mail: 452 4.3.1"),
        ("utf8", "", None, "the relay takes no addresses beyond ASCII (SMTPUTF8)"),
    ],
)
async def test_refusals_for_good_and_for_now(step: str, answer: str, retry: float | None, words: str) -> None:
    relay = Relay()
    relay.answers[step] = answer
    to = MailAddress("用户@b.example" if step == "utf8" else CUSTOMER)
    async with relaying(relay) as port:
        with pytest.raises(SendFailed) as caught:
            await sender(port).send(outbound(to=(to,)))
    assert (str(caught.value), caught.value.retry_after_s) == (words, retry)


async def test_addresses_beyond_ascii_go_where_they_are_taken() -> None:
    relay = Relay()
    async with relaying(relay) as port:
        await sender(port).send(outbound(to=(MailAddress("用户@bücher.example"),)))
    assert relay.mails[0][1] == ["用户@bücher.example"]


async def test_a_connection_lost_after_the_text_is_unknown_and_the_retry_is_the_same_mail() -> None:
    relay = Relay()
    relay.close_after_data = True
    async with relaying(relay) as port:
        with pytest.raises(OutcomeUnknown):
            await sender(port).send(outbound())
        relay.close_after_data = False
        await sender(port).send(outbound())
    assert relay.mails[0] == relay.mails[1]


async def test_a_relay_that_is_away_or_silent() -> None:
    async with relaying(Relay()) as port:
        pass
    channel = sender(port)
    with pytest.raises(SendFailed) as caught:
        await channel.send(outbound())
    assert caught.value.retry_after_s == 7
    assert not (await channel.health()).ok
    finished: asyncio.Event = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await finished.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    with pytest.raises(SendFailed) as caught:
        await sender(server.sockets[0].getsockname()[1], timeout_s=0.1).send(outbound())
    assert caught.value.retry_after_s == 7
    finished.set()
    server.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody else believes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "relay.pem", folder / "relay.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


async def test_starttls_and_signing_in(tmp_path: Path) -> None:
    certificate_file, key_file = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_file, key_file)
    seen: list[tuple[bytes, bytes]] = []

    def authenticate(mechanism: str, login: bytes, password: bytes) -> bool:
        seen.append((login, password))
        return password == PASSWORD.encode()

    relay = Relay()
    options = {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "auth_callback": authenticate,
    }
    async with relaying(relay, **options) as port:
        good = {"tls": "starttls", "user": "desk", "password": PASSWORD, "ca_file": certificate_file}
        await sender(port, **good).send(outbound())
        assert len(relay.mails) == 1
        with pytest.raises(SendFailed) as refused:
            await sender(port, **good | {"password": "wrong"}).send(outbound())
        assert refused.value.retry_after_s is None
        assert PASSWORD not in str(refused.value)
        with pytest.raises(SendFailed) as unknown:
            await sender(port, **good | {"ca_file": None}).send(outbound())
        assert unknown.value.retry_after_s == 7
    assert (b"desk", PASSWORD.encode()) in seen
    async with relaying(relay) as plain:
        with pytest.raises(SendFailed):
            await sender(plain, **good).send(outbound())
    assert len(relay.mails) == 1


async def test_the_token_of_what_we_sent_proves_its_answer() -> None:
    """Out by the relay, answered, and in by our own door."""
    relay = Relay()
    async with relaying(relay) as port:
        await sender(port).send(outbound())
    first = sender(1).read(relay.mails[0][2])
    (reply_to,) = first.reply_to
    answer = mail("Thanks", To=reply_to.address, In_Reply_To=first.message_id, Subject="changed")
    async with open_door() as door:

        def bring() -> None:
            with smtplib.SMTP("127.0.0.1", door.channel.port) as client:
                client.sendmail(CUSTOMER, [reply_to.address], answer)

        await asyncio.to_thread(bring)
    event = door.channel.read(*door.taken[0])
    assert event.proven is not None
    assert event.proven.thread_id == THREAD
