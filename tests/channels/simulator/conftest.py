"""A little desk that texts, and a customer's mobile phone, on the pretend carrier."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from channels.simulator.server import RunningSimulator
from tests.channels.sms.pretend_texts import sms_settings
from tests.channels.sms.text_desk import Mobile, TextDesk, listening


@pytest.fixture
async def text_desk(simulator: RunningSimulator) -> AsyncIterator[TextDesk]:
    async with listening(sms_settings(api_base_url=simulator.base_url)) as desk:
        simulator.exchange.messaging.set_routes((desk.route(),))
        yield desk


@pytest.fixture
def mobile(session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk) -> Mobile:
    assert text_desk.base_url
    return Mobile(session, simulator)
