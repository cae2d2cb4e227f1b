"""The card and the timeline behind it: small, quick, and nothing lost between the pages."""

import time
from typing import Any

import pytest
import sqlalchemy as sa

from service_desk.actions import customers, tickets
from service_desk.clock import DAY, SECOND, Micros
from service_desk.desk import Desk
from service_desk.domain.contact_point import ContactPoint
from service_desk.domain.views import CardView
from service_desk.ids import new_id
from service_desk.queries.cards import CARD_BYTES, card
from service_desk.queries.interactions import entries_page
from service_desk.queries.timeline import timeline_page
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.people import make_agent, offer_to, open_chat

WIDE = "漢"  # three bytes each
START: Micros = 1_700_000_000 * SECOND


def a_customer(tx: Tx, name: str | None = "Vera Sample") -> str:
    point = ContactPoint("phone", "+14155550100", "+1 415-555-0100")
    return customers.find_or_make(tx, point, name=name, language="en", proof="seen")


def contacts(
    tx: Tx, customer: str, count: int, *, words: str = "asked about delivery", spread: Micros = DAY
) -> list[str]:
    """Ended calls, one each `spread`; several at one instant where `spread` is 0."""
    rows = []
    for number in range(count):
        at = START + number * spread
        rows.append(
            {
                "id": new_id("int", at),
                "channel": "phone",
                "direction": "inbound",
                "account": "phone-main",
                "external_id": f"CA{customer}{number}",
                "brand_id": "test",
                "state": "ended",
                "queue_id": "service",
                "customer_id": customer,
                "requires": {},
                "priority": 0,
                "attempts": 1,
                "menu_attempt": 0,
                "created_at": at,
                "queued_at": at,
                "ended_at": at + SECOND,
                "answered_at": at,
                "handled_at": at + SECOND,
                "comment": words,
                "topic": words,
                "disposition": "done",
                "entry_seq": 0,
                "message_seq": 0,
                "version": 1,
            }
        )
    tx.write(sa.insert(schema.interaction), rows)
    return [str(row["id"]) for row in rows]


def cases(
    tx: Tx, customer: str, count: int, *, words: str = "Late delivery", links: list[str] | None = None
) -> list[str]:
    made = []
    for _ in range(count):
        row = tickets.open_ticket(
            tx,
            subject=words,
            description=words,
            priority="normal",
            queue_id="service",
            customer_id=customer,
            interaction_id=None,
            assignee_id=None,
        )
        made.append(str(row["id"]))
    if links:
        tx.write(
            sa.insert(schema.ticket_interaction),
            [{"ticket_id": t, "interaction_id": i, "at": tx.now} for t in made for i in links],
        )
    return made


def notes(
    tx: Tx, customer: str, count: int, *, words: str = "called the depot", at: Micros = START
) -> list[str]:
    rows = [
        {
            "id": tx.new_id("not"),
            "interaction_id": "int_none",
            "customer_id": customer,
            "seq": number + 1,
            "author_id": "agt_1",
            "author_name": "Ann",
            "text": words,
            "at": at + number // 3,  # three at one instant
        }
        for number in range(count)
    ]
    tx.write(sa.insert(schema.note), rows)
    return [str(row["id"]) for row in rows]


async def read_card(desk: Desk, customer: str) -> CardView:
    found = await desk.read(card, customer)
    assert found is not None
    return found


def size(view: CardView) -> int:
    return len(view.model_dump_json().encode())


async def test_the_card_of_a_long_history_is_small_and_quick(plain: Desk) -> None:
    def fill(tx: Tx) -> str:
        customer = a_customer(tx)
        contacts(tx, customer, 600)
        cases(tx, customer, 200)
        notes(tx, customer, 200)
        for other in range(3):  # other people's histories lie between
            contacts(tx, f"cus_{other}", 300)
        return customer

    customer = await plain.run(fill)
    found = await read_card(plain, customer)
    assert size(found) <= CARD_BYTES
    assert (len(found.tickets), len(found.timeline)) == (50, 50)
    assert (found.totals.interactions, found.totals.tickets, found.totals.open_tickets) == (600, 200, 200)

    def timed(reader: Any) -> float:
        started = time.perf_counter()
        card(reader, customer)
        return time.perf_counter() - started

    spans = sorted([await plain.read(timed) for _ in range(15)])
    assert spans[0] < 0.030, f"{spans[0] * 1000:.1f} ms at best"


@pytest.mark.parametrize("links", [0, 400])
async def test_the_card_of_the_nastiest_customer_still_fits(plain: Desk, links: int) -> None:
    """Every text as long as it may be, in characters of three bytes, and tickets that hang on everything."""

    def fill(tx: Tx) -> str:
        customer = a_customer(tx, WIDE * 200)
        tx.write(sa.update(schema.customer).values(remark=WIDE * 4_000))
        ids = contacts(tx, customer, 400, words=WIDE * 2_000)
        cases(tx, customer, 60, words=WIDE * 200, links=ids[:links])
        notes(tx, customer, 100, words=WIDE * 16_000)
        for number in range(30):
            point = ContactPoint("mailbox", f"{number}@example.org", WIDE * 250)
            customers.add_point(tx, customer, point, proof="seen")
        return customer

    found = await read_card(plain, await plain.run(fill))
    assert size(found) <= CARD_BYTES
    assert found.customer.remark == WIDE * 4_000, "the record itself is whole"
    assert found.more is not None
    assert found.timeline, "something of the history is there"
    assert len(found.tickets) >= 10


async def pages(desk: Desk, customer: str, limit: int) -> list[list[tuple[int, str]]]:
    """The whole timeline, page by page."""
    found, before = [], None
    while True:
        page = await desk.read(timeline_page, customer, before, limit)
        found.append([(item.at, item.id) for item in page.items])
        assert len(page.items) <= limit
        before = page.more
        if before is None:
            return found
        assert len(found) < 1_000


@pytest.mark.parametrize("limit", [1, 7, 50])
async def test_the_timeline_pages_without_gaps_and_doubles(plain: Desk, limit: int) -> None:
    """Many entries at the very same instant, of all kinds."""

    def fill(tx: Tx) -> tuple[str, set[str]]:
        customer = a_customer(tx)
        ids = {
            *contacts(tx, customer, 20, spread=0),
            *cases(tx, customer, 15),
            *notes(tx, customer, 20, at=START - 3),
        }
        contacts(tx, "cus_other", 10)
        return customer, ids

    customer, ids = await plain.run(fill)
    found = [entry for page in await pages(plain, customer, limit) for entry in page]
    assert len(found) == len(ids)
    assert {each for _, each in found} == ids
    assert found == sorted(found, reverse=True), "newest first, in one order"


async def test_the_card_s_cursor_goes_on_where_the_card_ends(plain: Desk) -> None:
    def fill(tx: Tx) -> str:
        customer = a_customer(tx)
        contacts(tx, customer, 120, words=WIDE * 300)
        return customer

    customer = await plain.run(fill)
    found = await read_card(plain, customer)
    seen = [item.id for item in found.timeline]
    before = found.more
    while before is not None:
        page = await plain.read(timeline_page, customer, before, 30)
        seen += [item.id for item in page.items]
        before = page.more
    assert len(seen) == len(set(seen)) == 120


async def test_cursors_that_are_none_are_the_beginning_and_break_nothing(plain: Desk) -> None:
    customer = await plain.run(a_customer)
    await plain.run(contacts, customer, 3)
    for before in (
        "",
        "x",
        ".",
        "1",
        "x.int_1",
        "-5.int_1",
        "²³.int_1",
        "٣.",
        "9" * 30 + ".int_1",
        "1.5.6",
        "'.'",
    ):
        page = await plain.read(timeline_page, customer, before, 10)
        assert len(page.items) in (0, 3), before
    for before in ("", "x", "-1", "²", "9" * 16, "9" * 400):
        await plain.read(entries_page, "int_1", before, 10)


async def test_a_conversation_pages_without_gaps(plain: Desk) -> None:
    from channels.contract import MessageReceived
    from service_desk.actions import chats, messages, offers

    ann = await make_agent(plain, "ann")
    visitor, contact = await open_chat(plain, "Vera", "line 0")
    await plain.run(offers.accept_offer, await offer_to(plain, contact, ann), ann)
    for number in range(1, 30):
        if number % 3:
            words = MessageReceived(f"{visitor}.k1", f"v{number}", visitor, f"line {number}", f"m{number}")
            await plain.run(chats.receive_message, "demo", words, actor="customer")
        else:
            await plain.run(messages.add_note, contact, ann, f"note {number}", f"n{number}")
    for limit in (1, 4, 10, 100):
        seen: list[int] = []
        before = None
        while True:
            page = await plain.read(entries_page, contact, before, limit)
            seen = [entry.seq for entry in page.items] + seen
            before = page.more
            if before is None:
                break
        assert seen == list(range(1, 31)), limit


async def test_who_is_it_in_a_few_words(plain: Desk) -> None:
    def fill(tx: Tx) -> str:
        customer = a_customer(tx, None)
        contacts(tx, customer, 3)
        tx.write(sa.update(schema.interaction).values(created_at=tx.now - DAY))
        tx.write(sa.update(schema.customer).values(tier="gold"))
        cases(tx, customer, 2)
        return customer

    found = await read_card(plain, await plain.run(fill))
    assert found.customer.display_name == "+1 415-555-0100", "the number, where there is no name"
    numbers = sorted(ticket.number for ticket in found.tickets)
    assert found.highlights[0] == "3rd contact in 7 days"
    assert found.highlights[1] in [f"Open ticket #{number}: Late delivery" for number in numbers]
    assert found.highlights[2:] == ["2 open tickets", "Gold"]
    assert await plain.read(card, "cus_none") is None
