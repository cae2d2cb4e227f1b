"""The desk: `run` changes things, `read` looks at them. Nothing else touches the database."""

import asyncio
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from service_desk.ports import Bus, Clock, Stream
from service_desk.storage.store import Reader, Store
from service_desk.storage.transaction import Tx
from service_desk.trace import contact_of, learn

P = ParamSpec("P")
T = TypeVar("T")

SYSTEM = "system"


class Desk:
    """Runs actions in the store and says "look again" on the bus after each commit."""

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        self.store = store
        self.bus = bus
        self.clock = clock
        self.measures = store.measures

    async def run(self, action: Callable[..., T], *args: Any, actor: str = SYSTEM) -> T:
        """One action, one transaction: all of it or nothing. Raises what the action raises.

        A caller that is cancelled does not undo it: the action runs or ran.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        streams: set[Stream] = set()
        concerned: list[str | None] = [None]

        def noted(tx: Tx, *args: Any) -> T:
            streams.clear()  # it may be run more than once
            result = action(tx, *args)
            streams.update(tx.streams)
            concerned[0] = contact_of(tx.gathered.events)
            return result

        def finish(result: T, error: BaseException | None) -> None:
            if error is None:
                self.bus.wake(streams)
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.store.submit(noted, args, actor, finish, loop)
        result = await future
        learn(concerned[0])
        return result

    async def glance(
        self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Like `read`, for a few rows by their index that are wanted often: it may happen on this thread."""
        return await self.store.glance(query, *args, **kwargs)

    async def view(self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like `glance`, on one consistent view."""
        return await self.store.view(query, *args, **kwargs)

    async def look(self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A query on one consistent view, for when thousands ask at once.

        Threads that waited for PostgreSQL and for the interpreter took 20 s for the first states of 2,000 consoles,
        strands 12 s; on SQLite nothing is waited for, and a thread lets the loop go on.
        """
        return await (self.read if self.store.dialect == "sqlite" else self.view)(query, *args, **kwargs)

    async def read(self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A query on one consistent view of the database."""
        return await self.store.read_async(query, *args, **kwargs)
