"""Calls to customers through the outbox: one request at most, whatever the provider, the clock or a crash does."""

import asyncio
from typing import Any

import pytest

from channels.contract import (
    AgentDialled,
    CallbackAsked,
    CallChanged,
    CallStatus,
    OutboundCall,
    OutcomeUnknown,
    SendFailed,
)
from service_desk.actions import admin, calls, offers
from service_desk.actions.effects import CLAIM, claim, leaves
from service_desk.background import outbox
from service_desk.backup.settle import _doubt_sends
from service_desk.domain.callback import pending
from service_desk.lease import take
from service_desk.storage import schema
from tests.service_desk.background.carrier import leg_of
from tests.service_desk.background.test_outbox import Scene, scene, scene_on_both
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import PHONE, make_agent, offer_to, phone, row_of, rows_of

__all__ = ["scene", "scene_on_both"]

RULE = {"offer_after_s": 30, "answer_s": 20, "tries": 2, "pause_s": 60}
NUMBER = "+14155550100"


async def called(scene: Scene, number: str = NUMBER) -> str:
    """A customer is to be called now: an agent has accepted, and their softphone has joined."""
    queues = [{**queue, "callback": RULE} for queue in CONFIG["queues"]]
    lines = [{**line, "default_queue": "service"} for line in CONFIG["phone_lines"]]
    await scene.desk.run(admin.publish_config, {**CONFIG, "queues": queues, "phone_lines": lines})
    agent = await make_agent(scene.desk, "anna")
    contact = await phone(scene.desk, "CA1", number)
    await scene.desk.run(calls.ask_callback, PHONE, CallbackAsked("CA1", "1", "callback-1"))
    await scene.desk.run(offers.accept_offer, await offer_to(scene.desk, contact, agent), agent)
    await scene.desk.run(calls.agent_dialled, PHONE, AgentDialled("CA2", agent, contact, "agent-1"))
    return contact


async def the_dial(scene: Scene) -> dict[str, Any]:
    (effect,) = await rows_of(scene.desk, schema.effect, kind="dial_customer")
    return effect


async def state_is(scene: Scene, *states: str) -> bool:
    return (await the_dial(scene))["state"] in states


async def tried(scene: Scene, times: int) -> bool:
    return bool((await the_dial(scene))["attempts"] >= times)


async def test_a_customer_is_called_once(scene_on_both: Scene) -> None:
    scene = scene_on_both
    scene.start()
    contact = await called(scene)
    await scene.until(lambda: state_is(scene, "confirmed"))
    (call,) = scene.carrier.dialled
    assert (call.dial, call.number, call.sender) == (f"{contact}.1", NUMBER, "+15005550006")
    assert call.ring_s == 20
    (leg,) = await rows_of(scene.desk, schema.call_leg, role="customer", dial=1)
    assert leg["call_id"] == leg_of(call)


async def test_an_answer_that_got_lost_is_found_in_the_providers_list(scene: Scene) -> None:
    scene.carrier.after["dial"] = [OutcomeUnknown("the provider answered 500")]
    scene.start()
    await called(scene)
    await scene.until(lambda: state_is(scene, "unknown"))
    await scene.until(lambda: state_is(scene, "confirmed"), passing_s=0.5)
    (call,) = scene.carrier.dialled
    (leg,) = await rows_of(scene.desk, schema.call_leg, role="customer", dial=1)
    assert leg["call_id"] == leg_of(call)


async def test_an_answer_that_got_lost_is_known_by_the_calls_own_message(scene: Scene) -> None:
    scene.carrier.after["dial"] = [OutcomeUnknown("no answer from the provider")]
    scene.carrier.hidden = True
    scene.start()
    await called(scene)
    await scene.until(lambda: state_is(scene, "unknown"))
    (call,) = scene.carrier.dialled
    rings = CallChanged(leg_of(call), CallStatus.RINGING, "rings", 1, dial=call.dial)
    await scene.desk.run(calls.leg_changed, PHONE, rings)
    await scene.until(lambda: state_is(scene, "confirmed"), passing_s=0.5)
    assert (await the_dial(scene))["detail"] == "the call was heard of"
    assert len(scene.carrier.dialled) == 1


async def test_what_nobody_can_find_is_not_asked_for_again(scene: Scene) -> None:
    """It may ring or not: the agent waits for their time, and the rule brings another call later."""
    scene.carrier.before["dial"] = [OutcomeUnknown("no answer from the provider")]
    scene.start()
    contact = await called(scene)
    await scene.until(lambda: state_is(scene, "unknown"))
    (timer,) = await rows_of(scene.desk, schema.timer, kind="connect_timeout")
    scene.clock.advance(timer["due_at"] - scene.clock.now())
    await scene.desk.run(calls.connect_timeout, contact, timer["data"])
    await scene.until(lambda: state_is(scene, "dropped"), passing_s=0.5)
    assert scene.carrier.dialled == []
    state = pending(await row_of(scene.desk, schema.interaction, contact))
    assert state is not None
    assert (state.missed, state.dialling) == (1, False)


@pytest.mark.parametrize("left", [False, True])
async def test_who_died_after_the_claim_is_followed_by_one_who_calls_nobody_twice(
    scene: Scene, left: bool
) -> None:
    """Before the request could leave: the call is made. After that: it is looked for, and not made again."""
    contact = await called(scene)
    effect = await the_dial(scene)
    fence = await scene.desk.run(take, "outbox", "nod_dead")
    assert await scene.desk.run(claim, effect["position"], "outbox", fence)
    if left:
        assert await scene.desk.run(leaves, effect["position"], 1)
    scene.start()
    scene.clock.advance(CLAIM)
    await scene.until(lambda: state_is(scene, *(["unknown"] if left else ["confirmed"])), passing_s=0.1)
    assert [call.dial for call in scene.carrier.dialled] == ([] if left else [f"{contact}.1"])


async def test_a_restored_desk_calls_nobody_whom_the_one_before_may_have_called(scene: Scene) -> None:
    await called(scene)
    await scene.desk.run(_doubt_sends)
    scene.start()
    await scene.until(lambda: tried(scene, 3), passing_s=1)
    assert scene.carrier.dialled == []


async def test_too_many_requests_waits_and_goes_through(scene: Scene) -> None:
    scene.carrier.before["dial"] = [SendFailed("429", 1.0)] * 2
    scene.start()
    await called(scene)
    await scene.until(lambda: state_is(scene, "confirmed"), passing_s=0.25)
    assert len(scene.carrier.dialled) == 1


async def test_a_number_that_the_provider_will_not_call_is_tried_once(scene: Scene) -> None:
    """The next try would end the same: a ticket tells a person at once, and the agent is free."""
    scene.carrier.before["dial"] = [SendFailed("the provider refused with 400, code 21211", code="21211")]
    scene.start()
    contact = await called(scene)
    await scene.until(lambda: state_is(scene, "failed"))
    row = await row_of(scene.desk, schema.interaction, contact)
    assert (row["state"], row["end_reason"]) == ("ended", "callback_missed")
    assert await rows_of(scene.desk, schema.timer, kind="connect_timeout") == []
    (ticket,) = await rows_of(scene.desk, schema.ticket)
    assert "does not call this number" in ticket["description"]


async def test_a_fault_of_ours_calls_nobody_twice(scene: Scene) -> None:
    scene.carrier.before["dial"] = [ZeroDivisionError()]
    scene.start()
    await called(scene)
    await scene.until(lambda: tried(scene, 3), passing_s=1)
    assert scene.carrier.dialled == [], "the request may have left before the fault"


async def test_an_outbox_that_was_cut_off_is_followed_by_one_who_looks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is under way when everything stops; its call is found after the start."""
    slow = asyncio.Event()
    scene.carrier.before["dial"] = [slow]
    scene.start()
    contact = await called(scene)
    await scene.until(lambda: state_is(scene, "sent"))
    monkeypatch.setattr(outbox, "GRACE_S", 0.01)
    await scene.kill()
    assert scene.carrier.dialled == []
    scene.carrier.dialled.append(
        OutboundCall(f"{contact}.1", NUMBER, "+15005550006", 20)
    )  # it arrived all the same
    scene.start()
    scene.clock.advance(CLAIM)
    await scene.until(lambda: state_is(scene, "confirmed"), passing_s=0.1)
    assert len(scene.carrier.dialled) == 1
