"""A whole desk behind HTTP for tests: real store, real actions, real adapters, aiohttp's own server.

Only the router is not running: offers are made by the action that records its decisions.
"""

import itertools
import json
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDictProxy
from twilio.request_validator import RequestValidator

from channels.contract import (
    AccountId,
    CallbackAsked,
    CallStarted,
    Channel,
    ChatOpened,
    DigitsPressed,
    MessageReceived,
)
from channels.load import find
from routing.decisions import OfferMade
from routing.model import Offer
from service_desk.actions import admin, agents, calls, chats, offers, sockets, tickets
from service_desk.bus.local import LocalBus
from service_desk.clock import SECOND, SystemClock
from service_desk.desk import Desk
from service_desk.ids import fingerprint, new_id, new_token
from service_desk.intake import Intake
from service_desk.settings import Settings, load_settings
from service_desk.storage import schema
from service_desk.storage.store import Store
from service_desk.web.bodies import REQUEST_LINE_BYTES
from service_desk.web.routes import make_app
from service_desk.web.static import Pages
from tests.quick import quick_hash
from tests.servers import free_port
from tests.service_desk.checked import CheckedDesk

ROOT = Path(__file__).resolve().parents[3]
CONFIG = tomllib.loads((ROOT / "config" / "queues.example.toml").read_text(encoding="utf-8"))

ACCOUNT = AccountId("phone-main")
ACCOUNT_SID = "AC" + "1" * 32
AUTH_TOKEN = "a" * 32
PHONE = {
    "account_sid": ACCOUNT_SID,
    "auth_token": AUTH_TOKEN,
    "api_key_sid": "SK" + "2" * 32,
    "api_key_secret": "s" * 32,
    "twiml_app_sid": "AP" + "3" * 32,
    "numbers": ["+14155550100"],
    "api_base_url": "http://127.0.0.1:9",
}
PASSWORD = "correct horse battery"
PASSWORD_HASH = quick_hash(PASSWORD)
WIDGET = AccountId("demo")


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's stable code."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.body
        document = self.json()
        assert document["status"] == self.status
        assert document["detail"]
        code: str = document["code"]
        return code


@dataclass
class Caller:
    """Somebody who sends requests: a stranger, or (with a session) a signed-in browser."""

    client: TestClient[web.Request, web.Application]
    cookie: str | None = None
    csrf: str | None = None
    agent_id: str = ""
    fingerprint: str = ""
    keys: Any = field(default_factory=lambda: (f"key-{number}" for number in itertools.count(1)))

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        version: int | None = None,
        headers: Mapping[str, str | None] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """Send as a browser does; `headers` adds, replaces, or (None) leaves out."""
        sent: dict[str, str | None] = {"Accept": "application/json"}
        if self.cookie is not None:
            sent["Cookie"] = self.cookie
        if method != "GET" and self.csrf is not None:
            sent["X-CSRF-Token"] = self.csrf
        if method == "POST" and key is not None:
            sent["Idempotency-Key"] = key or f"{self.agent_id}{next(self.keys)}"
        if version is not None:
            sent["If-Match"] = f'"{version}"'
        if body is not None or (method in ("POST", "PUT", "PATCH") and data is None):
            data = json.dumps({} if body is None else body).encode()
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        clean = {name: value for name, value in sent.items() if value is not None}
        async with self.client.request(
            method, path, data=data, headers=clean, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.send("POST", path, body, **more)

    async def put(self, path: str, body: Any, version: int, **more: Any) -> Answer:
        return await self.send("PUT", path, body, version=version, **more)

    async def patch(self, path: str, body: Any, version: int, **more: Any) -> Answer:
        return await self.send("PATCH", path, body, version=version, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self.send("DELETE", path, **more)


class World:
    """The desk, its HTTP side and the people in it."""

    def __init__(
        self, desk: Desk, settings: Settings, app: web.Application, client: TestClient[Any, Any]
    ) -> None:
        self.desk = desk
        self.settings = settings
        self.app = app
        self.client = client
        self.stranger = Caller(client)
        self._numbers = itertools.count(1)

    async def person(self, login: str, role: str = "agent", password_hash: str = PASSWORD_HASH) -> Caller:
        """A new person with an account, signed in without the work of a password check."""
        row = await self.desk.run(_add_person, login, role, password_hash)
        return await self.signed_in(row["id"])

    async def signed_in(self, agent_id: str) -> Caller:
        token, csrf = new_token(), new_token()
        expires_at = self.desk.clock.now() + 3_600 * SECOND
        await self.desk.run(admin.open_session, agent_id, fingerprint(token), csrf, expires_at)
        cookie = f"{self.settings.cookie_name}={token}"
        return Caller(self.client, cookie, csrf, agent_id, fingerprint(token))

    async def ready(self, caller: Caller) -> None:
        """Connected and waiting for work."""
        await self.desk.run(
            sockets.opened, "node", [sockets.Arrival(new_id("sid", 0), caller.agent_id, caller.fingerprint)]
        )
        row = await self.desk.run(agents.must_get, caller.agent_id)
        await self.desk.run(agents.choose_state, caller.agent_id, row["version"], "ready", None)

    async def call(self, caller: str | None = None) -> str:
        """A customer's call that waits in the service queue; the interaction's id."""
        number = next(self._numbers)
        call_id = f"CA{number:032x}"
        event = CallStarted(call_id, caller or f"+1415555{number:04d}", "+14155550100", f"voice:{call_id}")
        await self.desk.run(calls.start_call, ACCOUNT, event, actor=ACCOUNT)
        await self.desk.run(
            calls.choose, ACCOUNT, DigitsPressed(call_id, "1", f"menu:{call_id}:1"), actor=ACCOUNT
        )
        return await self.interaction_of(ACCOUNT, call_id)

    async def offer_callbacks(self) -> None:
        """Callers of the service queue may ask to be called back, at once."""
        body = (await self.desk.read(lambda reader: reader.config)).model_dump(mode="json")
        (service,) = (queue for queue in body["queues"] if queue["id"] == "service")
        service["callback"] = {"offer_after_s": 0}
        await self.desk.run(admin.publish_config, body)

    async def ask_callback(self, interaction_id: str) -> None:
        """The caller, who waits in a queue that offers it, asks to be called back."""
        call_id = (await self.row(schema.interaction, interaction_id))["external_id"]
        await self.desk.run(calls.ask_callback, ACCOUNT, CallbackAsked(call_id, "1", f"ask:{call_id}"))

    async def chat(self, text: str = "Hello, my oven is cold.") -> str:
        """A chat that waits in the service queue; somebody of it must be at work."""
        visitor = await self.desk.run(chats.meet_visitor, WIDGET, None, fingerprint(new_token()))
        chat_id = new_id("cht", self.desk.clock.now())
        opened = ChatOpened(chat_id, visitor["id"], f"open:{chat_id}", name="Vera", topic="appliance")
        first = MessageReceived(chat_id, "first", visitor["id"], text, f"message:{chat_id}:first")
        line = await self.desk.run(chats.open_chat, WIDGET, opened, first, actor="customer")
        return line.interaction_id

    async def offer(self, interaction_id: str, caller: Caller) -> str:
        """Ring at somebody who is ready; the offer's id."""
        now = self.desk.clock.now()
        offer = Offer(
            id=f"{interaction_id}.{next(self._numbers)}",  # as the router names them
            item=interaction_id,
            agent=caller.agent_id,
            made_at=now,
            deadline=now + 20 * SECOND,
            attempt=1,
        )
        refused = await self.desk.run(offers.apply_decisions, [OfferMade(offer)], 1)
        assert not refused, refused
        return offer.id

    async def served(self, caller: Caller, interaction_id: str) -> str:
        """The contact rings at somebody, who takes it."""
        answer = await caller.post(f"/api/v1/offers/{await self.offer(interaction_id, caller)}/accept")
        assert answer.status == 200, answer.body
        return interaction_id

    async def ticket(self, **values: Any) -> dict[str, Any]:
        """A case that somebody opened."""
        facts: dict[str, Any] = {
            "subject": "Oven stays cold", "description": "", "priority": "normal", "queue_id": "service",
            "customer_id": None, "interaction_id": None, "assignee_id": None,
        }  # fmt: skip
        row: dict[str, Any] = await self.desk.run(_open_ticket, {**facts, **values})
        return row

    async def interaction_of(self, account: str, external_id: str) -> str:
        found: str = await self.desk.run(_interaction_of, account, external_id)
        return found

    async def row(self, table: Any, key: str) -> Mapping[str, Any]:
        """A row as it is now."""
        found = await self.desk.read(lambda reader: reader.get(table, key))
        assert found is not None
        return dict(found)

    async def count(self, statement: Any) -> int:
        counted: int = await self.desk.read(lambda reader: reader.scalar(statement))
        return counted

    def sign(self, path: str, form: Mapping[str, str], token: str = AUTH_TOKEN) -> dict[str, str]:
        """The headers with which the provider sends a form to a path of ours."""
        validator: Any = RequestValidator(token)
        signature: str = validator.compute_signature(f"{self.settings.public_base}{path}", dict(form))
        return {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}


def _add_person(tx: Any, login: str, role: str, password_hash: str) -> Any:
    return admin.add_user(tx, login=login, name=login.title(), password_hash=password_hash, role=role)


def _open_ticket(tx: Any, values: dict[str, Any]) -> Any:
    return tickets.open_ticket(tx, **values)


def _interaction_of(tx: Any, account: str, external_id: str) -> str:
    from service_desk.actions.interactions import by_external_id

    row = by_external_id(tx, account, external_id)
    assert row is not None
    found: str = row["id"]
    return found


def open_channels(settings: Settings) -> dict[tuple[str, str], Channel]:
    return {
        (name, account): find(name).open(AccountId(account), given, settings.public_base)
        for name, accounts in settings.accounts.items()
        for account, given in accounts.items()
    }


@asynccontextmanager
async def a_world(url: str, tmp_path: Path, pages: Pages | None = None, **over: Any) -> AsyncIterator[World]:
    """A desk with the example's configuration on a free port."""
    port = free_port()
    over = {"accounts": {"phone": {ACCOUNT: PHONE}}, "var_dir": tmp_path, **over}
    server = {"port": port, "public_base": f"http://127.0.0.1:{port}", **over.pop("server", {})}
    settings = load_settings(None, server=server, **over)
    store = Store(url, SystemClock())
    desk = CheckedDesk(store, LocalBus(), SystemClock())
    await desk.run(admin.seed, CONFIG)
    channels = open_channels(settings)
    app = make_app(desk, settings, channels, Intake(desk), pages)
    server_under_test = TestServer(app, port=settings.server.port)
    await server_under_test.start_server(max_line_size=REQUEST_LINE_BYTES)  # as service_desk/app.py does
    async with TestClient(server_under_test, cookie_jar=DummyCookieJar()) as client:
        try:
            yield World(desk, settings, app, client)
        finally:
            for channel in channels.values():
                await channel.close()
    store.close()
    assert desk.faults == []
