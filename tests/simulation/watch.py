"""Looks at a simulated day while it passes, and at its end."""

import asyncio
import gc
from typing import TYPE_CHECKING

from service_desk import audit
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.simulation import checks, people

if TYPE_CHECKING:
    from tests.simulation.world import World

import sqlalchemy as sa

LOOK_S = 10.0
PATIENCE_S = 1.0
"""How long a console may show something old while the desk is whole."""

UNSURE = "outcome unknown"
"""What the auditor says of effects for people to see."""


class Watch:
    """Each look that finds something ends the run."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._idleness = checks.Idleness()

    async def run(self) -> None:
        """Everything cheap every few seconds, one console after the other, the auditor now and then."""
        turn = 0
        while True:
            await asyncio.sleep(LOOK_S)
            turn += 1
            self._look()
            if turn % 2 == 0:
                await self._look_at_console(self._world.agents[turn // 2 % len(self._world.agents)])
            if turn % 360 == 0:
                self._audit()
            if turn % 60 == 0:
                gc.collect()

    def _look(self) -> None:
        self._world.breaks(f"a robot stumbled: {each}" for each in self._world.robot_faults.stumbles)
        self._world.breaks(self._world.keeper.read(lambda reader: list(checks.overload(reader))))
        for node in self._world.nodes:
            host = node.parts.host if node is not None and node.parts is not None and not node.dead else None
            if host is not None and host.router is not None:
                self._world.breaks(checks.broken_router(host.router))
        if self._world.whole:
            self._world.breaks(self._world.keeper.read(lambda reader: list(checks.overdue(reader))))
            self._world.breaks(self._world.keeper.read(lambda reader: list(self._idleness.look(reader))))
        else:
            self._idleness.since.clear()

    async def _look_at_console(self, agent: people.Colleague) -> None:
        """Old snapshot + frames = new snapshot, within a moment."""
        console = agent.console
        different: list[str] = []
        for _ in range(20):
            if not console.state or console._lost or not self._world.whole:
                return
            different = self._world.keeper.read(checks.differs, console.agent_id, console.state)
            if not different:
                self._world.counts["consoles compared"] += 1
                return
            await asyncio.sleep(PATIENCE_S / 20)
        self._world.breaks(
            [f"the console of {console.agent_id} shows other {', '.join(different)} than a new one"]
        )

    def _audit(self) -> None:
        self._world.counts["audits"] += 1
        found = self._world.keeper.read(audit.audit)
        self._world.breaks(
            f"auditor: {each.check} {each.subject}: {each.detail}"
            for each in found
            if UNSURE
            not in each.detail  # while a provider is not well; at the end nothing may be: see open_ends
        )

    def check_end(self) -> None:
        def look(reader: Reader) -> list[str]:
            ids = _message_ids(reader)
            return [
                *checks.lost(reader, self._world.ledger, ids, self._world.network.opened),
                *checks.twice(reader, self._world.exchange, self._world.mailboxes),
                *checks.open_ends(reader),
            ]

        self._audit()
        self._world.breaks(self._world.keeper.read(look))


def _message_ids(reader: Reader) -> set[str]:
    given = schema.input_
    rows = reader.all(sa.select(given.c.body).where(given.c.kind == "mail_received"))
    return {row["body"].get("message_id") for row in rows}
