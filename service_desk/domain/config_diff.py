"""What differs between two documents, as people read it: by names where a list's parts have some.

Pure: it knows nothing of the configuration but which keys name a part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NAMES = ("id", "account", "digit")
"""What names a part of a list, the first that each part has."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place. `path` is dotted, with a part's name where a list's parts are named, else with its index.

    `before` or `after` is None where there was, or is, nothing; `kind` says which.
    """

    path: str
    kind: str
    before: Any
    after: Any


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """From one document to the other, in the order of the second; what went is said after what stayed."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_parts(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        key = _naming(before, after)
        if key is None:
            yield Difference(path, "changed", before, after)
        else:
            yield from _of_parts(
                {part[key]: part for part in before}, {part[key]: part for part in after}, path
            )
            if _moved([part[key] for part in before], [part[key] for part in after]):
                order = [part[key] for part in before], [part[key] for part in after]
                yield Difference(_below(path, "(order)"), "changed", *order)
    else:
        yield Difference(path, "changed", before, after)


def _of_parts(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Difference]:
    for name, part in after.items():
        if name in before:
            yield from differences(before[name], part, _below(path, name))
        else:
            yield Difference(_below(path, name), "added", None, part)
    for name, part in before.items():
        if name not in after:
            yield Difference(_below(path, name), "removed", part, None)


def _naming(before: list[Any], after: list[Any]) -> str | None:
    """The key by which the parts of both lists are told apart; None if nothing does."""
    parts = [*before, *after]
    if not all(isinstance(part, dict) for part in parts):
        return None
    for key in NAMES:
        names = [[part.get(key) for part in parts_of] for parts_of in (before, after)]
        if all(
            all(isinstance(name, str) for name in found) and len(set(found)) == len(found) for found in names
        ):
            return key
    return None


def _moved(before: list[str], after: list[str]) -> bool:
    """Whether what both have stands in another order."""
    both = set(before) & set(after)
    return [name for name in before if name in both] != [name for name in after if name in both]


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else str(name)
