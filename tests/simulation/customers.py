"""Lets customers come, by every channel, at exponential distances."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

from channels.simulator.called_back import CalledBack
from channels.simulator.customers import CallCustomer, Mood, draw_mood
from channels.simulator.exchange import Exchange
from channels.simulator.legs import Leg
from channels.simulator.mailboxes import Mailboxes
from channels.simulator.settings import NoSuchRouteError
from service_desk.demo.robot_console import Pace
from service_desk.demo.robot_customer import ChatPerson, ChatTraffic, RobotCustomers
from service_desk.demo.robot_faults import Faults
from service_desk.ports import Clock
from tests.simulation import people
from tests.simulation.chance import stream
from tests.simulation.settings import DESK, NUMBER, OURS

SHARES = {"phone": 0.4, "chat": 0.2, "mail": 0.15, "text": 0.25}
"""Of the contacts that begin, by channel."""
TOPICS = {"appliance": "service", "buying": "sales", "invoice": "billing", "repair": "repair"}


class Customers:
    """All who come. `mail_port` says where the desk takes mail now; `broken` gets what they stumble over."""

    def __init__(
        self,
        seed: int,
        clock: Clock,
        exchange: Exchange,
        mailboxes: Mailboxes,
        mail_port: Callable[[], int | None],
        broken: list[str],
        faults: Faults,
    ) -> None:
        self._seed = seed
        self._clock = clock
        self._exchange = exchange
        self._mailboxes = mailboxes
        self._mail_port = mail_port
        self._broken = broken
        self._faults = faults
        self._living: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()
        self._called_back = CalledBack(exchange, share=0.5, answer_share=0.7)

    @property
    def any(self) -> bool:
        """Whether somebody is still there who phoned, mailed or texted."""
        return bool(self._living)

    async def come(self, per_hour: float) -> None:
        """Until it is cancelled; who is there then stays."""
        rates = {name: share * per_hour / 3600 for name, share in SHARES.items()}
        async with asyncio.TaskGroup() as group:
            for name, customer in (("phone", self._call), ("mail", self._mail), ("text", self._text)):
                group.create_task(self._arrive(name, rates[name], customer))
            group.create_task(self._chats(rates["chat"] * 60))

    async def _arrive(
        self, name: str, per_second: float, customer: Callable[[Random], Awaitable[None]]
    ) -> None:
        chance, arrived = stream(self._seed, f"arrivals/{name}"), 0
        while True:
            await asyncio.sleep(chance.expovariate(per_second))
            arrived += 1
            self.counts[name] += 1
            task = asyncio.ensure_future(customer(stream(self._seed, f"{name}/{arrived}")))
            self._living.add(task)
            task.add_done_callback(self._left)

    def _left(self, task: "asyncio.Task[None]") -> None:
        self._living.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken.append(f"a customer stumbled: {task.exception()!r}")

    async def _call(self, chance: Random) -> None:
        mood = draw_mood(self._exchange.settings.traffic, chance)
        try:
            leg = self._exchange.place_call(mood.caller, NUMBER)
        except NoSuchRouteError:
            return
        customer = CallCustomer(self._exchange, leg, mood, self._called_back)
        self.counts[await customer.live()] += 1
        if customer.asked and mood.caller is not None:
            self._called_back.waits(mood.caller, lambda leg: self._talk(leg, mood))

    async def _talk(self, leg: Leg, mood: Mood) -> None:
        """With somebody who was called back."""
        self.counts[await CallCustomer(self._exchange, leg, replace(mood, digit=None)).live()] += 1

    async def _text(self, chance: Random) -> None:
        number = f"+1206555{chance.randrange(100, 100 + people.CUSTOMERS):04d}"
        await people.Texter(self._exchange, self._clock, number, chance).live()

    async def _mail(self, chance: Random) -> None:
        address = f"person{chance.randrange(people.CUSTOMERS)}@example.org"
        await people.Mailer(self._mailboxes, self._mail_port, self._clock, address, OURS, chance).live()

    async def _chats(self, per_minute: float) -> None:
        known = tuple(ChatPerson(name=f"Guest {n}", mailbox=f"guest{n}@example.org") for n in range(40))
        traffic = ChatTraffic(widget="demo", per_minute=per_minute, topics=TOPICS, people=known)
        chance = stream(self._seed, "chats")
        pace = Pace(self._clock, 1.0)
        await RobotCustomers(DESK, traffic, pace=pace, random=chance, faults=self._faults).run()
