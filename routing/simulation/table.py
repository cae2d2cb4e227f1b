"""A table of a scenario file that is read field by field; what nobody asked for is refused at the end."""

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, TypeVar

from routing.simulation.scenario import ScenarioError

T = TypeVar("T", bound=str)
SECOND = 1_000_000  # microseconds


def _in_micros(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(_field(key, inner) for key, inner in value.items())
    return [_in_micros(inner) for inner in value] if isinstance(value, list) else value


def _field(key: str, value: Any) -> tuple[str, Any]:
    if key.endswith("_s") and isinstance(value, int | float):
        return key.removesuffix("_s"), round(value * SECOND)
    return key, _in_micros(value)


class Table:
    """`path` is the table's own name in messages, like contacts[2].patience. All readers raise ScenarioError."""

    def __init__(self, data: Mapping[str, Any], path: str) -> None:
        self._data = data
        self._path = path
        self._known: set[str] = set()

    def wrong(self, key: str, what: str) -> ScenarioError:
        """What to raise about a field."""
        return ScenarioError(f"{self._name(key)}: {what}.")

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        self._known.add(key)
        return key in self._data

    def _get(self, key: str, default: Any = None) -> Any:
        if self.has(key):
            return self._data[key]
        if default is None:
            raise self.wrong(key, "is missing; add it")
        return default

    def done(self) -> None:
        """Everything has been read: what is left is a mistake."""
        for key in self._data:
            if key not in self._known:
                raise self.wrong(key, f"is unknown; here are {', '.join(sorted(self._known))}")

    def rest(self) -> dict[str, Any]:
        """All that has not been read as it is; durations (names in _s) in microseconds, under their bare names."""
        return dict(_field(key, value) for key, value in self._data.items() if key not in self._known)

    # --- one value --------------------------------------------------------------------------------------

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "must be a text in quotes")
        return value

    def choice(self, key: str, among: tuple[T, ...], default: T) -> T:
        value = self._get(key, default)
        for one in among:
            if one == value:
                return one
        raise self.wrong(key, f"must be one of {', '.join(among)}")

    def number(
        self,
        key: str,
        *,
        default: float | None = None,
        least: float | None = None,
        above: float | None = None,
        most: float | None = None,
    ) -> float:
        return self._checked(key, self._get(key, default), least, above, most)

    def _checked(
        self, key: str, value: Any, least: float | None, above: float | None, most: float | None
    ) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self.wrong(key, "must be a number")
        if least is not None and value < least:
            raise self.wrong(key, f"is {value:g} and must be at least {least:g}")
        if above is not None and value <= above:
            raise self.wrong(key, f"is {value:g} and must be more than {above:g}")
        if most is not None and value > most:
            raise self.wrong(key, f"is {value:g} and must be at most {most:g}")
        return float(value)

    def whole(
        self, key: str, *, default: int | None = None, least: int | None = None, most: int | None = None
    ) -> int:
        value = self._get(key, default)
        if not isinstance(value, int):
            raise self.wrong(key, "must be a whole number")
        return int(self._checked(key, value, least, None, most))

    def share(self, key: str, *, default: float | None = None) -> float:
        """A percentage as a share from 0 to 1."""
        return self.number(key, default=default, least=0, most=100) / 100

    def clock(self, key: str, default: str) -> float:
        """A time of day like 08:30 as seconds since midnight."""
        value = self.text(key, default)
        read = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", value)
        if read is None:
            raise self.wrong(key, 'must be a time of day like "08:30"')
        return 3600.0 * int(read[1]) + 60.0 * int(read[2])

    # --- several ----------------------------------------------------------------------------------------

    def numbers(self, key: str, count: int | None = None) -> tuple[float, ...]:
        """A list of numbers from 0 on, of exactly `count` if that is given."""
        values = self._list(key)
        if count is not None and len(values) != count:
            raise self.wrong(
                key, f"has {len(values)} entries and needs one for each of the {count} intervals"
            )
        return tuple(self._checked(f"{key}[{at}]", value, 0, None, None) for at, value in enumerate(values))

    def wholes(self, key: str, count: int, most: int) -> tuple[int, ...]:
        """One whole number for each interval, or one for all of them."""
        value = self._get(key)
        if isinstance(value, int):
            return (self.whole(key, least=0, most=most),) * count
        numbers = self.numbers(key, count)
        if any(number != int(number) or number > most for number in numbers):
            raise self.wrong(key, f"must be whole numbers up to {most}")
        return tuple(map(int, numbers))

    def _list(self, key: str) -> list[Any]:
        value = self._get(key)
        if not isinstance(value, list):
            raise self.wrong(key, "must be a list in square brackets")
        return value

    def names(self, key: str, default: list[str] | None = None) -> list[str]:
        value = self._get(key, default)
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.wrong(key, "must be a list of texts")
        return value

    def levels(self, key: str) -> dict[str, int]:
        """Skills with levels from 1 to 5."""
        return self._whole_values(key, {}, 1, 5)

    def counts(self, key: str, default: dict[str, int]) -> dict[str, int]:
        return self._whole_values(key, default, 0, 1000)

    def _whole_values(self, key: str, default: dict[str, int], least: int, most: int) -> dict[str, int]:
        if not self.has(key):
            return default
        inner = self.table(key)
        return {name: inner.whole(name, least=least, most=most) for name in self._data[key]}

    # --- tables -----------------------------------------------------------------------------------------

    def table(self, key: str, *, optional: bool = False) -> "Table":
        value = self._get(key, {} if optional else None)
        if not isinstance(value, Mapping):
            raise self.wrong(key, "must be a table, like { mean_s = 240 }")
        return Table(value, self._name(key))

    def tables(self, key: str) -> Iterable["Table"]:
        """At least one; numbered from 1 in messages."""
        value = self._get(key)
        if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) for one in value):
            raise self.wrong(key, f"must be at least one table; begin each with [[{key}]]")
        return [Table(one, f"{self._name(key)}[{at}]") for at, one in enumerate(value, 1)]
