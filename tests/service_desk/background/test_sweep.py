"""The sweep: a leg whose end nobody told us is found out, and its contact ends as if we had been told."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from channels.contract import (
    AccountId,
    AgentDialled,
    CallChanged,
    CallStatus,
    ConferenceChanged,
    ParticipantChange,
    SendFailed,
)
from service_desk.actions import calls, offers
from service_desk.background.outbox import Outbox
from service_desk.background.sweep import CallSweep, read_conference
from service_desk.clock import HOUR
from service_desk.desk import Desk
from service_desk.lease import SoleLease
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.background.carrier import Carrier
from tests.service_desk.people import PHONE, join_both, make_agent, offer_to, phone, row_of, rows_of


def sweep_of(desk: Desk, carrier: Carrier) -> CallSweep:
    return CallSweep(desk, SoleLease("sweep", desk, "nod_1"), {AccountId(PHONE): carrier})


async def state(desk: Desk, contact: str) -> str:
    return str((await row_of(desk, schema.interaction, contact))["state"])


async def test_a_caller_whose_end_was_missed(plain: Desk) -> None:
    carrier = Carrier()
    waiting, ringing, talking = [await phone(plain, f"CA{n}", f"+1415555010{n}") for n in range(3)]
    ann, bob = await make_agent(plain, "ann"), await make_agent(plain, "bob")
    offer = await offer_to(plain, ringing, ann)
    await plain.run(offers.accept_offer, await offer_to(plain, talking, bob), bob)
    await join_both(plain, talking, bob, "CA2")
    carrier.over.update({"CA0", "CA1", "CA2"})
    await sweep_of(plain, carrier).sweep(0)
    assert [await state(plain, c) for c in (waiting, ringing, talking)] == ["ended", "ended", "wrap_up"]
    assert (await row_of(plain, schema.offer, offer))["state"] == "withdrawn"
    events = len(await rows_of(plain, schema.event))
    await sweep_of(plain, carrier).sweep(0)
    assert len(await rows_of(plain, schema.event)) == events, "told once"
    late = CallChanged("CA0", CallStatus.COMPLETED, "status-CA0-7", 7)
    await plain.run(calls.leg_changed, PHONE, late, actor=PHONE)
    assert len(await rows_of(plain, schema.event)) == events, (
        "the message that comes after all changes nothing"
    )


async def test_who_is_still_there_is_left_alone(plain: Desk) -> None:
    contact = await phone(plain, "CA1")
    carrier = Carrier()
    await sweep_of(plain, carrier).sweep(0)
    assert await state(plain, contact) == "queued"
    assert carrier.asked == 1
    await sweep_of(plain, carrier).sweep(HOUR)
    assert carrier.asked == 1, "who came a moment ago is not asked about"


async def test_a_leg_that_the_provider_does_not_know_is_over(plain: Desk) -> None:
    contact = await phone(plain, "CA1")

    class Forgetful(Carrier):
        async def look_up(self, call_id: str, interaction_id: str | None = None) -> None:
            return None

    await sweep_of(plain, Forgetful()).sweep(0)
    row = await row_of(plain, schema.interaction, contact)
    assert (row["state"], row["end_reason"]) == ("ended", "call_failed")


async def test_one_that_cannot_be_asked_about_stops_no_other(plain: Desk) -> None:
    first, second = await phone(plain, "CA1", "+14155550101"), await phone(plain, "CA2", "+14155550102")
    carrier = Carrier()
    carrier.over.update({"CA1", "CA2"})
    carrier.before["look_up"] = [SendFailed("429", 1.0)]
    await sweep_of(plain, carrier).sweep(0)
    states = sorted([await state(plain, first), await state(plain, second)])
    assert states == ["ended", "queued"]
    await sweep_of(plain, carrier).sweep(0)
    assert [await state(plain, first), await state(plain, second)] == ["ended", "ended"]


async def test_a_living_agent_leg_whose_end_was_missed_leaves_the_caller_waiting(plain: Desk) -> None:
    ann = await make_agent(plain, "ann")
    contact = await phone(plain, "CA1")
    await plain.run(offers.accept_offer, await offer_to(plain, contact, ann), ann)
    leg = await join_both(plain, contact, ann, "CA1")
    carrier = Carrier()
    carrier.over.add(leg)
    await sweep_of(plain, carrier).sweep(0)
    assert await state(plain, contact) == "active"
    assert [row["kind"] for row in await rows_of(plain, schema.timer)] == ["rejoin_timeout"]


async def test_it_sweeps_at_its_start_without_waiting(plain: Desk) -> None:
    contact = await phone(plain, "CA1")
    carrier = Carrier()
    carrier.over.add("CA1")
    task = asyncio.create_task(sweep_of(plain, carrier).run())
    give_up = asyncio.get_running_loop().time() + 10
    while await state(plain, contact) != "ended":
        assert asyncio.get_running_loop().time() < give_up
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# --- legs that should be gone ---------------------------------------------------------------------------------


async def hang_ups(desk: Desk) -> list[dict[str, Any]]:
    return [row for row in await rows_of(desk, schema.effect) if row["kind"] == "hang_up_call"]


async def settle_hang_ups(desk: Desk, state: str) -> None:
    """As the outbox leaves them when the provider refused, or did not do what it said."""

    def settle(tx: Tx) -> None:
        table = schema.effect
        values = {"state": state, "done_at": tx.now}
        tx.write(sa.update(table).where(table.c.kind == "hang_up_call").values(**values))

    await desk.run(settle)


@pytest.mark.parametrize("outcome", ["failed", "confirmed"])
async def test_a_leg_that_outlived_its_contact_is_hung_up_again(plain: Desk, outcome: str) -> None:
    ann = await make_agent(plain, "ann")
    contact = await phone(plain, "CA1")
    await plain.run(offers.accept_offer, await offer_to(plain, contact, ann), ann)
    await join_both(plain, contact, ann, "CA1")
    await plain.run(lambda tx: calls.hang_up(tx, tx.get_for_update(schema.interaction, contact)), actor=ann)
    carrier = Carrier()
    await sweep_of(plain, carrier).sweep(0)
    assert len(await hang_ups(plain)) == 1, "the one that is on its way is left to the outbox"
    await settle_hang_ups(plain, outcome)
    await sweep_of(plain, carrier).sweep(0)
    assert [row["state"] for row in await hang_ups(plain)] == [outcome, "ready", "ready"], "both legs"
    await sweep_of(plain, carrier).sweep(0)
    assert len(await hang_ups(plain)) == 3, "one at a time for each"
    task = asyncio.create_task(
        Outbox(plain, SoleLease("outbox", plain, "nod_1"), {AccountId(PHONE): carrier}).run()
    )
    give_up = asyncio.get_running_loop().time() + 10
    while ("hang_up", "CA1") not in carrier.done:
        assert asyncio.get_running_loop().time() < give_up
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_leg_of_an_agent_who_lost_the_contact_is_ended_and_no_other(plain: Desk) -> None:
    ann, bob = await make_agent(plain, "ann"), await make_agent(plain, "bob")
    contact = await phone(plain, "CA1")
    await plain.run(offers.accept_offer, await offer_to(plain, contact, ann), ann)
    hers = await join_both(plain, contact, ann, "CA1")
    await plain.run(lambda tx: calls.put_back_call(tx, tx.get_for_update(schema.interaction, contact), "x"))
    await settle_hang_ups(plain, "failed")
    await plain.run(offers.accept_offer, await offer_to(plain, contact, bob), bob)
    await sweep_of(plain, Carrier()).sweep(0)
    again = [row for row in await hang_ups(plain) if row["state"] == "ready"]
    assert [row["data"]["call_id"] for row in again] == [hers]


# --- joins that nobody told us --------------------------------------------------------------------------------


async def being_connected(desk: Desk, ann: str) -> tuple[str, str]:
    """A call whose two legs are in the conference, and of which no message of that came; the agent's leg."""
    contact = await phone(desk, "CA1")
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    dialled = AgentDialled("CA1-agent", ann, contact, "dial-CA1")
    await desk.run(calls.agent_dialled, PHONE, dialled, actor=PHONE)
    return contact, "CA1-agent"


async def test_who_joined_unheard_is_found_in_the_conference(plain: Desk) -> None:
    ann = await make_agent(plain, "ann")
    contact, leg = await being_connected(plain, ann)
    carrier = Carrier()
    carrier.in_conference.update({"CA1": contact, leg: contact})
    await read_conference(plain, {AccountId(PHONE): carrier}, contact, 5)
    assert await state(plain, contact) == "active"
    assert await rows_of(plain, schema.timer) == []
    left = ConferenceChanged(contact, "CF9", ParticipantChange.LEFT, "left-1", 9, leg)
    await plain.run(calls.conference_changed, PHONE, left, actor=PHONE)
    assert not (await row_of(plain, schema.call_leg, leg))["in_conference"], "later messages count"


async def test_who_is_not_there_is_put_back_as_before(plain: Desk) -> None:
    ann = await make_agent(plain, "ann")
    contact, _ = await being_connected(plain, ann)
    carrier = Carrier()
    carrier.in_conference["CA1"] = contact
    await read_conference(plain, {AccountId(PHONE): carrier}, contact, 5)
    assert await state(plain, contact) == "connecting"
    await plain.run(calls.connect_timeout, contact, {"agent_id": ann})
    assert await state(plain, contact) == "queued"


@pytest.mark.parametrize("trouble", ["refused", "silent"])
async def test_a_provider_that_does_not_answer_holds_nothing_up(plain: Desk, trouble: str) -> None:
    ann = await make_agent(plain, "ann")
    contact, _ = await being_connected(plain, ann)
    carrier = Carrier()
    carrier.before["look_up"] = [SendFailed("no", 1.0) if trouble == "refused" else asyncio.Event()]
    await read_conference(plain, {AccountId(PHONE): carrier}, contact, 0.05)
    assert await state(plain, contact) == "connecting"
