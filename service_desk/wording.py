"""What is wrong with a value that was given, in the desk's own words: the one place where pydantic's are translated."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

UNKNOWN_FIELD: Final = "extra_forbidden"

_KINDS: Final = {
    "a text": ("string_type", "string_sub_type", "string_unicode"),
    "a whole number": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "a number": ("float_type", "float_parsing", "finite_number"),
    "true or false": ("bool_type", "bool_parsing"),
    "a list": ("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"),
    "a table of names and values": (
        "dict_type",
        "mapping_type",
        "model_type",
        "model_attributes_type",
        "dataclass_type",
    ),
    "a date like 2026-12-24": (
        "date_type",
        "date_parsing",
        "date_from_datetime_parsing",
        "date_from_datetime_inexact",
    ),
    "a network like 10.0.0.0/8": ("ip_any_network", "ip_v4_network", "ip_v6_network"),
    "left out": ("none_required",),
}
_KIND_OF: Final = {kind: what for what, kinds in _KINDS.items() for kind in kinds}

_BOUNDS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "greater_than_equal": lambda given: f"must be at least {_bound(given['ge'])}",
    "greater_than": lambda given: f"must be more than {_bound(given['gt'])}",
    "less_than_equal": lambda given: f"must be at most {_bound(given['le'])}",
    "less_than": lambda given: f"must be less than {_bound(given['lt'])}",
    "string_too_short": lambda given: f"must have at least {_of(given['min_length'], 'character')}",
    "string_too_long": lambda given: f"must have at most {_of(given['max_length'], 'character')}",
    "too_short": lambda given: f"must have at least {_of(given['min_length'], 'part')}",
    "too_long": lambda given: f"must have at most {_of(given['max_length'], 'part')}",
    "literal_error": lambda given: f"must be {given['expected']}",
    "enum": lambda given: f"must be {given['expected']}",
    "json_invalid": lambda given: f"is not valid JSON: {given['error']}",
}


def in_words(detail: ErrorDetails, spelled: Mapping[str, str] | None = None) -> str:
    """One fault without its field, as in "must be at least 1". `spelled` says of a pattern how it is written."""
    kind, given = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "this field is missing"
    if kind == UNKNOWN_FIELD:
        return "this field is not known here: leave it out"
    if kind in _KIND_OF:
        return f"must be {_KIND_OF[kind]}"
    if kind in _BOUNDS:
        return _BOUNDS[kind](given)
    if kind == "string_pattern_mismatch":
        pattern = str(given["pattern"])
        return f"must be written {(spelled or {}).get(pattern, f'as in the pattern {pattern}')}"
    return detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


def _bound(given: Any) -> str:
    """A number with commas, a day as it is."""
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    return f"{given:,}" if isinstance(given, int | float) else str(given)


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
