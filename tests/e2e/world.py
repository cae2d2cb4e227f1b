"""A whole desk with a pretend carrier, in this process, on free loopback ports: what the stories play in."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import aiohttp

from channels.simulator.server import RunningSimulator
from channels.simulator.server import running as carrier_running
from channels.simulator.settings import SimulatorSettings
from service_desk.actions import admin
from service_desk.app import Running, running
from service_desk.desk import Desk
from service_desk.settings import load_settings
from tests import servers
from tests.quick import quick_hash
from tests.service_desk.checked import CheckedDesk
from tests.service_desk.conftest import CONFIG

T = TypeVar("T")

ACCOUNT_SID = "AC" + "0" * 32
API_KEY_SID = "SK" + "0" * 32
APP_SID = "AP" + "0" * 32
AUTH_TOKEN = "a" * 32
API_SECRET = "b" * 32
NUMBER = "+15005550006"
PASSWORD = "correct horse battery"
ACCOUNT = "phone-main"
MAIL_ACCOUNT = "mail-main"
TEXT_ACCOUNT = "text-main"
OURS = "help@desk.example"
SPEED = 8.0


@dataclass(slots=True)
class World:
    """The running parts, and short words for what a story does."""

    base: str
    carrier: RunningSimulator
    desk: Desk
    http: aiohttp.ClientSession
    parts: Running | None = None

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Talk to the carrier as its page does."""
        url = f"{self.carrier.base_url}/control{path}"
        async with self.http.request(method, url, json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def call(self, caller: str | None, to: str = NUMBER) -> str:
        """Somebody phones; the call's id."""
        placed = await self.control("POST", "/calls", {"from": caller, "to": to})
        return str(placed["call_sid"])

    async def leg(self, call_sid: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.control("GET", f"/calls/{call_sid}")
        return found

    async def mail(
        self,
        sender: str,
        subject: str,
        text: str,
        *,
        files: Mapping[str, bytes] | None = None,
        **more: Any,
    ) -> str:
        """Somebody writes to the desk by SMTP, with files by name; the mail's Message-ID.

        `more`: what the control API takes beside (name, to, cc, html, headers, raw ...); `answers` is the number of
        a mail in the sender's mailbox.
        """
        attachments = [
            {"name": name, "content": base64.b64encode(content).decode()}
            for name, content in (files or {}).items()
        ]
        wish = {"from": sender, "subject": subject, "text": text, "attachments": attachments, **more}
        return str((await self.control("POST", "/mails", wish))["message_id"])

    async def mailbox(self, address: str) -> list[dict[str, Any]]:
        """What stands in a customer's mailbox, oldest first."""
        mails: list[dict[str, Any]] = (await self.control("GET", f"/mailboxes/{address}"))["mails"]
        return mails

    async def raw_mail(self, address: str, number: int) -> bytes:
        """A mail of a customer's mailbox as it came."""
        return await self._bytes(f"/mailboxes/{address}/mails/{number}/raw")

    async def mail_file(self, address: str, number: int, place: int = 0) -> bytes:
        """A file that came with a mail."""
        return await self._bytes(f"/mailboxes/{address}/mails/{number}/attachments/{place}")

    async def _bytes(self, path: str) -> bytes:
        async with self.http.get(f"{self.carrier.base_url}/control{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    async def text(self, number: str, text: str, **more: Any) -> str:
        """Somebody texts the desk's number; the message's id."""
        return str(
            (await self.control("POST", "/texts", {"from": number, "text": text, **more}))["message_sid"]
        )

    async def texts(self, number: str) -> list[dict[str, Any]]:
        """What stands on a customer's phone, oldest first."""
        messages: list[dict[str, Any]] = (await self.control("GET", f"/texts/{number}"))["messages"]
        return messages


def carrier_settings(base: str, *, mail_port: int = 0, **more: Any) -> SimulatorSettings:
    """A carrier whose numbers and app lead to the desk at `base`; customers' mail goes to the desk's `mail_port`."""
    texts = f"{base}/hooks/sms/{TEXT_ACCOUNT}/incoming"
    hooks = f"{base}/hooks/phone/{ACCOUNT}"
    values: dict[str, Any] = {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "api_key_sid": API_KEY_SID,
        "api_key_secret": API_SECRET,
        "speed": SPEED,
        "numbers": [
            {
                "number": NUMBER,
                "label": "Main line",
                "voice_url": f"{hooks}/voice",
                "fallback_url": f"{hooks}/fallback",
                "status_callback": f"{hooks}/status",
            }
        ],
        "apps": [{"sid": APP_SID, "voice_url": f"{hooks}/agent", "status_callback": f"{hooks}/status"}],
        "texts": [{"number": NUMBER, "label": "Texts", "sms_url": texts, "fallback_url": texts}],
        "mail": {"desk_port": mail_port, "desk_mailboxes": [OURS]},
        "people": [
            {"id": "p1", "name": "Vera Sample", "number": "+14155550100", "mailbox": "vera@example.org"}
        ],
    }
    return SimulatorSettings.model_validate(values | more)


def desk_values(
    db_url: str,
    port: int,
    carrier_url: str,
    var_dir: Path,
    *,
    mail_port: int = 0,
    relay_port: int | None = None,
) -> dict[str, Any]:
    """The desk's settings, as a settings file would have them. With a `relay_port` it has a mailbox, too."""
    account = {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "api_key_sid": API_KEY_SID,
        "api_key_secret": API_SECRET,
        "numbers": [NUMBER],
        "api_base_url": carrier_url,
    }
    accounts: dict[str, Any] = {
        "phone": {ACCOUNT: {**account, "twiml_app_sid": APP_SID, "calls_per_second": 50}},
        "sms": {TEXT_ACCOUNT: {**account, "messages_per_second": 100}},
    }
    if relay_port is not None:
        box = {
            "mailbox": OURS,
            "display_name": "Help",
            "listener": {"port": mail_port},
            "relay": {"host": "127.0.0.1", "port": relay_port, "tls": "none"},
        }
        accounts["email"] = {MAIL_ACCOUNT: box}
    return {
        "server": {"host": "127.0.0.1", "port": port},
        "database_url": db_url,
        "var_dir": str(var_dir),
        "simulator": {"enabled": True, "url": carrier_url},
        "accounts": accounts,
    }


@contextlib.asynccontextmanager
async def world(db_url: str, tmp_path: Path, *, config: dict[str, Any] | None = None) -> AsyncIterator[World]:
    """Carrier first, then the desk, each on a port of its own."""
    port, mail_port = servers.free_port(), servers.free_port()
    base = f"http://127.0.0.1:{port}"
    async with carrier_running(carrier_settings(base, mail_port=mail_port)) as carrier:
        assert carrier.mailboxes is not None
        values = desk_values(
            db_url,
            port,
            carrier.base_url,
            tmp_path / "var",
            mail_port=mail_port,
            relay_port=carrier.mailboxes.port,
        )
        settings = load_settings(None, **values)
        with patch("service_desk.app.Desk", CheckedDesk):
            async with running(settings) as parts, aiohttp.ClientSession() as http:
                await parts.desk.run(admin.publish_config, config or CONFIG)
                await until(lambda: _takes_mail(mail_port), "the desk's SMTP door is open")
                yield World(base, carrier, parts.desk, http, parts)
                assert isinstance(parts.desk, CheckedDesk)
                assert parts.desk.faults == []


async def _takes_mail(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def add_agent(desk_world: World, login: str, **more: Any) -> str:
    """An account that can sign in with PASSWORD."""
    password_hash = quick_hash(PASSWORD)

    def add(tx: Any) -> str:
        values = {
            "login": login,
            "name": login.title(),
            "password_hash": password_hash,
            "role": "agent",
            **more,
        }
        return str(admin.add_user(tx, **values)["id"])

    return await desk_world.desk.run(add)


async def until(probe: Callable[[], Awaitable[T]], what: str, *, within_s: float = 30.0) -> T:
    """Poll until the probe gives something true."""
    deadline = time.monotonic() + within_s
    while True:
        found = await probe()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {within_s} s"
        await asyncio.sleep(0.02)
