"""Row 7 (cross-site WebSocket hijack): a socket opens only for exact origins, also when the cookie is right."""

from pathlib import Path

import aiohttp
import pytest
import socketio
from socketio.exceptions import ConnectionError as Refused

from service_desk.domain.views import LIVE_SCHEMA
from tests.e2e.console import Console, console
from tests.e2e.world import World, add_agent, world

FOREIGN = (
    "https://evil.example",
    "http://localhost.evil.example",
    "null",
    "",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "https://127.0.0.1",
    "file://",
)


async def open_live(desk: World, one: Console, origin: str | None) -> None:
    """Connect with a signed-in browser's cookies and this Origin."""
    client = socketio.AsyncClient(reconnection=False, http_session=one._http)
    headers = {} if origin is None else {"Origin": origin}
    try:
        await client.connect(
            desk.base,
            socketio_path="live",
            transports=["websocket"],
            auth={"schema": LIVE_SCHEMA},
            headers=headers,
        )
    finally:
        await client.disconnect()


async def test_live_opens_for_our_own_pages_only(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            for origin in (*FOREIGN, None):
                with pytest.raises(Refused):
                    await open_live(desk, ann, origin)
            await open_live(desk, ann, desk.base)


async def test_chat_opens_for_the_widgets_pages_only(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk, aiohttp.ClientSession() as http:
        for origin, widget in (
            *((origin, "demo") for origin in FOREIGN),
            (desk.base, "other"),
            (desk.base, None),
        ):
            client = socketio.AsyncClient(reconnection=False, http_session=http)
            with pytest.raises(Refused):
                await client.connect(
                    desk.base,
                    socketio_path="chat",
                    transports=["websocket"],
                    auth={"widget": widget},
                    headers={"Origin": origin},
                )
        client = socketio.AsyncClient(reconnection=False, http_session=http)
        await client.connect(
            desk.base,
            socketio_path="chat",
            transports=["websocket"],
            auth={"widget": "demo"},
            headers={"Origin": desk.base},
        )
        await client.disconnect()
