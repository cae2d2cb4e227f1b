"""A narrow door: when thousands of consoles come back at once, few of them are on their way in at a time.

The others stand in line as connections of which only the session is known, which costs next to nothing; so webhooks and
the requests of those who work already have their turns in between. Who has no session does not stand in this line: they
are turned away behind it, and however many they are, nobody who works here waits for them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from service_desk.domain.access import Principal
from service_desk.errors import DeskError
from service_desk.realtime.groups import Groups

AT_ONCE = 32
"""Consoles on their way in: from the handshake until their first state is sent."""
ASKED_TOGETHER = 32
"""Requests of which it is found out with one question whose they are, one question after the other: two thousand such
questions at once would all be answered before a webhook's that comes after them."""
HELD_S = 1.0
"""How long one takes a place at the most: who connects and says nothing keeps nobody out."""


Identify = Callable[[Sequence[web.Request]], Awaitable[list[Principal | None]]]
"""Whose session each request has, in their order; None: nobody's."""


class Place:
    """One request's way through the door."""

    def __init__(self, places: asyncio.Semaphore, held_s: float) -> None:
        self._places = places
        self._timer = asyncio.get_running_loop().call_later(held_s, self.leave)
        self._left = False

    def leave(self) -> None:
        """The next one may come; again is harmless."""
        if not self._left:
            self._left = True
            self._timer.cancel()
            self._places.release()


class Door:
    """Lets requests in, in the order in which they came, and so many at once."""

    def __init__(self, identify: Identify, at_once: int = AT_ONCE, held_s: float = HELD_S) -> None:
        self._identify = identify
        self._places = asyncio.Semaphore(at_once)
        self._asking = Groups(self._ask, ASKED_TOGETHER)
        self._held_s = held_s

    async def enter(self, request: web.Request) -> None:
        """Wait for a place, if somebody is signed in. `leave` makes it free again, and so does time."""
        answer: asyncio.Future[Principal | None] = asyncio.get_running_loop().create_future()
        self._asking.add((request, answer))
        principal = await answer
        if principal is None:
            return
        request[KNOWN] = principal
        await self._places.acquire()
        request[PLACE] = Place(self._places, self._held_s)

    async def _ask(self, group: list[tuple[web.Request, "asyncio.Future[Principal | None]"]]) -> None:
        found: Sequence[Principal | None] = [None] * len(group)
        try:
            found = await self._identify([request for request, _ in group])
        except DeskError:  # asked again behind the door, which has words for it
            pass
        finally:
            for (_, answer), principal in zip(group, found, strict=True):
                if not answer.done():  # whose connection is gone does not wait for it
                    answer.set_result(principal)


PLACE: web.RequestKey[Place] = web.RequestKey("place at the door", Place)
KNOWN: web.RequestKey[Principal] = web.RequestKey("who was known at the door", Principal)
"""Whose session the request had when it came. It may be over by now: whoever shows something looks again."""


def leave(request: web.Request) -> None:
    """The request is through the door, or over; without a door nothing happens."""
    if (place := request.get(PLACE)) is not None:
        place.leave()
