"""Customers at their mailboxes: real SMTP to the desk and from it, played through the control API."""

import asyncio
import io
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from channels.contract import Machine, MailAddress, MailAttachment, OutcomeUnknown, SendFailed
from channels.simulator.mailboxes import Mailboxes
from channels.simulator.server import RunningSimulator, running
from tests.channels.email.mails import BAD, CUSTOMER, MAILBOX, THREAD, mail
from tests.channels.email.test_send import outbound
from tests.channels.email.test_smtp import Door, open_door, sender
from tests.channels.pretend import simulator_settings


@asynccontextmanager
async def provider(**options: Any) -> AsyncIterator[RunningSimulator]:
    async with running(simulator_settings(mail=options)) as simulator:
        yield simulator


@pytest.fixture
async def customers() -> AsyncIterator[RunningSimulator]:
    async with provider() as simulator:
        yield simulator


@pytest.fixture
async def door(customers: RunningSimulator, session: aiohttp.ClientSession) -> AsyncIterator[Door]:
    async with open_door() as opened:
        desk = {"port": opened.channel.port, "mailboxes": [MAILBOX]}
        async with session.put(f"{customers.base_url}/control/mail", json=desk) as response:
            assert response.status == 200
        yield opened


def boxes(simulator: RunningSimulator) -> Mailboxes:
    assert simulator.mailboxes is not None
    return simulator.mailboxes


async def writes(session: aiohttp.ClientSession, simulator: RunningSimulator, **wish: Any) -> dict[str, Any]:
    body = io.BytesIO(json.dumps({"from": CUSTOMER} | wish).encode())
    headers = {"Content-Type": "application/json"}
    async with session.post(f"{simulator.base_url}/control/mails", data=body, headers=headers) as response:
        answered: dict[str, Any] = await response.json()
        return {"status": response.status, **answered}


async def shown(session: aiohttp.ClientSession, simulator: RunningSimulator, path: str) -> Any:
    async with session.get(f"{simulator.base_url}/control/{path}") as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_a_customer_writes(
    door: Door, customers: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    content = bytes(range(256)) * 4_000
    answered = await writes(
        session,
        customers,
        name="Zoë Dan",
        subject="Oven",
        text="It is cold.",
        html="<p>It is <b>cold</b>.</p>",
        attachments=[
            {"name": "Bild ü.png", "media_type": "image/png", "content": b64encode(content).decode()}
        ],
        headers={"Content-Language": "de"},
    )
    assert answered["status"] == 201
    raw, envelope = door.taken[0]
    event = door.channel.read(raw, envelope)
    assert event.sender == MailAddress(CUSTOMER, "Zoë Dan")
    assert (event.subject, event.text, event.language) == ("Oven", "It is cold.", "de")
    assert event.message_id == answered["message_id"]
    assert [(one.name, one.content) for one in event.attachments] == [("Bild ü.png", content)]
    assert (envelope.sender, envelope.recipients) == (CUSTOMER, (MAILBOX,))


async def test_the_desk_writes_and_the_customer_answers(
    door: Door, customers: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    channel = sender(boxes(customers).port)
    attachment = MailAttachment("bill.pdf", "application/pdf", b"%PDF")
    sent = await channel.send(outbound(attachments=(attachment,), cc=(MailAddress("bo@b.example"),)))
    listed = await shown(session, customers, f"mailboxes/{CUSTOMER}")
    (received,) = listed["mails"]
    assert (received["subject"], received["message_id"]) == ("Re: Oven", sent.provider_id)
    assert received["from"] == {"address": MAILBOX, "name": "Help"}
    assert (await shown(session, customers, "mailboxes")) == [
        {"mailbox": "bo@b.example", "mails": 1},
        {"mailbox": CUSTOMER, "mails": 1},
    ]
    base = f"{customers.base_url}/control/mailboxes/{CUSTOMER}/mails/{received['number']}"
    async with session.get(f"{base}/attachments/0") as response:
        assert await response.read() == b"%PDF"
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    async with session.get(f"{base}/raw") as response:
        assert channel.read(await response.read()).message_id == sent.provider_id
    assert (await writes(session, customers, answers=received["number"], text="Thanks"))["status"] == 201
    event = door.channel.read(*door.taken[0])
    assert event.proven is not None
    assert (event.proven.thread_id, event.proven.source, event.subject) == (THREAD, "address", "Re: Oven")
    assert event.in_reply_to == sent.provider_id


async def test_vacation_replies_and_raw_mail(
    door: Door, customers: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    await writes(session, customers, subject="Away", automatic=True)
    await writes(session, customers, raw=b64encode(BAD["no from"]).decode())
    machine, odd = [door.channel.read(*taken) for taken in door.taken]
    assert machine.machine is Machine.AUTO_REPLY
    assert odd.sender == MailAddress(CUSTOMER)
    assert odd.doubts


async def test_mail_as_it_comes(customers: RunningSimulator, session: aiohttp.ClientSession) -> None:
    url = f"{customers.base_url}/control/mailboxes/{CUSTOMER}/events"
    async with asyncio.timeout(10), session.get(url) as stream:
        await sender(boxes(customers).port).send(outbound())
        async for raw in stream.content:
            if raw.startswith(b"data: "):
                assert json.loads(raw[6:])["subject"] == "Re: Oven"
                return
    raise AssertionError("the stream ended")


@pytest.mark.parametrize(
    ("condition", "error", "retry"),
    [("refused", SendFailed, None), ("busy", SendFailed, 7), ("silent", OutcomeUnknown, None)],
)
async def test_mailboxes_fail_as_they_are_told(
    customers: RunningSimulator,
    session: aiohttp.ClientSession,
    condition: str,
    error: type[Exception],
    retry: float | None,
) -> None:
    url = f"{customers.base_url}/control/mailboxes/{CUSTOMER}/condition"
    async with session.put(url, json={"condition": condition}) as response:
        assert response.status == 200
    with pytest.raises(error) as caught:
        await sender(boxes(customers).port).send(outbound())
    if isinstance(caught.value, SendFailed):
        assert caught.value.retry_after_s == retry
    assert len(boxes(customers).mails(CUSTOMER)) == (condition == "silent")


async def test_the_oldest_mails_go_first() -> None:
    async with provider(kept=3) as simulator:
        for number in range(5):
            await boxes(simulator).keep(mail(Subject=str(number)), [CUSTOMER])
        assert [kept.mail.subject for kept in boxes(simulator).mails(CUSTOMER)] == ["2", "3", "4"]


async def test_wrong_wishes_are_refused(
    door: Door, customers: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    for wish, status in (
        ({"from": "nobody"}, 400),
        ({"to": "nobody"}, 502),
        ({"answers": 99}, 502),
        ({"to": "nobody@desk.example"}, 502),
        ({"headers": {"X": "a\r\nb"}}, 400),
        ({"unknown": 1}, 400),
        ({"attachments": [{"name": "a", "content": "!"}]}, 400),
    ):
        assert (await writes(session, customers, **wish))["status"] == status, wish
    assert door.taken == []
    for path in (f"mailboxes/{CUSTOMER}/mails/1", f"mailboxes/{CUSTOMER}/mails/x", "mailboxes/nobody"):
        async with session.get(f"{customers.base_url}/control/{path}") as response:
            assert response.status in {400, 404}


async def test_without_a_desk_nobody_can_write(
    customers: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    assert (await writes(session, customers))["status"] == 409
