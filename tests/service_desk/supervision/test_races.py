"""A supervisor and somebody else take hold of one contact in the same moment, on two nodes: one wins, one is told.

On PostgreSQL only: SQLite has one writer and so hides every race.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from channels.contract import CallChanged, CallStatus
from routing.decisions import OfferMade
from service_desk.actions import calls, offers, supervision
from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.errors import Conflict, DeskError, OfferClosed, StaleVersion
from service_desk.storage import schema
from tests.service_desk.people import PHONE, make_agent, phone, row_of, rows_of, set_state
from tests.service_desk.storage.two_nodes import Act, faults, nodes, race

pytestmark = pytest.mark.postgres

RACES = 12
WHY = "too long a line"


@pytest.fixture
async def pair(postgres_url: str) -> AsyncIterator[tuple[Desk, Desk]]:
    async with nodes(postgres_url) as (left, right):
        yield left, right


async def ringing(desk: Desk) -> list[Any]:
    """Calls, each ringing at an agent of its own."""
    from routing.model import Offer

    people = await asyncio.gather(*(make_agent(desk, f"agent{n}") for n in range(RACES)))
    contacts = await asyncio.gather(*(phone(desk, f"CA{n}", f"+1415555{n:04d}") for n in range(RACES)))
    now = desk.clock.now()
    made = [Offer(f"{c}.1", c, a, now, now + 20 * SECOND, 1) for c, a in zip(contacts, people, strict=True)]
    assert await desk.run(offers.apply_decisions, [OfferMade(offer) for offer in made], 1) == []
    return made


def act(action: Callable[..., Any], *args: Any) -> Act:
    return lambda desk: desk.run(action, *args)


async def version(desk: Desk, contact: str) -> int:
    return int((await row_of(desk, schema.interaction, contact))["version"])


def only_refusals(outcomes: list[tuple[Any, Any]]) -> None:
    strange = [
        each
        for both in outcomes
        for each in both
        if isinstance(each, BaseException) and not isinstance(each, DeskError)
    ]
    assert strange == []


async def test_accept_against_move(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    made = await ringing(left)
    pairs = [
        (
            act(offers.accept_offer, offer.id, offer.agent),
            act(supervision.move_contact, offer.item, await version(left, offer.item), "sales", WHY),
        )
        for offer in made
    ]
    outcomes = await race(left, right, pairs)
    only_refusals(outcomes)
    for offer, (accepted, moved) in zip(made, outcomes, strict=True):
        row = await row_of(left, schema.interaction, offer.item)
        if isinstance(moved, StaleVersion):
            assert (row["state"], row["agent_id"]) == ("connecting", offer.agent)
        else:
            assert isinstance(accepted, OfferClosed)
            assert (row["state"], row["queue_id"], row["agent_id"]) == ("queued", "sales", None)
    assert await faults(left) == []


async def test_hang_up_against_assign(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    made = await ringing(left)
    others = await asyncio.gather(*(make_agent(left, f"other{n}") for n in range(RACES)))
    pairs = [
        (
            act(calls.leg_changed, PHONE, CallChanged(f"CA{n}", CallStatus.COMPLETED, f"end-{n}", 9)),
            act(supervision.assign_contact, offer.item, await version(left, offer.item), other, WHY),
        )
        for n, (offer, other) in enumerate(zip(made, others, strict=True))
    ]
    outcomes = await race(left, right, pairs)
    only_refusals(outcomes)
    for offer, other, (_, assigned) in zip(made, others, outcomes, strict=True):
        row = await row_of(left, schema.interaction, offer.item)
        if isinstance(assigned, StaleVersion):
            assert (row["state"], row["agent_id"]) == ("ended", None)
        else:
            assert (row["state"], row["agent_id"]) == ("wrap_up", other)
    assert await faults(left) == []


async def test_two_supervisors_move_one_contact(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    made = await ringing(left)
    spare = await make_agent(left, "spare")
    for offer in made:  # room for one of them at the most
        await set_state(left, offer.agent, "away", "lunch")
    pairs = []
    for offer in made:
        seen = await version(left, offer.item)
        pairs.append(
            (
                act(supervision.move_contact, offer.item, seen, "sales", WHY),
                act(supervision.assign_contact, offer.item, seen, spare, WHY),
            )
        )
    outcomes = await race(left, right, pairs)
    only_refusals(outcomes)
    for moved, assigned in outcomes:
        told = [each for each in (moved, assigned) if isinstance(each, DeskError)]
        assert len(told) == 1
        assert isinstance(told[0], StaleVersion | Conflict)
    audited = await rows_of(left, schema.audit)
    assert sum(row["action"] in ("contact.moved", "contact.assigned") for row in audited) == RACES
    assert await faults(left) == []


async def test_sign_out_against_accept(pair: tuple[Desk, Desk]) -> None:
    """Either the accept came first and the call goes back to its line, or it is told that the offer is over."""
    left, right = pair
    made = await ringing(left)
    pairs = []
    for offer in made:
        seen = (await row_of(left, schema.agent, offer.agent))["version"]
        pairs.append(
            (
                act(offers.accept_offer, offer.id, offer.agent),
                act(supervision.force_state, offer.agent, seen, "signed_out", None, WHY),
            )
        )
    outcomes = await race(left, right, pairs)
    only_refusals(outcomes)
    for offer, (accepted, forced) in zip(made, outcomes, strict=True):
        assert not isinstance(forced, BaseException)
        assert accepted is None or isinstance(accepted, OfferClosed) or accepted["agent_id"] == offer.agent
        row = await row_of(left, schema.interaction, offer.item)
        assert (row["state"], row["agent_id"]) == ("queued", None)
    assert await faults(left) == []
