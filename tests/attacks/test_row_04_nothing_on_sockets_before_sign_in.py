"""Row 4 on the sockets: whoever is not signed in gets no answer to any event, and nothing breaks by what they send.

CVE-2026-102489 was one event, sent before any login, that answered with the inside of the server.
"""

import asyncio
import contextlib
import functools
import json
from pathlib import Path
from typing import Any

import pytest

from service_desk import app
from service_desk.domain.views import LIVE_SCHEMA
from service_desk.realtime import door, engine
from service_desk.realtime.server import EVENTS, LiveServer
from tests.e2e.console import console
from tests.e2e.world import World, add_agent, until, world
from tests.service_desk.realtime.raw import Raw, raw

NAMES = (
    *sorted(EVENTS),
    "snapshot",
    "frame",
    "open",
    "say",
    "sync",
    "base",
    "connect",
    "disconnect",
    "__init__",
    "message",
    "",
)
GARBAGE: tuple[str | bytes, ...] = (
    "",
    "4",
    "42",
    "42[",
    "42[]",
    "42{}",
    "42null",
    "42[null]",
    '42["replay"',
    '42[["replay"]]',
    '42[{"a":1},2]',
    "421[",
    "42999999999999999999999[]",
    "40{",
    "40[1]",
    '40"x"',
    "40/admin,{}",
    "41",
    "43[1]",
    "430[1]",
    "44x",
    "45",
    '451-["replay",{"_placeholder":true,"num":0}]',
    '46999-["x"]',
    "47",
    "4" + "9" * 5_000,
    "42" + "[" * 20_000,
    "42[" + "9" * 5_000 + "]",
    '42["replay","\\ud800"]',
    "1",
    "3",
    "5",
    "6",
    "9",
    "x",
    "\x00",
    b"",
    b"\x00\xff",
    b"\x04binary",
)


async def quiet(page: Raw) -> list[str]:
    """What was said to us beyond the opening, pings and refusals."""
    return [text for text in page.heard if text[:1] not in ("0", "2", "1", "6") and not text.startswith("44")]


@pytest.mark.parametrize("path", ["live", "chat"])
async def test_no_event_is_answered_before_sign_in(sqlite_url: str, tmp_path: Path, path: str) -> None:
    async with world(sqlite_url, tmp_path) as desk, raw(desk, path) as stranger:
        await stranger.hear("0")
        for number, name in enumerate(NAMES):
            await stranger.send(f"42{number}{json.dumps([name, {'after': 1}])}")
            await stranger.send(f"42/admin,{number}{json.dumps([name])}")
        refused = await stranger.sign_in({"schema": LIVE_SCHEMA})
        assert refused.startswith("44"), "the events before it were read, and this is the first word back"
        for number, name in enumerate(NAMES):
            await stranger.send(f"42{number}{json.dumps([name, {}])}")
        again = await stranger.hear("44")
        assert json.loads(again[2:])["message"] in ("unauthenticated", "widget")
        await still_works(desk)
        assert await quiet(stranger) == []


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        ({}, "schema"),
        ({"schema": LIVE_SCHEMA + 1}, "schema"),
        ({"schema": str(LIVE_SCHEMA)}, "schema"),
        ({"schema": None}, "schema"),
        ([1], "schema"),
        ("text", "schema"),
    ],
)
async def test_another_build_s_console_is_told_to_reload(
    sqlite_url: str, tmp_path: Path, auth: Any, reason: str
) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann, raw(desk, http=ann._http) as old:
            refused = await old.sign_in(auth)
            assert json.loads(refused[2:]) == {"message": reason}


async def test_refusals_say_one_word_and_nothing_of_the_inside(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        for path, auth, word in (
            ("live", {"schema": LIVE_SCHEMA}, "unauthenticated"),
            ("live", None, "unauthenticated"),
            ("chat", {"widget": "none"}, "origin"),
            ("chat", {"widget": {"$ne": 1}}, "widget"),
            ("chat", {"widget": "' OR 1=1 --"}, "origin"),
            ("chat", {}, "widget"),
        ):
            async with raw(desk, path) as stranger:
                refused = await stranger.sign_in(auth)
                assert refused == "44" + json.dumps({"message": word}, separators=(",", ":"))


@pytest.mark.parametrize("path", ["live", "chat"])
async def test_garbage_ends_at_most_its_own_connection(sqlite_url: str, tmp_path: Path, path: str) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            for packet in GARBAGE:
                for signed_in in (False, True):
                    async with raw(desk, path, http=ann._http) as page:
                        await page.hear("0")
                        if signed_in:
                            auth = {"schema": LIVE_SCHEMA} if path == "live" else {"widget": "demo"}
                            assert (await page.sign_in(auth)).startswith("40")
                        await page.send(packet)
                        for text in await quiet(page):
                            assert "Traceback" not in text
                            assert "service_desk" not in text
            assert ann.io.connected
            await desk.call("+14155550100")
            await ann.offer()


async def test_two_sessions_do_not_fit_on_one_connection(sqlite_url: str, tmp_path: Path) -> None:
    """Signing in again and again on one connection must not use up the places of others."""
    async with world(sqlite_url, tmp_path) as desk:
        assert desk.parts is not None
        assert isinstance(desk.parts.consoles, LiveServer)
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann, raw(desk, http=ann._http) as greedy:
            assert (await greedy.sign_in()).startswith("40")
            for _ in range(50):
                await greedy.send("40" + json.dumps({"schema": LIVE_SCHEMA}))
            await greedy.ask(1, "replay", {"after": 1})
            assert len(desk.parts.consoles._by_sid) <= 2


async def test_a_connection_without_a_session_does_not_stay(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "STRANGER_S", 0.3)
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with (
            console(desk, "ann") as ann,
            raw(desk) as mute,
            raw(desk) as refused,
            raw(desk, http=ann._http) as left,
            raw(desk, http=ann._http) as stays,
        ):
            assert (await refused.sign_in()).startswith("44")
            assert (await left.sign_in()).startswith("40")
            assert (await stays.sign_in()).startswith("40")
            await left.send("41")
            for stranger in (mute, refused, left):
                await asyncio.wait_for(stranger.closed.wait(), 5)
            await stays.ask(1, "replay", {"after": 1})
            assert ann.io.connected


async def still_works(desk: World) -> None:
    await add_agent(desk, "eve")
    async with console(desk, "eve") as eve:

        async def has_state() -> bool:
            return bool(eve.state)

        await until(has_state, "a signed-in console gets its state")


async def test_strangers_who_say_nothing_do_not_stand_before_those_who_work(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few consoles come in at a time; with strangers in that line, each would hold a place until its time is up."""
    monkeypatch.setattr(app, "Door", functools.partial(door.Door, held_s=60.0))
    async with world(sqlite_url, tmp_path) as desk, contextlib.AsyncExitStack() as crowd:
        await add_agent(desk, "ann")
        for _ in range(door.AT_ONCE):
            stranger = await crowd.enter_async_context(raw(desk))
            await stranger.hear("0")
        async with asyncio.timeout(5), console(desk, "ann") as ann:
            assert ann.state["position"] > 0
