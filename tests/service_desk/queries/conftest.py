"""A desk without anything around it."""

from tests.service_desk.storage.conftest import plain

__all__ = ["plain"]
