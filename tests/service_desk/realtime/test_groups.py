"""Work in groups, and the door that lets few in at a time."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from service_desk.domain.access import Principal
from service_desk.errors import Unavailable
from service_desk.realtime.door import ASKED_TOGETHER, KNOWN, Door, leave
from service_desk.realtime.groups import Groups
from service_desk.realtime.turnstile import Turnstile


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


WHO = Principal("agt_1", "agent", "session")


async def identify(requests: Sequence[web.Request]) -> list[Principal | None]:
    return [WHO for _ in requests]


async def test_so_many_are_on_their_way_in_and_the_next_follows_who_leaves() -> None:
    door = Door(identify, at_once=2, held_s=60)
    requests = [make_mocked_request("GET", "/live/") for _ in range(4)]
    entering = [asyncio.create_task(door.enter(request)) for request in requests]
    await asyncio.wait(entering[:2])
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


async def test_who_comes_while_others_are_asked_is_asked_with_the_next() -> None:
    """A question of each would stand before a webhook that comes after two thousand consoles."""
    asked: list[int] = []
    answer = asyncio.Event()

    async def slowly(requests: Sequence[web.Request]) -> list[Principal | None]:
        asked.append(len(requests))
        await answer.wait()
        return [WHO if request.path == "/live/" else None for request in requests]

    door = Door(slowly, at_once=1_000)
    known, stranger = make_mocked_request("GET", "/live/"), make_mocked_request("GET", "/other/")
    gone = make_mocked_request("GET", "/live/")
    more = [make_mocked_request("GET", "/live/") for _ in range(ASKED_TOGETHER)]
    entering = [asyncio.create_task(door.enter(each)) for each in (known, stranger, gone, *more)]
    await asyncio.sleep(0.01)
    entering[2].cancel()
    answer.set()
    await asyncio.gather(*entering, return_exceptions=True)
    assert asked == [ASKED_TOGETHER, 3]
    assert known[KNOWN] == WHO
    assert stranger.get(KNOWN) is None
    for each in (known, *more):
        leave(each)


async def test_a_question_that_fails_lets_them_in_as_strangers() -> None:
    """Behind the door they are asked again, by who can say what is wrong."""

    async def broken(_requests: Sequence[web.Request]) -> list[Principal | None]:
        raise Unavailable("planted")

    request = make_mocked_request("GET", "/live/")
    async with asyncio.timeout(5):
        await Door(broken).enter(request)
    assert request.get(KNOWN) is None


async def test_so_many_go_through_in_one_turn_and_the_others_in_their_order() -> None:
    turnstile, turns = Turnstile(2), 0
    through: list[tuple[int, int]] = []

    async def go(number: int) -> None:
        await turnstile.through()
        through.append((turns, number))

    going = [asyncio.create_task(go(number)) for number in range(7)]
    for turns in range(1, 12):
        await asyncio.sleep(0)
        if turns == 2:
            going[4].cancel()
    assert [number for _, number in through] == [0, 1, 2, 3, 5, 6]
    together = Counter(turn for turn, _ in through)
    assert max(together.values()) == 2
    later = asyncio.create_task(go(9))
    await asyncio.sleep(0)
    assert later.done(), "one that is alone waits for nobody"
