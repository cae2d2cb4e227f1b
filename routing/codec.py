"""Commands, decisions and the model as JSON-able dicts and back, for the log and for snapshots.

The outermost dict names its class in "kind", and so does every value that may be one of several classes.
Reading is strict: an unknown kind or field, a missing field without a default and a value of another type are
a ValueError, so that a log is never read as something that it does not say. Fields may be added with
defaults (`model.added`): older logs lack them.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from routing import commands, decisions, model

Encode = Callable[[Any], Any]
Decode = Callable[[Any], Any]
Coder = tuple[Encode, Decode]
T = TypeVar("T")

SCALARS: Final = (str, int, float, bool)
MODEL: Final = (
    model.Skill,
    model.WorkItem,
    model.Agent,
    model.QueuePolicy,
    model.Policy,
    model.Offer,
    model.Ageing,
    model.Callback,
    model.CallbackRule,
    model.Hours,
    model.Overflow,
    model.Preferred,
    model.Ring,
    model.Span,
)
CLASSES: Final[dict[str, type]] = {
    each.__name__: each for each in (*get_args(commands.Command), *get_args(decisions.Decision), *MODEL)
}


def encode(value: object) -> dict[str, Any]:
    """A dict with "kind"; TypeError if the value is none of the known classes."""
    kind = type(value).__name__
    if CLASSES.get(kind) is not type(value):
        raise TypeError(f"{kind} is no command, decision or model class")
    return {"kind": kind, **_coder(type(value))[0](value)}


def decode(data: Mapping[str, Any]) -> Any:
    """The value that `encode` made this of; ValueError if it cannot have."""
    if not isinstance(data, Mapping):
        raise ValueError(f"an object is expected, not {data!r}")  # noqa: TRY004  # bad input, whatever its type
    found = CLASSES.get(str(data.get("kind")))
    if found is None:
        raise ValueError(f"unknown kind {data.get('kind')!r}")
    return _coder(found)[1]({name: value for name, value in data.items() if name != "kind"})


def decode_as(expected: type[T], data: Mapping[str, Any]) -> T:
    """As `decode`, and of this class; ValueError otherwise."""
    value = decode(data)
    if type(value) is not expected:
        raise ValueError(f"{expected.__name__} is expected, not {type(value).__name__}")
    return value


_coders: dict[Any, Coder] = {}


def _coder(annotation: Any) -> Coder:
    """How values of a type are written and read; made once per type."""
    coder = _coders.get(annotation)
    if coder is None:
        coder = _coders[annotation] = _make(annotation)
    return coder


def _make(annotation: Any) -> Coder:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation in SCALARS:
        return _same, _scalar((annotation,))
    if isinstance(annotation, type) and is_record(annotation):
        return _record(annotation)
    if origin in {Union, UnionType}:
        if all(is_record(each) for each in args):
            return encode, _one_of(args)
        known = [each for each in args if is_record(each)]
        if known:
            return _maybe(_coder(known[0]))
        return _same, _scalar(args)  # such as str | int | None
    if origin is tuple:
        return _sequence(tuple, _coder(args[0]))
    if origin is frozenset:
        return _sequence(frozenset, _coder(args[0]))
    if origin is Mapping:
        return _mapping(_coder(args[1]))
    raise TypeError(f"no way to write {annotation}")


def _same(value: Any) -> Any:
    return value


def _scalar(types: tuple[type, ...]) -> Decode:
    """Exactly one of these types: True is not 1 here."""

    def read(value: Any) -> Any:
        if type(value) not in types:
            names = " or ".join(each.__name__ for each in types)
            raise ValueError(f"{names} is expected, not {value!r}")
        return value

    return read


def _one_of(classes: tuple[type, ...]) -> Decode:
    def read(value: Any) -> Any:
        found = decode(value)
        if type(found) not in classes:
            raise ValueError(f"{type(found).__name__} does not belong here")
        return found

    return read


def _maybe(coder: Coder) -> Coder:
    """A class or None."""
    write_one, read_one = coder

    def write(value: Any) -> Any:
        return None if value is None else write_one(value)

    def read(value: Any) -> Any:
        return None if value is None else read_one(value)

    return write, read


def _sequence(make: type[tuple[Any, ...]] | type[frozenset[Any]], coder: Coder) -> Coder:
    write_one, read_one = coder

    def write(values: Any) -> list[Any]:
        ordered = values if make is tuple else sorted(values)  # a set has no order, a log must have one
        return [write_one(value) for value in ordered]

    def read(values: Any) -> Any:
        if not isinstance(values, list):
            raise ValueError(f"a list is expected, not {values!r}")  # noqa: TRY004  # bad input, whatever its type
        return make(read_one(value) for value in values)

    return write, read


def _mapping(coder: Coder) -> Coder:
    write_one, read_one = coder

    def write(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: write_one(value) for name, value in sorted(values.items())}

    def read(values: Any) -> dict[str, Any]:
        if not isinstance(values, dict) or not all(type(name) is str for name in values):
            raise ValueError(f"an object with names is expected, not {values!r}")
        return {name: read_one(value) for name, value in values.items()}

    return write, read


def is_record(cls: Any) -> bool:
    """A dataclass or a named tuple."""
    return is_dataclass(cls) or hasattr(cls, "_field_defaults")


def _fields(cls: type[Any]) -> dict[str, bool]:
    """Name: whether it must be there."""
    if is_dataclass(cls):
        return {
            each.name: each.default is MISSING and each.default_factory is MISSING for each in fields(cls)
        }
    return {name: name not in cls._field_defaults for name in cls._fields}


def _record(cls: type[Any]) -> Coder:
    hints = get_type_hints(cls)
    coders = {name: _coder(hints[name]) for name in _fields(cls)}
    required = {name for name, must in _fields(cls).items() if must}

    added = {
        each.name: each.default if each.default_factory is MISSING else each.default_factory()
        for each in (fields(cls) if is_dataclass(cls) else ())
        if each.metadata.get("added")
    }

    def write(value: Any) -> dict[str, Any]:
        return {
            name: coder[0](held)
            for name, coder in coders.items()
            if (held := getattr(value, name)) != added.get(name, MISSING)
        }

    def read(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise ValueError(f"{cls.__name__}: an object is expected, not {data!r}")  # noqa: TRY004  # bad input
        unknown = data.keys() - coders.keys()
        missing = required - data.keys()
        if unknown or missing:
            raise ValueError(f"{cls.__name__}: unknown {sorted(unknown)}, missing {sorted(missing)}")
        return cls(**{name: coders[name][1](value) for name, value in data.items()})

    return write, read
