"""What the web layer counts, and /metrics in Prometheus' text format."""

import contextlib

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from service_desk.domain.access import require
from service_desk.errors import Unavailable
from service_desk.trace import about, contact
from service_desk.web.health import WATCHER
from service_desk.web.keys import DESK
from service_desk.web.problems import Handler, route_of
from service_desk.web.security import is_this_machine
from service_desk.web.sessions import SESSIONS

BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
STREAMED = frozenset({"/simulator-api/{tail}", "/live/", "/chat/"})
"""Routes whose answers last as long as somebody listens: their duration says nothing."""


class WebMetrics:
    """Requests and webhooks of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "desk_requests", "HTTP requests.", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "desk_request_seconds", "Time to the answer.", ["route"], buckets=BUCKETS_S, registry=registry
        )
        self.webhooks = Counter(
            "desk_webhooks",
            "Webhooks by outcome.",
            ["channel", "account", "name", "outcome"],
            registry=registry,
        )


log = structlog.get_logger(__name__)

METRICS: web.AppKey[WebMetrics] = web.AppKey("metrics", WebMetrics)


@web.middleware
async def count_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and time every request by its route's pattern."""
    clock, metrics, route = request.app[DESK].clock, request.app[METRICS], route_of(request)
    begun, status = clock.monotonic(), 499  # nobody waited for the answer
    with about(interaction=request.match_info.get("interaction_id")):
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            method = request.method if request.method in KNOWN_METHODS else "other"
            metrics.requests.labels(method, route, status).inc()
            if route not in STREAMED:
                metrics.seconds.labels(route).observe(clock.monotonic() - begun)
            if method in CHANGES and route.startswith("/api/") and contact() is not None:
                log.info("request", method=method, route=route, status=status)


CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KNOWN_METHODS = CHANGES | {"GET", "HEAD", "OPTIONS"}


async def show_metrics(request: web.Request) -> web.Response:
    """For programs on this machine, and for people with the right."""
    if not is_this_machine(request):
        require((await request.app[SESSIONS].of(request)).principal, "metrics.read")
    with contextlib.suppress(Unavailable):  # with the database away, what is counted here still counts
        await request.app[WATCHER].look()
    text = generate_latest(request.app[DESK].measures.registry)
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
