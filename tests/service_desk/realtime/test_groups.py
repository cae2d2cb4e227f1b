"""Work in groups, and the door that lets few in at a time."""

import asyncio

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from service_desk.domain.access import Principal
from service_desk.realtime.door import ASKED_AT_ONCE, Door, leave
from service_desk.realtime.groups import Groups


async def test_what_came_meanwhile_is_done_together_and_no_more_than_so_many() -> None:
    groups: list[list[int]] = []
    free = asyncio.Event()

    async def work(group: list[int]) -> None:
        groups.append(group)
        await free.wait()

    together = Groups(work, most=3)
    together.add(0)
    await asyncio.sleep(0)
    for number in range(1, 6):
        together.add(number)
    assert groups == [[0]], "one that is alone waits for nobody, the others for it"
    free.set()
    await together.finish()
    assert groups == [[0], [1, 2, 3], [4, 5]]


async def test_a_group_that_fails_does_not_stop_the_next() -> None:
    done: list[int] = []

    async def work(group: list[int]) -> None:
        if 0 in group:
            raise RuntimeError("planted")
        done.extend(group)

    together = Groups(work, most=1)
    together.add(0)
    together.add(1)
    await together.finish()
    together.add(2)
    await together.finish()
    assert done == [1, 2]


async def identify(_request: web.Request) -> Principal:
    return Principal("agt_1", "agent", "session")


async def test_so_many_are_on_their_way_in_and_the_next_follows_who_leaves() -> None:
    door = Door(identify, at_once=2, held_s=60)
    requests = [make_mocked_request("GET", "/live/") for _ in range(4)]
    entering = [asyncio.create_task(door.enter(request)) for request in requests]
    await asyncio.sleep(0)
    assert [task.done() for task in entering] == [True, True, False, False]
    leave(requests[1])
    leave(requests[1])
    await asyncio.wait([entering[2]])
    assert not entering[3].done(), "leaving twice frees one place"
    leave(requests[0])
    await entering[3]
    for request in requests:
        leave(request)


async def test_who_connects_and_says_nothing_keeps_nobody_out() -> None:
    door = Door(identify, at_once=1, held_s=0.01)
    silent, next_one = make_mocked_request("GET", "/live/"), make_mocked_request("GET", "/live/")
    await door.enter(silent)
    async with asyncio.timeout(5):
        await door.enter(next_one)
    leave(silent)
    leave(next_one)


async def test_not_everybody_is_asked_at_once_who_they_are() -> None:
    """Else a webhook that comes after two thousand consoles waits for two thousand answers."""
    asked, answer = [], asyncio.Event()

    async def slowly(request: web.Request) -> Principal | None:
        asked.append(request)
        await answer.wait()
        return None

    door = Door(slowly)
    entering = [
        asyncio.create_task(door.enter(make_mocked_request("GET", "/live/")))
        for _ in range(3 * ASKED_AT_ONCE)
    ]
    await asyncio.sleep(0.01)
    assert len(asked) == ASKED_AT_ONCE
    answer.set()
    await asyncio.gather(*entering)
    assert len(asked) == 3 * ASKED_AT_ONCE
