"""What every change by version has in common."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service_desk.domain.views import View
from service_desk.errors import StaleVersion


@contextmanager
def telling(look: Callable[[], View | None]) -> Iterator[None]:
    """Around a change: who was too slow is sent what there is now, which `look` finds."""
    try:
        yield
    except StaleVersion as stale:
        current = look()
        if current is not None:
            stale.extras["current"] = current.model_dump(mode="json")
        raise
