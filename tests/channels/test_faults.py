"""What goes wrong between the provider and us, on purpose, and what comes of it."""

from typing import Any

import aiohttp
import pytest

from channels.contract import (
    AccountId,
    CallStarted,
    CallStatus,
    CallWaiting,
    ConferenceChanged,
    OutcomeUnknown,
    ParticipantChange,
    SendFailed,
)
from channels.phone.plugin import open_phone
from channels.simulator.server import RunningSimulator, running
from tests.channels.little_desk import LittleDesk
from tests.channels.people import INTERACTION, Person, calls, completed, conference, talking
from tests.channels.pretend import ACCOUNT, phone_settings, simulator_settings


async def switch(session: aiohttp.ClientSession, simulator: RunningSimulator, *rules: dict[str, Any]) -> None:
    url = f"{simulator.base_url}/control/faults"
    async with session.put(url, json={"rules": list(rules)}) as response:
        assert response.status == 200, await response.text()


async def waiting(session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk) -> Person:
    customer = await calls(session, simulator)
    await customer.until("listening")
    await customer.act("digits", digits="1")
    await desk.count(CallWaiting, 1)
    return customer


# --- webhooks ---


async def test_a_lost_request_comes_to_the_fallback_with_the_same_key(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    await switch(session, simulator, {"do": "drop", "match": "/voice", "times": 1})
    customer = await calls(session, simulator)
    started = await desk.event(lambda event: isinstance(event, CallStarted))
    assert isinstance(started, CallStarted)
    assert started.dedupe_key == f"voice:{customer.call_sid}"
    await customer.until("listening")
    assert desk.refusals == []


async def test_a_lost_wait_keeps_the_caller(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer = await waiting(session, simulator, desk)
    await switch(session, simulator, {"do": "drop", "match": "/wait", "times": 1})
    error = await customer.until("error")
    before = len(desk.events)
    await desk.event(lambda event: event == CallWaiting(customer.call_sid), after=before)
    assert error["code"] == 11205
    assert (await customer.show())["status"] == "in-progress"


async def test_an_outage_is_heard_and_healed(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    """Voice, then menu: the desk is away, the caller hears a word, and goes on where they were."""
    desk.out = True
    customer = await calls(session, simulator)
    heard = await customer.until("words", text="One moment please.")
    await customer.until("words", after=heard["id"], text="One moment please.")
    desk.out = False
    asked = await customer.until("listening", after=heard["id"])
    desk.out = True
    assert (await customer.act("digits", digits="1"))["taken"]
    heard = await customer.until("words", after=asked["id"], text="One moment please.")
    desk.out = False
    await customer.until("listening", after=heard["id"])
    assert len([event for event in desk.events if isinstance(event, CallStarted)]) == 1
    assert desk.refusals == []


async def test_duplicates_carry_the_same_key_and_token(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    await switch(session, simulator, {"do": "duplicate"})
    customer, agent = await talking(session, simulator, desk)
    await customer.act("hangup")
    await desk.event(completed(customer.call_sid))
    await desk.event(completed(agent.call_sid))
    changes = [event for event in desk.events if isinstance(event, ConferenceChanged)]
    keys = [event.dedupe_key for event in changes]
    assert len(keys) > len(set(keys))
    assert all(one == other for one in changes for other in changes if one.dedupe_key == other.dedupe_key)
    sent = [
        entry
        for entry in simulator.exchange.record.after(0, 1_000, "webhook")
        if "/conference" in entry["url"]
    ]
    for entry in sent:
        twins = [other for other in sent if other["token"] == entry["token"]]
        assert all(twin["form"] == entry["form"] for twin in twins)


async def test_reordered_callbacks_still_carry_their_order(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer, _agent = await talking(session, simulator, desk)
    rule = {"do": "reorder", "match": "/conference", "times": 1, "seconds": 0.3}
    await switch(session, simulator, rule)
    await customer.act("hangup")
    await desk.event(conference(ParticipantChange.LEFT, customer.call_sid))
    changes = [event for event in desk.events if isinstance(event, ConferenceChanged)]
    arrived = [event.sequence for event in changes]
    assert arrived != sorted(arrived)
    assert changes[-1].change is ParticipantChange.LEFT
    assert max(changes, key=lambda event: event.sequence).change is ParticipantChange.ENDED


async def test_a_caller_who_is_gone_before_the_answer(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    await switch(session, simulator, {"do": "delay", "match": "/voice", "seconds": 0.2})
    customer = await calls(session, simulator)
    assert (await customer.act("hangup"))["hung_up"]
    await customer.until("ended", status="no-answer")
    started = await desk.event(lambda event: isinstance(event, CallStarted))  # the request was under way
    assert isinstance(started, CallStarted)
    assert started.call_id == customer.call_sid


async def test_without_a_fallback_the_caller_hears_an_apology(session: aiohttp.ClientSession) -> None:
    """Nothing listens at the voice URL: one retry, an error in the record, and the call ends."""
    route = {"number": "+14155550100", "voice_url": "http://127.0.0.1:9/voice"}
    async with running(simulator_settings(numbers=[route])) as simulator:
        customer = await calls(session, simulator)
        ended = await customer.until("ended")
        assert (ended["reason"], ended["by"]) == ("application error", "network")
        record = simulator.exchange.record
        assert [entry["attempt"] for entry in record.after(0, 100, "webhook")] == [1, 2]
        assert [entry["code"] for entry in record.after(0, 100, "error")] == [11205]


async def test_a_slow_answer_is_not_asked_for_twice(
    session: aiohttp.ClientSession, desk: LittleDesk, simulator: RunningSimulator
) -> None:
    quick = simulator_settings(
        answer_timeout_s=0.3, numbers=[desk.routes()[0][0].model_dump(exclude_none=True)]
    )
    desk.stuck.add("voice")
    try:
        async with running(quick) as other:
            customer = await calls(session, other)
            await customer.until("listening")  # by way of the fallback
            tried = [
                entry
                for entry in other.exchange.record.after(0, 100, "webhook")
                if entry["url"].endswith("/voice")
            ]
            assert [entry["error"] for entry in tried] == ["no answer in time"]
    finally:
        desk.released.set()


# --- REST ---


def asked_of_us(simulator: RunningSimulator) -> list[str]:
    """The methods of all REST requests so far."""
    return [entry["method"] for entry in simulator.exchange.record.after(0, 100, "rest")]


async def test_only_a_first_connect_asks_for_nothing_before(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer = await waiting(session, simulator, desk)
    await desk.channel.connect(customer.call_sid, INTERACTION, first=True)
    await desk.event(conference(ParticipantChange.JOINED, customer.call_sid))
    first = asked_of_us(simulator)
    assert first == ["POST"]
    await desk.channel.connect(customer.call_sid, INTERACTION)
    again = asked_of_us(simulator)[len(first) :]
    assert set(again) == {"GET"}


async def test_500_after_the_effect_is_an_unknown_outcome_that_can_be_read_back(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer = await waiting(session, simulator, desk)
    await switch(session, simulator, {"do": "error_after_effect", "match": "POST", "times": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.channel.connect(customer.call_sid, INTERACTION)
    await desk.event(conference(ParticipantChange.JOINED, customer.call_sid))
    leg = await desk.channel.look_up(customer.call_sid, INTERACTION)
    assert leg is not None
    assert leg.conference == INTERACTION
    await desk.channel.connect(customer.call_sid, INTERACTION)  # repeated: changes nothing
    assert not [
        event for event in desk.events if conference(ParticipantChange.LEFT, customer.call_sid)(event)
    ]


async def test_500_before_the_effect_is_unknown_too_and_repeated(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer = await waiting(session, simulator, desk)
    await switch(session, simulator, {"do": "error", "match": "POST", "times": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.channel.connect(customer.call_sid, INTERACTION)
    leg = await desk.channel.look_up(customer.call_sid, INTERACTION)
    assert leg is not None
    assert (leg.status, leg.conference) == (CallStatus.IN_PROGRESS, None)
    await desk.channel.connect(customer.call_sid, INTERACTION)
    await desk.event(conference(ParticipantChange.JOINED, customer.call_sid))


async def test_429_says_when(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer = await waiting(session, simulator, desk)
    await switch(session, simulator, {"do": "too_many", "seconds": 7, "times": 1})
    with pytest.raises(SendFailed) as caught:
        await desk.channel.hang_up(customer.call_sid)
    assert caught.value.retry_after_s == 7
    assert (await customer.show())["ended"] is None


async def test_a_slow_provider_is_not_waited_for(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer = await waiting(session, simulator, desk)
    settings = phone_settings(api_base_url=simulator.base_url, request_timeout_s=0.2)
    hasty = open_phone(AccountId(ACCOUNT), settings, desk.base_url)
    await switch(session, simulator, {"do": "slow", "match": "POST", "seconds": 0.6, "times": 1})
    try:
        with pytest.raises(OutcomeUnknown):
            await hasty.hang_up(customer.call_sid)
        await switch(session, simulator, {"do": "slow", "match": "GET", "seconds": 0.6, "times": 1})
        with pytest.raises(SendFailed) as caught:
            await hasty.look_up(customer.call_sid)  # a read may simply be asked again
        assert caught.value.retry_after_s is not None
    finally:
        await hasty.close()


async def test_nobody_there(unused_tcp_port: int) -> None:
    settings = phone_settings(api_base_url=f"http://127.0.0.1:{unused_tcp_port}")
    channel = open_phone(AccountId(ACCOUNT), settings, "https://desk.example")
    try:
        with pytest.raises(SendFailed) as caught:
            await channel.hang_up("CA" + "0" * 32)
        assert caught.value.retry_after_s is not None  # it was never sent
        health = await channel.health()
        assert not health.ok
        assert "cannot be reached" in health.detail
    finally:
        await channel.close()


async def test_wrong_credentials(simulator: RunningSimulator) -> None:
    settings = phone_settings(api_base_url=simulator.base_url, api_key_secret="x" * 32)
    channel = open_phone(AccountId(ACCOUNT), settings, "https://desk.example")
    try:
        health = await channel.health()
        assert not health.ok
        assert "401" in health.detail
        assert "x" * 32 not in health.detail
    finally:
        await channel.close()
