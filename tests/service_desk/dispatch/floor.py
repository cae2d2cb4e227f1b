"""A desk in virtual time with a real routing host, driven step by step and described without ids."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa

from channels.contract import CallChanged, CallStatus, TextReceived
from routing.model import Callback
from routing.records import WAITING
from service_desk.actions import admin, agents, offers, texts, wrap_up
from service_desk.bus.local import LocalBus
from service_desk.clock import SECOND, ManualClock, Micros
from service_desk.desk import Desk
from service_desk.dispatch.host import RoutingHost
from service_desk.domain.callback import for_router
from service_desk.errors import DeskError
from service_desk.lease import Lease, SoleLease
from service_desk.queries.lines import line_facts
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import PHONE, make_agent, open_chat, phone, row_of, rows_of, set_state

PEOPLE = {"ann": ["service", "sales"], "bob": ["service"], "cyd": ["sales"], "dan": ["service", "sales"]}
TEXTS = "text-main"
SHORT = {**CONFIG, "queues": [{**queue, "wrap_up_s": 40} for queue in CONFIG["queues"]]}


class Floor:
    """People, contacts and the host. Contacts are named C1, C2, ... in the order in which they came."""

    def __init__(self, desk: Desk, clock: ManualClock) -> None:
        self.desk = desk
        self.clock = clock
        self.names: dict[str, str] = {}
        """Name of each agent and contact by its id, and the other way round."""
        self.contacts = 0
        self._task: asyncio.Task[None] | None = None
        self.host: RoutingHost | None = None

    # --- the host -------------------------------------------------------------------------------------------

    def start(self, lease: Lease | None = None) -> None:
        self.host = RoutingHost(self.desk, lease or SoleLease("routing", self.desk, "nod_test"))
        self._task = asyncio.create_task(self.host.run())

    async def stop(self) -> None:
        """Throw the router away in the middle of whatever it does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task = self.host = None

    async def settle(self) -> None:
        """Wait until everything said has been heard and everything due has been decided and recorded."""
        give_up = time.monotonic() + 20
        while not await self._is_settled():
            assert time.monotonic() < give_up, "the routing host does not come to rest"
            await asyncio.sleep(0.002)

    async def _is_settled(self) -> bool:
        router = self.host.router if self.host is not None else None
        if router is None:
            return False
        said, heard, ringing, lines = await self.desk.read(_progress)
        due = router.next_deadline()
        known = router.floor.items
        return (
            said == heard
            and (due is None or due > self.clock.now())
            and {offer.id for offer in router.pending_offers()} == ringing
            # the router is ahead of the rows until what it decided is recorded
            and all(
                known[name].place is WAITING and (known[name].item.queue, known[name].item.callback) == place
                for name, place in lines.items()
                if name in known
            )
        )

    # --- what happens ---------------------------------------------------------------------------------------

    async def advance(self, seconds: int) -> None:
        """Time passes in small steps, as it does for a host that is awake."""
        for _ in range(seconds):
            self.clock.advance(SECOND)
            await asyncio.sleep(0)
            await self.settle()

    async def hire(self) -> None:
        for login, queues in PEOPLE.items():
            self.clock.advance(SECOND)
            agent = await make_agent(self.desk, login, queues=queues)
            self.names[login], self.names[agent] = agent, login

    async def call(self, line: str = PHONE) -> str:
        self.contacts += 1
        return self.named(await phone(self.desk, f"CA{self.contacts}", f"+1415555{self.contacts:04d}", line))

    async def chat(self) -> str:
        self.contacts += 1
        _, contact = await open_chat(self.desk, f"v{self.contacts}", "hello", key=f"k{self.contacts}")
        return self.named(contact)

    def named(self, contact: str) -> str:
        name = f"C{self.contacts}"
        self.names[name], self.names[contact] = contact, name
        return name

    async def accept(self, name: str) -> None:
        offer = await self._ringing(name)
        await self.desk.run(offers.accept_offer, offer["id"], offer["agent_id"], actor=offer["agent_id"])

    async def decline(self, name: str) -> None:
        offer = await self._ringing(name)
        await self.desk.run(offers.decline_offer, offer["id"], offer["agent_id"], "busy")

    async def hang_up(self, name: str) -> None:
        from service_desk.actions import calls, chats

        row = await self.contact(name)
        if row["channel"] == "web_chat":
            from channels.contract import ChatClosed

            await self.desk.run(chats.close_chat, "demo", ChatClosed(row["external_id"], f"bye-{name}"))
        else:
            gone = CallChanged(row["external_id"], CallStatus.COMPLETED, f"end-{name}", 9)
            await self.desk.run(calls.leg_changed, PHONE, gone, actor=PHONE)

    async def end(self, name: str) -> None:
        row = await self.contact(name)
        await self.desk.run(wrap_up.end_contact, row["id"], row["agent_id"])

    async def finish(self, name: str) -> None:
        row = await self.contact(name)
        await self.desk.run(wrap_up.finish, row["id"], row["agent_id"], "done", "")

    async def say(self, login: str, state: str) -> None:
        await set_state(self.desk, self.names[login], state, "break" if state == "away" else None)

    async def contact(self, name: str) -> dict[str, Any]:
        return await row_of(self.desk, schema.interaction, self.names[name])

    async def told(self, name: str) -> int | None:
        """The place in line that the customer is told."""
        row = await self.contact(name)
        facts = await self.desk.read(line_facts, row["account"], row["external_id"])
        assert facts is not None
        return facts.position

    async def _ringing(self, name: str) -> dict[str, Any]:
        (offer,) = await rows_of(self.desk, schema.offer, interaction_id=self.names[name], state="pending")
        return offer

    # --- play and tell --------------------------------------------------------------------------------------

    async def act_at_random(self, dice: random.Random) -> str:
        """Something that can happen now, chosen by the dice and by names only; what it was."""
        live = await self._by_state()
        ways = {
            "offered": ("accept", "accept", "accept", "decline", "hang_up", "wait"),
            "queued": ("hang_up", "wait", "wait"),
            "connecting": ("end", "hang_up"),
            "active": ("end", "hang_up"),
            "wrap_up": ("finish", "wait"),
        }
        what = dice.choice(("call", "call", "chat", "away", *["ready"] * 4, "pass", *["contact"] * 9))
        if what == "contact" and live:
            name = dice.choice(sorted(live, key=lambda each: int(each[1:])))
            act = dice.choice(ways[live[name]])
            if act != "wait":
                await getattr(self, act)(name)
            return f"{act} {name}"
        if what in ("away", "ready"):
            login = dice.choice(sorted(PEOPLE))
            with contextlib.suppress(DeskError):
                await self.say(login, what)
            return f"{what} {login}"
        if what == "call":
            return "call " + await self.call()
        if what == "chat":
            return "chat " + await self.chat()
        return "pass"

    async def _by_state(self) -> dict[str, str]:
        rows = await rows_of(self.desk, schema.interaction)
        return {self.names[row["id"]]: row["state"] for row in rows if row["state"] not in ("ended", "menu")}

    async def tale(self) -> list[tuple[int, str, str, str]]:
        """What was decided: (second, offer's fate, contact, agent), in the order of the log."""
        lines = []
        for row in await rows_of(self.desk, schema.event):
            if row["kind"].startswith("offer."):
                data = row["data"]
                fate = data.get("state", "made")
                second = (row["at"] - 1_700_000_000 * SECOND) // SECOND
                lines.append((second, fate, self.names[data["interaction_id"]], self.names[data["agent_id"]]))
        return lines

    async def send_home(self) -> None:
        for login in PEOPLE:
            await self.desk.run(agents.send_away, self.names[login], "lunch")


async def call_from(place: Floor, number: str | None, line: str = PHONE) -> str:
    """A call from this number, None if it is withheld."""
    place.contacts += 1
    return place.named(await phone(place.desk, f"CA{place.contacts}", number, line))


async def text_from(place: Floor, number: str, words: str) -> str:
    """The contact that took the text; a new name where it is a new one."""
    place.contacts += 1
    event = TextReceived(f"SM{place.contacts}", number, "+15005550006", words, f"text-{place.contacts}")
    await place.desk.run(texts.receive_text, TEXTS, event, actor="customer")
    (thread,) = await rows_of(place.desk, schema.thread, number=number)
    newest = thread["interaction_id"]
    return place.names[newest] if newest in place.names else place.named(newest)


Place = tuple[str, Callback | None]


def _progress(reader: Reader) -> tuple[int, int, set[str], dict[str, Place]]:
    """(last command said, last one heard, offers pending, where who waits stands, by the rows), all of one moment."""
    cursor, offer, contact = schema.cursor, schema.offer, schema.interaction
    place = (contact.c.queue_id, contact.c.hints, contact.c.callback_at)
    waiting = sa.select(contact.c.id, *place).where(contact.c.state == "queued")
    return (
        reader.scalar(sa.select(schema.positions.c.command)) or 0,
        reader.scalar(sa.select(cursor.c.position).where(cursor.c.name == "routing")) or 0,
        {row["id"] for row in reader.all(sa.select(offer.c.id).where(offer.c.state == "pending"))},
        {row["id"]: _place(row) for row in reader.all(waiting)},
    )


def _place(row: sa.RowMapping) -> Place:
    return row["queue_id"], for_router(row)


@contextlib.asynccontextmanager
async def floor(url: str, now: Micros = 1_700_000_000 * SECOND) -> AsyncIterator[Floor]:
    """Four agents, ready since one, two, three and four seconds; no host yet."""
    clock = ManualClock(now)
    desk = Desk(Store(url, clock), LocalBus(), clock)
    await desk.run(admin.seed, SHORT)
    place = Floor(desk, clock)
    await place.hire()
    try:
        yield place
    finally:
        await place.stop()
        desk.store.close()
