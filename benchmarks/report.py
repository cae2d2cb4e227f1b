"""A figure with its goal and the way it was measured; the table for people and the file for machines."""

import json
import operator
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH_FILE = Path(__file__).resolve().parents[1] / "var" / "bench.json"
GOAL = re.compile(r"(<=|>=|<|>) ?([0-9.]+)")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NAME_WIDTH, VALUE_WIDTH, UNIT_WIDTH, GOAL_WIDTH, METHOD_WIDTH = 62, 12, 12, 10, 88


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `goal` is like "< 20", or empty where the figure is there for comparison."""

    name: str
    value: float
    unit: str
    goal: str = ""
    method: str = ""

    @property
    def verdict(self) -> str:
        """ok, MISSED, or nothing without a goal. ValueError for a goal that cannot be read."""
        if not self.goal:
            return ""
        read = GOAL.fullmatch(self.goal)
        if read is None:
            raise ValueError(f"{self.name}: a goal is like '< 20', not {self.goal!r}")
        return "ok" if COMPARE[read[1]](self.value, float(read[2])) else "MISSED"


def write(rows: Iterable[Row], path: Path = BENCH_FILE) -> None:
    """The rows for machines: name, value, unit, goal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed: list[dict[str, Any]] = [
        {"name": row.name, "value": round(row.value, 3), "unit": row.unit, "goal": row.goal} for row in rows
    ]
    path.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


def table(rows: Iterable[Row]) -> str:
    """The rows for people; a method stands once for the rows that share it."""
    head = _line("NAME", "VALUE", "UNIT", "GOAL", "", "HOW MEASURED")
    lines, said = [head, "-" * len(head)], ""
    for row in rows:
        method = row.method if row.method != said else ""
        first, *more = textwrap.wrap(method, METHOD_WIDTH) or [""]
        lines.append(_line(row.name, f"{row.value:,.2f}", row.unit, row.goal, row.verdict, first).rstrip())
        lines += [_line("", "", "", "", "", part) for part in more]
        said = row.method
    return "\n".join(lines)


def _line(name: str, value: str, unit: str, goal: str, verdict: str, method: str) -> str:
    left = f"{name:<{NAME_WIDTH}} {value:>{VALUE_WIDTH}} {unit:<{UNIT_WIDTH}} {goal:<{GOAL_WIDTH}}"
    return f"{left} {verdict:<7} {method}"
