"""Whole stories through the actions, each step checked by the desk's fixture."""

import asyncio

import pytest

from channels.contract import (
    CallChanged,
    CallStarted,
    CallStatus,
    ChatClosed,
    DigitsPressed,
    HangUp,
    Hold,
    MessageReceived,
)
from routing import decisions as decided
from routing.model import Offer
from service_desk.actions import agents, calls, chats, messages, offers, reclaim, sockets, tickets, wrap_up
from service_desk.desk import Desk
from service_desk.errors import (
    Conflict,
    Invalid,
    InvalidTransition,
    NotFound,
    OfferClosed,
    StaleVersion,
    TooLarge,
)
from service_desk.queries import chat, live, wallboard
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx
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


async def test_a_call_from_ring_to_wrap_up(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    offer = await offer_to(desk, contact, ann)
    snapshot = await desk.read(live.snapshot, ann)
    assert list(snapshot.offers) == [offer]
    assert [card.customer.display_name for card in snapshot.cards.values()] == ["+1 415-555-0100"]

    row = await desk.run(offers.accept_offer, offer, ann, actor=ann)
    assert row["state"] == "connecting"
    await join_both(desk, contact, ann, "CA1")
    assert (await row_of(desk, schema.interaction, contact))["state"] == "active"

    await desk.run(messages.add_note, contact, ann, "asked about delivery", "n1", actor=ann)
    ticket = await desk.run(_open_ticket, contact, actor=ann)
    assert ticket["number"] > 10_000

    gone = CallChanged("CA1", CallStatus.COMPLETED, "end-CA1", 5)
    await desk.run(calls.leg_changed, PHONE, gone, actor=PHONE)
    assert (await row_of(desk, schema.interaction, contact))["state"] == "wrap_up"
    done = await desk.run(wrap_up.finish, contact, ann, "done", "all well", actor=ann)
    assert (done["state"], done["disposition"]) == ("ended", "done")
    after = await desk.read(live.snapshot, ann)
    assert (after.offers, after.interactions, after.entries, after.cards) == ({}, {}, {}, {})
    effects = await rows_of(desk, schema.effect)
    assert [effect["kind"] for effect in effects] == ["connect_call", "hang_up_call"]


def _open_ticket(tx: Tx, contact: str) -> Row:
    return tickets.open_ticket(
        tx,
        subject="Late delivery",
        description="",
        priority="normal",
        queue_id=None,
        customer_id=None,
        interaction_id=contact,
        assignee_id=None,
    )


async def test_the_same_call_twice_is_one_interaction(desk: Desk) -> None:
    event = CallStarted("CA1", "+14155550100", "+15005550006", "token-1")
    again = CallStarted("CA1", "+14155550100", "+15005550006", "token-1")
    answers = await asyncio.gather(
        desk.run(calls.start_call, PHONE, event), desk.run(calls.start_call, PHONE, again)
    )
    assert all(isinstance(answer, Hold) for answer in answers)
    assert len(await rows_of(desk, schema.interaction)) == 1
    assert len(await rows_of(desk, schema.input_)) == 1


async def test_a_withheld_number_is_handled(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1", caller=None)
    await offer_to(desk, contact, ann)
    snapshot = await desk.read(live.snapshot, ann)
    assert [view.title for view in snapshot.interactions.values()] == ["Withheld number"]
    assert snapshot.cards == {}


async def test_menu_wrong_digits_then_default(desk: Desk) -> None:
    contact = await phone(desk, "CA1", account="phone-menu")
    assert (await row_of(desk, schema.interaction, contact))["state"] == "menu"
    for attempt in (1, 2):
        press = DigitsPressed("CA1", "9", f"d{attempt}", attempt)
        await desk.run(calls.choose, "phone-menu", press)
    last = await desk.run(calls.choose, "phone-menu", DigitsPressed("CA1", "", "d3", 3))
    assert isinstance(last, Hold)
    assert (await row_of(desk, schema.interaction, contact))["queue_id"] == "service"


async def test_menu_choice_decides_the_queue(desk: Desk) -> None:
    contact = await phone(desk, "CA1", account="phone-menu")
    await desk.run(calls.choose, "phone-menu", DigitsPressed("CA1", "2", "d1"))
    assert (await row_of(desk, schema.interaction, contact))["queue_id"] == "sales"


async def test_two_accepts_one_winner(desk: Desk) -> None:
    ann, bob = await make_agent(desk, "ann"), await make_agent(desk, "bob")
    contact = await phone(desk, "CA1")
    offer = await offer_to(desk, contact, ann)
    results = await asyncio.gather(
        desk.run(offers.accept_offer, offer, ann),
        desk.run(offers.accept_offer, offer, bob),
        desk.run(offers.accept_offer, offer, ann),
        return_exceptions=True,
    )
    assert isinstance(results[1], NotFound), "an offer is for one agent"
    assert results[0]["agent_id"] == results[2]["agent_id"] == ann  # type: ignore[index]  # rows, not errors
    answered = [e for e in await rows_of(desk, schema.event) if e["kind"] == "interaction.answered"]
    assert len(answered) == 1


async def test_expired_offer_goes_back_to_its_place_and_benches(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    before = await row_of(desk, schema.interaction, contact)
    offer_id = await offer_to(desk, contact, ann)
    deadline = (await row_of(desk, schema.offer, offer_id))["deadline"]
    offer = Offer(offer_id, contact, ann, 0, deadline, 1)
    made = [decided.OfferExpired(offer, {}), decided.AgentBenched(ann, "no_answer", offer_id, {})]
    assert await desk.run(offers.apply_decisions, made, 1) == []
    after = await row_of(desk, schema.interaction, contact)
    assert (after["state"], after["queued_at"], after["ordering_key"]) == (
        "queued",
        before["queued_at"],
        before["ordering_key"],
    )
    agent = await row_of(desk, schema.agent, ann)
    assert (agent["chosen"], agent["reason"]) == ("away", "no_answer")
    with pytest.raises(OfferClosed) as refused:
        await desk.run(offers.accept_offer, offer_id, ann)
    assert refused.value.extras == {"reason": "expired"}


async def test_a_decision_that_comes_too_late_is_refused(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    await desk.run(calls.leg_changed, PHONE, CallChanged("CA1", CallStatus.COMPLETED, "e1", 2))
    late = decided.OfferMade(Offer(f"{contact}.1", contact, ann, 0, 10**18, 1), {})
    assert await desk.run(offers.apply_decisions, [late], 1) == [(late, "item")]
    await set_state(desk, ann, "away", "break")
    other = await phone(desk, "CA2")
    to_absent = decided.OfferMade(Offer(f"{other}.1", other, ann, 0, 10**18, 1), {})
    assert await desk.run(offers.apply_decisions, [to_absent], 1) == [(to_absent, "agent")]


async def test_caller_hangs_up_while_it_rings(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    offer = await offer_to(desk, contact, ann)
    await desk.run(calls.leg_changed, PHONE, CallChanged("CA1", CallStatus.COMPLETED, "e1", 2))
    assert (await desk.read(live.snapshot, ann)).offers == {}
    with pytest.raises(OfferClosed):
        await desk.run(offers.accept_offer, offer, ann)
    assert (await row_of(desk, schema.interaction, contact))["end_reason"] == "customer_hung_up"


async def test_late_and_doubled_leg_messages_change_nothing(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    await join_both(desk, contact, ann, "CA1")
    await desk.run(calls.leg_changed, PHONE, CallChanged("CA1", CallStatus.COMPLETED, "e9", 9))
    before = len(await rows_of(desk, schema.event))
    await desk.run(calls.leg_changed, PHONE, CallChanged("CA1", CallStatus.RINGING, "e2", 2))
    await desk.run(calls.leg_changed, PHONE, CallChanged("CA1", CallStatus.COMPLETED, "e9", 9))
    assert len(await rows_of(desk, schema.event)) == before


async def test_agent_lost_and_back_within_the_time(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    await join_both(desk, contact, ann, "CA1")
    await desk.run(sockets.closed, ["sid-ann"])
    await desk.run(agents.lost, ann, {})
    assert (await row_of(desk, schema.agent, ann))["lost_at"] is not None
    await desk.run(sockets.opened, "node-1", [sockets.Arrival("sid-2", ann, "session-ann")])
    await desk.run(reclaim.reclaim, ann, {})
    assert (await row_of(desk, schema.interaction, contact))["agent_id"] == ann
    assert (await row_of(desk, schema.agent, ann))["chosen"] == "ready"


async def test_a_call_is_not_taken_from_who_talks_though_their_console_is_gone(desk: Desk) -> None:
    """Their leg is alive. When it ends, the call has its time to wait for them, and then goes back."""
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    queued = (await row_of(desk, schema.interaction, contact))["queued_at"]
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    leg = await join_both(desk, contact, ann, "CA1")
    await desk.run(sockets.closed, ["sid-ann"])
    await desk.run(agents.lost, ann, {})
    await desk.run(reclaim.reclaim, ann, {})
    row = await row_of(desk, schema.interaction, contact)
    assert (row["state"], row["agent_id"]) == ("active", ann)
    (later,) = await rows_of(desk, schema.timer, kind="agent_reclaim", subject=ann)
    await desk.run(
        calls.leg_changed, PHONE, CallChanged(leg, CallStatus.COMPLETED, "end-leg", 5), actor=PHONE
    )
    (rejoin,) = await rows_of(desk, schema.timer, kind="rejoin_timeout", subject=contact)
    assert later["due_at"] <= rejoin["due_at"]
    await desk.run(calls.rejoin_timeout, contact, rejoin["data"])
    row = await row_of(desk, schema.interaction, contact)
    assert (row["state"], row["agent_id"], row["queued_at"]) == ("queued", None, queued)


async def test_agent_lost_for_good_gives_the_call_back(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    queued = (await row_of(desk, schema.interaction, contact))["queued_at"]
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    leg = await join_both(desk, contact, ann, "CA1")
    await desk.run(sockets.closed, ["sid-ann"])
    await desk.run(agents.lost, ann, {})
    await desk.run(
        calls.leg_changed, PHONE, CallChanged(leg, CallStatus.COMPLETED, "end-leg", 5), actor=PHONE
    )
    await desk.run(reclaim.reclaim, ann, {})
    row = await row_of(desk, schema.interaction, contact)
    assert (row["state"], row["agent_id"], row["queued_at"]) == ("queued", None, queued)
    kinds = [effect["kind"] for effect in await rows_of(desk, schema.effect)]
    assert kinds == ["connect_call", "put_back_call"]


async def test_softphone_that_never_joins(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    await desk.run(calls.connect_timeout, contact, {"agent_id": ann})
    assert (await row_of(desk, schema.interaction, contact))["state"] == "queued"
    assert (await row_of(desk, schema.agent, ann))["reason"] == "softphone_missing"


async def test_somebody_elses_softphone_is_refused(desk: Desk) -> None:
    from channels.contract import AgentDialled

    ann, bob = await make_agent(desk, "ann"), await make_agent(desk, "bob")
    contact = await phone(desk, "CA1")
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    answer = await desk.run(calls.agent_dialled, PHONE, AgentDialled("CA9", bob, contact, "d9"))
    assert isinstance(answer, HangUp)


async def test_a_chat_from_open_to_end(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    visitor, contact = await open_chat(desk, "Vera", "my oven is cold", mailbox="Vera@Example.org")
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    assert (await row_of(desk, schema.interaction, contact))["state"] == "active"
    await desk.run(messages.say_as_agent, contact, ann, "which model?", "a1")
    await desk.run(messages.say_as_agent, contact, ann, "which model?", "a1")
    await desk.run(messages.add_note, contact, ann, "internal words", "n1")
    more = MessageReceived(f"{visitor}.k1", "k2", visitor, "an old one", "say-2")
    await desk.run(chats.receive_message, "demo", more)
    await desk.run(chats.receive_message, "demo", more)
    await desk.run(chats.visitor_online, contact, False)
    await desk.run(chats.visitor_online, contact, True)
    seen = await desk.read(chat.chat_view, visitor, "token")
    assert [(entry.seq, entry.text) for entry in seen.entries] == [
        (1, "my oven is cold"),
        (2, "which model?"),
        (3, "an old one"),
    ]
    await desk.run(chats.close_chat, "demo", ChatClosed(f"{visitor}.k1", "c1"))
    with pytest.raises(Conflict):
        await desk.run(messages.say_as_agent, contact, ann, "too late", "a2")
    await desk.run(wrap_up.finish, contact, ann, "done", "")
    assert (await row_of(desk, schema.interaction, contact))["ended_by"] == "customer"


async def test_nobody_there_keeps_the_words_as_a_ticket(desk: Desk) -> None:
    visitor, contact = await open_chat(desk, "Vera", "please call me")
    view = await desk.read(chat.chat_view, visitor, "token")
    assert view.status.state == "offline"
    ticket = (await rows_of(desk, schema.ticket))[0]
    assert (ticket["number"], ticket["description"]) == (view.status.ticket_number, "please call me")
    assert (await row_of(desk, schema.interaction, contact))["end_reason"] == "nobody_there"


async def test_words_that_do_not_fit_are_refused(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    visitor, contact = await open_chat(desk, "Vera", "hello")
    for text, error in (("", Invalid), ("\x00 \x07", Invalid), ("x" * 100_000, TooLarge)):
        event = MessageReceived(f"{visitor}.k1", f"k{len(text)}", visitor, text, f"s{len(text)}")
        with pytest.raises(error):
            await desk.run(chats.receive_message, "demo", event)
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    with pytest.raises(Invalid):
        await desk.run(messages.say_as_agent, contact, ann, "  ", "a1")


async def test_ticket_moves_and_versions(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    contact = await phone(desk, "CA1")
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    ticket = await desk.run(_open_ticket, contact)
    closed = await desk.run(tickets.change_ticket, ticket["id"], 1, {"status": "closed"})
    assert closed["closed_at"] is not None
    with pytest.raises(StaleVersion):
        await desk.run(tickets.change_ticket, ticket["id"], 1, {"subject": "other"})
    with pytest.raises(InvalidTransition):
        await desk.run(tickets.change_ticket, ticket["id"], 2, {"status": "pending"})
    again = await desk.run(tickets.change_ticket, ticket["id"], 2, {"status": "open", "priority": "high"})
    assert (again["closed_at"], again["priority"]) == (None, "high")
    await desk.run(tickets.note_ticket, ticket["id"], ann, "called the depot", "n1")
    await desk.run(tickets.link_interaction, ticket["id"], contact)
    page = await desk.read(live.snapshot, ann)
    assert next(iter(page.interactions.values())).ticket_ids == [ticket["id"]]


async def test_new_caller_is_made_once_under_a_race(desk: Desk) -> None:
    await asyncio.gather(*(phone(desk, f"CA{number}", "+14155550177") for number in range(20)))
    assert len(await rows_of(desk, schema.customer)) == 1
    assert len({row["customer_id"] for row in await rows_of(desk, schema.interaction)}) == 1


async def test_board_shows_what_is(desk: Desk) -> None:
    ann = await make_agent(desk, "ann")
    await make_agent(desk, "bob", ready=False)
    contact = await phone(desk, "CA1")
    await phone(desk, "CA2")
    await desk.run(offers.accept_offer, await offer_to(desk, contact, ann), ann)
    board = await desk.read(wallboard.compute_board)
    queue = next(q for q in board.queues if q.id == "service")
    assert (queue.waiting, queue.active, queue.agents_busy) == (1, 1, 1)
    assert [(agent.name, agent.status) for agent in board.agents] == [("Ann", "busy")]
