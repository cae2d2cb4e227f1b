"""Agents: what they chose, whether their console is there, and what becomes of their work when it is not."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from routing.commands import AgentAway, AgentChanged, AgentGone, AgentReady
from routing.model import Agent
from service_desk.clock import SECOND, Micros
from service_desk.domain import events
from service_desk.domain.config import DeskConfig
from service_desk.errors import Invalid, NotFound, StaleVersion
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx

AGENT = schema.agent
CONNECTION = schema.connection
SIGNED_OUT = "signed_out"
SHIFT_TIMER = "shift_begins"
_ANY_SOCKET = Prepared(
    sa.select(CONNECTION.c.sid).where(CONNECTION.c.agent_id == sa.bindparam("agent")).limit(1)
)


def agent_for(row: Row, config: DeskConfig, now: Micros) -> Agent:
    """Routing's view of an agent at this moment: it changes when a shift of theirs begins."""
    return Agent(
        row["id"],
        frozenset(row["queues"]),
        dict(row["skills"]),
        dict(row["capacity"]),
        units=config.agent_units,
        shift_end=config.shift_end(row["login"], row["chosen_at"], now),
    )


def must_get(tx: Tx, agent_id: str) -> Row:
    """The agent, locked; NotFound if there is none."""
    row = tx.get_for_update(AGENT, agent_id)
    if row is None:
        raise NotFound(f"There is no agent {agent_id}.")
    return row


def choose_state(tx: Tx, agent_id: str, version: int, state: str, reason: str | None) -> Row:
    """The agent says ready, or away with a reason of the configuration."""
    row = must_get(tx, agent_id)
    if row["version"] != version:
        raise StaleVersion("Your state changed meanwhile.", version=row["version"])
    if state == "ready":
        reason = None
    elif reason not in {away.id for away in tx.config.away_reasons}:
        known = ", ".join(away.id for away in tx.config.away_reasons)
        raise Invalid(f"reason is one of {known}.", field="reason")
    return _set_state(tx, row, state, reason)


def send_away(tx: Tx, agent_id: str, reason: str) -> Row:
    """No more offers until the agent says ready: not answered, softphone missing, signed out."""
    return _set_state(tx, must_get(tx, agent_id), "away", reason)


def _set_state(tx: Tx, row: Row, state: str, reason: str | None) -> Row:
    works_longer = state == "ready" and row["login"] in tx.config.shifts  # ready again after a shift
    if (row["chosen"], row["reason"]) == (state, reason) and not works_longer:
        return row
    idle_since = tx.now if state == "ready" and row["chosen"] != "ready" else row["idle_since"]
    row = tx.change(AGENT, row, chosen=state, reason=reason, chosen_at=tx.now, idle_since=idle_since)
    tx.emit(events.AgentStateChanged(row["id"], state, reason))
    if state == "ready":
        if row["lost_at"] is None and is_connected(tx, row["id"]):
            tell_ready(tx, row)
    else:
        tx.route(AgentAway(row["id"], reason or "away"))
    return row


def tell_ready(tx: Tx, row: Row) -> None:
    """The router may offer them work: until the end of their shift, and again from the start of the next one on."""
    tx.route(AgentReady(agent_for(row, tx.config, tx.now), row["idle_since"]))
    await_shift(tx, row)


def await_shift(tx: Tx, row: Row) -> None:
    """An agent who stays ready is looked at again when their next shift begins."""
    if (begins := tx.config.next_shift(row["login"], tx.now)) is not None:
        tx.set_timer(SHIFT_TIMER, row["id"], begins)


def shift_begins(tx: Tx, agent_id: str, _data: Mapping[str, Any]) -> None:
    """Who is ready since an earlier shift works in this one too."""
    row = must_get(tx, agent_id)
    if not row["active"] or row["chosen"] != "ready" or row["login"] not in tx.config.shifts:
        return
    tx.route(AgentChanged(agent_for(row, tx.config, tx.now)))
    await_shift(tx, row)


def is_connected(tx: Tx, agent_id: str) -> bool:
    """Whether any console of the agent has a socket somewhere."""
    return tx.scalar(_ANY_SOCKET, {"agent": agent_id}) is not None


def drop_sockets(tx: Tx, node_id: str) -> None:
    """A node is gone, and with it its consoles: who has none left has a moment to come back."""
    of_node = CONNECTION.c.node_id == node_id
    found = tx.all(sa.select(CONNECTION.c.agent_id).where(of_node).distinct().order_by(CONNECTION.c.agent_id))
    gone: list[str] = [row["agent_id"] for row in found]
    tx.all(sa.select(AGENT.c.id).where(AGENT.c.id.in_(gone)).order_by(AGENT.c.id).with_for_update())
    tx.write(sa.delete(CONNECTION).where(of_node))
    left = sa.select(CONNECTION.c.agent_id).where(CONNECTION.c.agent_id.in_(gone)).distinct()
    elsewhere = {row["agent_id"] for row in tx.all(left)}
    lonely = [agent_id for agent_id in gone if agent_id not in elsewhere]
    tx.set_timers("agent_lost", lonely, tx.now + tx.config.lost_s * SECOND)


def lost(tx: Tx, agent_id: str, _data: Mapping[str, Any]) -> None:
    """Nobody came back: offers go on to others; what the agent serves stays theirs for `reclaim_s`."""
    row = must_get(tx, agent_id)
    if is_connected(tx, agent_id) or row["lost_at"] is not None:
        return
    tx.change(AGENT, row, lost_at=tx.now)
    tx.emit(events.AgentPresence(agent_id, "lost"))
    tx.route(AgentGone(agent_id))
    tx.set_timer("agent_reclaim", agent_id, tx.now + tx.config.reclaim_s * SECOND)
