"""One pretend account, the phone channel on it, and a little desk between: real servers on loopback."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from channels.contract import AccountId
from channels.phone.plugin import PhoneChannel, open_phone
from channels.simulator.server import RunningSimulator, running
from tests.channels.little_desk import LittleDesk, listening
from tests.channels.pretend import ACCOUNT, phone_settings, simulator_settings


@pytest.fixture
def channel() -> PhoneChannel:
    """A channel that is never asked to send."""
    return open_phone(AccountId(ACCOUNT), phone_settings(), "https://desk.example")


@pytest.fixture
async def simulator() -> AsyncIterator[RunningSimulator]:
    async with running(simulator_settings()) as started:
        yield started


@pytest.fixture
async def desk(simulator: RunningSimulator) -> AsyncIterator[LittleDesk]:
    async with listening(phone_settings(api_base_url=simulator.base_url)) as started:
        simulator.exchange.set_routes(*started.routes())
        yield started


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened
