"""Rules of the configuration on real rows: what the router decides by them is what the rows say."""

import random
from copy import deepcopy
from typing import Any

from routing.decisions import Overflowed
from routing.drafts import DAYS
from routing.records import WAITING
from service_desk.actions import admin, offers, parking, supervision
from service_desk.clock import SECOND
from service_desk.queries.floor import compute_floor
from service_desk.queries.waiting import waiting_view
from service_desk.queries.wallboard import compute_board
from service_desk.storage import schema
from tests.service_desk.dispatch.floor import SHORT, Floor, floor, text_from
from tests.service_desk.people import rows_of
from tests.service_desk.storage.two_nodes import faults

CLOSED_ALWAYS = {"zone": "Europe/Berlin"}


async def publish(place: Floor, **service: Any) -> None:
    """The rules with other ones for the service queue, at run time."""
    body = deepcopy(SHORT)
    for queue in body["queues"]:
        if queue["id"] == "service":
            queue.update(service)
    await place.desk.run(admin.publish_config, body)
    await place.settle()


async def only_sales(place: Floor) -> None:
    """The desk is at work, but nobody of the service queue is ready."""
    place.start()
    await place.settle()
    for login in ("ann", "bob", "dan"):
        await place.say(login, "away")


def in_the_routers_order(place: Floor) -> list[str]:
    """All that wait, the first in line first, as it compares the heads of its lines at this moment."""
    assert place.host is not None
    assert place.host.router is not None
    lines = place.host.router.floor
    records = [record for record in lines.items.values() if record.place is WAITING]
    return [place.names[record.item.id] for record in sorted(records, key=lambda r: lines.place(r.entry)[:2])]


async def test_who_waits_too_long_goes_on_to_another_queue_with_their_waiting_time(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, overflow=[{"when": "wait", "after_s": 30, "queue": "sales"}])
        name = await place.call()
        came = (await place.contact(name))["queued_at"]
        await place.advance(29)
        assert (await place.contact(name))["queue_id"] == "service"
        await place.advance(2)
        row = await place.contact(name)
        assert (row["queue_id"], row["state"], row["queued_at"]) == ("sales", "offered", came)
        (offer,) = await rows_of(place.desk, schema.offer)
        assert place.names[offer["agent_id"]] == "cyd"
        stays = await rows_of(place.desk, schema.segment, interaction_id=row["id"])
        assert [
            (stay["queue_id"], stay["outcome"]) for stay in sorted(stays, key=lambda stay: stay["id"])
        ] == [
            ("service", "moved"),
            ("sales", None),
        ]
        assert await faults(place.desk) == []

        await place.stop()
        place.start()
        await place.settle()
        await place.accept(name)
        await place.settle()
        assert (await place.contact(name))["agent_id"] == place.names["cyd"]
        assert await faults(place.desk) == []


async def test_a_text_that_goes_on_to_another_queue_rings_there_once(db_url: str) -> None:
    """Its head start is that of its medium in the queue where it is: the row and the router say the same."""
    async with floor(db_url) as place:
        await only_sales(place)
        body = deepcopy(SHORT)
        for queue, promise in zip(body["queues"], (14_400, 3_600), strict=True):
            queue["message_target_s"] = promise
        body["queues"][0]["overflow"] = [{"when": "wait", "after_s": 5, "queue": "sales"}]
        await place.desk.run(admin.publish_config, body)
        name = await text_from(place, "+14155550111", "Where is my oven?")
        row = await place.contact(name)
        await place.desk.run(supervision.prioritise_contact, row["id"], row["version"], 10, "asked for it")
        await place.advance(6)
        (offer,) = await rows_of(place.desk, schema.offer)
        assert (offer["state"], place.names[offer["agent_id"]]) == ("pending", "cyd")
        row = await place.contact(name)
        assert (row["queue_id"], row["priority"]) == ("sales", 10 - (3_600 - 20) // 60)
        assert place.host is not None
        assert place.host.router is not None
        assert place.host.router.floor.items[row["id"]].entry[0] == row["ordering_key"]
        assert offer["because"]["head_start_min"] == row["priority"]
        assert await faults(place.desk) == []


async def test_a_rule_counts_for_who_waits_already(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        name = await place.call()
        await place.advance(10)
        assert (await place.contact(name))["queue_id"] == "service"
        await publish(place, overflow=[{"when": "wait", "after_s": 5, "queue": "sales"}])
        assert (await place.contact(name))["queue_id"] == "sales"
        assert await faults(place.desk) == []


async def test_a_closed_queue_hands_on(db_url: str) -> None:
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        await publish(place, hours=CLOSED_ALWAYS, overflow=[{"when": "closed", "queue": "sales"}])
        name = await place.call()
        await place.settle()
        assert (await place.contact(name))["queue_id"] == "sales"
        board = await place.desk.read(compute_board)
        assert [(queue.id, queue.closed) for queue in board.queues] == [("service", True), ("sales", False)]
        assert await faults(place.desk) == []


async def test_a_caller_who_hangs_up_as_the_rules_move_them_is_gone(db_url: str) -> None:
    """The row was faster: the move is refused, and nothing comes back to life."""
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, overflow=[{"when": "wait", "after_s": 30, "queue": "sales"}])
        name = await place.call()
        await place.advance(25)
        await place.stop()
        await place.hang_up(name)
        place.clock.advance(10_000_000)
        place.start()
        await place.settle()
        row = await place.contact(name)
        assert (row["queue_id"], row["state"]) == ("service", "ended")
        assert await faults(place.desk) == []


async def test_a_class_that_ages_faster_overtakes_in_the_line_and_in_what_callers_are_told(
    db_url: str,
) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, ageing=[{"slope_pct": 300, "priority": 1}])
        ordinary, urgent = await place.call(), await place.call()
        await place.advance(60)
        row = await place.contact(urgent)
        await place.desk.run(supervision.prioritise_contact, row["id"], row["version"], 1, "asked for it")
        third = await place.call()
        told = [await place.told(name) for name in (urgent, ordinary, third)]
        assert told == [1, 2, 3]
        row = await place.contact(third)
        await place.desk.run(supervision.prioritise_contact, row["id"], row["version"], 1, "asked for it")
        assert await place.told(third) == 3  # a minute's head start is what the other has waited: level
        await place.advance(1)
        assert [await place.told(name) for name in (urgent, third, ordinary)] == [1, 2, 3]
        view = await place.desk.read(waiting_view, ["service", "sales"])
        assert [place.names[each.id] for each in view.items] == [urgent, third, ordinary]
        await place.say("cyd", "away")
        moved = await place.call()
        row = await place.contact(moved)
        await place.desk.run(supervision.move_contact, row["id"], row["version"], "sales", "because")
        await place.settle()
        seen = [place.names[each.id] for each in (await place.desk.read(compute_floor)).contacts]
        assert seen == [urgent, third, ordinary, moved]
        assert seen == in_the_routers_order(place)
        await place.say("bob", "ready")
        await place.settle()
        assert (await place.contact(urgent))["state"] == "offered"
        assert await faults(place.desk) == []


async def test_a_rule_that_is_no_longer_in_force_leaves_nobody_out_of_their_line(db_url: str) -> None:
    """The router decided by a version whose target queue is gone: the row refuses, and the contact is served."""
    async with floor(db_url) as place:
        await only_sales(place)
        name = await place.call()
        row = await place.contact(name)
        old = Overflowed(row["id"], "service", "gone", {"when": "wait", "to": "gone"})
        refused = await place.desk.run(offers.apply_decisions, [old], 1, actor="router")
        assert [reason for _, reason in refused] == ["treatment"]
        await place.say("bob", "ready")
        await place.settle()
        assert (await place.contact(name))["state"] == "offered"
        assert await faults(place.desk) == []


async def test_what_callers_are_told_is_the_routers_order_whatever_the_classes(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        classes = [
            {"slope_pct": 1_000, "channels": ["web_chat"], "priority": 3},
            {"slope_pct": 37, "channels": ["phone"], "priority": 1},
            {"slope_pct": 250, "channels": ["phone", "web_chat"], "priority": 1},
        ]
        await publish(place, ageing=classes)
        dice = random.Random(7)
        names = []
        for _ in range(12):
            names.append(await (place.call() if dice.random() < 0.5 else place.chat()))
            row = await place.contact(names[-1])
            minutes = dice.choice((0, 0, 1, 3))
            await place.desk.run(
                supervision.prioritise_contact, row["id"], row["version"], minutes, "by the dice"
            )
            place.clock.advance(dice.randrange(1, 30_000_000))
        for promise in (1_209_600, 60):
            await publish(place, ageing=classes, message_target_s=promise)
            names.append(await text_from(place, f"+1415555{len(names):04d}", "It is cold."))
            await place.settle()
            assert place.host is not None
            assert place.host.router is not None
            told = {name: await place.told(name) for name in names}
            assert told == {name: place.host.router.position(place.names[name]) for name in names}
            view = await place.desk.read(waiting_view, ["service"])
            assert [told[place.names[each.id]] for each in view.items] == list(range(1, len(names) + 1))
            seen = [place.names[each.id] for each in (await place.desk.read(compute_floor)).contacts]
            assert seen == in_the_routers_order(place)


async def test_the_rules_do_not_undo_at_once_where_a_supervisor_moves_who_waits(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await place.say("cyd", "away")
        body = deepcopy(SHORT)
        body["queues"][1]["overflow"] = [{"when": "wait", "after_s": 10, "queue": "service"}]
        await place.desk.run(admin.publish_config, body)
        name = await place.call()
        came = (await place.contact(name))["queued_at"]
        await place.advance(20)
        row = await place.contact(name)
        await place.desk.run(supervision.move_contact, row["id"], row["version"], "sales", "because")
        await place.advance(5)
        await place.stop()
        place.start()
        await place.settle()
        await place.advance(4)
        row = await place.contact(name)
        assert (row["queue_id"], row["queued_at"]) == ("sales", came)
        await place.advance(2)
        assert (await place.contact(name))["queue_id"] == "service", "its ten seconds there are over"
        assert await faults(place.desk) == []


async def test_what_a_supervisor_moves_into_a_closed_and_full_queue_stays_until_it_closes_again(
    db_url: str,
) -> None:
    """They chose it knowingly: of who waits, of who is being served, and back into the same line."""
    opens = {"zone": "UTC", **{day: ["22:15-22:16"] for day in DAYS}}  # it is 22:13:24
    async with floor(db_url) as place:
        place.start()
        for login in ("ann", "cyd", "dan"):
            await place.say(login, "away")

        async def move(name: str) -> None:
            row = await place.contact(name)
            await place.desk.run(supervision.move_contact, row["id"], row["version"], "sales", "because")
            await place.settle()

        async def assign(name: str) -> None:
            row = await place.contact(name)
            bob = place.names["bob"]
            await place.desk.run(supervision.assign_contact, row["id"], row["version"], bob, "because")
            await place.settle()

        served, waits = await place.call(), await place.call()
        await place.settle()
        await place.accept(served)
        body = deepcopy(SHORT)
        steps = [
            {"when": when, "size": size, "queue": "service"} for when, size in (("closed", None), ("size", 0))
        ]
        body["queues"][1].update(hours=opens, overflow=steps)
        await place.desk.run(admin.publish_config, body)
        await move(waits)
        await move(served)
        await assign(served)
        await move(served)
        parked = await text_from(place, "+14155550111", "Where is my oven?")
        await place.settle()
        await place.accept(parked)
        await move(parked)
        await assign(parked)
        row = await place.contact(parked)
        await place.desk.run(parking.park, row["id"], row["agent_id"])
        await move(parked)

        async def lines() -> set[tuple[str, str]]:
            rows = [await place.contact(name) for name in (waits, served, parked)]
            return {(row["queue_id"], row["state"]) for row in rows}

        assert await lines() == {("sales", "queued")}
        await place.stop()
        place.start()  # it survives in the rows
        await place.settle()
        assert await lines() == {("sales", "queued")}
        await place.say("bob", "away")
        for _ in range(2):  # it opens, and is about to close
            place.clock.advance(70 * SECOND)
            await place.settle()
            assert await lines() == {("sales", "queued")}
        place.clock.advance(20 * SECOND)
        await place.settle()
        assert await lines() == {("service", "queued")}, (
            "what still waits when it closes goes like all others"
        )
        for name in (waits, served, parked):
            assert "placed" not in (await place.contact(name))["hints"], "it is nobody's choice any more"
        assert await faults(place.desk) == []
