"""Row 24: a signed webhook kept by an attacker and sent again long after, when its key was forgotten, changes nothing.

The provider's signature holds no time, so a replay is genuine to the eye; what protects is that calls end for good.
"""

from collections.abc import AsyncIterator

import pytest

from channels.contract import (
    AccountId,
    AgentDialled,
    CallbackAsked,
    CallChanged,
    CallStarted,
    CallStatus,
    ConferenceChanged,
    CustomerAnswered,
    DigitsPressed,
    HangUp,
    InboundEvent,
    Join,
    ParticipantChange,
)
from service_desk.actions import admin, offers, wrap_up
from service_desk.actions.retention import purge_inputs
from service_desk.bus.local import LocalBus
from service_desk.clock import DAY, ManualClock
from service_desk.desk import Desk
from service_desk.errors import DeskError
from service_desk.intake import Intake
from service_desk.storage import schema
from service_desk.storage.store import Store
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import make_agent, offer_to, rows_of

ACCOUNT = AccountId("phone-menu")
FACTS = (schema.interaction, schema.segment, schema.offer, schema.call_leg, schema.effect, schema.customer)
"""What a replay must leave alone; the raw input itself is kept again, and that is all."""


@pytest.fixture
async def desk(db_url: str) -> AsyncIterator[Desk]:
    clock = ManualClock()
    made = Desk(Store(db_url, clock), LocalBus(), clock)
    await made.run(admin.seed, CONFIG)
    yield made
    made.store.close()


def webhooks(ann: str, contact: str) -> list[InboundEvent]:
    """Everything that the provider sent of one call, in order."""
    return [
        CallStarted("CA1", "+14155550100", "+15005550007", "start-1"),
        DigitsPressed("CA1", "1", "digits-1"),
        AgentDialled("CA2", ann, contact, "dial-1"),
        ConferenceChanged(contact, "CF1", ParticipantChange.JOINED, "join-1", 1, "CA1"),
        ConferenceChanged(contact, "CF1", ParticipantChange.JOINED, "join-2", 2, "CA2"),
        ConferenceChanged(contact, "CF1", ParticipantChange.LEFT, "left-1", 3, "CA2"),
        CallChanged("CA2", CallStatus.COMPLETED, "status-2", 4),
        CallChanged("CA1", CallStatus.COMPLETED, "status-1", 5),
    ]


async def test_a_whole_callback_replayed_after_its_keys_were_forgotten(desk: Desk) -> None:
    """Who was called back is not called again, and who holds on to an old message is not let in."""
    queues = [{**queue, "callback": {"offer_after_s": 0}} for queue in CONFIG["queues"]]
    await desk.run(admin.publish_config, {**CONFIG, "queues": queues})
    intake = Intake(desk)
    ann = await make_agent(desk, "ann")
    await intake.receive(ACCOUNT, CallStarted("CA1", "+14155550100", "+15005550007", "start-1"))
    await intake.receive(ACCOUNT, DigitsPressed("CA1", "1", "digits-1"))
    contact = str((await rows_of(desk, schema.interaction))[0]["id"])
    asked: list[InboundEvent] = [
        CallbackAsked("CA1", "1", "callback-1"),
        CallChanged("CA1", CallStatus.COMPLETED, "status-1", 5),
    ]
    for event in asked:
        await intake.receive(ACCOUNT, event)
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    dial = f"{contact}.1"
    served: list[InboundEvent] = [
        AgentDialled("CA2", ann, contact, "dial-1"),
        CallChanged("CA3", CallStatus.RINGING, "ringing-3", 1, dial=dial),
        CustomerAnswered("CA3", dial, "customer-3"),
        CallChanged("CA3", CallStatus.IN_PROGRESS, "answered-3", 2, dial=dial),
        CallChanged("CA3", CallStatus.COMPLETED, "completed-3", 3, dial=dial),
    ]
    answers = [await intake.receive(ACCOUNT, served[0])]
    for event in served[1:4]:  # of another account's provider, whose signature is good
        stranger = await intake.receive(AccountId("phone-main"), event)
        assert not isinstance(stranger, Join)
    assert await rows_of(desk, schema.call_leg, dial=1) == []
    answers += [await intake.receive(ACCOUNT, event) for event in served[1:]]
    assert answers[2] == Join(contact, "customer")
    await desk.run(wrap_up.finish, contact, ann, "done", "")

    assert isinstance(desk.clock, ManualClock)
    desk.clock.advance(31 * DAY)
    assert await desk.run(purge_inputs, desk.clock.now() - 30 * DAY, 1_000) == 9
    before = [await rows_of(desk, table) for table in FACTS]
    for event in [*asked, *served, CustomerAnswered("CA9", f"{contact}.9", "customer-9")]:
        try:
            answer = await intake.receive(ACCOUNT, event)
        except DeskError:
            continue
        if isinstance(event, CallbackAsked | CustomerAnswered | AgentDialled):
            assert isinstance(answer, HangUp), event
    assert [await rows_of(desk, table) for table in FACTS] == before


async def test_a_whole_call_replayed_after_its_keys_were_forgotten(desk: Desk) -> None:
    intake = Intake(desk)
    ann = await make_agent(desk, "ann")
    for event in webhooks(ann, "")[:2]:
        await intake.receive(ACCOUNT, event)
    contact = str((await rows_of(desk, schema.interaction))[0]["id"])
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    for event in webhooks(ann, contact)[2:]:
        await intake.receive(ACCOUNT, event)
    assert (await rows_of(desk, schema.interaction))[0]["state"] == "wrap_up"

    assert isinstance(desk.clock, ManualClock)
    desk.clock.advance(31 * DAY)
    assert await desk.run(purge_inputs, desk.clock.now() - 30 * DAY, 1_000) == 8
    before = [await rows_of(desk, table) for table in FACTS]
    for event in webhooks(ann, contact):
        try:
            answer = await intake.receive(ACCOUNT, event)
        except DeskError:
            continue
        if isinstance(event, CallStarted | AgentDialled):
            assert isinstance(answer, HangUp), "nobody is let into a call that is over"
    assert [await rows_of(desk, table) for table in FACTS] == before
