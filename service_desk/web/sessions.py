"""Who is asking: passwords, sign-in, session cookies, and the header that a foreign page cannot send.

A session is a random token in an HttpOnly cookie; the database has its fingerprint only. Nothing is cached: a
session that is revoked or whose agent is deactivated is over with the next request.

Guessing is slowed by three counts of failures, each per window. By address: one machine that tries many names. By
login and address: one machine that tries one name. By login alone: many machines that try one name, and this last
count leaves out browsers in which that login has signed in before. Such a browser shows the fingerprint of its
last session in a cookie that opens nothing; its own failures count by login and address as before. So strangers,
however many they are, get a handful of guesses per window at an account, and whoever works here is not kept out
by them: at their own desk never, at a new one until the window after the attack.
"""

import asyncio
import functools
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import argon2
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from service_desk.actions import admin
from service_desk.clock import HOUR
from service_desk.desk import Desk
from service_desk.domain.access import Principal
from service_desk.errors import Forbidden, TooMany, Unauthenticated
from service_desk.ids import fingerprint, new_token
from service_desk.queries import people
from service_desk.settings import Limits, Settings
from service_desk.web.security import UNSAFE, client_address, require_own_page

log = structlog.get_logger(__name__)

CSRF_HEADER = "X-CSRF-Token"
THROTTLED_MAX = 20_000
"""Failures remembered at most; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser."""

    principal: Principal
    csrf: str
    expires_at: int


class Passwords:
    """Argon2id on threads of its own, a bounded number at a time: each check takes 64 MiB and some 50 ms."""

    def __init__(self, limits: Limits) -> None:
        self._hasher = argon2.PasswordHasher()
        self._pool = ThreadPoolExecutor(limits.login_threads, thread_name_prefix="password")
        self._waiting_max = limits.login_threads + limits.login_waiting
        self._waiting = 0
        self._lock = threading.Lock()

    async def fits(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one. Without a hash the same work is done, and the answer is no."""
        if self._waiting >= self._waiting_max:
            raise TooMany(
                "Too many people are signing in at this moment: try again in a few seconds.", retry_after_s=5
            )
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._check, password_hash, password)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check(self, password_hash: str | None, password: str) -> bool:
        with self._lock:  # made with the first check, whoever it is for: its time tells nobody anything
            decoy = _decoy()
        try:
            self._hasher.verify(password_hash or decoy, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return password_hash is not None


@functools.cache
def _decoy() -> str:
    """The hash of what nobody knows, once in a process."""
    return argon2.PasswordHasher().hash(new_token())


def hash_password(password: str) -> str:
    """For new accounts; Invalid if the password is too short to be one."""
    admin.check_password(password)
    return argon2.PasswordHasher().hash(password)


class Throttle:
    """How often somebody failed lately: at most `most` within a window, kept in this process."""

    def __init__(self, most: int, window_s: float, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._window_s = window_s
        self._monotonic = monotonic
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, key: str) -> None:
        """TooMany if nothing more is allowed now."""
        now = self._monotonic()
        recent = [at for at in self._failures.get(key, ()) if now - at < self._window_s]
        if len(recent) >= self._most:
            wait_s = max(1, round(recent[0] + self._window_s - now))
            raise TooMany(f"Too many failed attempts: try again in {wait_s} seconds.", retry_after_s=wait_s)

    def begin(self, key: str) -> None:
        """Count an attempt as failed until `succeeded` says otherwise, so that many at once are seen."""
        now = self._monotonic()
        recent = [at for at in self._failures.pop(key, ()) if now - at < self._window_s]
        self._failures[key] = [*recent, now]
        while len(self._failures) > THROTTLED_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """The latest attempt was none of them."""
        failures = self._failures.get(key)
        if failures:
            failures.pop()
            if not failures:
                del self._failures[key]


class Sessions:
    """Signing in, out, and finding the session of a request."""

    def __init__(self, desk: Desk, settings: Settings, registry: CollectorRegistry) -> None:
        limits = settings.limits
        self._desk = desk
        self._settings = settings
        self._passwords = Passwords(limits)
        monotonic = desk.clock.monotonic
        self._by_login = Throttle(limits.login_failures_per_login, limits.login_window_s, monotonic)
        self._by_strangers = Throttle(limits.login_failures_from_strangers, limits.login_window_s, monotonic)
        self._by_address = Throttle(limits.login_failures_per_address, limits.login_window_s, monotonic)
        self._sign_ins = Counter("desk_sign_ins", "Attempts to sign in.", ["outcome"], registry=registry)

    def close(self) -> None:
        self._passwords.close()

    async def of(self, request: web.Request) -> Session:
        """The session of a request. Unauthenticated without one, Forbidden for changes by foreign pages."""
        token = request.cookies.get(self._settings.cookie_name)
        row = await self._desk.glance(people.session_row, fingerprint(token)) if token else None
        if row is None:
            raise Unauthenticated("You are not signed in, or your session is over: sign in.")
        session = Session(
            Principal(row["agent_id"], row["role"], row["fingerprint"]), row["csrf"], row["expires_at"]
        )
        if request.method in UNSAFE:
            require_own_page(request)
            given = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), session.csrf.encode()):
                raise Forbidden(
                    f"The header {CSRF_HEADER} is missing or wrong: reload the page.", code="csrf"
                )
        return session

    async def principals(self, requests: Sequence[web.Request]) -> list[Principal | None]:
        """Whose session each of these requests, which change nothing, has; in their order."""
        tokens = [request.cookies.get(self._settings.cookie_name) for request in requests]
        prints = [fingerprint(token) if token else "" for token in tokens]
        found = await self._desk.glance(people.principals, set(prints))
        return [found.get(each) for each in prints]

    async def sign_in(self, request: web.Request, login: str, password: str) -> tuple[Session, str]:
        """A new session and its token. Wrong name and wrong password: the same answer after the same work."""
        require_own_page(request)
        address, name = client_address(request), login.strip().casefold()
        keys = [(self._by_address, address), (self._by_login, f"{name} {address}")]
        if not await self._knows(request, name):
            keys.append((self._by_strangers, name))
        for throttle, key in keys:
            self._check(throttle, key)
        for throttle, key in keys:
            throttle.begin(key)
        row = await self._desk.read(people.login_row, login)
        if (
            not await self._passwords.fits(row["password_hash"] if row is not None else None, password)
            or row is None
        ):
            self._sign_ins.labels("refused").inc()
            log.warning("sign_in.refused", address=address)
            raise Unauthenticated("This name and password do not go together.", code="wrong_credentials")
        for throttle, key in keys:
            throttle.succeeded(key)
        self._sign_ins.labels("signed_in").inc()
        return await self._open(request, row["id"], row["role"])

    async def _knows(self, request: web.Request, name: str) -> bool:
        """Whether this login has signed in from this browser before, as far as sessions are kept."""
        shown = request.cookies.get(self._settings.browser_cookie_name)
        return shown is not None and await self._desk.glance(people.login_of_session, shown) == name

    async def sign_out(self, who: Principal) -> None:
        await self._desk.run(admin.revoke_session, who.session, "signed_out", actor=who.agent_id)

    async def _open(self, request: web.Request, agent_id: str, role: str) -> tuple[Session, str]:
        """Always a new token; the one that this browser had before, if any, is over."""
        token, csrf = new_token(), new_token()
        expires_at = self._desk.clock.now() + round(self._settings.limits.session_lifetime_h * HOUR)
        await self._desk.run(
            admin.open_session, agent_id, fingerprint(token), csrf, expires_at, actor=agent_id
        )
        if before := request.cookies.get(self._settings.cookie_name):
            await self._desk.run(admin.revoke_session, fingerprint(before), "replaced", actor=agent_id)
        return Session(Principal(agent_id, role, fingerprint(token)), csrf, expires_at), token

    def _check(self, throttle: Throttle, key: str) -> None:
        try:
            throttle.check(key)
        except TooMany:
            self._sign_ins.labels("throttled").inc()
            raise


SESSIONS: web.AppKey[Sessions] = web.AppKey("sessions", Sessions)
SESSION: web.RequestKey[Session] = web.RequestKey("session", Session)
"""The session of a request that was let in."""


def set_cookies(response: web.Response, settings: Settings, token: str) -> None:
    """The session, and the browser's sign that there was one: out of reach for scripts, sent by our own pages only."""
    keep_known_s = round(settings.retention.ended_sessions_d * 86_400)
    for name, value, max_age in (
        (settings.cookie_name, token, round(settings.limits.session_lifetime_h * 3_600)),
        (settings.browser_cookie_name, fingerprint(token), keep_known_s),
    ):
        response.set_cookie(
            name, value, max_age=max_age, path="/", httponly=True, secure=settings.https, samesite="Strict"
        )


def clear_cookie(response: web.Response, settings: Settings) -> None:
    """Let the browser forget it."""
    response.del_cookie(
        settings.cookie_name, path="/", httponly=True, secure=settings.https, samesite="Strict"
    )
