"""The story of a case: everything in one line, in order, with nothing of what is not linked."""

import time
from typing import Any

import sqlalchemy as sa

from service_desk.queries.ticket_story import story_page
from service_desk.queries.tickets import ticket_page
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.web.world import World


async def test_all_that_happened_in_order(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    contact = await world.served(ada, await world.chat("My oven is cold."))
    path = f"/api/v1/interactions/{contact}"
    await ada.post(f"{path}/messages", {"text": "Since when?"})
    case = (await ada.post("/api/v1/tickets", {"subject": "Oven", "interaction_id": contact})).json()
    await ada.post(f"{path}/notes", {"text": "angry"})
    await ada.post(f"/api/v1/tickets/{case['id']}/notes", {"text": "order the part"})
    change = {"priority": "urgent", "status": "pending", "subject": "Oven stays cold"}
    await ada.patch(f"/api/v1/tickets/{case['id']}", change, (await row(world, case["id"]))["version"])
    eve = await world.person("eve")
    page = (await eve.get(f"/api/v1/tickets/{case['id']}/story")).json()
    told = [
        (item["kind"], item["entry"]["text"] if item["entry"] else item["action"]) for item in page["items"]
    ]
    assert told == [
        ("contact", None),
        ("entry", "My oven is cold."),
        ("entry", "Since when?"),
        ("change", "ticket.opened"),
        ("entry", "angry"),
        ("entry", "order the part"),
        ("change", "ticket.changed"),
    ]
    assert page["more"] is None
    last = page["items"][-1]
    assert last["actor"] == "Ada"
    assert {each["field"]: (each["old"], each["new"]) for each in last["changes"]} == {
        "priority": ("normal", "urgent"),
        "status": ("open", "pending"),
        "subject": (None, None),
    }
    assert "stays" not in str(last), "an audit holds no personal text"


async def row(world: World, ticket_id: str) -> Any:
    return await world.row(schema.ticket, ticket_id)


async def test_what_is_not_linked_is_not_told(world: World) -> None:
    ada, eve = await world.person("ada"), await world.person("eve")
    await world.ready(ada)
    await world.served(ada, await world.chat("My secret is 1234."))
    case = await world.ticket()
    story = await eve.get(f"/api/v1/tickets/{case['id']}/story")
    assert story.status == 200
    assert b"1234" not in story.body
    assert (await eve.get("/api/v1/tickets/tic_00000000000000000000000000/story")).status == 404


def conversation(tx: Tx, ticket_id: str, interaction_id: str, count: int) -> None:
    made = [
        {
            "id": tx.new_id("msg"), "interaction_id": interaction_id, "customer_id": None, "seq": 1_000 + number,
            "message_no": None, "kind": "message", "author_kind": "customer", "author_id": None,
            "author_name": "Vera", "text": f"line {number} " + "words " * 40, "at": tx.now + number // 3,
            "status": "sent", "key": None,
        }
        for number in range(count)
    ]  # fmt: skip
    tx.write(sa.insert(schema.message), made)


async def test_pages_go_back_without_a_gap(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    contact, sue = await world.chat("first"), await world.person("sue", "supervisor")
    case = (await sue.post("/api/v1/tickets", {"subject": "x", "interaction_id": contact})).json()
    await world.desk.run(conversation, case["id"], contact, 250)
    found: list[Any] = []
    more: str | None = ""
    while more is not None:
        page = (
            await ada.get(f"/api/v1/tickets/{case['id']}/story" + (f"?before={more}" if more else ""))
        ).json()
        found = page["items"] + found
        more = page["more"]
    keys = [(item["at"], item["id"]) for item in found]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys)) == 250 + 3


async def test_a_case_with_a_hundred_messages_is_read_within_100_ms(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    contact, sue = await world.chat("first"), await world.person("sue", "supervisor")
    case = (await sue.post("/api/v1/tickets", {"subject": "x", "interaction_id": contact})).json()
    await world.desk.run(conversation, case["id"], contact, 100)
    await world.desk.read(story_page, case["id"], None)
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        page = await world.desk.read(story_page, case["id"], None)
        assert page is not None
        assert len(page.items) == 100
        assert await world.desk.read(ticket_page, case["id"]) is not None
        times.append(time.perf_counter() - begun)
    assert sorted(times)[10] < 0.1
