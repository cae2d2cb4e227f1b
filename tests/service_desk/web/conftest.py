"""A desk behind HTTP, on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service_desk.web.world import World, a_world


@pytest.fixture
async def world(db_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """On SQLite and on PostgreSQL."""
    async with a_world(db_url, tmp_path) as made:
        yield made


@pytest.fixture
async def quick_world(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """On SQLite only, for what does not depend on the database."""
    async with a_world(sqlite_url, tmp_path) as made:
        yield made
