"""Agents with shifts who stay ready from one day to the next, over a restart of the host too."""

from copy import deepcopy

import pytest

from service_desk.actions import admin, sockets
from service_desk.clock import HOUR
from service_desk.storage import schema
from tests.service_desk.dispatch.floor import SHORT, Floor, floor
from tests.service_desk.dispatch.test_silence import pass_time
from tests.service_desk.people import rows_of
from tests.service_desk.storage.two_nodes import faults

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
BY_DAY = {"zone": "UTC", **{day: ["08:00-17:00"] for day in DAYS}}


async def bob_works_by_day(place: Floor) -> None:
    """It is 10:13, and bob alone is ready."""
    place.start()
    await place.settle()
    place.clock.advance(12 * HOUR)
    for login in ("ann", "dan", "cyd"):
        await place.say(login, "away")
    body = deepcopy(SHORT)
    body["shifts"] = {"bob": BY_DAY}
    await place.desk.run(admin.publish_config, body)
    await place.settle()


async def hours_pass(place: Floor, hours: int) -> None:
    place.clock.advance(hours * HOUR)
    await pass_time(place, 1)


async def state_of_a_call(place: Floor) -> str:
    name = await place.call()
    await place.settle()
    state: str = (await place.contact(name))["state"]
    await place.hang_up(name)
    await place.settle()
    return state


@pytest.mark.parametrize("goes_home", [False, True])
async def test_who_stays_ready_overnight_works_the_next_day_and_not_in_between(
    db_url: str, *, goes_home: bool
) -> None:
    async with floor(db_url) as place:
        await bob_works_by_day(place)
        bob = place.names["bob"]
        assert await state_of_a_call(place) == "offered"
        if goes_home:
            await place.desk.run(sockets.closed, ["sid-bob"])
            await pass_time(place, 5)
        await hours_pass(place, 9)
        assert await state_of_a_call(place) == "queued", "19:13, after the shift"
        await hours_pass(place, 14)
        if goes_home:
            assert await state_of_a_call(place) == "queued", "9:13, and nobody is there"
            arrival = sockets.Arrival("sid-bob-2", bob, "session-2")
            await place.desk.run(sockets.opened, "nod_test", [arrival], actor=bob)
            await place.settle()
        assert await state_of_a_call(place) == "offered"
        await place.stop()
        place.start()
        await place.settle()
        assert await state_of_a_call(place) == "offered", "the rows say the same"
        await hours_pass(place, 9)
        assert await state_of_a_call(place) == "queued"
        (timer,) = await rows_of(place.desk, schema.timer, kind="shift_begins")
        assert timer["subject"] == bob
        assert await faults(place.desk) == []


async def test_who_says_ready_again_after_the_shift_works_longer(db_url: str) -> None:
    async with floor(db_url) as place:
        await bob_works_by_day(place)
        await hours_pass(place, 9)
        assert await state_of_a_call(place) == "queued"
        await place.say("bob", "ready")
        await place.settle()
        assert await state_of_a_call(place) == "offered"
        await place.stop()
        place.start()
        await place.settle()
        assert await state_of_a_call(place) == "offered"
        assert await faults(place.desk) == []
