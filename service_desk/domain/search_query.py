"""What people type into the search field, as an expression over the index's words.

Every word of the index begins with two letters: the kind of thing (`KINDS`) and the part of it (`Part`). So a search
in one part of one kind is nothing but a search for other words, and no database has to sieve.

All words must match; the last one may be a beginning, since people search as they type. Nothing that is typed is
syntax: quotes, wildcards and operators are no words and fall away.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from service_desk.domain import search_words
from service_desk.errors import Invalid

QUERY_CHARACTERS = 200
QUERY_WORDS = 32
TYPED = 3
"""A beginning of so many letters is looked for in texts; a shorter one in names, addresses and subjects only."""
SUFFIX_DIGITS = 4
"""From so many digits on, the last ones of a phone number find it."""

KINDS = {"customer": "c", "ticket": "t", "interaction": "i", "message": "m", "note": "n"}
_NUMERIC = re.compile(r"[+(]{0,2}[0-9][0-9()/.\u2010\u2011\u2013-]*")


class Part(Enum):
    """Which words of a thing."""

    TEXT = "w"
    HEAD = "h"
    BEGINNING = "s"
    """The first one and two letters of each word of the head."""
    DIGITS = "d"
    REVERSED = "r"
    """A phone number's digits from its end, so that its last digits are a beginning."""
    KEY = "e"
    OWNER = "o"
    CONTACT = "i"
    OPEN = "x"


class Tier(Enum):
    """How well something matches, best first."""

    EXACT = 0
    HEAD = 1
    WORDS = 2
    TYPING = 3


@dataclass(frozen=True, slots=True)
class Leaf:
    """Words of the index, one behind the other; with `prefix` the last is a beginning."""

    words: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every part."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class One:
    """At least one part."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Without:
    """The one and not the other."""

    wanted: "Node"
    unwanted: "Node"


Node: TypeAlias = Leaf | All | One | Without


@dataclass(frozen=True, slots=True)
class Phrase:
    """Folded words in their order, not yet of any part."""

    words: tuple[str, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Number:
    """Digits: from the start as dialled, and from the end."""

    forward: tuple[str, ...]
    backward: tuple[str, ...]


Choice: TypeAlias = tuple[Phrase, ...] | Number


@dataclass(frozen=True, slots=True)
class Query:
    """`terms`: each must match by one of its choices. `keys`: what the whole is as one name, address or number."""

    terms: tuple[tuple[Choice, ...], ...]
    keys: tuple[str, ...]

    @property
    def phrases(self) -> list[Phrase]:
        """Every phrase that may be seen in a text."""
        choices = [choice for term in self.terms for choice in term]
        return [phrase for choice in choices if isinstance(choice, tuple) for phrase in choice]

    @property
    def numbers(self) -> list[Number]:
        """Every number that may be seen in a text."""
        return [choice for term in self.terms for choice in term if isinstance(choice, Number)]


def parse(text: str) -> Query:
    """Read what was typed. Invalid, with the field `q`, where nothing can be searched or it is too much."""
    if len(text) > QUERY_CHARACTERS:
        raise Invalid(f"q: at most {QUERY_CHARACTERS} characters can be searched at once.", field="q")
    text = search_words.clean(text)
    chunks = [chunk for chunk in text.split(" ") if search_words.key_of(chunk)]
    if not chunks:
        raise Invalid("q: write at least one letter or digit.", field="q")
    if len(chunks) > QUERY_WORDS:
        raise Invalid(f"q: at most {QUERY_WORDS} words can be searched at once.", field="q")
    runs = _runs(chunks)
    terms = tuple(_term(run, last=at == len(runs) - 1) for at, run in enumerate(runs))
    return Query(terms, _keys(text, terms))


def _runs(chunks: list[str]) -> list[list[str]]:
    """Neighbours that look like parts of one number stand together; every other chunk alone."""
    runs: list[list[str]] = []
    before = False
    for chunk in chunks:
        numeric = _NUMERIC.fullmatch(_ascii_digits(chunk)) is not None
        if numeric and before and not chunk.startswith("+"):
            runs[-1].append(chunk)
        else:
            runs.append([chunk])
        before = numeric
    return runs


def _ascii_digits(chunk: str) -> str:
    return chunk if chunk.isascii() else "".join(search_words.fold(char) or char for char in chunk)


def _term(run: list[str], *, last: bool) -> tuple[Choice, ...]:
    """The ways in which a chunk, or a run of parts of a number, can match."""
    phrases = [
        Phrase(tuple(search_words.fold_text(chunk).words), last and at == len(run) - 1)
        for at, chunk in enumerate(run)
    ]
    choices: list[Choice] = [tuple(phrases)]
    if len(run) == 1:
        others = {*search_words.fold_text(run[0]).others, *_spelled_out(run[0])} - {phrases[0].words[0]}
        choices += [(Phrase((other,), last),) for other in sorted(others)]
    number = _number(run)
    if number is not None:
        choices.append(number)
    return tuple(choices)


def _spelled_out(chunk: str) -> set[str]:
    words = list(search_words.words_in(chunk))
    return search_words.keys_of(chunk) if len(words) == 1 else set()


def _number(run: list[str]) -> Number | None:
    """The digits of a run that is a number or its beginning or end; None if it has too few."""
    text = _ascii_digits(" ".join(run))
    if _NUMERIC.fullmatch(_ascii_digits(run[0])) is None:
        return None
    digits = search_words.digits_of(text)
    if len(digits) < SUFFIX_DIGITS:
        return None
    short = digits.lstrip("0") or digits
    national = _national(text, digits)
    forward = {digits, short, *national}
    backward = {form[::-1] for form in (short, *national) if len(form) >= SUFFIX_DIGITS}
    return Number(tuple(sorted(forward)), tuple(sorted(backward)))


def _national(text: str, digits: str) -> set[str]:
    """The number without its country's code, if it names one and is whole."""
    if text.lstrip("(").startswith("+"):
        whole = digits
    elif text.startswith("00"):
        whole = digits.removeprefix("00")
    else:
        return set()
    found = search_words.national_digits(f"+{whole}")
    return {found} if len(found) in search_words.NUMBER_DIGITS else set()


def _keys(text: str, terms: tuple[tuple[Choice, ...], ...]) -> tuple[str, ...]:
    keys = search_words.keys_of(text)
    if len(terms) == 1:
        keys |= {form for choice in terms[0] if isinstance(choice, Number) for form in choice.forward}
    return tuple(sorted(keys))


# --- expressions ----------------------------------------------------------------------------------------------


def word(kind: str, part: Part, folded: str) -> str:
    """A word as it stands in the index."""
    return f"{KINDS[kind]}{part.value}{folded}"


def expression(query: Query, kind: str, tier: Tier) -> Node | None:
    """What matches in this tier and in none before it; None if nothing could."""
    made = [node for each in TIERS[kind] if each.value <= tier.value and (node := _tier(query, kind, each))]
    wanted = _tier(query, kind, tier)
    if wanted is None or made.count(wanted) > 1:
        return None
    before = [node for node in made if node != wanted]
    return Without(wanted, _one(before)) if before else wanted


TIERS = {
    "customer": tuple(Tier),
    "ticket": tuple(Tier),
    "interaction": tuple(Tier),
    "message": (Tier.WORDS, Tier.TYPING),
    "note": (Tier.WORDS, Tier.TYPING),
}


def _tier(query: Query, kind: str, tier: Tier) -> Node | None:
    if tier is Tier.EXACT:
        return _one([Leaf((word(kind, Part.KEY, key),)) for key in query.keys]) if query.keys else None
    return _all([_one([_choice(choice, kind, tier) for choice in term]) for term in query.terms])


def _choice(choice: Choice, kind: str, tier: Tier) -> Node:
    if isinstance(choice, Number):
        forward = [Leaf((word(kind, Part.DIGITS, form),), prefix=True) for form in choice.forward]
        backward = [Leaf((word(kind, Part.REVERSED, form),), prefix=True) for form in choice.backward]
        return _one([*forward, *backward])
    return _all([_phrase(phrase, kind, tier) for phrase in choice])


def _phrase(phrase: Phrase, kind: str, tier: Tier) -> Node:
    part = Part.HEAD if tier is Tier.HEAD else Part.TEXT
    words = tuple(word(kind, part, folded) for folded in phrase.words)
    end = phrase.words[-1]
    if not phrase.last or tier is Tier.WORDS or search_words.is_one_character(end):
        return Leaf(words)
    if len(end) >= TYPED:
        return Leaf(words, prefix=True)
    if tier is not Tier.HEAD:
        return Leaf(words)
    beginning = Leaf((word(kind, Part.BEGINNING, end),))
    return beginning if len(words) == 1 else All((Leaf(words[:-1]), beginning))


def _one(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else One(tuple(parts))


def _all(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def as_fts5(node: Node) -> str:
    """For SQLite's MATCH. Words have letters, digits and marks only, so that none can leave its quotation marks."""
    match node:
        case Leaf(words, prefix):
            return f'"{" ".join(words)}"{" *" if prefix else ""}'
        case All(parts):
            return f"({' AND '.join(map(as_fts5, parts))})"
        case One(parts):
            return f"({' OR '.join(map(as_fts5, parts))})"
        case Without(wanted, unwanted):
            return f"({as_fts5(wanted)} NOT {as_fts5(unwanted)})"


def as_tsquery(node: Node) -> str:
    """For a cast to tsquery in PostgreSQL; quoted as in `as_fts5`."""
    match node:
        case Leaf(words, prefix):
            quoted = " <-> ".join(f"'{each}'" for each in words)
            return f"({quoted}{':*' if prefix else ''})"
        case All(parts):
            return f"({' & '.join(map(as_tsquery, parts))})"
        case One(parts):
            return f"({' | '.join(map(as_tsquery, parts))})"
        case Without(wanted, unwanted):
            return f"({as_tsquery(wanted)} & !{as_tsquery(unwanted)})"
