"""Customers and agents, each with a generator of their own. The agents are the demo's robots with worse habits."""

import asyncio
import base64
from random import Random
from typing import Any
from unittest.mock import patch

from channels.contract import OutcomeUnknown, SendFailed
from channels.simulator.exchange import Exchange
from channels.simulator.mailboxes import Desk as MailDesk
from channels.simulator.mailboxes import Mailboxes, NewMail
from channels.simulator.messaging import BusyError
from service_desk.demo import robot_agent
from service_desk.demo.robot_agent import RobotAgent, Team
from service_desk.demo.robot_console import Console, Pace
from service_desk.demo.robot_faults import Faults
from service_desk.demo.robot_words import facts, letter, phrases, scenario_for
from service_desk.ports import Clock
from tests.simulation.sockets import SocketClient

HABITS = ("ready", "ready", "ready", "ready", "slow", "ready", "declines", "ready", "silent")
"""By turns: how an agent takes offers."""
SILENT_SHARE, DECLINE_SHARE = 0.5, 0.4
SLOW_S = (8.0, 21.0)
"""Around the end of an offer's ringing: some accepts come too late."""
LOOK_S = 5.0
CUSTOMERS = 60
"""Known writers of each kind: they come again."""


class DeskConsole(Console):
    """The robots' console, whose softphone is connected to the pretend carrier without a proxy between."""

    exchange: Exchange

    async def dial(self, interaction_id: str) -> str:
        token = await self.ask("POST", "/softphone/token", {})
        leg = self.exchange.dial_from_softphone(token["token"], {"interaction_id": interaction_id})
        return leg.sid

    async def say_aloud(self, leg: str, text: str) -> None:
        living = self.exchange.legs.get(leg)
        if living is not None and living.participant is not None:
            living.participant.conference.say(living, text)

    def crash(self) -> None:
        """The browser is gone without a word; the robot opens it again."""
        if isinstance(self._io, SocketClient):
            self._io.vanish()


class Colleague(RobotAgent):
    """A robot with a habit."""

    habit = "ready"

    async def _consider(self, offer: dict[str, Any]) -> None:
        chance, path = self._random.random(), f"/offers/{offer['id']}"
        if self.habit == "silent" and chance < SILENT_SHARE:
            await self._console.until(lambda: offer["id"] not in self._console.state["offers"], 60.0)
        elif self.habit == "declines" and chance < DECLINE_SHARE:
            reason = self._random.choice(self._console.ids("decline_reasons"))
            await self._console.ask("POST", f"{path}/decline", {"reason": reason})
        elif self.habit == "slow":
            await self._pace.rest(self._random.uniform(*SLOW_S))
            await self._console.ask("POST", f"{path}/accept", {})
        else:
            await super()._consider(offer)

    @property
    def console(self) -> DeskConsole:
        assert isinstance(self._console, DeskConsole)
        return self._console


class HeardFaults(Faults):
    """What robots stumble over is a fault of theirs or of the desk's: it ends the simulation."""

    def __init__(self) -> None:
        super().__init__()
        self.stumbles: list[str] = []

    def stumbled(self, error: Exception) -> None:
        self.stumbles.append(f"{type(error).__name__}: {error}")
        super().stumbled(error)


def hire(
    base: str, logins: list[str], password: str, clock: Clock, exchange: Exchange, faults: Faults, seed: int
) -> list[Colleague]:
    """One robot for each login."""
    DeskConsole.exchange = exchange
    pace, team = Pace(clock, 1.0), Team(len(logins), clock)
    hired = []
    with patch.object(robot_agent, "Console", DeskConsole):
        for number, login in enumerate(logins):
            chance = Random(f"{seed}/agent/{login}")
            one = Colleague(base, login, password, pace=pace, random=chance, team=team, faults=faults)
            one.habit = HABITS[number % len(HABITS)]
            hired.append(one)
    return hired


# --- writers ----------------------------------------------------------------------------------------------------------


class Texter:
    """Somebody with a telephone: writes, reads the answers, thanks or asks to be left alone."""

    def __init__(self, exchange: Exchange, clock: Clock, number: str, random: Random) -> None:
        self._exchange = exchange
        self._clock = clock
        self._number = number
        self._random = random

    async def live(self) -> None:
        random = self._random
        scenario = scenario_for("en", None, random)
        values = facts("en", scenario, random, self._clock.now(), "")
        lines = [line.format_map(values) for line in scenario.talk[::2]]
        for line in [*lines, random.choice(phrases("en")["thanks"])]:
            if not self._say(line) or not await self._answered():
                return
        if random.random() < 0.1:
            self._say("STOP")
            await asyncio.sleep(random.uniform(60, 600))
            self._say("START")

    def _say(self, words: str) -> bool:
        try:
            self._exchange.messaging.text(self._number, None, words)
        except BusyError:
            return False
        return True

    async def _answered(self) -> bool:
        """Whether an answer came within their patience."""
        before = len(self._theirs())
        for _ in range(int(self._random.expovariate(1 / 900) / LOOK_S) + 12):
            await asyncio.sleep(LOOK_S)
            if len(self._theirs()) > before:
                await asyncio.sleep(self._random.uniform(3, 40))
                return True
        return False

    def _theirs(self) -> list[Any]:
        book = self._exchange.messaging.book
        return [one for one in book.thread(self._number) if not one.incoming and not one.by_carrier]


class Mailer:
    """Somebody with a mailbox: writes, and answers once or twice. `ports` says where the desk takes mail now."""

    def __init__(
        self, mailboxes: Mailboxes, ports: Any, clock: Clock, address: str, ours: str, random: Random
    ) -> None:
        self._mailboxes = mailboxes
        self._ports = ports
        self._clock = clock
        self._address = address
        self._ours = ours
        self._random = random

    async def live(self) -> None:
        random = self._random
        scenario = scenario_for("en", None, random)
        values = facts("en", scenario, random, self._clock.now(), "")
        lines = [line.format_map(values) for line in scenario.talk[::2]]
        answers = None
        for line in [*lines, random.choice(phrases("en")["thanks"])][:3]:
            known = self._mailboxes.mails(self._address)
            wish = NewMail.model_validate(
                {
                    "from": self._address,
                    "subject": ""
                    if answers
                    else f"{scenario.subject.format_map(values)} {random.randrange(10_000)}",
                    "text": letter("en", random, "", [line], self._address.partition("@")[0].title()),
                    "answers": answers,
                }
            )
            await self._send(wish)
            answers = await self._answered(known[-1].number if known else 0)
            if answers is None:
                return

    async def _send(self, wish: NewMail) -> None:
        """As mail servers do: the same mail again until it is taken."""
        written = self._mailboxes._written(wish, MailDesk(port=1, mailboxes=(self._ours,)))
        raw = base64.b64encode(written.message).decode()
        mail = NewMail.model_validate({"from": self._address, "to": self._ours, "raw": raw})
        wait = 5.0
        while True:
            port = self._ports()
            if port is not None:
                self._mailboxes.desk = MailDesk(port=port, mailboxes=(self._ours,))
                try:
                    await self._mailboxes.send(mail)
                except (SendFailed, OutcomeUnknown):
                    pass
                else:
                    return
            await asyncio.sleep(wait * self._random.uniform(0.8, 1.2))
            wait = min(wait * 2, 300)

    async def _answered(self, after: int) -> int | None:
        for _ in range(int(self._random.expovariate(1 / 1800) / LOOK_S) + 60):
            await asyncio.sleep(LOOK_S)
            new = self._mailboxes.mails(self._address, after)
            if new:
                await asyncio.sleep(self._random.uniform(10, 120))
                return new[-1].number
        return None
