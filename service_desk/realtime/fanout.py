"""Reads the log behind each commit and sends what changed to this process's own sockets."""

import structlog

from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.errors import Unavailable
from service_desk.follow import Pace, Signal
from service_desk.killpoint import killpoint
from service_desk.planted import planted
from service_desk.queries import live
from service_desk.queries.kept_cards import KeptCards
from service_desk.queries.wallboard import board_view
from service_desk.realtime.server import LiveServer
from service_desk.realtime.visitors import ChatServer

BATCH = 32
"""Events read at once: few enough that the loop is soon free again, where they are read on its own thread."""
PACE_S = 0.002
"""So often at most: while events come fast, several are read and sent together, and a frame comes a thousandth of a
second later on average."""
BOARD_TOPIC = "board"

log = structlog.get_logger(__name__)


class Fanout:
    """A follower with its cursor in memory; it starts at the head."""

    def __init__(self, desk: Desk, consoles: LiveServer, visitors: ChatServer) -> None:
        self._desk = desk
        self._consoles = consoles
        self._visitors = visitors
        self._cards = KeptCards()
        self.cursor: int | None = None

    async def run(self) -> None:
        """Follow until cancelled. After a fault every console is told to catch up, so that none stays behind."""
        clock, pace = self._desk.clock, Pace(PACE_S)
        async with Signal(self._desk.bus, clock, "event") as signal:
            while True:
                await pace.wait()
                try:
                    await self._catch_up()
                except Unavailable as error:
                    log.warning("fan-out waits for the database", reason=error.detail)
                    await clock.sleep_until(clock.now() + SECOND)
                    continue
                except Exception:
                    log.exception("fan-out skips what it could not send")
                    await self._skip()
                await signal.wait()

    async def _skip(self) -> None:
        """Go on from the head, and have everybody ask for what they missed up to there."""
        self.cursor = await self._desk.read(live.head)
        self._cards.clear()
        await self._consoles.resync(self.cursor)
        await self._visitors.resync()

    async def _catch_up(self) -> None:
        if self.cursor is None:
            self.cursor = await self._desk.read(live.head)
        more = True
        while more:
            events = await self._desk.glance(live.events_after, self.cursor, BATCH)
            if events and not (planted("frame_lost") and events[0].position % 7 == 0):
                await self._send(events)
            if events:
                self.cursor = events[-1].position
            more = len(events) == BATCH

    async def _send(self, events: list[live.LogEvent]) -> None:
        killpoint("fanout.before_send")
        present = self._consoles.agents
        if present:
            frames = await self._desk.view(
                live.frames, events, present, prev=self._consoles.last, kept=self._cards
            )
            for agent_id, frame in frames.items():
                await self._consoles.send_frame(agent_id, frame)
        else:
            self._cards.clear()  # nobody is told, so nothing is kept up to date
        for event in events:
            if event.kind == "session.revoked":
                await self._consoles.end_session(event.data["session"], event.data["reason"])
        await self._visitors.follow(events)

    async def push_boards(self) -> None:
        """Send the board whenever its writer says that it is new."""
        async for _ in self._desk.bus.whispers(BOARD_TOPIC):
            try:
                await self._consoles.send_board(await self._desk.read(board_view))
            except Unavailable as error:
                log.warning("board not sent", reason=error.detail)
