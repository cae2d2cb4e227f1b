"""Seeded chance: the demo's only source of it. The same seed at the same instant makes the same desk."""

from random import Random  # noqa: TID251 - not for names or tokens: a generator whose seed is given

__all__ = ["Random"]
