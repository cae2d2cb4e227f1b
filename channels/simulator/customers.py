"""Customers who call by themselves: they choose in the menu, wait, lose patience, talk, hang up.

`Arrivals` is independent of what arrives: a customer is any coroutine, a chat's as well as a call's.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from channels.simulator.called_back import KEY, CalledBack
from channels.simulator.exchange import Exchange
from channels.simulator.legs import Heard, Leg
from channels.simulator.pace import Pace, Random
from channels.simulator.settings import NoSuchRouteError, Traffic

THINKING_S = 2.5
"""Mean pretend seconds between a question and the key that answers it."""
STRANGER_NUMBERS = "+1555{:07d}"  # an area code that is not given out
OPENING_WORDS = {
    "en": (
        "Hello, my dishwasher stops in the middle of the programme.",
        "Hi, I would like to know when the technician comes.",
        "Hello, I want to order a spare part.",
    ),
    "de": (
        "Guten Tag, ich habe eine Frage zu meiner Rechnung.",
        "Hallo, meine Waschmaschine macht ein seltsames Geräusch.",
        "Guten Tag, wann kommt denn der Techniker?",
    ),
    "es": (
        "Buenos días, mi horno no calienta.",
        "Hola, quería saber cuándo llega mi pedido.",
        "Buenas, tengo una pregunta sobre la factura.",
    ),
}
"""What callers say first, in their language; strangers speak English."""


@dataclass(frozen=True, slots=True)
class Mood:
    """What one customer will do. Times are pretend seconds."""

    caller: str | None
    digit: str | None
    thinking_s: float
    patience_s: float
    talk_s: float
    words: str


def draw_mood(traffic: Traffic, random: Random, languages: Mapping[str, str] | None = None) -> Mood:
    """A customer's mood by chance, the same for the same seed. `languages` are those of known numbers."""
    caller = _draw_caller(traffic, random)
    language = (languages or {}).get(caller or "", "en")
    return Mood(
        caller=caller,
        digit=None if random.random() < traffic.silent_share else random.choice(traffic.menu_digits),
        thinking_s=random.expovariate(1 / THINKING_S),
        patience_s=random.expovariate(1 / traffic.patience_mean_s),
        talk_s=random.lognormvariate(math.log(traffic.talk_median_s), traffic.talk_sigma),
        words=random.choice(OPENING_WORDS.get(language, OPENING_WORDS["en"])),
    )


def _draw_caller(traffic: Traffic, random: Random) -> str | None:
    chance = random.random()
    if chance < traffic.withheld_share:
        return None
    if chance < traffic.withheld_share + traffic.stranger_share or not traffic.callers:
        return STRANGER_NUMBERS.format(random.randrange(10_000_000))
    return random.choice(traffic.callers)


class Arrivals:
    """Lets customers arrive at exponential distances (Poisson), at a rate that can be changed at any time."""

    def __init__(self, pace: Pace, living_max: int, customer: Callable[[], Awaitable[None]]) -> None:
        self._pace = pace
        self._living_max = living_max
        self._customer = customer
        self._living: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self.per_minute = 0.0
        self.arrived = 0
        self.turned_away = 0

    @property
    def living(self) -> int:
        """Customers who are there now."""
        return len(self._living)

    def set_rate(self, per_minute: float) -> None:
        """Arrivals per pretend minute; 0 stops them, and those who are there stay."""
        self.per_minute = per_minute
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._arrive()) if per_minute > 0 else None

    async def close(self) -> None:
        """Stop arrivals and customers."""
        tasks = [*self._living, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None

    async def _arrive(self) -> None:
        while True:
            await self._pace.rest(self._pace.random.expovariate(self.per_minute / 60))
            self.arrived += 1
            if len(self._living) >= self._living_max:
                self.turned_away += 1
                continue
            task = asyncio.ensure_future(self._customer())
            self._living.add(task)
            task.add_done_callback(self._living.discard)


class CallCustomers:
    """Background callers of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._traffic = exchange.settings.traffic
        self._languages = {
            person.number: person.language
            for person in exchange.settings.people
            if person.number is not None and person.language is not None
        }
        self._arrivals = Arrivals(exchange.pace, self._traffic.living_max, self._call)
        self._outcomes = {"talked": 0, "gave_up": 0, "sent_away": 0, "no_route": 0}
        self._called_back = CalledBack(exchange, self._traffic.callback_share, self._traffic.answer_share)

    def set_rate(self, calls_per_minute: float) -> None:
        """Arrivals per pretend minute."""
        self._arrivals.set_rate(calls_per_minute)

    def counts(self) -> dict[str, Any]:
        """How it goes so far. `sent_away`: the desk ended the call before anybody talked."""
        arrivals = self._arrivals
        return {
            "calls_per_minute": arrivals.per_minute,
            "living": arrivals.living,
            "arrived": arrivals.arrived,
            "turned_away": arrivals.turned_away,
            **self._outcomes,
            **self._called_back.counts,
        }

    async def close(self) -> None:
        """Everybody goes home."""
        await self._arrivals.close()
        await self._called_back.close()

    async def _call(self) -> None:
        mood = draw_mood(self._traffic, self._exchange.pace.random, self._languages)
        try:
            leg = self._exchange.place_call(mood.caller, self._traffic.to)
        except NoSuchRouteError:
            self._outcomes["no_route"] += 1
            return
        customer = CallCustomer(self._exchange, leg, mood, self._called_back)
        self._outcomes[await customer.live()] += 1
        if customer.asked and mood.caller is not None:
            self._called_back.waits(mood.caller, lambda leg: self._talk(leg, mood))

    async def _talk(self, leg: Leg, mood: Mood) -> None:
        """With one who was called back: they wait for no longer than they talk."""
        self._outcomes[await CallCustomer(self._exchange, leg, replace(mood, digit=None)).live()] += 1


class CallCustomer:
    """One caller with a mood. `live` ends when the call does, and says how it went."""

    def __init__(
        self, exchange: Exchange, leg: Leg, mood: Mood, called_back: "CalledBack | None" = None
    ) -> None:
        self._exchange = exchange
        self._leg = leg
        self._mood = mood
        self._called_back = called_back
        self._talked = False
        self.asked = False
        """Whether they would rather be called back, and said so."""
        self._chosen = mood.digit is None

    async def live(self) -> str:
        """Wait within the patience, then talk. Returns talked, gave_up or sent_away."""
        pace = self._exchange.pace
        try:
            async with asyncio.timeout(pace.real(self._mood.patience_s)) as patience:
                async for heard in self._leg.ear.follow():
                    await self._react(heard, patience)
        except TimeoutError:
            self._exchange.hang_up(self._leg)
            return "talked" if self._talked else "gave_up"
        return "talked" if self._talked else "sent_away"

    async def _react(self, heard: Heard, patience: asyncio.Timeout) -> None:
        if heard.kind == "listening" and not self._chosen:
            await self._exchange.pace.rest(self._mood.thinking_s)
            self._chosen = self._leg.press(self._mood.digit or "")
        elif heard.kind == "words" and self._called_back is not None and not self.asked:
            if self._called_back.wants(str(heard.data.get("text", ""))):
                self.asked = self._leg.press(KEY)
        elif heard.kind == "conference" and heard.data.get("started") and not self._talked:
            self._talked = True
            loop = asyncio.get_running_loop()
            patience.reschedule(loop.time() + self._exchange.pace.real(self._mood.talk_s))
            if self._leg.participant is not None:
                self._leg.participant.conference.say(self._leg, self._mood.words)
