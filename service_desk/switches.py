"""The variables by which a test makes the desk fail on purpose.

They are heeded in a source tree only: an installed desk has no pyproject.toml beside its package, and no variable of
its environment kills it or makes it work wrongly.
"""

import os
from pathlib import Path

KILL_AT = "SERVICE_DESK_TEST_KILL_AT"
PAUSE_AT = "SERVICE_DESK_TEST_PAUSE_AT"
PLANT = "SERVICE_DESK_TEST_PLANT"

_IN_SOURCE_TREE = (Path(__file__).resolve().parent.parent / "pyproject.toml").is_file()


def switch(variable: str) -> str:
    """What the variable says; nothing in an installed desk."""
    return os.environ.get(variable, "") if _IN_SOURCE_TREE else ""


def switched_on() -> dict[str, str]:
    """Each variable that says something, with what."""
    found = {variable: switch(variable) for variable in (KILL_AT, PAUSE_AT, PLANT)}
    return {variable: said for variable, said in found.items() if said}
