"""A colleague who works by themselves: takes offers, talks, writes, notes, wraps up, and has a break."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from socketio.exceptions import SocketIOError as SocketError

from service_desk.clock import SECOND, Micros
from service_desk.demo.chance import Random
from service_desk.demo.robot_console import Console, Lost, Pace, Problem
from service_desk.demo.robot_faults import Faults
from service_desk.demo.robot_words import Reply, is_thanks, letter, phrases, reply_in, reply_to, typing_s
from service_desk.demo.words import LANGUAGES
from service_desk.ports import Clock

# Habits. Times are in seconds of a human day.
EXPIRE_SHARE = 0.03
DECLINE_SHARE = 0.04
NOTE_SHARE = 0.35
TICKET_SHARE = 0.25
SPEAK_SHARE = 0.6
BREAK_EVERY_S = 720.0
BREAK_MEDIAN_S = 90.0
TALK_MEDIAN_S = 55.0
TALK_SIGMA = 0.5
SPEAK_EVERY_S = 11.0
CONNECT_S = 30.0
CALLBACK_S = 180.0
"""How long somebody who is called back may take to answer, at most."""
SILENCE_S = 75.0
SILENCES = 2
QUIET_S = 240.0
"""After so long without a word from the customer a robot ends what it has parked."""
READING_S = (3.0, 9.0)
COMING_BACK_S = (8.0, 35.0)
RETRY_S = (1.0, 4.0)
RETRY_MOST_S = 30.0
LOOK_AGAIN_S = 2.0
WAIT_MOST: Micros = 4 * SECOND
"""How long a contact may wait for a person before a robot takes it."""

BREAK_REASONS = ("break", "paperwork", "meeting")
DISPOSITIONS = ("solved", "solved", "informed", "informed", "callback", "ticket")

TROUBLE = (Lost, SocketError, aiohttp.ClientError, TimeoutError, OSError)
"""What a desk that restarts, or a network, may do to us."""


class Team:
    """What the robots know of each other, and of the people among them, from the wallboard."""

    def __init__(self, robots: int, clock: Clock) -> None:
        self._clock = clock
        self._breaks = robots // 4
        self._robots: set[str] = set()
        self._watcher: Console | None = None

    async def join(self, console: Console) -> None:
        """A robot is there; one of all watches the board."""
        self._robots.add(console.agent_id)
        if self._watcher is None:
            self._watcher = console
            await console.watch_board()

    def leave(self, console: Console) -> None:
        if self._watcher is console:
            self._watcher = None

    def begin_break(self) -> bool:
        """Whether one more may go, so that somebody is there."""
        if self._breaks == 0:
            return False
        self._breaks -= 1
        return True

    def end_break(self) -> None:
        self._breaks += 1

    def leaves_it_to_people(self) -> bool:
        """Whether a person is free and nobody has to wait: then the next contact should be theirs."""
        board = self._watcher.board if self._watcher is not None else None
        if board is None:
            return False
        free = any(each["status"] == "ready" and each["id"] not in self._robots for each in board["agents"])
        too_long = self._clock.now() - WAIT_MOST
        firsts = [q[first] for q in board["queues"] for first in ("oldest_at", "oldest_message_at")]
        waits = any(first is not None and first < too_long for first in firsts)
        return free and not waits


class RobotAgent:
    """One login. `run` works until it is cancelled, and comes back after everything that goes wrong."""

    def __init__(
        self, base: str, login: str, password: str, *, pace: Pace, random: Random, team: Team, faults: Faults
    ) -> None:
        self._base = base
        self._login = login
        self._password = password
        self._pace = pace
        self._random = random
        self._team = team
        self._faults = faults
        self._console: Console = Console(base, pace.clock)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._break_due = self._next_break()
        self._by_channel: dict[str, Callable[[str], Awaitable[None]]] = {
            "phone": self._talk,
            "web_chat": self._chat,
            "email": self._correspond,
            "sms": self._correspond,
        }

    async def run(self) -> None:
        """Sign in, connect, work; after a loss again, later each time."""
        async with self._console:
            await self._pace.rest(self._random.uniform(0, 4))
            tries, signed_in = 0, False
            while True:
                try:
                    if not signed_in:
                        await self._console.sign_in(self._login, self._password)
                        signed_in = True
                    await self._console.connect()
                    await self._team.join(self._console)
                    self._faults.connected()
                    tries = 0
                    await self._work()
                except Problem as problem:
                    signed_in = signed_in and problem.status != 401
                    self._faults.refused(problem)
                except TROUBLE as error:
                    self._faults.lost(error)
                except Exception as error:  # noqa: BLE001 - told once, and the robot goes on
                    self._faults.stumbled(error)
                finally:
                    await self._drop_everything()
                tries += 1
                wait = min(self._random.uniform(*RETRY_S) * 2 ** min(tries - 1, 4), RETRY_MOST_S)
                await self._pace.clock.sleep_until(self._pace.clock.now() + round(wait * 1_000_000))

    async def _drop_everything(self) -> None:
        self._team.leave(self._console)
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what to do next ----------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Look, begin what there is to do, wait for a change."""
        while True:
            position = self._console.state["position"]
            self._look()
            await self._console.until(
                lambda seen=position: self._console.state["position"] != seen,  # type: ignore[misc]  # a default argument
                self._pace.real(LOOK_AGAIN_S),
            )

    def _look(self) -> None:
        console = self._console
        for offer in console.state["offers"].values():
            self._begin(offer["id"], lambda offer=offer: self._consider(offer))  # type: ignore[misc]  # as above
        owned = [
            view for view in console.state["interactions"].values() if view["agent_id"] == console.agent_id
        ]
        mine = [view for view in owned if view["state"] != "parked"]
        for view in (*mine, *(view for view in owned if self._is_quiet(view))):
            self._begin(view["id"], lambda view=view: self._serve(view))  # type: ignore[misc]  # as above
        if console.me["state"]["chosen"] == "away":
            self._begin("state", self._come_back)
        elif not mine and not console.state["offers"]:
            if self._team.leaves_it_to_people():
                self._begin("state", self._step_back)
            elif self._pace.clock.monotonic() >= self._break_due:
                self._begin("state", self._take_break)

    def _begin(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Start a piece of work unless it is under way; a refusal ends it, and a look begins it again."""
        if what in self._tasks:
            return

        async def quietly() -> None:
            try:
                await work()
            except Problem as problem:
                self._faults.refused(problem)
                await self._pace.rest(LOOK_AGAIN_S)
            except TROUBLE:  # whoever holds the socket tells it, if it is lost
                await self._pace.rest(LOOK_AGAIN_S)
            except Exception as error:  # noqa: BLE001 - told once, and a look begins it again
                self._faults.stumbled(error)
                await self._pace.rest(LOOK_AGAIN_S)
            finally:
                self._tasks.pop(what, None)

        self._tasks[what] = asyncio.create_task(quietly())

    # --- ready and away -----------------------------------------------------------------------------------------

    def _next_break(self) -> float:
        return self._pace.clock.monotonic() + self._pace.real(
            self._random.expovariate(1 / BREAK_EVERY_S) + 60
        )

    async def _set_state(self, state: str, reason: str | None = None) -> None:
        body = {"state": state} | ({"reason": reason} if reason else {})
        await self._console.ask("PUT", "/me/state", body, version=self._console.me["version"])

    async def _come_back(self) -> None:
        """Ready again: at once in the morning, after a moment when an offer was missed."""
        if self._console.me["state"]["reason"] != "signed_out":
            await self._pace.rest(self._random.uniform(*COMING_BACK_S))
        await self._be_ready()

    async def _be_ready(self) -> None:
        if self._console.me["state"]["chosen"] == "away":
            await self._set_state("ready")
            await self._console.until(lambda: self._console.me["state"]["chosen"] == "ready", 5.0)

    async def _take_break(self) -> None:
        if not self._team.begin_break():
            self._break_due = self._next_break()
            return
        try:
            await self._set_state("away", self._reason(BREAK_REASONS))
            await self._pace.rest(self._random.lognormvariate(math.log(BREAK_MEDIAN_S), 0.5))
            await self._be_ready()
        finally:
            self._team.end_break()
            self._break_due = self._next_break()

    async def _step_back(self) -> None:
        """Something else to do while a person is free for the next contact."""
        await self._set_state("away", self._reason(("paperwork",)))
        while self._team.leaves_it_to_people():
            await self._pace.rest(LOOK_AGAIN_S)
        await self._pace.rest(self._random.uniform(0, LOOK_AGAIN_S))
        await self._be_ready()

    def _reason(self, usual: tuple[str, ...]) -> str:
        known = self._console.ids("away_reasons")
        return self._random.choice([reason for reason in usual if reason in known] or known)

    # --- offers -------------------------------------------------------------------------------------------------

    async def _consider(self, offer: dict[str, Any]) -> None:
        """Mostly accept, after a look at the card; now and then decline, or be at the coffee machine."""
        chance = self._random.random()
        if chance < EXPIRE_SHARE:
            await self._console.until(lambda: offer["id"] not in self._console.state["offers"], 60.0)
            return
        await self._pace.rest(min(self._random.lognormvariate(math.log(2.5), 0.4), 6.0))
        if offer["id"] not in self._console.state["offers"]:
            return
        if chance < EXPIRE_SHARE + DECLINE_SHARE:
            reason = self._random.choice(self._console.ids("decline_reasons"))
            await self._console.ask("POST", f"/offers/{offer['id']}/decline", {"reason": reason})
        else:
            await self._console.ask("POST", f"/offers/{offer['id']}/accept", {})
        await self._console.until(lambda: offer["id"] not in self._console.state["offers"], 5.0)

    # --- contacts -----------------------------------------------------------------------------------------------

    async def _serve(self, view: dict[str, Any]) -> None:
        """One contact of ours, from wherever it stands to its end."""
        if view["state"] == "parked":
            await self._console.ask("POST", f"/interactions/{view['id']}/end", {})
            await self._console.until(lambda: self._state_of(view["id"]) != "parked", 5.0)
        if view["state"] in ("connecting", "active"):
            await self._by_channel[view["channel"]](view["id"])
        if self._state_of(view["id"]) == "wrap_up":
            await self._wrap_up(view["id"])

    def _state_of(self, interaction_id: str) -> str | None:
        view = self._console.contact(interaction_id)
        return view["state"] if view is not None else None

    async def _talk(self, interaction_id: str) -> None:
        """Dial in, speak now and then, hang up unless the customer does."""
        view = self._console.contact(interaction_id)
        leg = None
        if view is None or view["state"] == "connecting" or view["call"]["agent_leg"] is None:
            await self._pace.rest(self._random.uniform(0.3, 1.2))
            leg = await self._console.dial(interaction_id)
        patience_s = CALLBACK_S if view is not None and view["callback"] else CONNECT_S
        await self._console.until(lambda: self._state_of(interaction_id) != "connecting", patience_s)
        words = phrases(self._language(interaction_id))["aloud"]
        talk_s = self._random.lognormvariate(math.log(TALK_MEDIAN_S), TALK_SIGMA)
        spoken_s, line = 0.0, 0
        while self._state_of(interaction_id) == "active" and spoken_s < talk_s:
            if leg is not None and line < len(words) and (line == 0 or self._random.random() < SPEAK_SHARE):
                await self._console.say_aloud(leg, words[line])
                line += 1
            span = self._random.uniform(0.6, 1.4) * SPEAK_EVERY_S
            spoken_s += span
            await self._console.until(
                lambda: self._state_of(interaction_id) != "active", self._pace.real(span)
            )
        await self._write_down(interaction_id)
        if self._state_of(interaction_id) in ("connecting", "active"):
            await self._end(interaction_id)

    async def _end(self, interaction_id: str) -> None:
        await self._console.ask("POST", f"/interactions/{interaction_id}/end", {})
        await self._console.until(
            lambda: self._state_of(interaction_id) not in ("connecting", "active"), CONNECT_S
        )

    async def _chat(self, interaction_id: str) -> None:
        """Answer each line of the customer until they say goodbye, leave, or have been silent for long."""
        silent = 0
        while self._state_of(interaction_id) == "active":
            unanswered = self._unanswered(interaction_id)
            if unanswered is None:
                heard = await self._console.until(
                    lambda: (
                        self._state_of(interaction_id) != "active"
                        or self._unanswered(interaction_id) is not None
                    ),
                    self._pace.real(SILENCE_S),
                )
                silent = 0 if heard else silent + 1
                if silent >= SILENCES:
                    await self._write(interaction_id, self._phrase(interaction_id, "silence"))
                    await self._end(interaction_id)
                continue
            if await self._answer(interaction_id, unanswered):
                await self._write_down(interaction_id)
                await self._pace.rest(self._random.uniform(2, 6))
                if self._state_of(interaction_id) == "active":
                    await self._end(interaction_id)

    def _is_quiet(self, view: dict[str, Any]) -> bool:
        """Whether a parked contact has heard nothing for so long that nothing more is expected."""
        quiet = round(self._pace.real(QUIET_S) * SECOND)
        newest = view["last_entry_at"] or view["created_at"]
        return bool(view["state"] == "parked" and newest + quiet < self._pace.clock.now())

    async def _correspond(self, interaction_id: str) -> None:
        """Answer a mail or text, and let it wait for the customer; end what needs no answer any more."""
        await self._pace.rest(self._random.uniform(*READING_S))
        while self._state_of(interaction_id) == "active":
            line = self._unanswered(interaction_id)
            if line is None or not _can_answer(line):  # it came back because an answer did not arrive, say
                await self._end(interaction_id)
                return
            try:
                over = await self._answer_letter(interaction_id, line)
            except Problem as problem:
                if problem.code != "thread_moved_on":
                    await self._give_up_letter(interaction_id, problem)
                continue
            if over:
                await self._write_down(interaction_id)
                await self._end(interaction_id)
                return

    async def _give_up_letter(self, interaction_id: str, problem: Problem) -> None:
        """The customer wants no texts, or has gone: nothing to be done here."""
        self._faults.refused(problem)
        if self._state_of(interaction_id) == "active":
            await self._end(interaction_id)

    async def _answer_letter(self, interaction_id: str, line: dict[str, Any]) -> bool:
        """One answer; whether it was the last one."""
        text: str = line["text"]
        reply = reply_in(text, self._random, self._pace.clock.now(), self._first_name(interaction_id))
        over = is_thanks(text) or (reply is not None and reply.text == "")
        words = self._words(interaction_id, reply, over=over)
        await self._pace.rest(min(typing_s(words), 12.0))
        wish = {"seen": line["seq"], "then": "stay" if over else "wait"}
        if line["mail"] is None:
            path, wish = "messages", {**wish, "text": words}
        else:
            code = reply.language if reply is not None else self._language(interaction_id)
            first, name = self._first_name(interaction_id), self._console.me["name"]
            subject: str = line["mail"]["subject"]
            wish |= {
                "to": [_answers_to(line["mail"])],
                "subject": subject if subject.lower().startswith("re:") else f"Re: {subject}",
                "text": letter(code, self._random, first, [words], name),
            }
            path = "mails"
        await self._console.ask("POST", f"/interactions/{interaction_id}/{path}", wish)
        await self._console.until(
            lambda: self._state_of(interaction_id) != "active" or self._unanswered(interaction_id) is None,
            5.0,
        )
        return over

    def _unanswered(self, interaction_id: str) -> dict[str, Any] | None:
        """The customer's newest line, if nobody wrote after it."""
        lines = [entry for entry in self._console.entries(interaction_id) if entry["kind"] == "message"]
        return lines[-1] if lines and lines[-1]["author"]["kind"] == "customer" else None

    async def _answer(self, interaction_id: str, line: dict[str, Any]) -> bool:
        """Write an answer after the time that it takes; whether it was the last one."""
        text: str = line["text"]
        reply = reply_to(text, self._random, self._pace.clock.now(), self._first_name(interaction_id))
        over = is_thanks(text) or (reply is not None and reply.text == "")
        words = self._words(interaction_id, reply, over=over)
        await self._pace.rest(typing_s(words))
        if self._state_of(interaction_id) == "active":
            await self._write(interaction_id, words)
        return over

    def _words(self, interaction_id: str, reply: Reply | None, *, over: bool) -> str:
        if over:
            return self._phrase(interaction_id, "farewell", reply)
        if reply is not None:
            return reply.text
        ours = [e for e in self._console.entries(interaction_id) if e["author"]["kind"] == "agent"]
        return self._phrase(interaction_id, "more" if ours else "greeting")

    def _phrase(self, interaction_id: str, occasion: str, reply: Reply | None = None) -> str:
        code = reply.language if reply is not None else self._language(interaction_id)
        words = self._random.choice(phrases(code)[occasion])
        first = self._first_name(interaction_id)
        return words.format(first=first) if first else words.replace(", {first}", "").replace(" {first}", "")

    async def _write(self, interaction_id: str, text: str) -> None:
        await self._console.ask("POST", f"/interactions/{interaction_id}/messages", {"text": text})
        await self._console.until(lambda: self._unanswered(interaction_id) is None, 5.0)

    def _customer(self, interaction_id: str) -> dict[str, Any] | None:
        view = self._console.contact(interaction_id)
        card = self._console.card(view) if view is not None else None
        return card["customer"] if card is not None else None

    def _language(self, interaction_id: str) -> str:
        customer = self._customer(interaction_id)
        code = ((customer or {}).get("language") or "en")[:2]
        return code if code in LANGUAGES else "en"

    def _first_name(self, interaction_id: str) -> str:
        customer = self._customer(interaction_id)
        return str((customer or {}).get("name") or "").split(" ")[0]

    # --- paperwork ----------------------------------------------------------------------------------------------

    async def _write_down(self, interaction_id: str) -> None:
        """Sometimes a note, sometimes a ticket: a new one, or the customer's open one goes on."""
        if self._console.contact(interaction_id) is None:
            return
        words = phrases(self._language(interaction_id))
        if self._random.random() < NOTE_SHARE:
            note = self._random.choice(words["note"])
            await self._console.ask("POST", f"/interactions/{interaction_id}/notes", {"text": note})
        if self._random.random() < TICKET_SHARE:
            await self._keep_ticket(interaction_id, words["subject"], words["note"])

    async def _keep_ticket(self, interaction_id: str, subjects: list[str], notes: list[str]) -> None:
        view = self._console.contact(interaction_id)
        card = self._console.card(view) if view is not None else None
        living = [ticket for ticket in (card or {}).get("tickets", ()) if ticket["closed_at"] is None]
        if not living:
            subject = self._random.choice(subjects)
            wish = {"subject": subject, "interaction_id": interaction_id}
            await self._console.ask("POST", "/tickets", wish)
            return
        ticket = living[0]
        await self._console.ask(
            "POST", f"/tickets/{ticket['id']}/interactions", {"interaction_id": interaction_id}
        )
        note = self._random.choice(notes)
        await self._console.ask("POST", f"/tickets/{ticket['id']}/notes", {"text": note})
        fresh = (await self._console.ask("GET", f"/tickets/{ticket['id']}"))["ticket"]
        status = {"open": "pending", "pending": "solved"}.get(fresh["status"])
        if status is not None:
            await self._console.ask(
                "PATCH", f"/tickets/{ticket['id']}", {"status": status}, version=fresh["version"]
            )

    async def _wrap_up(self, interaction_id: str) -> None:
        await self._pace.rest(self._random.uniform(3, 14))
        known = self._console.ids("dispositions")
        disposition = self._random.choice([name for name in DISPOSITIONS if name in known] or known)
        await self._console.ask(
            "POST", f"/interactions/{interaction_id}/wrap-up", {"disposition": disposition}
        )
        await self._console.until(lambda: self._console.contact(interaction_id) is None, 5.0)


def _can_answer(line: dict[str, Any]) -> bool:
    """Whether a customer's message says where an answer goes, and a person wrote it."""
    mail = line["mail"]
    return mail is None or (
        mail["machine"] == "none" and (mail["sender"] is not None or bool(mail["reply_to"]))
    )


def _answers_to(mail: dict[str, Any]) -> str:
    """The address that an answer goes to."""
    address: str = (mail["reply_to"] or [mail["sender"]])[0]["address"]
    return address
