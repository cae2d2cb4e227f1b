"""/health, /metrics and the descriptions for programs."""

import asyncio
from pathlib import Path

import pytest

from service_desk.bus.local import LocalBus
from service_desk.domain.events import EVENTS
from service_desk.storage.store import migrate
from tests.servers import PostgresServer
from tests.service_desk.web.world import World, a_world

ELSEWHERE = {"X-Forwarded-For": "192.0.2.1"}


async def test_a_desk_that_works(world: World) -> None:
    answer = await world.stranger.get("/health")
    assert (answer.status, answer.json()) == (200, {"status": "ok", "live": True, "ready": True, "why": []})


async def test_a_bus_that_is_away_is_a_loss_and_no_stop(quick_world: World) -> None:
    assert isinstance(quick_world.desk.bus, LocalBus)
    quick_world.desk.bus.degraded = "Redis does not answer: screens may be a second late."
    answer = await quick_world.stranger.get("/health")
    assert (answer.status, answer.json()["status"], answer.json()["ready"]) == (200, "degraded", True)
    assert answer.json()["why"] == ["Redis does not answer: screens may be a second late."]


async def test_a_database_that_is_away(own_postgres_server: PostgresServer, tmp_path: Path) -> None:
    own_postgres_server.execute("CREATE DATABASE desk")
    url = own_postgres_server.url("desk")
    migrate(url)
    async with a_world(url, tmp_path, limits={"health_read_s": 20}) as world:
        assert (await world.stranger.get("/health")).status == 200
        own_postgres_server.execute("CHECKPOINT")  # the tests' server stops as if the power went
        own_postgres_server.stop()
        answer = await world.stranger.get("/health")
        assert answer.status == 503
        assert answer.json() == {
            "status": "down",
            "live": True,
            "ready": False,
            "why": ["The database does not answer."],
        }
        own_postgres_server.start()
        async with asyncio.timeout(30):
            while (await world.stranger.get("/health")).status != 200:
                pass


async def test_metrics_for_programs_here_and_for_administrators(quick_world: World) -> None:
    await quick_world.stranger.get("/api/v1/tickets/tic_1?secret=1")
    here = await quick_world.stranger.get("/metrics")
    assert here.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    wanted = 'desk_requests_total{method="GET",route="/api/v1/tickets/{ticket_id}",status="401"} 1.0'
    assert wanted in here.body.decode()
    assert b"secret" not in here.body
    assert b"tic_1" not in here.body
    assert (await quick_world.stranger.get("/metrics", headers=ELSEWHERE)).code == "unauthenticated"
    ada, root = await quick_world.person("ada"), await quick_world.person("root", "admin")
    assert (await ada.get("/metrics", headers=ELSEWHERE)).code == "forbidden"
    assert (await root.get("/metrics", headers=ELSEWHERE)).status == 200


async def test_strange_methods_and_paths_make_no_new_series(quick_world: World) -> None:
    for number in range(5):
        await quick_world.stranger.send(f"BREW{number}", f"/coffee/{number}")
    text = (await quick_world.stranger.get("/metrics")).body.decode()
    assert "BREW" not in text
    assert "coffee" not in text


async def test_the_socket_messages_and_events_are_described(quick_world: World) -> None:
    answer = await quick_world.stranger.get("/api/v1/events.schema.json")
    document = answer.json()
    assert set(document["events"]) == set(EVENTS)
    assert document["live_schema"] == 1
    for reference in document["messages"].values():
        assert reference["$ref"].removeprefix("#/$defs/") in document["$defs"]


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/api/v1/events.schema.json"])
async def test_descriptions_are_json(quick_world: World, path: str) -> None:
    answer = await quick_world.stranger.get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
