"""A tireless agent: takes what rings, talks a moment, hangs up, wraps up; comes back after every fall."""

import asyncio
import contextlib
from typing import Any

import aiohttp
from socketio.exceptions import ConnectionError as SocketDown
from socketio.exceptions import SocketIOError

from tests.e2e.console import Console
from tests.e2e.world import World

DOWN = (aiohttp.ClientError, SocketDown, SocketIOError, AssertionError, TimeoutError, OSError)


class Robot:
    """Runs until stopped."""

    def __init__(self, world: World, login: str) -> None:
        self._world = world
        self._login = login
        self._dialled: set[tuple[str, int]] = set()
        self.served: set[str] = set()
        self.pause = asyncio.Event()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(*DOWN):
                await self._shift()
            await asyncio.sleep(0.2)

    async def _shift(self) -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=timeout) as http:
            console = Console(self._world, http)
            await console.sign_in(self._login)
            try:
                await console.connect()
                while console.io.connected and not self.pause.is_set():
                    await self._look(console)
                    await asyncio.sleep(0.05)
            finally:
                if console.io.connected:
                    await console.io.disconnect()
        while self.pause.is_set():
            await asyncio.sleep(0.05)

    async def _look(self, console: Console) -> None:
        """One look at the screen, one act for each thing on it."""
        state = console.state
        if state["me"][console.agent_id]["state"]["chosen"] != "ready":
            await console.set_state("ready")
        for offer in list(state["offers"].values()):
            await console.try_("POST", f"/offers/{offer['id']}/accept", {})
        for view in list(state["interactions"].values()):
            await self._serve(console, view)

    async def _serve(self, console: Console, view: dict[str, Any]) -> None:
        contact = view["id"]
        if view["state"] in ("connecting", "active") and not (view["call"] or {}).get("agent_leg"):
            if (contact, view["version"]) not in self._dialled:
                self._dialled.add((contact, view["version"]))
                await console.take_call(contact)
        elif view["state"] == "active":
            await console.try_("POST", f"/interactions/{contact}/end", {})
        elif view["state"] == "wrap_up":
            await console.try_("POST", f"/interactions/{contact}/wrap-up", {"disposition": "done"})
            self.served.add(contact)
