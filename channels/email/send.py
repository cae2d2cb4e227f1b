"""From an `OutboundMail` to bytes on the wire, and to the relay by SMTP.

The message is written by ourselves, byte for byte the same for the same mail: a retry after an ambiguous
answer repeats its Message-ID. No value can break out of its header field.
"""

import asyncio
import binascii
import hashlib
import re
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

import aiosmtplib
from aiosmtplib import SMTP

from channels.contract import MailAddress, MailAttachment, OutboundMail, OutcomeUnknown, SendFailed, Sent
from channels.email.addresses import ascii_domain, fold
from channels.email.mime import MEDIA_TYPE
from channels.email.sanitize import CONTENT_ID, TooTangledError, clean_outgoing
from channels.email.settings import (
    HTML_CHARACTERS,
    RECIPIENTS,
    SENT_BYTES,
    SENT_REFERENCES,
    SUBJECT_CHARACTERS,
    TEXT_CHARACTERS,
    EmailSettings,
    Relay,
)
from channels.email.threads import ThreadTokens, unique_part
from channels.email.words import clean_lines, one_line

LINE_CHARACTERS = 76
QUIT_S = 2.0
WORD_BYTES = 45
"""Of text in one encoded word: 60 characters of base64, with its frame at most 75."""
MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")
ENHANCED = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
LEAVES = frozenset({"message/rfc822", "message/partial", "message/external-body"})
"""Types that must not be encoded (RFC 2046), so they leave as plain files."""


@dataclass(frozen=True, slots=True)
class Built:
    """A mail ready for the wire: `sender` "" is the empty reverse path."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes
    message_id: str
    needs_utf8: bool = False


def message_id(mail: OutboundMail, domain: str, tokens: ThreadTokens | None) -> str:
    """The Message-ID under which a mail goes out, the same each time."""
    if tokens is not None and mail.thread_id is not None:
        return tokens.message_id(domain, mail.thread_id, mail.key)
    return f"<m.{unique_part(mail.key)}@{domain}>"


def build(mail: OutboundMail, settings: EmailSettings, tokens: ThreadTokens | None) -> Built:
    """The message as it goes out. SendFailed, for good, when it cannot be sent as it is."""
    _check(mail)
    recipients = tuple(dict.fromkeys(_mailbox(one) for one in (*mail.to, *mail.cc)))
    own_id = message_id(mail, settings.domain, tokens)
    wire = tuple(ascii_domain(address) or address for address in recipients)
    head = _head(mail, settings, tokens, own_id)
    message = _crlf(head) + _body(mail)
    if len(message) > SENT_BYTES:
        raise SendFailed(f"the mail has {len(message)} bytes; {SENT_BYTES} go through")
    return Built(
        sender="" if mail.automatic else settings.mailbox,
        recipients=wire,
        message=message,
        message_id=own_id,
        needs_utf8=any(not address.isascii() for address in wire),
    )


# --- the header ---------------------------------------------------------------------------------------------


def _head(
    mail: OutboundMail, settings: EmailSettings, tokens: ThreadTokens | None, own_id: str
) -> list[tuple[str, str]]:
    name = settings.display_name if mail.sender_name is None else mail.sender_name
    fields = [
        ("From", _address(MailAddress(settings.mailbox, name))),
        ("To", _address_list(mail.to)),
        ("Subject", encoded(mail.subject)),
        ("Date", format_datetime(datetime.fromtimestamp(mail.written_at // 1_000_000, UTC))),
        ("Message-ID", own_id),
    ]
    if mail.cc:
        fields.append(("Cc", _address_list(mail.cc)))
    reply = None
    if tokens is not None and mail.thread_id is not None:
        reply = tokens.reply_address(settings.mailbox, mail.thread_id)
    if reply is not None:
        fields.append(("Reply-To", _address(MailAddress(reply, name))))
    answered = _answered(mail)
    if answered:
        fields.append(("In-Reply-To", answered[-1]))
        fields.append(("References", " ".join(answered)))
    fields.append(("X-Loop", settings.mailbox))
    if mail.automatic:
        fields.append(("Auto-Submitted", "auto-replied" if answered else "auto-generated"))
        fields.append(("X-Auto-Response-Suppress", "All"))
    fields.append(("MIME-Version", "1.0"))
    return fields


def _answered(mail: OutboundMail) -> list[str]:
    """What References names: the first and the newest ones, the answered one last. Odd ids are left out."""
    known = [one for one in (*mail.references, mail.in_reply_to or "") if MESSAGE_ID.fullmatch(one)]
    if mail.in_reply_to in known:
        known = [one for one in known if one != mail.in_reply_to] + [mail.in_reply_to or ""]
    known = list(dict.fromkeys(known))
    return known if len(known) <= SENT_REFERENCES else [known[0], *known[1 - SENT_REFERENCES :]]


def _crlf(fields: Iterable[tuple[str, str]]) -> bytes:
    return "".join(folded(name, value) for name, value in fields).encode("utf-8")


def folded(name: str, value: str) -> str:
    """A field on lines of at most 76 characters where it has blanks. ValueError for a value that breaks out."""
    if FORBIDDEN.search(value) or FORBIDDEN.search(name):
        raise ValueError(f"a control character in {name}")
    lines, line = [], f"{name}:"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > LINE_CHARACTERS and not line.endswith(":"):
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join((*lines, line)) + "\r\n"


def encoded(text: str) -> str:
    """Text for a header: as it is, or in encoded words that never split a character (RFC 2047)."""
    text = one_line(text)
    if text.isascii() and "=?" not in text and max(map(len, text.split(" ")), default=0) < 900:
        return text
    words, piece = [], b""
    for character in text:
        letter = character.encode()
        if len(piece) + len(letter) > WORD_BYTES:
            words.append(piece)
            piece = b""
        piece += letter
    words.append(piece)
    return " ".join(f"=?utf-8?B?{binascii.b2a_base64(word, newline=False).decode()}?=" for word in words)


def _address(address: MailAddress) -> str:
    mailbox = ascii_domain(address.address) or address.address
    name = one_line(address.name)
    if not name:
        return mailbox
    if not name.isascii() or "=?" in name:
        return f"{encoded(name)} <{mailbox}>"
    if ATOMS.fullmatch(name):
        return f"{name} <{mailbox}>"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{mailbox}>'


def _address_list(addresses: Sequence[MailAddress]) -> str:
    return ", ".join(_address(address) for address in addresses)


def _mailbox(address: MailAddress) -> str:
    folded_address = fold(address.address)
    if folded_address is None or FORBIDDEN.search(folded_address):
        raise SendFailed("a recipient's address cannot be read")
    return folded_address


def _check(mail: OutboundMail) -> None:
    if not mail.to:
        raise SendFailed("the mail has no recipient")
    if len(mail.to) + len(mail.cc) > RECIPIENTS:
        raise SendFailed(f"the mail has more than {RECIPIENTS} recipients")
    if len(mail.text) > TEXT_CHARACTERS:
        raise SendFailed(f"the text has more than {TEXT_CHARACTERS} characters")
    if mail.html is not None and len(mail.html) > HTML_CHARACTERS:
        raise SendFailed(f"the rich text has more than {HTML_CHARACTERS} characters")
    if len(mail.subject) > SUBJECT_CHARACTERS:
        raise SendFailed(f"the subject has more than {SUBJECT_CHARACTERS} characters")
    if sum(attachment.size for attachment in mail.attachments) > SENT_BYTES:
        raise SendFailed(f"the attachments have more than {SENT_BYTES} bytes")


# --- the body -----------------------------------------------------------------------------------------------


def _body(mail: OutboundMail) -> bytes:
    """Header fields of the body, an empty line, the body."""
    shown = [one for one in mail.attachments if mail.html is not None and one.inline and one.content_id]
    hung = [one for one in mail.attachments if one not in shown]
    body = _text_part(mail.text, "plain")
    if mail.html is not None:
        rich = _text_part(_clean(mail.html), "html")
        if shown:
            rich = _multipart("related", mail.key, [rich, *map(_file_part, shown)])
        body = _multipart("alternative", mail.key, [body, rich])
    return _multipart("mixed", mail.key, [body, *map(_file_part, hung)]) if hung else body


def _clean(html: str) -> str:
    try:
        return clean_outgoing(html)
    except TooTangledError as error:
        raise SendFailed(str(error)) from error


def _multipart(kind: str, key: str, parts: Sequence[bytes]) -> bytes:
    # From the mail's key, so that a retry is the same to the byte; "=_" stands in no base64 and no
    # quoted-printable, which all our parts are.
    digest = hashlib.sha256(f"{kind}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    boundary = f"=_{kind[:3]}{digest}"
    head = folded("Content-Type", f'multipart/{kind}; boundary="{boundary}"').encode()
    marker = f"--{boundary}\r\n".encode()
    end = f"--{boundary}--\r\n".encode()
    return head + b"\r\n" + b"".join(marker + part for part in parts) + end


def _text_part(text: str, kind: str) -> bytes:
    lines = clean_lines(text.replace("\x00", "")).rstrip("\n").replace("\n", "\r\n") + "\r\n"
    content = binascii.b2a_qp(lines.encode("utf-8", "replace"), istext=True)
    fields = [
        ("Content-Type", f"text/{kind}; charset=utf-8"),
        ("Content-Transfer-Encoding", "quoted-printable"),
    ]
    return _crlf(fields) + b"\r\n" + content


def _file_part(attachment: MailAttachment) -> bytes:
    known = MEDIA_TYPE.fullmatch(attachment.media_type) and not attachment.media_type.startswith("multipart/")
    media_type = attachment.media_type if known else "application/octet-stream"
    if media_type in LEAVES:
        media_type = "application/octet-stream"
    disposition = "inline" if attachment.inline and attachment.content_id else "attachment"
    name = one_line(attachment.name)[:200] or "attachment"
    fields = [
        ("Content-Type", f'{media_type}; name="{_plain_name(name)}"'),
        ("Content-Disposition", f"{disposition}; {_file_name(name)}"),
        ("Content-Transfer-Encoding", "base64"),
    ]
    content_id = attachment.content_id or ""
    if content_id.isascii() and CONTENT_ID.fullmatch(content_id):
        fields.append(("Content-ID", f"<{content_id}>"))
    return _crlf(fields) + b"\r\n" + _base64_lines(attachment.content)


def _plain_name(name: str) -> str:
    """For programs that read no RFC 2231."""
    return "".join(c if c.isascii() and c not in '"\\' else "_" for c in name)


def _file_name(name: str) -> str:
    return f'filename="{name}"' if _plain_name(name) == name else f"filename*=UTF-8''{quote(name, safe='')}"


def _base64_lines(content: bytes) -> bytes:
    step = LINE_CHARACTERS // 4 * 3
    return b"".join(
        binascii.b2a_base64(content[at : at + step], newline=False) + b"\r\n"
        for at in range(0, len(content), step)
    )


# --- the relay ----------------------------------------------------------------------------------------------


class RelaySender:
    """Hands messages to the relay, a few at a time, each over a connection of its own."""

    def __init__(self, relay: Relay, greeting: str) -> None:
        self._relay = relay
        self._greeting = greeting
        self._places = asyncio.Semaphore(relay.connections)

    async def send(self, built: Built) -> Sent:
        """Send to all recipients or to none. Raises SendFailed or OutcomeUnknown."""
        async with self._places:
            client = self._client()
            try:
                await self._connect(client)
                await self._address(client, built)
                await self._hand_over(client, built)
                await self._leave(client)
            finally:
                client.close()
        return Sent(built.message_id)

    async def probe(self) -> None:
        """Connect, greet, sign in and leave. Raises SendFailed."""
        client = self._client()
        try:
            await self._connect(client)
        finally:
            client.close()

    def _client(self) -> SMTP:
        relay = self._relay
        return SMTP(
            hostname=relay.host,
            port=relay.port,
            username=relay.user,
            password=None if relay.password is None else relay.password.get_secret_value(),
            local_hostname=self._greeting,
            timeout=relay.timeout_s,
            use_tls=relay.tls == "implicit",
            start_tls=relay.tls == "starttls",
            tls_context=None if relay.tls == "none" else self._tls(),
        )

    def _tls(self) -> ssl.SSLContext:
        cafile = None if self._relay.ca_file is None else str(self._relay.ca_file)
        return ssl.create_default_context(cafile=cafile)

    async def _connect(self, client: SMTP) -> None:
        try:
            await client.connect()
            await self._greet(client)
        except aiosmtplib.SMTPAuthenticationError as error:
            raise self._refused("signing in", error) from error
        except aiosmtplib.SMTPResponseException as error:
            raise self._refused("greeting", error, final=False) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise self._away("the relay cannot be reached", error) from error

    @staticmethod
    async def _greet(client: SMTP) -> None:
        """Learn what the relay can do; signing in and TLS have done so already."""
        if not client.is_ehlo_or_helo_needed:
            return
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError:
            await client.helo()

    async def _address(self, client: SMTP, built: Built) -> None:
        options = [f"SIZE={len(built.message)}"] if client.supports_extension("size") else []
        if built.needs_utf8:
            if not client.supports_extension("smtputf8"):
                raise SendFailed("the relay takes no addresses beyond ASCII (SMTPUTF8)")
            options.append("SMTPUTF8")
        try:
            await client.mail(built.sender, options=options, encoding="utf-8")
        except aiosmtplib.SMTPResponseException as error:
            raise self._refused("the sender", error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._away("the connection was lost", error) from error
        for number, recipient in enumerate(built.recipients, start=1):
            try:
                await client.rcpt(recipient, encoding="utf-8")
            except aiosmtplib.SMTPResponseException as error:
                which = f"recipient {number} of {len(built.recipients)}"
                raise self._refused(which, error) from error
            except (aiosmtplib.SMTPException, OSError) as error:
                raise self._away("the connection was lost", error) from error

    async def _hand_over(self, client: SMTP, built: Built) -> None:
        """From here on a silence is ambiguous: the relay may have the mail."""
        try:
            await client.data(built.message)
        except aiosmtplib.SMTPResponseException as error:
            raise self._refused("the mail", error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise OutcomeUnknown(
                f"the relay did not say whether it has the mail ({type(error).__name__})"
            ) from error

    async def _leave(self, client: SMTP) -> None:
        """Say good-bye; the mail is there whether or not the relay answers."""
        with suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=min(QUIT_S, self._relay.timeout_s))

    def _refused(
        self, what: str, error: aiosmtplib.SMTPResponseException, *, final: bool = True
    ) -> SendFailed:
        """5xx is for good, 4xx for now. Only codes are passed on: the server's words may name people."""
        code = ENHANCED.search(error.message)
        words = f"the relay refused {what}: {error.code}{f' {code[0]}' if code else ''}"
        for_good = final and 500 <= error.code < 600
        return SendFailed(words, None if for_good else self._relay.retry_s)

    def _away(self, words: str, error: Exception) -> SendFailed:
        return SendFailed(f"{words} ({type(error).__name__})", self._relay.retry_s)
