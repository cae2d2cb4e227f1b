"""Forty long mails: what a console is sent stays small, says what is missing, and still adds up."""

import time
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic_core import to_json

from service_desk.actions import offers
from service_desk.desk import Desk
from service_desk.domain.views import EntryView
from service_desk.queries import live
from service_desk.queries.interactions import (
    GIST_CHARACTERS,
    HELD_CHARACTERS,
    PAGE_BYTES,
    entries_page,
    entry_view,
    gist,
    held_entry,
)
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.checked import CheckedDesk
from tests.service_desk.messages.conftest import mail, receive
from tests.service_desk.people import make_agent, offer_to, rows_of

LONG = 500_000
LONG_MAILS = 40
OTHERS = 2_000_000
"""Bytes that a snapshot may have in all: the entries' share and as much again for everything else."""


async def long_mail(desk: Desk) -> str:
    """One long mail has come; its contact."""
    await receive(desk, mail(1, text="é" * LONG, quoted="> " * (LONG // 2)))
    return str((await rows_of(desk, schema.interaction))[0]["id"])


def more_of_them(tx: Tx, interaction_id: str, count: int) -> None:
    """As if the customer had written so many more, each as long."""
    row = tx.first(
        sa.select(schema.message).where(schema.message.c.interaction_id == interaction_id).limit(1)
    )
    contact = tx.get_for_update(schema.interaction, interaction_id)
    assert row is not None
    assert contact is not None
    begin = contact["entry_seq"]
    made = [
        dict(row)
        | {"id": tx.new_id("msg"), "seq": begin + number, "key": f"more-{number}", "provider_id": None}
        for number in range(1, count + 1)
    ]
    tx.write(sa.insert(schema.message), made)
    tx.change(schema.interaction, contact, entry_seq=begin + count)


def size(view: Any) -> int:
    return len(to_json(view))


async def taken(desk: Desk, contact: str, agent: str) -> list[live.LogEvent]:
    """The agent accepts the contact; the events of that."""
    before = await desk.read(live.head)
    offer = await offer_to(desk, contact, agent)
    await desk.run(offers.accept_offer, offer, agent, actor=agent)
    return await desk.read(live.events_after, before, 1_000)


async def test_forty_long_mails_leave_the_loop_free(desk: CheckedDesk) -> None:
    contact, agent = await long_mail(desk), await make_agent(desk, "ada")
    await desk.run(more_of_them, contact, LONG_MAILS - 1)
    events = await taken(desk, contact, agent)
    frame = (await desk.read(live.frames, events, [agent]))[agent]
    snapshot = await desk.read(live.snapshot, agent)
    for sent in (frame, snapshot):
        assert size(sent) < OTHERS
    times = []
    for _ in range(9):
        begun = time.perf_counter()
        to_json(snapshot)
        times.append(time.perf_counter() - begun)
    assert sorted(times)[4] < 0.01, "the event loop is held for as long"
    entries = sorted(snapshot.entries.values(), key=lambda entry: entry.seq)
    newest = entries[-1]
    assert newest.cut_from == 2 * LONG
    assert len(newest.text) == HELD_CHARACTERS
    assert newest.mail is not None
    assert len(newest.mail.quoted or "") == HELD_CHARACTERS
    assert 1 < len(entries) < LONG_MAILS, "the older ones are left to the pages"
    assert not desk.faults


async def test_pages_have_what_is_not_held_and_the_whole_is_there(desk: CheckedDesk) -> None:
    contact = await long_mail(desk)
    await desk.run(more_of_them, contact, LONG_MAILS - 1)
    found: list[EntryView] = []
    before: str | None = None
    while True:
        page = await desk.read(entries_page, contact, before, 50)
        assert size(page) <= PAGE_BYTES * 1.01
        found = page.items + found
        before = page.more
        if before is None:
            break
    lines = [entry for entry in found if entry.kind == "message"]
    assert len(lines) == LONG_MAILS
    assert [entry.seq for entry in found] == sorted({entry.seq for entry in found})
    whole = await desk.read(entry_view, lines[0].id)
    assert whole is not None
    assert whole.mail is not None
    assert (len(whole.text), len(whole.mail.quoted or ""), whole.cut_from) == (LONG, LONG, None)


async def test_many_contacts_share_what_a_snapshot_may_have(desk: CheckedDesk) -> None:
    """Each still has its newest line."""
    agent = await make_agent(desk, "ada", capacity={"email": 20})
    for number in range(12):
        sender = mail().sender
        assert sender is not None
        other = type(sender)(f"vera{number}@example.org", "Vera")
        await receive(desk, mail(number, sender=other, text="漢" * LONG, quoted="字" * LONG))
    contacts = [row["id"] for row in await rows_of(desk, schema.interaction)]
    assert len(contacts) == 12
    await Desk.run(desk, _held_by, agent)  # without the check: there is no event to follow
    snapshot = await desk.read(live.snapshot, agent)
    assert set(snapshot.interactions) == set(contacts)
    assert size(snapshot) < OTHERS
    for contact in contacts:
        entries = [entry for entry in snapshot.entries.values() if entry.interaction_id == contact]
        assert [entry.cut_from for entry in entries if entry.kind == "message"] == [2 * LONG]
        assert len(entries[-1].text) in (HELD_CHARACTERS, GIST_CHARACTERS)
    assert len({len(entry.text) for entry in snapshot.entries.values()}) == 2, "some whole, some in short"


def _held_by(tx: Tx, agent_id: str) -> None:
    """As it is when they have been answered."""
    tx.write(sa.update(schema.interaction).values(agent_id=agent_id, state="parked"))


async def test_a_new_long_mail_comes_in_a_frame_as_it_stands_in_the_snapshot(desk: CheckedDesk) -> None:
    contact, agent = await long_mail(desk), await make_agent(desk, "ada")
    await taken(desk, contact, agent)
    (message,) = [row for row in await rows_of(desk, schema.message) if row["kind"] == "message"]
    events = await desk.read(live.events_after, 0, 1_000)
    added = [
        event for event in events if event.kind == "entry.added" and event.data["entry_id"] == message["id"]
    ]
    frame = (await desk.read(live.frames, added, [agent]))[agent]
    snapshot = await desk.read(live.snapshot, agent)
    assert frame.put.entries[message["id"]] == snapshot.entries[message["id"]]
    assert frame.put.entries[message["id"]].cut_from == 2 * LONG
    assert not desk.faults


@pytest.mark.parametrize("characters", [0, 1, HELD_CHARACTERS, HELD_CHARACTERS + 1])
async def test_only_what_is_missing_is_said_to_be(desk: CheckedDesk, characters: int) -> None:
    await receive(desk, mail(1, text="x" * characters))
    (row,) = [each for each in await rows_of(desk, schema.message) if each["kind"] == "message"]
    held = await desk.read(held_entry, row["id"])
    assert held is not None
    assert len(held.text) == min(characters, HELD_CHARACTERS)
    assert held.cut_from == (characters if characters > HELD_CHARACTERS else None)
    short = gist(held)
    assert short.cut_from == (characters if characters > GIST_CHARACTERS else None)
    assert short.text == held.text[:GIST_CHARACTERS]
