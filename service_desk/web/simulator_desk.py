"""What the demo's page tells whoever plays a customer: which agent has the contact, and whether it is a robot.

Only where the simulator is on, which listens on this machine alone; a real customer has no such view.
"""

from typing import Any

import sqlalchemy as sa
from aiohttp import web
from pydantic_core import to_json

from service_desk.domain.interaction import ACTIVE, CONNECTING, WRAP_UP
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.web.keys import DESK, SETTINGS
from service_desk.web.problems import BadRequest

PATH = "/simulator-desk/holder"
AGENT = schema.agent
INTERACTION = schema.interaction
LEG = schema.call_leg


def add_simulator_desk(app: web.Application) -> None:
    """Register the one route."""
    app.router.add_get(PATH, show_holder)


async def show_holder(request: web.Request) -> web.Response:
    """Who serves a call (`?call=`), or the newest chat of a customer (`?customer=`): {"holder": ... or null}."""
    if set(request.query) == {"call"}:
        by_leg = sa.select(LEG.c.interaction_id).where(LEG.c.call_id == request.query["call"])
        of: sa.ColumnElement[bool] = INTERACTION.c.id.in_(by_leg)
    elif set(request.query) == {"customer"}:
        of = sa.and_(
            INTERACTION.c.customer_id == request.query["customer"], INTERACTION.c.channel == "web_chat"
        )
    else:
        raise BadRequest("Ask for a call or for a customer.", field="call")
    found = await request.app[DESK].read(_holder, of, request.app[SETTINGS].simulator.robots)
    return web.Response(
        body=to_json({"holder": found}),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _holder(reader: Reader, of: sa.ColumnElement[bool], robots: tuple[str, ...]) -> dict[str, Any] | None:
    row = reader.first(
        sa.select(AGENT.c.name, AGENT.c.login, INTERACTION.c.state)
        .select_from(INTERACTION)
        .outerjoin(AGENT, AGENT.c.id == INTERACTION.c.agent_id)
        .where(of)
        .order_by(INTERACTION.c.created_at.desc())
        .limit(1)
    )
    if row is None or row["login"] is None or row["state"] not in (CONNECTING, ACTIVE, WRAP_UP):
        return None
    return {"name": row["name"], "robot": row["login"] in robots}
