"""A desk on a real database whose every action is checked: old snapshot + events == new snapshot."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from service_desk.actions import admin
from service_desk.bus.local import LocalBus
from service_desk.clock import SystemClock
from service_desk.desk import SYSTEM, Desk
from service_desk.ports import Bus, Clock
from service_desk.queries import live
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store
from tests.service_desk import reducer

T = TypeVar("T")
RECORDED = Path(__file__).resolve().parents[2] / "var" / "recorded" / "live.jsonl"
RECORDED_PAIRS = 40
"""Pairs that one test writes for the browser's reducer; more would only be more of the same."""

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
    "away_reasons": [{"id": "break", "name": "Break"}, {"id": "lunch", "name": "Lunch"}],
    "decline_reasons": [{"id": "busy", "name": "Busy"}],
    "dispositions": [{"id": "done", "name": "Done"}, {"id": "callback", "name": "Call back"}],
    "time_zone": "Europe/Berlin",
}


class CheckedDesk(Desk):
    """Runs actions as the real one does, and after each proves that the frames lead to the fresh snapshot."""

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        super().__init__(store, bus, clock)
        self._checking = asyncio.Lock()
        self._states: dict[str, reducer.State] = {}
        self._position = 0
        self._recorded = 0

    async def run(self, action: Callable[..., T], *args: Any, actor: str = SYSTEM) -> T:
        try:
            return await super().run(action, *args, actor=actor)
        finally:
            await self.check()

    async def check(self) -> None:
        """Compare for every agent."""
        async with self._checking:
            events, frames, fresh = await self.read(_look, self._position)
            for agent_id, snapshot in fresh.items():
                before = self._states.get(agent_id)
                if before is not None and agent_id in frames:
                    after = reducer.apply(before, frames[agent_id])
                    assert reducer.comparable(after) == reducer.comparable(snapshot), [e.kind for e in events]
                    self._record(before, frames[agent_id], snapshot)
                elif before is not None:
                    assert reducer.comparable(before) == reducer.comparable(snapshot), [
                        e.kind for e in events
                    ]
                self._states[agent_id] = snapshot
            self._position = events[-1].position if events else self._position

    def _record(self, before: reducer.State, frame: reducer.State, after: reducer.State) -> None:
        if self._recorded >= RECORDED_PAIRS:
            return
        self._recorded += 1
        RECORDED.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"before": before, "frames": [frame], "after": after}) + "\n"
        handle = os.open(RECORDED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)


def _look(
    reader: Reader, position: int
) -> tuple[list[live.LogEvent], dict[str, reducer.State], dict[str, reducer.State]]:
    """Events since, frames for them, and fresh snapshots, all of one moment."""
    events = live.events_after(reader, position, 10_000)
    agents = [row["id"] for row in reader.all(sa.select(schema.agent.c.id).order_by(schema.agent.c.id))]
    made = live.frames(reader, events, agents, prev=dict.fromkeys(agents, position)) if events else {}
    frames = {agent_id: frame.model_dump(mode="json") for agent_id, frame in made.items()}
    return (
        events,
        frames,
        {agent_id: live.snapshot(reader, agent_id).model_dump(mode="json") for agent_id in agents},
    )


@pytest.fixture
async def desk(db_url: str) -> AsyncIterator[CheckedDesk]:
    """A checked desk on SQLite and on PostgreSQL, with the test's configuration published."""
    clock = SystemClock()
    store = Store(db_url, clock)
    checked = CheckedDesk(store, LocalBus(), clock)
    await checked.run(admin.seed, CONFIG)
    yield checked
    store.close()
