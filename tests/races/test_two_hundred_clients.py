"""Two hundred browsers accept one offer at once, on two nodes by HTTP: it is taken once (RELIABILITY §5).

Half of them are windows of the agent whom it rings at, half are others who forged its address.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from service_desk.actions import admin
from service_desk.clock import HOUR
from service_desk.desk import Desk
from service_desk.ids import fingerprint, new_token
from service_desk.settings import load_settings
from service_desk.storage import schema
from tests.e2e.desk_process import DeskProcess
from tests.races.campaign import read_ends
from tests.races.kinds import prepare
from tests.servers import free_port
from tests.service_desk.people import rows_of
from tests.service_desk.storage.two_nodes import faults, nodes

pytestmark = pytest.mark.postgres
WINDOWS = 100
CSRF = "c" * 43


@asynccontextmanager
async def served(url: str, folder: Path, count: int = 2) -> AsyncIterator[list[str]]:
    """The addresses of that many nodes, which answer HTTP and decide nothing."""
    async with AsyncExitStack() as stack:
        bases = []
        for number in range(count):
            port = free_port()
            config = folder / f"node{number}.toml"
            config.write_text(f'database_url = "{url}"\nroles = ["web"]\n[server]\nport = {port}\n')
            base = f"http://127.0.0.1:{port}"
            process = DeskProcess(config, base, folder / f"node{number}.log")
            stack.push_async_callback(process.stop)
            await process.start()
            bases.append(base)
        yield bases


async def signed_in(desk: Desk, agent: str) -> str:
    """A browser of the agent's; the token in its cookie."""
    token = new_token()
    await desk.run(admin.open_session, agent, fingerprint(token), CSRF, desk.clock.now() + HOUR)
    return token


async def test_it_is_taken_once(postgres_url: str, tmp_path: Path) -> None:
    cookie = load_settings(None).cookie_name
    async with nodes(postgres_url, 1) as (desk,), served(postgres_url, tmp_path) as bases:
        scene = await desk.run(prepare, 1, "ringing")
        clients = [(scene.agent, 200), (scene.other, 404)] * WINDOWS
        tokens = await asyncio.gather(*(signed_in(desk, agent) for agent, _ in clients))
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:

            async def accept(number: int, token: str) -> int:
                base = bases[number // 2 % len(bases)]
                headers = {"Cookie": f"{cookie}={token}", "X-CSRF-Token": CSRF, "Origin": base}
                headers["Idempotency-Key"] = f"window-{number}"
                address = f"{base}/api/v1/offers/{scene.offer.id}/accept"
                async with http.post(address, headers=headers, json={}) as answer:
                    await answer.read()
                    return answer.status

            answers = await asyncio.gather(*(accept(number, token) for number, token in enumerate(tokens)))
        told = Counter(zip([agent for agent, _ in clients], answers, strict=True))
        assert told == {(scene.agent, 200): WINDOWS, (scene.other, 404): WINDOWS}
        end = (await desk.read(read_ends, [scene.contact]))[scene.contact]
        assert (end.state, end.agent_id) == ("connecting", scene.agent)
        assert (end.answered, end.offers_closed) == (1, 1)
        effects = await rows_of(desk, schema.effect, subject=scene.contact)
        assert [row["kind"] for row in effects] == ["connect_call"], "the caller is fetched once"
        assert await faults(desk) == []
