"""From bytes to text, whatever they claim to be: charsets, encoded words (RFC 2047), one line of it. Total."""

import binascii
import codecs
import re
import unicodedata
from functools import lru_cache

ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9_.:+*'-]{1,64})\?([bBqQ])\?([^?\s]*(?: [^?\s]*)*)\?=")
FORBIDDEN = frozenset(
    {"idna", "punycode", "undefined", "utf-7", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
)
"""Python codecs that crash, read escapes or hide markup: no mail needs them."""
WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",  # what says latin-1 is written by programs that mean Windows' own
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859-8-i": "iso8859-8",
}
ALIASES = {
    "utf8mb4": "utf-8",
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "x-mac-roman": "mac_roman",
    "ks_c_5601-1987": "cp949",
    "iso-8859-8-i": "iso8859-8",
    "windows-31j": "cp932",
    "cp-850": "cp850",
}
JOINERS = frozenset("\u200c\u200d")
"""Invisible, yet part of how some languages and emoji are written."""
MARKS_IN_A_ROW = 30
"""Combining marks on one letter (the stream-safe format of Unicode): sorting more takes squared time."""
HIDDEN_MARKS = frozenset("\u0f73\u0f75\u0f81")
"""Marks that Unicode counts as letters."""
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
NOT_BASE64 = bytes(set(range(256)) - set(BASE64))


@lru_cache(maxsize=256)
def known_charset(name: str) -> str | None:
    """The codec that reads this charset, None if none does that may be used."""
    name = name.strip().strip("'\"").lower()
    try:
        info = codecs.lookup(ALIASES.get(name, name))
    except (LookupError, ValueError, UnicodeError):
        return None
    if info.name in FORBIDDEN or not getattr(info, "_is_text_encoding", True):
        return None
    return WIDER.get(info.name, info.name)


def decode_text(data: bytes, charset: str | None) -> tuple[str, str | None]:
    """Bytes as text, and in words what was wrong. Line ends and characters are left as they are.

    Order: the declared charset, UTF-8, Windows-1252 with a sign in place of what it has no letter for.
    """
    codec = None if charset is None else known_charset(charset)
    note = None if charset is None or codec else "the character set is unknown"
    if codec == "cp1252" and not data.isascii():
        guessed = _strictly(data, "utf-8")  # a lying label: valid UTF-8 beyond ASCII is no accident
        if guessed is not None:
            return guessed, note
    for candidate in (codec, "utf-8"):
        text = None if candidate is None else _strictly(data, candidate)
        if text is not None:
            return text, note or (None if candidate == (codec or "utf-8") else "the character set is wrong")
    if codec is not None:
        return _leniently(data, codec), "some characters cannot be read"
    return _leniently(data, "cp1252"), note or "no character set is named"


def decode_words(text: str) -> str:
    """A header's value with its encoded words read; half ones are left as they stand."""
    if "=?" not in text:
        return text
    out: list[str] = []
    place, pending, charset = 0, b"", ""
    for found in ENCODED_WORD.finditer(text):
        between = text[place : found.start()]
        joined = bool(charset) and (not between or between.isspace())
        if pending and not (joined and found[1].lower() == charset):
            out.append(_said(pending, charset))  # one character may be split over words of one charset
            pending = b""
        if not joined:
            out.append(between)
        charset = found[1].lower()
        pending += _word_bytes(found[2], found[3])
        place = found.end()
    if pending:
        out.append(_said(pending, charset))
    return "".join((*out, text[place:]))


def one_line(text: str) -> str:
    """NFC, white space as single blanks, nothing that cannot be seen or turns the writing direction."""
    text = nfc(text)
    return " ".join("".join(c if _shown(c) else " " if c in "\r\n\t" else "" for c in text).split())


def clean_lines(text: str) -> str:
    """NFC, line ends as one newline, no NUL, no control characters but tab, no half surrogates."""
    text = nfc(text).replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})


def decode_base64(data: bytes) -> tuple[bytes, bool]:
    """What can be read of base64, and whether all of it could."""
    plain = data.translate(None, NOT_BASE64)
    junk = data.translate(None, BASE64 + b"=\r\n\t ")
    whole = not junk and len(plain) % 4 != 1
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4)), whole


def nfc(text: str) -> str:
    """Normal form C in linear time: of the marks on one letter only the first few stay."""
    if text.isascii():
        return text
    out: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) or character in HIDDEN_MARKS else 0
        if run <= MARKS_IN_A_ROW:
            out.append(character)
    return unicodedata.normalize("NFC", "".join(out))


def _shown(character: str) -> bool:
    return character in JOINERS or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return str(data, "utf-8-sig" if codec == "utf-8" else codec)
    except (UnicodeError, LookupError, ValueError):
        return None


def _leniently(data: bytes, codec: str) -> str:
    try:
        return str(data, codec, "replace")
    except (UnicodeError, LookupError, ValueError):
        return str(data, "cp1252", "replace")


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("ascii", "replace")
    if encoding in "bB":
        return decode_base64(data)[0]
    return binascii.a2b_qp(data, header=True)


def _said(data: bytes, charset: str) -> str:
    return decode_text(data, charset.partition("*")[0])[0]
