"""The pretend carrier's append-only record, outside the system under test: what it sent, got, refused."""

import json
from collections import deque
from pathlib import Path
from typing import Any, TextIO

from channels.simulator.pace import now_us

KEPT = 20_000
"""Entries in memory; the file has them all."""


class Record:
    """Numbered entries. An auditor reads the file, people and tests the newest entries."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._last = 0
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    @property
    def last(self) -> int:
        """Number of the newest entry, 0 before the first."""
        return self._last

    def add(self, kind: str, **facts: Any) -> None:
        """Append an entry. Kinds: call, text, webhook, rest, error, fault, conference."""
        self._last += 1
        entry = {"n": self._last, "at": now_us(), "kind": kind, **facts}
        self._entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._file.flush()

    def after(self, number: int, limit: int, kind: str | None = None) -> list[dict[str, Any]]:
        """Entries with a greater number, oldest first, of one kind or all."""
        found = (entry for entry in self._entries if entry["n"] > number and kind in {None, entry["kind"]})
        return [entry for entry, _ in zip(found, range(limit), strict=False)]

    def close(self) -> None:
        """Close the file; safe to repeat."""
        if self._file is not None:
            self._file.close()
            self._file = None
