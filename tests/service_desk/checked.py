"""A desk that proves after each action that what consoles are sent leads to the fresh snapshot."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from service_desk.desk import SYSTEM, Desk
from service_desk.domain.access import ROLES
from service_desk.errors import Unavailable
from service_desk.ports import Bus, Clock
from service_desk.queries import live
from service_desk.queries.kept_cards import KeptCards
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store
from tests.service_desk import reducer

T = TypeVar("T")
RECORDED = Path(__file__).resolve().parents[2] / "var" / "recorded" / "live.jsonl"
RECORDED_PAIRS = 40
"""Pairs that one test writes for the browser's reducer; more would only be more of the same."""


class CheckedDesk(Desk):
    """Runs actions as the real one does; after each, old snapshot + frames == new snapshot, for every agent.

    What does not add up is raised and also kept in `faults`, for worlds where somebody else catches it.
    """

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        super().__init__(store, bus, clock)
        self._checking = asyncio.Lock()
        self._states: dict[str, reducer.State] = {}
        self._position = 0
        self._recorded = 0
        self._kept = KeptCards()
        self.faults: list[str] = []

    async def run(self, action: Callable[..., T], *args: Any, actor: str = SYSTEM) -> T:
        try:
            return await super().run(action, *args, actor=actor)
        finally:
            await self.check()

    async def check(self) -> None:
        """Compare for every agent. With the database away there is nothing to compare."""
        async with self._checking:
            try:
                events, frames, fresh = await self.read(_look, self._position, self._kept)
            except Unavailable:
                return
            for agent_id, snapshot in fresh.items():
                before = self._states.get(agent_id)
                self._states[agent_id] = snapshot
                if before is not None:
                    self._compare(before, frames.get(agent_id), snapshot, [event.kind for event in events])
            self._position = events[-1].position if events else self._position

    def _compare(
        self, before: reducer.State, frame: reducer.State | None, fresh: reducer.State, kinds: list[str]
    ) -> None:
        after = before if frame is None else reducer.apply(before, frame)
        try:
            assert reducer.comparable(after) == reducer.comparable(fresh), kinds
        except AssertionError as error:
            self.faults.append(str(error))
            raise
        if frame is not None:
            self._record(before, frame, fresh)

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
    reader: Reader, position: int, kept: KeptCards
) -> tuple[list[live.LogEvent], dict[str, reducer.State], dict[str, reducer.State]]:
    """Events since, frames for them, and fresh snapshots, all of one moment."""
    events = live.events_after(reader, position, 10_000)
    table = schema.agent
    known = sa.select(table.c.id).where(table.c.role.in_(ROLES)).order_by(table.c.id)
    agents = [row["id"] for row in reader.all(known)]
    prev = dict.fromkeys(agents, position)
    made = live.frames(reader, events, agents, prev=prev, kept=kept) if events else {}
    frames = {agent_id: frame.model_dump(mode="json") for agent_id, frame in made.items()}
    return (
        events,
        frames,
        {agent_id: live.snapshot(reader, agent_id).model_dump(mode="json") for agent_id in agents},
    )
