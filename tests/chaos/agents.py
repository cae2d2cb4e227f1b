"""Robot agents who work as people do, slips included, and write down what they saw and what they were answered.

Each follows its seeded moods: most offers are accepted at once, some twice at the same moment, some too late, some
declined; a softphone is forgotten now and then; some paperwork is left to its timer; a request whose answer got lost
is sent again under its key. After every fall of the desk they come back.
"""

import asyncio
import contextlib
import hashlib
import json
from random import Random
from typing import Any

import aiohttp

from tests.chaos.ledger import Ledger
from tests.e2e.console import Console
from tests.e2e.robot import DOWN
from tests.e2e.world import PASSWORD, World
from tests.service_desk import reducer

LOOK_S = 0.03
LATE_S = 6.0
"""After an offer that rings for 5 s, and before anybody forgets it."""
SAME_WITHIN_S = 3.0


class LedgerConsole(Console):
    """A console that writes down frames, offers, requests and answers."""

    def __init__(self, world: World, http: aiohttp.ClientSession, login: str, ledger: Ledger) -> None:
        super().__init__(world, http)
        self._login = login
        self._ledger = ledger
        self._seen: set[str] = set()
        self.io.on("resync", self._resync)

    def note(self, kind: str, **facts: Any) -> None:
        """A fact about this agent."""
        self._ledger.note(kind, agent=self._login, **facts)

    async def connect(self, *, position: int | None = None) -> None:
        """As every console does; frames of this socket begin here."""
        self.note("opened")
        await super().connect(position=position)

    async def _snapshot(self, body: dict[str, Any]) -> None:
        self.note("snapshot", position=body["position"])
        await super()._snapshot(body)

    async def _frame(self, body: dict[str, Any]) -> None:
        self.note("frame", position=body["position"], prev=body["prev"])
        await super()._frame(body)
        for offer in self.state.get("offers", {}).values():
            if offer["id"] not in self._seen:
                self._seen.add(offer["id"])
                self.note("offer_seen", offer=offer["id"], interaction=offer["interaction_id"])

    async def _resync(self, _body: dict[str, Any]) -> None:
        answer = await self.io.call("replay", {"after": self.state["position"]})
        if "snapshot" in answer:
            self.state = answer["snapshot"]
        else:
            self.state = reducer.apply(self.state, answer["frame"])

    async def act(self, what: str, subject: str, path: str, body: Any, key: str) -> tuple[int, Any]:
        """A POST under a key of ours, written down before and after; status 0 when no answer came."""
        self.note("asked", what=what, subject=subject, key=key, body=_digest(body))
        status, answer = 0, None
        try:
            status, answer = await self.try_("POST", path, body, key=key)
        finally:
            self.note(
                "answered_act", what=what, subject=subject, key=key, status=status, answer=_digest(answer)
            )
        return status, answer

    async def screen_as_fresh(self) -> list[str]:
        """The parts of this screen that differ from what a console that connects now is shown."""
        deadline = asyncio.get_running_loop().time() + SAME_WITHIN_S
        while True:
            fresh = await self._fresh()
            mine = reducer.comparable(self.state)
            differs = [name for name in reducer.COLLECTIONS if mine[name] != fresh[name]]
            if not differs or asyncio.get_running_loop().time() > deadline:
                return differs
            await asyncio.sleep(0.1)

    async def _fresh(self) -> dict[str, Any]:
        other = Console(self._world, self._http)
        await other.connect()
        await other.io.disconnect()
        return reducer.comparable(other.state)


class RobotAgent:
    """Works until stopped. Without `slips` no offer is missed and no softphone forgotten, which takes seconds each."""

    def __init__(self, world: World, login: str, ledger: Ledger, seed: int, *, slips: bool = True) -> None:
        self._world = world
        self._login = login
        self._ledger = ledger
        self._chance = Random(f"{seed}:{login}")
        self._slips = slips
        self._done: set[tuple[str, str]] = set()
        self._keys = 0
        self._customers: list[str] = []
        self._late: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self.at_work = asyncio.Event()
        """Set while connected and ready."""

    def stop(self) -> None:
        """Look at the screen a last time and go home."""
        self._stop.set()

    async def run(self) -> None:
        """One shift after the other, until `stop`."""
        while not self._stop.is_set():
            with contextlib.suppress(*DOWN):
                await self._shift()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.2)

    async def _shift(self) -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=timeout) as http:
            console = LedgerConsole(self._world, http, self._login, self._ledger)
            await console.sign_in(self._login, PASSWORD)
            try:
                await console.connect()
                while console.io.connected and not self._stop.is_set():
                    await self._look(console)
                    self.at_work.set()
                    await asyncio.sleep(LOOK_S)
                if self._stop.is_set():
                    console.note("screen", differs=await console.screen_as_fresh())
            finally:
                self.at_work.clear()
                for task in self._late:
                    task.cancel()
                if console.io.connected:
                    await console.io.disconnect()

    async def _look(self, console: LedgerConsole) -> None:
        """One look at the screen, one act for each thing on it."""
        if console.state["me"][console.agent_id]["state"]["chosen"] != "ready":
            await console.set_state("ready")
        for offer in list(console.state["offers"].values()):
            if self._first("offer", offer["id"]):
                await self._take(console, offer)
        for view in list(console.state["interactions"].values()):
            await self._serve(console, view)

    # --- offers -------------------------------------------------------------------------------------------------

    async def _take(self, console: LedgerConsole, offer: dict[str, Any]) -> None:
        mood = self._chance.random()
        if mood < 0.08:
            path = f"/offers/{offer['id']}/decline"
            await console.act("decline", offer["id"], path, {"reason": "busy"}, self._key())
        elif self._slips and mood < 0.16:
            task = asyncio.create_task(self._accept_late(console, offer["id"]))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            times = 2 if mood > 0.85 else 1
            key = self._key()
            await asyncio.gather(*(self._accept(console, offer["id"], key) for _ in range(times)))

    async def _accept(self, console: LedgerConsole, offer_id: str, key: str) -> None:
        await console.act("accept", offer_id, f"/offers/{offer_id}/accept", {}, key)

    async def _accept_late(self, console: LedgerConsole, offer_id: str) -> None:
        """When it has stopped ringing."""
        deadline = asyncio.get_running_loop().time() + LATE_S
        while offer_id in console.state["offers"] and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(LOOK_S)
        with contextlib.suppress(*DOWN):
            await self._accept(console, offer_id, self._key())

    # --- contacts -----------------------------------------------------------------------------------------------

    async def _serve(self, console: LedgerConsole, view: dict[str, Any]) -> None:
        contact, path = view["id"], f"/interactions/{view['id']}"
        match view["state"], view["channel"]:
            case (("connecting" | "active"), "phone") if not (view["call"] or {}).get("agent_leg"):
                if self._first(f"dial {view['answered_at']}", contact) and not self._slip(0.15):
                    await console.take_call(contact)
            case "active", channel:
                if self._first(f"serve {view['answered_at']}", contact):
                    await self._write(console, view, channel)
                elif self._first(f"end {view['answered_at']}", contact):
                    await console.act("end", contact, f"{path}/end", {}, self._key())
            case "wrap_up", _:
                if self._first("wrap_up", contact) and self._chance.random() > 0.2:
                    body = {"disposition": "done"}
                    await console.act("wrap_up", contact, f"{path}/wrap-up", body, self._key())

    async def _write(self, console: LedgerConsole, view: dict[str, Any], channel: str) -> None:
        """Note something, say whose contact it is, answer: some of it twice, as after a lost answer."""
        contact, path = view["id"], f"/interactions/{view['id']}"
        if self._chance.random() < 0.3:
            await self._perhaps_twice(console, "note", contact, f"{path}/notes", {"text": "looked at"})
        if self._chance.random() < 0.3:
            body = {"subject": "A case", "interaction_id": contact}
            await self._perhaps_twice(console, "ticket", contact, "/tickets", body)
        await self._name_customer(console, view)
        match channel:
            case "web_chat":
                await self._perhaps_twice(console, "say", contact, f"{path}/messages", {"text": "We come."})
            case "sms":
                body = {"text": "We come at noon.", "then": "wait"}
                await self._perhaps_twice(console, "text", contact, f"{path}/messages", body)
            case "email":
                body = {"to": [view["caller"]], "subject": "Re: yours", "text": "We come.", "then": "wait"}
                await self._perhaps_twice(console, "mail", contact, f"{path}/mails", body)

    async def _name_customer(self, console: LedgerConsole, view: dict[str, Any]) -> None:
        """It is somebody whom the agent served before, who has this address too."""
        known, customer = self._customers, view["customer_id"]
        if customer is not None and known and customer not in known and self._chance.random() < 0.3:
            body = {"customer_id": self._chance.choice(known), "remember": True}
            path = f"/interactions/{view['id']}/customer"
            await console.act("customer", view["id"], path, body, self._key())
        elif customer is not None and customer not in known:
            known.append(customer)

    async def _perhaps_twice(
        self, console: LedgerConsole, what: str, subject: str, path: str, body: dict[str, Any]
    ) -> None:
        key = self._key()
        for _ in range(2 if self._chance.random() < 0.4 else 1):
            await console.act(what, subject, path, body, key)

    def _slip(self, share: float) -> bool:
        return self._slips and self._chance.random() < share

    def _first(self, what: str, subject: str) -> bool:
        """Whether this was not done yet."""
        if (what, subject) in self._done:
            return False
        self._done.add((what, subject))
        return True

    def _key(self) -> str:
        self._keys += 1
        return f"{self._login}-{id(self)}-{self._keys}"


def _digest(body: Any) -> str:
    """What tells two answers apart, in a few characters."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
