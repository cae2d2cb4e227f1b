"""Consoles' sockets that open and close, many at a time: when a line comes back, everybody comes at once.

However many there are, the rows of their agents are locked in one go, in the order of the ids, and looked at in one go.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from service_desk.actions.agents import AGENT, CONNECTION, tell_ready
from service_desk.clock import SECOND
from service_desk.domain import events
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx


@dataclass(frozen=True, slots=True)
class Arrival:
    """A console's socket that has opened."""

    sid: str
    agent_id: str
    session: str


_AGENTS = Prepared(
    sa.select(AGENT)
    .where(AGENT.c.id.in_(sa.bindparam("agents", expanding=True)))
    .order_by(AGENT.c.id)
    .with_for_update()
)
_OF_AGENTS = Prepared(
    sa.select(CONNECTION.c.sid, CONNECTION.c.agent_id).where(
        CONNECTION.c.agent_id.in_(sa.bindparam("agents", expanding=True))
    )
)
_BY_SID = Prepared(
    sa.select(CONNECTION.c.sid, CONNECTION.c.agent_id).where(
        CONNECTION.c.sid.in_(sa.bindparam("sids", expanding=True))
    )
)
_DELETE = Prepared(sa.delete(CONNECTION).where(CONNECTION.c.sid.in_(sa.bindparam("sids", expanding=True))))


def opened(tx: Tx, node_id: str, arrivals: Sequence[Arrival]) -> None:
    """Sockets opened on a node. What their agents chose counts again; a socket that is known changes nothing."""
    agents = _locked(tx, {arrival.agent_id for arrival in arrivals})
    there = tx.all(_OF_AGENTS, {"agents": sorted(agents)})
    known = {row["sid"] for row in there}
    connected = {row["agent_id"] for row in there}
    fresh = [arrival for arrival in arrivals if arrival.agent_id in agents and arrival.sid not in known]
    if not fresh:
        return
    came = sorted({arrival.agent_id for arrival in fresh})
    tx.clear_timers(["agent_lost", "agent_reclaim"], came)
    for arrival in fresh:
        tx.add(
            CONNECTION,
            {
                "sid": arrival.sid,
                "node_id": node_id,
                "agent_id": arrival.agent_id,
                "session": arrival.session,
                "connected_at": tx.now,
            },
        )
    for agent_id in came:
        row = agents[agent_id]
        if agent_id not in connected or row["lost_at"] is not None:
            _is_back(tx, row)


def closed(tx: Tx, sids: Collection[str]) -> None:
    """Sockets closed; an agent who has none left has a moment to come back."""
    found = tx.all(_BY_SID, {"sids": sorted(sids)})
    if not found:
        return
    agents = {row["agent_id"] for row in found}
    _locked(tx, agents)  # two consoles that come or go at once on two nodes see each other
    tx.send(_DELETE, {"sids": sorted(sids)})
    left = {row["agent_id"] for row in tx.all(_OF_AGENTS, {"agents": sorted(agents)})}
    tx.set_timers("agent_lost", sorted(agents - left), tx.now + tx.config.lost_s * SECOND)


def _locked(tx: Tx, agents: Iterable[str]) -> dict[str, Row]:
    return {row["id"]: row for row in tx.all(_AGENTS, {"agents": sorted(agents)})}


def _is_back(tx: Tx, row: Row) -> None:
    tx.actor = row["id"]
    if row["lost_at"] is not None:
        row = tx.change(AGENT, row, lost_at=None)
    tx.emit(events.AgentPresence(row["id"], "connected"))
    if row["chosen"] == "ready":
        tell_ready(tx, row)
