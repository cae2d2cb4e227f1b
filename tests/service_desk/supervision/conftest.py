"""Desks with a supervisor: checked behind every action, plain, and behind HTTP."""

from tests.service_desk.conftest import desk
from tests.service_desk.storage.conftest import plain
from tests.service_desk.web.conftest import quick_world, world

__all__ = ["desk", "plain", "quick_world", "world"]
