"""An agent at work through the public API and the socket, without a browser."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import socketio

from service_desk.domain.views import LIVE_SCHEMA
from tests.e2e.world import PASSWORD, World, until
from tests.service_desk import reducer


class Console:
    """Signs in, keeps the state by snapshot and frames, acts by HTTP (at `api`, where that is another place)."""

    def __init__(self, world: World, http: aiohttp.ClientSession, *, api: str | None = None) -> None:
        self._world = world
        self._api = api or world.base
        self._http = http
        self._keys = itertools.count(1)
        self._csrf = ""
        self.io = socketio.AsyncClient(reconnection=False, http_session=http)
        self.state: dict[str, Any] = {}
        self.frames: list[dict[str, Any]] = []
        self.gaps = 0
        self.snapshots = 0
        self.agent_id = ""
        self.io.on("snapshot", self._snapshot)
        self.io.on("frame", self._frame)

    async def come_back(self, world: World) -> None:
        """Open another socket, at this node, as the browser does: from the position that is known."""
        self._world = world
        await self.connect(position=self.state["position"])

    async def sign_in(self, login: str, password: str = PASSWORD) -> None:
        session = await self.ask("POST", "/session", {"login": login, "password": password})
        self._csrf = session["csrf"]
        self.agent_id = session["me"]["id"]

    async def connect(self, *, position: int | None = None) -> None:
        """Open the socket. With a position it is a return: the server sends what came after it."""
        await self.io.connect(
            self._world.base,
            socketio_path="live",
            transports=["websocket"],
            auth={"schema": LIVE_SCHEMA} | ({} if position is None else {"position": position}),
            headers={"Origin": self._world.base},
            wait_timeout=10,  # the library's second is short for a machine that does other things too
        )
        await until(self._has_state, "snapshot")

    async def _has_state(self) -> bool:
        return bool(self.state)

    async def _snapshot(self, body: dict[str, Any]) -> None:
        self.snapshots += 1
        self.state = body

    async def _frame(self, body: dict[str, Any]) -> None:
        self.frames.append(body)
        if not self.state:
            return
        try:
            self.state = reducer.apply(self.state, body)
        except reducer.Gap:
            self.gaps += 1
            answer = await self.io.call("replay", {"after": self.state["position"]})
            self.state = (
                answer["snapshot"] if "snapshot" in answer else reducer.apply(self.state, answer["frame"])
            )

    async def ask(self, method: str, path: str, body: Any = None, *, version: int | None = None) -> Any:
        """A request to the API; the answer's JSON. Problems raise AssertionError with their text."""
        status, answer = await self.try_(method, path, body, version=version)
        assert status < 300, (status, answer)
        return answer

    async def try_(
        self, method: str, path: str, body: Any = None, *, version: int | None = None, key: str | None = None
    ) -> tuple[int, Any]:
        headers = {"Origin": self._world.base}
        if self._csrf:
            headers["X-CSRF-Token"] = self._csrf
        if method == "POST":
            headers["Idempotency-Key"] = key or f"{id(self)}-{next(self._keys)}"
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        url = f"{self._api}/api/v1{path}"
        async with self._http.request(method, url, json=body, headers=headers) as answer:
            return answer.status, (
                await answer.json() if answer.content_length != 0 and answer.status != 204 else None
            )

    async def upload(self, interaction_id: str, name: str, content: bytes, media_type: str) -> dict[str, Any]:
        """A file for the answer that is being written."""
        headers = {
            "Origin": self._world.base,
            "X-CSRF-Token": self._csrf,
            "Idempotency-Key": f"{id(self)}-{next(self._keys)}",
            "Content-Type": media_type,
        }
        url = f"{self._world.base}/api/v1/interactions/{interaction_id}/attachments"
        async with self._http.post(url, params={"name": name}, data=content, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def download(self, attachment_id: str) -> bytes:
        """A file of a message."""
        async with self._http.get(f"{self._world.base}/api/v1/attachments/{attachment_id}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    def entries(self, interaction_id: str) -> list[dict[str, Any]]:
        """The contact's conversation as the console shows it, oldest first."""
        mine = [e for e in self.state["entries"].values() if e["interaction_id"] == interaction_id]
        return sorted(mine, key=lambda entry: int(entry["seq"]))

    async def set_state(self, state: str, reason: str | None = None) -> None:
        me = self.state["me"][self.agent_id]
        body = {"state": state} | ({"reason": reason} if reason else {})
        answer = await self.ask("PUT", "/me/state", body, version=me["version"])

        async def shown() -> bool:
            return bool(self.state["me"][self.agent_id]["version"] >= answer["version"])

        await until(shown, "the console shows the new state")

    async def offer(self) -> dict[str, Any]:
        """The next offer that rings."""

        async def ringing() -> dict[str, Any] | None:
            return next(iter(self.state["offers"].values()), None)

        found = await until(ringing, "an offer")
        assert found is not None
        return found

    async def interaction(self, interaction_id: str, state: str) -> dict[str, Any]:
        """Wait until the console shows the contact in a state."""

        async def reached() -> dict[str, Any] | None:
            view: dict[str, Any] | None = self.state["interactions"].get(interaction_id)
            return view if view is not None and view["state"] == state else None

        found = await until(reached, f"{interaction_id} {state}")
        assert found is not None
        return found

    async def take_call(self, interaction_id: str) -> str:
        """The softphone dials in; its call's id."""
        token = await self.ask("POST", "/softphone/token", {})
        url = f"{self._api}{token['dial_url']}" if token["dial_url"].startswith("/") else token["dial_url"]
        headers = {"Authorization": f"Bearer {token['token']}"}
        async with self._http.post(
            url, json={"params": {"interaction_id": interaction_id}}, headers=headers
        ) as answer:
            assert answer.status == 201, await answer.text()
            return str((await answer.json())["call_sid"])


@contextlib.asynccontextmanager
async def console(world: World, login: str) -> AsyncIterator[Console]:
    """A signed-in, connected, ready agent."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        one = Console(world, http)
        await one.sign_in(login)
        await one.connect()
        await one.set_state("ready")
        yield one
        if one.io.connected:
            await one.io.disconnect()
