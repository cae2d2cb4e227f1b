"""/health: whether the process lives, whether it can work, and what it lacks."""

import asyncio
from typing import Any

import sqlalchemy as sa
from aiohttp import web
from pydantic_core import to_json

from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.web.keys import DESK, SETTINGS


async def show_health(request: web.Request) -> web.Response:
    """200 when it can work ("degraded" says with what loss), 503 when it cannot. Both mean that it lives."""
    missing = await _missing(request)
    degraded = request.app[DESK].bus.degraded
    why = [*missing, *([degraded] if degraded is not None else [])]
    status = "down" if missing else "degraded" if why else "ok"
    facts: dict[str, Any] = {"status": status, "live": True, "ready": not missing, "why": why}
    return web.Response(
        status=503 if missing else 200,
        body=to_json(facts),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def _missing(request: web.Request) -> list[str]:
    """What keeps it from working. No details: anybody may ask."""
    try:
        async with asyncio.timeout(request.app[SETTINGS].limits.health_read_s):
            configured = await request.app[DESK].read(_is_configured)
    except Exception:  # noqa: BLE001 - whatever it is, the answer is that the database does not answer
        return ["The database does not answer."]
    return [] if configured else ["No configuration is published yet."]


def _is_configured(reader: Reader) -> bool:
    table = schema.config_version
    return reader.scalar(sa.select(table.c.version).where(table.c.state == "published").limit(1)) is not None
