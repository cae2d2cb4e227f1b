"""The world behind HTTP."""

from tests.service_desk.web.conftest import quick_world, world

__all__ = ["quick_world", "world"]
