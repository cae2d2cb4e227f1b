"""Texts between a customer's mobile and the SMS channel over the pretend carrier, with its faults."""

import asyncio
from typing import Any

import aiohttp
import pytest

from channels.contract import (
    AccountId,
    DeliveryChanged,
    DeliveryStatus,
    OutboundText,
    OutcomeUnknown,
    SendFailed,
    TextKeyword,
    TextReceived,
)
from channels.simulator.messaging import HELP_REPLY, IN_REPLY, OUT_REPLY
from channels.simulator.pace import now_us
from channels.simulator.server import RunningSimulator
from channels.simulator.settings import MessagingService
from channels.sms.errors import explain
from channels.sms.plugin import open_sms
from tests.channels.pretend import NUMBER
from tests.channels.sms.pretend_texts import CUSTOMER, SERVICE_SID, SMS_ACCOUNT, sms_settings
from tests.channels.sms.text_desk import Mobile, TextDesk

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
SECOND_NUMBER = "+14155550101"


async def switch(session: aiohttp.ClientSession, simulator: RunningSimulator, *rules: dict[str, Any]) -> None:
    url = f"{simulator.base_url}/control/faults"
    async with session.put(url, json={"rules": list(rules)}) as response:
        assert response.status == 200, await response.text()


def text(words: str = "We come on Tuesday.", key: str = "msg_1", **more: Any) -> OutboundText:
    return OutboundText(key, CUSTOMER, words, **more)


# --- both directions ---


async def test_a_conversation(text_desk: TextDesk, mobile: Mobile) -> None:
    message_id = await mobile.texts("My dishwasher stops. 🙁")
    (received,) = await text_desk.next(TextReceived)
    assert received == TextReceived(
        message_id, CUSTOMER, NUMBER, "My dishwasher stops. 🙁", message_id, segments=1
    )
    sent = await text_desk.channel.send(text())
    delivered = await text_desk.fared(sent.provider_id, "delivered")
    assert delivered.key == "msg_1"
    assert await mobile.arrived() == [("We come on Tuesday.", False)]
    words = [event.status for event in text_desk.events if isinstance(event, DeliveryChanged)]
    assert words == ["sending", "sent", "delivered"]
    assert text_desk.refusals == []


async def test_a_customers_texts_come_in_their_order(text_desk: TextDesk, mobile: Mobile) -> None:
    for number in range(10):
        await mobile.texts(f"part {number}")
    received = await text_desk.next(TextReceived, number=10)
    assert [event.text for event in received] == [f"part {number}" for number in range(10)]


@pytest.mark.parametrize("words", ["x" * 1_600, "ж" * 1_600, "€" * 1_600, "a\n\r\tb", "e\u0301"])
async def test_long_and_odd_texts_arrive_whole(text_desk: TextDesk, mobile: Mobile, words: str) -> None:
    await mobile.texts(words)
    (received,) = await text_desk.next(TextReceived)
    assert received.text == words.replace("e\u0301", "é")
    sent = await text_desk.channel.send(text(words))
    await text_desk.fared(sent.provider_id, "delivered")
    assert await mobile.arrived() == [(received.text, False)]


async def test_a_text_beyond_the_limit_never_leaves(
    text_desk: TextDesk, mobile: Mobile, simulator: RunningSimulator
) -> None:
    for words in ("x" * 1_601, "😀" * 801):
        with pytest.raises(SendFailed, match="1,600") as caught:
            await text_desk.channel.send(text(words))
        assert (caught.value.retry_after_s, caught.value.code) == (None, "21617")
    assert simulator.exchange.record.after(0, 100, "rest") == []
    assert (await mobile.shows())["messages"] == []


# --- media ---


async def test_a_customers_picture(text_desk: TextDesk, mobile: Mobile) -> None:
    await mobile.texts("", ("image/png", PICTURE), ("text/vcard", b"BEGIN:VCARD"))
    (received,) = await text_desk.next(TextReceived)
    assert received.message_id.startswith("MM")
    assert [medium.media_type for medium in received.media] == ["image/png", "text/vcard"]
    fetched = await text_desk.channel.fetch_media(received.media[0].url)
    assert (fetched.content, fetched.media_type) == (PICTURE, "image/png")
    with pytest.raises(SendFailed, match="more than 1000 bytes") as caught:
        await text_desk.channel.fetch_media(received.media[0].url, 1_000)
    assert caught.value.retry_after_s is None


async def test_media_are_fetched_from_our_account_only(text_desk: TextDesk, mobile: Mobile) -> None:
    await mobile.texts("", ("image/png", PICTURE))
    (received,) = await text_desk.next(TextReceived)
    url = received.media[0].url
    for foreign in (
        url.replace("/Accounts/AC1", "/Accounts/AC2"),
        url + "/../../../../Calls.json",
        url.replace("/Messages/", "/Messages/../Messages/"),
        url.replace("127.0.0.1", "localhost"),
        f"{text_desk.base_url}/hooks/sms/{SMS_ACCOUNT}/incoming",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
    ):
        with pytest.raises(SendFailed, match="not of our account"):
            await text_desk.channel.fetch_media(foreign)
    gone = url[:-32] + "0" * 32
    with pytest.raises(SendFailed, match="not there") as caught:
        await text_desk.channel.fetch_media(gone)
    assert caught.value.retry_after_s is None


async def test_media_behind_a_fault_can_be_fetched_later(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk, mobile: Mobile
) -> None:
    await mobile.texts("", ("image/png", PICTURE))
    (received,) = await text_desk.next(TextReceived)
    for fault in ("error", "too_many"):
        await switch(session, simulator, {"do": fault, "match": "/Media/", "times": 1})
        with pytest.raises(SendFailed) as caught:
            await text_desk.channel.fetch_media(received.media[0].url)
        assert caught.value.retry_after_s is not None
    assert (await text_desk.channel.fetch_media(received.media[0].url)).content == PICTURE


async def test_a_picture_of_ours(text_desk: TextDesk, mobile: Mobile) -> None:
    url = "https://desk.example/blobs/blb_1?token=a%2Bb"
    sent = await text_desk.channel.send(text("", media_urls=(url,)))
    await text_desk.fared(sent.provider_id, "delivered")
    (shown,) = (await mobile.shows())["messages"]
    assert [medium["url"] for medium in shown["media"]] == [url]
    assert sent.provider_id.startswith("MM")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (text(""), "21602"),
        (text(" \n"), "21602"),
        (text("\x00"), "21602"),
        (OutboundText("msg_1", "somebody", "hello"), "21211"),
        (text(media_urls=("https://desk.example/a",) * 11), "21623"),
        (text(media_urls=("http://desk.example/a",)), "21620"),
        (text(media_urls=("https://desk.example/a b",)), "21620"),
        (text(media_urls=("https://[desk/a",)), "21620"),
        (text(key="a key"), None),
    ],
)
async def test_what_we_refuse_ourselves(
    text_desk: TextDesk, simulator: RunningSimulator, message: OutboundText, code: str | None
) -> None:
    with pytest.raises(SendFailed) as caught:
        await text_desk.channel.send(message)
    assert (caught.value.retry_after_s, caught.value.code) == (None, code)
    assert simulator.exchange.record.after(0, 100, "rest") == []


async def test_a_number_that_is_ours_no_more_leaves_the_choice_to_the_account(
    text_desk: TextDesk, mobile: Mobile
) -> None:
    """An answer names the number that was texted to; a number that was given back since must not keep it here."""
    message = text(sender="+14155550999")
    sent = await text_desk.channel.send(message)
    await text_desk.fared(sent.provider_id, "delivered")
    assert [shown["from"] for shown in (await mobile.shows())["messages"]] == [NUMBER]
    assert await text_desk.channel.look_up(message, 0) == sent


# --- opting out ---


async def test_opting_out_and_in(text_desk: TextDesk, mobile: Mobile) -> None:
    for words in ("Stop", "stop"):
        await mobile.texts(words)
    received = await text_desk.next(TextReceived, number=2)
    assert {(event.keyword, event.keyword_reported) for event in received} == {(TextKeyword.OPT_OUT, False)}
    assert await mobile.arrived() == [(OUT_REPLY, True)]  # answered once
    with pytest.raises(SendFailed, match="opted out") as caught:
        await text_desk.channel.send(text())
    assert (caught.value.retry_after_s, caught.value.code) == (None, "21610")
    await mobile.texts("hello?")  # they may still write
    await mobile.texts("HELP")  # and hear nothing
    await mobile.texts("Start")
    sent = await text_desk.channel.send(text())
    await text_desk.fared(sent.provider_id, "delivered")
    assert await mobile.arrived() == [
        (OUT_REPLY, True),
        (IN_REPLY, True),
        ("We come on Tuesday.", False),
    ]
    await mobile.texts("info")
    assert (HELP_REPLY, True) in await mobile.arrived()


async def test_opting_out_at_the_carrier(text_desk: TextDesk, mobile: Mobile) -> None:
    """Without a word to the desk, as after a complaint: sending finds out."""
    assert (await mobile.act("opt-out", to=NUMBER))["opted_out_of"] == [NUMBER]
    with pytest.raises(SendFailed, match="opted out"):
        await text_desk.channel.send(text())
    assert (await mobile.act("opt-in"))["opted_out_of"] == []
    assert (await text_desk.channel.send(text())).provider_id
    assert (await mobile.act("opt-out", to="+14155550999"))["http_status"] == 404


async def test_reported_keywords(text_desk: TextDesk, mobile: Mobile, simulator: RunningSimulator) -> None:
    simulator.exchange.messaging.set_routes((text_desk.route(reports_opt_out=True),))
    for words in ("STOP", "UNSTOP", "HELP", "Stop it"):
        await mobile.texts(words)
    received = await text_desk.next(TextReceived, number=4)
    assert [(event.keyword, event.keyword_reported) for event in received] == [
        (TextKeyword.OPT_OUT, True),
        (TextKeyword.OPT_IN, True),
        (TextKeyword.HELP, True),
        (None, False),
    ]


async def test_a_service_of_two_numbers(
    text_desk: TextDesk, mobile: Mobile, simulator: RunningSimulator
) -> None:
    """The provider chooses the number that the customer knows; who leaves one has left both."""
    messaging = simulator.exchange.messaging
    service = MessagingService(sid=SERVICE_SID, numbers=(NUMBER, SECOND_NUMBER))
    messaging.set_routes((text_desk.route(), text_desk.route(SECOND_NUMBER)), (service,))
    settings = sms_settings(
        api_base_url=simulator.base_url, numbers=[NUMBER, SECOND_NUMBER], messaging_service_sid=SERVICE_SID
    )
    channel = open_sms(AccountId(SMS_ACCOUNT), settings, text_desk.base_url)
    try:
        named = await channel.send(text(sender=SECOND_NUMBER))
        unnamed = await channel.send(text("And on Friday?", "msg_2"))
        await text_desk.fared(named.provider_id, "delivered")
        await text_desk.fared(unnamed.provider_id, "delivered")
        senders = [shown["from"] for shown in (await mobile.shows())["messages"]]
        assert senders == [SECOND_NUMBER, SECOND_NUMBER]
        await mobile.texts("stop", to=NUMBER)
        with pytest.raises(SendFailed, match="opted out"):
            await channel.send(text(sender=SECOND_NUMBER))
        assert (await mobile.shows())["opted_out_of"] == [NUMBER, SECOND_NUMBER]
    finally:
        await channel.close()


# --- phones in trouble ---


async def test_a_phone_that_is_off(text_desk: TextDesk, mobile: Mobile) -> None:
    await mobile.breaks(30003)
    sent = await text_desk.channel.send(text())
    failed = await text_desk.fared(sent.provider_id, "undelivered")
    assert (failed.error_code, failed.error, failed.worth_retrying) == ("30003", explain(30003).words, True)
    assert await mobile.arrived() == []
    await mobile.breaks(None)
    again = await text_desk.channel.send(text(key="msg_1-2"))
    await text_desk.fared(again.provider_id, "delivered")


async def test_a_landline(text_desk: TextDesk, mobile: Mobile) -> None:
    await mobile.breaks(21614)
    with pytest.raises(SendFailed, match="landline") as caught:
        await text_desk.channel.send(text())
    assert (caught.value.retry_after_s, caught.value.code) == (None, "21614")


async def test_every_refusal_has_words(text_desk: TextDesk, mobile: Mobile) -> None:
    for code in (21211, 21408, 21612, 29999):
        await mobile.breaks(code)
        with pytest.raises(SendFailed) as caught:
            await text_desk.channel.send(text())
        assert str(caught.value) == explain(code).words
        assert CUSTOMER not in str(caught.value)


# --- faults on the way in ---


async def test_a_doubled_text_is_one(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk, mobile: Mobile
) -> None:
    await switch(session, simulator, {"do": "duplicate", "match": "/incoming", "times": 1})
    message_id = await mobile.texts("once")
    received = await text_desk.next(TextReceived, number=2)
    assert {event.dedupe_key for event in received} == {message_id}
    assert received[0] == received[1]


async def test_a_lost_text_comes_by_the_fallback(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk, mobile: Mobile
) -> None:
    await switch(session, simulator, {"do": "drop", "match": "/incoming", "times": 1})
    message_id = await mobile.texts("lost?")
    (received,) = await text_desk.next(TextReceived)
    assert received == TextReceived(message_id, CUSTOMER, NUMBER, "lost?", message_id, segments=1)
    async with asyncio.timeout(5):  # the carrier notes what it sent when it has the answer
        while len(sent := simulator.exchange.record.after(0, 100, "webhook")) < 2:
            await session.get(f"{simulator.base_url}/control/health")
    assert sent[1]["form"]["ErrorCode"] == "11205"
    assert sent[1]["form"]["ErrorUrl"].endswith("/incoming")


async def test_a_delayed_text_is_overtaken(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk, mobile: Mobile
) -> None:
    await switch(session, simulator, {"do": "delay", "match": "/incoming", "times": 1, "seconds": 1.5})
    await mobile.texts("first")
    async with asyncio.timeout(5):  # the fault takes the first text, whose task must have begun
        while simulator.exchange.faults.rules:
            await session.get(f"{simulator.base_url}/control/health")
    await mobile.texts("second")
    received = await text_desk.next(TextReceived, number=2)
    assert [event.text for event in received] == ["second", "first"]


async def test_status_out_of_order_and_doubled(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk
) -> None:
    """By rank the message is delivered, in whatever order the reports come."""
    await switch(
        session,
        simulator,
        {"do": "reorder", "match": "/status", "times": 1, "seconds": 0.5},
        {"do": "duplicate", "match": "/status"},
    )
    sent = await text_desk.channel.send(text())
    await text_desk.fared(sent.provider_id, "delivered")
    reports = await text_desk.next(DeliveryChanged, number=6)
    assert reports[-1].status is not DeliveryStatus.DELIVERED
    assert len({report.dedupe_key for report in reports}) == 3
    assert max(reports, key=lambda report: report.status.rank).status is DeliveryStatus.DELIVERED


# --- faults on the way out ---


async def test_an_unknown_outcome_is_found_by_list_and_by_callback(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk, mobile: Mobile
) -> None:
    since = now_us()
    await switch(session, simulator, {"do": "error_after_effect", "match": "POST", "times": 1})
    with pytest.raises(OutcomeUnknown):
        await text_desk.channel.send(text())
    found = await text_desk.channel.look_up(text(), since)
    assert found is not None
    report = await text_desk.fared(found.provider_id, "delivered")
    assert report.key == "msg_1"
    assert await mobile.arrived() == [("We come on Tuesday.", False)]
    now = await text_desk.channel.delivery(found.provider_id)
    assert now is not None
    assert now.status is DeliveryStatus.DELIVERED


async def test_what_was_not_done_is_not_found(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk, mobile: Mobile
) -> None:
    since = now_us()
    await switch(session, simulator, {"do": "error", "match": "POST", "times": 1})
    with pytest.raises(OutcomeUnknown):
        await text_desk.channel.send(text())
    other = await text_desk.channel.send(text("Something else", "msg_2"))
    assert await text_desk.channel.look_up(text(), since) is None
    await mobile.texts("We come on Tuesday.")  # the same words from the other side
    assert await text_desk.channel.look_up(text(), since) is None
    alike = await text_desk.channel.look_up(text("Something else"), since)
    assert alike == other
    assert (
        await text_desk.channel.look_up(text("Something else"), since, frozenset({other.provider_id})) is None
    )
    assert await text_desk.channel.look_up(text("Something else"), now_us() + 60_000_000) is None


async def test_the_oldest_of_several_alike_is_found(text_desk: TextDesk) -> None:
    since = now_us()
    first = await text_desk.channel.send(text())
    second = await text_desk.channel.send(text(key="msg_2"))
    assert await text_desk.channel.look_up(text(), since) == first
    assert await text_desk.channel.look_up(text(), since, frozenset({first.provider_id})) == second
    assert await text_desk.channel.look_up(text(sender=NUMBER), since) == first


async def test_a_slow_answer_is_an_unknown_outcome(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk
) -> None:
    settings = sms_settings(api_base_url=simulator.base_url, request_timeout_s=1)
    channel = open_sms(AccountId(SMS_ACCOUNT), settings, text_desk.base_url)
    await switch(session, simulator, {"do": "slow", "match": "POST", "times": 1, "seconds": 3})
    try:
        with pytest.raises(OutcomeUnknown):
            await channel.send(text())
    finally:
        await channel.close()


async def test_patience_is_a_failure_with_a_time(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk
) -> None:
    await switch(session, simulator, {"do": "too_many", "match": "POST", "times": 1, "seconds": 3})
    with pytest.raises(SendFailed) as caught:
        await text_desk.channel.send(text())
    assert caught.value.retry_after_s == 3


async def test_nobody_at_the_other_end(text_desk: TextDesk) -> None:
    channel = open_sms(
        AccountId(SMS_ACCOUNT), sms_settings(api_base_url="http://127.0.0.1:9"), text_desk.base_url
    )
    try:
        with pytest.raises(SendFailed) as caught:
            await channel.send(text())
        assert caught.value.retry_after_s is not None
        assert not (await channel.health()).ok
    finally:
        await channel.close()


async def test_reading_back_what_is_not_ours(text_desk: TextDesk, mobile: Mobile) -> None:
    assert await text_desk.channel.delivery("SM" + "0" * 32) is None
    incoming = await mobile.texts("hello")
    assert await text_desk.channel.delivery(incoming) is None


async def test_health(text_desk: TextDesk) -> None:
    assert (await text_desk.channel.health()).ok
