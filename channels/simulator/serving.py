"""One small HTTP server, started and stopped without a connection left open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

TURNS = 3
"""Turns of the loop after which a connection that was taken has its handler."""


@asynccontextmanager
async def serving(
    app: web.Application, host: str = "127.0.0.1", port: int = 0, shutdown_s: float = 1.0
) -> AsyncIterator[str]:
    """Listen until the block ends; yields the base URL. OSError when the port is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_s)
    await runner.setup()
    try:
        if runner.server is None:
            raise RuntimeError("the runner has no server after its set-up")
        listener = await asyncio.get_running_loop().create_server(runner.server, host, port)
        bound_host, bound_port = listener.sockets[0].getsockname()[:2]
        try:
            yield f"http://{bound_host}:{bound_port}"
        finally:
            await _stop_listening(listener)
    finally:
        await runner.cleanup()


async def _stop_listening(listener: asyncio.Server) -> None:
    """Take no more connections, then close.

    A connection that is taken in the turn of the loop in which its server closes gets no handler and is never
    closed (CPython 3.11: `Server._attach` of a closed server fails). So the two are kept apart.
    """
    loop = asyncio.get_running_loop()
    for listening in listener.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(TURNS):
        await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop is exactly what is waited for
    listener.close()
