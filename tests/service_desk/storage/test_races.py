"""Two nodes act on one thing at the same moment: one wins, the other is told, the rows fit the log.

On PostgreSQL only: SQLite has one writer and so hides every race.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest
import sqlalchemy as sa

from channels.contract import CallbackAsked, CallChanged, CallStarted, CallStatus, MessageReceived
from routing.decisions import AgentBenched, OfferExpired, OfferMade, OfferWithdrawn, WrapUpExpired
from routing.model import Offer
from service_desk.actions import (
    admin,
    agents,
    calls,
    chats,
    customers,
    messages,
    offers,
    sockets,
    tickets,
    wrap_up,
)
from service_desk.actions.once import once
from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.domain.contact_point import fold_phone
from service_desk.errors import Conflict, DeskError, OfferClosed, StaleVersion
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Row, Tx
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import PHONE, make_agent, open_chat, phone, row_of, rows_of
from tests.service_desk.storage.two_nodes import Act, Outcome, faults, nodes, race

pytestmark = pytest.mark.postgres

RACES = 16


@pytest.fixture
async def pair(postgres_url: str) -> AsyncIterator[tuple[Desk, Desk]]:
    async with nodes(postgres_url) as (left, right):
        yield left, right


def offer_of(contact: str, agent_id: str, now: int, attempt: int = 1) -> Offer:
    return Offer(f"{contact}.{attempt}", contact, agent_id, now, now + 20 * SECOND, attempt)


async def ringing(desk: Desk, count: int = RACES) -> list[Offer]:
    """That many calls, each ringing at an agent of its own."""
    people = await asyncio.gather(*(make_agent(desk, f"agent{number}") for number in range(count)))
    contacts = await asyncio.gather(
        *(phone(desk, f"CA{number}", f"+1415555{number:04d}") for number in range(count))
    )
    made = [offer_of(c, a, desk.clock.now()) for c, a in zip(contacts, people, strict=True)]
    refused = await desk.run(offers.apply_decisions, [OfferMade(offer) for offer in made], 1)
    assert refused == []
    return made


async def talking(desk: Desk, count: int = RACES) -> list[Offer]:
    """That many accepted calls."""
    made = await ringing(desk, count)
    await asyncio.gather(*(desk.run(offers.accept_offer, offer.id, offer.agent) for offer in made))
    return made


async def wrapping(desk: Desk, count: int = RACES) -> list[Offer]:
    """That many calls that their agents ended."""
    made = await talking(desk, count)
    await asyncio.gather(*(desk.run(wrap_up.end_contact, offer.item, offer.agent) for offer in made))
    return made


def act(action: Any, *args: Any, actor: str = "system") -> Act:
    return lambda desk: desk.run(action, *args, actor=actor)


def accepting(offer: Offer) -> Act:
    return act(offers.accept_offer, offer.id, offer.agent, actor=offer.agent)


def deciding(*decisions: Any) -> Act:
    return act(offers.apply_decisions, list(decisions), 1, actor="router")


def hanging_up(desk_call: str) -> Act:
    gone = CallChanged(desk_call, CallStatus.COMPLETED, f"end-{desk_call}", 9)
    return act(calls.leg_changed, PHONE, gone, actor=PHONE)


async def call_id(desk: Desk, offer: Offer) -> str:
    return str((await row_of(desk, schema.interaction, offer.item))["external_id"])


async def kinds(desk: Desk, subject: str) -> Counter[str]:
    return Counter(row["kind"] for row in await rows_of(desk, schema.event, subject=subject))


def unexpected(outcomes: list[tuple[Outcome, Outcome]]) -> list[BaseException]:
    """Anything that is no refusal of ours: deadlocks, stale rows, broken constraints."""
    return [
        outcome
        for both in outcomes
        for outcome in both
        if isinstance(outcome, BaseException) and not isinstance(outcome, DeskError)
    ]


async def test_double_click_on_two_nodes(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    made = await ringing(left)
    outcomes = await race(left, right, [(accepting(offer), accepting(offer)) for offer in made])
    assert unexpected(outcomes) == []
    for offer, (one, other) in zip(made, outcomes, strict=True):
        assert one["agent_id"] == other["agent_id"] == offer.agent
        assert (await kinds(left, offer.item))["interaction.answered"] == 1
    assert len(await rows_of(left, schema.effect)) == RACES
    assert await faults(left) == []


async def test_two_agents_are_offered_the_same_contact(pair: tuple[Desk, Desk]) -> None:
    """Two routers that both believe in their lease: the row lets one offer through."""
    left, right = pair
    contacts = await asyncio.gather(*(phone(left, f"CA{n}", f"+1415555{n:04d}") for n in range(RACES)))
    ids = await asyncio.gather(*(make_agent(left, f"agent{n}") for n in range(2 * RACES)))
    now = left.clock.now()
    pairs = [
        (deciding(OfferMade(offer_of(c, one, now))), deciding(OfferMade(offer_of(c, other, now))))
        for c, one, other in zip(contacts, ids[:RACES], ids[RACES:], strict=True)
    ]
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for refused in outcomes:
        assert sorted(len(each) for each in refused) == [0, 1], "one goes through, one is refused"
        assert [reason for each in refused for _, reason in each] == ["item"]
    assert len(await rows_of(left, schema.offer, state="pending")) == RACES
    assert await faults(left) == []


async def test_one_agent_is_offered_two_contacts(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    contacts = await asyncio.gather(*(phone(left, f"CA{n}", f"+1415555{n:04d}") for n in range(2 * RACES)))
    people = await asyncio.gather(*(make_agent(left, f"agent{n}") for n in range(RACES)))
    now = left.clock.now()
    pairs = [
        (deciding(OfferMade(offer_of(one, agent, now))), deciding(OfferMade(offer_of(other, agent, now))))
        for agent, one, other in zip(people, contacts[:RACES], contacts[RACES:], strict=True)
    ]
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for refused in outcomes:
        assert [reason for each in refused for _, reason in each] == ["agent"]
    assert await faults(left) == []


async def test_accept_against_expiry(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    made = await ringing(left)
    pairs = [
        (accepting(offer), deciding(OfferExpired(offer), AgentBenched(offer.agent, "no_answer", offer.id)))
        for offer in made
    ]
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for offer, (accepted, refused) in zip(made, outcomes, strict=True):
        row = await row_of(left, schema.interaction, offer.item)
        agent = await row_of(left, schema.agent, offer.agent)
        if isinstance(accepted, OfferClosed):
            assert accepted.extras == {"reason": "expired"}
            assert (refused, row["state"], row["agent_id"]) == ([], "queued", None)
            assert (agent["chosen"], agent["reason"]) == ("away", "no_answer")
        else:
            assert [reason for _, reason in refused] == ["closed", "closed"]
            assert (row["state"], row["agent_id"], agent["chosen"]) == ("connecting", offer.agent, "ready")
    assert await faults(left) == []


async def test_accept_against_a_caller_who_hangs_up(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    made = await ringing(left)
    pairs = [(accepting(offer), hanging_up(await call_id(left, offer))) for offer in made]
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for offer, (accepted, _) in zip(made, outcomes, strict=True):
        row = await row_of(left, schema.interaction, offer.item)
        if isinstance(accepted, OfferClosed):
            assert accepted.extras == {"reason": "withdrawn"}
            assert (row["state"], row["agent_id"]) == ("ended", None)
        else:
            assert (row["state"], row["agent_id"]) == ("wrap_up", offer.agent)
        assert row["end_reason"] == "customer_hung_up"
    assert await faults(left) == []


async def test_withdrawal_against_decline(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    made = await ringing(left)
    pairs = [
        (
            act(offers.decline_offer, offer.id, offer.agent, "busy", actor=offer.agent),
            deciding(OfferWithdrawn(offer, {"reason": "agent_gone"})),
        )
        for offer in made
    ]
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for offer in made:
        assert (await kinds(left, offer.id))["offer.closed"] == 1
        assert (await row_of(left, schema.interaction, offer.item))["state"] == "queued"
    assert await faults(left) == []


async def test_agent_ends_while_the_caller_hangs_up(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    made = await talking(left)
    pairs = [
        (
            act(wrap_up.end_contact, offer.item, offer.agent, actor=offer.agent),
            hanging_up(await call_id(left, offer)),
        )
        for offer in made
    ]
    outcomes = await race(left, right, pairs)
    assert [each for both in outcomes for each in both if isinstance(each, BaseException)] == []
    for offer in made:
        row = await row_of(left, schema.interaction, offer.item)
        assert (row["state"], row["ended_by"] in ("agent", "customer")) == ("wrap_up", True)
        assert (await kinds(left, offer.item))["wrap_up.started"] == 1
    assert await faults(left) == []


async def test_wrap_up_is_finished_while_it_expires(pair: tuple[Desk, Desk]) -> None:
    """The outcome that the agent typed is kept, whoever was faster."""
    left, right = pair
    made = await wrapping(left)
    pairs = [
        (
            act(wrap_up.finish, offer.item, offer.agent, "done", "all well", actor=offer.agent),
            deciding(WrapUpExpired(offer.item, offer.agent)),
        )
        for offer in made
    ]
    outcomes = await race(left, right, pairs)
    assert [each for both in outcomes for each in both if isinstance(each, BaseException)] == []
    for offer in made:
        row = await row_of(left, schema.interaction, offer.item)
        assert (row["state"], row["disposition"], row["comment"]) == ("ended", "done", "all well")
        assert (await kinds(left, offer.item))["interaction.ended"] == 1
    assert await faults(left) == []


async def test_a_new_caller_is_made_once(pair: tuple[Desk, Desk]) -> None:
    left, right = pair

    def starting(number: int, side: str) -> Act:
        event = CallStarted(f"CA{side}{number}", f"+1415556{number:04d}", "+15005550006", f"s{side}{number}")
        return act(calls.start_call, PHONE, event, actor=PHONE)

    outcomes = await race(left, right, [(starting(n, "L"), starting(n, "R")) for n in range(RACES)])
    assert [each for both in outcomes for each in both if isinstance(each, BaseException)] == []
    assert len(await rows_of(left, schema.customer)) == RACES
    of_number: dict[str, set[str]] = {}
    for row in await rows_of(left, schema.interaction):
        of_number.setdefault(row["caller"], set()).add(row["customer_id"])
    assert [len(found) for found in of_number.values()] == [1] * RACES
    assert await faults(left) == []


async def test_one_webhook_delivered_to_two_nodes(pair: tuple[Desk, Desk]) -> None:
    left, right = pair

    def starting(number: int) -> Act:
        event = CallStarted(f"CA{number}", f"+1415556{number:04d}", "+15005550006", f"token-{number}")
        return act(calls.start_call, PHONE, event, actor=PHONE)

    outcomes = await race(left, right, [(starting(n), starting(n)) for n in range(RACES)])
    assert [each for both in outcomes for each in both if isinstance(each, BaseException)] == []
    assert len(await rows_of(left, schema.interaction)) == RACES
    assert len(await rows_of(left, schema.input_)) == RACES
    assert await faults(left) == []


def open_case(tx: Tx, number: int) -> Row:
    return tickets.open_ticket(
        tx,
        subject=f"Case {number}",
        description="",
        priority="normal",
        queue_id="service",
        customer_id=None,
        interaction_id=None,
        assignee_id=None,
    )


async def test_two_change_one_ticket(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    cases = await asyncio.gather(*(left.run(open_case, number) for number in range(RACES)))
    assert len({case["number"] for case in cases}) == RACES
    pairs = [
        (
            act(tickets.change_ticket, case["id"], case["version"], {"priority": "high"}),
            act(tickets.change_ticket, case["id"], case["version"], {"status": "pending"}),
        )
        for case in cases
    ]
    outcomes = await race(left, right, pairs)
    for case, both in zip(cases, outcomes, strict=True):
        assert [type(each) for each in both if isinstance(each, BaseException)] == [StaleVersion]
        row = await row_of(left, schema.ticket, case["id"])
        assert row["version"] == case["version"] + 1
        assert (row["priority"], row["status"]) in (("high", "open"), ("normal", "pending"))
    assert await faults(left) == []


async def test_ticket_numbers_of_two_nodes_are_never_the_same(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    outcomes = await race(left, right, [(act(open_case, n), act(open_case, -n)) for n in range(RACES)])
    assert len({case["number"] for both in outcomes for case in both}) == 2 * RACES
    assert await faults(left) == []


async def test_two_change_one_customer(pair: tuple[Desk, Desk]) -> None:
    left, right = pair

    def meet(tx: Tx, number: int) -> str:
        point = fold_phone(f"+1415557{number:04d}")
        assert point is not None
        return customers.find_or_make(tx, point, name=None, language=None, proof="seen")

    people = await asyncio.gather(*(left.run(meet, number) for number in range(RACES)))
    pairs = [
        (
            act(customers.change_customer, person, 1, {"name": "Vera"}),
            act(customers.change_customer, person, 1, {"tier": "gold"}),
        )
        for person in people
    ]
    for both in await race(left, right, pairs):
        assert [type(each) for each in both if isinstance(each, BaseException)] == [StaleVersion]


async def test_agent_chooses_a_state_while_the_router_benches(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    made = await ringing(left)
    pairs = []
    for offer in made:
        version = (await row_of(left, schema.agent, offer.agent))["version"]
        pairs.append(
            (
                act(agents.choose_state, offer.agent, version, "away", "lunch", actor=offer.agent),
                deciding(OfferExpired(offer), AgentBenched(offer.agent, "no_answer", offer.id)),
            )
        )
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for offer, (chose, refused) in zip(made, outcomes, strict=True):
        assert refused == []
        agent = await row_of(left, schema.agent, offer.agent)
        assert (agent["chosen"], agent["reason"]) == ("away", "no_answer"), "the bench has the last word"
        assert isinstance(chose, StaleVersion) or chose["reason"] == "lunch"
    assert await faults(left) == []


async def test_an_offer_reaches_an_agent_who_says_away(pair: tuple[Desk, Desk]) -> None:
    """Whoever is first: no offer is left pending at somebody for whom the router was never told."""
    left, right = pair
    contacts = await asyncio.gather(*(phone(left, f"CA{n}", f"+1415555{n:04d}") for n in range(RACES)))
    people = await asyncio.gather(*(make_agent(left, f"agent{n}") for n in range(RACES)))
    now = left.clock.now()
    pairs = []
    for contact, agent in zip(contacts, people, strict=True):
        version = (await row_of(left, schema.agent, agent))["version"]
        away = act(agents.choose_state, agent, version, "away", "break", actor=agent)
        pairs.append((away, deciding(OfferMade(offer_of(contact, agent, now)))))
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for contact, (_, refused) in zip(contacts, outcomes, strict=True):
        row = await row_of(left, schema.interaction, contact)
        assert row["state"] == ("queued" if refused else "offered")
    assert await faults(left) == []


async def test_two_consoles_of_one_agent_close_on_two_nodes(pair: tuple[Desk, Desk]) -> None:
    """The last one to go must start the timer: neither may believe that the other is still there."""
    left, right = pair
    people = await asyncio.gather(*(make_agent(left, f"agent{n}") for n in range(RACES)))
    for agent in people:
        await right.run(sockets.opened, "node-2", [sockets.Arrival(f"other-{agent}", agent, "session")])
    sids = {row["agent_id"]: row["sid"] for row in await rows_of(left, schema.connection, node_id="node-1")}
    pairs = [
        (act(sockets.closed, [sids[agent]]), act(sockets.closed, [f"other-{agent}"])) for agent in people
    ]
    outcomes = await race(left, right, pairs)
    assert [each for both in outcomes for each in both if isinstance(each, BaseException)] == []
    timers = {row["subject"] for row in await rows_of(left, schema.timer, kind="agent_lost")}
    assert timers == set(people)


async def test_a_console_opens_while_the_other_closes(pair: tuple[Desk, Desk]) -> None:
    """A reload that lands on another node: the agent is there, so nothing may count down."""
    left, right = pair
    people = await asyncio.gather(*(make_agent(left, f"agent{n}") for n in range(RACES)))
    sids = {row["agent_id"]: row["sid"] for row in await rows_of(left, schema.connection)}
    pairs = [
        (
            act(sockets.closed, [sids[agent]]),
            act(sockets.opened, "node-2", [sockets.Arrival(f"new-{agent}", agent, "session")]),
        )
        for agent in people
    ]
    outcomes = await race(left, right, pairs)
    assert [each for both in outcomes for each in both if isinstance(each, BaseException)] == []
    assert await rows_of(left, schema.timer, kind="agent_lost") == []


async def test_agent_and_visitor_write_at_once(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    ann = await make_agent(left, "ann")
    visitor, contact = await open_chat(left, "Vera", "hello")
    await left.run(offers.apply_decisions, [OfferMade(offer_of(contact, ann, left.clock.now()))], 1)
    await left.run(offers.accept_offer, f"{contact}.1", ann)

    def says(number: int) -> Act:
        return act(messages.say_as_agent, contact, ann, f"answer {number}", f"a{number}", actor=ann)

    def writes(number: int) -> Act:
        words = MessageReceived(f"{visitor}.k1", f"v{number}", visitor, f"question {number}", f"m{number}")
        return act(chats.receive_message, "demo", words, actor="customer")

    outcomes = await race(left, right, [(says(number), writes(number)) for number in range(RACES)])
    assert [each for both in outcomes for each in both if isinstance(each, BaseException)] == []
    rows = await rows_of(left, schema.message, interaction_id=contact)
    numbers = sorted(row["message_no"] for row in rows if row["message_no"] is not None)
    assert numbers == list(range(1, 2 * RACES + 2)), "no gap, no double"
    assert await faults(left) == []


async def test_the_same_words_sent_to_two_nodes_are_said_once(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    await make_agent(left, "ann")
    visitor, contact = await open_chat(left, "Vera", "hello")

    def writes(number: int) -> Act:
        words = MessageReceived(f"{visitor}.k1", f"v{number}", visitor, f"words {number}", f"m{number}")
        return act(chats.receive_message, "demo", words, actor="customer")

    outcomes = await race(left, right, [(writes(number), writes(number)) for number in range(RACES)])
    assert [each for both in outcomes for each in both if isinstance(each, BaseException)] == []
    assert all(one.message_id == other.message_id for one, other in outcomes)
    assert len(await rows_of(left, schema.message, interaction_id=contact)) == RACES + 1


async def test_one_idempotency_key_on_two_nodes(pair: tuple[Desk, Desk]) -> None:
    left, right = pair

    def asking(number: int) -> Act:
        def work(tx: Tx) -> tuple[int, str]:
            return 201, str(open_case(tx, number)["number"])

        return act(once, "agt_1", f"key-{number}", "hash", work)

    outcomes = await race(left, right, [(asking(number), asking(number)) for number in range(RACES)])
    assert [each for both in outcomes for each in both if isinstance(each, BaseException)] == []
    assert all(one == other for one, other in outcomes)
    assert len(await rows_of(left, schema.ticket)) == RACES


async def test_two_publish_a_configuration_at_once(pair: tuple[Desk, Desk]) -> None:
    from tests.service_desk.conftest import CONFIG

    left, right = pair
    pairs = [
        (
            act(admin.publish_config, {**CONFIG, "brand": f"Left {number}"}),
            act(admin.publish_config, {**CONFIG, "brand": f"Right {number}"}),
        )
        for number in range(8)
    ]
    outcomes = await race(left, right, pairs)
    versions = [version for both in outcomes for version in both]
    assert sorted(versions) == list(range(2, 18)), "each has a number of its own"
    published = await rows_of(left, schema.config_version, state="published")
    assert [row["version"] for row in published] == [17]

    def brand(reader: Reader) -> str:
        return reader.config.brand

    assert await left.read(brand) == await right.read(brand) == published[0]["body"]["brand"]


async def test_a_crowd_of_everything(pair: tuple[Desk, Desk]) -> None:
    """Accepts, declines, hang-ups, expiries and state changes of the same agents and contacts, all at once.

    Groups of actions on two nodes lock rows in different orders: PostgreSQL breaks deadlocks, and whoever
    lost is run again. Nobody outside hears of it.
    """
    left, right = pair
    made = await ringing(left, 40)
    legs = [await call_id(left, offer) for offer in made]
    versions = [(await row_of(left, schema.agent, offer.agent))["version"] for offer in made]

    async def play(desk: Desk, order: list[int], *, fast: bool) -> list[Outcome]:
        acts = []
        for at in order:
            offer = made[at]
            mine = (
                [accepting(offer), hanging_up(legs[at])]
                if fast
                else [
                    deciding(OfferExpired(offer), AgentBenched(offer.agent, "no_answer", offer.id)),
                    act(agents.choose_state, offer.agent, versions[at], "away", "break", actor=offer.agent),
                ]
            )
            acts += [each(desk) for each in mine]
        return await asyncio.gather(*acts, return_exceptions=True)

    order = list(range(len(made)))
    outcomes = await asyncio.gather(
        play(left, order, fast=True), play(right, list(reversed(order)), fast=False)
    )
    strange = [
        each
        for side in outcomes
        for each in side
        if isinstance(each, BaseException) and not isinstance(each, Conflict | StaleVersion)
    ]
    assert strange == []
    assert all(row["state"] != "pending" for row in await rows_of(left, schema.offer))
    states = Counter(row["state"] for row in await rows_of(left, schema.interaction))
    assert states["offered"] == 0
    assert states["wrap_up"] + states["ended"] == len(made), states
    assert await faults(left) == []


async def test_positions_of_two_nodes_follow_each_other(pair: tuple[Desk, Desk]) -> None:
    """While both write, a reader that follows the log never sees a position appear behind its cursor."""
    left, right = pair
    seen: list[int] = []
    done = asyncio.Event()

    def after(reader: Reader, cursor: int) -> list[int]:
        table = schema.event
        rows = reader.all(
            sa.select(table.c.position).where(table.c.position > cursor).order_by(table.c.position)
        )
        return [row["position"] for row in rows]

    async def follow() -> None:
        while not done.is_set():
            seen.extend(await left.read(after, seen[-1] if seen else 0))
        seen.extend(await left.read(after, seen[-1]))

    follower = asyncio.create_task(follow())
    await asyncio.gather(
        *(phone(left, f"CL{n}", f"+1415555{n:04d}") for n in range(60)),
        *(phone(right, f"CR{n}", f"+1415556{n:04d}") for n in range(60)),
    )
    done.set()
    await follower
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 3 * 120


async def test_of_two_who_call_again_at_once_one_has_the_place_back(pair: tuple[Desk, Desk]) -> None:
    left, right = pair
    body = deepcopy(CONFIG)
    body["queues"][0]["recover_s"] = 60
    await left.run(admin.publish_config, body)
    numbers = [f"+1415555{number:04d}" for number in range(RACES)]
    came = {}
    for number in numbers:
        first = await row_of(left, schema.interaction, await phone(left, f"CA{number}", number))
        came[number] = first["queued_at"]
        gone = CallChanged(first["external_id"], CallStatus.COMPLETED, f"end-{number}", 9)
        await left.run(calls.leg_changed, PHONE, gone, actor=PHONE)
    pairs = [
        (lambda desk, n=number: phone(desk, f"CL{n}", n), lambda desk, n=number: phone(desk, f"CR{n}", n))
        for number in numbers
    ]
    outcomes = await race(left, right, pairs)
    for number, both in zip(numbers, outcomes, strict=True):
        rows = [await row_of(left, schema.interaction, contact) for contact in both]
        assert [row["queued_at"] == came[number] for row in rows].count(True) == 1
        assert [row["hints"] for row in rows].count({"kept": "called_again"}) == 1
    assert await faults(left) == []


async def test_who_calls_again_as_an_agent_takes_their_callback(pair: tuple[Desk, Desk]) -> None:
    """Either the agent has it and the new call joins the line, or the new call has the place and nobody is called."""
    left, right = pair
    body = deepcopy(CONFIG)
    body["queues"][0]["callback"] = {"offer_after_s": 0}
    await left.run(admin.publish_config, body)
    numbers, made, came = [f"+1415555{number:04d}" for number in range(RACES)], [], []
    for number in numbers:
        contact = await phone(left, f"CA{number}", number)
        await left.run(calls.ask_callback, PHONE, CallbackAsked(f"CA{number}", "1", f"ask-{number}"))
        agent = await make_agent(left, f"agent{number[1:]}")
        made.append(offer_of(contact, agent, left.clock.now()))
        came.append((await row_of(left, schema.interaction, contact))["queued_at"])
    assert await left.run(offers.apply_decisions, [OfferMade(offer) for offer in made], 1) == []
    pairs = [
        (accepting(offer), lambda desk, n=number: phone(desk, f"CL{n}", n))
        for offer, number in zip(made, numbers, strict=True)
    ]
    outcomes = await race(left, right, pairs)
    assert unexpected(outcomes) == []
    for offer, queued_at, (accepted, again) in zip(made, came, outcomes, strict=True):
        old = await row_of(left, schema.interaction, offer.item)
        new = await row_of(left, schema.interaction, again)
        if isinstance(accepted, OfferClosed):
            assert (old["state"], old["end_reason"]) == ("ended", "called_again")
            assert new["queued_at"] == queued_at
        else:
            assert old["state"] == "connecting"
            assert new["queued_at"] > queued_at
    assert await faults(left) == []
