"""Row 5 (rights checked on HTTP but not on the socket): one function for both, and an explicit table of events."""

from pathlib import Path
from typing import Any

import pytest
from socketio.exceptions import TimeoutError as NoAnswer

from service_desk.realtime.server import EVENTS, LiveServer
from service_desk.realtime.visitors import ChatServer
from service_desk.storage import schema
from tests.e2e.console import console
from tests.e2e.world import add_agent, until, world
from tests.service_desk.people import rows_of

SILLY: tuple[Any, ...] = (
    None,
    0,
    -1,
    10**30,
    "x",
    [],
    {},
    {"after": "1; DROP TABLE event"},
    {"after": None},
    [[[]]],
)
UNKNOWN = (
    "connect_error",
    "frame",
    "snapshot",
    "base",
    "__class__",
    "emit",
    "session",
    "accept",
    "admin",
    "",
)


async def test_only_the_listed_events_have_handlers(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        assert desk.parts is not None
        consoles, visitors = desk.parts.consoles, desk.parts.visitors
        assert isinstance(consoles, LiveServer)
        assert isinstance(visitors, ChatServer)
        assert set(consoles.io.handlers["/"]) == EVENTS | {"connect", "disconnect"}
        assert set(visitors.io.handlers["/"]) == {"connect", "disconnect", "open", "say", "close", "sync"}


async def test_nonsense_harms_nobody_and_tells_nothing(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            for body in SILLY:
                answer = await ann.io.call("replay", body)
                assert set(answer) <= {"snapshot", "frame"}
            for event in UNKNOWN:
                with pytest.raises(NoAnswer):
                    await ann.io.call(event or "''", {"a": 1}, timeout=0.2)
            assert ann.io.connected
            await desk.call("+14155550100")
            await ann.offer()


async def test_a_console_gets_nothing_of_another_agents(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        await add_agent(desk, "bob")
        async with console(desk, "ann") as ann, console(desk, "bob") as bob:
            await bob.set_state("away", "break")
            await desk.call("+14155550100")
            offer = await ann.offer()
            contact = offer["interaction_id"]
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            await ann.ask("POST", f"/interactions/{contact}/notes", {"text": "for ann's eyes"})
            told = await bob.io.call("replay", {"after": 1})
            for seen in (bob.frames, bob.state, told):
                assert contact not in str(seen)
                assert "for ann's eyes" not in str(seen)
            status, _ = await bob.try_("GET", f"/interactions/{contact}")
            assert status in (403, 404)


async def test_another_visitors_token_is_needed_for_their_chat(sqlite_url: str, tmp_path: Path) -> None:
    """Ids are no proofs: knowing a chat's or visitor's id opens nothing."""
    import socketio

    async with world(sqlite_url, tmp_path) as desk:
        opened: dict[str, Any] = {}
        victim = socketio.AsyncClient(reconnection=False)
        where: dict[str, Any] = {
            "socketio_path": "chat",
            "transports": ["websocket"],
            "headers": {"Origin": desk.base},
        }
        await victim.connect(desk.base, auth={"widget": "demo"}, **where)
        opened = await victim.call("open", {"key": "k1", "text": "my secret order", "name": "Vera"})
        assert opened["ok"], opened
        visitor = (await rows_of(desk.desk, schema.visitor))[0]
        for token in (
            visitor["id"],
            visitor["fingerprint"],
            opened["chat"]["chat_id"],
            "' OR 1=1 --",
            "x" * 5_000,
        ):
            thief = socketio.AsyncClient(reconnection=False)
            await thief.connect(desk.base, auth={"widget": "demo", "token": token}, **where)
            synced = await thief.call("sync", {})
            assert synced["chat"]["entries"] == []
            refused = await thief.call(
                "say", {"key": "k9", "text": "hello", "chat_id": opened["chat"]["chat_id"]}
            )
            assert refused["ok"] is False
            await thief.disconnect()
        back = socketio.AsyncClient(reconnection=False)
        await back.connect(desk.base, auth={"widget": "demo", "token": opened["chat"]["token"]}, **where)
        assert (await back.call("sync", {}))["chat"]["entries"][0]["text"] == "my secret order"
        await back.disconnect()
        await victim.disconnect()


async def test_too_much_text_is_refused_in_words_and_the_socket_lives(
    sqlite_url: str, tmp_path: Path
) -> None:
    import socketio

    async with world(sqlite_url, tmp_path) as desk:
        visitor = socketio.AsyncClient(reconnection=False)
        await visitor.connect(
            desk.base,
            auth={"widget": "demo"},
            socketio_path="chat",
            transports=["websocket"],
            headers={"Origin": desk.base},
        )
        refused = await visitor.call("open", {"key": "k1", "text": "x" * 100_000})
        assert refused["error"]["field"] == "text"
        assert "16000 characters" in refused["error"]["message"]
        empty = await visitor.call("open", {"key": "k2", "text": " \n "})
        assert empty["error"]["field"] == "text"
        taken = await visitor.call("open", {"key": "k3", "text": "short"})
        assert taken["ok"]
        again = await visitor.call("open", {"key": "k3", "text": "short"})
        assert again["chat"]["chat_id"] == taken["chat"]["chat_id"]
        answers = [await visitor.call("say", {"key": f"f{n}", "text": "flood"}) for n in range(60)]
        assert any(answer.get("error", {}).get("code") == "rate_limited" for answer in answers)

        async def alive() -> bool:
            return bool(visitor.connected)

        await until(alive, "the socket lives")
        await visitor.disconnect()
