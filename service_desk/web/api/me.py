"""The signed-in agent: their state and their softphone."""

from typing import Protocol, runtime_checkable

from aiohttp import web

from service_desk.actions import agents
from service_desk.clock import SECOND
from service_desk.domain.access import Principal
from service_desk.domain.views import MeView, SoftphoneTokenView
from service_desk.errors import Conflict
from service_desk.queries.people import me_view
from service_desk.storage.transaction import Tx
from service_desk.web.api.changes import telling
from service_desk.web.api.inputs import ChosenState
from service_desk.web.keys import CHANNELS, DESK, SETTINGS
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading

routes = Routes("me")
DIAL_URL = "/simulator-api/softphones/dial"


@runtime_checkable
class SoftphoneSource(Protocol):
    """A channel whose calls agents join from their browser."""

    def softphone_token(self, agent_id: str, lifetime_s: int = 3600) -> str: ...


@routes.put("/api/v1/me/state", needs="contact.handle")
def choose_state(tx: Tx, who: Principal, body: ChosenState, version: int) -> MeView:
    """Say ready, or away with a reason."""
    with telling(lambda: me_view(reading(tx), who.agent_id)):
        agents.choose_state(tx, who.agent_id, version, body.state, body.reason)
    return me_view(reading(tx), who.agent_id)


@routes.post("/api/v1/softphone/token", needs="contact.handle")
async def softphone_token(request: web.Request, who: Principal) -> SoftphoneTokenView:
    """A fresh token for this agent's softphone. Never stored, so a repetition gets another one."""
    settings, channels = request.app[SETTINGS], request.app[CHANNELS]
    accounts = sorted(account for name, account in channels if name == "phone")
    channel = channels["phone", accounts[0]] if accounts else None
    if channel is None or settings.softphone == "none" or not isinstance(channel, SoftphoneSource):
        raise Conflict("No phone account is configured, so there is no softphone.", code="no_softphone")
    lifetime_s = settings.limits.softphone_token_s
    return SoftphoneTokenView(
        kind=settings.softphone,
        token=channel.softphone_token(who.agent_id, lifetime_s),
        expires_at=request.app[DESK].clock.now() + lifetime_s * SECOND,
        dial_url=DIAL_URL if settings.softphone == "simulator" else None,
    )
