"""The story of a case: everything in one line, in order, with nothing of what is not linked."""

import time
from typing import Any

import sqlalchemy as sa

from channels.contract import MailAddress, MailReceived
from service_desk.actions import mails, tickets
from service_desk.actions.attachments import StoredFile
from service_desk.actions.interactions import must_get
from service_desk.domain.access import Principal
from service_desk.queries.reach import reach_of
from service_desk.queries.ticket_story import story_page
from service_desk.queries.tickets import ticket_page
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from tests.service_desk.people import rows_of
from tests.service_desk.search.library import index_now
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
    page = (await ada.get(f"/api/v1/tickets/{case['id']}/story")).json()
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


LEFT_BEHIND = f"My oven has been cold {'for so long ' * 10} and my secret is 1234."
"""Nobody is ready, so it becomes a case by itself; its subject has the first words only."""


async def test_a_colleague_knows_of_a_contact_and_not_what_was_said_in_it(world: World) -> None:
    """Linked by itself or by an act: the story, the description, the page of the contact and the search agree."""
    ada, bob, sue = (
        await world.person("ada"),
        await world.person("bob"),
        await world.person("sue", "supervisor"),
    )
    contact = await world.chat(LEFT_BEHIND)
    (ticket_id,) = (await sue.get(f"/api/v1/interactions/{contact}")).json()["ticket_ids"]
    await world.desk.run(tickets.note_ticket, ticket_id, bob.agent_id, "call back on Monday", "k")
    await world.desk.run(given_to, contact, ada.agent_id)
    noted = await ada.post(f"/api/v1/interactions/{contact}/notes", {"text": "angry about 1234"})
    assert noted.status == 200
    await index_now(world.desk)
    entry_id = noted.json()["id"]
    paths = [f"/api/v1/tickets/{ticket_id}", f"/api/v1/tickets/{ticket_id}/story", "/api/v1/search?q=secret"]
    for caller, reads in ((ada, True), (bob, False), (sue, True)):
        for path in paths:
            answer = await caller.get(path)
            assert answer.status == 200
            assert (b"1234" in answer.body) is reads, (caller is bob, path, answer.body)
        for path in (f"/api/v1/interactions/{contact}/entries", f"/api/v1/entries/{entry_id}"):
            assert (await caller.get(path)).status == (200 if reads else 403)
        story = (await caller.get(paths[1])).json()["items"]
        (line,) = (item["contact"] for item in story if item["kind"] == "contact")
        assert (line["id"], line["channel"], line["agent_name"]) == (contact, "web_chat", "Ada")
        assert bool(line["detail"]) is reads
        said = [item["entry"]["text"] for item in story if item["entry"] is not None]
        assert "call back on Monday" in said
        assert (LEFT_BEHIND in said, "angry about 1234" in said) == (reads, reads)
    await world.desk.run(given_to, contact, bob.agent_id)
    assert b"1234" in (await bob.get(paths[1])).body, "it is handed on with the contact"
    assert b"1234" not in (await ada.get(paths[0])).body


async def test_files_are_there_with_the_words_they_came_with(world: World) -> None:
    ada, bob = await world.person("ada"), await world.person("bob")
    await world.ready(ada)
    event = MailReceived(
        message_id="<1@example.org>", dedupe_key="mail-1", sender=MailAddress("vera@example.org", "Vera"),
        subject="Oven", text="Here is a picture.", to=(MailAddress("help@alpenglow.example"),),
    )  # fmt: skip
    picture = StoredFile("oven.png", "image/png", 6, "c" * 64)
    await world.desk.run(mails.receive_mail, "mail-main", event, [picture], "0" * 64, actor="customer")
    (mail,) = await rows_of(world.desk, schema.message)
    contact = await world.served(ada, mail["interaction_id"])
    case = (await ada.post("/api/v1/tickets", {"subject": "Oven", "interaction_id": contact})).json()
    for caller, names in ((ada, ["oven.png"]), (bob, [])):
        story = (await caller.get(f"/api/v1/tickets/{case['id']}/story")).json()["items"]
        entries = [item["entry"] for item in story if item["entry"] is not None]
        assert [file["name"] for entry in entries for file in entry["attachments"]] == names


def given_to(tx: Tx, interaction_id: str, agent_id: str) -> None:
    """As it is after the contact: over, and somebody's."""
    tx.change(
        schema.interaction, must_get(tx, interaction_id), agent_id=agent_id, state="ended", ended_at=tx.now
    )


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
            await sue.get(f"/api/v1/tickets/{case['id']}/story" + (f"?before={more}" if more else ""))
        ).json()
        found = page["items"] + found
        more = page["more"]
    keys = [(item["at"], item["id"]) for item in found]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys)) == 250 + 3


def shown(reader: Reader, who: Principal, ticket_id: str) -> int:
    """Read what the ticket's page shows; how long the story's first page is."""
    reach = reach_of(reader, who)
    assert ticket_page(reader, reach, ticket_id) is not None
    page = story_page(reader, reach, ticket_id, None)
    assert page is not None
    return len(page.items)


async def test_a_case_with_a_hundred_messages_is_read_within_100_ms(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    contact, sue = await world.chat("first"), await world.person("sue", "supervisor")
    case = (await sue.post("/api/v1/tickets", {"subject": "x", "interaction_id": contact})).json()
    await world.desk.run(conversation, case["id"], contact, 100)
    who = Principal(sue.agent_id, "supervisor", "")
    await world.desk.read(shown, who, case["id"])
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        assert await world.desk.read(shown, who, case["id"]) == 100
        times.append(time.perf_counter() - begun)
    assert sorted(times)[10] < 0.1
