"""Calls that we place: the adapter asks for one, a customer's telephone rings, and each step of it is heard of."""

from typing import Any

import aiohttp
import pytest

from channels.contract import (
    CallbackAsked,
    CallChanged,
    CallStatus,
    CustomerAnswered,
    HangUp,
    Hold,
    InboundEvent,
    Join,
    OutboundCall,
    OutcomeUnknown,
    ParticipantChange,
    Prompt,
    SendFailed,
)
from channels.simulator.faults import Fault, FaultRule
from channels.simulator.server import RunningSimulator
from tests.channels.little_desk import LittleDesk, usual
from tests.channels.people import INTERACTION, Person, calls, conference, dials
from tests.channels.pretend import ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, NUMBER

CUSTOMER = "+16135550199"
DIAL = f"{INTERACTION}.3"
CALL = OutboundCall(DIAL, CUSTOMER, NUMBER, ring_s=30)


async def rung(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk, call: OutboundCall = CALL
) -> Person:
    """A customer whose telephone rings, because we asked for it."""
    person = Person(session, simulator.base_url, await desk.channel.dial(call))
    await person.until("state", status="ringing")
    return person


def status(call_id: str, wanted: CallStatus) -> Any:
    def fits(event: InboundEvent) -> bool:
        return isinstance(event, CallChanged) and (event.call_id, event.status) == (call_id, wanted)

    return fits


async def test_a_customer_is_called_answers_and_meets_the_agent(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    desk.policy = lambda event: (
        Join(INTERACTION, "customer") if isinstance(event, CustomerAnswered) else usual(event)
    )
    agent = await dials(session, simulator, desk)
    await desk.event(conference(ParticipantChange.JOINED, agent.call_sid))
    customer = await rung(session, simulator, desk)
    shown = await customer.show()
    assert (shown["from"], shown["to"], shown["direction"]) == (NUMBER, CUSTOMER, "outbound-api")
    assert (await customer.act("answer"))["answered"]
    await customer.until("conference", started=True)
    assert (await customer.act("say", text="Hello?"))["heard_by"] == [agent.call_sid]
    assert not (await customer.act("answer"))["answered"], "it rings no more"
    await customer.act("hangup")
    await desk.event(status(customer.call_sid, CallStatus.COMPLETED))
    answered = await desk.event(lambda event: isinstance(event, CustomerAnswered))
    assert answered == CustomerAnswered(customer.call_sid, DIAL, f"customer:{customer.call_sid}")
    told = [event for event in desk.events if isinstance(event, CallChanged) and event.dial == DIAL]
    assert [(event.status.value, event.sequence) for event in told] == [
        ("initiated", 0),
        ("ringing", 1),
        ("in-progress", 2),
        ("completed", 3),
    ]
    assert desk.refusals == []


@pytest.mark.parametrize("how", ["decline", "let it ring", "cancel"])
async def test_a_customer_who_does_not_answer(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk, how: str
) -> None:
    customer = await rung(session, simulator, desk, OutboundCall(DIAL, CUSTOMER, NUMBER, ring_s=5))
    ends = {"decline": CallStatus.BUSY, "let it ring": CallStatus.NO_ANSWER, "cancel": CallStatus.CANCELED}
    if how == "decline":
        await customer.act("hangup")
    elif how == "cancel":
        await desk.channel.hang_up(customer.call_sid)
    ended = await desk.event(status(customer.call_sid, ends[how]))
    assert isinstance(ended, CallChanged)
    assert ended.dial == DIAL
    assert (await customer.act("answer"))["status"] == 409, "the call is over"
    assert not [event for event in desk.events if isinstance(event, CustomerAnswered)]


async def test_a_customer_hears_what_is_answered_to_their_picking_up(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    desk.policy = lambda event: (
        HangUp(Prompt("We have spoken already.")) if isinstance(event, CustomerAnswered) else usual(event)
    )
    customer = await rung(session, simulator, desk)
    await customer.act("answer")
    assert (await customer.until("words"))["text"] == "We have spoken already."
    assert (await customer.until("ended"))["by"] == "desk"


async def test_a_caller_asks_to_be_called_back(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    """The key counts where it is offered, and nowhere else."""
    offer = Hold(Prompt("Press 1 to be called back."), pause_s=5, offers_callback=True)

    def policy(event: InboundEvent) -> Any:
        if isinstance(event, CallbackAsked):
            return HangUp(Prompt("We call you back."))
        return offer if offered_now else Hold(Prompt("Please wait."), pause_s=5)

    offered_now: list[bool] = []
    desk.policy = policy
    caller = await calls(session, simulator, **{"from": CUSTOMER})
    await caller.until("listening")
    await caller.act("digits", digits="1")
    heard = (await caller.until("words", text="Please wait."))["id"]
    offered_now.append(True)
    offered = await caller.until("words", after=heard, text="Press 1 to be called back.")
    await caller.until("listening", after=heard)
    assert offered["id"] > heard
    assert (await caller.act("digits", digits="1"))["taken"]
    assert (await caller.until("ended"))["by"] == "desk"
    asked = [event for event in desk.events if isinstance(event, CallbackAsked)]
    assert asked == [CallbackAsked(caller.call_sid, "1", f"callback:{caller.call_sid}:1")]


async def test_a_number_that_cannot_be_called_is_refused_for_good(
    simulator: RunningSimulator, desk: LittleDesk
) -> None:
    for wrong in (
        OutboundCall(DIAL, "+1613", NUMBER, 30),
        OutboundCall(DIAL, NUMBER, NUMBER, 30),
        OutboundCall(DIAL, CUSTOMER, "+14155550199", 30),
    ):
        with pytest.raises(SendFailed) as refused:
            await desk.channel.dial(wrong)
        assert refused.value.retry_after_s is None
    assert simulator.exchange.living() == []


async def test_after_an_answer_that_got_lost_the_call_is_found(
    simulator: RunningSimulator, desk: LittleDesk
) -> None:
    """It rings, though the provider answered with an error: it is found by its parties."""
    earlier = await desk.channel.dial(CALL)
    await desk.channel.hang_up(earlier)
    rule = FaultRule(do=Fault.ERROR_AFTER_EFFECT, match="/Calls.json", times=1)
    simulator.exchange.faults.replace([rule])
    with pytest.raises(OutcomeUnknown):
        await desk.channel.dial(CALL)
    (living,) = simulator.exchange.living()
    newest, oldest = await desk.channel.find_dialled(CALL, 0)
    assert (newest.call_id, oldest.call_id) == (living.sid, earlier)
    assert (newest.status.final, oldest.status.final) == (False, True)
    assert await desk.channel.find_dialled(OutboundCall(DIAL, "+16135550198", NUMBER, 30), 0) == []
    later = living.created_at + 3_600_000_000
    assert await desk.channel.find_dialled(CALL, later) == [], "they were made before"


@pytest.mark.parametrize(
    "changed",
    [
        {"To": None},
        {"From": None},
        {"Url": None},
        {"Twiml": "<Response/>"},
        {"MachineDetection": "Enable"},
        {"StatusCallback": None},
        {"StatusCallbackEvent": "hung-up"},
        {"Timeout": "0"},
        {"Timeout": "601"},
    ],
)
async def test_a_call_that_is_asked_for_wrongly_rings_nobody(
    session: aiohttp.ClientSession,
    simulator: RunningSimulator,
    desk: LittleDesk,
    changed: dict[str, str | None],
) -> None:
    hooks = f"{desk.base_url}/hooks/phone/phone-main"
    form: dict[str, str | None] = {
        "To": CUSTOMER,
        "From": NUMBER,
        "Url": f"{hooks}/customer?dial={DIAL}",
        "StatusCallback": f"{hooks}/dialled?dial={DIAL}",
        "StatusCallbackEvent": "answered",
        "Timeout": "30",
    }
    given = {name: value for name, value in (form | changed).items() if value is not None}
    auth = {"Authorization": aiohttp.encode_basic_auth(API_KEY_SID, API_KEY_SECRET)}
    url = f"{simulator.base_url}/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
    async with session.post(url, data=given, headers=auth) as response:
        assert response.status == 400
        assert {"code", "message", "more_info"} <= (await response.json()).keys()
    assert simulator.exchange.living() == []
