"""A process's wall clock that steps. Its monotonic clock is left alone."""

import os
import sys
from pathlib import Path

STEPPED = Path(__file__).parent / "stepped"
"""Holds what sets Python's clock within the process.

A library that is preloaded, as libfaketime, would set every program's. It also stands in each wait for a lock, and a
process with twenty threads then needs a core for that alone: it would be measured, not the desk.
"""


class WallClock:
    """The wall clock of a Python process that is started with `environment`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.write_bytes(bytes(8))
        path = os.pathsep.join(filter(None, [str(STEPPED), os.environ.get("PYTHONPATH")]))
        self.environment = {"PYTHONPATH": path, "STEPPED_CLOCK_FILE": str(file)}

    def step_to(self, offset_s: float) -> None:
        """So far from the true time, at once."""
        offset_ns = int(offset_s * 1_000_000_000)
        with self._file.open("r+b", buffering=0) as file:  # in its place: the process has it mapped
            file.write(offset_ns.to_bytes(8, sys.byteorder, signed=True))
