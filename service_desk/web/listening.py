"""The door to the network: one address, and several connections taken in each turn of the loop."""

import asyncio
import os
import socket

from aiohttp import web

BACKLOG = 4_096
"""Connections that wait to be taken. Beyond it the network drops them, webhooks too, and tries again after seconds."""
TAKEN_AT_ONCE = 8
"""uvloop takes one connection of a listening socket in each turn of the loop (as libuv does since 1.45). When thousands
of consoles come back a turn is long, and a webhook that came after them stood in line for seconds before it was taken.
So the socket is listened on by so many handles."""


async def listen(runner: web.BaseRunner, host: str, port: int, *, shared: bool) -> None:
    """Take connections for a runner that is set up, until its `cleanup`.

    `shared`: other processes may listen on the same address, which the system divides the connections among. OSError if
    the address cannot be had.
    """
    server = runner.server
    assert server is not None, "set up"
    loop = asyncio.get_running_loop()
    bound = await loop.create_server(server, host, port, reuse_port=shared, start_serving=False)
    try:
        handles = [
            socket.socket(fileno=os.dup(each.fileno()))
            for _ in range(TAKEN_AT_ONCE)
            for each in bound.sockets
        ]
    finally:
        bound.close()
    for handle in handles:
        await web.SockSite(runner, handle, backlog=BACKLOG).start()
