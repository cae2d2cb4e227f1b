"""Signing in and out, and what a console needs once."""

from aiohttp import web

from service_desk.domain.access import Principal
from service_desk.domain.views import BootstrapView, SessionView
from service_desk.queries import people
from service_desk.storage.store import Reader
from service_desk.web.api.inputs import SignIn
from service_desk.web.keys import DESK, SETTINGS
from service_desk.web.openapi import PUBLIC, SIGNED_IN, Routes
from service_desk.web.serving import as_response
from service_desk.web.sessions import SESSION, SESSIONS, Session, clear_cookie, set_cookies

routes = Routes("session")


@routes.post("/api/v1/session", needs=PUBLIC, shape=SessionView)
async def sign_in(request: web.Request, body: SignIn) -> web.Response:
    """Sign in: a session cookie, and what a console starts with."""
    session, token = await request.app[SESSIONS].sign_in(request, body.login, body.password)
    response = as_response(await _view(request, session))
    set_cookies(response, request.app[SETTINGS], token)
    return response


@routes.get("/api/v1/session", needs=SIGNED_IN)
async def current_session(request: web.Request) -> SessionView:
    """Who is signed in here."""
    return await _view(request, request[SESSION])


@routes.delete("/api/v1/session", needs=SIGNED_IN)
async def sign_out(request: web.Request, who: Principal) -> web.Response:
    """Sign out: the session is over everywhere, its sockets too."""
    await request.app[SESSIONS].sign_out(who)
    response = web.Response(status=204)
    clear_cookie(response, request.app[SETTINGS])
    return response


@routes.get("/api/v1/console/bootstrap", needs=SIGNED_IN)
async def console_bootstrap(request: web.Request) -> BootstrapView:
    """Names from the configuration."""
    return await request.app[DESK].read(people.bootstrap, request.app[SETTINGS].softphone)


async def _view(request: web.Request, session: Session) -> SessionView:
    return await request.app[DESK].read(_session_view, session, request.app[SETTINGS].softphone)


def _session_view(reader: Reader, session: Session, softphone: people.Softphone) -> SessionView:
    return SessionView(
        me=people.me_view(reader, session.principal.agent_id),
        csrf=session.csrf,
        bootstrap=people.bootstrap(reader, softphone),
        expires_at=session.expires_at,
    )
