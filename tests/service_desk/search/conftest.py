"""A desk without anything around it, and its index kept by a follower that the test steps."""

from tests.service_desk.storage.conftest import plain
from tests.service_desk.web.conftest import quick_world, world

__all__ = ["plain", "quick_world", "world"]
