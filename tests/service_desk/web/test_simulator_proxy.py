"""The demo's proxy in front of the real simulated carrier, which calls our webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestServer

from channels.simulator.server import RunningSimulator, running
from channels.simulator.settings import SimulatorSettings
from tests.servers import free_port
from tests.service_desk.web.world import ACCOUNT, PHONE, World, a_world

CALLS = "/simulator-api/calls"


@asynccontextmanager
async def a_demo(url: str, tmp_path: Path) -> AsyncIterator[tuple[World, RunningSimulator]]:
    """A desk and a carrier that know each other."""
    port, desk_port = free_port(), free_port()
    base = f"http://127.0.0.1:{desk_port}/hooks/phone/{ACCOUNT}"
    carrier = SimulatorSettings.model_validate(
        {
            "port": port,
            **{name: PHONE[name] for name in ("account_sid", "auth_token", "api_key_sid", "api_key_secret")},
            "numbers": [
                {
                    "number": "+14155550100",
                    "voice_url": f"{base}/voice",
                    "fallback_url": f"{base}/fallback",
                    "status_callback": f"{base}/status",
                }
            ],
            "apps": [
                {
                    "sid": PHONE["twiml_app_sid"],
                    "voice_url": f"{base}/agent",
                    "status_callback": f"{base}/status",
                }
            ],
            "speed": 50,
        }
    )
    async with running(carrier) as simulator:
        account = {**PHONE, "api_base_url": simulator.base_url}
        async with a_world(
            url,
            tmp_path,
            server={"port": desk_port, "public_base": f"http://127.0.0.1:{desk_port}"},
            accounts={"phone": {ACCOUNT: account}},
            simulator={"enabled": True, "url": simulator.base_url},
        ) as world:
            yield world, simulator


@pytest.fixture
async def demo(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_demo(sqlite_url, tmp_path) as (world, _):
        yield world


async def next_event(response: ClientResponse, kind: str) -> tuple[int, dict[str, Any]]:
    """The next event of a kind from a stream: its id and data."""
    number, name = 0, ""
    async with asyncio.timeout(20):
        async for raw in response.content:
            line = raw.decode().strip()
            if line.startswith("id: "):
                number = int(line.removeprefix("id: "))
            elif line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name == kind:
                return number, json.loads(line.removeprefix("data: "))
    raise AssertionError(f"the stream ended without {kind}")


async def test_a_person_calls_hears_the_menu_presses_a_key_and_waits(demo: World) -> None:
    placed = await demo.stranger.post(CALLS, {"from": "+14155550123"})
    assert placed.status == 201
    call = f"{CALLS}/{placed.json()['call_sid']}"
    async with demo.client.get(f"{call}/events", headers={"Accept": "text/event-stream"}) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert "default-src 'self'" in stream.headers["Content-Security-Policy"]
        last, said = await next_event(
            stream, "words"
        )  # arrives while the stream is open: nothing is buffered
        assert "Welcome to Alpenglow" in said["text"]
    async with demo.client.get(f"{call}/events", headers={"Last-Event-ID": str(last)}) as stream:
        assert (await demo.stranger.post(f"{call}/digits", {"digits": "2"})).json()["taken"] is True
        later, said = await next_event(stream, "words")
        assert later > last
    shown = await demo.stranger.get(call)
    assert shown.json()["from"] == "+14155550123"
    assert (await demo.stranger.post(f"{call}/hangup")).json()["hung_up"] is True


async def test_the_softphone_dials_with_its_token(demo: World) -> None:
    ada = await demo.person("ada")
    token = (await ada.post("/api/v1/softphone/token")).json()
    assert (token["kind"], token["dial_url"]) == ("simulator", "/simulator-api/softphones/dial")
    body = {"params": {"interaction_id": "int_1"}}
    dialled = await demo.stranger.post(
        token["dial_url"], body, headers={"Authorization": f"Bearer {token['token']}"}
    )
    assert dialled.status == 201
    refused = await demo.stranger.post(token["dial_url"], body, headers={"Authorization": "Bearer x"})
    assert refused.status == 401


async def test_only_our_own_page_may_use_it_and_not_all_of_it(demo: World) -> None:
    own = {"Origin": demo.settings.public_base, "Sec-Fetch-Site": "same-origin"}
    assert (await demo.stranger.post(CALLS, {"from": "+14155550123"}, headers=own)).status == 201
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await demo.stranger.post(CALLS, {}, headers=headers)).code == "csrf"
    routes = {"numbers": [{"number": "+14155550100", "voice_url": "http://127.0.0.1:1/steal"}]}
    for path in (
        "/simulator-api/routes",
        "/simulator-api/calls/../routes",
        "/simulator-api/%2e%2e/2010-04-01/Accounts",
    ):
        answer = await demo.stranger.send("PUT", path, routes)
        assert answer.status in (404, 405), path
    large = await demo.stranger.post(CALLS, {"caller_name": "x" * 100_000})
    assert large.code == "too_large"


async def test_the_simulator_page_is_there_in_the_demo_only(demo: World) -> None:
    answer = await demo.stranger.get("/simulator", headers={"Accept": "text/html"})
    assert answer.status in (200, 503)  # 503: not built here
    assert b"simulator" in answer.body.lower() or b"make ui" in answer.body


async def test_what_passes_and_what_does_not(sqlite_url: str, tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    async def tell(request: web.Request) -> web.Response:
        seen.append({"path": request.path_qs, **request.headers})
        headers = {
            "Set-Cookie": "carrier=1",
            "Access-Control-Allow-Origin": "*",
            "Location": "http://evil.example",
        }
        return web.Response(status=302, text="there", headers=headers)

    upstream = web.Application()
    upstream.router.add_route("*", "/{tail:.*}", tell)
    async with TestServer(upstream) as server:
        simulator = {"enabled": True, "url": str(server.make_url("")).rstrip("/")}
        async with a_world(sqlite_url, tmp_path, simulator=simulator) as world:
            ada = await world.person("ada")
            headers = {
                "Authorization": "Bearer t",
                "Last-Event-ID": "7",
                "Connection": "close",
                "X-Other": "no",
            }
            answer = await ada.get("/simulator-api/log?after=1&kind=a%20b", headers=headers)
    assert (answer.status, answer.body) == (302, b"there")
    for name in ("Set-Cookie", "Access-Control-Allow-Origin", "Location"):
        assert name not in answer.headers
    assert seen[0]["path"] == "/control/log?after=1&kind=a%20b"
    assert (seen[0]["Authorization"], seen[0]["Last-Event-ID"]) == ("Bearer t", "7")
    assert not {"Cookie", "X-CSRF-Token", "X-Other", "Origin"} & set(seen[0])


async def test_a_carrier_that_is_away(sqlite_url: str, tmp_path: Path) -> None:
    simulator = {"enabled": True, "url": f"http://127.0.0.1:{free_port()}"}
    async with a_world(sqlite_url, tmp_path, simulator=simulator) as world:
        answer = await world.stranger.get(CALLS)
        assert (answer.status, answer.code) == (503, "unavailable")


async def test_open_streams_do_not_hold_up_the_end(sqlite_url: str, tmp_path: Path) -> None:
    async with a_demo(sqlite_url, tmp_path) as (world, _):
        placed = await world.stranger.post(CALLS, {"from": "+14155550123"})
        stream = await world.client.get(f"{CALLS}/{placed.json()['call_sid']}/events")
        await next_event(stream, "words")
        async with asyncio.timeout(5):
            await world.client.server.close()
        stream.close()
