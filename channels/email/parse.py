"""From the bytes of a mail to an event. Pure and total: every sequence of bytes is a mail, at worst an odd one.

`Reading` is a plain picklable value, so that the work can be done in another process.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from pathlib import PurePosixPath

from channels.contract import Machine, MailAddress, MailAttachment, MailEnvelope, MailReceived, ProvenThread
from channels.email import machine, sanitize
from channels.email.addresses import AddressList, fold, parse_list, parse_sender
from channels.email.mime import Headers, Notes, Part, content_of, read_mail
from channels.email.quotes import split_quoted
from channels.email.settings import (
    FILE_NAME_CHARACTERS,
    HTML_CHARACTERS,
    REFERENCES,
    SUBJECT_CHARACTERS,
    TEXT_CHARACTERS,
)
from channels.email.threads import ThreadTokens
from channels.email.words import clean_lines, decode_text, decode_words, nfc, one_line

MESSAGE_ID = re.compile(r"<[^<>\s]{1,990}>")
MESSAGE_ID_CHARACTERS = 998
IDS_FIELD_CHARACTERS = 256 * 1024
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
META_CHARSET = re.compile(rb"charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
YEARS = range(1980, 2101)
BYTES_PER_CHARACTER = 4
UNREADABLE = "the mail could not be taken apart"
IDENTITY = ("message-id", "from", "sender", "to", "cc", "subject", "date", "in-reply-to")
"""Fields that are the same whichever way a mail came."""

EXTENSIONS = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/calendar": ".ics",
    "message/rfc822": ".eml",
    "application/pdf": ".pdf",
    "application/pgp-signature": ".asc",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the mail of one account: its mailboxes tell our own mail, its tokens prove threads."""

    mailboxes: tuple[str, ...] = ()
    tokens: ThreadTokens | None = None

    def __call__(self, raw: bytes, envelope: MailEnvelope | None = None) -> MailReceived:
        """The event. Never raises: a fault of ours gives a mail whose text is its raw beginning."""
        try:
            return _read(self, raw, envelope)
        except Exception:  # noqa: BLE001 - a mail that we cannot read must still reach a person
            return unread(raw, envelope, UNREADABLE)


def unread(raw: bytes, envelope: MailEnvelope | None, note: str) -> MailReceived:
    """A mail that is shown as it came in, because reading it failed or took too long."""
    sender = None if envelope is None else fold(envelope.sender)
    return MailReceived(
        message_id=None,
        dedupe_key=f"mail:{hashlib.sha256(raw).hexdigest()}",
        sender=None if sender is None else MailAddress(sender),
        subject="",
        text=_plain_text(raw[:TEXT_CHARACTERS]),
        envelope=envelope,
        doubts=("only the envelope names the author",),
        notes=(note,),
        raw_size=len(raw),
    )


def _read(reading: Reading, raw: bytes, envelope: MailEnvelope | None) -> MailReceived:
    notes = Notes()
    whole = read_mail(raw, notes)
    headers = whole.headers
    sender, doubts = _sender(headers, envelope)
    message_id = _message_id(headers)
    to, cc = _addresses(headers, "to", notes), _addresses(headers, "cc", notes)
    in_reply_to = next(iter(_ids(headers, "in-reply-to")), None)
    references = tuple(_ids(headers, "references")[-REFERENCES:])
    body = _Body(notes)
    body.read(whole)
    text, html = body.finished()
    own_words, quoted = split_quoted(text)
    kind, reason = machine.classify(
        machine.Evidence(headers, whole, sender, message_id, envelope, reading.mailboxes, reading.tokens)
    )
    return MailReceived(
        message_id=message_id,
        dedupe_key=_dedupe_key(whole, raw),
        sender=sender,
        subject=headers.text("subject")[:SUBJECT_CHARACTERS],
        text=own_words,
        to=to,
        cc=cc,
        reply_to=_addresses(headers, "reply-to", notes),
        quoted=quoted,
        html=None if html is None else html.html,
        remote_images=0 if html is None else html.remote_images,
        attachments=tuple(body.attachments),
        in_reply_to=in_reply_to,
        references=references,
        proven=_proven(reading.tokens, envelope, (*to, *cc), in_reply_to, references),
        language=_language(headers),
        sent_at=sent_at(headers.raw("date")),
        machine=kind,
        machine_reason=reason,
        bounce=machine.read_bounce(body.reports) if kind is Machine.BOUNCE else None,
        envelope=envelope,
        doubts=doubts,
        notes=tuple(notes.words),
        raw_size=len(raw),
    )


# --- the header ---------------------------------------------------------------------------------------------


def _sender(headers: Headers, envelope: MailEnvelope | None) -> tuple[MailAddress | None, tuple[str, ...]]:
    """The author by From; without one by Sender, Reply-To or the envelope, and never without a doubt then."""
    sender, doubts = parse_sender(headers.all_raw("from"))
    if sender is not None:
        return sender, doubts
    for name in ("sender", "reply-to", "return-path"):
        other, _ = parse_sender(headers.all_raw(name)[:1])
        if other is not None:
            return other, (*doubts, f"the author is taken from {name.title()}")
    folded = None if envelope is None else fold(envelope.sender)
    if folded is None:
        return None, doubts
    return MailAddress(folded), (*doubts, "only the envelope names the author")


def _addresses(headers: Headers, name: str, notes: Notes) -> tuple[MailAddress, ...]:
    found: dict[str, MailAddress] = {}
    for text in headers.all_raw(name)[:10]:
        parsed: AddressList = parse_list(text)
        for doubt in parsed.doubts:
            notes.add(f"{name.title()}: {doubt}")
        for address in parsed.addresses:
            found.setdefault(address.address, address)
    return tuple(found.values())


def _message_id(headers: Headers) -> str | None:
    text = headers.raw("message-id")
    found = MESSAGE_ID.search(text[:IDS_FIELD_CHARACTERS])
    if found is not None:
        return nfc(found[0])
    return one_line(text)[:MESSAGE_ID_CHARACTERS] or None


def _ids(headers: Headers, name: str) -> list[str]:
    """Message-IDs, each once, in their order."""
    text = " ".join(headers.all_raw(name))[-IDS_FIELD_CHARACTERS:]
    return list(dict.fromkeys(nfc(found) for found in MESSAGE_ID.findall(text)))


def _proven(
    tokens: ThreadTokens | None,
    envelope: MailEnvelope | None,
    recipients: Sequence[MailAddress],
    in_reply_to: str | None,
    references: Sequence[str],
) -> ProvenThread | None:
    if tokens is None:
        return None
    delivered = () if envelope is None else envelope.recipients
    addresses = dict.fromkeys((*delivered, *(address.address for address in recipients)))
    return tokens.proven(tuple(addresses), in_reply_to, references)


def _language(headers: Headers) -> str | None:
    stated = headers.text("content-language").partition(",")[0].strip()
    return stated if LANGUAGE.fullmatch(stated) else None


def sent_at(text: str) -> int | None:
    """A Date field in microseconds since 1970 UTC, None if it says nothing sensible."""
    try:
        parsed = parsedate_tz(text[:200])
        if parsed is None or parsed[0] not in YEARS:
            return None
        return int(mktime_tz(parsed)) * 1_000_000
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _dedupe_key(whole: Part, raw: bytes) -> str:
    """The same for the same mail over whichever way it came, also when it names no Message-ID.

    A Message-ID alone would let a stranger who knows one have somebody else's mail dropped.
    """
    digest = hashlib.sha256()
    for name in IDENTITY:
        for value in whole.headers.all_raw(name):
            digest.update(f"{name}:{value}\n".encode("utf-8", "surrogatepass"))
    digest.update(b"\n")
    body = memoryview(whole.source)[whole.start : whole.end] if len(whole.headers) else memoryview(raw)
    digest.update(body)
    return f"mail:{digest.hexdigest()}"


# --- the body -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Section:
    """A piece of the body: plain, rich, or both of the same."""

    text: str | None = None
    html: str | None = None


@dataclass(slots=True)
class _Body:
    """Collects what a reader sees and what hangs on it."""

    notes: Notes
    sections: list[_Section] = field(default_factory=list)
    attachments: list[MailAttachment] = field(default_factory=list)
    reports: list[Part] = field(default_factory=list)
    text_left: int = TEXT_CHARACTERS
    html_left: int = HTML_CHARACTERS

    def read(self, part: Part) -> None:
        if part.parts and part.kind == "multipart/alternative":
            self._read_alternative(part)
        elif part.parts:
            for child in part.parts:
                self.read(child)
        elif _is_body(part):
            self._read_text(part)
        else:
            self._attach(part)

    def finished(self) -> tuple[str, sanitize.CleanHtml | None]:
        """The text, and the rich text if there is any that can be shown."""
        text = "\n\n".join(shown for shown in map(self._plain, self.sections) if shown)
        if not any(section.html for section in self.sections):
            return text, None
        rich = "<hr>".join(
            section.html or f"<pre>{_escaped(section.text or '')}</pre>" for section in self.sections
        )
        try:
            return text, sanitize.clean_html(rich)
        except sanitize.TooTangledError as error:
            self.notes.add(f"{error}: only its text is shown")
            return text, None

    def _plain(self, section: _Section) -> str:
        if section.text is not None and (section.text.strip() or not section.html):
            return section.text.strip("\n")
        try:
            text = sanitize.text_of_html(section.html or "")
        except sanitize.TooTangledError as error:
            self.notes.add(f"{error}: only its text is shown")
            text = sanitize.crude_text(section.html or "")
        return text[:TEXT_CHARACTERS]

    def _read_alternative(self, part: Part) -> None:
        """The same thing several times: the last plain and the last rich one count, files are all kept."""
        chosen = _Section()
        for child in part.parts:
            inner = _Body(self.notes, text_left=self.text_left, html_left=self.html_left)
            inner.read(child)
            self.attachments += inner.attachments
            self.reports += inner.reports
            texts = [section.text for section in inner.sections if section.text is not None]
            htmls = [section.html for section in inner.sections if section.html is not None]
            chosen.text = "\n\n".join(texts) if texts else chosen.text
            chosen.html = "<hr>".join(htmls) if htmls else chosen.html
        self.text_left -= len(chosen.text or "")
        self.html_left -= len(chosen.html or "")
        self.sections.append(chosen)

    def _read_text(self, part: Part) -> None:
        content = content_of(part, self.notes)
        if part.kind == "text/html":
            self._read_html(part, content)
            return
        cut = content[: BYTES_PER_CHARACTER * max(0, self.text_left)]
        text = self._decoded(part, cut)
        if len(content) > len(cut) or len(text) > self.text_left:
            self.notes.add("the text is very long: the whole of it is attached")
            self._attach(part, content)
            text = text[: max(0, self.text_left)]
        self.text_left -= len(text)
        self.sections.append(_Section(text=text))

    def _read_html(self, part: Part, content: bytes) -> None:
        if len(content) > BYTES_PER_CHARACTER * max(0, self.html_left):
            self.notes.add("the rich text is very long: it is attached")
            self._attach(part, content)
            return
        html = self._decoded(part, content, meta=True)
        if len(html) > self.html_left:
            self.notes.add("the rich text is very long: it is attached")
            self._attach(part, content)
            return
        self.html_left -= len(html)
        self.sections.append(_Section(html=html))

    def _decoded(self, part: Part, content: bytes, *, meta: bool = False) -> str:
        charset = part.content_type.parameters.get("charset")
        if not charset and meta:
            found = META_CHARSET.search(content[:2048])
            charset = found[1].decode("ascii") if found else None
        text, note = decode_text(content, charset)
        self.notes.add(note)
        if "\x00" in text:
            self.notes.add("the text holds NUL characters")
        return clean_lines(text)

    def _attach(self, part: Part, content: bytes | None = None) -> None:
        if (
            part.kind == "message/delivery-status"
            or part.kind.startswith("message/")
            or part.kind == "text/rfc822-headers"
        ):
            self.reports.append(part)
        if content is None:
            content = content_of(part, self.notes)
        name = self._name(part)
        if name.lower() == "winmail.dat" or part.kind == "application/ms-tnef":
            self.notes.add("the files of this mail are packed inside winmail.dat")
        cid = one_line(part.headers.raw("content-id")).strip("<> ")
        self.attachments.append(
            MailAttachment(
                name=name,
                media_type=part.kind,
                content=content,
                content_id=cid if sanitize.CONTENT_ID.fullmatch(cid) else None,
                inline=part.disposition.main == "inline" or (bool(cid) and part.disposition.main == ""),
            )
        )

    def _name(self, part: Part) -> str:
        usual = f"part-{len(self.attachments) + 1}{EXTENSIONS.get(part.kind, '.bin')}"
        if part.kind == "message/rfc822" and not part.file_name:
            head = re.search(
                rb"^subject:[ \t]*([^\r\n]{1,200})", part.body()[:65_536], re.IGNORECASE | re.MULTILINE
            )
            if head is not None:
                subject = one_line(decode_words(decode_text(head[1], "utf-8")[0]))
                return file_name(f"{subject[:100]}.eml", usual)
        return file_name(part.file_name, usual)


def _is_body(part: Part) -> bool:
    if part.disposition.main == "attachment" or part.kind not in {"text/plain", "text/html"}:
        return part.kind.startswith("multipart/") and part.disposition.main != "attachment"
    return not part.file_name


def file_name(text: str, usual: str) -> str:
    """A file's name that is only a name: no path, no leading dot, nothing invisible, 200 characters at most."""
    name = one_line(text).replace("\u200c", "").replace("\u200d", "")
    name = nfc("".join("_" if c in '/\\:*?"<>|' else c for c in unicodedata.normalize("NFKC", name[:1_000])))
    name = name.replace("/", "_").replace("\\", "_").strip(" .")
    if not name:
        return usual
    if len(name) <= FILE_NAME_CHARACTERS:
        return name
    extension = PurePosixPath(name).suffix[:20]
    return name[: FILE_NAME_CHARACTERS - len(extension)].rstrip(" .") + extension


def _plain_text(raw: bytes) -> str:
    return clean_lines(decode_text(raw, None)[0])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
