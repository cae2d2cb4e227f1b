"""Two nodes work on one conversation: everybody locks its rows in one order, so that no two wait for each other.

On PostgreSQL only, whose own count of deadlocks is asked: the store runs their victims again, so that nobody else
would notice. See `Tx.get_for_update` for the order.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from channels.contract import Bounce, DeliveryChanged, DeliveryStatus, ProvenThread
from service_desk.actions import admin, deliveries, mails, offers, texts, wrap_up, writing
from service_desk.desk import Desk
from service_desk.errors import Conflict
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.messages.conftest import MAIL, TEXTS, mail, message_config, receive, text, texted
from tests.service_desk.people import make_agent, offer_to, rows_of
from tests.service_desk.storage.two_nodes import nodes

pytestmark = pytest.mark.postgres

PAIRS = 40
REPORT = "<report@desk.example>"


@pytest.fixture
async def pair(postgres_url: str) -> AsyncIterator[tuple[Desk, Desk]]:
    """Two nodes, whose database has broken no deadlock when they are gone."""
    async with nodes(postgres_url) as (left, right):
        await left.run(admin.publish_config, message_config())
        yield left, right
    # Each connection has said what it counted once it is closed.
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        found = connection.execute(asked).fetchone()
    assert found == (0,)


async def served(desk: Desk) -> tuple[str, str]:
    """Ann has the only contact: (contact, agent)."""
    (contact,) = await rows_of(desk, schema.interaction)
    agent = await make_agent(desk, "ann")
    await desk.run(offers.accept_offer, await offer_to(desk, contact["id"], agent), agent, actor=agent)
    return contact["id"], agent


async def at_once(*acts: Any) -> None:
    """All of them; a refusal of ours is an answer like another."""
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    assert [
        each for each in outcomes if isinstance(each, BaseException) and not isinstance(each, Conflict)
    ] == []


async def test_a_customer_and_an_agent_mail_at_once(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    await receive(left, mail())
    contact, agent = await served(left)
    letter = writing.Letter(["vera@example.org"], [], "Re: The oven", "Is it plugged in?", None, [])
    for number in range(2, PAIRS + 2):
        event = mail(number, proven=ProvenThread(contact, "address"))
        await at_once(
            left.run(mails.receive_mail, MAIL, event, [], "0" * 64, actor="customer"),
            right.run(writing.send_mail, contact, agent, letter, f"k{number}", None, actor=agent),
        )
    assert len(await rows_of(left, schema.message, kind="message")) == 2 * PAIRS + 1


async def test_a_customer_and_an_agent_text_at_once(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    await texted(left, text("Hello"))
    contact, agent = await served(left)
    await texted(left, text("STOP", 2))
    await texted(left, text("START", 3))
    for number in range(PAIRS):
        event = text("STOP" if number % 2 else "START", number + 10)
        await at_once(
            left.run(texts.receive_text, TEXTS, event, actor="customer"),
            right.run(writing.send_text, contact, agent, "Hello", f"k{number}", None, actor=agent),
        )
    assert len(await rows_of(left, schema.message, author_kind="customer")) == PAIRS + 3


async def test_a_report_comes_while_the_agent_sends_again(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    await receive(left, mail())
    contact, agent = await served(left)
    letter = writing.Letter(["vera@example.org"], [], "Re: The oven", "Is it plugged in?", None, [])
    entry = await left.run(writing.send_mail, contact, agent, letter, "k", None, actor=agent)
    came_back = Bounce(permanent=True, message_id=REPORT)
    for number in range(PAIRS):
        await left.run(_left_in_doubt, entry)
        late = DeliveryChanged(REPORT, DeliveryStatus.UNDELIVERED, f"d{number}")
        await at_once(
            left.run(deliveries.bounced, MAIL, came_back),
            right.run(writing.retry, contact, entry, agent, actor=agent),
        )
        await left.run(_left_in_doubt, entry)
        await at_once(
            left.run(deliveries.changed, MAIL, late),
            right.run(writing.retry, contact, entry, agent, actor=agent),
        )
    assert len(await rows_of(left, schema.effect)) == 2 * PAIRS + 1


async def test_two_mails_reach_an_ended_contact_at_once(pair: tuple[Desk, Desk]) -> None:
    """The second one finds that the thread has gone on, and goes on there."""
    left, right = pair
    await receive(left, mail())
    contact, agent = await served(left)
    await left.run(wrap_up.end_contact, contact, agent, actor=agent)
    proven = ProvenThread(contact, "address")
    await at_once(
        left.run(mails.receive_mail, MAIL, mail(2, proven=proven), [], "0" * 64, actor="customer"),
        right.run(mails.receive_mail, MAIL, mail(3, proven=proven), [], "0" * 64, actor="customer"),
    )
    newer = [row for row in await rows_of(left, schema.interaction) if row["id"] != contact]
    assert [row["message_seq"] for row in newer] == [2]


def _left_in_doubt(tx: Tx, entry: str) -> None:
    """Nobody knows whether the mail left: the agent may send it again, and a report may still come."""
    known = sa.update(schema.message).where(schema.message.c.id == entry)
    tx.write(known.values(status="unknown", provider_id=REPORT))
