"""Work that comes in one by one and is cheaper done together."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Groups(Generic[T]):
    """Does work in groups, one group after the other: at once if there is none, else with what came meanwhile.

    So a single item waits for nobody, and of thousands that come together only `most` are under way at a time. What
    `work` raises is logged: it has to tell those concerned itself.
    """

    def __init__(self, work: Callable[[list[T]], Awaitable[None]], most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: deque[T] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, item: T) -> None:
        """Have it done with the next group."""
        self._waiting.append(item)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def finish(self) -> None:
        """Wait until nothing is left."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                try:
                    await self._work(group)
                except Exception:
                    log.exception("work for a group failed", size=len(group))
        finally:
            self._task = None
