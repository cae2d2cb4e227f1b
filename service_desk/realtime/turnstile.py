"""What thousands want to do at one moment, a few in each turn of the loop: others have theirs between."""

import asyncio
from collections import deque


class Turnstile:
    """Lets so many through in one turn of the loop; the others come with the next turns, in their order."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._through = 0
        """How many there were in this turn; the next one begins anew."""

    async def through(self) -> None:
        """At once, unless there were too many in this turn."""
        if self._through == 0:
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._through < self._most and not self._waiting:
            self._through += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _next_turn(self) -> None:
        self._through = 0
        while self._waiting and self._through < self._most:
            turn = self._waiting.popleft()
            if not turn.done():  # cancelled
                turn.set_result(None)
                self._through += 1
        if self._through:
            asyncio.get_running_loop().call_soon(self._next_turn)
