"""The bus of one process: wakes merge, whispers are small and may be dropped."""

import asyncio

import pytest

from service_desk.bus.local import WHISPER_BYTES, WHISPERS_KEPT, LocalBus


async def soon(work: object) -> object:
    return await asyncio.wait_for(work, 5)  # type: ignore[arg-type]  # anything that can be awaited


async def test_a_reader_looks_at_the_start_and_wakes_are_merged() -> None:
    bus = LocalBus()
    wakes = bus.wakes()
    await soon(anext(wakes))
    for _ in range(100):
        bus.wake()
    await soon(anext(wakes))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(wakes), 0.05)


async def test_each_reader_is_woken_and_one_who_left_is_forgotten() -> None:
    bus = LocalBus()
    one, other = bus.wakes(), bus.wakes()
    await soon(anext(one))
    await soon(anext(other))
    bus.wake()
    await soon(anext(one))
    await soon(anext(other))
    await one.aclose()  # type: ignore[attr-defined]  # a generator
    assert len(bus._waiting) == 1


async def test_whispers_reach_those_who_listen_to_the_topic() -> None:
    bus = LocalBus()
    heard = bus.whispers("board")
    waiting = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    bus.whisper("other", "no")
    bus.whisper("board", "yes")
    assert await soon(waiting) == "yes"


async def test_whispers_are_bounded_in_size_and_number() -> None:
    bus = LocalBus()
    with pytest.raises(ValueError, match="at most"):
        bus.whisper("board", "é" * (WHISPER_BYTES // 2 + 1))
    heard = bus.whispers("board")
    waiting = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    for number in range(WHISPERS_KEPT + 100):
        bus.whisper("board", str(number))
    assert await soon(waiting) == "0"
    (listener,) = bus._listeners["board"]
    assert listener.qsize() == WHISPERS_KEPT - 1, "what nobody fetches is dropped, not piled up"


async def test_whispering_into_the_void_keeps_nothing() -> None:
    bus = LocalBus()
    for number in range(1_000):
        bus.whisper(f"topic-{number}", "")
    assert len(bus._listeners) == 0
