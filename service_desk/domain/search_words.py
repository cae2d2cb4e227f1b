"""How words, names and numbers are folded for search: the same for what is indexed and for what is asked.

Case, accents and width do not count (Muller finds Müller, and so does Mueller); control characters, zero-width
characters and marks of direction are no part of any word. Scripts without spaces (Han, Kana, Thai and their like) are
taken character by character, and what is asked in them as a phrase. No database's own word breaker takes part, so
that SQLite and PostgreSQL agree.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import phonenumbers

WORD_CHARACTERS = 64
"""Of a longer word the start counts."""
TEXT_CHARACTERS = 50_000
"""Of a longer text the start is searched."""
NUMBER_DIGITS = range(7, 16)
"""Digits that may be a phone number when they stand in a text; E.164 has at most 15."""

_NO_SPACES = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003134f"  # Kana, Han
)


def _ranges(chars: Iterable[str]) -> str:
    """Characters in their order, as a set of an expression: neighbours as one range, which is quick to compile."""
    ends: list[list[str]] = []
    for char in chars:
        if ends and ord(char) == ord(ends[-1][1]) + 1:
            ends[-1][1] = char
        else:
            ends.append([char, char])
    return "".join(f"{first}-{last}" for first, last in ends)


_MARKS = _ranges(char for char in map(chr, range(0x300, 0x10000)) if unicodedata.category(char)[0] == "M")
_WORD = re.compile(rf"[{_NO_SPACES}][{_MARKS}]*|(?:[^\W_{_NO_SPACES}]|[{_MARKS}])+")
_ONE_CHARACTER = re.compile(rf"[{_NO_SPACES}]")
# From the start of a word only, and without going back: a line of letters without an end costs its length, once.
_COMPOUND = re.compile(r"(?<![^\W_])[^\W_]++(?:['\u2018\u2019\u02bc\u2010\u2011-][^\W_]++){1,3}")
_NUMBER = re.compile(
    r"\+?\(?[0-9](?:[0-9]|[ ()/.\u2010\u2011\u2013-](?=[ ()/.\u2010\u2011\u2013-]{0,3}[0-9])){5,28}"
)
_NOT_DIGITS = re.compile(r"[^0-9]+")
# Accents of scripts where words are also written without them; vowel signs of Indian scripts are letters and stay.
_ACCENTS = dict.fromkeys(
    [*range(0x300, 0x370), *range(0x483, 0x488), *range(0x591, 0x5C8), 0x640, *range(0x64B, 0x660), 0x670]
)
_LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",
        "ħ": "h",
        "ŧ": "t",
    }
)
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


class Word(NamedTuple):
    """A folded word and where it stands in its text."""

    start: int
    end: int
    folded: str


class Folded(NamedTuple):
    """A text's words in their order, and other ways of writing some of them."""

    words: list[str]
    others: list[str]


def clean(text: str) -> str:
    """NFC in one line: what no screen shows is gone, and so are marks that turn the direction of writing."""
    text = unicodedata.normalize("NFC", text[:TEXT_CHARACTERS])
    if not text.isprintable():
        text = "".join(_shown(char) for char in text)
    return " ".join(text.split())


def _shown(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return " " if category in ("Cc", "Cs", "Zl", "Zp") else char


@lru_cache(maxsize=65_536)
def fold(word: str) -> str:
    """A word without case, accents, ligatures and width."""
    if word.isascii():
        return word.lower()[:WORD_CHARACTERS]
    word = unicodedata.normalize("NFKD", word.casefold()).casefold().translate(_ACCENTS).translate(_LETTERS)
    kept = "".join(_digit(char) for char in word if unicodedata.category(char)[0] in "LNM")
    return unicodedata.normalize("NFC", kept)[:WORD_CHARACTERS]


def _digit(char: str) -> str:
    value = unicodedata.decimal(char, None)
    return char if value is None else str(value)


def words_in(text: str) -> Iterator[Word]:
    """The words of a clean text."""
    for found in _WORD.finditer(text):
        folded = fold(found[0])
        if folded:
            yield Word(found.start(), found.end(), folded)


def compounds_in(text: str) -> Iterator[Word]:
    """What is written with hyphens or apostrophes, as one word: e-mail is email too, O'Neill is oneill."""
    for found in _COMPOUND.finditer(text):
        joined = "".join(fold(word[0]) for word in _WORD.finditer(found[0]))
        yield Word(found.start(), found.end(), joined[:WORD_CHARACTERS])


def numbers_in(text: str) -> Iterator[Word]:
    """What could be phone numbers, as their digits without leading zeros."""
    for found in _NUMBER.finditer(text):
        digits = digits_of(found[0])
        if len(digits) in NUMBER_DIGITS:
            yield Word(found.start(), found.end(), digits.lstrip("0"))


def written_out(word: str) -> str | None:
    """The word with its umlauts written as two letters, None if it has none: Müller is Mueller."""
    if word.isascii():
        return None
    lower = unicodedata.normalize("NFC", word.casefold())
    other = lower.translate(_WRITTEN_OUT)
    return fold(other) if other != lower else None


def fold_text(text: str) -> Folded:
    """The words of a clean text, and other ways of writing some of them."""
    words = list(words_in(text))
    others = [other for word in words if (other := written_out(text[word.start : word.end]))]
    return Folded([word.folded for word in words], [*others, *(word.folded for word in compounds_in(text))])


def key_of(text: str) -> str:
    """A whole name or address as one word, for telling an exact match."""
    return "".join(fold_text(text).words)[: 2 * WORD_CHARACTERS]


def keys_of(text: str) -> set[str]:
    """The keys of a name in each way of writing it."""
    out = "".join(written_out(text[word.start : word.end]) or word.folded for word in words_in(text))
    return {key for key in (key_of(text), out[: 2 * WORD_CHARACTERS]) if key}


def is_one_character(word: str) -> bool:
    """Whether it is a character of a script without spaces."""
    return _ONE_CHARACTER.match(word) is not None


def digits_of(text: str) -> str:
    """The digits alone, of any script; a zero in brackets behind a country's code is not dialled."""
    if not text.isascii():
        text = "".join(_digit(char) for char in text)
    if text.lstrip("(").startswith(("+", "00")):
        text = text.replace("(0)", "")
    return _NOT_DIGITS.sub("", text)


@lru_cache(maxsize=16_384)
def national_digits(e164: str) -> str:
    """A phone number in E.164 without its country's code; as it is, without +, if it is none."""
    try:
        number = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return digits_of(e164)
    return phonenumbers.national_significant_number(number)
