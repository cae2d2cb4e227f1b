"""Calls to customers through the outbox: one request at most, whatever the provider, the clock or a crash does."""

import asyncio
from functools import partial
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
from service_desk.actions import admin, calls, customer_calls, offers, wrap_up
from service_desk.actions.effects import CLAIM, claim, leaves
from service_desk.background import outbox
from service_desk.backup.settle import _doubt_sends
from service_desk.clock import SECOND
from service_desk.domain.callback import TURN_WITHIN, pending
from service_desk.domain.config import CARRIER_S
from service_desk.domain.effects import DialCustomer
from service_desk.lease import take
from service_desk.storage import schema
from tests.service_desk.background.carrier import leg_of
from tests.service_desk.background.test_outbox import Scene, scene, scene_on_both
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import PHONE, make_agent, offer_to, phone, row_of, rows_of

__all__ = ["scene", "scene_on_both"]

RULE: dict[str, int] = {"offer_after_s": 30, "answer_s": 20, "tries": 2, "pause_s": 60}
NUMBER = "+14155550100"


async def called(scene: Scene, number: str = NUMBER, *, queue: str = "service") -> str:
    """A customer is to be called now: an agent has accepted, and their softphone has joined."""
    queues = [{**each, "callback": RULE} for each in CONFIG["queues"]]
    lines = [{**line, "default_queue": queue} for line in CONFIG["phone_lines"]]
    await scene.desk.run(admin.publish_config, {**CONFIG, "queues": queues, "phone_lines": lines})
    nth = len(await rows_of(scene.desk, schema.interaction))
    agent, leg = await make_agent(scene.desk, f"called{nth}"), f"CA-in-{nth}"
    contact = await phone(scene.desk, leg, number)
    await scene.desk.run(calls.ask_callback, PHONE, CallbackAsked(leg, "1", f"callback-{nth}"))
    await scene.desk.run(offers.accept_offer, await offer_to(scene.desk, contact, agent), agent)
    softphone = AgentDialled(f"CA-agent-{nth}", agent, contact, f"agent-{nth}")
    await scene.desk.run(calls.agent_dialled, PHONE, softphone)
    return contact


async def the_dial(scene: Scene, contact: str | None = None) -> dict[str, Any]:
    """The effect of the one call to a customer, or to this contact's."""
    of = {} if contact is None else {"subject": contact}
    (effect,) = await rows_of(scene.desk, schema.effect, kind="dial_customer", **of)
    return effect


async def state_is(scene: Scene, *states: str, of: str | None = None) -> bool:
    return (await the_dial(scene, of))["state"] in states


async def tried(scene: Scene, times: int, of: str | None = None) -> bool:
    return bool((await the_dial(scene, of))["attempts"] >= times)


async def looked_for(scene: Scene, *contacts: str, times: int = 3) -> None:
    """Wait until each of these calls was looked for so often."""
    for contact in contacts:
        await scene.until(partial(tried, scene, 1 + times, contact), passing_s=0.5)


async def legs_of(scene: Scene, contact: str) -> list[str]:
    """Those of our calls to a contact's customer that are known."""
    legs = await rows_of(scene.desk, schema.call_leg, interaction_id=contact, role="customer")
    return [leg["call_id"] for leg in legs if leg["dial"] is not None]


def rings(call: OutboundCall) -> CallChanged:
    """What the provider says of a call of ours."""
    return CallChanged(leg_of(call), CallStatus.RINGING, f"rings:{call.dial}", 1, dial=call.dial)


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
    await scene.desk.run(calls.leg_changed, PHONE, rings(call))
    await scene.until(lambda: state_is(scene, "confirmed"), passing_s=0.5)
    assert (await the_dial(scene))["detail"] == "the call was heard of"
    assert len(scene.carrier.dialled) == 1


async def test_a_call_of_another_contact_to_the_same_number_is_not_taken_for_ones_own(
    scene_on_both: Scene,
) -> None:
    """Of two calls to one number nobody knows whether they were made; the list shows one, and not whose it is."""
    scene = scene_on_both
    scene.start()
    scene.carrier.before["dial"] = [OutcomeUnknown("it never arrived")]
    never = await called(scene)
    await scene.until(lambda: state_is(scene, "unknown", of=never))
    scene.carrier.after["dial"] = [OutcomeUnknown("the provider answered 500")]
    made = await called(scene, queue="sales")
    await looked_for(scene, never, made)
    assert (await legs_of(scene, never), await legs_of(scene, made)) == ([], [])
    (call,) = scene.carrier.dialled
    assert call.dial == f"{made}.1"
    await scene.desk.run(calls.leg_changed, PHONE, rings(call))  # the call itself says whose it is
    await scene.until(lambda: state_is(scene, "confirmed", of=made), passing_s=0.5)
    attempts = (await the_dial(scene, never))["attempts"]
    await looked_for(scene, never, times=attempts + 1)
    assert (await legs_of(scene, never), await legs_of(scene, made)) == ([], [leg_of(call)])
    assert await state_is(scene, "unknown", "sent", of=never)


async def test_a_call_whose_answer_is_still_under_way_is_not_taken_for_another_contacts(scene: Scene) -> None:
    scene.start()
    scene.carrier.before["dial"] = [OutcomeUnknown("it never arrived")]
    never = await called(scene)
    await scene.until(lambda: state_is(scene, "unknown", of=never))
    answer = asyncio.Event()
    scene.carrier.after["dial"] = [answer]
    made = await called(scene, queue="sales")
    await scene.until(lambda: state_is(scene, "sent", of=made))
    await looked_for(scene, never)
    assert await legs_of(scene, never) == []
    answer.set()
    await scene.until(lambda: state_is(scene, "confirmed", of=made))
    assert await legs_of(scene, made) == [f"CA{made}.1"]


async def test_the_call_that_is_left_once_the_others_are_known_is_ones_own(scene: Scene) -> None:
    scene.start()
    scene.carrier.after["dial"] = [OutcomeUnknown("the provider answered 500")] * 2
    first = await called(scene)
    await scene.until(lambda: state_is(scene, "unknown", of=first))
    second = await called(scene, queue="sales")
    await looked_for(scene, first, second)
    assert (await legs_of(scene, first), await legs_of(scene, second)) == ([], [])
    other = scene.carrier.dialled[1]
    await scene.desk.run(calls.leg_changed, PHONE, rings(other))
    await scene.until(lambda: state_is(scene, "confirmed", of=first), passing_s=0.5)
    assert (await the_dial(scene, first))["detail"] == "found by looking it up"
    assert (await legs_of(scene, first), await legs_of(scene, second)) == ([f"CA{first}.1"], [leg_of(other)])


async def test_of_two_calls_that_nobody_knows_none_is_taken(scene: Scene) -> None:
    """One of them was made by somebody else: another program with the same account, or the desk before a restore."""
    scene.carrier.after["dial"] = [OutcomeUnknown("the provider answered 500")]
    scene.carrier.dialled.append(OutboundCall("int_other.1", NUMBER, "+15005550006", 20))
    scene.start()
    contact = await called(scene)
    await looked_for(scene, contact)
    assert await legs_of(scene, contact) == []
    assert await state_is(scene, "unknown", "sent", of=contact)


async def test_a_call_that_was_given_up_and_may_still_ring_counts_as_well(scene: Scene) -> None:
    """Its agent left at once: nobody waits for it any more, and it may turn up in the list all the same."""
    scene.start()
    scene.carrier.after["dial"] = [OutcomeUnknown("the provider answered 500")]
    scene.carrier.hidden = True
    given_up = await called(scene)
    await scene.until(lambda: state_is(scene, "unknown", of=given_up))
    agent = (await row_of(scene.desk, schema.interaction, given_up))["agent_id"]
    await scene.desk.run(wrap_up.end_contact, given_up, agent)
    await scene.until(lambda: state_is(scene, "dropped", of=given_up), passing_s=0.5)
    scene.carrier.before["dial"] = [OutcomeUnknown("it never arrived")]
    never = await called(scene, queue="sales")
    scene.carrier.hidden = False
    await looked_for(scene, never)
    assert await legs_of(scene, never) == []


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


async def test_who_has_lost_the_claim_puts_off_nothing_that_has_left(scene_on_both: Scene) -> None:
    """One node stops before its request, and goes on when the minute is over; meanwhile another's has left."""
    scene = scene_on_both
    contact = await called(scene)
    effect = await the_dial(scene)
    position, dial = effect["position"], DialCustomer(PHONE, contact, 1)
    scene.clock.advance(TURN_WITHIN - CLAIM - SECOND)
    fence = await scene.desk.run(take, "outbox", "nod_stops")
    assert await scene.desk.run(claim, position, "outbox", fence)
    scene.clock.advance(CLAIM)
    fence = await scene.desk.run(take, "outbox", "nod_next")
    assert await scene.desk.run(claim, position, "outbox", fence)
    assert await scene.desk.run(customer_calls.leaves, position, 2, dial)
    scene.clock.advance(2 * SECOND)
    assert not await scene.desk.run(customer_calls.leaves, position, 1, dial)
    row = await row_of(scene.desk, schema.interaction, contact)
    state = pending(row)
    assert state is not None
    assert (row["state"], state.dialling) == ("connecting", True)
    again_at = scene.clock.now() + 61 * SECOND
    await scene.desk.run(customer_calls.not_taken, position, 1, dial, again_at)  # of its own request
    assert await row_of(scene.desk, schema.interaction, contact) == row
    assert (await the_dial(scene))["unsure"]


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


async def test_who_was_not_called_since_the_carrier_took_none_has_not_missed_a_call(
    scene_on_both: Scene,
) -> None:
    """The request was refused: nothing rang, so it waits for its turn as before, and then is no try."""
    scene = scene_on_both
    scene.carrier.before["dial"] = [SendFailed("429", 45.0)]
    scene.start()
    contact = await called(scene)
    await scene.until(lambda: tried(scene, 1))
    await scene.until(lambda: state_is(scene, "ready"))
    await scene.kill()
    effect = await the_dial(scene)
    (timer,) = await rows_of(scene.desk, schema.timer, kind="connect_timeout")
    asked_s = (timer["due_at"] - effect["created_at"]) // SECOND
    assert asked_s == TURN_WITHIN // SECOND + RULE["answer_s"] + CARRIER_S, "it may leave until then"
    scene.clock.advance(timer["due_at"] - scene.clock.now())
    await scene.desk.run(calls.connect_timeout, contact, timer["data"])
    await is_put_off(scene, contact)
    assert scene.carrier.dialled == []


async def test_a_refused_request_is_repeated_as_late_as_the_carrier_asks(scene: Scene) -> None:
    """Later than they would have to answer; that time begins when the call leaves."""
    scene.carrier.before["dial"] = [SendFailed("429", 45.0)]
    scene.start()
    await called(scene)
    await scene.until(lambda: tried(scene, 1))
    await scene.until(lambda: state_is(scene, "ready"))
    scene.clock.advance(45 * SECOND)
    await scene.until(lambda: state_is(scene, "confirmed"))
    assert len(scene.carrier.dialled) == 1
    (timer,) = await rows_of(scene.desk, schema.timer, kind="connect_timeout")
    assert timer["due_at"] - scene.clock.now() == (RULE["answer_s"] + CARRIER_S) * SECOND


async def test_where_the_carrier_asks_for_more_time_than_a_call_waits_nobody_waits_for_it(
    scene: Scene,
) -> None:
    scene.carrier.before["dial"] = [SendFailed("429", 61.0)]
    scene.start()
    contact = await called(scene)
    await scene.until(lambda: tried(scene, 1))
    await scene.until(lambda: state_is(scene, "ready"))
    await is_put_off(scene, contact)
    assert await rows_of(scene.desk, schema.timer, kind="connect_timeout") == [], "the agent is free"
    scene.clock.advance(61 * SECOND)
    await scene.until(lambda: state_is(scene, "dropped"))
    assert scene.carrier.dialled == []


async def is_put_off(scene: Scene, contact: str) -> None:
    """Nobody waits for the call to this contact's customer, and it was no try."""
    row = await row_of(scene.desk, schema.interaction, contact)
    state = pending(row)
    assert state is not None
    assert (row["state"], state.missed, state.dialling) == ("queued", 0, False)
    lines = await rows_of(scene.desk, schema.message, interaction_id=contact)
    assert max(lines, key=lambda line: line["seq"])["text"] == "callback.put_off"


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


async def test_a_burst_of_calls_leaves_in_its_turns_and_each_has_its_whole_time_to_ring(
    scene_on_both: Scene,
) -> None:
    """At one call a second the last of five leaves five seconds later, and only then its time begins."""
    scene = scene_on_both
    scene.carrier.calls_per_second = 1.0
    left: list[int] = []
    scene.carrier.before["dial"] = [lambda: left.append(scene.clock.now())] * 5
    contacts = [await called(scene, f"+1415555010{number}") for number in range(5)]
    began = scene.clock.now()
    scene.start()
    await scene.until(lambda: all_in(scene, "confirmed"), passing_s=0.1)
    assert [call.dial for call in scene.carrier.dialled] == [f"{contact}.1" for contact in contacts]
    late = [(at - began) / SECOND for at in left]
    assert all(turn <= seconds for turn, seconds in enumerate(late, 1)), late
    effects = {row["subject"]: row for row in await rows_of(scene.desk, schema.effect, kind="dial_customer")}
    timers = {row["subject"]: row for row in await rows_of(scene.desk, schema.timer, kind="connect_timeout")}
    for contact in contacts:
        rings_until = timers[contact]["due_at"] - effects[contact]["tried_at"]
        assert rings_until == (RULE["answer_s"] + CARRIER_S) * SECOND


async def test_what_is_looked_for_takes_nobodys_turn(scene: Scene) -> None:
    scene.carrier.calls_per_second = 0.1
    scene.carrier.before["dial"] = [OutcomeUnknown("it never arrived")]
    scene.start()
    contact = await called(scene)
    await scene.until(lambda: state_is(scene, "unknown", of=contact), passing_s=0.1)
    (timer,) = await rows_of(scene.desk, schema.timer, kind="connect_timeout")
    await looked_for(scene, contact, times=3)
    assert scene.clock.now() < timer["due_at"]


async def test_calls_that_wait_for_their_turn_hold_up_nothing_else(scene: Scene) -> None:
    """More than the outbox has places for are due, and a caller is connected all the same."""
    scene.carrier.calls_per_second = 0.1
    for number in range(outbox.AT_ONCE + 1):
        await called(scene, f"+14155552{number:03d}")
    scene.start()
    await scene.accepted("CA-connected")
    await scene.until(lambda: is_connected(scene))
    assert scene.carrier.dialled == []


async def is_connected(scene: Scene) -> bool:
    return ("connect", "CA-connected") in scene.carrier.done


async def all_in(scene: Scene, state: str) -> bool:
    return all(row["state"] == state for row in await scene.effects())
