"""What the web layer throws away by itself: answers that were kept for repetitions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from service_desk.actions.once import forget_answers
from service_desk.clock import HOUR, Micros
from service_desk.desk import Desk
from service_desk.errors import DeskError
from service_desk.web.keys import DESK, SETTINGS

log = structlog.get_logger(__name__)


async def keep_answers(app: web.Application) -> AsyncIterator[None]:
    """Runs beside the server."""
    keep = round(app[SETTINGS].limits.idempotency_keep_h * HOUR)
    task = asyncio.create_task(forget_hourly(app[DESK], keep))
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def forget_hourly(desk: Desk, keep: Micros) -> None:
    """Once an hour remove answers that are older than `keep`. Every node does it; twice is harmless."""
    while True:
        await desk.clock.sleep_until(desk.clock.now() + HOUR)
        try:
            await desk.run(forget_answers, desk.clock.now() - keep)
        except DeskError as error:
            log.warning("answers.not_forgotten", reason=error.detail)
