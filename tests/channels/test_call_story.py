"""A call from the first ring to the last callback: simulator, phone channel, a little desk, real HTTP."""

import aiohttp
import pytest

from channels.contract import (
    AgentDialled,
    CallStarted,
    CallStatus,
    CallWaiting,
    ConferenceChanged,
    DigitsPressed,
    ParticipantChange,
    SendFailed,
)
from channels.simulator.server import RunningSimulator
from tests.channels.little_desk import LittleDesk
from tests.channels.people import AGENT, INTERACTION, completed, conference, dials, talking
from tests.channels.pretend import NUMBER


async def test_customer_and_agent_meet_and_the_customer_hangs_up(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer, agent = await talking(session, simulator, desk)
    started = await desk.event(lambda event: isinstance(event, CallStarted))
    assert started == CallStarted(customer.call_sid, "+16135550199", NUMBER, f"voice:{customer.call_sid}")
    pressed = await desk.event(lambda event: isinstance(event, DigitsPressed))
    assert isinstance(pressed, DigitsPressed)
    assert pressed.digits == "2"
    dialled = await desk.event(lambda event: isinstance(event, AgentDialled))
    assert dialled == AgentDialled(agent.call_sid, AGENT, INTERACTION, f"agent:{agent.call_sid}")

    assert (await customer.act("say", text="My oven is cold."))["heard_by"] == [agent.call_sid]
    assert (await agent.until("heard"))["text"] == "My oven is cold."
    leg = await desk.channel.look_up(customer.call_sid, INTERACTION)
    assert leg is not None
    assert (leg.status, leg.conference) == (CallStatus.IN_PROGRESS, INTERACTION)

    await customer.act("hangup")
    await desk.event(conference(ParticipantChange.ENDED, None))
    await desk.event(completed(customer.call_sid))
    await desk.event(completed(agent.call_sid))
    changes = [event for event in desk.events if isinstance(event, ConferenceChanged)]
    assert [event.sequence for event in changes] == sorted(event.sequence for event in changes)
    assert [(event.change, event.call_id, event.reason) for event in changes[2:]] == [
        (ParticipantChange.LEFT, customer.call_sid, "participant_hung_up"),
        (ParticipantChange.LEFT, agent.call_sid, "moderator_ended_conference"),
        (ParticipantChange.ENDED, None, "participant-with-end-conference-on-exit-left"),
    ]
    assert (await customer.show())["ended"] == {"reason": "hung up", "by": "caller"}
    assert (await agent.show())["ended"]["by"] == "desk"
    assert desk.refusals == []


async def test_the_agent_leaving_never_ends_the_call(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer, agent = await talking(session, simulator, desk)
    await agent.act("hangup")
    await desk.event(conference(ParticipantChange.LEFT, agent.call_sid))
    await desk.event(completed(agent.call_sid))
    shown = await customer.show()
    assert shown["status"] == "in-progress"
    assert shown["conference"] == {"name": INTERACTION, "status": "in-progress"}

    again = await dials(session, simulator, desk)
    await desk.event(conference(ParticipantChange.JOINED, again.call_sid))
    await desk.channel.hang_up(customer.call_sid)
    await desk.event(completed(customer.call_sid))
    await desk.event(completed(again.call_sid))
    assert (await customer.show())["ended"] == {"reason": "ended by REST", "by": "desk"}


async def test_a_customer_whose_agent_is_lost_goes_back_to_waiting(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer, agent = await talking(session, simulator, desk)
    await agent.act("hangup")
    await desk.event(conference(ParticipantChange.LEFT, agent.call_sid))
    before = len(desk.events)
    await desk.channel.put_back(customer.call_sid)
    await desk.event(lambda event: event == CallWaiting(customer.call_sid), after=before)
    await desk.event(conference(ParticipantChange.ENDED, None), after=before)
    before = len(desk.events)
    await desk.channel.put_back(customer.call_sid)  # repeated: the words begin again
    await desk.event(lambda event: event == CallWaiting(customer.call_sid), after=before)
    shown = await customer.show()
    assert (shown["status"], shown["conference"]) == ("in-progress", None)

    await desk.channel.connect(customer.call_sid, INTERACTION)  # the next agent, the same name
    before = len(desk.events)
    again = await dials(session, simulator, desk)
    await desk.event(conference(ParticipantChange.JOINED, again.call_sid), after=before)
    assert (await customer.act("say", text="Finally."))["heard_by"] == [again.call_sid]


async def test_connect_and_hang_up_can_be_repeated(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer, agent = await talking(session, simulator, desk)
    await desk.channel.connect(customer.call_sid, INTERACTION)
    await desk.channel.connect(customer.call_sid, INTERACTION)
    assert (await agent.show())["status"] == "in-progress"
    assert not any(
        event for event in desk.events if conference(ParticipantChange.LEFT, customer.call_sid)(event)
    )
    await desk.channel.hang_up(customer.call_sid)
    await desk.channel.hang_up(customer.call_sid)
    await desk.event(completed(customer.call_sid))
    await desk.channel.hang_up(customer.call_sid)
    with pytest.raises(SendFailed) as caught:
        await desk.channel.connect(customer.call_sid, INTERACTION)
    assert caught.value.retry_after_s is None
    assert await desk.channel.look_up("CA" + "9" * 32) is None
