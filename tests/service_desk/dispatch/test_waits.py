"""How long customers, the board and those who look at the line are told that it takes, on real rows."""

from copy import deepcopy
from typing import Any

from routing.estimate import expected_wait
from service_desk.actions import admin
from service_desk.clock import MINUTE, SECOND
from service_desk.queries.lines import line_facts
from service_desk.queries.operations import Line, read_facts
from service_desk.queries.waiting import waiting_view
from service_desk.queries.wallboard import compute_board
from service_desk.storage import schema
from tests.service_desk.dispatch.floor import SHORT, Floor, call_from, floor, text_from
from tests.service_desk.dispatch.test_rules import only_sales, publish
from tests.service_desk.people import make_agent, row_of


async def live_row(place: Floor) -> dict[str, Any]:
    """What the router has written of the service queue, once all is told."""
    await place.advance(2)
    return await row_of(place.desk, schema.queue_live, "service")


async def test_all_are_told_the_same_wait_where_agents_have_several_chats(db_url: str) -> None:
    async with floor(db_url) as place:
        body = {**deepcopy(SHORT), "agent_units": 6, "weights": {"web_chat": 2, "sms": 0}}
        await place.desk.run(admin.publish_config, body)
        place.start()
        await place.send_home()
        eve = await make_agent(
            place.desk, "eve", queues=["service"], capacity={"phone": 1, "web_chat": 4, "sms": 2}
        )
        place.names["eve"], place.names[eve] = eve, "eve"
        names = []
        for _ in range(6):
            place.clock.advance(SECOND)
            names.append(await place.chat())
        for name in names[:3]:
            await place.settle()
            await place.accept(name)
        row = await live_row(place)
        assert row["places"] == {"phone": 1, "web_chat": 3, "sms": 2}, (
            "four chats would weigh more than she may have"
        )
        view = await place.desk.read(waiting_view, ["service"])
        assert [place.names[each.id] for each in view.items] == names[3:]
        seen = [(each.position, each.expected_wait_s, each.wait_basis) for each in view.items]

        def wait(ahead: int, places: int) -> int:
            return round(expected_wait(ahead, places * row["mu"], row["theta"]))

        assert seen == [(ahead + 1, wait(ahead, 3), "model") for ahead in range(3)]
        told = []
        for name in names[3:]:
            contact = await place.contact(name)
            facts = await place.desk.read(line_facts, contact["account"], contact["external_id"])
            assert facts is not None
            told.append((facts.position, facts.expected_wait_s, "model"))
        assert told == seen
        board = await place.desk.read(compute_board)
        service, sales = board.queues
        assert service.expected_wait_s == wait(3, 1), "a call would wait longer than a chat"
        assert sales.expected_wait_s is None, "nobody is there"


async def test_a_place_that_was_given_back_makes_nobody_wait_longer_in_figures(db_url: str) -> None:
    """What the order is made of is no wait: not for Prometheus, nor for who looks at a line that nobody serves."""
    async with floor(db_url) as place:
        await only_sales(place)
        await publish(place, recover_s=3_600)
        first = await call_from(place, "+14155550111")
        came = (await place.contact(first))["queued_at"]
        await place.hang_up(first)
        text = await text_from(place, "+14155550112", "Where is my oven?")
        place.clock.advance(10 * MINUTE)
        again = await call_from(place, "+14155550111")
        await place.call()
        assert (await place.contact(again))["queued_at"] == came
        await place.advance(5)
        view = await place.desk.read(waiting_view, ["service"])
        assert place.names[view.items[0].id] == again
        assert [(each.expected_wait_s, each.wait_basis) for each in view.items] == [(5, "head_age")] * 3
        facts = await place.desk.read(read_facts, None)
        begun = [(await place.contact(name))["created_at"] for name in (again, text)]
        line = facts.waiting["service"]
        waited = [(facts.at - at) / SECOND for at in begun]
        assert (line.waiting, [line.live_s, line.messages_s]) == (3, waited)
        assert facts.waiting["sales"] == Line(), "told as nought, not left out"
