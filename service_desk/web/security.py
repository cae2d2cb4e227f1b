"""Headers on every answer, where a request comes from, and whether a page of ours sent it."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from service_desk.errors import Forbidden
from service_desk.settings import Settings, is_address, is_loopback
from service_desk.web.keys import SETTINGS

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
TWILIO_SOCKETS = "https://eventgw.twilio.com https://*.twilio.com wss://*.twilio.com"
OWN = frozenset({"Cross-Origin-Resource-Policy", "Content-Security-Policy", "X-Frame-Options"})
"""A handler that sets one of these means it: a mail's frame, a file that is a download."""
TWILIO_MEDIA = "https://sdk.twilio.com https://media.twiliocdn.com"


def security_headers(settings: Settings) -> Mapping[str, str]:
    """What every answer carries. Scripts and styles only as files of ours, nothing inline, no framing."""
    host = urlsplit(settings.public_base).netloc
    sockets = f"{'wss' if settings.https else 'ws'}://{host}"
    voice = settings.softphone == "twilio"  # its browser library talks to the provider directly
    policy = {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": f"'self' {sockets}" + (f" {TWILIO_SOCKETS}" if voice else ""),
        "img-src": "'self' data:",
        "media-src": "'self'" + (f" {TWILIO_MEDIA}" if voice else ""),
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), payment=(), usb=(), microphone=(self)",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Server": "service-desk",
    }
    if settings.https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def add_security_headers(app: web.Application) -> None:
    """Put them on every answer, the failed ones too. What a handler says itself of `OWN` stays."""
    headers = security_headers(app[SETTINGS])

    async def on_prepare(_request: web.Request, response: web.StreamResponse) -> None:
        for name, value in headers.items():
            if name not in OWN or name not in response.headers:
                response.headers[name] = value

    app.on_response_prepare.append(on_prepare)


def require_own_page(request: web.Request) -> None:
    """Refuse what a page of another site sent. Programs outside a browser send neither header."""
    settings = request.app[SETTINGS]
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    foreign_origin = origin is not None and not settings.is_own_origin(origin)
    same_page = origin is not None and not foreign_origin
    if foreign_origin or (site not in (None, "same-origin", "none") and not same_page):
        raise Forbidden("This was sent by a page of another site. Open the desk itself.", code="csrf")


def client_address(request: web.Request) -> str:
    """Where the request comes from: the peer, or what trusted proxies say, from the nearest one backwards."""
    settings = request.app[SETTINGS]
    address = request.remote or ""
    hops = [
        hop.strip() for header in request.headers.getall("X-Forwarded-For", []) for hop in header.split(",")
    ]
    while hops and settings.trusts(address) and is_address(hops[-1]):
        address = hops.pop()
    return address


def is_this_machine(request: web.Request) -> bool:
    """Whether nobody between us and a program on this machine passed the request on."""
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return not forwarded and is_loopback(request.remote or "")
