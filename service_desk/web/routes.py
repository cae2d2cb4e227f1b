"""The web application: every route, in one place."""

import asyncio
from collections.abc import Callable
from functools import partial

from aiohttp import web

from service_desk.blobs.files import open_blobs
from service_desk.desk import Desk
from service_desk.intake import Intake
from service_desk.settings import Settings
from service_desk.web import hooks, schemas
from service_desk.web.api import (
    board,
    configuration,
    customers,
    figures,
    files,
    identities,
    interactions,
    me,
    offers,
    pulls,
    search,
    session,
    supervision,
    tickets,
)
from service_desk.web.api.widget import widget_config
from service_desk.web.health import WATCHER, Watcher, show_health, show_live, show_ready
from service_desk.web.keys import BLOBS, CHANNELS, DESK, INTAKE, SETTINGS, Channels
from service_desk.web.metrics import METRICS, WebMetrics, count_requests, show_metrics
from service_desk.web.openapi import Operation
from service_desk.web.problems import MACHINE_PATHS, problems
from service_desk.web.security import add_security_headers
from service_desk.web.serving import add_operations
from service_desk.web.sessions import SESSIONS, Sessions
from service_desk.web.simulator_desk import add_simulator_desk
from service_desk.web.simulator_proxy import add_simulator
from service_desk.web.static import Pages, find_pages

RESOURCES = (
    session,
    me,
    offers,
    interactions,
    pulls,
    files,
    tickets,
    customers,
    identities,
    board,
    figures,
    supervision,
    search,
    configuration,
)


def operations() -> tuple[Operation, ...]:
    """Every operation of the API."""
    return tuple(operation for resource in RESOURCES for operation in resource.routes.operations)


def make_app(
    desk: Desk, settings: Settings, channels: Channels, intake: Intake, pages: Pages | None = None
) -> web.Application:
    """The whole HTTP side, without the socket servers, which are attached to it."""
    app = web.Application(
        middlewares=[count_requests, problems], client_max_size=settings.limits.text_body_bytes
    )
    app[DESK], app[SETTINGS], app[CHANNELS], app[INTAKE] = desk, settings, channels, intake
    app[BLOBS] = open_blobs(settings)
    app[SESSIONS] = Sessions(desk, settings, desk.measures.registry)
    app[METRICS] = WebMetrics(desk.measures.registry)
    app[WATCHER] = Watcher(desk, settings)
    app[configuration.REHEARSING] = asyncio.Lock()
    app[hooks.HOOKS] = hooks.hooks_of(channels)
    add_security_headers(app)
    add_operations(app, operations())
    app.router.add_post(hooks.PATH, hooks.receive_webhook)
    app.router.add_get("/widget/config", widget_config)
    app.router.add_get("/health", show_health)
    app.router.add_get("/health/live", show_live)
    app.router.add_get("/health/ready", show_ready)
    app.router.add_get("/metrics", show_metrics)
    _add_schemas(app)
    if settings.simulator.enabled:
        add_simulator(app)
        add_simulator_desk(app)
    _add_pages(app, pages if pages is not None else find_pages(), simulator=settings.simulator.enabled)
    app.on_cleanup.append(_close)
    return app


async def _close(app: web.Application) -> None:
    app[SESSIONS].close()


def _add_schemas(app: web.Application) -> None:
    api = partial(schemas.openapi_document, operations())
    app.router.add_get("/api/v1/openapi.json", partial(_document, api))
    app.router.add_get("/api/v1/events.schema.json", partial(_document, schemas.events_document))


async def _document(write: Callable[[], bytes], _request: web.Request) -> web.Response:
    """Written when somebody asks first, beside the loop: a start would wait a quarter of a second for it."""
    return schemas.document(await asyncio.to_thread(write))


def _add_pages(app: web.Application, pages: Pages, *, simulator: bool) -> None:
    """The browser part. Every other address is the console's own, last of all."""

    async def console(request: web.Request) -> web.Response:
        return pages.page(request, "index.html")

    async def simulated(request: web.Request) -> web.Response:
        return pages.page(request, "simulator.html")

    async def asset(request: web.Request) -> web.Response:
        return pages.asset(request, request.match_info["tail"])

    async def widget(request: web.Request) -> web.Response:
        return pages.widget(request)

    async def other(request: web.Request) -> web.Response:
        return pages.other(request)

    app.router.add_get("/", console)
    if simulator:
        app.router.add_get("/simulator", simulated)
    app.router.add_get("/assets/{tail:.+}", asset)
    app.router.add_get("/widget/widget.js", widget)
    app.router.add_get(f"/{{path:(?!(?:{'|'.join(sorted(MACHINE_PATHS))})(?:/|$)).+}}", other)
