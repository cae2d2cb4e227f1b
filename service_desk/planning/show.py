"""Reports of simulations as text for people and as JSON for programs."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from routing.simulation.erlang import Performance
from routing.simulation.intervals import CONFIDENCE, Estimate
from routing.simulation.report import GROUP_FIGURES, QUEUE_FIGURES, Figure, Figures, Report

COLUMNS = 5  # beside each other; more go into a table of their own
EVERY_FIGURE: tuple[Figure, ...] = (*QUEUE_FIGURES, *GROUP_FIGURES[1:])


# --- for programs ---------------------------------------------------------------------------------------


def document(report: Report) -> dict[str, Any]:
    """Values with the ends of their intervals; shares from 0 to 1."""
    scenario = report.scenario
    return {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "replications": scenario.replications,
        "confidence": CONFIDENCE,
        "decisions": report.decisions,
        "figures": {figure.name: {"unit": figure.unit, "meaning": figure.meaning} for figure in EVERY_FIGURE},
        "queues": {name: _values(figures) for name, figures in report.queues.items()},
        "groups": {name: _values(figures) for name, figures in report.groups.items()},
        "total": _values(report.total),
    }


def _values(figures: Figures) -> dict[str, Any]:
    return {
        name: None if found is None else {"value": found.value, "low": found.low, "high": found.high}
        for name, found in figures.items()
    }


# --- for people -----------------------------------------------------------------------------------------


def text(report: Report, *, signed: bool = False) -> str:
    """Two tables: queues with the total, groups with the total. `signed` is for differences."""
    totals = [("all", report.total)]
    queues = _tables("", [*report.queues.items(), *totals], QUEUE_FIGURES, signed=signed)
    groups = _tables("", [*report.groups.items(), *totals], GROUP_FIGURES, signed=signed)
    return f"{queues}\n\n{groups}"


def heading(report: Report) -> str:
    """What was simulated, and what the numbers behind ± are."""
    scenario = report.scenario
    days = scenario.replications
    said = "one day, without intervals" if days == 1 else f"{days} days, ± is half of the 95 % interval"
    return f"{scenario.name}: {said}; seed {scenario.seed}, {report.decisions:,} decisions of the router"


def _tables(
    title: str, columns: Sequence[tuple[str, Figures]], rows: Sequence[Figure], *, signed: bool
) -> str:
    parts = [columns[at : at + COLUMNS] for at in range(0, len(columns), COLUMNS)]
    return "\n\n".join(_one_table(title, part, rows, signed=signed) for part in parts)


def _one_table(
    title: str, columns: Sequence[tuple[str, Figures]], rows: Sequence[Figure], *, signed: bool
) -> str:
    cells = [[title, *(name for name, _ in columns)]]
    for figure in rows:
        found = [figures.get(figure.name) for _, figures in columns]
        cells.append([figure.meaning, *(cell(figure.unit, each, signed=signed) for each in found)])
    return aligned(cells)


def cell(unit: str, found: Estimate | None, *, signed: bool = False) -> str:
    """Like 94.3 ±0.8 %; a dash where there is nothing. `signed`: a difference, of shares in percentage points (pp)."""
    if found is None:
        return "-"
    scale = 100 if unit == "%" else 1
    unit = "pp" if signed and unit == "%" else unit
    rounded = round(found.value * scale, 1) + 0.0  # no -0.0
    value = f"{rounded:{'+' if signed else ''},.1f}"
    half = "" if found.half is None else f" ±{found.half * scale:,.1f}"
    return f"{value}{half}{f' {unit}' if unit else ''}"


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        rest = [part.rjust(width) for part, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *rest]).rstrip())
    return "\n".join(lines)


def formula_table(found: Iterable[tuple[int, Performance]], needed: int) -> str:
    """Formula results for a few numbers of agents; the least that is enough is marked.

    Where the line grows for ever, so does the mean wait.
    """
    head = ["", "agents", "P(wait)", "ASA", "abandoned", "occupancy"]
    head += ["of offered", "of answered", "without short"]
    cells = [head]
    for agents, figures in found:
        shares = (figures.abandoned, figures.occupancy)
        levels = (figures.of_offered, figures.of_answered, figures.without_short)
        cells.append(
            [
                "->" if agents == needed else "",
                str(agents),
                _percent(figures.p_wait),
                f"{figures.asa:,.1f} s" if isfinite(figures.asa) else "grows",
                *map(_percent, shares),
                *map(_percent, levels),
            ]
        )
    return aligned(cells)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
