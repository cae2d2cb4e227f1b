"""What programs write begins no work, and nobody's report changes what is not ours; a mail is taken once for ever."""

from typing import Any

import pytest

from channels.contract import Bounce, Machine, ProvenThread
from service_desk.actions import retention, tickets, wrap_up
from service_desk.actions.attachments import StoredFile
from service_desk.actions.deliveries import sent
from service_desk.clock import DAY, ManualClock
from service_desk.desk import Desk
from service_desk.storage import schema
from tests.service_desk.messages.conftest import mail, receive
from tests.service_desk.messages.test_mails import answered, only_contact, served
from tests.service_desk.people import row_of, rows_of

OURS = "<ours@desk.example>"


async def solved(desk: Desk) -> str:
    """A mail was answered, its case solved, its contact ended; the contact."""
    await receive(desk, mail())
    contact = str((await only_contact(desk))["id"])
    agent = await served(desk, contact)
    await answered(desk, contact, agent)
    (ticket,) = await rows_of(desk, schema.ticket)
    await desk.run(tickets.change_ticket, ticket["id"], ticket["version"], {"status": "solved"})
    await desk.run(wrap_up.end_contact, contact, agent, actor=agent)
    await desk.run(wrap_up.finish, contact, agent, "done", "", actor=agent)
    return contact


@pytest.mark.parametrize("after", [0, 30 * DAY])
@pytest.mark.parametrize("machine", [Machine.AUTO_REPLY, Machine.LIST])
async def test_an_automatic_reply_after_the_end_is_kept_there(
    desk: Desk, clock: ManualClock, machine: Machine, after: int
) -> None:
    contact = await solved(desk)
    clock.advance(after)
    commands = len(await rows_of(desk, schema.command))
    proven = ProvenThread(contact, "message_id")
    await receive(desk, mail(2, machine=machine, subject="Out of office", proven=proven))
    row = await only_contact(desk)
    assert (row["state"], row["message_seq"]) == ("ended", 3)
    (ticket,) = await rows_of(desk, schema.ticket)
    assert ticket["status"] == "solved"
    assert len(await rows_of(desk, schema.command)) == commands, "no routing"
    await receive(desk, mail(3, proven=proven))
    assert sorted(row["state"] for row in await rows_of(desk, schema.interaction)) == ["ended", "queued"]


async def test_a_program_that_begins_a_thread_is_a_contact(desk: Desk) -> None:
    await receive(desk, mail(machine=Machine.LIST))
    assert (await only_contact(desk))["state"] == "queued"
    assert len(await rows_of(desk, schema.ticket)) == 1


async def test_a_report_marks_no_mail_of_a_customer(desk: Desk) -> None:
    """Everybody knows the Message-IDs of their own mails."""
    await receive(desk, mail())
    forged = Bounce(permanent=True, status="5.1.1", message_id="<1@example.org>")
    await receive(desk, mail(2, machine=Machine.BOUNCE, bounce=forged))
    written = await rows_of(desk, schema.message, kind="message")
    assert {(row["status"], row["error"]) for row in written} == {(None, None)}


@pytest.mark.parametrize(
    ("permanent", "status", "line"),
    [(True, "undelivered", None), (False, "sent", "mail.delayed"), (None, "sent", "mail.reported")],
)
async def test_only_a_failure_for_good_is_one(
    desk: Desk, permanent: bool | None, status: str, line: str | None
) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    entry = await answered(desk, contact, agent)
    await desk.run(sent, entry, 1, OURS, "sent")
    report = Bounce(permanent=permanent, message_id=OURS)
    await receive(desk, mail(2, sender=None, machine=Machine.BOUNCE, bounce=report))
    assert (await row_of(desk, schema.message, entry))["status"] == status
    lines = [row["text"] for row in await rows_of(desk, schema.message, kind="system")]
    assert lines == ([] if line is None else [line])


@pytest.mark.parametrize("goes_on", [False, True])
async def test_a_mail_comes_again_after_its_raw_input_was_forgotten(
    desk: Desk, clock: ManualClock, goes_on: bool
) -> None:
    """The sending server must hear "taken", or it tries for days."""
    file = StoredFile("oven.jpg", "image/jpeg", 12, "a" * 64)
    await receive(desk, mail(), file)
    more: dict[str, Any] = {}
    if goes_on:
        more = {"proven": ProvenThread((await only_contact(desk))["id"], "address")}
        await receive(desk, mail(2, **more), file)
    clock.advance(40 * DAY)
    await desk.run(retention.purge_inputs, clock.now() - 30 * DAY, 500)
    before = [len(await rows_of(desk, each)) for each in (schema.message, schema.attachment, schema.ticket)]
    await receive(desk, mail(2 if goes_on else 1, **more), file)
    after = [len(await rows_of(desk, each)) for each in (schema.message, schema.attachment, schema.ticket)]
    assert after == before
