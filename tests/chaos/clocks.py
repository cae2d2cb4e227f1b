"""A process's wall clock that steps: libfaketime, with the offset in a file. Its monotonic clock is left alone."""

from pathlib import Path

from tests import servers


def clock_library() -> Path:
    """Debian's libfaketime; without it the test is skipped, or fails where everything is required."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return servers.required(found[0] if found else None, servers.CLOCK_HINT)


class WallClock:
    """The wall clock of a process that is started with `environment`."""

    def __init__(self, program: Path, file: Path) -> None:
        self._file = file
        self.environment = {
            "LD_PRELOAD": str(program),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        self.step_to(0)

    def step_to(self, offset_s: float) -> None:
        """So far from the true time, from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+g}\n")
        new.replace(self._file)
