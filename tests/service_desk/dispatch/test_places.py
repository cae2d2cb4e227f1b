"""Places that are kept, and whom work would rather have, on real rows and over a restart of the host."""

from routing.model import Micros
from service_desk.actions import other_line, parking, supervision, wrap_up
from service_desk.clock import SECOND
from service_desk.queries.wallboard import compute_board
from service_desk.storage import schema
from tests.service_desk.dispatch.floor import Floor, call_from, floor, text_from
from tests.service_desk.dispatch.test_rules import only_sales, publish
from tests.service_desk.people import rows_of
from tests.service_desk.storage.two_nodes import faults


def wait_begins(place: Floor, name: str) -> Micros:
    """From when on the router counts what happens to those who wait too long."""
    assert place.host is not None
    router = place.host.router
    assert router is not None
    return router.floor.items[place.names[name]].item.waits_since


async def test_who_hangs_up_and_calls_again_in_time_has_their_place_back(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, recover_s=60)
        first = await call_from(place, "+14155550111")
        came = (await place.contact(first))["queued_at"]
        await place.advance(5)
        other = await place.call()
        await place.advance(5)
        await place.hang_up(first)
        await place.advance(60)
        again = await call_from(place, "+14155550111")
        assert (await place.contact(again))["queued_at"] == came
        called_again = place.clock.now()
        await place.settle()
        assert wait_begins(place, again) == called_again
        assert [await place.told(name) for name in (again, other)] == [1, 2]
        twice = await call_from(place, "+14155550111")  # from a second phone of theirs: the place is taken
        assert (await place.contact(twice))["queued_at"] == place.clock.now()
        await place.stop()
        place.start()  # the reason survives in the row
        await place.settle()
        assert wait_begins(place, again) == called_again
        await place.say("bob", "ready")
        await place.settle()
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["interaction_id"] == place.names[again]
        assert offer["because"]["kept"] == "called_again"
        assert await faults(place.desk) == []


async def test_who_comes_too_late_or_to_another_queue_begins_anew(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, recover_s=10)
        first = await call_from(place, "+14155550111")
        await place.advance(5)
        await place.hang_up(first)
        await place.advance(11)
        late = await call_from(place, "+14155550111")
        stranger = await call_from(place, "+14155550112")
        for name in (late, stranger):
            assert (await place.contact(name))["queued_at"] == place.clock.now()
            assert (await place.contact(name))["hints"] is None
        assert await faults(place.desk) == []


async def test_a_reopened_text_waits_for_who_had_it_and_no_longer_than_the_rule_says(db_url: str) -> None:
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        await publish(place, reopened_s=30)
        name = await text_from(place, "+14155550111", "Where is my oven?")
        await place.settle()
        await place.accept(name)
        row = await place.contact(name)
        owner = place.names[row["agent_id"]]
        await place.desk.run(parking.park, row["id"], row["agent_id"])
        await place.settle()

        assert await text_from(place, "+14155550111", "Are you there?") == name
        await place.settle()
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert place.names[offer["agent_id"]] == owner
        assert offer["because"]["preferred"] == "reopened"

        await place.accept(name)
        await place.desk.run(wrap_up.end_contact, row["id"], row["agent_id"])
        await place.finish(name)
        await place.say(owner, "away")
        again = await text_from(place, "+14155550111", "It came broken.")
        await place.settle()
        assert again != name
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")  # off shift: anybody, at once
        assert place.names[offer["agent_id"]] != owner
        assert "preferred" not in offer["because"]
        assert await faults(place.desk) == []


async def test_a_caller_waits_for_who_served_them_last_and_then_anybody_will_do(db_url: str) -> None:
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        await publish(place, last_agent_s=20)
        first = await call_from(place, "+14155550111")
        await place.settle()
        await place.accept(first)
        last = place.names[(await place.contact(first))["agent_id"]]
        await place.end(first)
        await place.finish(first)
        busy = {}
        for _ in range(3):  # everybody of the queue has a call
            name = await place.call()
            await place.settle()
            await place.accept(name)
            busy[place.names[(await place.contact(name))["agent_id"]]] = name
        again = await call_from(place, "+14155550111")
        await place.settle()
        other = next(agent for agent in busy if agent != last)
        await place.end(busy[other])
        await place.finish(busy[other])
        await place.settle()
        assert (await place.contact(again))["state"] == "queued"
        await place.advance(20)
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert place.names[offer["agent_id"]] == other
        assert await faults(place.desk) == []


async def test_mail_and_texts_that_wait_move_with_the_promise_and_owe_nothing_to_a_supervisor(
    db_url: str,
) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        older = await text_from(place, "+14155550111", "first")
        favoured = await text_from(place, "+14155550112", "in a hurry")
        row = await place.contact(favoured)
        await place.desk.run(supervision.prioritise_contact, row["id"], row["version"], 10, "asked for it")
        await place.advance(5)
        await publish(place, message_target_s=3_600)
        newer = await text_from(place, "+14155550113", "second")
        await place.settle()
        order = [favoured, older, newer]
        assert [await place.told(name) for name in order] == [1, 2, 3]
        assert place.host is not None
        assert place.host.router is not None
        assert [place.host.router.position(place.names[name]) for name in order] == [1, 2, 3]
        for name, head_start in zip(order, (10, 0, 0), strict=True):
            row = await place.contact(name)
            key = place.host.router.floor.items[row["id"]].entry[0]
            assert row["ordering_key"] == key
            assert await place.desk.run(other_line.head_start_of, row) == head_start
        assert await faults(place.desk) == []


async def test_who_hangs_up_and_calls_again_all_the_time_waits_no_longer_than_who_stays(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, recover_s=60)
        name = await call_from(place, "+14155550111")
        came = (await place.contact(name))["queued_at"]
        other = ""
        for time in range(3):
            await place.advance(1)
            await place.hang_up(name)
            await place.advance(20)
            other = other or await place.call()
            name = await call_from(place, "+14155550111")
            assert ((await place.contact(name))["queued_at"] == came) is (time == 0)
        assert [await place.told(each) for each in (other, name)] == [1, 2]
        assert await faults(place.desk) == []


async def test_a_place_in_a_line_that_they_left_for_another_is_not_given_back_twice(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await place.say("cyd", "away")
        await publish(place, recover_s=60)
        first = await call_from(place, "+14155550111")
        await place.hang_up(first)
        await place.advance(5)
        again = await call_from(place, "+14155550111")
        row = await place.contact(again)
        assert row["hints"] == {"kept": "called_again"}
        await place.desk.run(supervision.move_contact, row["id"], row["version"], "sales", "because")
        twice = await call_from(place, "+14155550111")
        assert (await place.contact(twice))["queued_at"] == place.clock.now()
        assert await faults(place.desk) == []


async def test_figures_count_the_wait_of_this_call_and_not_of_the_place_that_it_took_back(
    db_url: str,
) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, recover_s=600)
        first = await call_from(place, "+14155550111")
        came = (await place.contact(first))["queued_at"]
        await place.advance(2)
        await place.hang_up(first)
        await place.advance(300)
        again = await call_from(place, "+14155550111")
        assert (await place.contact(again))["queued_at"] == came
        begun = place.clock.now()
        board = await place.desk.read(compute_board)
        assert [queue.oldest_at for queue in board.queues] == [begun, None]
        await place.advance(1)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(again)
        (stay,) = await rows_of(place.desk, schema.segment, interaction_id=place.names[again])
        assert (stay["queued_at"], stay["in_target"]) == (begun, True)
        (said,) = await rows_of(place.desk, schema.event, kind="interaction.answered")
        assert (said["data"]["wait"], said["data"]["queued_at"]) == (SECOND, begun)
        assert await faults(place.desk) == []


async def test_parked_work_that_is_given_to_another_agent_has_its_stay_there(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        place.start()
        await place.settle()
        name = await text_from(place, "+14155550111", "Where is my oven?")
        await place.settle()
        await place.accept(name)
        row = await place.contact(name)
        await place.desk.run(parking.park, row["id"], row["agent_id"])
        row = await place.contact(name)
        other = next(each for each in ("bob", "dan") if place.names[each] != row["agent_id"])
        await place.say(other, "ready")
        await place.settle()
        await place.desk.run(
            supervision.assign_contact, row["id"], row["version"], place.names[other], "they know them"
        )
        stays = await rows_of(place.desk, schema.segment, interaction_id=row["id"])
        assert [stay["agent_id"] for stay in stays if stay["ended_at"] is None] == [place.names[other]]
        assert await faults(place.desk) == []
