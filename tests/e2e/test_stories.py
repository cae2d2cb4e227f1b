"""The call story and the chat story over real HTTP and sockets, without a browser."""

from pathlib import Path

from service_desk.storage import schema
from tests.e2e.console import console
from tests.e2e.world import add_agent, until, world
from tests.service_desk.people import rows_of


async def test_call_story(db_url: str, tmp_path: Path) -> None:
    async with world(db_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            call = await desk.call("+14155550100")
            offer = await ann.offer()
            contact = offer["interaction_id"]
            assert next(iter(ann.state["cards"].values()))["customer"]["display_name"] == "+1 415-555-0100"
            taken = await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            assert taken["state"] == "connecting"
            await ann.take_call(contact)
            active = await ann.interaction(contact, "active")
            assert active["call"]["in_conference"] is True
            await ann.ask("POST", f"/interactions/{contact}/notes", {"text": "wants a new shelf"})
            ticket = await ann.ask("POST", "/tickets", {"subject": "Shelf", "interaction_id": contact})
            await ann.ask("POST", f"/interactions/{contact}/end", {})
            await ann.interaction(contact, "wrap_up")

            async def over() -> bool:
                return (await desk.leg(call))["ended"] is not None

            await until(over, "the caller's leg ends")
            await ann.ask("POST", f"/interactions/{contact}/wrap-up", {"disposition": "done"})

            async def cleared() -> bool:
                return not ann.state["interactions"]

            await until(cleared, "the console is empty")
            assert ann.gaps == 0
            page = await ann.ask("GET", f"/tickets/{ticket['id']}")
            assert page["interactions"][0]["id"] == contact

            async def confirmed() -> bool:
                return {row["state"] for row in await rows_of(desk.desk, schema.effect)} == {"confirmed"}

            await until(confirmed, "every effect is confirmed")


async def test_caller_hangs_up_first(db_url: str, tmp_path: Path) -> None:
    async with world(db_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            call = await desk.call(None)
            offer = await ann.offer()
            contact = offer["interaction_id"]
            assert ann.state["interactions"][contact]["title"] == "Withheld number"
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            await ann.take_call(contact)
            await ann.interaction(contact, "active")
            await desk.control("POST", f"/calls/{call}/hangup", {})
            view = await ann.interaction(contact, "wrap_up")
            assert view["ended_by"] == "customer"


async def test_offer_expires_and_goes_to_the_next(db_url: str, tmp_path: Path) -> None:
    from tests.service_desk.conftest import CONFIG

    quick = {**CONFIG, "queues": [{**queue, "ring_s": 5} for queue in CONFIG["queues"]]}
    async with world(db_url, tmp_path, config=quick) as desk:
        await add_agent(desk, "ann")
        await add_agent(desk, "bob")
        async with console(desk, "ann") as ann:
            await desk.call("+14155550100")
            first = await ann.offer()
            async with console(desk, "bob") as bob:
                second = await bob.offer()
                assert (second["interaction_id"], second["attempt"]) == (first["interaction_id"], 2)
                status, problem = await ann.try_("POST", f"/offers/{first['id']}/accept", {})
                assert (status, problem["code"], problem["reason"]) == (409, "offer_closed", "expired")
                state = ann.state["me"][ann.agent_id]["state"]
                assert (state["chosen"], state["reason"]) == ("away", "no_answer")
