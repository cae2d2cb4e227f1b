"""People at the control API, as the /simulator page and an agent's softphone are."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from channels.contract import (
    CallChanged,
    CallStatus,
    CallWaiting,
    ConferenceChanged,
    InboundEvent,
    ParticipantChange,
)
from channels.simulator.server import RunningSimulator
from tests.channels.little_desk import LittleDesk

AGENT = "agt_01hzx"
INTERACTION = "int_01hzy"


class Person:
    """Somebody at the control API, as the /simulator page is."""

    def __init__(self, session: aiohttp.ClientSession, base: str, call_sid: str) -> None:
        self.session = session
        self.call_sid = call_sid
        self.url = f"{base}/control/calls/{call_sid}"

    async def show(self) -> dict[str, Any]:
        async with self.session.get(self.url) as response:
            assert response.status == 200
            shown: dict[str, Any] = await response.json()
            return shown

    async def act(self, what: str, **body: Any) -> dict[str, Any]:
        async with self.session.post(f"{self.url}/{what}", json=body) as response:
            answered: dict[str, Any] = await response.json()
            return {"status": response.status, **answered}

    async def until(self, kind: str, after: int = 0, **facts: Any) -> dict[str, Any]:
        """Follow the event stream until something is heard."""
        async with (
            asyncio.timeout(10),
            self.session.get(f"{self.url}/events?last_event_id={after}") as stream,
        ):
            async for event in sse(stream):
                if event["kind"] == kind and all(event.get(name) == value for name, value in facts.items()):
                    return event
        raise AssertionError(f"the stream ended without {kind} {facts}")


async def sse(stream: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """Parsed Server-Sent Events."""
    number = 0
    async for raw in stream.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield {"id": number, **json.loads(line[6:])}


async def calls(session: aiohttp.ClientSession, simulator: RunningSimulator, **body: Any) -> Person:
    async with session.post(f"{simulator.base_url}/control/calls", json=body) as response:
        assert response.status == 201, await response.text()
        return Person(session, simulator.base_url, (await response.json())["call_sid"])


async def dials(session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk) -> Person:
    token = desk.channel.softphone_token(AGENT)
    headers = {"Authorization": f"Bearer {token}"}
    body = {"params": {"interaction_id": INTERACTION}}
    url = f"{simulator.base_url}/control/softphones/dial"
    async with session.post(url, json=body, headers=headers) as response:
        assert response.status == 201, await response.text()
        return Person(session, simulator.base_url, (await response.json())["call_sid"])


def conference(change: ParticipantChange, call_id: str | None) -> Any:
    def fits(event: InboundEvent) -> bool:
        return isinstance(event, ConferenceChanged) and (event.change, event.call_id) == (change, call_id)

    return fits


def completed(call_id: str) -> Any:
    def fits(event: InboundEvent) -> bool:
        return isinstance(event, CallChanged) and (event.call_id, event.status) == (
            call_id,
            CallStatus.COMPLETED,
        )

    return fits


async def talking(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> tuple[Person, Person]:
    """A customer and an agent in one conference."""
    customer = await calls(session, simulator, **{"from": "+16135550199"})
    await customer.until("listening")
    assert (await customer.act("digits", digits="2"))["taken"]
    await desk.count(CallWaiting, 1)
    await desk.channel.connect(customer.call_sid, INTERACTION)
    await desk.event(conference(ParticipantChange.JOINED, customer.call_sid))
    agent = await dials(session, simulator, desk)
    await desk.event(conference(ParticipantChange.JOINED, agent.call_sid))
    await customer.until("conference", started=True)
    return customer, agent
