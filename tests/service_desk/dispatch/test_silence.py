"""Work goes on to others when its agent does not answer, or is gone: with its place, by the rules of this moment."""

from copy import deepcopy

from channels.contract import MessageReceived
from service_desk.actions import admin, agents, chats, messages, reclaim, sockets
from service_desk.background.timers import due_timers
from service_desk.background.timers import fire as fire_timer
from service_desk.clock import SECOND
from service_desk.lease import take
from service_desk.storage import schema
from tests.service_desk.dispatch.floor import PEOPLE, SHORT, Floor, floor
from tests.service_desk.dispatch.test_rules import publish
from tests.service_desk.people import row_of, rows_of
from tests.service_desk.storage.two_nodes import faults


async def pass_time(place: Floor, seconds: int) -> None:
    """Time passes, and the timers that are due fire."""
    await place.advance(seconds)
    due, _ = await place.desk.read(due_timers, 100)
    fence = await place.desk.run(take, "timers", "nod_test")
    for kind, subject in due:
        await place.desk.run(fire_timer, kind, subject, "timers", fence)
    await place.settle()


async def say(place: Floor, name: str, words: str) -> None:
    """The visitor writes."""
    row = await place.contact(name)
    (visitor,) = await rows_of(place.desk, schema.visitor, interaction_id=row["id"])
    event = MessageReceived(row["external_id"], words, visitor["id"], words, f"say-{words}")
    await place.desk.run(chats.receive_message, "demo", event, actor="customer")


async def served_chat(place: Floor) -> tuple[str, str]:
    """(contact, its agent's login)."""
    name = await place.chat()
    await place.settle()
    await place.accept(name)
    return name, place.names[(await place.contact(name))["agent_id"]]


async def test_who_leaves_a_customer_without_an_answer_loses_the_contact_but_not_its_place(
    db_url: str,
) -> None:
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        await publish(place, reply_s=30)
        name, owner = await served_chat(place)
        came = (await place.contact(name))["queued_at"]
        await pass_time(place, 20)
        agent_id = place.names[owner]
        await place.desk.run(
            messages.say_as_agent, place.names[name], agent_id, "Hello!", "m1", actor=agent_id
        )
        await pass_time(place, 40)
        assert (await place.contact(name))["agent_id"] == agent_id, "answered: no clock runs"

        await say(place, name, "one")
        await pass_time(place, 20)
        await say(place, name, "two")  # the clock of the first words goes on
        await publish(place, reply_s=40)  # and has ten seconds more from now on
        await pass_time(place, 12)
        assert (await place.contact(name))["agent_id"] == agent_id
        await pass_time(place, 9)
        row = await place.contact(name)
        assert (row["state"], row["queued_at"]) == ("offered", came)
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["agent_id"] != agent_id
        (silent,) = [each for each in await rows_of(place.desk, schema.agent) if each["id"] == agent_id]
        assert (silent["chosen"], silent["reason"]) == ("away", "no_answer")
        assert await faults(place.desk) == []


async def test_without_the_rule_any_more_nothing_is_taken_back(db_url: str) -> None:
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        await publish(place, reply_s=30)
        name, owner = await served_chat(place)
        await publish(place)
        await pass_time(place, 31)
        assert (await place.contact(name))["agent_id"] == place.names[owner]
        assert await rows_of(place.desk, schema.timer, kind="silent") == []


async def test_what_a_lost_agent_has_goes_on_with_its_place(db_url: str) -> None:
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        name, owner = await served_chat(place)
        came = (await place.contact(name))["queued_at"]
        await place.desk.run(sockets.closed, [f"sid-{owner}"])
        await place.desk.run(agents.lost, place.names[owner], {})
        await place.advance(60)
        await place.desk.run(reclaim.reclaim, place.names[owner], {})
        await place.settle()
        row = await place.contact(name)
        assert (row["state"], row["queued_at"]) == ("offered", came)
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert place.names[offer["agent_id"]] != owner
        assert await faults(place.desk) == []


async def test_who_is_away_for_a_reason_of_their_own_stays_away_for_it(db_url: str) -> None:
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        await publish(place, reply_s=30)
        name, owner = await served_chat(place)
        await place.say(owner, "away")
        await pass_time(place, 31)
        assert (await place.contact(name))["agent_id"] is None
        row = await row_of(place.desk, schema.agent, place.names[owner])
        assert (row["chosen"], row["reason"]) == ("away", "break")
        assert await faults(place.desk) == []


async def test_who_talks_to_somebody_meanwhile_loses_the_contact_and_stays_ready(db_url: str) -> None:
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        body = deepcopy(SHORT)
        body["queues"][0]["reply_s"] = 30
        body["interrupts"] = {"phone": ["web_chat"]}
        await place.desk.run(admin.publish_config, body)
        name, owner = await served_chat(place)
        await pass_time(place, 15)
        for login in sorted(PEOPLE.keys() - {owner}):
            await place.say(login, "away")
        call = await place.call()
        await place.settle()
        await place.accept(call)
        await pass_time(place, 16)
        assert (await place.contact(name))["state"] == "queued"
        assert (await place.contact(call))["agent_id"] == place.names[owner]
        assert (await row_of(place.desk, schema.agent, place.names[owner]))["chosen"] == "ready"
        assert await faults(place.desk) == []


async def test_an_answer_stops_the_clock_of_a_rule_that_is_gone_and_comes_back(db_url: str) -> None:
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        await publish(place, reply_s=30)
        name, owner = await served_chat(place)
        await publish(place)
        agent = place.names[owner]
        await place.desk.run(messages.say_as_agent, place.names[name], agent, "Hello!", "m1", actor=agent)
        await publish(place, reply_s=30)
        await pass_time(place, 5)
        await say(place, name, "one")
        (timer,) = await rows_of(place.desk, schema.timer, kind="silent")
        assert timer["due_at"] == place.clock.now() + 30 * SECOND
        await pass_time(place, 31)
        assert (await place.contact(name))["agent_id"] != agent
        assert await faults(place.desk) == []
