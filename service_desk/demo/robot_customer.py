"""People who open a chat by themselves: a question out of the scenarios, patience, several lines, a goodbye."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import aiohttp
import socketio
import structlog
from pydantic import BaseModel, ConfigDict, Field
from socketio.exceptions import SocketIOError

from service_desk.demo.chance import Random
from service_desk.demo.robot_console import GOODBYE_S, Pace
from service_desk.demo.robot_faults import Faults
from service_desk.demo.robot_words import facts, phrases, scenario_for, typing_s
from service_desk.demo.words import LANGUAGES
from service_desk.ids import new_id

STRANGER_SHARE = 0.2
SPLIT_SHARE = 0.15
"""Lines that come as two messages."""
LEAVE_SHARE = 0.1
"""Conversations that their customer leaves in the middle."""
ANSWER_S = 15.0
TALK_PATIENCE_S = 180.0
OVER = ("ended", "offline")

log = structlog.get_logger(__name__)


class ChatPerson(BaseModel):
    """Somebody who may chat."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    mailbox: str | None = None
    language: str | None = None


class ChatTraffic(BaseModel):
    """Who chats, and how often. Times are seconds of a human day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widget: str
    per_minute: float = Field(default=0.0, ge=0, le=600)
    most: int = Field(default=0, ge=0, description="Stop after so many; 0: never.")
    living_max: int = Field(default=40, ge=1, le=1_000)
    patience_mean_s: float = Field(default=240.0, gt=0)
    topics: dict[str, str] = Field(default_factory=dict, description="Queue by topic of the widget.")
    people: tuple[ChatPerson, ...] = ()


class RobotCustomers:
    """Lets chats begin at exponential distances, and counts how they ended."""

    def __init__(
        self, base: str, traffic: ChatTraffic, *, pace: Pace, random: Random, faults: Faults
    ) -> None:
        self._base = base
        self._traffic = traffic
        self._pace = pace
        self._random = random
        self._faults = faults
        self._living: set[asyncio.Task[None]] = set()
        self._tokens: dict[str, str] = {}
        self.outcomes: dict[str, int] = {}

    async def run(self) -> None:
        """Until it is cancelled or `most` chats are over."""
        arrived = 0
        http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())  # visitors have no cookies
        try:
            while self._traffic.per_minute and (not self._traffic.most or arrived < self._traffic.most):
                await self._pace.rest(self._random.expovariate(self._traffic.per_minute / 60))
                arrived += 1
                if len(self._living) < self._traffic.living_max:
                    task = asyncio.create_task(self._live(arrived, http))
                    self._living.add(task)
                    task.add_done_callback(self._living.discard)
            await asyncio.gather(*self._living)
        finally:
            for task in self._living:
                task.cancel()
            await asyncio.gather(*self._living, return_exceptions=True)
            await http.close()

    async def _live(self, number: int, http: aiohttp.ClientSession) -> None:
        random = Random(f"{self._random.random()}-{number}")
        person = self._person(random)
        customer = ChatCustomer(self._base, self._traffic, person, http, pace=self._pace, random=random)
        customer.token = self._tokens.get(person.name) if person is not None else None
        try:
            outcome = await customer.live()
        except (SocketIOError, aiohttp.ClientError, TimeoutError, OSError) as error:
            outcome = "lost"
            self._faults.lost(error)
        except Exception as error:  # noqa: BLE001 - told once, and the next customer comes
            outcome = "stumbled"
            self._faults.stumbled(error)
        if person is not None and customer.token is not None:
            self._tokens[person.name] = customer.token
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        log.info("robot chat over", outcome=outcome)

    def _person(self, random: Random) -> ChatPerson | None:
        if not self._traffic.people or random.random() < STRANGER_SHARE:
            return None
        return random.choice(self._traffic.people)


class ChatCustomer:
    """One chat, as the widget would hold it."""

    def __init__(
        self,
        base: str,
        traffic: ChatTraffic,
        person: ChatPerson | None,
        http: aiohttp.ClientSession,
        *,
        pace: Pace,
        random: Random,
    ) -> None:
        code = (person.language if person is not None else None) or random.choice(LANGUAGES)
        self._code = code[:2] if code[:2] in LANGUAGES else "en"
        self._base = base
        self._traffic = traffic
        self._person = person
        self._pace = pace
        self._random = random
        self._io = socketio.AsyncClient(reconnection=False, http_session=http, handle_sigint=False)
        self._moved = asyncio.Event()
        self._gone = False
        self._status: dict[str, Any] = {"state": "new"}
        self._entries: dict[int, dict[str, Any]] = {}
        self.token: str | None = None

    async def live(self) -> str:
        """From the first words to the last. Returns served, gave_up, left, offline or silent."""
        for name, handler in (
            ("chat", self._on_chat),
            ("entry", self._on_entry),
            ("status", self._on_status),
            ("disconnect", self._on_gone),
        ):
            self._io.on(name, handler)
        auth = {"widget": self._traffic.widget} | ({"token": self.token} if self.token else {})
        await self._io.connect(
            self._base,
            socketio_path="chat",
            transports=["websocket"],
            auth=auth,
            headers={"Origin": self._base},
            wait_timeout=ANSWER_S,
        )
        try:
            await self._until(lambda: self.token is not None, ANSWER_S)
            return await self._converse()
        finally:
            with contextlib.suppress(TimeoutError):  # a desk that is gone says no goodbye
                async with asyncio.timeout(GOODBYE_S):
                    await self._io.disconnect()

    async def _converse(self) -> str:
        topic, queue = self._random.choice(sorted(self._traffic.topics.items()) or [(None, None)])
        scenario = scenario_for(self._code, queue, self._random)
        first = self._person.name.split(" ")[0] if self._person is not None else ""
        values = facts(self._code, scenario, self._random, self._pace.clock.now(), first)
        lines = [line.format_map(values) for line in scenario.talk[::2]]
        await self._open(lines[0], topic)
        patience = self._pace.real(self._random.expovariate(1 / self._traffic.patience_mean_s) + 20)
        await self._until(lambda: self._status["state"] in ("active", *OVER), patience)
        if self._status["state"] == "offline":
            return "offline"
        if self._status["state"] != "active":
            await self._act("close", {})
            return "gave_up"
        if len(scenario.talk) % 2 == 0:  # the agent has the scenario's last word: we thank them for it
            lines.append(self._random.choice(phrases(self._code)["thanks"]))
        return await self._go_on(lines[1:])

    async def _go_on(self, lines: list[str]) -> str:
        """Say the other lines, each after an answer, unless they leave in the middle."""
        leaving_at = self._random.randrange(len(lines)) if self._random.random() < LEAVE_SHARE else None
        for at, line in enumerate(lines):
            if not await self._answered():
                return "served" if self._status["state"] in OVER else "silent"
            if at == leaving_at:
                await self._act("close", {})
                return "left"
            await self._say(line)
        return await self._leave()

    async def _leave(self) -> str:
        """Wait for the farewell and the end; who is left alone closes the page."""
        if not await self._until(lambda: self._status["state"] in OVER, self._pace.real(TALK_PATIENCE_S)):
            await self._act("close", {})
        return "served"

    async def _answered(self) -> bool:
        """Whether an agent writes while we have patience; after half of it we ask for them."""
        answered = self._probe_answer()
        half = self._pace.real(TALK_PATIENCE_S / 2)
        if not await self._until(answered, half) and self._status["state"] == "active":
            await self._say(self._random.choice(phrases(self._code)["nudge"]))
            await self._until(self._probe_answer(), half)
        return self._status["state"] == "active" and self._probe_answer()() is not None

    def _probe_answer(self) -> Callable[[], str | None]:
        """What happened since our newest line: an agent wrote, or it is over."""

        def probe() -> str | None:
            if self._status["state"] in OVER:
                return "over"
            lines = [entry for _, entry in sorted(self._entries.items()) if entry["author"] != "system"]
            return "answer" if lines and lines[-1]["author"] == "agent" else None

        return probe

    # --- the widget's protocol ----------------------------------------------------------------------------------

    async def _open(self, text: str, topic: str | None) -> None:
        body: dict[str, Any] = {"text": text, "language": self._code, "page": f"{self._base}/simulator"}
        if self._person is not None:
            body["name"] = self._person.name
            if self._person.mailbox is not None:
                body["mailbox"] = self._person.mailbox
        if topic is not None:
            body["topic"] = topic
        await self._pace.rest(typing_s(text))
        answer = await self._act("open", body)
        await self._on_chat(answer["chat"])

    async def _say(self, text: str) -> None:
        """Write a line after the time that it takes; sometimes as two."""
        cut = text.find(". ") + 1
        parts = [text[:cut], text[cut:].strip()] if cut and self._random.random() < SPLIT_SHARE else [text]
        for part in parts:
            await self._pace.rest(typing_s(part))
            if self._status["state"] != "active":
                return
            answer = await self._act("say", {"text": part})
            await self._on_entry(answer["entry"])

    async def _act(self, event: str, body: dict[str, Any]) -> dict[str, Any]:
        """An event with its answer; a refusal raises ConnectionError: the chat is over for this person."""
        key = new_id("key", self._pace.clock.now())
        answer: dict[str, Any] = await self._io.call(event, {**body, "key": key}, timeout=ANSWER_S)
        if not answer.get("ok"):
            raise ConnectionError(f"{event} refused: {answer.get('error')}")
        return answer

    async def _on_chat(self, view: dict[str, Any]) -> None:
        self.token = view["token"]
        self._status = view["status"]
        self._entries = {entry["seq"]: entry for entry in view["entries"]}
        self._tell()

    async def _on_entry(self, entry: dict[str, Any]) -> None:
        self._entries[entry["seq"]] = entry
        self._tell()

    async def _on_status(self, status: dict[str, Any]) -> None:
        self._status = status
        self._tell()

    async def _on_gone(self, *_: Any) -> None:
        self._gone = True
        self._tell()

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _until(self, probe: Callable[[], Any], within_s: float) -> bool:
        """Whether the probe became true in time. ConnectionError when the socket closed."""
        deadline = self._pace.clock.monotonic() + within_s
        while not probe():
            left = deadline - self._pace.clock.monotonic()
            if self._gone:
                raise ConnectionError("the socket closed")
            if left <= 0:
                return False
            moved = self._moved
            try:
                async with asyncio.timeout(left):
                    await moved.wait()
            except TimeoutError:
                return bool(probe())
        return True
