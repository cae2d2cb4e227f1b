"""Row 6 (a revoked session keeps its socket): signing out closes every socket of that session within 2 s."""

import time
from pathlib import Path

import pytest
from socketio.exceptions import ConnectionError as Refused

from service_desk.storage import schema
from tests.e2e.console import console
from tests.e2e.world import add_agent, until, world
from tests.service_desk.people import rows_of

WITHIN_S = 2.0


async def test_signing_out_closes_the_sockets_of_that_session_only(db_url: str, tmp_path: Path) -> None:
    async with world(db_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as first, console(desk, "ann") as second:
            goodbyes: list[dict[str, str]] = []
            first.io.on("bye", goodbyes.append)
            started = time.monotonic()
            await first.ask("DELETE", "/session")

            async def closed() -> bool:
                return str(first.io.eio.state) == "disconnected"

            await until(closed, "the revoked session's socket closes", within_s=WITHIN_S)
            assert time.monotonic() - started < WITHIN_S
            assert goodbyes == [{"reason": "signed_out"}]
            assert second.io.connected, "another browser of the same person stays"
            with pytest.raises((Refused, AssertionError)):
                await first.connect()


async def test_the_last_session_takes_the_agent_out_of_the_line(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        ann = await add_agent(desk, "ann")
        async with console(desk, "ann") as first:
            await desk.call("+14155550100")
            await first.offer()
            await first.ask("DELETE", "/session")

            async def withdrawn() -> bool:
                offers = await rows_of(desk.desk, schema.offer, agent_id=ann)
                return [row["state"] for row in offers] == ["withdrawn"]

            await until(withdrawn, "the offer goes back", within_s=WITHIN_S)
            agent = (await rows_of(desk.desk, schema.agent))[0]
            assert (agent["chosen"], agent["reason"]) == ("away", "signed_out")
