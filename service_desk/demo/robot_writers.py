"""People who mail and text by themselves: a question out of the scenarios, replies to answers, now and then a photo.

They stand on the customers' side: what they write goes by the pretend carrier, and what they get is read there.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import aiohttp
import structlog
from pydantic import BaseModel, ConfigDict, Field

from service_desk.demo.chance import Random
from service_desk.demo.robot_console import Pace
from service_desk.demo.robot_faults import Faults
from service_desk.demo.robot_words import facts, letter, photo, phrases, scenario_for, typing_s
from service_desk.demo.words import LANGUAGES, MAIL_HOSTS, PLAIN, Scenario, language

STRANGER_SHARE = 0.2
PHOTO_SHARE = 0.25
"""Mails that begin something and bring a file."""
PICTURE_SHARE = 0.1
"""Texts that bring a picture."""
REPLY_SHARE = 0.75
"""Answers to which their customer writes again."""
STOP_SHARE = 0.15
"""Texting strangers who want no more texts in the end; customers whom a person may play never do."""
THINKING_S = (6.0, 25.0)
ANSWER_S = 15.0
LOOK_AGAIN_S = 2.0
EVENT_BYTES = 2_000_000
"""One line of an event stream: a whole mail may stand in it."""
AREAS = ("206", "303", "415", "503", "617", "702")
"""Their numbers 555-0100 to 555-0199 are kept for fiction."""

log = structlog.get_logger(__name__)


class Refused(Exception):
    """The carrier said no."""


class Writer(BaseModel):
    """Somebody who may mail or text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    mailbox: str | None = None
    number: str | None = None
    language: str | None = None


class WriterTraffic(BaseModel):
    """Who writes, and how often. Times are seconds of a human day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    carrier: str = Field(description="The pretend carrier's address.")
    mails_per_minute: float = Field(default=0.0, ge=0, le=600)
    texts_per_minute: float = Field(default=0.0, ge=0, le=600)
    most: int = Field(default=0, ge=0, description="Stop after so many of each; 0: never.")
    living_max: int = Field(default=30, ge=1, le=1_000)
    patience_mean_s: float = Field(default=600.0, gt=0)
    people: tuple[Writer, ...] = ()


class RobotWriters:
    """Lets correspondences begin at exponential distances, and counts how they ended."""

    def __init__(self, traffic: WriterTraffic, *, pace: Pace, random: Random, faults: Faults) -> None:
        self._traffic = traffic
        self._pace = pace
        self._random = random
        self._faults = faults
        self._living: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()
        self.outcomes: dict[str, int] = {}

    async def run(self) -> None:
        """Until it is cancelled, or `most` of each kind are over."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_S)
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout, read_bufsize=EVENT_BYTES
        ) as http:
            try:
                async with asyncio.TaskGroup() as group:
                    for kind, per_minute in (
                        (Mailing, self._traffic.mails_per_minute),
                        (Texting, self._traffic.texts_per_minute),
                    ):
                        chance = Random(f"{self._random.random()}-{kind.__name__}")
                        group.create_task(self._arrivals(kind, per_minute, chance, http))
                await asyncio.gather(*self._living)
            finally:
                for task in self._living:
                    task.cancel()
                await asyncio.gather(*self._living, return_exceptions=True)

    async def _arrivals(
        self, kind: "type[Mailing | Texting]", per_minute: float, random: Random, http: aiohttp.ClientSession
    ) -> None:
        arrived = 0
        while per_minute and (not self._traffic.most or arrived < self._traffic.most):
            await self._pace.rest(random.expovariate(per_minute / 60))
            arrived += 1
            own = Random(f"{random.random()}-{arrived}")
            person, known = self._person(kind, own)
            if len(self._living) < self._traffic.living_max and person.name not in self._busy:
                task = asyncio.create_task(
                    self._live(kind(self._traffic, person, http, known=known, pace=self._pace, random=own))
                )
                self._living.add(task)
                task.add_done_callback(self._living.discard)

    async def _live(self, one: "Mailing | Texting") -> None:
        self._busy.add(one.person.name)
        try:
            outcome = await one.live()
        except (aiohttp.ClientError, TimeoutError, OSError, Refused) as error:
            outcome = "lost"
            self._faults.lost(error)
        except Exception as error:  # noqa: BLE001 - told once, and the next customer comes
            outcome = "stumbled"
            self._faults.stumbled(error)
        finally:
            self._busy.discard(one.person.name)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        log.info("robot correspondence over", kind=type(one).__name__, outcome=outcome)

    def _person(self, kind: "type[Mailing | Texting]", random: Random) -> tuple[Writer, bool]:
        """Somebody whom the desk knows, or a stranger: (who, known)."""
        able = [
            each
            for each in self._traffic.people
            if getattr(each, kind.address) is not None and each.name not in self._busy
        ]
        if able and random.random() >= STRANGER_SHARE:
            return random.choice(able), True
        return stranger(random), False


def stranger(random: Random) -> Writer:
    """Somebody whom nobody knows, with a mailbox and a number that nobody has."""
    code = random.choice(LANGUAGES)
    names = language(code).names
    first, last = random.choice(names.first), random.choice(names.last)
    plain = f"{first}.{last}".casefold().replace(" ", ".").translate(PLAIN)
    return Writer(
        name=f"{first} {last}",
        mailbox=f"{plain}.{random.randrange(10, 100)}@{random.choice(MAIL_HOSTS)}",
        number=f"+1{random.choice(AREAS)}55501{random.randrange(100):02d}",
        language=code,
    )


class _Correspondence:
    """What mailing and texting share: the words, waiting for answers, the carrier's control API."""

    def __init__(
        self,
        traffic: WriterTraffic,
        person: Writer,
        http: aiohttp.ClientSession,
        *,
        known: bool,
        pace: Pace,
        random: Random,
    ) -> None:
        code = (person.language or "en")[:2]
        self._code = code if code in LANGUAGES else "en"
        self._traffic = traffic
        self._http = http
        self._known = known
        self._pace = pace
        self._random = random
        self.person = person

    def _plan(self) -> tuple[Scenario, dict[str, str], list[str]]:
        """A scenario, its facts, and what the customer will say: thanks at the end if the agent has the last word."""
        scenario = scenario_for(self._code, None, self._random)
        first = self.person.name.split(" ")[0]
        values = facts(self._code, scenario, self._random, self._pace.clock.now(), first)
        lines = [line.format_map(values) for line in scenario.talk[::2]]
        if len(scenario.talk) % 2 == 0:
            lines.append(self._random.choice(phrases(self._code)["thanks"]))
        return scenario, values, lines

    async def _think(self, text: str) -> None:
        await self._pace.rest(self._random.uniform(*THINKING_S) + typing_s(text))

    def _patience(self) -> float:
        """Real seconds until this customer stops looking for an answer."""
        return self._pace.real(self._random.expovariate(1 / self._traffic.patience_mean_s) + 60)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        async with asyncio.timeout(ANSWER_S):
            async with self._http.request(
                method, f"{self._traffic.carrier}/control{path}", json=body
            ) as answer:
                given = await answer.json(content_type=None)
                if answer.status >= 300:
                    raise Refused(f"{method} {path}: {answer.status} {given}")
                return given

    async def _until(
        self, path: str, after: int, wanted: Callable[[dict[str, Any]], bool], within_s: float
    ) -> tuple[int, dict[str, Any]] | None:
        """The first event of a stream after this number that is wanted, with its number; None when the time is over."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    async with contextlib.aclosing(self._events(path, after)) as events:
                        async for number, event in events:
                            after = number
                            if wanted(event):
                                return number, event
                    await self._pace.rest(LOOK_AGAIN_S)
        except TimeoutError:
            return None

    async def _events(self, path: str, after: int) -> AsyncGenerator[tuple[int, dict[str, Any]], None]:
        """Server-Sent Events: (number, data), until the stream ends."""
        url = f"{self._traffic.carrier}/control{path}/events"
        async with self._http.get(url, params={"last_event_id": after}) as answer:
            if answer.status != 200:
                raise Refused(f"GET {path}/events: {answer.status}")
            number = after
            async for raw in answer.content:
                name, _, value = raw.decode().rstrip("\r\n").partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "data":
                    yield number, json.loads(value)


class Mailing(_Correspondence):
    """One thread of mails."""

    address = "mailbox"

    async def live(self) -> str:
        """From the first mail to the last answer. Returns served, content or unanswered."""
        box = self.person.mailbox
        assert box is not None, "only who has a mailbox is asked to mail"
        scenario, values, lines = self._plan()
        after = max(
            (mail["number"] for mail in (await self._ask("GET", f"/mailboxes/{box}"))["mails"]), default=0
        )
        await self._send(box, lines[0], subject=scenario.subject.format_map(values))
        for line in (*lines[1:], None):
            found = await self._until(
                f"/mailboxes/{box}", after, lambda mail: not mail["automatic"], self._patience()
            )
            if found is None:
                return "unanswered"
            after, answer = found
            if line is None or self._random.random() >= REPLY_SHARE:
                return "served" if line is None else "content"
            await self._send(box, line, answers=answer["number"])
        return "served"

    async def _send(self, box: str, line: str, *, subject: str = "", answers: int | None = None) -> None:
        lines, files = [line], []
        if answers is None and self._random.random() < PHOTO_SHARE:
            words = phrases(self._code)
            lines.append(self._random.choice(words["enclosed"]))
            content = base64.b64encode(photo(self._random)).decode()
            files.append({"name": words["photo"][0], "media_type": "image/png", "content": content})
        text = letter(self._code, self._random, "", lines, self.person.name)
        await self._think(text)
        wish = {"from": box, "name": self.person.name, "subject": subject, "text": text, "attachments": files}
        await self._ask("POST", "/mails", wish | ({"answers": answers} if answers is not None else {}))


class Texting(_Correspondence):
    """One exchange of texts."""

    address = "number"

    async def live(self) -> str:
        """From the first text to the last answer. Returns served, content, stopped or unanswered."""
        number = self.person.number
        assert number is not None, "only who has a telephone is asked to text"
        _, _, lines = self._plan()
        after = (await self._ask("GET", f"/texts/{number}"))["last"]
        await self._send(number, lines[0], picture=self._random.random() < PICTURE_SHARE)
        seen = set[str]()
        for line in (*lines[1:], None):
            found = await self._until(
                f"/texts/{number}", after, lambda text: self._is_answer(text, seen), self._patience()
            )
            if found is None:
                return "unanswered"
            after, answer = found
            seen.add(answer["message_sid"])
            if line is None or self._random.random() >= REPLY_SHARE:
                return await self._finish(number, "served" if line is None else "content")
            await self._send(number, line)
        return "served"

    @staticmethod
    def _is_answer(text: dict[str, Any], seen: set[str]) -> bool:
        """An agent's words that have arrived, and are new."""
        fresh = text["arrived"] and text["message_sid"] not in seen
        return bool(fresh and not text["incoming"] and not text["by_carrier"])

    async def _finish(self, number: str, outcome: str) -> str:
        if self._known or self._random.random() >= STOP_SHARE:
            return outcome
        await self._send(number, "STOP")
        return "stopped"

    async def _send(self, number: str, text: str, *, picture: bool = False) -> None:
        media = []
        if picture:
            data = base64.b64encode(photo(self._random)).decode()
            media.append({"media_type": "image/png", "data": data})
        await self._think(text)
        await self._ask("POST", "/texts", {"from": number, "text": text, "media": media})
