"""Refuses to start on another distribution's `channels` or `routing`.

The package index holds distributions with these import names (django-channels is one). Installed beside
ours, such a distribution overwrites our files without a word, and what fails then is far from the cause. So
this runs at every import of `service_desk`. It imports nothing of the service desk, and `channels` and
`routing` must not import `service_desk` when they are imported.
"""

import importlib
from pathlib import Path
from types import ModuleType

PRODUCT = "service-desk"
SIBLINGS = ("channels", "routing")


class ForeignPackageError(ImportError):
    """One of our sibling packages was replaced by another distribution's; the message holds the cure."""


def check_siblings(home: Path) -> None:
    """Import our sibling packages and check that they are ours.

    `home` is the folder that holds `service_desk`; the siblings must lie in it, too.
    Raises ForeignPackageError, which is an ImportError.
    """
    for name in SIBLINGS:
        _check(importlib.import_module(name), home)


def _check(package: ModuleType, home: Path) -> None:
    place = getattr(package, "__file__", None)
    ours = (
        getattr(package, "PRODUCT", None) == PRODUCT
        and place is not None
        and Path(place).resolve().parent.parent == home.resolve()
    )
    if not ours:
        taken_from = place or "a folder without __init__.py"
        raise ForeignPackageError(
            f"The package {package.__name__!r} was taken from {taken_from}, "
            "which belongs to another distribution. "
            f"Cure: install {PRODUCT} into a virtual environment of its own "
            f"(python3 -m venv .venv && .venv/bin/pip install {PRODUCT}).",
            name=package.__name__,
        )
