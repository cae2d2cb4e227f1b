"""Callers who are called back, on real rows with a real router: the place is kept, and nobody is called twice."""

from typing import Any

import pytest
import sqlalchemy as sa

from channels.contract import (
    AccountId,
    AgentDialled,
    CallbackAsked,
    CallChanged,
    CallStatus,
    ConferenceChanged,
    CustomerAnswered,
    DigitsPressed,
    HangUp,
    Hold,
    Join,
    ParticipantChange,
)
from service_desk.actions import callbacks, calls, customer_calls, pull, supervision
from service_desk.actions.effects import claim
from service_desk.clock import SECOND
from service_desk.domain.callback import TURN_WITHIN, dials, may_be_asked_for, newest_dial, pending
from service_desk.domain.views import TimelineView
from service_desk.errors import Conflict
from service_desk.intake import answer_while_waiting
from service_desk.lease import take
from service_desk.queries.timeline import CONTACT_LINE, CONTACTS, interaction_lines
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.service_desk.dispatch.floor import Floor, call_from, floor
from tests.service_desk.dispatch.test_rules import CLOSED_ALWAYS, only_sales, publish
from tests.service_desk.people import PHONE, rows_of
from tests.service_desk.storage.two_nodes import faults

AGENT_FIRST = {"offer_after_s": 30, "answer_s": 20, "tries": 2, "pause_s": 60}
CUSTOMER_FIRST = {**AGENT_FIRST, "first": "customer"}
NUMBER = "+14155550111"


async def passes(place: Floor, seconds: int) -> None:
    """Time passes at once."""
    place.clock.advance(seconds * SECOND)
    await place.settle()


async def heard(place: Floor, call_id: str) -> Any:
    """What a waiting leg is answered."""
    return await place.desk.read(answer_while_waiting, AccountId(PHONE), call_id)


async def dan_is_busy(place: Floor) -> None:
    """Somebody of the queue is at work, so that customers may be called, and has no room for any."""
    name = await place.call()
    await place.desk.run(pull.pull_contact, place.names[name], place.names["dan"])
    await place.say("dan", "ready")
    await place.settle()


async def press(place: Floor, name: str, digit: str = "1") -> Any:
    row = await place.contact(name)
    event = CallbackAsked(row["external_id"], digit, f"callback-{name}-{digit}")
    answer = await place.desk.run(calls.ask_callback, PHONE, event, actor=PHONE)
    await place.settle()
    return answer


async def asked(place: Floor, number: str = NUMBER) -> str:
    """A caller who pressed the key, and hung up."""
    await place.advance(1)
    name = await call_from(place, number)
    await place.settle()
    assert isinstance(await press(place, name), HangUp)
    await place.hang_up(name)
    await place.settle()
    return name


async def asked_customer_first(place: Floor) -> str:
    """The same where customers are called first, and somebody is at work but has no room."""
    await only_sales(place)
    await publish(place, callback=CUSTOMER_FIRST)
    await dan_is_busy(place)
    return await asked(place)


async def softphone(place: Floor, name: str) -> str:
    """The agent who accepted dials in and is in the conference."""
    row = await place.contact(name)
    leg = f"soft-{name}-{row['attempts']}"
    event = AgentDialled(leg, row["agent_id"], row["id"], f"dial-{leg}")
    await place.desk.run(calls.agent_dialled, PHONE, event, actor=PHONE)
    await joined(place, name, leg)
    return leg


async def joined(place: Floor, name: str, leg: str) -> None:
    event = ConferenceChanged(place.names[name], "CF1", ParticipantChange.JOINED, f"join-{leg}", 1, leg)
    await place.desk.run(calls.conference_changed, PHONE, event, actor=PHONE)


async def dial_of(place: Floor, name: str) -> str:
    """The name of the newest call to a customer, and that there is just one effect for it."""
    number = dials(await place.contact(name))
    found = await rows_of(place.desk, schema.effect, kind="dial_customer", subject=place.names[name])
    assert [row["data"]["dial"] for row in found] == list(range(1, number + 1))
    return f"{place.names[name]}.{number}"


async def leaves(place: Floor, name: str) -> bool:
    """The outbox has the turn for the newest call to a customer; whether its request leaves."""
    dial = newest_dial(await place.contact(name))
    (effect,) = await rows_of(place.desk, schema.effect, key=dial.key)
    fence = await place.desk.run(take, "outbox", "nod_test")
    assert await place.desk.run(claim, effect["position"], "outbox", fence)
    left = await place.desk.run(customer_calls.leaves, effect["position"], effect["attempts"] + 1, dial)
    await place.settle()
    return left


async def fares(place: Floor, name: str, status: str, sequence: int = 3) -> str:
    """The carrier says how the newest call to the customer fares; its leg."""
    dial = await dial_of(place, name)
    leg = f"CA-{dial}"
    event = CallChanged(leg, CallStatus(status), f"{leg}-{status}", sequence, dial=dial)
    await place.desk.run(calls.leg_changed, PHONE, event, actor=PHONE)
    await place.settle()
    return leg


async def picks_up(place: Floor, name: str) -> Any:
    dial = await dial_of(place, name)
    event = CustomerAnswered(f"CA-{dial}", dial, f"customer-{dial}")
    answer = await place.desk.run(calls.customer_answered, PHONE, event, actor=PHONE)
    await place.settle()
    return answer


async def lines_of(place: Floor, name: str) -> list[str]:
    rows = await rows_of(place.desk, schema.message, interaction_id=place.names[name])
    return [row["text"] for row in sorted(rows, key=lambda row: row["seq"])]


async def history(place: Floor, name: str) -> str:
    """How it went, in the words of the customer's history."""
    (line,) = await place.desk.read(_line, place.names[name])
    return line.state


def _line(reader: Reader, interaction_id: str) -> list[TimelineView]:
    asked_for = (
        sa.select(*CONTACT_LINE).select_from(CONTACTS).where(schema.interaction.c.id == interaction_id)
    )
    return interaction_lines(reader.all(asked_for))


async def test_it_is_offered_after_a_while_to_those_who_can_be_called(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        known, withheld = await call_from(place, NUMBER), await call_from(place, None)
        await place.settle()
        for name in (known, withheld):
            answer = await heard(place, (await place.contact(name))["external_id"])
            assert isinstance(answer, Hold)
            assert not answer.offers_callback, "not yet"
        await passes(place, 30)
        offered = await heard(place, (await place.contact(known))["external_id"])
        assert isinstance(offered, Hold)
        assert offered.offers_callback
        assert "press 1" in offered.prompt.text
        other = await heard(place, (await place.contact(withheld))["external_id"])
        assert isinstance(other, Hold)
        assert not other.offers_callback
        assert isinstance(await press(place, withheld), Hold), "and the key does nothing for them"
        assert isinstance(await press(place, known, "2"), Hold), "nor does another key"
        assert await faults(place.desk) == []


async def test_agent_first_the_place_is_kept_and_the_customer_is_called_once(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        row = await place.contact(name)
        assert (row["state"], row["callback_at"]) == ("queued", place.clock.now())
        assert isinstance(await heard(place, row["external_id"]), HangUp)
        assert isinstance(await press(place, name), HangUp), "the key again changes nothing"
        await place.advance(1)
        later = await place.call()
        await place.advance(5)
        assert await place.told(later) == 2
        await place.say("bob", "ready")
        await place.settle()
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["interaction_id"] == row["id"]
        assert offer["because"]["callback"] == "agent"
        await place.accept(name)
        await place.settle()
        assert await rows_of(place.desk, schema.effect, subject=row["id"]) == [], "nobody is called yet"
        await softphone(place, name)
        await dial_of(place, name)
        await softphone(place, name)  # the softphone is reloaded and dials in again: the customer is not
        await dial_of(place, name)
        await fares(place, name, "ringing", 1)
        answer = await picks_up(place, name)
        assert answer == Join(row["id"], "customer")
        assert await picks_up(place, name) == answer
        await joined(place, name, f"CA-{row['id']}.1")
        row = await place.contact(name)
        assert row["state"] == "active"
        assert await faults(place.desk) == []
        await fares(place, name, "completed", 4)
        await place.finish(name)
        await place.settle()
        row = await place.contact(name)
        assert (row["state"], row["ended_by"]) == ("ended", "customer")
        said = [line for line in await lines_of(place, name) if line.startswith("callback.")]
        assert said == ["callback.asked", "callback.dialling", "callback.answered"]
        assert await faults(place.desk) == []


@pytest.mark.parametrize("how", ["busy", "no-answer"])
async def test_a_customer_who_is_not_reached_is_tried_again_and_then_a_ticket(db_url: str, how: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        row = await place.contact(name)
        for number in (1, 2):
            await place.say("bob", "ready")
            await place.settle()
            await place.accept(name)
            await softphone(place, name)
            await place.say("bob", "away")
            await fares(place, name, how)
            row = await place.contact(name)
            if number == 1:
                assert (row["state"], row["agent_id"]) == ("queued", None)
                await place.say("bob", "ready")
                await place.settle()
                assert await rows_of(place.desk, schema.offer, state="pending") == [], "they rest"
                await place.stop()
                place.start()  # also for a router that begins anew
                await place.settle()
                await passes(place, 59)
                assert await rows_of(place.desk, schema.offer, state="pending") == []
                assert await faults(place.desk) == []
                await place.advance(2)
                (offer,) = await rows_of(place.desk, schema.offer, state="pending")
                assert offer["because"]["missed"] == 1
        assert (row["state"], row["end_reason"]) == ("ended", "callback_missed")
        assert await history(place, name) == "callback_missed"
        told = [event for event in await rows_of(place.desk, schema.event) if event["data"].get("agent_id")]
        assert [event["kind"] for event in told if event["data"].get("reason") == "callback_missed"] == [
            "interaction.queued",
            "interaction.ended",
        ], "by these the console says why the contact has left"
        (ticket,) = await rows_of(place.desk, schema.ticket)
        assert ticket["queue_id"] == "service"
        said = [line for line in await lines_of(place, name) if line.startswith("callback.")]
        word = f"callback.{how.replace('-', '_')}"
        assert said == ["callback.asked", *["callback.dialling", word] * 2, "callback.given_up"]
        (stay,) = await rows_of(place.desk, schema.segment, interaction_id=row["id"])
        assert (stay["outcome"], stay["answered_at"]) == ("abandoned", None), (
            "nobody was spoken to in between"
        )
        assert await faults(place.desk) == []


async def test_the_call_is_given_up_when_nothing_is_heard_of_it(sqlite_url: str) -> None:
    """The carrier's message is lost: the agent waits for no longer than the phone rings, and a little."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        await softphone(place, name)
        assert await leaves(place, name)
        await place.desk.run(customer_calls.dialled, PHONE, place.names[name], 1, "CA-lost")
        (timer,) = await rows_of(place.desk, schema.timer, kind="connect_timeout")
        assert timer["due_at"] == place.clock.now() + 35 * SECOND
        await place.desk.run(calls.connect_timeout, place.names[name], timer["data"])
        await place.settle()
        row = await place.contact(name)
        state = pending(row)
        assert state is not None
        assert (row["state"], state.missed, state.dialling) == ("queued", 1, False)
        (agent,) = await rows_of(place.desk, schema.agent, id=place.names["bob"])
        assert agent["chosen"] == "ready", "it is not the agent's fault"
        hung_up = await rows_of(place.desk, schema.effect, kind="hang_up_call")
        assert "CA-lost" in {row["data"]["call_id"] for row in hung_up}
        late = CallChanged("CA-lost", CallStatus.CANCELED, "late", 9)
        await place.desk.run(calls.leg_changed, PHONE, late, actor=PHONE)
        assert pending(await place.contact(name)) == state, "its late end counts no other try"
        assert await faults(place.desk) == []


async def test_who_calls_again_takes_the_place_and_is_served_once(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        came = (await place.contact(name))["queued_at"]
        await place.advance(10)
        other = await place.call()
        again = await call_from(place, NUMBER)
        await place.settle()
        old, new = await place.contact(name), await place.contact(again)
        assert (old["state"], old["end_reason"]) == ("ended", "called_again")
        assert await history(place, name) == "called_again"
        assert (new["state"], new["queued_at"], new["callback_at"]) == ("queued", came, None)
        assert [await place.told(each) for each in (again, other)] == [1, 2]
        await place.say("bob", "ready")
        await place.settle()
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["interaction_id"] == new["id"]
        assert await rows_of(place.desk, schema.effect, kind="dial_customer") == []
        assert await faults(place.desk) == []


async def test_who_calls_while_an_agent_calls_them_is_not_called_again(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        await softphone(place, name)
        again = await call_from(place, NUMBER)
        await fares(place, name, "busy")
        old = await place.contact(name)
        assert (old["state"], old["end_reason"]) == ("ended", "called_again")
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["interaction_id"] == place.names[again], "and who waits is next"
        assert await rows_of(place.desk, schema.ticket) == []
        assert await faults(place.desk) == []


async def test_who_calls_while_the_desk_calls_them_has_the_place_and_that_call_ends(sqlite_url: str) -> None:
    """Customer first: nobody waits for them to answer, so nothing keeps the place from changing hands."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=CUSTOMER_FIRST)
        name = await asked(place)
        leg = await fares(place, name, "ringing", 1)
        again = await call_from(place, NUMBER)
        await place.settle()
        old, new = await place.contact(name), await place.contact(again)
        assert (old["state"], old["end_reason"]) == ("ended", "called_again")
        assert (new["state"], new["queued_at"]) == ("queued", old["queued_at"])
        (end,) = await rows_of(place.desk, schema.effect, kind="hang_up_call", subject=old["id"])
        assert end["data"]["call_id"] == leg
        assert await faults(place.desk) == []


async def test_an_agent_calls_it_off(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name, ordinary = await asked(place), await place.call()
        await place.desk.run(callbacks.cancel, place.names[name], place.names["bob"])
        await place.desk.run(callbacks.cancel, place.names[name], place.names["bob"])
        with pytest.raises(Conflict, match="No callback"):
            await place.desk.run(callbacks.cancel, place.names[ordinary], place.names["bob"])
        await place.settle()
        row = await place.contact(name)
        assert (row["state"], row["ended_by"], row["end_reason"]) == ("ended", "agent", "callback_cancelled")
        assert await history(place, name) == "callback_cancelled"
        await place.say("bob", "ready")
        await place.settle()
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["interaction_id"] == place.names[ordinary]
        assert await faults(place.desk) == []


@pytest.mark.parametrize("rings", [True, False])
async def test_an_agent_who_hangs_up_before_the_customer_is_reached_hands_it_back(
    db_url: str, *, rings: bool
) -> None:
    """The phone stops to ring; the promise stands, in its place, and nobody is offered it again at once."""
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        came = (await place.contact(name))["queued_at"]
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        leg = ""
        if rings:
            await softphone(place, name)
            leg = await fares(place, name, "ringing", 1)
        await place.end(name)
        await place.settle()
        if rings:
            hung_up = await rows_of(place.desk, schema.effect, kind="hang_up_call")
            assert leg in {row["data"]["call_id"] for row in hung_up}
            assert isinstance(await picks_up(place, name), HangUp), "who picks up in that moment is told"
            await fares(place, name, "canceled", 5)
        row = await place.contact(name)
        state = pending(row)
        assert state is not None
        assert (row["state"], row["queued_at"], row["agent_id"]) == ("queued", came, None)
        assert (row["answered_at"], row["end_reason"], state.missed) == (None, None, 0)
        assert await rows_of(place.desk, schema.timer, kind="connect_timeout") == []
        assert await rows_of(place.desk, schema.offer, state="pending") == [], "it rests"
        await passes(place, 59)
        assert await rows_of(place.desk, schema.offer, state="pending") == []
        await place.advance(2)
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert (offer["interaction_id"], offer["because"]["missed"]) == (row["id"], 0)
        assert await faults(place.desk) == []


async def test_who_has_called_again_is_not_called_once_the_agent_hands_it_back(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        await softphone(place, name)
        await place.advance(1)
        again = await call_from(place, NUMBER)
        await place.end(name)
        await place.settle()
        old = await place.contact(name)
        assert (old["state"], old["end_reason"]) == ("ended", "called_again")
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["interaction_id"] == place.names[again]
        assert await faults(place.desk) == []


@pytest.mark.parametrize("told_by", ["document", "status"])
async def test_who_picks_up_after_the_agent_was_lost_is_in_the_line_at_once(
    db_url: str, told_by: str
) -> None:
    """Not alone in a silent conference until its time is over."""
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        came = (await place.contact(name))["queued_at"]
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        leg = await softphone(place, name)
        await fares(place, name, "ringing", 1)
        gone = CallChanged(leg, CallStatus.COMPLETED, "gone", 9)
        await place.desk.run(calls.leg_changed, PHONE, gone, actor=PHONE)
        await place.say("bob", "away")
        if told_by == "status":
            await fares(place, name, "in-progress", 2)
        answer = await picks_up(place, name)
        assert isinstance(answer, Hold)
        row = await place.contact(name)
        assert (row["state"], row["queued_at"], row["agent_id"]) == ("queued", came, None)
        assert pending(row) is None
        assert await rows_of(place.desk, schema.timer, kind="connect_timeout") == []
        assert await faults(place.desk) == []
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        connect = await rows_of(place.desk, schema.effect, kind="connect_call", subject=row["id"])
        assert connect[-1]["data"]["call_id"] == f"CA-{row['id']}.1", "they are fetched, not called again"
        assert await faults(place.desk) == []


async def test_a_call_that_was_made_after_all_is_hung_up(sqlite_url: str) -> None:
    """Nobody knew whether it was made when the agent gave up: then it rests, and its first message ends it."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        await softphone(place, name)
        row = await place.contact(name)
        await place.desk.run(supervision.move_contact, row["id"], row["version"], "service", "he is ill")
        await place.settle()
        state = pending(await place.contact(name))
        assert state is not None
        assert (state.missed, state.rests_until) == (0, place.clock.now() + 60 * SECOND)
        assert await rows_of(place.desk, schema.offer, state="pending") == []
        leg = await fares(place, name, "ringing", 1)
        hung_up = await rows_of(place.desk, schema.effect, kind="hang_up_call")
        assert leg in {row["data"]["call_id"] for row in hung_up}
        await fares(place, name, "canceled")
        assert pending(await place.contact(name)) == state
        assert await faults(place.desk) == []


async def test_a_callback_that_is_moved_while_it_rings_is_one_in_the_other_line(sqlite_url: str) -> None:
    """With its place, and without using the number of a call again."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        came = (await place.contact(name))["queued_at"]
        await place.advance(5)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        await softphone(place, name)
        leg = await fares(place, name, "ringing", 1)
        row = await place.contact(name)
        await place.desk.run(supervision.move_contact, row["id"], row["version"], "sales", "they know more")
        await place.settle()
        row = await place.contact(name)
        assert (row["queue_id"], row["queued_at"]) == ("sales", came)
        assert pending(row) is not None
        hung_up = await rows_of(place.desk, schema.effect, kind="hang_up_call")
        assert leg in {each["data"]["call_id"] for each in hung_up}
        await place.accept(name)  # by who is ready there
        await softphone(place, name)
        assert await dial_of(place, name) == f"{row['id']}.2"
        assert isinstance(await picks_up(place, name), Join)
        assert await faults(place.desk) == []


@pytest.mark.parametrize("first", ["agent", "customer"])
async def test_nobody_is_called_who_is_still_on_the_line(sqlite_url: str, first: str) -> None:
    """They hear that they will be called, and would be busy; a lost message of their end holds it up for a minute."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback={**AGENT_FIRST, "first": first})
        names = []
        for number in (NUMBER, "+14155550112"):
            await place.advance(1)
            names.append(await call_from(place, number))
            await place.settle()
            await press(place, names[-1])
        await place.say("bob", "ready")
        await place.settle()

        async def begun() -> list[str]:
            dialled = await rows_of(place.desk, schema.effect, kind="dial_customer")
            offered = await rows_of(place.desk, schema.offer, state="pending")
            return [row["subject"] for row in dialled] + [row["interaction_id"] for row in offered]

        assert await begun() == []
        await place.hang_up(names[1])
        await place.settle()
        assert await begun() == [place.names[names[1]]]
        assert await faults(place.desk) == []
        await place.decline(names[1]) if first == "agent" else await fares(place, names[1], "busy")
        await passes(place, 58)
        await place.say("bob", "away")
        await place.say("bob", "ready")
        await place.settle()
        assert place.names[names[0]] not in await begun()
        await passes(place, 2)
        assert place.names[names[0]] in await begun()
        assert await faults(place.desk) == []


async def test_the_softphone_never_joins(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        (timer,) = await rows_of(place.desk, schema.timer, kind="connect_timeout")
        await place.desk.run(calls.connect_timeout, place.names[name], timer["data"])
        await place.settle()
        state = pending(await place.contact(name))
        assert state is not None
        assert (state.missed, state.rests_until) == (0, 0), "nobody was called"
        assert await rows_of(place.desk, schema.effect, kind="dial_customer") == []
        (agent,) = await rows_of(place.desk, schema.agent, id=place.names["bob"])
        assert (agent["chosen"], agent["reason"]) == ("away", "softphone_missing")
        assert await faults(place.desk) == []


async def test_a_key_that_comes_while_it_rings_at_an_agent_changes_nothing(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await call_from(place, NUMBER)
        await place.say("bob", "ready")
        await place.settle()
        assert isinstance(await press(place, name), Hold)
        await place.accept(name)
        await place.settle()
        assert (await place.contact(name))["callback_at"] is None
        assert await faults(place.desk) == []


async def test_the_rules_send_callers_to_be_called_back(db_url: str) -> None:
    """As an overflow step; who cannot be called stays in line."""
    async with floor(db_url) as place:
        await only_sales(place)
        step = {"when": "wait", "after_s": 10, "to": "callback"}
        await publish(place, callback=AGENT_FIRST, overflow=[step])
        known = await call_from(place, NUMBER)
        await place.advance(1)
        withheld = await call_from(place, None)
        await place.advance(11)
        row = await place.contact(known)
        assert row["callback_at"] is not None
        promised = await heard(place, row["external_id"])
        assert isinstance(promised, HangUp)
        assert promised.prompt is not None
        assert "call you back" in promised.prompt.text
        other = await place.contact(withheld)
        assert (other["state"], other["callback_at"]) == ("queued", None)
        await place.hang_up(known)
        await place.say("bob", "ready")
        await place.settle()
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["interaction_id"] == row["id"]
        assert await faults(place.desk) == []


async def test_who_lingers_in_a_conference_is_told_and_is_nobody_to_talk_to(sqlite_url: str) -> None:
    """They were put back by an agent, and nobody heard that they left the conference: an agent joins it alone."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await place.say("bob", "ready")
        name = await call_from(place, NUMBER)
        await place.settle()
        await place.accept(name)
        first = await place.contact(name)
        await joined(place, name, first["external_id"])
        await softphone(place, name)
        assert (await place.contact(name))["state"] == "active"
        await place.say("bob", "away")
        await publish(
            place, callback=AGENT_FIRST, overflow=[{"when": "wait", "after_s": 10, "to": "callback"}]
        )
        row = await place.contact(name)
        await place.desk.run(calls.put_back_call, row, "agent_lost")
        await passes(place, 11)
        told = await rows_of(place.desk, schema.effect, kind="put_back_call")
        assert {each["data"]["call_id"] for each in told} == {first["external_id"]}
        assert isinstance(await heard(place, first["external_id"]), HangUp)
        await place.say("bob", "ready")
        await passes(place, 61)
        await place.accept(name)
        row = await place.contact(name)
        leg = f"soft-again-{row['attempts']}"
        event = AgentDialled(leg, row["agent_id"], row["id"], f"dial-{leg}")
        await place.desk.run(calls.agent_dialled, PHONE, event, actor=PHONE)
        await joined(place, name, leg)
        assert (await place.contact(name))["state"] == "connecting"
        await fares(place, name, "no-answer")
        assert (await place.contact(name))["state"] == "queued"
        assert await faults(place.desk) == []


async def test_a_key_that_came_while_it_rang_counts_when_it_is_pressed_again(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await call_from(place, NUMBER)
        await place.say("bob", "ready")
        await place.settle()
        assert isinstance(await press(place, name), Hold)
        assert pending(await place.contact(name)) is None
        await place.decline(name)
        await place.say("bob", "away")
        await place.settle()
        assert isinstance(await press(place, name), HangUp)
        assert pending(await place.contact(name)) is not None


async def test_who_is_put_back_hears_so_though_it_rings_at_the_next_agent_at_once(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await place.say("bob", "ready")
        name = await call_from(place, NUMBER)
        await place.settle()
        await place.accept(name)
        await joined(place, name, (await place.contact(name))["external_id"])
        await softphone(place, name)
        await place.say("ann", "ready")
        await place.desk.run(calls.put_back_call, await place.contact(name), "agent_lost")
        await place.settle()
        row = await place.contact(name)
        assert (row["state"], row["attempts"]) == ("offered", 2)
        (back,) = await rows_of(place.desk, schema.effect, kind="put_back_call")
        fence = await place.desk.run(take, "outbox", "nod_test")
        assert await place.desk.run(claim, back["position"], "outbox", fence)


async def test_who_is_sent_to_be_called_back_is_told_at_once(sqlite_url: str) -> None:
    """Not after the music, which may be longer than they are given to leave the line."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=CUSTOMER_FIRST)
        name = await call_from(place, NUMBER)
        await place.settle()
        row = await place.contact(name)
        assert await place.desk.run(callbacks.overflowed, row)
        (back,) = await rows_of(place.desk, schema.effect, kind="put_back_call")
        assert back["data"]["call_id"] == row["external_id"]


async def test_who_answers_in_the_last_second_has_time_to_join(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        await softphone(place, name)
        await passes(place, 34)
        assert isinstance(await picks_up(place, name), Join)
        (timer,) = await rows_of(place.desk, schema.timer, kind="connect_timeout")
        assert timer["due_at"] - place.clock.now() >= 10 * SECOND


# --- customer first ---------------------------------------------------------------------------------------------


async def test_customer_first_who_answers_is_offered_at_once_ahead_of_all(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=CUSTOMER_FIRST)
        await dan_is_busy(place)
        first = await place.call()
        name = await asked(place)
        await place.advance(1)
        later = await place.call()
        await place.settle()
        assert dials(await place.contact(name)) == 0, "it is not their turn"
        await place.hang_up(first)
        await place.settle()
        row = await place.contact(name)
        assert dials(row) == 1
        await place.stop()
        place.start()  # a router that begins anew dials nobody again
        await place.settle()
        await dial_of(place, name)
        assert await faults(place.desk) == []
        await place.say("bob", "ready")
        await place.settle()
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["interaction_id"] == place.names[later], "who is only being called holds up nobody"
        await place.decline(later)
        await place.hang_up(later)
        await place.call()
        await place.settle()
        await place.say("bob", "away")
        await place.say("bob", "ready")
        answer = await picks_up(place, name)
        assert isinstance(answer, Hold)
        assert "Test Works" in answer.prompt.text
        await place.say("bob", "away")
        await place.settle()
        config = await place.desk.read(lambda reader: reader.config)
        assert not may_be_asked_for(config, await place.contact(name)), "they were called back already"
        assert may_be_asked_for(config, {**await place.contact(name), "hints": None}), "as any caller"
        await place.say("bob", "ready")
        await place.settle()
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["interaction_id"] == row["id"]
        assert offer["because"]["kept"] == "callback"
        await place.accept(name)
        connect = await rows_of(place.desk, schema.effect, kind="connect_call", subject=row["id"])
        assert [each["data"]["call_id"] for each in connect] == [f"CA-{row['id']}.1"]
        assert await faults(place.desk) == []


async def test_customer_first_nobody_is_called_before_somebody_works(db_url: str) -> None:
    """Who answered at night would hear music, and nobody would come."""
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=CUSTOMER_FIRST, hours=CLOSED_ALWAYS)
        name = await asked(place)
        await dan_is_busy(place)
        await passes(place, 61)
        assert dials(await place.contact(name)) == 0, "the queue is closed"
        await place.say("dan", "away")
        await publish(place, callback=CUSTOMER_FIRST)
        await passes(place, 61)
        assert dials(await place.contact(name)) == 0, "nobody is there"
        await place.say("dan", "ready")
        await place.settle()
        await dial_of(place, name)
        assert dials(await place.contact(name)) == 1
        assert await faults(place.desk) == []


async def test_customer_first_who_does_not_answer_in_time_is_called_again_and_then_a_ticket(
    sqlite_url: str,
) -> None:
    async with floor(sqlite_url) as place:
        name = await asked_customer_first(place)
        await place.settle()
        assert dials(await place.contact(name)) == 1
        assert await leaves(place, name)
        await passes(place, 36)  # nothing is heard of it
        row = await place.contact(name)
        state = pending(row)
        assert state is not None
        assert (row["state"], state.missed, state.dialling) == ("queued", 1, False)
        await passes(place, 61)
        assert dials(await place.contact(name)) == 2
        await fares(place, name, "busy")
        row = await place.contact(name)
        assert (row["state"], row["end_reason"]) == ("ended", "callback_missed")
        assert len(await rows_of(place.desk, schema.ticket)) == 1
        assert await faults(place.desk) == []


async def test_customer_first_who_hangs_up_in_line_has_abandoned(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        name = await asked_customer_first(place)
        await place.settle()
        await picks_up(place, name)
        leg = f"CA-{place.names[name]}.1"
        waits = await heard(place, leg)
        assert isinstance(waits, Hold)
        await fares(place, name, "completed", 5)
        row = await place.contact(name)
        assert (row["state"], row["ended_by"], row["end_reason"]) == ("ended", "customer", "customer_hung_up")
        assert await faults(place.desk) == []


async def test_a_callback_is_pulled(sqlite_url: str) -> None:
    """By hand, out of its turn: the agent's softphone joins, then the customer is called."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await place.desk.run(pull.pull_contact, place.names[name], place.names["bob"])
        await softphone(place, name)
        await dial_of(place, name)
        await place.settle()
        assert isinstance(await picks_up(place, name), Join)
        assert await faults(place.desk) == []


async def test_customer_first_the_time_to_answer_runs_once_the_request_has_left(db_url: str) -> None:
    """Before that their call waits for its turn at the carrier, and no phone rings."""
    async with floor(db_url) as place:
        name = await asked_customer_first(place)
        await passes(place, 50)  # longer than they have to answer
        state = pending(await place.contact(name))
        assert state is not None
        assert (state.missed, state.dialling) == (0, True)
        assert await leaves(place, name)
        await passes(place, 34)
        await place.stop()
        place.start()  # also for a router that begins anew
        await place.settle()
        state = pending(await place.contact(name))
        assert state is not None
        assert (state.missed, state.dialling) == (0, True)
        await passes(place, 1)
        state = pending(await place.contact(name))
        assert state is not None
        assert (state.missed, state.dialling) == (1, False)
        assert await faults(place.desk) == []


@pytest.mark.parametrize("outbox_works", [True, False])
async def test_customer_first_a_call_that_never_left_is_put_off_and_no_try(
    sqlite_url: str, outbox_works: bool
) -> None:
    async with floor(sqlite_url) as place:
        name = await asked_customer_first(place)
        if outbox_works:
            await passes(place, TURN_WITHIN // SECOND + 1)
            assert not await leaves(place, name), "it is too late for it"
        else:
            await passes(place, TURN_WITHIN // SECOND + 35)
        row = await place.contact(name)
        state = pending(row)
        assert state is not None
        assert (row["state"], state.missed, state.dialling) == ("queued", 0, False)
        assert state.rests_until == place.clock.now() + 60 * SECOND
        assert (await lines_of(place, name))[-1] == "callback.put_off"
        assert await faults(place.desk) == []
        await passes(place, 61)
        assert dials(await place.contact(name)) == 2
        assert await leaves(place, name)
        assert await faults(place.desk) == []


async def test_customer_first_a_call_that_the_carrier_did_not_take_is_no_try(db_url: str) -> None:
    """It asks for more patience than they have to answer: nothing rang, so the call waits on for its turn."""
    async with floor(db_url) as place:
        name = await asked_customer_first(place)
        assert await leaves(place, name)
        dial = newest_dial(await place.contact(name))
        (effect,) = await rows_of(place.desk, schema.effect, key=dial.key)
        again_at = place.clock.now() + 45 * SECOND
        await place.desk.run(customer_calls.not_taken, effect["position"], 1, dial, again_at)
        await passes(place, 50)  # longer than they have to answer
        state = pending(await place.contact(name))
        assert state is not None
        assert (state.missed, state.dialling) == (0, True)
        await passes(place, TURN_WITHIN // SECOND + 35 - 50)
        row = await place.contact(name)
        state = pending(row)
        assert state is not None
        assert (row["state"], state.missed, state.dialling) == ("queued", 0, False)
        assert (await lines_of(place, name))[-1] == "callback.put_off"
        assert await faults(place.desk) == []


async def test_agent_first_a_call_that_never_left_frees_the_agent_and_is_no_try(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        await softphone(place, name)
        (timer,) = await rows_of(place.desk, schema.timer, kind="connect_timeout")
        place.clock.advance(timer["due_at"] - place.clock.now())
        await place.desk.run(calls.connect_timeout, place.names[name], timer["data"])
        await place.settle()
        row = await place.contact(name)
        state = pending(row)
        assert state is not None
        assert (row["state"], row["agent_id"], state.missed, state.dialling) == ("queued", None, 0, False)
        (agent,) = await rows_of(place.desk, schema.agent, id=place.names["bob"])
        assert agent["chosen"] == "ready", "it is not the agent's fault"
        assert (await lines_of(place, name))[-1] == "callback.put_off"
        told = [row["data"] for row in await rows_of(place.desk, schema.event, kind="interaction.queued")]
        assert (told[-1]["reason"], told[-1]["agent_id"]) == ("callback_put_off", place.names["bob"])
        assert await faults(place.desk) == []


async def test_a_call_that_is_called_off_while_it_waits_for_its_turn_never_leaves(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        name = await asked_customer_first(place)
        (effect,) = await rows_of(place.desk, schema.effect, kind="dial_customer")
        await place.desk.run(callbacks.cancel, place.names[name], place.names["bob"])
        fence = await place.desk.run(take, "outbox", "nod_test")
        assert not await place.desk.run(claim, effect["position"], "outbox", fence)
        (effect,) = await rows_of(place.desk, schema.effect, kind="dial_customer")
        assert (effect["state"], effect["detail"], effect["tried_at"]) == ("dropped", None, None)


@pytest.mark.parametrize("rule", [AGENT_FIRST, CUSTOMER_FIRST])
async def test_a_promise_whose_turn_does_not_come_ends_and_a_ticket_tells_a_person(
    db_url: str, rule: dict[str, Any]
) -> None:
    """Nobody serves the queue: once, at its time, also for a router that begins anew in between."""
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback={**rule, "lasts_h": 2})
        name = await asked(place)
        began = (await place.contact(name))["callback_at"]
        await passes(place, 3_600)
        await place.stop()
        place.start()
        await place.settle()
        left_s = 7_200 - (place.clock.now() - began) // SECOND
        await passes(place, left_s - 1)
        assert (await place.contact(name))["state"] == "queued"
        assert await faults(place.desk) == []
        await passes(place, 1)
        row = await place.contact(name)
        assert (row["state"], row["ended_by"], row["end_reason"]) == ("ended", "system", "callback_expired")
        assert row["ended_at"] - row["callback_at"] == 7_200 * SECOND
        assert await history(place, name) == "callback_expired"
        assert await lines_of(place, name) == ["callback.asked", "callback.expired"]
        (ticket,) = await rows_of(place.desk, schema.ticket)
        assert "did not come within 2 h" in ticket["description"]
        assert await rows_of(place.desk, schema.effect, kind="dial_customer") == []
        await place.stop()
        place.start()
        await place.settle()
        await place.say("bob", "ready")
        await passes(place, 7_200)
        assert len(await rows_of(place.desk, schema.ticket)) == 1
        assert await rows_of(place.desk, schema.offer, interaction_id=row["id"]) == []
        assert await faults(place.desk) == []


@pytest.mark.parametrize(("misses", "how_often"), [(1, "once"), (2, "2 times")])
async def test_of_a_promise_that_ends_after_a_try_nobody_says_that_its_turn_did_not_come(
    sqlite_url: str, misses: int, how_often: str
) -> None:
    """Whoever reads the ticket knows that the customer was called."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        rule = {**CUSTOMER_FIRST, "tries": 3, "lasts_h": 1}
        await publish(place, callback=rule)
        await dan_is_busy(place)
        name = await asked(place)
        for nth in range(misses):
            await passes(place, 61 * nth)
            assert await leaves(place, name)
            await fares(place, name, "no-answer")
        await publish(place, callback=rule, hours=CLOSED_ALWAYS)
        await passes(place, 3_600)
        row = await place.contact(name)
        assert (row["state"], row["end_reason"]) == ("ended", "callback_expired")
        assert (await lines_of(place, name))[-1] == "callback.expired_unreached"
        (ticket,) = await rows_of(place.desk, schema.ticket)
        assert f"they were called {how_often} without an answer" in ticket["description"]
        assert await faults(place.desk) == []


async def test_a_promise_that_a_person_makes_shorter_ends_for_those_who_wait(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place)
        await passes(place, 5_000)
        assert (await place.contact(name))["state"] == "queued"
        await publish(place, callback={**AGENT_FIRST, "lasts_h": 1})
        await place.settle()
        assert (await place.contact(name))["end_reason"] == "callback_expired"
        assert await faults(place.desk) == []


async def test_who_is_called_when_the_promise_ends_may_still_answer(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback={**CUSTOMER_FIRST, "lasts_h": 1})
        name = await asked(place)
        await passes(place, 3_600 - 10)
        await dan_is_busy(place)
        assert await leaves(place, name)
        await passes(place, 20)
        assert await picks_up(place, name) != HangUp()
        await passes(place, 3_600)
        assert (await place.contact(name))["state"] == "queued"
        assert pending(await place.contact(name)) is None, "they are on the line"
        assert await faults(place.desk) == []


async def test_who_called_again_and_was_served_is_owed_nothing_when_the_promise_ends(sqlite_url: str) -> None:
    """They chose another queue, whence a supervisor moved them into this one: that takes no callback over."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback={**AGENT_FIRST, "lasts_h": 1})
        name = await asked(place)
        row = await place.contact(again := await call_from(place, NUMBER, "phone-menu"))
        chosen = DigitsPressed(row["external_id"], "2", "menu-sales")
        await place.desk.run(calls.choose, "phone-menu", chosen)
        await place.settle()
        row = await place.contact(again)
        await place.desk.run(supervision.move_contact, row["id"], row["version"], "service", "wrong queue")
        await passes(place, 3_600)
        assert (await place.contact(name))["end_reason"] == "called_again"
        assert await rows_of(place.desk, schema.ticket) == []
