"""A mail's way: into a thread by proof only, by the state table, once."""

from typing import Any

import pytest

from channels.contract import Bounce, Machine, MailAddress, ProvenThread
from service_desk.actions import offers, parking, tickets, wrap_up, writing
from service_desk.actions.attachments import StoredFile
from service_desk.actions.deliveries import sent
from service_desk.clock import DAY, ManualClock
from service_desk.desk import Desk
from service_desk.domain import media
from service_desk.errors import Conflict, Invalid
from service_desk.storage import schema
from tests.service_desk.messages.conftest import MAIL, VERA, mail, receive
from tests.service_desk.people import make_agent, offer_to, row_of, rows_of


async def only_contact(desk: Desk) -> dict[str, Any]:
    (row,) = await rows_of(desk, schema.interaction)
    return row


async def served(desk: Desk, contact: str) -> str:
    """An agent has the contact; the agent."""
    agents = await rows_of(desk, schema.agent, login="ann")
    agent = agents[0]["id"] if agents else await make_agent(desk, "ann")
    offer = await offer_to(desk, contact, agent)
    await desk.run(offers.accept_offer, offer, agent, actor=agent)
    return str(agent)


def letter(**more: Any) -> writing.Letter:
    values: dict[str, Any] = {
        "to": ["vera@example.org"],
        "cc": [],
        "subject": "Re: The oven stays cold",
        "text": "Is it plugged in?",
        "html": None,
        "attachments": [],
    }
    return writing.Letter(**(values | more))


async def answered(desk: Desk, contact: str, agent: str, key: str = "k1", **more: Any) -> str:
    """The agent has answered; the entry."""
    return str(await desk.run(writing.send_mail, contact, agent, letter(**more), key, None, actor=agent))


async def test_a_new_mail_is_a_routed_ticket(desk: Desk) -> None:
    await receive(desk, mail(), StoredFile("oven.jpg", "image/jpeg", 12, "a" * 64))
    row = await only_contact(desk)
    assert (row["channel"], row["state"], row["queue_id"]) == ("email", "queued", "service")
    assert row["topic"] == "The oven stays cold"
    assert row["priority"] < 0, "a call goes first"
    (ticket,) = await rows_of(desk, schema.ticket)
    assert ticket["subject"] == "The oven stays cold"
    (customer,) = await rows_of(desk, schema.customer)
    assert (customer["name"], row["customer_id"]) == ("Vera Sample", customer["id"])
    (file,) = await rows_of(desk, schema.attachment)
    (message,) = await rows_of(desk, schema.message)
    assert (file["message_id"], file["interaction_id"]) == (message["id"], row["id"])


async def test_the_same_mail_twice_is_one(desk: Desk) -> None:
    await receive(desk, mail())
    await receive(desk, mail())
    assert len(await rows_of(desk, schema.message)) == 1
    assert len(await rows_of(desk, schema.ticket)) == 1


async def test_a_mail_of_nobody_is_a_contact_that_an_agent_can_handle(desk: Desk) -> None:
    await receive(desk, mail(sender=None, message_id=None, subject="", text=""))
    row = await only_contact(desk)
    assert (row["customer_id"], row["caller"], row["state"]) == (None, None, "queued")
    assert row["topic"] == "(no subject)"


async def test_a_mail_from_ourselves_is_kept_and_starts_nothing(desk: Desk) -> None:
    await receive(desk, mail(machine=Machine.OWN))
    assert await rows_of(desk, schema.interaction) == []
    assert len(await rows_of(desk, schema.input_)) == 1


async def test_a_proven_thread_takes_the_next_mail(desk: Desk) -> None:
    await receive(desk, mail())
    thread = (await only_contact(desk))["id"]
    stranger = MailAddress("colleague@example.net", "A Colleague")
    await receive(desk, mail(2, sender=stranger, proven=ProvenThread(thread, "address")))
    assert {row["seq"] for row in await rows_of(desk, schema.message)} == {1, 2}


@pytest.mark.parametrize(
    "claim",
    [
        {"in_reply_to": "<1@example.org>"},
        {"references": ("<1@example.org>",)},
        {"subject": "Re: [#10001] The oven"},
    ],
)
async def test_a_claim_of_a_stranger_starts_another_thread(desk: Desk, claim: dict[str, Any]) -> None:
    await receive(desk, mail())
    await receive(desk, mail(2, sender=MailAddress("mallory@example.net"), **claim))
    assert len(await rows_of(desk, schema.thread)) == 2
    assert len(await rows_of(desk, schema.ticket)) == 2


async def test_who_answers_our_mail_goes_on_in_its_thread(desk: Desk) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    entry = await answered(desk, contact, agent)
    await desk.run(sent, entry, 1, "<ours@desk.example>", "sent")
    await receive(desk, mail(2, in_reply_to="<ours@desk.example>"))
    assert (await only_contact(desk))["entry_seq"] == 3
    await receive(desk, mail(3, sender=MailAddress("mallory@example.net"), in_reply_to="<ours@desk.example>"))
    assert len(await rows_of(desk, schema.thread)) == 2, "knowing an id is no proof"


async def test_a_parked_contact_comes_back_with_the_reply(desk: Desk, clock: ManualClock) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    await answered(desk, contact, agent)
    await desk.run(parking.park, contact, agent, actor=agent)
    row = await only_contact(desk)
    assert (row["state"], row["agent_id"]) == ("parked", agent)
    commands = [row["body"]["kind"] for row in await rows_of(desk, schema.command)]
    assert commands[-1] == "WorkEnded", "it holds no capacity"
    clock.advance(DAY)
    await receive(desk, mail(2, proven=ProvenThread(contact, "message_id")))
    row = await only_contact(desk)
    assert (row["state"], row["agent_id"], row["queued_at"]) == ("queued", None, clock.now())
    assert await rows_of(desk, schema.timer) == []
    segments = await rows_of(desk, schema.segment)
    assert [each["outcome"] for each in segments] == ["parked", None]


async def test_an_auto_reply_wakes_nobody(desk: Desk) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    await desk.run(parking.park, contact, agent, actor=agent)
    proven = ProvenThread(contact, "address")
    await receive(desk, mail(2, proven=proven, machine=Machine.AUTO_REPLY))
    row = await only_contact(desk)
    assert (row["state"], row["message_seq"]) == ("parked", 2)


async def test_no_reply_ends_a_parked_contact(desk: Desk, clock: ManualClock) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    await desk.run(parking.park, contact, agent, actor=agent)
    clock.advance(media.PARKED_FOR["email"])
    await desk.run(parking.expire, contact, {})
    row = await only_contact(desk)
    assert (row["state"], row["end_reason"]) == ("ended", "no_reply")


async def test_the_agent_goes_on_with_a_parked_one(desk: Desk) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    await desk.run(parking.park, contact, agent, actor=agent)
    await desk.run(parking.take_up, contact, agent, actor=agent)
    assert (await only_contact(desk))["state"] == "active"
    commands = [row["body"]["kind"] for row in await rows_of(desk, schema.command)]
    assert commands[-1] == "WorkTaken"


async def test_after_its_end_a_reply_is_another_contact_of_the_same_case(
    desk: Desk, clock: ManualClock
) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    await desk.run(parking.park, contact, agent, actor=agent)
    await desk.run(wrap_up.end_contact, contact, agent, actor=agent)
    (ticket,) = await rows_of(desk, schema.ticket)
    await desk.run(tickets.change_ticket, ticket["id"], ticket["version"], {"status": "solved"})
    clock.advance(DAY)
    proven = ProvenThread(contact, "address")
    await receive(desk, mail(2, proven=proven))
    contacts = await rows_of(desk, schema.interaction)
    assert [row["state"] for row in contacts] == ["ended", "queued"]
    (ticket,) = await rows_of(desk, schema.ticket)
    assert ticket["status"] == "open"
    links = await rows_of(desk, schema.ticket_interaction, ticket_id=ticket["id"])
    assert {row["interaction_id"] for row in links} == {row["id"] for row in contacts}
    (thread,) = await rows_of(desk, schema.thread)
    assert (thread["contacts"], thread["interaction_id"]) == (2, contacts[1]["id"])


async def test_long_after_its_end_a_reply_is_another_case(desk: Desk, clock: ManualClock) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    await desk.run(parking.park, contact, agent, actor=agent)
    await desk.run(wrap_up.end_contact, contact, agent, actor=agent)
    clock.advance(media.SAME_CASE["email"] + DAY)
    await receive(desk, mail(2, proven=ProvenThread(contact, "address")))
    assert len(await rows_of(desk, schema.ticket)) == 2
    assert len(await rows_of(desk, schema.thread)) == 1


async def test_a_bounce_is_shown_at_the_mail_that_came_back(desk: Desk) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    entry = await answered(desk, contact, agent)
    await desk.run(sent, entry, 1, "<ours@desk.example>", "sent")
    await desk.run(parking.park, contact, agent, actor=agent)
    bounce = Bounce(
        permanent=True, status="5.1.1", recipient="vera@example.org", message_id="<ours@desk.example>"
    )
    await receive(desk, mail(2, sender=None, machine=Machine.BOUNCE, bounce=bounce))
    row = await row_of(desk, schema.message, entry)
    assert row["status"] == "undelivered"
    assert "vera@example.org" in row["error"]
    assert (await only_contact(desk))["state"] == "queued", "somebody has to look at it"


async def test_an_answer_that_crosses_a_newer_mail_is_refused(desk: Desk) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    await receive(desk, mail(2, proven=ProvenThread(contact, "address")))
    with pytest.raises(Conflict) as refused:
        await desk.run(writing.send_mail, contact, agent, letter(), "k1", 1, actor=agent)
    assert refused.value.code == "thread_moved_on"
    assert len(refused.value.extras["newer"]) == 1
    assert [row["author_kind"] for row in await rows_of(desk, schema.message)] == ["customer", "customer"]
    await desk.run(writing.send_mail, contact, agent, letter(), "k1", 2, actor=agent)
    (effect,) = await rows_of(desk, schema.effect)
    assert effect["kind"] == "send_message"


async def test_an_answer_refers_to_what_it_answers(desk: Desk) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    entry = await answered(desk, contact, agent)
    envelope = (await row_of(desk, schema.message, entry))["envelope"]
    assert envelope["in_reply_to"] == "<1@example.org>"
    assert envelope["to"] == [{"address": VERA.address, "name": ""}]


async def test_files_of_another_contact_do_not_go_along(desk: Desk) -> None:
    await receive(desk, mail(), StoredFile("secret.pdf", "application/pdf", 12, "b" * 64))
    await receive(desk, mail(2, sender=MailAddress("mallory@example.net")))
    (first,) = await rows_of(desk, schema.interaction, external_id="mail-1")
    (second,) = await rows_of(desk, schema.interaction, external_id="mail-2")
    agent = await served(desk, second["id"])
    (file,) = await rows_of(desk, schema.attachment, interaction_id=first["id"])
    with pytest.raises(Invalid, match="attachments"):
        await answered(desk, second["id"], agent, attachments=[file["id"]])
    assert await rows_of(desk, schema.effect) == []


async def test_bad_addresses_are_named(desk: Desk) -> None:
    await receive(desk, mail())
    contact = (await only_contact(desk))["id"]
    agent = await served(desk, contact)
    with pytest.raises(Invalid) as refused:
        await answered(desk, contact, agent, to=["vera at example"])
    assert refused.value.field == "to"


async def test_mail_for_an_account_that_is_not_configured_is_refused(desk: Desk) -> None:
    from service_desk.actions import mails

    with pytest.raises(Invalid, match="account"):
        await desk.run(mails.receive_mail, MAIL + "-2", mail(), [], "0" * 64)
