"""Visitors' sockets: whose chat it is, what they may say and how fast, and what they must never see."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from channels.web_chat.settings import MESSAGES_AT_ONCE, MESSAGES_PER_SECOND
from service_desk.realtime import visitors
from service_desk.realtime.visitors import MESSAGE_BYTES, ChatServer
from service_desk.storage import schema
from tests.e2e.console import Console, console
from tests.e2e.world import World, add_agent, until, world
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of
from tests.service_desk.realtime.raw import Raw, raw

SHOP = "https://shop.example"
WIDGETS = {
    **CONFIG,
    "widgets": [
        *CONFIG["widgets"],
        {**CONFIG["widgets"][0], "id": "shop", "allowed_origins": [SHOP]},
    ],
}


def server(desk: World) -> ChatServer:
    assert desk.parts is not None
    assert desk.parts.visitors is not None
    return desk.parts.visitors


async def enter(page: Raw, token: str | None = None, widget: str = "demo") -> dict[str, Any]:
    """The page signs in; the first chat view."""
    auth: dict[str, Any] = {"widget": widget} | ({"token": token} if token else {})
    answer = await page.sign_in(auth)
    assert answer.startswith("40"), answer
    await page.hear('42["chat"')
    found: dict[str, Any] = page.events("chat")[0]
    return found


async def accept(one: Console) -> str:
    offer = await one.offer()
    await one.ask("POST", f"/offers/{offer['id']}/accept", {})
    return str(offer["interaction_id"])


async def entries(page: Raw, number: int) -> list[tuple[int, str]]:
    """(seq, text) as `sync` tells them."""
    answer = await page.ask(number, "sync", {})
    return [(entry["seq"], entry["text"]) for entry in answer["chat"]["entries"]]


async def test_a_reload_goes_on_where_it_was_and_says_nothing_twice(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            async with raw(desk, "chat") as page:
                token = (await enter(page))["token"]
                opened = await page.ask(1, "open", {"key": "k1", "text": "my oven is cold", "name": "Vera"})
                assert opened["chat"]["status"]["state"] == "waiting"
                await accept(ann)
                said = await page.ask(2, "say", {"key": "k2", "text": "hello?"})
            async with raw(desk, "chat") as page:
                back = await enter(page, token)
                assert back["token"] == token
                assert [entry["text"] for entry in back["entries"]] == ["my oven is cold", "hello?"]
                again = await page.ask(1, "say", {"key": "k2", "text": "hello?"})
                assert again["entry"]["id"] == said["entry"]["id"], "the same key is the same message"
                reopened = await page.ask(2, "open", {"key": "k1", "text": "my oven is cold"})
                assert reopened["chat"]["chat_id"] == back["chat_id"]
                assert await entries(page, 3) == [(1, "my oven is cold"), (2, "hello?")]
                assert len(await rows_of(desk.desk, schema.interaction)) == 1


async def test_the_same_words_from_two_sockets_at_once_are_one_message(db_url: str, tmp_path: Path) -> None:
    """The first socket's answer got lost, the page sends again on the next one while the first still works."""
    async with world(db_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann"), raw(desk, "chat") as one, raw(desk, "chat") as other:
            token = (await enter(one))["token"]
            await enter(other, token)
            await asyncio.gather(
                *(page.ask(1, "open", {"key": "k1", "text": "hello"}) for page in (one, other))
            )
            for number in range(2, 6):
                body = {"key": f"k{number}", "text": f"words {number}"}
                answers = await asyncio.gather(*(page.ask(number, "say", body) for page in (one, other)))
                assert len({answer["entry"]["id"] for answer in answers}) == 1
            assert [text for _, text in await entries(one, 9)] == [
                "hello",
                *(f"words {n}" for n in range(2, 6)),
            ]


SECRETS = {
    "note": "SECRET-NOTE call back before nine",
    "ticket": "SECRET-SUBJECT unhappy customer",
    "ticket_note": "SECRET-TICKET-NOTE do not tell",
    "comment": "SECRET-COMMENT rude",
    "remark": "SECRET-REMARK pays late",
}


async def test_what_is_internal_never_reaches_a_visitor(sqlite_url: str, tmp_path: Path) -> None:
    """Everything that was ever sent to the visitor's sockets is searched."""
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann", name="Ann Surname")
        async with console(desk, "ann") as ann, raw(desk, "chat") as page, raw(desk, "chat") as second:
            token = (await enter(page))["token"]
            await page.ask(
                1, "open", {"key": "k1", "text": "hello", "name": "Vera", "mailbox": "v@example.org"}
            )
            await enter(second, token)
            contact = await accept(ann)
            await ann.interaction(contact, "active")
            await ann.ask("POST", f"/interactions/{contact}/notes", {"text": SECRETS["note"]})
            ticket = await ann.ask(
                "POST", "/tickets", {"subject": SECRETS["ticket"], "interaction_id": contact}
            )
            await ann.ask("POST", f"/tickets/{ticket['id']}/notes", {"text": SECRETS["ticket_note"]})
            card = next(iter(ann.state["cards"].values()))["customer"]
            change = {"name": "SECRET-NAME Real Name", "remark": SECRETS["remark"], "tier": "gold"}
            await ann.ask("PATCH", f"/customers/{card['id']}", change, version=card["version"])
            await ann.ask("POST", f"/interactions/{contact}/messages", {"text": "which model?"})
            await page.hear('42["entry"')
            await page.ask(2, "say", {"key": "k2", "text": "an old one"})
            await page.ask(3, "sync", {})
            await ann.ask("POST", f"/interactions/{contact}/end", {})
            await page.hear('42["status",{"state":"ended"')
            body = {"disposition": "done", "comment": SECRETS["comment"]}
            await ann.ask("POST", f"/interactions/{contact}/wrap-up", body)
            await page.ask(4, "sync", {})
            async with raw(desk, "chat") as third:
                await enter(third, token)
                heard = "\n".join([*page.heard, *second.heard, *third.heard])
            for secret in (
                *SECRETS.values(),
                "SECRET",
                "Surname",
                ann.agent_id,
                contact,
                ticket["id"],
                card["id"],
                "gold",
            ):
                assert secret not in heard, secret
            assert '"system"' not in heard, "system lines are for the agent"
            assert "which model?" in heard
            keys = {key for entry in page.events("entry") for key in entry}
            assert keys == {"id", "seq", "author", "name", "text", "at", "key"}


async def test_numbers_follow_each_other_for_the_visitor(sqlite_url: str, tmp_path: Path) -> None:
    """Notes and system lines between the messages leave no gap that would make the page ask again."""
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann, raw(desk, "chat") as page:
            await enter(page)
            await page.ask(1, "open", {"key": "k1", "text": "hello"})
            contact = await accept(ann)
            await ann.interaction(contact, "active")
            for number in range(4):
                await ann.ask("POST", f"/interactions/{contact}/notes", {"text": "between"})
                await ann.ask("POST", f"/interactions/{contact}/messages", {"text": f"line {number}"})

            async def all_there() -> bool:
                return len(page.events("entry")) >= 4

            await until(all_there, "four lines")
            seqs = [entry["seq"] for entry in page.events("entry")]
            assert sorted(set(seqs)) == list(range(min(seqs), max(seqs) + 1))
            assert max(seqs) == 5


async def test_each_widget_opens_on_its_own_pages(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path, config=WIDGETS) as desk:
        for widget, origin, let_in in (
            ("shop", SHOP, True),
            ("demo", desk.base, True),
            ("shop", desk.base, False),
            ("demo", SHOP, False),
            ("none", SHOP, False),
        ):
            async with raw(desk, "chat", headers={"Origin": origin}) as page:
                answer = await page.sign_in({"widget": widget})
                assert answer.startswith("40") is let_in, (widget, origin, answer)


async def test_a_token_counts_for_its_widget_only(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path, config=WIDGETS) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann"), raw(desk, "chat") as page:
            token = (await enter(page))["token"]
            await page.ask(1, "open", {"key": "k1", "text": "my secret order"})
            async with raw(desk, "chat", headers={"Origin": SHOP}) as other:
                view = await enter(other, token, "shop")
                assert (view["chat_id"], view["entries"]) == (None, [])
                assert view["token"] != token


async def test_the_pace_is_the_visitor_s_and_not_the_socket_s(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann"):
            async with raw(desk, "chat") as page:
                token = (await enter(page))["token"]
                await page.ask(1, "open", {"key": "k0", "text": "hello"})
            started = time.monotonic()
            taken = refused = 0
            for _ in range(5):
                async with raw(desk, "chat") as page:
                    await enter(page, token)
                    for number in range(10):
                        answer = await page.ask(
                            number, "say", {"key": f"k{taken + refused}x", "text": "flood"}
                        )
                        taken, refused = taken + answer["ok"], refused + (not answer["ok"])
                        if not answer["ok"]:
                            assert answer["error"]["code"] == "rate_limited"
                            assert answer["error"]["message"]
            assert taken <= MESSAGES_AT_ONCE + (time.monotonic() - started) * MESSAGES_PER_SECOND + 1
            assert refused > 0
            async with raw(desk, "chat") as somebody_else:
                await enter(somebody_else)
                assert (await somebody_else.ask(1, "open", {"key": "k1", "text": "me too"}))["ok"]


async def test_buckets_are_bounded(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "BUCKETS", 3)
    async with world(sqlite_url, tmp_path) as desk:
        for _ in range(6):
            async with raw(desk, "chat") as page:
                await enter(page)
        assert len(server(desk)._buckets) == 3


async def test_far_too_much_closes_that_socket_and_no_other(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        async with raw(desk, "chat") as greedy, raw(desk, "chat") as other:
            await enter(greedy)
            await enter(other)
            await greedy.send(
                '42["open",' + json.dumps({"key": "k1", "text": "x" * (MESSAGE_BYTES + 1_000)}) + "]"
            )
            await asyncio.wait_for(greedy.closed.wait(), 5)
            assert (await other.ask(1, "open", {"key": "k1", "text": "hello"}))["ok"]
        assert len(await rows_of(desk.desk, schema.interaction)) == 1


async def test_words_that_fit_the_wire_but_not_the_chat_are_refused_in_words(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with world(sqlite_url, tmp_path) as desk, raw(desk, "chat") as page:
        await enter(page)
        for number, body in enumerate(
            (
                {"key": "k1", "text": "x" * 100_000},
                {"key": "k1", "text": "😀" * 20_000},
                {"key": "k1", "text": "\x00 \n"},
                {"key": "k1"},
                {"text": "no key"},
                {"key": "k1", "text": 7},
                {"key": ["k1"], "text": "x"},
                {"key": "../../etc", "text": "x"},
                {"key": "k1", "text": "x", "mailbox": "nobody"},
                {"key": "k1", "text": "x", "visitor_id": "vis_1"},
                ["a", "list"],
                "text",
                None,
                7,
            ),
            1,
        ):
            answer = await page.ask(number, "open", body)
            assert answer["ok"] is False
            assert answer["error"]["message"], body
        assert not page.closed.is_set()
        assert (await page.ask(50, "open", {"key": "k1", "text": "short"}))["ok"]
        assert len(await rows_of(desk.desk, schema.interaction)) == 1


async def test_who_comes_back_at_once_is_there(sqlite_url: str, tmp_path: Path) -> None:
    """A reload closes one socket and opens the next in the same moment: the later one counts."""
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            async with raw(desk, "chat") as page:
                token = (await enter(page))["token"]
                await page.ask(1, "open", {"key": "k1", "text": "hello"})
            contact = await accept(ann)
            for _ in range(15):
                async with raw(desk, "chat") as page:
                    await page.sign_in({"widget": "demo", "token": token})
            async with raw(desk, "chat") as page:
                await enter(page, token)

                async def there() -> bool:
                    (row,) = await rows_of(desk.desk, schema.interaction)
                    idle = await rows_of(desk.desk, schema.timer, kind="visitor_idle")
                    return row["visitor_online"] is True and idle == []

                await until(there, "the visitor is there")
                await ann.ask("POST", f"/interactions/{contact}/messages", {"text": "are you there?"})
                await page.hear('42["entry"')
                assert await there()

            async def gone() -> bool:
                (row,) = await rows_of(desk.desk, schema.interaction)
                return row["visitor_online"] is False

            await until(gone, "the visitor has left")


async def test_where_one_stands_is_told_while_the_line_moves(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            await ann.set_state("away", "break")
            async with raw(desk, "chat") as first, raw(desk, "chat") as second:
                for number, page in enumerate((first, second), 1):
                    await enter(page)
                    view = (await page.ask(1, "open", {"key": "k1", "text": "hello"}))["chat"]
                    assert view["status"]["position"] == number
                await first.ask(2, "close", {"key": "k2"})

                async def moved_up() -> bool:
                    states = second.events("status")
                    return bool(states) and states[-1]["position"] == 1

                await until(moved_up, "the second one is first now", within_s=10)
                assert first.events("status")[-1]["state"] == "ended"
