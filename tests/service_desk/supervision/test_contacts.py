"""Moving, assigning and prioritising contacts, forcing agents: rows, log, router's facts, audit."""

from typing import Any

import pytest

from channels.contract import CallChanged, CallStatus
from service_desk.actions import calls, offers, supervision, wrap_up
from service_desk.audit import audit
from service_desk.clock import DAY, SECOND
from service_desk.desk import Desk
from service_desk.errors import Conflict, DeskError, Invalid, OfferClosed, StaleVersion
from service_desk.storage import schema
from tests.service_desk.people import (
    PHONE,
    join_both,
    make_agent,
    offer_to,
    open_chat,
    phone,
    row_of,
    rows_of,
    set_state,
)

WHY = "the line is too long"


async def contact(desk: Desk, contact_id: str) -> dict[str, Any]:
    return await row_of(desk, schema.interaction, contact_id)


async def version(desk: Desk, contact_id: str) -> int:
    return int((await contact(desk, contact_id))["version"])


async def move(desk: Desk, contact_id: str, queue: str = "sales") -> Any:
    return await desk.run(
        supervision.move_contact, contact_id, await version(desk, contact_id), queue, WHY, actor="agt_sue"
    )


async def assign(desk: Desk, contact_id: str, agent: str) -> Any:
    return await desk.run(
        supervision.assign_contact, contact_id, await version(desk, contact_id), agent, WHY, actor="agt_sue"
    )


async def force(desk: Desk, agent: str, state: str, away: str | None = None) -> Any:
    row = await row_of(desk, schema.agent, agent)
    return await desk.run(supervision.force_state, agent, row["version"], state, away, WHY, actor="agt_sue")


async def commands(desk: Desk) -> list[str]:
    return [row["body"]["kind"] for row in await rows_of(desk, schema.command)]


async def faults(desk: Desk) -> list[Any]:
    """What the auditor finds; nobody counts or sends here, and no router runs."""
    found = await desk.read(audit, patience=365 * DAY)
    return [each for each in found if each.check not in ("counters", "dispatch")]


# --- moving ---------------------------------------------------------------------------------------------------


async def test_a_waiting_contact_takes_its_time_along(desk: Desk) -> None:
    call = await phone(desk, "CA1")
    before = await contact(desk, call)
    await move(desk, call)
    after = await contact(desk, call)
    assert (after["state"], after["queue_id"], after["queued_at"]) == ("queued", "sales", before["queued_at"])
    assert after["ordering_key"] == before["queued_at"] + 30 * SECOND
    left, joined = sorted(await rows_of(desk, schema.segment), key=lambda row: row["id"])
    assert (left["outcome"], left["queue_id"], left["entered"]) == ("moved", "service", True)
    assert (joined["ended_at"], joined["queue_id"], joined["entered"]) == (None, "sales", True)
    assert (await commands(desk))[-1] == "WorkQueued"
    (line,) = await rows_of(desk, schema.audit, action="contact.moved")
    assert (line["actor"], line["subject"]) == ("agt_sue", call)
    assert line["data"] == {
        "reason": WHY,
        "queue_id": "sales",
        "old_queue_id": "service",
        "old_agent_id": None,
        "old_state": "queued",
    }
    assert await faults(desk) == []


async def test_what_rings_is_withdrawn_first_and_the_agent_who_answers_is_told(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    call = await phone(desk, "CA1")
    offer = await offer_to(desk, call, ann)
    await move(desk, call)
    assert (await contact(desk, call))["state"] == "queued"
    assert (await row_of(desk, schema.offer, offer))["state"] == "withdrawn"
    with pytest.raises(OfferClosed):
        await desk.run(offers.accept_offer, offer, ann, actor=ann)
    assert await faults(desk) == []


async def test_who_was_accepted_a_moment_before_stays_and_the_supervisor_is_told(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    call = await phone(desk, "CA1")
    offer = await offer_to(desk, call, ann)
    seen = await version(desk, call)
    await desk.run(offers.accept_offer, offer, ann, actor=ann)
    for act in (
        (supervision.move_contact, call, seen, "sales", WHY),
        (supervision.assign_contact, call, seen, await make_agent(desk, "bob"), WHY),
        (supervision.prioritise_contact, call, seen, 5, WHY),
    ):
        with pytest.raises(StaleVersion):
            await desk.run(*act)
    assert (await contact(desk, call))["agent_id"] == ann
    assert await rows_of(desk, schema.audit, action="contact.moved") == []


async def test_a_call_in_progress_is_taken_from_its_agent_and_waits_anew(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    call = await phone(desk, "CA1")
    await desk.run(offers.accept_offer, await offer_to(desk, call, ann), ann, actor=ann)
    await join_both(desk, call, ann, "CA1")
    joined_at = (await contact(desk, call))["queued_at"]
    await move(desk, call)
    after = await contact(desk, call)
    assert (after["state"], after["queue_id"], after["agent_id"]) == ("queued", "sales", None)
    assert after["queued_at"] > joined_at
    kinds = [row["kind"] for row in await rows_of(desk, schema.effect)]
    assert kinds == ["connect_call", "hang_up_call", "put_back_call"]
    assert await faults(desk) == []


async def test_back_into_the_same_queue_keeps_the_place(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    _, chat = await open_chat(desk, "vera", "hello")
    before = await contact(desk, chat)
    with pytest.raises(Conflict) as refused:
        await move(desk, chat, "service")
    assert refused.value.code == "already_there"
    await desk.run(offers.accept_offer, await offer_to(desk, chat, ann), ann, actor=ann)
    await move(desk, chat, "service")
    after = await contact(desk, chat)
    assert (after["state"], after["queued_at"]) == ("queued", before["queued_at"])
    assert await faults(desk) == []


async def test_what_is_over_or_in_the_menu_cannot_be_moved(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    menu = await phone(desk, "CA1", account="phone-menu")
    call = await phone(desk, "CA2", "+14155550102")
    await desk.run(offers.accept_offer, await offer_to(desk, call, ann), ann, actor=ann)
    await desk.run(wrap_up.end_contact, call, ann)
    for contact_id in (menu, call):
        for act in (
            move(desk, contact_id),
            assign(desk, contact_id, await make_agent(desk, f"x{contact_id}")),
        ):
            with pytest.raises(Conflict) as refused:
                await act
            assert refused.value.code == "not_movable"


@pytest.mark.parametrize("reason", ["", " \n\t", "x" * 501])
async def test_no_act_without_a_reason(desk: Desk, reason: str) -> None:
    ann = await make_agent(desk, "ann")
    call = await phone(desk, "CA1")
    row = await row_of(desk, schema.agent, ann)
    seen = await version(desk, call)
    for act in (
        (supervision.move_contact, call, seen, "sales", reason),
        (supervision.assign_contact, call, seen, ann, reason),
        (supervision.prioritise_contact, call, seen, 5, reason),
        (supervision.force_state, ann, row["version"], "away", "break", reason),
    ):
        with pytest.raises(Invalid) as refused:
            await desk.run(*act)
        assert refused.value.field == "reason"


# --- assigning ------------------------------------------------------------------------------------------------


async def test_a_waiting_call_is_given_to_an_agent(desk: Desk) -> None:
    ann, bob = await make_agent(desk, "ann"), await make_agent(desk, "bob")
    call = await phone(desk, "CA1")
    offer = await offer_to(desk, call, ann)
    await assign(desk, call, bob)
    row = await contact(desk, call)
    assert (row["state"], row["agent_id"]) == ("connecting", bob)
    assert (await row_of(desk, schema.offer, offer))["state"] == "withdrawn"
    (answered,) = [row for row in await rows_of(desk, schema.event) if row["kind"] == "interaction.answered"]
    assert answered["data"]["first"]
    assert [row["kind"] for row in await rows_of(desk, schema.timer)] == ["connect_timeout"]
    assert (await commands(desk))[-1] == "WorkTaken"
    await join_both(desk, call, bob, "CA1")
    assert (await contact(desk, call))["state"] == "active"
    assert await faults(desk) == []


async def test_a_call_goes_from_agent_to_agent_and_back_without_a_key_used_twice(desk: Desk) -> None:
    ann, bob = await make_agent(desk, "ann"), await make_agent(desk, "bob")
    call = await phone(desk, "CA1")
    await desk.run(offers.accept_offer, await offer_to(desk, call, ann), ann, actor=ann)
    await join_both(desk, call, ann, "CA1")
    await assign(desk, call, bob)
    assert (await contact(desk, call))["state"] == "connecting"
    await move(desk, call, "service")
    await desk.run(offers.accept_offer, await offer_to(desk, call, ann), ann, actor=ann)
    keys = [row["key"] for row in await rows_of(desk, schema.effect)]
    assert [key for key in keys if key.startswith("connect_call")] == [
        f"connect_call:{call}:{turn}" for turn in (1, 2, 3)
    ]
    answered = [row for row in await rows_of(desk, schema.event) if row["kind"] == "interaction.answered"]
    assert [row["data"]["first"] for row in answered] == [True, False, False]
    assert await faults(desk) == []


async def test_a_chat_is_taken_over_at_once(desk: Desk) -> None:
    ann, bob = await make_agent(desk, "ann"), await make_agent(desk, "bob")
    _, chat = await open_chat(desk, "vera", "hello")
    await desk.run(offers.accept_offer, await offer_to(desk, chat, ann), ann, actor=ann)
    await assign(desk, chat, bob)
    row = await contact(desk, chat)
    assert (row["state"], row["agent_id"]) == ("active", bob)
    with pytest.raises(Conflict):
        await assign(desk, chat, bob)
    (line,) = await rows_of(desk, schema.audit, action="contact.assigned")
    assert (line["data"]["old_agent_id"], line["data"]["agent_id"]) == (ann, bob)
    assert await faults(desk) == []


async def test_nobody_who_is_away_gone_or_in_a_call_is_given_anything(desk: Desk) -> None:
    away, gone = await make_agent(desk, "away"), await make_agent(desk, "gone", ready=False)
    await set_state(desk, away, "away", "lunch")
    busy = await make_agent(desk, "busy")
    first = await phone(desk, "CA1")
    await assign(desk, first, busy)
    call = await phone(desk, "CA2", "+14155550102")
    _, chat = await open_chat(desk, "vera", "hello")
    for agent, code in ((away, "agent_not_there"), (gone, "agent_not_there"), (busy, "agent_full")):
        for contact_id in (call, chat):
            with pytest.raises(Conflict) as refused:
                await assign(desk, contact_id, agent)
            assert refused.value.code == code
    with pytest.raises(Invalid):
        await assign(desk, call, "agt_" + "0" * 26)
    assert await faults(desk) == []


async def test_what_rings_beside_it_and_fits_no_more_goes_back(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    _, chat = await open_chat(desk, "vera", "hello")
    offer = await offer_to(desk, chat, ann)
    call = await phone(desk, "CA1")
    await assign(desk, call, ann)
    assert (await row_of(desk, schema.offer, offer))["state"] == "withdrawn"
    assert (await contact(desk, chat))["state"] == "queued"
    _, other = await open_chat(desk, "vito", "hello")
    bob = await make_agent(desk, "bob")
    rings = await offer_to(desk, other, bob)
    await assign(desk, chat, bob)
    assert (await row_of(desk, schema.offer, rings))["state"] == "pending", "two chats fit"
    assert await faults(desk) == []


# --- prioritising ---------------------------------------------------------------------------------------------


async def test_a_head_start_moves_it_up_and_lets_what_rings_ring(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    call = await phone(desk, "CA1")
    offer = await offer_to(desk, call, ann)
    before = await contact(desk, call)
    seen = before["version"]
    await desk.run(supervision.prioritise_contact, call, seen, 10, WHY, actor="agt_sue")
    after = await contact(desk, call)
    assert after["ordering_key"] == before["ordering_key"] - 600 * SECOND
    assert (await row_of(desk, schema.offer, offer))["state"] == "pending"
    assert (await commands(desk))[-1] == "WorkChanged"
    (line,) = await rows_of(desk, schema.audit, action="contact.prioritised")
    assert (line["data"]["old_head_start_min"], line["data"]["head_start_min"]) == (0, 10)
    for wrong in (-1, 1_441):
        with pytest.raises(Invalid) as refused:
            await desk.run(supervision.prioritise_contact, call, after["version"], wrong, WHY)
        assert refused.value.field == "head_start_min"


# --- agents ---------------------------------------------------------------------------------------------------


async def test_sent_away_what_rings_goes_back_and_what_is_served_stays(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    _, chat = await open_chat(desk, "vera", "hello")
    await desk.run(offers.accept_offer, await offer_to(desk, chat, ann), ann, actor=ann)
    call = await phone(desk, "CA1")
    offer = await offer_to(desk, call, ann)
    await force(desk, ann, "away", "lunch")
    agent = await row_of(desk, schema.agent, ann)
    assert (agent["chosen"], agent["reason"]) == ("away", "lunch")
    assert (await row_of(desk, schema.offer, offer))["state"] == "withdrawn"
    assert (await contact(desk, call))["state"] == "queued"
    assert (await contact(desk, chat))["agent_id"] == ann
    (line,) = await rows_of(desk, schema.audit, action="agent.state_forced")
    assert line["data"]["old_state"] == "ready"
    with pytest.raises(Invalid) as refused:
        await force(desk, ann, "away", "siesta")
    assert refused.value.field == "away_reason"
    await force(desk, ann, "ready")
    assert (await row_of(desk, schema.agent, ann))["chosen"] == "ready"
    assert await faults(desk) == []


async def test_signed_out_everything_goes_back_with_its_place(desk: Desk) -> None:
    from service_desk.actions import admin

    ann = await make_agent(desk, "ann")
    await desk.run(admin.open_session, ann, "f" * 64, "csrf", desk.clock.now() + 3_600 * SECOND)
    call = await phone(desk, "CA1")
    await desk.run(offers.accept_offer, await offer_to(desk, call, ann), ann, actor=ann)
    _, chat = await open_chat(desk, "vera", "hello")
    await desk.run(offers.accept_offer, await offer_to(desk, chat, ann), ann, actor=ann)
    await force(desk, ann, "signed_out")
    assert [(await contact(desk, each))["state"] for each in (call, chat)] == ["queued", "queued"]
    agent = await row_of(desk, schema.agent, ann)
    assert (agent["chosen"], agent["reason"]) == ("away", "signed_out")
    (session,) = await rows_of(desk, schema.session)
    assert session["revoked_at"] is not None
    assert await faults(desk) == []
    await force(desk, ann, "signed_out")  # again changes nothing


async def test_nobody_is_made_ready_who_is_not_there(desk: Desk) -> None:
    gone = await make_agent(desk, "gone", ready=False)
    for state, away in (("ready", None), ("away", "lunch")):
        with pytest.raises(Conflict) as refused:
            await force(desk, gone, state, away)
        assert refused.value.code == "agent_not_there"


async def test_a_state_that_changed_meanwhile_is_not_overridden(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    seen = (await row_of(desk, schema.agent, ann))["version"]
    await set_state(desk, ann, "away", "lunch")
    with pytest.raises(DeskError) as refused:
        await desk.run(supervision.force_state, ann, seen, "ready", None, WHY)
    assert isinstance(refused.value, StaleVersion)


async def test_a_customer_who_hangs_up_first_wins(desk: Desk) -> None:
    call = await phone(desk, "CA1")
    seen = await version(desk, call)
    gone = CallChanged("CA1", CallStatus.COMPLETED, "end-CA1", 9)
    await desk.run(calls.leg_changed, PHONE, gone, actor=PHONE)
    with pytest.raises(StaleVersion):
        await desk.run(supervision.move_contact, call, seen, "sales", WHY)
