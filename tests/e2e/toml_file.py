"""Settings as a settings file has them."""

from typing import Any


def toml(values: dict[str, Any], path: str = "") -> str:
    """Settings as a TOML file: plain values first, then the tables."""
    lines = [f"{k} = {_value(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for name, value in values.items():
        if isinstance(value, dict):
            inner = f"{path}.{name}" if path else name
            lines += [f"[{inner}]", toml(value, inner)]
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return str(value) if isinstance(value, int | float) else f'"{value}"'
