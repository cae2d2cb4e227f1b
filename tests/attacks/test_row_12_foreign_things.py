"""Row 12: an id in a path or a body gives nobody a right to what it names, directly or as a side effect."""

import sqlalchemy as sa

from service_desk.storage import schema
from tests.service_desk.web.world import World


async def test_another_agent_s_contact(world: World) -> None:
    ada, eve = await world.person("ada"), await world.person("eve")
    for caller in (ada, eve):
        await world.ready(caller)
    contact = await world.served(ada, await world.chat("My secret is 1234."))
    path = f"/api/v1/interactions/{contact}"
    before = await world.row(schema.interaction, contact)
    for answer in (
        await eve.get(path),
        await eve.get(f"{path}/entries"),
        await eve.post(f"{path}/notes", {"text": "I was here"}),
        await eve.post(f"{path}/messages", {"text": "I am your agent"}),
        await eve.post(f"{path}/end"),
        await eve.post(f"{path}/wrap-up", {"disposition": "solved"}),
        await eve.get(f"{path}/candidates"),
        await eve.post(f"{path}/customer", {"name": "Eve"}),
    ):
        assert answer.status in (403, 409), answer.body
        assert b"1234" not in answer.body
    assert await world.row(schema.interaction, contact) == before
    assert await world.count(sa.select(sa.func.count()).select_from(schema.note)) == 0


async def test_a_contact_that_nobody_has_yet(world: World) -> None:
    ada, eve = await world.person("ada"), await world.person("eve")
    await world.ready(ada)
    contact = await world.chat("My secret is 1234.")
    for path in (f"/api/v1/interactions/{contact}", f"/api/v1/interactions/{contact}/entries"):
        assert (await eve.get(path)).code == "forbidden"


async def test_another_agent_s_offer(world: World) -> None:
    ada, eve = await world.person("ada"), await world.person("eve")
    for caller in (ada, eve):
        await world.ready(caller)
    contact = await world.call()
    offer_id = await world.offer(contact, ada)
    for verb, body in (("accept", {}), ("decline", {"reason": "unfinished"})):
        answer = await eve.post(f"/api/v1/offers/{offer_id}/{verb}", body)
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await world.row(schema.offer, offer_id))["state"] == "pending"
    assert (await ada.post(f"/api/v1/offers/{offer_id}/accept")).status == 200


async def test_a_foreign_contact_as_a_side_effect_of_a_ticket(world: World) -> None:
    ada, eve = await world.person("ada"), await world.person("eve")
    for caller in (ada, eve):
        await world.ready(caller)
    contact = await world.served(ada, await world.chat("My secret is 1234."))
    ticket = await world.ticket()
    linked = await eve.post(f"/api/v1/tickets/{ticket['id']}/interactions", {"interaction_id": contact})
    opened = await eve.post("/api/v1/tickets", {"subject": "Mine", "interaction_id": contact})
    for answer in (linked, opened):
        assert (answer.status, answer.code) == (403, "forbidden")
        assert b"1234" not in answer.body
        assert b"cus_" not in answer.body
    assert await world.count(sa.select(sa.func.count()).select_from(schema.ticket_interaction)) == 0


async def test_a_contact_is_not_given_to_another_record_by_a_stranger_to_it(world: World) -> None:
    """Whose contact it is decides which record shows it: only who may handle the contact may say so."""
    ada, eve = await world.person("ada"), await world.person("eve")
    for caller in (ada, eve):
        await world.ready(caller)
    theirs = await world.served(ada, await world.chat("My secret is 1234."))
    mine = await world.row(schema.interaction, await world.served(eve, await world.call()))
    before = await world.row(schema.interaction, theirs)
    body = {"customer_id": mine["customer_id"], "remember": True}
    taken = await eve.post(f"/api/v1/interactions/{theirs}/customer", body)
    assert (taken.status, taken.code) == (403, "forbidden")
    assert await world.row(schema.interaction, theirs) == before
    story = await eve.get(f"/api/v1/tickets/{(await world.ticket())['id']}/story")
    assert b"1234" not in story.body


async def test_an_address_of_somebody_else_is_not_removed_through_ones_own_customer(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    one = await world.row(schema.interaction, await world.call())
    other = await world.row(schema.interaction, await world.call())
    points = (await ada.get(f"/api/v1/customers/{one['customer_id']}")).json()["identities"]
    crossed = await ada.delete(f"/api/v1/customers/{other['customer_id']}/identities/{points[0]['id']}")
    assert (crossed.status, crossed.code) == (404, "not_found")
    assert await world.count(sa.select(sa.func.count()).select_from(schema.contact_point)) == 2


async def test_a_key_of_somebody_else_shows_no_stored_answer(world: World) -> None:
    ada, eve = await world.person("ada"), await world.person("eve")
    mine = await ada.post("/api/v1/tickets", {"subject": "The secret subject"}, key="k")
    theirs = await eve.post("/api/v1/tickets", {"subject": "The secret subject"}, key="k")
    assert mine.json()["id"] != theirs.json()["id"]


async def test_a_session_of_somebody_else_does_not_end(world: World) -> None:
    ada, eve = await world.person("ada"), await world.person("eve")
    crossed = await world.stranger.delete(
        "/api/v1/session", headers={"Cookie": ada.cookie, "X-CSRF-Token": eve.csrf}
    )
    assert (crossed.status, crossed.code) == (403, "csrf")
    assert (await ada.get("/api/v1/session")).status == 200
