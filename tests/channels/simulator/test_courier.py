"""The carrier's courier goes quietly: nothing of what it still had to tell is tried after it closed."""

import asyncio
import gc
from typing import Any

from aiohttp import web

from channels.simulator.courier import Courier
from channels.simulator.faults import Faults
from channels.simulator.pace import Pace
from channels.simulator.record import Record
from channels.simulator.serving import serving
from tests.channels.pretend import simulator_settings


async def test_callbacks_that_wait_for_each_other_end_with_the_courier() -> None:
    asked, held = asyncio.Event(), asyncio.Event()

    async def hook(_request: web.Request) -> web.Response:
        asked.set()
        await held.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/status", hook)
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: troubles.append(context))
    async with serving(app) as base:
        before = asyncio.all_tasks()
        settings = simulator_settings()
        courier = Courier(settings, Record(None), Faults(Pace(1.0, 1).random))
        for number in range(3):  # each waits for the one before
            courier.tell("CA1", f"{base}/status", {"SequenceNumber": str(number)})
        telling = {task for task in asyncio.all_tasks() - before if "_callback" in repr(task.get_coro())}
        assert len(telling) == 3
        await asked.wait()
        await courier.close()
        held.set()
        assert [task for task in telling if not task.cancelled()] == [], "each is over when the courier is"
    del telling
    gc.collect()  # says what a task failed of that nobody asked
    assert troubles == []
