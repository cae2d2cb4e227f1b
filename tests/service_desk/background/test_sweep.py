"""The sweep: a leg whose end nobody told us is found out, and its contact ends as if we had been told."""

import asyncio

from channels.contract import AccountId, CallChanged, CallStatus, SendFailed
from service_desk.actions import calls, offers
from service_desk.background.sweep import CallSweep
from service_desk.clock import HOUR
from service_desk.desk import Desk
from service_desk.lease import SoleLease
from service_desk.storage import schema
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
