"""Short words for what tests do all the time."""

from typing import Any

import sqlalchemy as sa

from channels.contract import (
    AgentDialled,
    CallStarted,
    ChatOpened,
    ConferenceChanged,
    MessageReceived,
    ParticipantChange,
)
from service_desk.actions import admin, agents, calls, chats, offers, sockets
from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

PHONE = "phone-main"


async def make_agent(desk: Desk, login: str, *, ready: bool = True, **more: Any) -> str:
    """An agent, by default ready at an open console."""

    def add(tx: Tx) -> str:
        row = admin.add_user(tx, login=login, name=login.title(), password_hash="!", role="agent", **more)
        return str(row["id"])

    agent_id = await desk.run(add)
    if ready:
        await desk.run(
            sockets.opened,
            "node-1",
            [sockets.Arrival(f"sid-{login}", agent_id, f"session-{login}")],
            actor=agent_id,
        )
        await set_state(desk, agent_id, "ready")
    return agent_id


async def set_state(desk: Desk, agent_id: str, state: str, reason: str | None = None) -> None:
    row = await row_of(desk, schema.agent, agent_id)
    await desk.run(agents.choose_state, agent_id, row["version"], state, reason, actor=agent_id)


async def row_of(desk: Desk, table: sa.Table, key: str) -> dict[str, Any]:
    def get(reader: Reader) -> dict[str, Any]:
        row = reader.get(table, key)
        assert row is not None, f"no {table.name} {key}"
        return dict(row)

    return await desk.read(get)


async def rows_of(desk: Desk, table: sa.Table, **where: Any) -> list[dict[str, Any]]:
    def find(reader: Reader) -> list[dict[str, Any]]:
        statement = sa.select(table).where(*(table.c[name] == value for name, value in where.items()))
        return [dict(row) for row in reader.all(statement.order_by(*table.primary_key.columns))]

    return await desk.read(find)


async def phone(desk: Desk, call_id: str, caller: str | None = "+14155550100", account: str = PHONE) -> str:
    """A call comes in; its interaction."""
    event = CallStarted(call_id, caller, "+15005550006", f"start-{call_id}")
    await desk.run(calls.start_call, account, event, actor=account)
    return str((await rows_of(desk, schema.interaction, external_id=call_id))[0]["id"])


async def offer_to(desk: Desk, interaction_id: str, agent_id: str, *, ring_s: int = 20) -> str:
    """An offer as the router would make it; its id."""
    from routing.decisions import OfferMade
    from routing.model import Offer

    row = await row_of(desk, schema.interaction, interaction_id)
    attempt = row["attempts"] + 1
    now = desk.clock.now()
    offer = Offer(
        f"{interaction_id}.{attempt}", interaction_id, agent_id, now, now + ring_s * SECOND, attempt
    )
    refused = await desk.run(offers.apply_decisions, [OfferMade(offer, {"rule": "test"})], 1, actor="router")
    assert refused == [], refused
    return offer.id


async def join_both(desk: Desk, interaction_id: str, agent_id: str, call_id: str) -> str:
    """The softphone dials in and both legs enter the conference; the agent's leg."""
    leg = f"{call_id}-agent"
    await desk.run(
        calls.agent_dialled, PHONE, AgentDialled(leg, agent_id, interaction_id, f"dial-{leg}"), actor=PHONE
    )
    for number, one in enumerate((call_id, leg), 1):
        event = ConferenceChanged(interaction_id, "CF1", ParticipantChange.JOINED, f"join-{one}", number, one)
        await desk.run(calls.conference_changed, PHONE, event, actor=PHONE)
    return leg


async def open_chat(
    desk: Desk, name: str, text: str, *, mailbox: str | None = None, key: str = "k1", topic: str | None = None
) -> tuple[str, str]:
    """A visitor opens a chat: (visitor, interaction)."""
    visitor = await desk.run(chats.meet_visitor, "demo", None, f"print-{name}", actor="customer")
    chat_id = f"{visitor['id']}.{key}"
    opened = ChatOpened(chat_id, visitor["id"], f"open-{chat_id}", name=name, mailbox=mailbox, topic=topic)
    first = MessageReceived(chat_id, key, visitor["id"], text, f"say-{chat_id}")
    line = await desk.run(chats.open_chat, "demo", opened, first, actor="customer")
    return visitor["id"], line.interaction_id
