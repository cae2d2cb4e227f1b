"""The demo's page learns who has a contact; a desk without the simulator tells nobody."""

from pathlib import Path

from service_desk.storage import schema
from tests.service_desk.web.world import World, a_world

HOLDER = "/simulator-desk/holder"
SIMULATOR = {"enabled": True, "url": "http://127.0.0.1:9", "robots": ["bob"]}


async def holder(world: World, query: str) -> object:
    answer = await world.stranger.get(f"{HOLDER}?{query}")
    assert answer.status == 200, answer.body
    return answer.json()["holder"]


async def test_who_has_a_call_and_who_has_a_chat(db_url: str, tmp_path: Path) -> None:
    async with a_world(db_url, tmp_path, simulator=SIMULATOR) as world:
        ada, bob = await world.person("ada"), await world.person("bob")
        for caller in (ada, bob):
            await world.ready(caller)
        contact = await world.call()
        row = await world.row(schema.interaction, contact)
        assert await holder(world, f"call={row['external_id']}") is None, "it waits"
        await world.served(bob, contact)
        name = (await world.row(schema.agent, bob.agent_id))["name"]
        assert await holder(world, f"call={row['external_id']}") == {"name": name, "robot": True}

        chat = await world.served(ada, await world.chat("Hello"))
        customer = (await world.row(schema.interaction, chat))["customer_id"]
        name = (await world.row(schema.agent, ada.agent_id))["name"]
        assert await holder(world, f"customer={customer}") == {"name": name, "robot": False}
        await ada.post(f"/api/v1/interactions/{chat}/end")
        await ada.post(f"/api/v1/interactions/{chat}/wrap-up", {"disposition": "solved"})
        assert await holder(world, f"customer={customer}") is None, "it is over"


async def test_anything_else_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, simulator=SIMULATOR) as world:
        for query in ("", "call=a&customer=b", "agent=ada"):
            assert (await world.stranger.get(f"{HOLDER}?{query}")).status == 400
        assert await holder(world, "call=%27%20OR%201%3D1%20--") is None


async def test_a_real_desk_tells_nobody(quick_world: World) -> None:
    assert (await quick_world.stranger.get(f"{HOLDER}?call=CA1")).status == 404
