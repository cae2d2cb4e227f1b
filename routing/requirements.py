"""What an item asks of an agent: skills at least at a level, joined by AND and OR.

Whatever is written is brought into one form, an OR of terms, each an AND of skills: each skill once, no term that
another one contains, in one order. So equal requirements are equal values, and share a line.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from routing.model import Ring, Skill, WorkItem

Term: TypeAlias = tuple[Skill, ...]
Terms: TypeAlias = tuple[Term, ...]
"""One of these must be met as a whole. `((),)` asks for nothing; `()` cannot be met."""

MOST_TERMS: Final = 8
MOST_SIGNATURES: Final = 2000  # different requirements of all that waits
REFUSED: Final[Terms] = ()
ANYBODY: Final[Terms] = ((),)
_TOKEN: Final = re.compile(r"(?:(\(|\))|(and|or)\b|([^\s()<>=]+)(?:\s*+>=\s*+(\d+))?)", re.IGNORECASE)
_SPACES: Final = re.compile(r"\s*+")


def signature(requires: Term) -> Term:
    """A term in one way of writing: by name, each skill once with the highest level asked for."""
    if len(requires) < 2:
        return requires
    levels: dict[str, int] = {}
    for skill in requires:
        levels[skill.name] = max(skill.level, levels.get(skill.name, skill.level))
    return tuple(Skill(name, level) for name, level in sorted(levels.items()))


def normal(terms: Iterable[Term]) -> Terms:
    """Without terms that ask for all that another one asks for, and more."""
    found = sorted({signature(term) for term in terms})
    return tuple(term for term in found if not any(_implies(term, other) for other in found if other != term))


def _implies(term: Term, other: Term) -> bool:
    levels = dict(term)
    return all(skill.name in levels and levels[skill.name] >= skill.level for skill in other)


def terms_of(item: WorkItem, besides: Terms = ()) -> Terms:
    """What it asks for, and one of `besides` (its queue's, none: nothing more). REFUSED beyond MOST_TERMS."""
    if not item.any_of and not besides:
        return (signature(item.requires),)
    found = normal(
        item.requires + term + more for term in item.any_of or ANYBODY for more in besides or ANYBODY
    )
    return found if len(found) <= MOST_TERMS else REFUSED


def relaxed(terms: Terms, rings: Sequence[Ring]) -> Terms:
    """After these rings: skills dropped, levels lowered, never below 1."""
    if not rings:
        return terms
    dropped = {name for ring in rings for name in ring.drop}
    lower = sum(ring.lower for ring in rings)
    return normal(
        tuple(Skill(name, max(level - lower, min(level, 1))) for name, level in term if name not in dropped)
        for term in terms
    )


def met(terms: Terms, skills: Mapping[str, int]) -> bool:
    """Whether somebody with these skills has all of one term."""
    return any(all(name in skills and skills[name] >= level for name, level in term) for term in terms)


def words(terms: Terms) -> str:
    """As `parse` reads them: "german>=3 and repair>=1 or german>=3 and network>=2"."""
    return " or ".join(
        " and ".join(f"{name}>={level}" for name, level in term) or "anybody" for term in terms
    )


def parse(text: str, field: str = "requires") -> Terms:
    """Terms of "german>=3 and (repair>=2 or network)". ValueError that names the field and the cure.

    AND binds more than OR; a skill without a level is asked for at level 1.
    """
    tokens = _tokens(text, field)
    terms, rest = _any(tokens, field)
    if rest:
        raise ValueError(f"{field}: {rest[0]!r} is not expected; join skills by 'and' or 'or'")
    found = normal(terms)
    if len(found) > MOST_TERMS:
        raise ValueError(
            f"{field}: {len(found)} alternatives, at most {MOST_TERMS}; ask for fewer skills by 'or'"
        )
    return found


def _tokens(text: str, field: str) -> list[str | Skill]:
    tokens: list[str | Skill] = []
    text = text.strip()
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(
                f"{field}: cannot read {text[at:].strip()!r}; write as in 'german>=3 and repair'"
            )
        bracket, word, name, level = match.groups()
        tokens.append(bracket or (word and word.lower()) or Skill(name, int(level or 1)))
        at = _after_spaces(text, match.end())
    return tokens


def _after_spaces(text: str, at: int) -> int:
    spaces = _SPACES.match(text, at)
    return at if spaces is None else spaces.end()


def _any(tokens: list[str | Skill], field: str) -> tuple[list[Term], list[str | Skill]]:
    terms, rest = _all(tokens, field)
    while rest and rest[0] == "or":
        more, rest = _all(rest[1:], field)
        terms = _few(terms + more, field)
    return terms, rest


def _all(tokens: list[str | Skill], field: str) -> tuple[list[Term], list[str | Skill]]:
    terms, rest = _one(tokens, field)
    while rest and rest[0] == "and":
        more, rest = _one(rest[1:], field)
        terms = _few([one + other for one in terms for other in more], field)
    return terms, rest


def _few(terms: list[Term], field: str) -> list[Term]:
    """A short text can mean very many terms; far too many are refused before they are all written out."""
    if len(terms) > MOST_TERMS**2:
        raise ValueError(f"{field}: more than {MOST_TERMS} alternatives; ask for fewer skills by 'or'")
    return terms


def _one(tokens: list[str | Skill], field: str) -> tuple[list[Term], list[str | Skill]]:
    if tokens and isinstance(tokens[0], Skill):
        return [(tokens[0],)], tokens[1:]
    if tokens and tokens[0] == "(":
        terms, rest = _any(tokens[1:], field)
        if rest and rest[0] == ")":
            return terms, rest[1:]
        raise ValueError(f"{field}: a bracket is open; add ')'")
    raise ValueError(f"{field}: a skill is expected; write as in 'german>=3 and repair'")
