"""Addresses are linked and unlinked by agents, and a contact moves to whom it really is from."""

from typing import Any

import sqlalchemy as sa

from service_desk.actions import customers
from service_desk.domain.contact_point import ContactPoint
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.people import rows_of
from tests.service_desk.web.world import Caller, World

POINT = schema.contact_point


async def somebody(world: World, name: str | None, *numbers: str, language: str | None = "en") -> str:
    def make(tx: Tx) -> str:
        made = customers.make_customer(tx, name=name, language=language)
        for number in numbers:
            customers.add_point(tx, made, ContactPoint("phone", number, number), proof="imported")
        return made

    return await world.desk.run(make)


async def link(caller: Caller, customer: str, address: str, proof: str = "claimed") -> Any:
    return await caller.post(f"/api/v1/customers/{customer}/identities", {"address": address, "proof": proof})


async def in_service(world: World, ada: Caller, number: str) -> dict[str, Any]:
    """A call that Ada has taken."""
    contact = await world.served(ada, await world.call(number))
    view: dict[str, Any] = (await ada.get(f"/api/v1/interactions/{contact}")).json()
    return view


async def test_a_number_typed_nationally_is_read_with_the_customers_country(world: World) -> None:
    ada = await world.person("ada")
    berlin = await somebody(world, "Vera", "+4930901820")
    answer = await link(ada, berlin, "0171 1234567")
    assert answer.status == 200, answer.body
    assert [one["value"] for one in answer.json()["identities"]] == ["+4930901820", "+491711234567"]
    boston = await somebody(world, "Bob")  # nothing known of them: the desk's own line is American
    assert (await link(ada, boston, "(415) 555-0177")).json()["identities"][0]["value"] == "+14155550177"
    vienna = await somebody(world, "Eva", language="de-AT")
    assert (await link(ada, vienna, "01 5880")).json()["identities"][0]["value"] == "+4315880"


async def test_proof_only_grows_and_every_act_is_audited(world: World) -> None:
    ada = await world.person("ada")
    vera = await somebody(world, "Vera")
    (first,) = (await link(ada, vera, "Vera@Example.org")).json()["identities"]
    assert (first["kind"], first["value"], first["proof"], first["proved_at"]) == (
        "mailbox",
        "vera@example.org",
        "claimed",
        None,
    )
    (checked,) = (await link(ada, vera, "vera@example.org", "verified")).json()["identities"]
    assert (checked["id"], checked["proof"]) == (first["id"], "verified")
    assert checked["proved_at"] is not None
    (again,) = (await link(ada, vera, "VERA@example.org")).json()["identities"]
    assert again == checked
    removed = await ada.delete(f"/api/v1/customers/{vera}/identities/{first['id']}")
    assert removed.json()["identities"] == []
    lines = await rows_of(world.desk, schema.audit, subject=vera)
    assert [(line["action"], line["actor"], line["data"]["proof"]) for line in lines] == [
        ("customer.identity_linked", ada.agent_id, "claimed"),
        ("customer.identity_linked", ada.agent_id, "verified"),
        ("customer.identity_unlinked", ada.agent_id, "verified"),
    ]
    assert "example" not in str(lines), "an audit names no address"
    assert "example" not in str(await rows_of(world.desk, schema.event, subject=vera))


async def test_what_is_no_address_is_refused_with_a_cure(quick_world: World) -> None:
    ada = await quick_world.person("ada")
    vera = await somebody(quick_world, "Vera")
    for text in ("hello", "555-0100", "a@b@c", "x" * 300):
        for answer in (
            await link(ada, vera, text),
            await ada.get(f"/api/v1/addresses?address={text}&customer_id={vera}"),
        ):
            assert (answer.status, answer.json()["field"]) == (422, "address"), text
            assert "phone number" in answer.json()["detail"]
    assert (await link(ada, vera, "vera@example.org", "imported")).status == 422
    assert (await link(ada, "cus_00000000000000000000000000", "vera@example.org")).status == 404
    assert await rows_of(quick_world.desk, POINT) == []


async def test_so_many_addresses_and_no_more(quick_world: World) -> None:
    ada = await quick_world.person("ada")
    vera = await somebody(quick_world, "Vera", *(f"+4930901{number:03d}" for number in range(50)))
    assert (await link(ada, vera, "vera@example.org")).code == "too_many_addresses"
    assert (await link(ada, vera, "+4930901001", "verified")).status == 200  # theirs already


async def test_an_address_says_who_has_it(world: World) -> None:
    ada = await world.person("ada")
    vera, bob = await somebody(world, "Vera", "+4930901820"), await somebody(world, "Bob", "+4930901820")
    found = (await ada.get(f"/api/v1/addresses?address=030%20901820&customer_id={vera}")).json()
    assert (found["kind"], found["display"], found["region"]) == ("phone", "+49 30 901820", "DE")
    assert [(one["customer_id"], one["current"]) for one in found["holders"]] == [(vera, True), (bob, False)]


async def test_a_shared_number_is_a_choice_and_says_why(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    vera = await somebody(world, "Vera", "+4930901820")
    bob = await somebody(world, "Bob")
    await link(ada, vera, "family@example.org", "verified")
    await link(ada, bob, "+49 30 901820")
    await link(ada, bob, "family@example.org")
    carol = await somebody(world, "Carol")
    await link(ada, carol, "family@example.org")
    contact = await in_service(world, ada, "+4930901820")
    assert contact["customer_id"] == vera, "an imported number is believed before a claimed one"
    found = (await ada.get(f"/api/v1/interactions/{contact['id']}/candidates")).json()
    assert (found["customer_id"], found["address"]) == (vera, "+49 30 901820")
    assert [one["customer_id"] for one in found["items"]] == [vera, bob, carol]
    assert [one["current"] for one in found["items"]] == [True, False, False]
    assert [(why["kind"], why["proof"]) for why in found["items"][1]["why"]] == [
        ("phone", "claimed"),
        ("mailbox", "claimed"),
    ]
    assert [why["display"] for why in found["items"][2]["why"]] == ["family@example.org"]
    assert found["items"][0]["last_contact_at"] == contact["created_at"]


async def test_a_contact_moves_with_everything_that_was_said_in_it(world: World) -> None:
    """The checked desk compares Ada's console after each act: the right card comes, the wrong one goes."""
    ada = await world.person("ada")
    await world.ready(ada)
    vera, bob = await somebody(world, "Vera", "+4930901820"), await somebody(world, "Bob")
    contact = await in_service(world, ada, "+4930901820")
    path = f"/api/v1/interactions/{contact['id']}"
    await ada.post(f"{path}/notes", {"text": "wants an engineer"})
    own = (await ada.post("/api/v1/tickets", {"subject": "Oven", "interaction_id": contact["id"]})).json()
    wide = (await ada.post("/api/v1/tickets", {"subject": "Old matter", "customer_id": vera})).json()
    other, sue = await world.call("+4930901820"), await world.person("sue", "supervisor")
    for linked in (contact["id"], other):
        await sue.post(f"/api/v1/tickets/{wide['id']}/interactions", {"interaction_id": linked})
    moved = await ada.post(f"{path}/customer", {"customer_id": bob})
    assert (moved.status, moved.json()["customer_id"], moved.json()["title"]) == (200, bob, "Bob")
    for table in (schema.message, schema.note):
        assert {
            row["customer_id"] for row in await rows_of(world.desk, table, interaction_id=contact["id"])
        } <= {bob}
    assert (await world.row(schema.ticket, own["id"]))["customer_id"] == bob
    assert (await world.row(schema.ticket, wide["id"]))["customer_id"] == vera, (
        "it is about another contact too"
    )
    assert (await world.row(schema.interaction, other))["customer_id"] == vera
    cards = {each: (await ada.get(f"/api/v1/customers/{each}")).json() for each in (vera, bob)}
    assert [item["kind"] for item in cards[bob]["timeline"]].count("interaction") == 1
    assert [item["id"] for item in cards[vera]["timeline"] if item["kind"] == "interaction"] == [other]
    (event,) = await rows_of(world.desk, schema.event, kind="interaction.customer_changed")
    assert event["data"] == {"interaction_id": contact["id"], "customer_id": bob, "previous_id": vera}
    assert (await rows_of(world.desk, POINT, customer_id=bob)) == [], "nobody said that the number is Bob's"
    again = await ada.post(f"{path}/customer", {"customer_id": bob})
    assert again.json()["version"] == moved.json()["version"]


async def test_remembering_makes_the_number_a_choice_next_time(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    vera, bob = await somebody(world, "Vera", "+4930901820"), await somebody(world, "Bob")
    contact = await in_service(world, ada, "+4930901820")
    await ada.post(f"/api/v1/interactions/{contact['id']}/customer", {"customer_id": bob, "remember": True})
    (point,) = await rows_of(world.desk, POINT, customer_id=bob)
    assert (point["value"], point["proof"]) == ("+4930901820", "claimed")
    found = (await ada.get(f"/api/v1/interactions/{contact['id']}/candidates")).json()
    assert [one["customer_id"] for one in found["items"]] == [bob, vera]


async def test_a_record_that_was_only_this_caller_goes_up_in_the_right_one(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    vera = await somebody(world, "Vera")
    contact = await in_service(world, ada, "+4930901820")
    stranger = contact["customer_id"]
    await ada.post(f"/api/v1/interactions/{contact['id']}/customer", {"customer_id": vera, "remember": True})
    (point,) = await rows_of(world.desk, POINT)
    assert (point["customer_id"], point["value"]) == (vera, "+4930901820")
    assert (await world.row(schema.customer, stranger))["merged_into"] == vera
    again = await world.row(schema.interaction, await world.call("+4930901820"))
    assert again["customer_id"] == vera, "the next call finds them"
    merged = await ada.post(f"/api/v1/interactions/{contact['id']}/customer", {"customer_id": stranger})
    assert (merged.status, merged.code) == (409, "merged")


async def test_somebody_new(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    vera = await somebody(world, "Vera", "+4930901820")
    contact = await in_service(world, ada, "+4930901820")
    path = f"/api/v1/interactions/{contact['id']}/customer"
    moved = (await ada.post(path, {"name": "小林 さくら", "remember": True})).json()
    assert moved["title"] == "小林 さくら"
    assert moved["customer_id"] != vera
    assert len(await rows_of(world.desk, POINT, customer_id=moved["customer_id"])) == 1
    unknown = await in_service(world, ada, "+4930901821")
    named = (await ada.post(f"/api/v1/interactions/{unknown['id']}/customer", {"name": "Bob"})).json()
    assert (named["customer_id"], named["title"]) == (unknown["customer_id"], "Bob"), (
        "the empty record gets the name"
    )
    for body in ({}, {"name": " "}, {"name": "x", "customer_id": vera}, {"customer_id": "cus_1"}):
        assert (await ada.post(path, body)).status == 422, body
    nobody = await ada.post(path, {"customer_id": "cus_00000000000000000000000000"})
    assert (nobody.status, nobody.code) == (404, "not_found")


async def test_a_withheld_number_can_be_somebody(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    vera = await somebody(world, "Vera")
    contact = await world.served(ada, await world.call("anonymous"))
    assert (await ada.get(f"/api/v1/interactions/{contact}")).json()["customer_id"] is None
    found = (await ada.get(f"/api/v1/interactions/{contact}/candidates")).json()
    assert found == {"customer_id": None, "address": None, "items": []}
    body = {"customer_id": vera, "remember": True}
    assert (await ada.post(f"/api/v1/interactions/{contact}/customer", body)).json()["customer_id"] == vera
    assert await rows_of(world.desk, POINT) == []


async def test_a_chat_takes_its_visitor_along(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    vera = await somebody(world, "Vera")
    contact = await world.served(ada, await world.chat())
    before = (await ada.get(f"/api/v1/interactions/{contact}")).json()["customer_id"]
    await ada.post(f"/api/v1/interactions/{contact}/customer", {"customer_id": vera})
    (visitor,) = await rows_of(world.desk, schema.visitor)
    (point,) = await rows_of(world.desk, POINT, kind="chat")
    assert visitor["customer_id"] == point["customer_id"] == vera
    assert {row["customer_id"] for row in await rows_of(world.desk, schema.message)} == {vera}
    gone = await ada.delete(f"/api/v1/customers/{vera}/identities/{point['id']}")
    assert gone.json()["identities"] == []
    assert (await rows_of(world.desk, schema.visitor))[0]["customer_id"] is None
    assert (await world.row(schema.customer, before))["merged_into"] is None, "nobody asked to remember"


async def test_search_finds_the_contact_under_the_right_name(quick_world: World) -> None:
    """What the index says of a moved contact's words follows, so that one person can be taken out of it."""
    from service_desk.actions.search_index import write_changes
    from service_desk.queries.search_docs import changes_for

    ada = await quick_world.person("ada")
    await quick_world.ready(ada)
    vera = await somebody(quick_world, "Vera")
    contact = await quick_world.served(ada, await quick_world.chat("the oven is cold"))
    ids = [contact, *(row["id"] for row in await rows_of(quick_world.desk, schema.message))]
    written = await quick_world.desk.read(changes_for, ids)

    def write(tx: Tx) -> None:
        tx.write(sa.insert(schema.lease), {"name": "t", "holder": "t", "fence": 1, "expires_at": 2**60})
        write_changes(tx, written, "t", 1)

    await quick_world.desk.run(write)
    await ada.post(f"/api/v1/interactions/{contact}/customer", {"customer_id": vera})
    changed = await quick_world.desk.read(changes_for, [contact])
    assert {doc.customer_id for doc in changed.docs} == {vera}
    assert {doc.kind for doc in changed.docs} == {"interaction", "message"}
