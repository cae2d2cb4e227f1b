"""The address that the desk listens on."""

import asyncio
import socket

import pytest
import uvloop
from aiohttp import web

from service_desk.web.listening import TAKEN_AT_ONCE, listen

CALLERS = 64


class Count(web.Server):
    """A server that notes how many connections it was given."""

    taken = 0

    def __call__(self) -> web.RequestHandler:
        self.taken += 1
        return super().__call__()


async def answer(_request: web.BaseRequest) -> web.Response:
    return web.Response(text="here")


async def turns_until_all_are_taken() -> int:
    """So many turns of the loop it takes until everybody who has connected already is there."""
    server = Count(answer)
    runner = web.ServerRunner(server)
    await runner.setup()
    await listen(runner, "127.0.0.1", 0, shared=False)
    callers = [socket.socket() for _ in range(CALLERS)]
    try:
        for caller in callers:
            caller.connect(runner.addresses[0])
        turns = 0
        while server.taken < CALLERS:
            await asyncio.sleep(0)
            turns += 1
            assert turns < 100 * CALLERS, "they are never taken"
        return turns
    finally:
        for caller in callers:
            caller.close()
        await runner.cleanup()


def test_many_who_come_together_are_taken_several_in_a_turn() -> None:
    """Else a webhook that comes behind a thousand consoles waits for a thousand turns, however long they are."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        turns = runner.run(turns_until_all_are_taken())
    assert turns <= 2 * CALLERS // TAKEN_AT_ONCE + 2


async def test_an_address_is_had_once_and_free_again_afterwards() -> None:
    first, second = web.ServerRunner(web.Server(answer)), web.ServerRunner(web.Server(answer))
    await first.setup()
    await second.setup()
    await listen(first, "127.0.0.1", 0, shared=False)
    host, port = first.addresses[0]
    with pytest.raises(OSError, match="in use"):
        await listen(second, host, port, shared=False)
    await first.cleanup()
    await listen(second, host, port, shared=False)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET / HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"here")
    writer.close()
    await second.cleanup()
    with pytest.raises(OSError, match=r"refused|failed"):
        await asyncio.open_connection(host, port)


async def test_processes_may_share_an_address() -> None:
    first, second = web.ServerRunner(web.Server(answer)), web.ServerRunner(web.Server(answer))
    await first.setup()
    await second.setup()
    await listen(first, "127.0.0.1", 0, shared=True)
    await listen(second, *first.addresses[0], shared=True)
    await first.cleanup()
    await second.cleanup()
