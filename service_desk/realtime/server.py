"""The console's sockets at /live: who may connect, the first snapshot, replay, the board.

Sockets carry hints with positions; everything that changes something goes through the HTTP API. The explicit
table of events is `EVENTS`; anything else that a client says is ignored, and nothing is answered before sign-in.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refused

from service_desk.actions import nodes, sockets
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.domain.access import Principal, allowed
from service_desk.domain.supervision_views import AlertsNowView, FloorView
from service_desk.domain.views import LIVE_SCHEMA, AlertView, BoardView, FrameView, SnapshotView
from service_desk.errors import DeskError
from service_desk.planted import overtaking, planted
from service_desk.queries.alerts import alerts_now
from service_desk.queries.catch_up import catch_up
from service_desk.queries.floor import floor_view
from service_desk.queries.people import sessions_in_force
from service_desk.queries.wallboard import board_view
from service_desk.realtime import engine
from service_desk.realtime.door import KNOWN, leave
from service_desk.realtime.groups import Groups

MESSAGE_BYTES = 100_000
REPLAY_EVENTS = 500
SOCKETS = 5_000
SOCKETS_PER_AGENT = 10
SESSIONS_EVERY: Micros = 30 * SECOND
WELCOMED_TOGETHER = 32
GONE_TOGETHER = 200
AGAIN_S = 1.0
"""What could not be noted, because the database was away, is tried again so much later."""
BOARD_ROOM = "board"
FLOOR_ROOM = "floor"
ALERT_ROOM = "alerts"
EVENTS = frozenset({"replay", "watch_board", "unwatch_board", "watch_floor", "unwatch_floor"})

Identify = Callable[[web.Request], Awaitable[Principal | None]]
OwnOrigin = Callable[[str], bool]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connected:
    """A console's socket."""

    sid: str
    principal: Principal
    connected_at: Micros
    position: Any
    """Where the console says it is; anything, until it is looked at."""
    request: web.Request
    looked_at: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the session was in force after the connect, or the socket is gone: nothing is answered before."""


class LiveServer:
    """All consoles that are connected to this process."""

    def __init__(self, desk: Desk, node_id: str, identify: Identify, own_origin: OwnOrigin) -> None:
        self._desk = desk
        self._node_id = node_id
        self._identify = identify
        self._own_origin = own_origin
        self._by_sid: dict[str, Connected] = {}
        self._sids: dict[str, set[str]] = defaultdict(set)
        self._arriving: set[str] = set()
        """Consoles that have no state yet: a frame would show them that they miss something, and they would ask."""
        self._last: dict[str, int] = {}
        self._alerts: list[AlertView] = []
        self._closing = False
        self._coming = Groups(self._welcome, WELCOMED_TOGETHER)
        self._going = Groups(self._note_gone, GONE_TOGETHER)
        self.io = engine.make_server(max_message_bytes=MESSAGE_BYTES, cut_off=desk.measures.cut_off)
        desk.measures.sockets.labels("console").set_function(lambda: len(self._by_sid))
        self.io.on("connect", self._connect)
        self.io.on("disconnect", self._disconnect)
        self.io.on("replay", self._replay)
        self.io.on("watch_board", self._watch_board)
        self.io.on("unwatch_board", self._unwatch_board)
        self.io.on("watch_floor", self._watch_floor)
        self.io.on("unwatch_floor", self._unwatch_floor)

    def attach(self, app: web.Application) -> None:
        """Serve at /live."""
        self.io.attach(app, socketio_path="live")

    async def close(self) -> None:
        """Tell every console to come back later, and take none that comes back at once."""
        self._closing = True
        for sid in list(self._by_sid):
            await self.io.tell(sid, "bye", {"reason": "shutdown"})
            await self.io.dismiss(sid)
        await self.io.shutdown()
        await self._coming.finish()
        await self._going.finish()

    # --- coming and going ---------------------------------------------------------------------------------------

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        request: web.Request = environ["aiohttp.request"]
        if not self._own_origin(request.headers.get("Origin", "")):
            raise Refused("origin")
        try:
            principal = await self._who(request)
        except DeskError as error:
            raise Refused("busy") from error
        if principal is None:
            raise Refused("unauthenticated")
        if not isinstance(auth, dict) or auth.get("schema") != LIVE_SCHEMA:
            raise Refused("schema")
        others = len(self._sids.get(principal.agent_id, ()))
        if self._closing or len(self._by_sid) >= SOCKETS or others >= SOCKETS_PER_AGENT:
            raise Refused("busy")
        self._by_sid[sid] = connected = Connected(
            sid, principal, self._desk.clock.now(), auth.get("position"), request
        )
        self._sids[principal.agent_id].add(sid)
        self._arriving.add(sid)
        self._coming.add(connected)

    async def _who(self, request: web.Request) -> Principal | None:
        """Known from the door, which may have asked long ago: `_let_in` waits until that was looked at again."""
        return request.get(KNOWN) or await self._identify(request)

    async def _welcome(self, group: list[Connected]) -> None:
        """Presence first, then the state: what happens between the two arrives as frames."""
        try:
            here = await self._still_signed_in(group)
            arrivals = [
                sockets.Arrival(each.sid, each.principal.agent_id, each.principal.session) for each in here
            ]
            await self._desk.run(nodes.open_consoles, self._node_id, arrivals)
            for each in here:
                if each.sid not in self._by_sid:  # gone before it was known: undo what came too late
                    self._going.add(each.sid)
            await self._send_states(here)
            await self._send_alerts(here)
        except DeskError as error:
            log.warning("consoles could not be welcomed", consoles=len(group), reason=error.detail)
            await self._send_away(group)
        except Exception:
            log.exception("consoles could not be welcomed", consoles=len(group))
            if len(group) == 1:
                await self._send_away(group)
            else:  # one of them is the reason: the others shall not be kept out by it
                for each in group:
                    await self._welcome([each])
        finally:
            for each in group:
                leave(each.request)

    async def _send_away(self, group: list[Connected]) -> None:
        """Without a first state a console is blind: it has to come again."""
        for each in group:
            await self.io.dismiss(each.sid)

    async def _still_signed_in(self, group: list[Connected]) -> list[Connected]:
        """Without those whose session was revoked in the moment before it could be heard here."""
        valid = await self._desk.look(sessions_in_force, {each.principal.session for each in group})
        for each in group:
            if each.principal.session not in valid:
                await self._dismiss(each.sid, "revoked")
            else:
                each.looked_at.set()
        return [each for each in group if each.sid in self._by_sid]

    async def _let_in(self, sid: str) -> Connected | None:
        """The console, once its session is known to be in force; None if it is not, or the socket is gone."""
        if connected := self._by_sid.get(sid):
            await connected.looked_at.wait()
        return self._by_sid.get(sid)

    async def _send_states(self, group: list[Connected]) -> None:
        """The first states, and after them what the fan-out had for the others while they were read."""
        wanted = {each.sid: (each.principal.agent_id, each.position) for each in group}
        while wanted := {sid: asked for sid, asked in wanted.items() if sid in self._by_sid}:
            states = await self._desk.look(catch_up, wanted, REPLAY_EVENTS)
            behind = {}
            for sid, state in states.items():
                if sid not in self._by_sid:
                    continue
                agent_id = wanted[sid][0]
                if self._last.setdefault(agent_id, state.position) > state.position:
                    behind[sid] = (agent_id, state.position)
                else:
                    self._arriving.discard(sid)
                await self.io.emit(_event_of(state), state, to=sid)
            wanted = behind

    async def _send_alerts(self, group: list[Connected]) -> None:
        told = [
            each
            for each in group
            if each.sid in self._by_sid and allowed(each.principal, "alert.acknowledge")
        ]
        if told:
            alerts = await self._desk.read(alerts_now)
            for each in told:
                if each.sid in self._by_sid:  # else gone while the alerts were read
                    await self.io.enter_room(each.sid, ALERT_ROOM)
                    await self.io.emit("alerts", alerts, to=each.sid)

    async def _disconnect(self, sid: str, _reason: str | None = None) -> None:
        gone = self._by_sid.pop(sid, None)
        self._arriving.discard(sid)
        if gone is None:
            return
        gone.looked_at.set()
        sids = self._sids[gone.principal.agent_id]
        sids.discard(sid)
        if not sids:
            del self._sids[gone.principal.agent_id]
            self._last.pop(gone.principal.agent_id, None)
        self._going.add(sid)

    async def _note_gone(self, sids: list[str]) -> None:
        try:
            await self._desk.run(sockets.closed, sids)
        except DeskError as error:
            log.warning("closed sockets could not be noted yet", sockets=len(sids), reason=error.detail)
            if not self._closing:  # a node that ends takes all its sockets along
                asyncio.get_running_loop().call_later(AGAIN_S, self._note_again, sids)

    def _note_again(self, sids: list[str]) -> None:
        for sid in sids:
            self._going.add(sid)

    # --- what consoles ask --------------------------------------------------------------------------------------

    async def _replay(self, sid: str, body: Any = None, *_: Any) -> dict[str, FrameView | SnapshotView]:
        """Nothing if the state cannot be read now: the console asks again."""
        connected = await self._let_in(sid)
        if connected is None:
            return {}
        after = body.get("after") if isinstance(body, dict) else None
        try:
            asked = {sid: (connected.principal.agent_id, after)}
            answer = (await self._desk.look(catch_up, asked, REPLAY_EVENTS))[sid]
        except DeskError as error:
            log.warning("replay not answered", reason=error.detail)
            return {}
        return {_event_of(answer): answer}

    async def _watch_board(self, sid: str, *_: Any) -> BoardView | dict[str, str]:
        connected = await self._let_in(sid)
        if connected is None or not allowed(connected.principal, "board.view"):
            return {"error": "forbidden"}
        await self.io.enter_room(sid, BOARD_ROOM)
        try:
            return await self._desk.read(board_view)
        except DeskError as error:
            return {"error": error.code}

    async def _unwatch_board(self, sid: str, *_: Any) -> None:
        if sid in self._by_sid:
            await self.io.leave_room(sid, BOARD_ROOM)

    async def _watch_floor(self, sid: str, *_: Any) -> FloorView | dict[str, str]:
        connected = await self._let_in(sid)
        if connected is None or not allowed(connected.principal, "contact.direct"):
            return {"error": "forbidden"}
        await self.io.enter_room(sid, FLOOR_ROOM)
        try:
            return await self._desk.read(floor_view)
        except DeskError as error:
            return {"error": error.code}

    async def _unwatch_floor(self, sid: str, *_: Any) -> None:
        if sid in self._by_sid:
            await self.io.leave_room(sid, FLOOR_ROOM)

    # --- what the fan-out sends ---------------------------------------------------------------------------------

    @property
    def agents(self) -> set[str]:
        """Who is connected here."""
        return set(self._sids)

    @property
    def last(self) -> dict[str, int]:
        """The position of the last frame (or first snapshot) of each agent."""
        return self._last

    async def send_frame(self, agent_id: str, frame: FrameView) -> None:
        """To every console of the agent that has its first state; one that does not read is cut off."""
        self._last[agent_id] = frame.position
        sids = self._sids.get(agent_id, set()) - self._arriving
        for offer in frame.put.offers.values():
            log.info(
                "rings", interaction=offer.interaction_id, agent=agent_id, offer=offer.id, sockets=len(sids)
            )
        frames = overtaking(agent_id, frame) if planted("frames_out_of_order") else (frame,)
        for sid in sids:
            self._desk.measures.frames.inc()
            for each in frames:
                await self.io.tell(sid, "frame", each)

    async def send_board(self, board: BoardView) -> None:
        """To everybody who watches, serialised once; with it the floor, and the alerts when they have changed."""
        if await self._has_room(BOARD_ROOM):
            await self.io.emit("board", board, room=BOARD_ROOM)
        if await self._has_room(FLOOR_ROOM):
            await self.io.emit("floor", await self._desk.read(floor_view), room=FLOOR_ROOM)
        if board.alerts != self._alerts:
            self._alerts = board.alerts
            if await self._has_room(ALERT_ROOM):
                await self.io.emit("alerts", AlertsNowView(at=board.at, alerts=board.alerts), room=ALERT_ROOM)

    async def _has_room(self, room: str) -> bool:
        """Whether anybody is in the room; who does not read is cut off first."""
        watchers = list(self.io.manager.get_participants("/", room))
        for sid, eio_sid in watchers:
            if self.io.is_stuck(sid):
                await self.io.cut_off(eio_sid)
        return bool(watchers)

    async def resync(self, position: int) -> None:
        """Tell every console here to ask for what it missed; frames go on from `position`."""
        self._last = dict.fromkeys(self._sids, position)
        await self.io.emit("resync", {})

    async def may_open(self, origin: str) -> bool:
        """Whether a page of this origin may open a console's socket."""
        return self._own_origin(origin)

    async def register_again(self) -> None:
        """Enter every open socket anew, after this node was taken for dead."""
        arrivals = [
            sockets.Arrival(each.sid, each.principal.agent_id, each.principal.session)
            for each in self._by_sid.values()
        ]
        await self._desk.run(nodes.open_consoles, self._node_id, arrivals)

    async def end_session(self, session_start: str, reason: str) -> None:
        """A session was revoked: its sockets close at once."""
        for connected in list(self._by_sid.values()):
            if connected.principal.session.startswith(session_start):
                await self._dismiss(connected.sid, reason)

    async def check_sessions(self) -> None:
        """Close the sockets of sessions that are over, every `SESSIONS_EVERY`, until cancelled.

        A revocation is heard at once; this finds what nobody says: that a session's time is up, that an account
        was closed.
        """
        clock = self._desk.clock
        while True:
            await clock.sleep_until(clock.now() + SESSIONS_EVERY)
            try:
                held = {connected.principal.session for connected in self._by_sid.values()}
                valid = await self._desk.read(sessions_in_force, held) if held else set()
            except DeskError as error:
                log.warning("sessions not checked", reason=error.detail)
                continue
            for connected in list(self._by_sid.values()):
                session = connected.principal.session
                if session in held and session not in valid:
                    await self._dismiss(connected.sid, "revoked")

    async def _dismiss(self, sid: str, reason: str) -> None:
        await self.io.tell(sid, "bye", {"reason": reason})
        await self.io.dismiss(sid)


def _event_of(state: FrameView | SnapshotView) -> str:
    return "frame" if isinstance(state, FrameView) else "snapshot"
