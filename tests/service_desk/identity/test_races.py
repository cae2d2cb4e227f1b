"""Two nodes say at the same moment who somebody is: one order of things comes out, and nobody is made twice.

On PostgreSQL only: SQLite has one writer and so hides every race.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.contract import CallStarted
from service_desk.actions import calls, customers, identities, messages
from service_desk.desk import Desk
from service_desk.errors import DeskError, NotFound
from service_desk.storage import schema
from tests.service_desk.people import PHONE, make_agent, open_chat, phone, row_of, rows_of
from tests.service_desk.storage.two_nodes import Act, Outcome, faults, nodes, race

pytestmark = pytest.mark.postgres

RACES = 16
POINT = schema.contact_point


@pytest.fixture
async def pair(postgres_url: str) -> AsyncIterator[tuple[Desk, Desk]]:
    async with nodes(postgres_url) as (left, right):
        yield left, right


def act(action: Any, *args: Any, **named: Any) -> Act:
    def bound(tx: Any) -> Any:
        return action(tx, *args, **named)

    return lambda desk: desk.run(bound)


def number(at: int) -> str:
    return f"+4930901{at:03d}"


async def people(desk: Desk, count: int, name: str = "Person") -> list[str]:
    def make(tx: Any) -> list[str]:
        return [customers.make_customer(tx, name=f"{name} {at}", language=None) for at in range(count)]

    return await desk.run(make)


def calling(at: int) -> Act:
    event = CallStarted(f"CA{at}", number(at), "+15005550006", f"start-{at}")
    return act(calls.start_call, PHONE, event)


def linking(customer: str, at: int, proof: str = "claimed") -> Act:
    return act(identities.link_address, customer, number(at), proof)


def unexpected(outcomes: list[tuple[Outcome, Outcome]]) -> list[BaseException]:
    """Anything that is no refusal of ours: deadlocks, stale rows, broken constraints."""
    return [
        outcome
        for both in outcomes
        for outcome in both
        if isinstance(outcome, BaseException) and not isinstance(outcome, DeskError)
    ]


async def test_a_new_caller_while_an_agent_writes_their_number_down(pair: tuple[Desk, Desk]) -> None:
    """Whoever comes second finds what the first one did: the caller is the known person, or the number is shared."""
    left, right = pair
    known = await people(left, RACES)
    pairs = [(calling(at), linking(customer, at)) for at, customer in enumerate(known)]
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for at, customer in enumerate(known):
        points = await rows_of(left, POINT, value=number(at))
        (contact,) = await rows_of(left, schema.interaction, external_id=f"CA{at}")
        assert customer in {point["customer_id"] for point in points}
        assert contact["customer_id"] in {point["customer_id"] for point in points}
        assert sum(point["made_for"] is not None for point in points) == 1
        if len(points) == 1:
            assert contact["customer_id"] == customer
    assert await faults(left) == []


async def test_one_address_linked_twice_at_once(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    known = await people(left, RACES)
    pairs = [(linking(each, at), linking(each, at, "verified")) for at, each in enumerate(known)]
    assert unexpected(await race(left, right, pairs)) == []
    for at, customer in enumerate(known):
        (point,) = await rows_of(left, POINT, value=number(at))
        assert (point["customer_id"], point["proof"]) == (customer, "verified")


async def test_one_address_linked_to_two_people_at_once(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    ones, others = await people(left, RACES, "One"), await people(left, RACES, "Other")
    pairs = [
        (linking(one, at), linking(other, at))
        for at, (one, other) in enumerate(zip(ones, others, strict=True))
    ]
    assert unexpected(await race(left, right, pairs)) == []
    for at, both in enumerate(zip(ones, others, strict=True)):
        points = await rows_of(left, POINT, value=number(at))
        assert sorted(point["customer_id"] for point in points) == sorted(both)
        assert sum(point["made_for"] is not None for point in points) == 1


async def test_an_address_removed_twice_at_once(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    known = await people(left, RACES)
    points = [await linking(each, at)(left) for at, each in enumerate(known)]
    pairs = [
        (act(identities.unlink_address, each, point["id"]), act(identities.unlink_address, each, point["id"]))
        for each, point in zip(known, points, strict=True)
    ]
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for both in outcomes:
        assert sorted(isinstance(outcome, NotFound) for outcome in both) == [False, True]
    assert await rows_of(left, POINT) == []


async def test_two_agents_say_differently_whose_contact_it_is(pair: tuple[Desk, Desk]) -> None:
    """The last word counts, and every row of the contact says the same."""
    left, right = pair
    contacts = await asyncio.gather(*(phone(left, f"CA{at}", number(at)) for at in range(RACES)))
    ones, others = await people(left, RACES, "One"), await people(left, RACES, "Other")
    pairs = [
        (
            act(identities.set_customer, contact, one, remember=True),
            act(identities.set_customer, contact, other, remember=True),
        )
        for contact, one, other in zip(contacts, ones, others, strict=True)
    ]
    assert unexpected(await race(left, right, pairs)) == []
    for contact, both in zip(contacts, zip(ones, others, strict=True), strict=True):
        row = await row_of(left, schema.interaction, contact)
        moves = [
            event["data"]
            for event in await rows_of(left, schema.event, subject=contact)
            if event["kind"] == "interaction.customer_changed"
        ]
        assert [each["customer_id"] for each in moves][-1] == row["customer_id"]
        assert {each["customer_id"] for each in moves} == set(both)
        assert moves[1]["previous_id"] == moves[0]["customer_id"]
    assert await faults(left) == []


async def test_a_message_while_the_contact_moves(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    agent = await make_agent(left, "ann")
    chats = [(await open_chat(left, f"v{at}", "hello"))[1] for at in range(RACES)]
    wanted = await people(left, RACES)
    pairs = [
        (
            act(identities.set_customer, chat, one, remember=True),
            act(messages.add_note, chat, agent, "hm", f"n{chat}"),
        )
        for chat, one in zip(chats, wanted, strict=True)
    ]
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    assert not any(isinstance(each, BaseException) for both in outcomes for each in both)
    for chat, one in zip(chats, wanted, strict=True):
        for table in (schema.message, schema.note):
            assert {row["customer_id"] for row in await rows_of(left, table, interaction_id=chat)} == {one}
