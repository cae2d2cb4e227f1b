"""Reading a document as a configuration: what it is, or everything that is wrong with it at once."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service_desk.domain.config import (
    COLOUR_PATTERN,
    DIGIT_PATTERN,
    KEY_PATTERN,
    LANGUAGE_PATTERN,
    TIMES_PATTERN,
    DeskConfig,
    Queue,
)
from service_desk.domain.config_diff import NAMES
from service_desk.domain.config_faults import ConfigFaults, Problem, readable
from service_desk.wording import UNKNOWN_FIELD, in_words

SPELLED: Final = {
    KEY_PATTERN: "in small letters, digits, - and _, beginning with a letter, 40 characters at most",
    TIMES_PATTERN: "like 08:00-18:00, midnight at the end as 24:00",
    DIGIT_PATTERN: "as one of 0 to 9, * and #",
    COLOUR_PATTERN: "like #3d5afe",
    LANGUAGE_PATTERN: "like en or de",
}
STAND_INS: Final[Mapping[str, Any]] = {
    "name": "-",
    "brand_id": "x",
    "hours": {"zone": "UTC"},
    "brand": "-",
    "away_reasons": [],
    "decline_reasons": [],
    "dispositions": [],
}
"""For what cannot be read and has no harmless default: nothing that is checked between the fields looks at them.

(Of hours only whether there are any.)
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """`config` is what of it can be read, with defaults for the rest; None if no more can be said of it.

    `doubtful` are the queues of which something could not be read: that nobody can serve one says nothing.
    """

    config: DeskConfig | None
    problems: tuple[Problem, ...]
    doubtful: frozenset[str] = frozenset()


def checked(body: Mapping[str, Any]) -> tuple[DeskConfig | None, list[Problem]]:
    """The configuration that a document is, or all that is wrong with it; without looking at people and contacts."""
    found = read(body)
    return (None if found.problems else found.config), list(found.problems)


def read(body: Mapping[str, Any]) -> Reading:
    """What is wrong with each value, and then between those that can be read."""
    between: list[Problem] = []
    document = {**body, "version": 0}
    try:
        config = DeskConfig.model_validate(document, context=ConfigFaults.into(between))
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
    else:
        return Reading(readable(config), tuple(between))
    problems = [_problem(body, detail) for detail in details]
    mended = _mended(document, details)
    if mended is None:
        return Reading(None, tuple(problems))
    try:
        config = DeskConfig.model_validate(mended, context=ConfigFaults.into(between))
    except ValidationError:  # a fault within a fault
        return Reading(None, tuple(problems))
    return Reading(readable(config), (*problems, *between), frozenset(_doubtful(document, details)))


def _problem(body: Mapping[str, Any], detail: ErrorDetails) -> Problem:
    """A check over a part's fields begins its words with the field that it means."""
    words = in_words(detail, SPELLED)
    named, colon, rest = words.partition(": ")
    if detail["type"] == "value_error" and colon and " " not in named:
        return named, rest
    return named_path(body, detail["loc"]) or "body", words


def named_path(body: Any, place: Sequence[int | str]) -> str:
    """A place as it is named everywhere: a list's parts by their id, account or digit, by number if they have none."""
    names, part = [], body
    for step in place:
        part = _inside(part, step)
        named = isinstance(step, int) and isinstance(part, dict)
        found = [part[key] for key in NAMES if isinstance(part.get(key), str) and part[key]] if named else []
        names.append(found[0] if found else str(step))
    return ".".join(names)


def _inside(part: Any, step: int | str) -> Any:
    """What stands there, None if nothing does."""
    if isinstance(part, list) and isinstance(step, int) and step < len(part):
        return part[step]
    return part.get(step) if isinstance(part, dict) else None


# --- what is left when what cannot be read is taken out ------------------------------------------------------


def _mended(document: dict[str, Any], details: Sequence[ErrorDetails]) -> dict[str, Any] | None:
    """The document with defaults for what is wrong, and without parts that are more than that.

    A part that is missing is a fault less, never one more: only a queue is spoken of elsewhere. So there is none (None)
    where a queue's name cannot be read.
    """
    mended = deepcopy(document)
    gone: set[tuple[str, int]] = set()
    for detail in details:
        match detail["loc"]:
            case (*above, str(name)) if detail["type"] == UNKNOWN_FIELD:
                part: Any = mended
                for step in above:
                    part = _inside(part, step)
                part.pop(name, None)
            case () | ("queues",) | ("queues", int()):
                return None
            case ("queues", int(at), str(name), *_) if name in Queue.model_fields:
                _stand_in(mended["queues"][at], name)
            case (str(kind), int(at), *_):
                gone.add((kind, at))
            case ("shifts", str(login), *_):
                mended["shifts"].pop(login, None)
            case (str(name), *_):
                _stand_in(mended, name)
    for kind, at in sorted(gone, reverse=True):
        del mended[kind][at]
    return mended


def _stand_in(part: dict[str, Any], name: str) -> None:
    if name in STAND_INS:
        part[name] = deepcopy(STAND_INS[name])
    else:
        part.pop(name, None)


def _doubtful(document: dict[str, Any], details: Sequence[ErrorDetails]) -> set[str]:
    places = [detail["loc"] for detail in details if detail["type"] != UNKNOWN_FIELD]
    return {document["queues"][place[1]]["id"] for place in places if place[0] == "queues" and place[1:]}
