"""How often a follower looks."""

import asyncio

from service_desk.follow import Pace

EVERY_S = 0.05


async def test_the_first_after_a_pause_goes_on_at_once_and_the_next_waits() -> None:
    loop, pace = asyncio.get_running_loop(), Pace(EVERY_S)
    begun = loop.time()
    await pace.wait()
    assert loop.time() - begun < EVERY_S / 2
    for turn in range(1, 4):
        await pace.wait()
        assert loop.time() - begun >= turn * EVERY_S * 0.99
    waiting = asyncio.create_task(pace.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(pace.wait(), 10 * EVERY_S)  # who gave up holds up nobody
