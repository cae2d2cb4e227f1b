"""A desk on a real database whose every action is checked: old snapshot + events == new snapshot."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from service_desk.actions import admin
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.storage.store import Store
from tests.service_desk.checked import CheckedDesk

CONFIG: dict[str, Any] = {
    "brand": "Test Works",
    "queues": [
        {
            "id": "service",
            "name": "Service",
            "brand_id": "test",
            "target_s": 20,
            "ring_s": 20,
            "wrap_up_s": 60,
        },
        {"id": "sales", "name": "Sales", "brand_id": "test", "target_s": 30, "ring_s": 15, "wrap_up_s": 30},
    ],
    "phone_lines": [
        {
            "account": "phone-main",
            "number": "+15005550006",
            "brand_id": "test",
            "label": "Main line",
            "greeting": "Welcome.",
            "default_queue": "service",
        },
        {
            "account": "phone-menu",
            "number": "+15005550007",
            "brand_id": "test",
            "label": "Line with a menu",
            "greeting": "Welcome.",
            "default_queue": "service",
            "options": [
                {"digit": "1", "queue": "service", "label": "service"},
                {"digit": "2", "queue": "sales", "label": "sales"},
            ],
        },
    ],
    "widgets": [
        {
            "id": "demo",
            "brand_id": "test",
            "brand": "Test Works",
            "greeting": {"en": "Hello"},
            "topics": [{"id": "sales", "name": "Buying", "queue": "sales"}],
            "default_queue": "service",
        }
    ],
    "mailboxes": [
        {
            "account": "mail-main",
            "address": "help@desk.example",
            "name": "Help",
            "brand_id": "test",
            "default_queue": "service",
        }
    ],
    "text_lines": [
        {
            "account": "text-main",
            "number": "+15005550006",
            "brand_id": "test",
            "label": "Texts",
            "default_queue": "service",
        }
    ],
    "away_reasons": [{"id": "break", "name": "Break"}, {"id": "lunch", "name": "Lunch"}],
    "decline_reasons": [{"id": "busy", "name": "Busy"}],
    "dispositions": [{"id": "done", "name": "Done"}, {"id": "callback", "name": "Call back"}],
    "time_zone": "Europe/Berlin",
}


@pytest.fixture
async def desk(db_url: str) -> AsyncIterator[CheckedDesk]:
    """A checked desk on SQLite and on PostgreSQL, with the test's configuration published."""
    clock = SystemClock()
    store = Store(db_url, clock)
    checked = CheckedDesk(store, LocalBus(), clock)
    await checked.run(admin.seed, CONFIG)
    yield checked
    store.close()
