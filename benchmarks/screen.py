"""An agent's console without a screen, for the generator: it reads offers, accepts them, and its caller hangs up."""

import json
import os
import re
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from service_desk.domain.views import LIVE_SCHEMA

if TYPE_CHECKING:
    from benchmarks.generator import Generator

DIGITS = re.compile(r"[^+0-9]")


class Agent:
    """A console without a screen, as small as it can be: it reads what it needs out of the frames."""

    def __init__(self, generator: "Generator", login: str, node: str) -> None:
        self._generator = generator
        self._node = node
        self._login = login
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._csrf = ""
        self._keys = 0

    async def connect(self) -> None:
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": self._generator.base}
        )
        plan = self._generator.plan
        session = await self._ask("POST", "/session", {"login": self._login, "password": plan.password})
        self._csrf = session["csrf"]
        url = f"{self._node}/live/?EIO=4&transport=websocket"
        self._socket = await self._http.ws_connect(url, max_msg_size=0, compress=0)
        await self._socket.receive_str()  # Engine.IO: open
        await self._socket.send_str("40" + json.dumps({"schema": LIVE_SCHEMA}))
        snapshot = None
        while snapshot is None:
            text = await self._socket.receive_str()
            if text.startswith('42["snapshot"'):
                snapshot = json.loads(text[2:])[1]
        me = next(iter(snapshot["me"].values()))
        self._generator.start(self._read())
        await self._ask("PUT", "/me/state", {"state": "ready"}, version=me["version"])

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()

    async def _read(self) -> None:
        assert self._socket is not None, "connected first"
        async for message in self._socket:
            text: str = message.data

            if text == "2":  # ping
                await self._socket.send_str("3")
            elif text.startswith('42["frame"') and '"offer.made"' in text:
                self._take(json.loads(text[2:])[1])

    def _take(self, frame: dict[str, Any]) -> None:
        put = frame["put"]
        for offer in put["offers"].values():
            contact = put["interactions"][offer["interaction_id"]]
            sid = self._generator.offer_seen(DIGITS.sub("", contact["caller"]))
            if sid is not None:
                self._generator.start(self._serve(offer["id"], sid))

    async def _serve(self, offer_id: str, sid: str) -> None:
        begun = time.perf_counter()
        await self._ask("POST", f"/offers/{offer_id}/accept", {})
        self._generator.tally.accepted.append(time.perf_counter() - begun)
        await self._generator.hang_up(sid)

    async def _ask(self, method: str, path: str, body: dict[str, Any], *, version: int | None = None) -> Any:
        headers = {"X-CSRF-Token": self._csrf} if self._csrf else {}
        if method == "POST":
            self._keys += 1
            headers["Idempotency-Key"] = f"{self._login}-{os.getpid()}-{self._keys}"
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        assert self._http is not None, "connected first"
        url = f"{self._node}/api/v1{path}"
        async with self._http.request(method, url, json=body, headers=headers) as answer:
            text = await answer.text()
            if answer.status >= 300:
                raise RuntimeError(
                    f"{path.rpartition('/')[2]} {answer.status} {json.loads(text).get('code')}"
                )
            return json.loads(text) if path == "/session" else None
