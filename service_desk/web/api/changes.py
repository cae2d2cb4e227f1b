"""What every change by version has in common."""

from collections.abc import Iterator
from contextlib import contextmanager

from service_desk.domain.views import View
from service_desk.errors import StaleVersion


@contextmanager
def telling(current: View | None) -> Iterator[None]:
    """Around a change: who was too slow is sent what there is now."""
    try:
        yield
    except StaleVersion as stale:
        if current is not None:
            stale.extras["current"] = current.model_dump(mode="json")
        raise
