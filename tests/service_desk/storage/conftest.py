"""A desk without anything around it."""

from collections.abc import AsyncIterator

import pytest

from service_desk.actions import admin
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import Desk
from service_desk.storage.store import Store
from tests.service_desk.conftest import CONFIG


@pytest.fixture
async def plain(db_url: str) -> AsyncIterator[Desk]:
    """On SQLite and on PostgreSQL; nothing is checked behind the test's back."""
    clock = SystemClock()
    store = Store(db_url, clock)
    desk = Desk(store, LocalBus(), clock)
    await desk.run(admin.seed, CONFIG)
    yield desk
    store.close()
