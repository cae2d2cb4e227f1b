"""A console without a screen: signs in and acts by the public API, keeps its state by snapshot and frames."""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import socketio
from socketio.exceptions import ConnectionError as SocketError

from service_desk.clock import SECOND
from service_desk.domain.views import LIVE_SCHEMA
from service_desk.ids import new_id
from service_desk.ports import Clock

T = TypeVar("T")
State = dict[str, Any]

COLLECTIONS = ("me", "offers", "interactions", "entries", "cards")
ANSWER_S = 15.0
GOODBYE_S = 0.5


class Problem(Exception):
    """The desk said no; `code` is stable."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class Lost(Exception):
    """The socket closed or could not be opened."""


def apply_frame(state: State, frame: State) -> State | None:
    """The state after a frame, by the rules of the browser's reducer; None if frames between were missed."""
    if frame["position"] <= state["position"]:
        return state
    if frame["prev"] > state["position"]:
        return None
    after: State = {"position": frame["position"]}
    for name in COLLECTIONS:
        dropped = set(frame["drop"].get(name, ()))
        merged = {**state[name], **frame["put"].get(name, {})}
        after[name] = {key: value for key, value in merged.items() if key not in dropped}
    held = after["interactions"]
    customers = {view["customer_id"] for view in held.values()}
    after["offers"] = {k: v for k, v in after["offers"].items() if v["interaction_id"] in held}
    after["entries"] = {k: v for k, v in after["entries"].items() if v["interaction_id"] in held}
    after["cards"] = {k: v for k, v in after["cards"].items() if k in customers}
    return after


class Console:
    """One agent's. `async with` opens and closes its HTTP client; `connect` can be called again and again."""

    def __init__(self, base: str, clock: Clock) -> None:
        self._base = base
        self._clock = clock
        self._http: aiohttp.ClientSession | None = None
        self._io: socketio.AsyncClient | None = None
        self._csrf = ""
        self._moved = asyncio.Event()
        self._lost = True
        self.state: State = {}
        self.board: State | None = None
        self.names: State = {}
        self.agent_id = ""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # an address of this machine may have cookies too
            timeout=aiohttp.ClientTimeout(total=ANSWER_S),
            headers={"Origin": self._base},
        )
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            await self._hang_up()
        finally:
            if self._http is not None:
                await self._http.close()

    # --- coming and going ---------------------------------------------------------------------------------------

    async def sign_in(self, login: str, password: str) -> None:
        """A session. Raises Problem."""
        session = await self.ask("POST", "/session", {"login": login, "password": password})
        self._csrf, self.agent_id = session["csrf"], session["me"]["id"]
        self.names = session["bootstrap"]

    async def connect(self) -> None:
        """Open the socket and wait for the state. Raises Lost; Problem where a new sign-in is needed."""
        await self._hang_up()
        self.state, self.board, self._lost = {}, None, False
        io = self._io = socketio.AsyncClient(reconnection=False, http_session=self._http, handle_sigint=False)
        io.on("snapshot", self._snapshot)
        io.on("frame", self._frame)
        io.on("resync", self._replay)
        io.on("board", self._board)
        io.on("disconnect", self._gone)
        try:
            await io.connect(
                self._base,
                socketio_path="live",
                transports=["websocket"],
                auth={"schema": LIVE_SCHEMA},
                headers={"Origin": self._base},
                wait_timeout=ANSWER_S,
            )
        except SocketError as error:
            if "unauthenticated" in str(error):
                raise Problem(401, "unauthenticated", "the session is over") from error
            raise Lost(str(error)) from error
        await self.until(lambda: bool(self.state), ANSWER_S)
        if not self.state:
            raise Lost("no snapshot came")

    async def watch_board(self) -> None:
        """Keep `board` fresh from now on."""
        if self._io is not None:
            await self._board(await self._io.call("watch_board", {}, timeout=ANSWER_S))

    async def _hang_up(self) -> None:
        io, self._io = self._io, None
        if io is not None:
            with contextlib.suppress(TimeoutError):  # a desk that is gone says no goodbye
                async with asyncio.timeout(GOODBYE_S):
                    await io.disconnect()

    async def _gone(self, *_: Any) -> None:
        self._lost = True
        self._tell()

    # --- state --------------------------------------------------------------------------------------------------

    async def _snapshot(self, body: State) -> None:
        self.state = body
        self._tell()

    async def _frame(self, body: State) -> None:
        after = apply_frame(self.state, body) if self.state else {}
        if after is None:
            await self._replay()
        elif after is not self.state:
            self.state = after
            self._tell()

    async def _board(self, body: State) -> None:
        self.board = body
        self._tell()

    async def _replay(self, *_: Any) -> None:
        if self._io is None or not self.state:
            return
        answer = await self._io.call("replay", {"after": self.state["position"]}, timeout=ANSWER_S)
        after = answer.get("snapshot") or apply_frame(self.state, answer["frame"])
        if after is not None:
            self.state = after
            self._tell()

    def _tell(self) -> None:
        """Wake everybody who waits for a change."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def until(self, probe: Callable[[], T], within_s: float) -> T:
        """The probe's first true value, or its last one when the time is over. Raises Lost."""
        deadline = self._clock.monotonic() + within_s
        while True:
            moved = self._moved
            if self._lost:
                raise Lost("the socket closed")
            found = probe()
            left = deadline - self._clock.monotonic()
            if found or left <= 0:
                return found
            try:
                async with asyncio.timeout(left):
                    await moved.wait()
            except TimeoutError:
                return probe()

    def ids(self, kind: str) -> list[str]:
        """Ids out of the configuration: away_reasons, decline_reasons, dispositions."""
        return [item["id"] for item in self.names[kind]]

    @property
    def me(self) -> State:
        """The agent as the desk sees them."""
        mine: State = self.state["me"][self.agent_id]
        return mine

    def contact(self, interaction_id: str) -> State | None:
        """A contact of the agent's, None once it is not theirs any more."""
        found: State | None = self.state["interactions"].get(interaction_id)
        return found

    def card(self, contact: State) -> State | None:
        """Its customer's card."""
        found: State | None = self.state["cards"].get(contact["customer_id"])
        return found

    def entries(self, interaction_id: str) -> list[State]:
        """Its conversation, oldest first."""
        mine = (e for e in self.state["entries"].values() if e["interaction_id"] == interaction_id)
        return sorted(mine, key=lambda entry: int(entry["seq"]))

    # --- acts ---------------------------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, body: Any = None, *, version: int | None = None) -> Any:
        """A request to /api/v1; the answer's JSON. Raises Problem."""
        headers = {"X-CSRF-Token": self._csrf} if self._csrf else {}
        if method == "POST":
            headers["Idempotency-Key"] = new_id("act", self._clock.now())
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return await self._request(method, f"/api/v1{path}", body, headers)

    async def dial(self, interaction_id: str) -> str:
        """The softphone dials in; its leg's id. Raises Problem."""
        token = await self.ask("POST", "/softphone/token", {})
        headers = {"Authorization": f"Bearer {token['token']}"}
        wish = {"params": {"interaction_id": interaction_id}}
        placed = await self._request("POST", token["dial_url"], wish, headers)
        return str(placed["call_sid"])

    async def say_aloud(self, leg: str, text: str) -> None:
        """Speak into the conference. Raises Problem."""
        await self._request("POST", f"/simulator-api/calls/{leg}/say", {"text": text}, {})

    async def _request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        assert self._http is not None, "used inside `async with`"
        async with self._http.request(method, self._base + path, json=body, headers=headers) as answer:
            given = await answer.json(content_type=None) if answer.status != 204 else None
            if answer.status >= 300:
                said = given if isinstance(given, dict) else {}
                raise Problem(answer.status, str(said.get("code", "")), str(said.get("detail", "")))
            return given


class Pace:
    """Human time: `rest(3)` takes three seconds at speed 1."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self.clock = clock
        self._speed = speed

    def real(self, seconds: float) -> float:
        """Real seconds for human ones."""
        return seconds / self._speed

    async def rest(self, seconds: float) -> None:
        """Let human seconds pass."""
        await self.clock.sleep_until(self.clock.now() + round(self.real(seconds) * SECOND))
