"""Background customers who asked to be called back: when their telephone rings, most of them answer."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from channels.simulator.exchange import Exchange
from channels.simulator.legs import Leg

ASKS = ("called back", "Rückruf", "le llamemos")
"""Words of the desk by which a waiting customer knows that they may be called back, in each of its languages."""
KEY = "1"
ANSWER_S = 4.0
"""Mean pretend seconds until somebody picks up."""


class CalledBack:
    """Who waits for a call of the desk, by number. `talk` is what somebody does who has picked up."""

    def __init__(self, exchange: Exchange, share: float, answer_share: float) -> None:
        self._exchange = exchange
        self._share = share
        self._answer_share = answer_share
        self._waiting: dict[str, Callable[[Leg], Awaitable[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts = Counter({"asked_back": 0, "called_back": 0})
        exchange.rung = self._rung

    def wants(self, words: str) -> bool:
        """Whether a customer who hears this would rather be called; by chance."""
        return any(each in words for each in ASKS) and self._exchange.pace.random.random() < self._share

    def waits(self, number: str, talk: Callable[[Leg], Awaitable[None]]) -> None:
        """Somebody has been promised a call."""
        self.counts["asked_back"] += 1
        self._waiting[number] = talk

    async def close(self) -> None:
        """Nobody waits any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _rung(self, leg: Leg) -> None:
        if leg.called in self._waiting:
            task = asyncio.create_task(self._answer(leg, self._waiting[leg.called]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, leg: Leg, talk: Callable[[Leg], Awaitable[None]]) -> None:
        """Pick up after a while, or not: who does not is called again, and may then."""
        random = self._exchange.pace.random
        if random.random() >= self._answer_share:
            return
        await self._exchange.pace.rest(random.expovariate(1 / ANSWER_S))
        if self._exchange.pick_up(leg):
            del self._waiting[leg.called]
            self.counts["called_back"] += 1
            await talk(leg)
