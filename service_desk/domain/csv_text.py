"""CSV for spreadsheets: RFC 4180, and no cell that a spreadsheet would run as a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

Cell = str | int | float | None
BOM = "\ufeff"
"""Tells spreadsheets on Windows that the text is UTF-8."""
STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")
"""What programs take for the beginning of a formula or a command, full-width forms included."""


def csv_text(head: Sequence[str], rows: Iterable[Sequence[Cell]], *, bom: bool) -> str:
    """The file's text: lines end in CRLF, the first one is the head. Numbers stay numbers, None is empty."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([harmless(name) for name in head])
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return (BOM if bom else "") + out.getvalue()


def harmless(cell: Cell) -> Cell:
    """A text that could be a formula gets an apostrophe before it, which spreadsheets show as text."""
    if not isinstance(cell, str):
        return cell
    return f"'{cell}" if cell.lstrip(" \xa0\ufeff").startswith(STARTS_FORMULA) else cell
