"""The demo's robots at work: a real process against a real desk, over HTTP and sockets."""

import asyncio
import json
import re
import struct
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service_desk.audit import audit
from service_desk.demo.chance import Random
from service_desk.demo.robot_console import apply_frame
from service_desk.demo.robot_faults import Faults
from service_desk.demo.robot_stage import FOR_PEOPLE, ROBOTS, running_robots
from service_desk.demo.robot_words import facts, is_thanks, letter, photo, phrases, reply_in, reply_to
from service_desk.demo.robot_writers import stranger
from service_desk.demo.words import LANGUAGES, language
from service_desk.storage import schema
from tests.e2e.console import console
from tests.e2e.world import PASSWORD, World, add_agent, until, world
from tests.service_desk import reducer
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of

NOW = 1_700_000_000_000_000
QUICK = {**CONFIG, "queues": [{**queue, "ring_s": 5} for queue in CONFIG["queues"]]}
CALLS, CHATS, LETTERS = 5, 3, 3
SPEED = 40.0


def colleagues(base: str, logins: list[str]) -> dict[str, Any]:
    agents = [{"login": login, "password": PASSWORD} for login in logins]
    return {"base": base, "seed": 3, "speed": SPEED, "agents": agents}


def visitors(base: str, count: int) -> dict[str, Any]:
    people = [
        {"name": "Vera Sample", "mailbox": "vera@example.org", "language": "de"},
        {"name": "Luis Prueba", "mailbox": "luis@example.org", "language": "es"},
    ]
    topics = {"sales": "sales"}
    endless = 1_000_000  # on a slow machine too
    chats = {"widget": "demo", "per_minute": 60, "most": count, "topics": topics, "people": people}
    return {"base": base, "seed": 3, "speed": SPEED, "chats": {**chats, "patience_mean_s": endless}}


async def ended(desk: World) -> list[dict[str, Any]]:
    return await rows_of(desk.desk, schema.interaction, state="ended")


async def test_robots_serve_calls_and_chats_from_ring_to_wrap_up(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path, config=QUICK) as desk:
        logins = ["rob", "tom", "uma"]
        for login in logins:
            await add_agent(desk, login)
        away = tmp_path / "visitors"
        away.mkdir()
        with running_robots(colleagues(desk.base, logins), tmp_path) as agents:

            async def all_ready() -> bool:
                rows = await rows_of(desk.desk, schema.agent, chosen="ready")
                return len(rows) == len(logins)

            await until(all_ready, "the colleagues are ready", within_s=30)
            with running_robots(visitors(desk.base, CHATS), away) as customers:
                for number in range(CALLS):
                    await desk.call(f"+1415555010{number}")

                async def all_over() -> bool:
                    done = Counter(row["channel"] for row in await ended(desk))
                    return done["phone"] == CALLS and done["web_chat"] == CHATS

                await until(all_over, "all contacts are over", within_s=60)
        assert (agents.returncode, customers.returncode) == (0, 0)
        assert [(folder / "robots.log").read_text() for folder in (tmp_path, away)] == ["", ""]
        assert not (tmp_path / "robots.json").exists()

        contacts = await ended(desk)
        assert {row["agent_id"] is not None for row in contacts} == {True}, contacts
        assert {row["disposition"] for row in contacts} <= {"done", "callback"}
        for row in contacts:
            assert row["connected_at"] is not None or row["channel"] == "web_chat"
        legs = await rows_of(desk.desk, schema.call_leg)
        assert Counter(leg["role"] for leg in legs)["agent"] >= CALLS
        assert {effect["state"] for effect in await rows_of(desk.desk, schema.effect)} == {"confirmed"}
        messages = await rows_of(desk.desk, schema.message, kind="message")
        said = Counter(message["author_kind"] for message in messages)
        assert said["customer"] >= CHATS
        assert said["agent"] >= CHATS
        assert await desk.desk.read(audit) == []


async def test_robots_answer_mails_and_texts_until_nothing_is_left(sqlite_url: str, tmp_path: Path) -> None:
    """Customers write, reply and thank; robots answer, let it wait, take it up again, and end what is quiet."""
    async with world(sqlite_url, tmp_path, config=QUICK) as desk:
        logins = ["rob", "tom", "uma"]
        for login in logins:
            await add_agent(desk, login)
        away = tmp_path / "writers"
        away.mkdir()
        with running_robots(colleagues(desk.base, logins), tmp_path) as agents:
            with running_robots(writers(desk, LETTERS), away) as customers:

                async def over() -> bool:
                    written = await rows_of(desk.desk, schema.message, author_kind="customer")
                    contacts = {row["id"]: row for row in await rows_of(desk.desk, schema.interaction)}
                    channels = Counter(contacts[row["interaction_id"]]["channel"] for row in written)
                    all_ended = all(row["state"] == "ended" for row in contacts.values())
                    return all_ended and channels["email"] >= LETTERS and channels["sms"] >= LETTERS

                await until(over, "all letters are answered and over", within_s=90)
                assert customers.poll() in (None, 0), "they end well when all is written"
            assert agents.poll() is None
        said = await rows_of(desk.desk, schema.message, kind="message")
        ours = [row for row in said if row["author_kind"] == "agent"]
        assert {row["status"] for row in ours} <= {"sent", "delivered"}, "all of them arrived"
        assert len(ours) >= 2 * LETTERS
        again = [row for row in await rows_of(desk.desk, schema.segment) if not row["entered"]]
        assert again, "somebody wrote back and stood in line again"
        unsaid = [row for row in await rows_of(desk.desk, schema.effect) if row["state"] != "confirmed"]
        assert unsaid == []
        assert await desk.desk.read(audit) == []
        for log in (tmp_path / "robots.log", away / "robots.log"):
            assert log.read_text(encoding="utf-8") == ""


def writers(desk: World, count: int) -> dict[str, Any]:
    people = [
        {"name": "Vera Sample", "mailbox": "vera@example.org", "number": "+14155550111", "language": "de"},
        {"name": "Luis Prueba", "mailbox": "luis@example.org", "number": "+14155550112", "language": "es"},
    ]
    letters = {
        "carrier": desk.carrier.base_url,
        "mails_per_minute": 60,
        "texts_per_minute": 60,
        "most": count,
        "people": people,
        "patience_mean_s": 1_000_000,
    }
    return {"base": desk.base, "seed": 3, "speed": SPEED, "letters": letters}


def test_a_letter_greets_once_and_its_line_is_found() -> None:
    for code in LANGUAGES:
        scenario = language(code).scenarios[0]
        values = facts(code, scenario, Random(1), NOW, "Ada")
        line = scenario.talk[0].format_map(values)
        text = letter(code, Random(1), "Ada", [line], "Ada Sample")
        reply = reply_in(text, Random(1), NOW, "Ada")
        assert reply is not None
        assert reply.text == scenario.talk[1].format_map(values)
        assert letter(code, Random(1), "Ada", ["Ada, it is done."], "Bob").count("Ada") == 1
        thanks = phrases(code)["thanks"][0]
        assert is_thanks(letter(code, Random(2), "", [thanks], "Ada"))
        assert not is_thanks(text)


def test_strangers_have_addresses_that_nobody_has() -> None:
    for number in range(200):
        person = stranger(Random(number))
        assert re.fullmatch(r"\+1[2-9]\d{2}55501\d{2}", person.number or "")
        assert re.fullmatch(r"[a-z0-9.]+@example\.(com|org|net)", person.mailbox or ""), person.mailbox


def test_a_photo_is_a_picture() -> None:
    content = photo(Random(4))
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content == photo(Random(4)) != photo(Random(5))
    width, height = struct.unpack(">II", content[16:24])
    start = content.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", content[start - 8 : start - 4])
    assert len(zlib.decompress(content[start : start + length])) == height * (1 + 3 * width)


async def test_robots_leave_the_next_contact_to_a_person_who_is_free(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path, config=QUICK) as desk:
        rob = await add_agent(desk, "rob")
        await add_agent(desk, "ann")

        async def rob_is(chosen: str) -> bool:
            return bool(await rows_of(desk.desk, schema.agent, id=rob, chosen=chosen))

        with running_robots(colleagues(desk.base, ["rob"]), tmp_path):
            await until(lambda: rob_is("ready"), "the robot is ready", within_s=30)
            async with console(desk, "ann") as ann:
                await until(lambda: rob_is("away"), "the robot steps back", within_s=20)
                await desk.call("+14155550100")
                offer = await ann.offer()
                await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
                await until(lambda: rob_is("ready"), "the robot takes the others", within_s=20)


async def test_robots_come_back_after_the_desk_was_away(sqlite_url: str, tmp_path: Path) -> None:
    """Started before there is a desk at the address, and ended while there is none."""
    tries = []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(writer)
        writer.close()

    nobody = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{nobody.sockets[0].getsockname()[1]}"
    logins = ["rob", "rita"]
    with running_robots(colleagues(base, logins), tmp_path, log_level="info") as process:

        async def tried_again() -> bool:
            return len(tries) >= 6

        await until(tried_again, "several tries")
        lines = [json.loads(line) for line in (tmp_path / "robots.log").read_text().splitlines()]
        assert len(lines) == 1, "one fault, one line"
        assert "cannot be reached" in lines[0]["event"]
        started = time.monotonic()
        assert process.stdin is not None
        process.stdin.close()  # what the system does when their parent dies
        assert process.wait(15) == 0
        assert time.monotonic() - started < 10, "it does not wait for what cannot come"
    nobody.close()


def test_a_fault_is_told_once_until_it_was_over() -> None:
    faults = Faults()
    with capture_logs() as lines:
        for _ in range(3):
            faults.lost(OSError("refused"))
            faults.stumbled(KeyError("x"))
        faults.stumbled(KeyError("y"))
        faults.connected()
        faults.connected()
        faults.lost(OSError("refused"))
    assert [line["log_level"] for line in lines] == ["warning", "error", "error", "warning", "warning"]
    assert lines[3]["tries"] == 3


@pytest.mark.parametrize("code", LANGUAGES)
def test_agents_know_the_answer_to_every_scenario(code: str) -> None:
    random = Random(1)
    for scenario in (each for each in language(code).scenarios if each.only is None):
        values = facts(code, scenario, random, NOW, "Ada")
        for at in range(0, len(scenario.talk), 2):
            reply = reply_to(scenario.talk[at].format_map(values), random, NOW, "Ada")
            assert reply is not None, scenario.talk[at]
            assert (reply.text == "") == (at + 1 == len(scenario.talk)), scenario.talk[at]
            assert reply.last == (at + 2 >= len(scenario.talk))
            assert "{" not in reply.text
    assert reply_to("My cat sits in the oven.", random, NOW, "Ada") is None


def test_answers_keep_what_the_customer_named() -> None:
    scenario = next(s for s in language("en").scenarios if "{order}" in s.talk[0] and "{day}" in s.talk[0])
    random = Random(1)
    line = scenario.talk[0].format_map(facts("en", scenario, random, NOW, "Ada") | {"order": "SO-12345"})
    reply = reply_to(line, random, NOW, "Ada")
    assert reply is not None
    assert reply.scenario == scenario
    assert "{" not in reply.text


def test_every_language_has_every_phrase() -> None:
    assert {frozenset(phrases(code)) for code in LANGUAGES} == {frozenset(phrases("en"))}
    assert all(is_thanks(text) for code in LANGUAGES for text in phrases(code)["thanks"])
    assert phrases("fr") == phrases("en")


def test_frames_add_up_as_in_the_browser() -> None:
    empty: dict[str, Any] = {name: {} for name in reducer.COLLECTIONS}
    before = {"position": 7, **empty, "interactions": {"i1": {"customer_id": "c1"}}, "cards": {"c1": {}}}
    put = {
        **empty,
        "interactions": {"i2": {"customer_id": None}},
        "entries": {"e1": {"interaction_id": "i1"}},
    }
    frame = {"prev": 7, "position": 9, "put": put, "drop": {"offers": [], "interactions": ["i1"]}}
    assert apply_frame(before, frame) == reducer.apply(before, frame)
    assert apply_frame(before, {**frame, "prev": 8}) is None
    assert apply_frame(before, {**frame, "position": 7}) is before


def test_a_newcomer_meets_no_robot_under_their_own_name() -> None:
    assert "anna" in FOR_PEOPLE
    assert not set(FOR_PEOPLE) & set(ROBOTS)
    assert len(ROBOTS) >= 5
