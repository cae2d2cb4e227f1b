"""The structure of a mail: header fields, parts inside parts, transfer encodings. Total and linear.

Works on offsets into the raw bytes, so that nothing is copied before it is wanted. Malformed mail is read as
RFC 7103 advises; what was wrong is noted in words.
"""

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from channels.email.settings import DEPTH, HEADER_BYTES, HEADER_LINES, PARTS
from channels.email.words import decode_base64, decode_text, decode_words, one_line

FIELD = re.compile(rb"([!-9;-~]{1,200}+)[ \t]*+:")
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}")
PARAMETERS = 50
VALUE_CHARACTERS = 10_000
BOUNDARY_BYTES = 1_000
BLANKS_AFTER_BOUNDARY = 200


@dataclass(slots=True)
class Notes:
    """What was wrong with a mail, in words, each once."""

    words: dict[str, None] = field(default_factory=dict)

    def add(self, note: str | None) -> None:
        if note:
            self.words[note] = None


class Headers:
    """Header fields in their order; names are lower case."""

    def __init__(self, fields: list[tuple[str, bytes]]) -> None:
        self._fields = fields
        self._by_name: dict[str, list[bytes]] = {}
        for name, value in fields:
            self._by_name.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self._fields)

    def raw(self, name: str) -> str:
        """The first field of this name as text, encoded words as they stand; "" without one."""
        found = self._by_name.get(name)
        return _text(found[0]) if found else ""

    def all_raw(self, name: str) -> list[str]:
        """Every field of this name."""
        return [_text(value) for value in self._by_name.get(name, ())]

    def text(self, name: str) -> str:
        """The first field of this name for people: decoded, on one line."""
        return one_line(decode_words(self.raw(name)))


@dataclass(frozen=True, slots=True)
class Value:
    """A structured field: `text/plain; charset=utf-8`."""

    main: str
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(slots=True)
class Part:
    """A part of a mail, or the whole of it. `start` and `end` bound its body within `source`."""

    source: bytes
    start: int
    end: int
    headers: Headers
    content_type: Value
    disposition: Value
    parts: list["Part"] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The media type, lower case."""
        return self.content_type.main

    @property
    def file_name(self) -> str:
        """As somebody wrote it; not clean."""
        return self.disposition.parameters.get("filename") or self.content_type.parameters.get("name") or ""

    def body(self) -> bytes:
        """As it was sent."""
        return self.source[self.start : self.end]


def read_mail(raw: bytes, notes: Notes) -> Part:
    """The tree of parts. Never raises; never deeper than DEPTH, never more than PARTS."""
    if b"\n" not in raw[:HEADER_BYTES] and b"\r" in raw:
        raw = raw.replace(b"\r", b"\n")
        notes.add("the lines end in bare carriage returns")
    return _Reader(raw, notes).part(0, len(raw), depth=0, usual="text/plain")


def content_of(part: Part, notes: Notes) -> bytes:
    """A part's content, its transfer encoding undone as far as that goes."""
    encoding = part.headers.raw("content-transfer-encoding").strip().strip("\"';").lower()
    body = part.body()
    if encoding in {"", "7bit", "8bit", "binary", "none", "7-bit", "8-bit"}:
        return body
    if encoding == "base64":
        content, whole = decode_base64(body)
        if not whole:
            notes.add("an attachment or text is damaged (base64)")
        return content
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        return _undone_uu(body, notes)
    notes.add("a transfer encoding is unknown")
    return body


def parse_value(text: str) -> Value:
    """A structured field with its parameters, continued and encoded ones (RFC 2231) put together."""
    pieces = list(_split(text[:VALUE_CHARACTERS]))
    main = pieces[0].strip().strip('"').lower() if pieces else ""
    given: dict[str, str] = {}
    for piece in pieces[1 : PARAMETERS + 1]:
        name, _, value = piece.partition("=")
        given.setdefault(name.strip().lower(), _unquoted(value.strip()))
    return Value(main, MappingProxyType(_joined(given)))


class _Reader:
    """Reads one mail; counts its parts."""

    def __init__(self, raw: bytes, notes: Notes) -> None:
        self._raw = raw
        self._notes = notes
        self._count = 0

    def part(self, start: int, end: int, *, depth: int, usual: str) -> Part:
        self._count += 1
        headers, body = self._head(start, end)
        part = Part(
            self._raw,
            body,
            end,
            headers,
            self._content_type(headers, usual),
            parse_value(headers.raw("content-disposition")),
        )
        if part.kind.startswith("multipart/"):
            self._divide(part, depth)
        return part

    def _content_type(self, headers: Headers, usual: str) -> Value:
        if "content-type" not in headers:
            return Value(usual)
        value = parse_value(headers.raw("content-type"))
        if MEDIA_TYPE.fullmatch(value.main):
            return value
        if value.main in {"text", "html"}:  # seen in the wild
            return Value("text/html" if value.main == "html" else "text/plain", value.parameters)
        self._notes.add("a content type cannot be read")
        named = "filename" in value.parameters or "name" in value.parameters
        return Value("application/octet-stream" if named else usual, value.parameters)

    def _divide(self, part: Part, depth: int) -> None:
        if depth >= DEPTH:
            self._notes.add(f"parts are nested more than {DEPTH} deep: the innermost are not shown")
            return
        boundary = part.content_type.parameters.get("boundary", "").encode("utf-8", "surrogateescape")
        if not boundary or len(boundary) > BOUNDARY_BYTES:
            self._notes.add("a multipart names no boundary")
            return
        usual = "message/rfc822" if part.kind == "multipart/digest" else "text/plain"
        for start, end in _sections(self._raw, part.start, part.end, boundary, self._notes):
            if self._count >= PARTS:
                self._notes.add(f"there are more than {PARTS} parts: the rest is not shown")
                return
            part.parts.append(self.part(start, end, depth=depth + 1, usual=usual))

    def _head(self, start: int, end: int) -> tuple[Headers, int]:
        """Header fields, and where the body begins."""
        fields: list[tuple[str, bytes]] = []
        pieces: list[bytes] = []
        place, limit = start, min(end, start + HEADER_BYTES)
        lines = 0
        while place < end:
            line_end = self._raw.find(b"\n", place, end)
            after = end if line_end < 0 else line_end + 1
            line = self._raw[place : min(after, limit)].rstrip(b"\r\n")
            lines += 1
            if not line.strip(b" \t\r\x00"):
                place = after
                break
            if after > limit or lines > HEADER_LINES:
                self._notes.add("the header is too long: its rest is not shown")
                place = self._body_after(place, end)
                break
            found = FIELD.match(line)
            if line[:1] in b" \t" and pieces:
                pieces.append(b" " + line.strip())
            elif found is not None:
                _keep(fields, pieces)
                pieces = [found[1].lower(), line[found.end() :].strip()]
            elif not self._skips(line, after, end, first=lines == 1):
                self._notes.add("the header ends without an empty line")
                break
            place = after
        _keep(fields, pieces)
        return Headers(fields), place

    def _skips(self, line: bytes, after: int, end: int, *, first: bool) -> bool:
        """Whether a line that is no field stands inside the header, and not at the body's beginning."""
        if first and line.startswith((b"From ", b">From ")):
            return True
        follower = self._raw[after : min(end, after + 250)]
        if FIELD.match(follower) is None:
            return False
        self._notes.add("a line in the header is no field")
        return True

    def _body_after(self, place: int, end: int) -> int:
        """The body of a mail whose header is cut: behind the next empty line, or nothing."""
        found = [(self._raw.find(gap, place, end), len(gap)) for gap in (b"\n\r\n", b"\n\n")]
        ends = [at + length for at, length in found if at >= 0]
        return min(ends, default=end)


def _keep(fields: list[tuple[str, bytes]], pieces: list[bytes]) -> None:
    if pieces:
        fields.append((pieces[0].decode("ascii"), b"".join(pieces[1:])))


def _sections(raw: bytes, start: int, end: int, boundary: bytes, notes: Notes) -> Iterator[tuple[int, int]]:
    """Where the parts of a multipart begin and end. What stands before the first and after the last goes."""
    marker = b"--" + boundary
    begin: int | None = None
    place = start
    while True:
        found = raw.find(marker, place, end)
        if found < 0:
            break
        place = found + len(marker)
        closes = raw.startswith(b"--", place)
        near = min(end, place + BLANKS_AFTER_BOUNDARY)
        line_end = raw.find(b"\n", place, near)
        if line_end < 0:
            line_end = near
        rest = raw[place + 2 * closes : line_end]
        if (found > start and raw[found - 1] != 0x0A) or rest.strip(b" \t\r"):
            continue  # in the middle of a line, or the beginning of another boundary
        if begin is not None:
            yield begin, _without_line_end(raw, begin, found)
        if closes:
            return
        begin = place = min(end, line_end + 1)
    if begin is None:
        notes.add("a multipart has no parts")
        return
    notes.add("the end of a multipart is missing")
    yield begin, end


def _without_line_end(raw: bytes, begin: int, end: int) -> int:
    """The line end before a boundary belongs to the boundary."""
    if end - 1 >= begin and raw[end - 1] == 0x0A:
        end -= 1
        if end - 1 >= begin and raw[end - 1] == 0x0D:
            end -= 1
    return end


def _text(value: bytes) -> str:
    if value.isascii():
        return value.decode("ascii")
    return decode_text(value, "utf-8")[0] if _is_utf8(value) else decode_text(value, "cp1252")[0]


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _split(text: str) -> Iterator[str]:
    """Cut at semicolons outside quotes."""
    start, quoted, place = 0, False, 0
    while place < len(text):
        character = text[place]
        if character == "\\" and quoted:
            place += 1
        elif character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            yield text[start:place]
            start = place + 1
        place += 1
    yield text[start:]


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    inner, out, place = text[1:], [], 0
    while place < len(inner) and inner[place] != '"':
        place += inner[place] == "\\" and place + 1 < len(inner)
        out.append(inner[place])
        place += 1
    return "".join(out)


def _joined(given: Mapping[str, str]) -> dict[str, str]:
    """Plain parameters, and those that RFC 2231 splits (name*0*) or encodes (name*)."""
    out: dict[str, str] = {}
    extended: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in given.items():
        base, star, rest = name.partition("*")
        if not star:
            out[name] = decode_words(value)
            continue
        number, encoded = rest.rstrip("*") or "0", rest.endswith("*") or rest == ""
        if number.isascii() and number.isdigit() and len(number) < 4:
            extended.setdefault(base, {})[int(number)] = (value, encoded)
    for base, pieces in extended.items():
        out[base] = _extended(pieces) or out.get(base, "")
    return out


def _extended(pieces: Mapping[int, tuple[str, bool]]) -> str:
    charset: str | None = None
    data = b""
    for number in sorted(pieces):
        value, encoded = pieces[number]
        if encoded and number == 0 and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        raw = value.encode("utf-8", "replace")
        data += unquote_to_bytes(raw) if encoded else raw
    return decode_text(data, charset or None)[0]


def _undone_uu(body: bytes, notes: Notes) -> bytes:
    out: list[bytes] = []
    inside = False
    for line in body.splitlines():
        if not inside:
            inside = line.startswith(b"begin ")
            continue
        if line.strip() in {b"end", b"`", b""}:
            continue
        length = ((line[0] - 32 & 63) * 4 + 5) // 3
        try:
            out.append(binascii.a2b_uu(line[: length + 1]))
        except binascii.Error:
            notes.add("an attachment or text is damaged (uuencode)")
    return b"".join(out)
