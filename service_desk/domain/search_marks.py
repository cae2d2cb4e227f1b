"""Where a query's words stand in a text, and the part of a text around them that is worth showing."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from service_desk.domain import search_words
from service_desk.domain.search_query import SUFFIX_DIGITS, TYPED, Query

EXCERPT_CHARACTERS = 160
BEFORE = 40
"""Characters of an excerpt before its first hit."""
MARKS = 20

_DIGITS = re.compile(r"\+?\(?[0-9](?:[ ()/.\u2010\u2011\u2013-]{0,3}[0-9])+")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and its hits, in UTF-16 units."""

    text: str
    hits: list[Span]


class Marker:
    """Finds what a query asked for. `head`: in names and subjects, where short beginnings count too."""

    def __init__(self, query: Query) -> None:
        self._phrases = [(phrase.words, phrase.last) for phrase in query.phrases]
        self._forward = tuple(form for number in query.numbers for form in number.forward)
        self._backward = tuple(form[::-1] for number in query.numbers for form in number.backward)

    def whole(self, text: str, *, head: bool) -> Marked:
        """The whole text with its hits."""
        text = search_words.clean(text)
        return _units(text, _merged(islice(self._spans(text, head=head), MARKS)))

    def excerpt(self, text: str) -> Marked:
        """The part of the text around its first hit; its beginning if there is none."""
        text = search_words.clean(text)
        first = min(islice(self._spans(text, head=False), MARKS), default=(0, 0))
        start = _start(text, first[0])
        end = _end(text, start)
        cut = text[start:end]
        shown = f"{'…' if start else ''}{cut}{'…' if end < len(text) else ''}"
        return self.whole(shown, head=False)

    def _spans(self, text: str, *, head: bool) -> Iterator[Span]:
        yield from self._of_words(text, head=head)
        yield from self._of_numbers(text)

    def _of_words(self, text: str, *, head: bool) -> Iterator[Span]:
        found = list(search_words.words_in(text))
        folded = [word.folded for word in found]
        for at, word in enumerate(found):
            spellings = {word.folded, search_words.written_out(text[word.start : word.end]) or word.folded}
            for words, last in self._phrases:
                if any(
                    _alike([spelling, *folded[at + 1 : at + len(words)]], words, last, head)
                    for spelling in spellings
                ):
                    yield word.start, found[at + len(words) - 1].end
        for compound in search_words.compounds_in(text):
            if any(
                len(words) == 1 and _alike([compound.folded], words, last, head)
                for words, last in self._phrases
            ):
                yield compound.start, compound.end

    def _of_numbers(self, text: str) -> Iterator[Span]:
        if not self._backward:
            return
        for found in _DIGITS.finditer(text):
            digits = search_words.digits_of(found[0])
            if len(digits) < SUFFIX_DIGITS:
                continue
            if any(form in digits for form in self._forward) or digits.endswith(self._backward):
                yield found.span()


def _alike(seen: Sequence[str], words: tuple[str, ...], last: bool, head: bool) -> bool:  # noqa: FBT001 - as in a phrase
    if len(seen) < len(words) or tuple(seen[: len(words) - 1]) != words[:-1]:
        return False
    end, typed = seen[len(words) - 1], words[-1]
    if end == typed:
        return True
    long_enough = len(typed) >= TYPED or (head and len(words) == 1)
    return last and long_enough and end.startswith(typed)


def _merged(spans: Iterator[Span]) -> list[Span]:
    """In order, and those that touch or overlap as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _start(text: str, hit: int) -> int:
    """At a word, some characters before the hit."""
    if hit <= BEFORE:
        return 0
    space = text.find(" ", hit - BEFORE, hit)
    return space + 1 if space >= 0 else hit


def _end(text: str, start: int) -> int:
    """Behind a word, so that the excerpt with its two signs of omission is not too long."""
    end = start + EXCERPT_CHARACTERS - 2
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", start + EXCERPT_CHARACTERS // 2, end)
    return space if space >= 0 else end


def _units(text: str, spans: list[Span]) -> Marked:
    """Spans as browsers count: characters beyond the basic plane are two units."""
    if text.isascii():
        return Marked(text, spans)
    units = [0]
    for char in text:
        units.append(units[-1] + (2 if ord(char) > 0xFFFF else 1))
    return Marked(text, [(units[start], units[end]) for start, end in spans])
