"""Attacks by telephone: making the desk call numbers that cost it money, that are its own, or that are somebody else's.

Whoever calls says by which number they are to be called back; carriers often believe them.
"""

from copy import deepcopy

import pytest

from channels.contract import AccountId, HangUp, Hold
from service_desk.actions import admin, callbacks
from service_desk.clock import HOUR
from service_desk.domain.callback import dials
from service_desk.intake import answer_while_waiting
from service_desk.storage import schema
from tests.service_desk.dispatch.floor import SHORT, Floor, call_from, floor
from tests.service_desk.dispatch.test_callbacks import (
    AGENT_FIRST,
    CUSTOMER_FIRST,
    asked,
    dan_is_busy,
    fares,
    passes,
    picks_up,
    press,
    softphone,
)
from tests.service_desk.dispatch.test_rules import only_sales, publish
from tests.service_desk.people import PHONE, make_agent, rows_of, set_state
from tests.service_desk.storage.two_nodes import faults

STRANGER = "+14155550111"
OURS = "+15005550007"
"""The number of another of the desk's lines than the one that is called."""
PREMIUM = "+19005551234"
RULE = {**CUSTOMER_FIRST, "offer_after_s": 0}


async def dialled(place: Floor) -> int:
    """How many calls to customers the carrier was asked for."""
    return len(await rows_of(place.desk, schema.effect, kind="dial_customer"))


async def is_called_back(place: Floor, number: str) -> bool:
    """A caller says that this is their number, and tries all that leads to a callback."""
    name = await call_from(place, number)
    await place.settle()
    row = await place.contact(name)
    heard = await place.desk.read(answer_while_waiting, AccountId(PHONE), row["external_id"])
    assert isinstance(heard, Hold)
    pressed = isinstance(await press(place, name), HangUp)
    assert heard.offers_callback == pressed, "what is offered works, and nothing else does"
    if not pressed:
        row = await place.contact(name)
        assert not await place.desk.run(callbacks.overflowed, row), "nor is it done without being asked"
    await place.hang_up(name)
    await place.settle()
    return pressed


async def test_a_stranger_with_ten_calls_gets_three_dials(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=RULE)
        await dan_is_busy(place)
        for number in range(10):
            before = await dialled(place)
            called = await is_called_back(place, STRANGER)
            assert called == (number < 3)
            assert await dialled(place) - before == called
            if called:
                name = f"C{place.contacts}"
                await picks_up(place, name)
                await fares(place, name, "completed")
        assert await dialled(place) == 3
        assert await is_called_back(place, "+14155550112"), "others are called"
        await passes(place, 24 * HOUR // 1_000_000 + 1)
        assert await is_called_back(place, STRANGER), "and so are they the next day"
        assert await faults(place.desk) == []


async def test_who_asks_in_many_queues_before_the_first_call_gets_three_dials(db_url: str) -> None:
    """None was called when they asked: it counts when the calls begin."""
    async with floor(db_url) as place:
        place.start()
        await place.settle()
        body = deepcopy(SHORT)
        service = body["queues"][0]
        body["queues"] += [{**service, "id": f"q{n}", "callback": RULE} for n in range(5)]
        menu = body["phone_lines"][1]["options"]
        menu += [{"digit": f"{n + 3}", "queue": f"q{n}", "label": f"q{n}"} for n in range(5)]
        names = []
        for n in range(5):
            body["phone_lines"][0]["default_queue"] = f"q{n}"
            await place.desk.run(admin.publish_config, body)
            await place.settle()
            names.append(await call_from(place, STRANGER))
            await place.settle()
            assert isinstance(await press(place, names[-1]), HangUp)
        works = await make_agent(place.desk, "eve", queues=[f"q{n}" for n in range(5)])
        await set_state(place.desk, works, "ready", None)
        for name in names:
            await place.hang_up(name)
            await place.settle()
        rows = [await place.contact(name) for name in names]
        assert [dials(row) for row in rows] == [1, 1, 1, 0, 0]
        assert [row["state"] for row in rows] == ["queued"] * 3 + ["ended"] * 2
        tickets = await rows_of(place.desk, schema.ticket)
        assert len(tickets) == 2
        assert "rules do not let it call" in tickets[0]["description"]
        assert await faults(place.desk) == []


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(OURS, id="one of our own lines"),
        pytest.param(PREMIUM, id="premium rate"),
        pytest.param("+499001234567", id="premium rate abroad"),
        pytest.param(
            "+4990012345670", id="premium rate with a digit too many, which exchanges do not look at"
        ),
        pytest.param("+4918012345", id="shared cost"),
        pytest.param("+447012345678", id="personal number"),
        pytest.param("+881612345678", id="satellite"),
        pytest.param("+882161234567", id="no country"),
        pytest.param("+979123456789", id="international premium rate"),
        pytest.param("+18762345678", id="another country behind our own country code"),
    ],
)
async def test_what_nobody_may_claim_to_be_called_at_is_not_called(sqlite_url: str, number: str) -> None:
    """Also where the rule allows the countries of these numbers, but for the last, which is refused by its country."""
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback={**RULE, "countries": ["DE", "GB"]})
        assert not await is_called_back(place, number)
        assert await dialled(place) == 0
        assert await is_called_back(place, STRANGER)


async def test_other_countries_are_called_where_the_rule_allows_them(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback=RULE)
        assert not await is_called_back(place, "+493012345678")
        await publish(place, callback={**RULE, "countries": ["DE"]})
        assert await is_called_back(place, "+493012345678")
        assert not await is_called_back(place, "+33612345678")


async def test_a_number_that_became_ours_is_not_called_and_the_agent_is_free(db_url: str) -> None:
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, callback=AGENT_FIRST)
        name = await asked(place, STRANGER)
        body = deepcopy(SHORT)
        body["queues"][0]["callback"] = AGENT_FIRST
        body["phone_lines"][1]["number"] = STRANGER
        await place.desk.run(admin.publish_config, body)
        await place.say("bob", "ready")
        await place.settle()
        await place.accept(name)
        leg = await softphone(place, name)
        await place.settle()
        row = await place.contact(name)
        assert (row["state"], row["end_reason"]) == ("ended", "callback_missed")
        assert await dialled(place) == 0
        assert await rows_of(place.desk, schema.timer, kind="connect_timeout") == []
        ends = await rows_of(place.desk, schema.effect, kind="hang_up_call")
        assert [effect["data"]["call_id"] for effect in ends] == [leg]
        assert len(await rows_of(place.desk, schema.ticket)) == 1
        assert await faults(place.desk) == []
