"""A From field is a claim: under a customer's name and with a ticket's number nobody gets into a conversation."""

import itertools

import pytest

from channels.contract import MailAddress, MailReceived
from channels.email.parse import Reading
from channels.email.threads import ThreadTokens, TokenKey
from service_desk.actions import mails
from service_desk.storage import schema
from tests.attacks.test_mail_content import mailed
from tests.service_desk.messages.conftest import MAIL
from tests.service_desk.people import row_of, rows_of
from tests.service_desk.web.world import World

TOKENS = ThreadTokens([TokenKey("k1", b"a" * 32)])
READ = Reading(("help@desk.example",), TOKENS)
VERA = MailAddress("vera@example.org", "Vera")
FIRST = MailReceived("<1@example.org>", "mail-1", VERA, "The oven stays cold", "My code is 4711.")
FIELDS = {
    "Reply-To": "mallory@evil.example",
    "Cc": "mallory@evil.example",
    "In-Reply-To": "<1@example.org>",
    "References": "<1@example.org> <0@example.org>",
}


def forged(subject: str, fields: tuple[str, ...]) -> MailReceived:
    """As the customer would write, but for what the attacker adds."""
    extra = "".join(f"{name}: {FIELDS[name]}\r\n" for name in fields)
    head = f"From: Vera <vera@example.org>\r\nTo: help@desk.example\r\nSubject: {subject}\r\n"
    return READ(f"{head}Message-ID: <x@evil.example>\r\n{extra}\r\nWhat was my code?\r\n".encode(), None)


@pytest.mark.parametrize(
    "fields", [each for count in range(4) for each in itertools.combinations(FIELDS, count)]
)
async def test_a_forged_sender_is_in_no_thread_but_its_own(
    quick_world: World, fields: tuple[str, ...]
) -> None:
    contact = await mailed(quick_world, FIRST)
    (ticket,) = await rows_of(quick_world.desk, schema.ticket)
    event = forged(f"Re: [#{ticket['number']}] The oven stays cold", fields)
    assert event.doubts == (), "the sender looks like any other"
    other = await mailed(quick_world, event)
    assert other != contact
    assert len(await rows_of(quick_world.desk, schema.thread)) == 2
    assert (await row_of(quick_world.desk, schema.interaction, contact))["message_seq"] == 1
    (message,) = await rows_of(quick_world.desk, schema.message, interaction_id=other, kind="message")
    assert message["envelope"]["proof"] == "none"
    assert message["envelope"]["claimed"] == contact
    (warning,) = message["envelope"]["doubts"]
    assert f"ticket #{ticket['number']}" in warning
    assert message["envelope"]["thread"] == other, "an answer's reply address opens this thread only"


async def test_the_agent_sees_the_doubt_and_links_the_case_by_one_request(quick_world: World) -> None:
    await mailed(quick_world, FIRST)
    (ticket,) = await rows_of(quick_world.desk, schema.ticket)
    ann = await quick_world.person("ann")
    await quick_world.ready(ann)
    event = forged(f"[#{ticket['number']}]", ("Reply-To",))
    contact = await quick_world.served(ann, await mailed(quick_world, event))
    shown = (await ann.get(f"/api/v1/interactions/{contact}/entries")).json()
    (seen,) = [each["mail"] for each in shown["items"] if each["mail"]]
    assert f"ticket #{ticket['number']}" in seen["doubts"][0]
    linked = await ann.post(f"/api/v1/tickets/{ticket['id']}/interactions", {"interaction_id": contact})
    assert linked.status == 200, linked.body


async def test_the_token_of_a_genuine_reply_still_proves_it(quick_world: World) -> None:
    contact = await mailed(quick_world, FIRST)
    ours = TOKENS.message_id("desk.example", contact, "m")
    head = "From: Vera <vera@example.org>\r\nTo: help@desk.example\r\nSubject: Re: The oven\r\n"
    genuine = READ(f"{head}Message-ID: <2@example.org>\r\nIn-Reply-To: {ours}\r\n\r\nYes.\r\n".encode(), None)
    await quick_world.desk.run(mails.receive_mail, MAIL, genuine, [], "0" * 64, actor="customer")
    assert (await row_of(quick_world.desk, schema.interaction, contact))["message_seq"] == 2
