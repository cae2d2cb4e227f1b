"""Idempotency-Key: the same act twice is done once."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from service_desk.actions.once import forget_answers
from service_desk.storage import schema
from tests.service_desk.web.world import World, a_world

TICKETS = "/api/v1/tickets"
COUNT = sa.select(sa.func.count()).select_from(schema.ticket)


async def test_a_repetition_gets_the_first_answer_and_changes_nothing(world: World) -> None:
    ada = await world.person("ada")
    first = await ada.post(TICKETS, {"subject": "Oven"}, key="k")
    await ada.patch(f"{TICKETS}/{first.json()['id']}", {"subject": "Changed since"}, 1)
    again = await ada.post(TICKETS, {"subject": "Oven"}, key="k")
    assert (again.status, again.body) == (first.status, first.body) == (201, again.body)
    assert await world.count(COUNT) == 1


async def test_the_same_key_for_something_else_is_refused(world: World) -> None:
    ada = await world.person("ada")
    ticket = (await ada.post(TICKETS, {"subject": "Oven"}, key="k")).json()
    for path, body in (
        (TICKETS, {"subject": "Fridge"}),
        (f"{TICKETS}/{ticket['id']}/notes", {"text": "Oven"}),
    ):
        answer = await ada.post(path, body, key="k")
        assert (answer.status, answer.code) == (422, "idempotency_conflict")
    assert await world.count(COUNT) == 1


async def test_the_body_counts_by_its_meaning(world: World) -> None:
    ada = await world.person("ada")
    json = {"Content-Type": "application/json"}
    one = await ada.send("POST", TICKETS, data=b'{"subject":"Oven","priority":"low"}', key="k", headers=json)
    two = await ada.send(
        "POST", TICKETS, data=b' {"priority" : "low", "subject": "Oven"}', key="k", headers=json
    )
    assert (one.status, one.body) == (201, two.body)


async def test_keys_of_two_people_are_two_keys(world: World) -> None:
    ada, bob = await world.person("ada"), await world.person("bob")
    tickets = [
        (await caller.post(TICKETS, {"subject": "Oven"}, key="k")).json()["id"] for caller in (ada, bob)
    ]
    assert len(set(tickets)) == 2


async def test_a_key_holds_over_sessions_of_one_person(world: World) -> None:
    ada = await world.person("ada")
    first = await ada.post(TICKETS, {"subject": "Oven"}, key="k")
    again = await (await world.signed_in(ada.agent_id)).post(TICKETS, {"subject": "Oven"}, key="k")
    assert again.body == first.body


async def test_twenty_at_the_same_moment_are_one(world: World) -> None:
    ada = await world.person("ada")
    answers = await asyncio.gather(*(ada.post(TICKETS, {"subject": "Oven"}, key="k") for _ in range(20)))
    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert await world.count(COUNT) == 1


@pytest.mark.postgres
async def test_two_nodes_at_the_same_moment_are_one(postgres_url: str, tmp_path: Path) -> None:
    async with a_world(postgres_url, tmp_path) as one, a_world(postgres_url, tmp_path) as two:
        ada = await one.person("ada")
        there = await two.signed_in(ada.agent_id)
        for number in range(30):
            body, key = {"subject": f"Oven {number}"}, f"k{number}"
            answers = await asyncio.gather(
                ada.post(TICKETS, body, key=key), there.post(TICKETS, body, key=key)
            )
            assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
        assert await one.count(COUNT) == 30


async def test_a_refusal_is_not_kept(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    interaction_id = await world.chat()
    path = f"/api/v1/interactions/{interaction_id}/messages"
    early = await ada.post(path, {"text": "Hello"}, key="k")
    assert (early.status, early.code) == (409, "not_yours")
    await world.served(ada, interaction_id)
    assert (await ada.post(path, {"text": "Hello"}, key="k")).status == 200


async def test_an_empty_answer_is_kept_too(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    offer_id = await world.offer(await world.call(), ada)
    for _ in range(2):
        answer = await ada.post(f"/api/v1/offers/{offer_id}/decline", {"reason": "unfinished"}, key="k")
        assert (answer.status, answer.body) == (204, b"")
    declined = sa.select(sa.func.count()).where(schema.audit.c.action == "offer.declined")
    assert await world.count(declined) == 1


async def test_old_answers_are_forgotten(world: World) -> None:
    ada = await world.person("ada")
    for key in ("k", "l"):
        await ada.post(TICKETS, {"subject": "Oven"}, key=key)
    assert await world.desk.run(forget_answers, 0, 10) == 0
    later = world.desk.clock.now() + 1
    assert [await world.desk.run(forget_answers, later, 1) for _ in range(3)] == [1, 1, 0]
    await ada.post(TICKETS, {"subject": "Oven"}, key="k")
    assert await world.count(COUNT) == 3
