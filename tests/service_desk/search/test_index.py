"""The index follows the log from where it stopped, is made anew where there is none, and holds nothing that is gone."""

import asyncio
from functools import partial

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from service_desk.actions import admin, search_index, tickets
from service_desk.actions.search_index import forget_customer, number_for, write_changes
from service_desk.background.indexer import Indexer, read_cursor, reindex
from service_desk.cli import main
from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.lease import Fenced, SoleLease, take
from service_desk.queries.search import search
from service_desk.queries.search_docs import Changes, Doc, docs_of
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import make_agent, offer_to, open_chat, phone, rows_of
from tests.service_desk.search.library import (
    SUPERVISOR,
    case,
    do,
    hits,
    ids,
    index_now,
    indexing,
    is_right,
    look,
    noted,
    somebody,
    until,
)


async def test_it_follows_what_happens(plain: Desk) -> None:
    async with indexing(plain):
        await until(lambda: plain.read(read_cursor_set))
        vera = await do(plain, somebody, "Vera Sample", phone="+4917612345678")
        made = await do(plain, case, "Broken lamp")
        await until(lambda: ids(plain, "lamp"))
        await plain.run(tickets.change_ticket, made["id"], 1, {"subject": "Broken chair"})
        await until(lambda: ids(plain, "chair"))
        assert await ids(plain, "lamp") == []
        await plain.run(tickets.note_ticket, made["id"], "agt_1", "sent a glazier", "k1")
        await until(lambda: ids(plain, "glazier"))
        assert await ids(plain, "vera") == [vera]
        await until(lambda: is_right(plain))


def read_cursor_set(reader: object) -> bool:
    return read_cursor(reader) is not None  # type: ignore[arg-type]  # `read` gives a Reader


async def test_one_that_stops_goes_on_where_it_was(plain: Desk) -> None:
    await index_now(plain)
    ann = await make_agent(plain, "ann")
    for number in range(8):
        task = asyncio.create_task(Indexer(plain, SoleLease("search", plain, f"nod_{number}")).run())
        call = await phone(plain, f"CA{number}", f"+1415555010{number}")
        await plain.run(noted, call, ann, f"note {number}")
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await index_now(plain)
    assert len(await ids(plain, "note", kind="note")) == 8
    assert await is_right(plain)


async def test_a_second_indexer_is_fenced(plain: Desk) -> None:
    made = await do(plain, case, "Broken lamp")
    old = await plain.run(take, "search", "nod_old")
    await plain.run(take, "search", "nod_new")
    docs = list((await plain.read(docs_of, [made["id"]])).values())
    with pytest.raises(Fenced):
        await plain.run(write_changes, Changes(docs, []), "search", old)
    assert await ids(plain, "lamp") == []


async def test_made_anew_it_repairs_everything(plain: Desk) -> None:
    def fill(tx: Tx) -> list[str]:
        return [case(tx, f"Broken lamp {number}")["id"] for number in range(30)]

    cases = await plain.run(fill)
    await index_now(plain)

    def spoil(tx: Tx) -> None:
        doc, ticket = schema.search_doc, schema.ticket
        tx.write(sa.delete(doc).where(doc.c.id == cases[0]))  # one is missing
        tx.write(sa.delete(ticket).where(ticket.c.id == cases[1]))  # one is left over
        tx.write(
            sa.update(ticket).where(ticket.c.id == cases[2]).values(subject="Broken chair")
        )  # one is old

    await plain.run(spoil)
    assert not await is_right(plain)
    async with indexing(plain):
        await plain.run(search_index.ask_for_rebuild)
        await do(plain, case, "wakes the follower")
        await until(lambda: is_right(plain))
    assert len(await look_for_all(plain, "lamp")) == 28
    assert await ids(plain, "chair") == [cases[2]]


async def look_for_all(desk: Desk, q: str) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        (group,) = (await look(desk, q, kind="ticket", cursor=cursor)).groups
        found += [hit.id for hit in group.items]
        cursor = group.more
        if cursor is None:
            return found


async def test_merged_and_erased_people_are_not_found(plain: Desk) -> None:
    vera = await do(plain, somebody, "Vera Sample", phone="+4917612345678")
    paul = await do(plain, somebody, "Paul Sample", mail="paul@example.org")
    _, chat = await open_chat(plain, "Rita", "my words", mailbox="rita@example.org")
    (rita,) = {row["customer_id"] for row in await rows_of(plain, schema.interaction, id=chat)}
    await index_now(plain)
    assert set(await ids(plain, "sample")) == {vera, paul}

    def merge(tx: Tx) -> None:
        tx.update(schema.customer, vera, merged_into=paul)

    await plain.run(merge)
    assert await ids(plain, "sample") == [paul], "before the index knows"

    def erase(tx: Tx) -> None:
        message = schema.message
        tx.write(sa.delete(message).where(message.c.customer_id == rita))
        forget_customer(tx, rita)

    assert await ids(plain, "words")
    await plain.run(erase)
    assert await hits(plain, "words") == []
    left = await rows_of(plain, schema.search_doc, customer_id=rita)
    assert left == []


async def test_a_contact_that_changes_hands_brings_its_messages(plain: Desk) -> None:
    from service_desk.actions import offers

    ann = await make_agent(plain, "ann")
    _, chat = await open_chat(plain, "Rita", "my words")
    await index_now(plain)
    await plain.run(offers.accept_offer, await offer_to(plain, chat, ann), ann)
    await index_now(plain)
    owners = {row["owner_id"] for row in await rows_of(plain, schema.search_doc, kind="message")}
    assert owners == {ann}
    assert await is_right(plain)


async def test_documents_of_one_instant_have_numbers_of_their_own(plain: Desk) -> None:
    fence = await plain.run(take, "search", "nod_1")
    at = 1_700_000_000 * SECOND
    by_number: dict[int, list[str]] = {}
    for name in (f"tic_{n}" for n in range(20_000)):
        by_number.setdefault(number_for(at, name), []).append(name)
    same = max(by_number.values(), key=len)
    assert len(same) > 1
    alike = [Doc(row_id, "ticket", at, None, None, ["twone"]) for row_id in same]
    for part in ([alike[0]], alike[1:], alike):  # also when they are written again
        await plain.run(write_changes, Changes(part, []), "search", fence)
    numbers = [row["number"] for row in await rows_of(plain, schema.search_doc)]
    assert len(set(numbers)) == len(same)


async def test_sqlite_s_own_check_of_the_index(sqlite_url: str) -> None:
    from service_desk.bus.local import LocalBus
    from service_desk.clock import SystemClock
    from service_desk.storage.store import Store

    store = Store(sqlite_url, SystemClock())
    desk = Desk(store, LocalBus(), SystemClock())
    fence = await desk.run(take, "search", "nod_1")
    doc = Doc("tic_1", "ticket", 1, None, None, ["twone", "tw漢"])
    for changes in (Changes([doc], []), Changes([doc], []), Changes([], ["tic_1"])):
        await desk.run(write_changes, changes, "search", fence)
        await desk.run(check_index)
    store.close()


def check_index(tx: Tx) -> None:
    tx.write(sa.text("INSERT INTO search_index (search_index, rank) VALUES ('integrity-check', 1)"))  # type: ignore[arg-type]  # SQLite's own command


async def test_reindex_beside_the_server_that_does_it(plain: Desk) -> None:
    made = await do(plain, case, "Broken lamp")
    async with indexing(plain):
        await until(lambda: plain.read(read_cursor_set))
        assert await ids(plain, "lamp") == [made["id"]]
        await plain.run(_lose_everything)
        assert await ids(plain, "lamp") == []
        asking = asyncio.create_task(reindex(plain, None))
        await until(lambda: _asked_or(plain, asking))
        await do(plain, case, "wakes the follower")
        async with asyncio.timeout(20):
            await asking
        assert await ids(plain, "lamp") == [made["id"]]
    assert [row["action"] for row in await rows_of(plain, schema.audit)].count("search.rebuild") == 1


def _lose_everything(tx: Tx) -> None:
    tx.write(sa.delete(schema.search_doc))


async def _asked_or(desk: Desk, done: asyncio.Task[None]) -> bool:
    """The request is there, or was there and is answered already."""
    return done.done() or not await desk.read(read_cursor_set)


def test_the_command_makes_the_index_where_no_server_runs(db_url: str) -> None:
    from service_desk.clock import SystemClock
    from service_desk.storage.store import Store

    store = Store(db_url, SystemClock())
    store.run(admin.seed, CONFIG)
    store.run(partial(case, subject="Broken lamp"))
    store.close()
    for _ in range(2):
        done = CliRunner().invoke(main, ["reindex"], env={"SERVICE_DESK_DATABASE_URL": db_url})
        assert (done.exit_code, done.output) == (0, "The search index is new.\n"), done.exception
    store = Store(db_url, SystemClock())
    assert len(store.read(search, SUPERVISOR, "lamp", "ticket", None).groups[0].items) == 1
    store.close()
