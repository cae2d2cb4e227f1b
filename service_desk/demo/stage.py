"""The demo's scenery: settings made in code, and the pretend carrier as a child process that dies with us."""

import contextlib
import json
import select
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from channels.contract import CallChanged, CallStatus, ChatClosed
from service_desk.actions import calls, chats
from service_desk.domain.config import DeskConfig, Mailbox
from service_desk.ids import random_bytes
from service_desk.settings import Settings, load_settings
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

HOST = "127.0.0.1"
CARRIER_START_S = 20.0
CARRIER_STOP_S = 1.0
CONTROL_S = 5.0
TEXTS_PER_SECOND = 50
CALLS_PER_SECOND = 10
UPLOAD_BYTES = 40_000_000  # a mail that is written at the simulator's page has its files in it as base64
PATIENCE_S = 240.0  # mean: a visitor of the demo is alone and slower than a team


class StageError(RuntimeError):
    """The demo cannot be set up; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """The pretend carrier's account, made anew for each demo; nothing of it is worth keeping."""

    account_sid: str
    auth_token: str
    api_key_sid: str
    api_key_secret: str
    app_sid: str

    @classmethod
    def new(cls) -> "Carrier":
        """Fresh secrets."""
        hexadecimal = [random_bytes(16).hex() for _ in range(5)]
        account, token, key, secret, app = hexadecimal
        return cls(f"AC{account}", token, f"SK{key}", secret, f"AP{app}")

    def accounts(self, config: DeskConfig, url: str, mail: "MailPorts") -> dict[str, Any]:
        """Our side's settings of its three accounts, with the carrier at `url`."""
        account = {
            "account_sid": self.account_sid,
            "auth_token": self.auth_token,
            "api_key_sid": self.api_key_sid,
            "api_key_secret": self.api_key_secret,
            "api_base_url": url,
        }
        (phone, *_), (texts, *_), (box, *_) = config.phone_lines, config.text_lines, config.mailboxes
        return {
            "phone": {
                phone.account: {
                    **account,
                    "twiml_app_sid": self.app_sid,
                    "numbers": [phone.number],
                    "calls_per_second": CALLS_PER_SECOND,
                }
            },
            "sms": {
                texts.account: {**account, "numbers": [texts.number], "messages_per_second": TEXTS_PER_SECOND}
            },
            "email": {box.account: mail.account(box)},
        }

    def settings(
        self, config: DeskConfig, base: str, people: list[dict[str, Any]], *, mail_port: int, seed: int
    ) -> dict[str, Any]:
        """The carrier's own settings: where calls, texts and mail for us are brought, and whom a person can play."""
        (line, *_), (texts, *_), (box, *_) = config.phone_lines, config.text_lines, config.mailboxes
        hooks, incoming = f"{base}/hooks/phone/{line.account}", f"{base}/hooks/sms/{texts.account}/incoming"
        return {
            "host": HOST,
            "port": 0,
            "account_sid": self.account_sid,
            "auth_token": self.auth_token,
            "api_key_sid": self.api_key_sid,
            "api_key_secret": self.api_key_secret,
            "numbers": [
                {
                    "number": line.number,
                    "label": line.label,
                    "voice_url": f"{hooks}/voice",
                    "fallback_url": f"{hooks}/fallback",
                    "status_callback": f"{hooks}/status",
                }
            ],
            "apps": [
                {"sid": self.app_sid, "voice_url": f"{hooks}/agent", "status_callback": f"{hooks}/status"}
            ],
            "texts": [
                {
                    "number": texts.number,
                    "label": texts.label,
                    "sms_url": incoming,
                    "fallback_url": incoming,
                }
            ],
            "mail": {
                "host": HOST,
                "desk_host": HOST,
                "desk_port": mail_port,
                "desk_mailboxes": [box.address],
            },
            "seed": seed,
            "people": people,
            "traffic": {
                "callers": [person["number"] for person in people if person["number"]],
                "patience_mean_s": PATIENCE_S,
            },
        }


@dataclass(frozen=True, slots=True)
class MailPorts:
    """Where mail is taken on this machine: the desk's own door, and that of the customers' provider."""

    desk: int
    customers: int

    def account(self, box: Mailbox) -> dict[str, Any]:
        """A mailbox's settings; its relay is the customers' provider itself."""
        return {
            "mailbox": box.address,
            "display_name": box.name,
            "listener": {"host": HOST, "port": self.desk},
            "relay": {"host": HOST, "port": self.customers, "tls": "none"},
        }


@contextlib.contextmanager
def running_carrier(settings: dict[str, Any], folder: Path) -> Iterator[str]:
    """The carrier as a process of its own while the block runs; its address. StageError if it does not start.

    It ends when its standard input is closed, which the system does for us even if we are killed. What it has
    to say lies in `folder`.
    """
    config = folder / "carrier.json"
    _write_private(config, json.dumps(settings))
    with (folder / "carrier.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "channels.simulator", str(config), "--stop-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal is for us; we end it in our order
        )
        try:
            yield _address(process, folder / "carrier.log")
        finally:
            _stop(process)
            config.unlink(missing_ok=True)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Its first line says where it listens."""
    assert process.stdout is not None, "opened as a pipe"
    ready, _, _ = select.select([process.stdout], [], [], CARRIER_START_S)
    line = process.stdout.readline() if ready else b""
    try:
        address: str = json.loads(line)["listening"]
    except (ValueError, KeyError):
        said = log.read_text(encoding="utf-8", errors="replace").strip() or "nothing"
        raise StageError(f"The simulated carrier did not start. It said: {said}") from None
    return address


def _stop(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(CARRIER_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def set_traffic(carrier_url: str, calls_per_minute: float) -> None:
    """Let customers call by themselves from now on."""
    _ask(carrier_url, "PUT", "/control/traffic", {"calls_per_minute": calls_per_minute})


def customers_mail_port(carrier_url: str) -> int:
    """Where the carrier takes mail for customers."""
    port: int = _ask(carrier_url, "GET", "/control/mail")["port"]
    return port


def _ask(carrier_url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """A request to the carrier's control API; the answer's JSON."""
    request = urllib.request.Request(  # noqa: S310 - the address of our own child on this machine
        f"{carrier_url}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=CONTROL_S) as answer:
        return json.load(answer)


def free_port(port: int) -> int:
    """The port itself if it is free, any free one for 0. StageError if somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise StageError(
                f"Port {port} of this machine is taken. Use another one: service-desk demo --port {port + 1}"
            ) from None
        found: int = probe.getsockname()[1]
        return found


def demo_settings(
    url: str,
    folder: Path,
    port: int,
    carrier_url: str,
    carrier: Carrier,
    config: DeskConfig,
    mail: MailPorts,
    robots: Sequence[str] = (),
) -> Settings:
    """One process on this machine only, with the pretend carrier behind all of its accounts. `robots`: their logins."""
    return load_settings(
        None,
        server={"host": HOST, "port": port, "public_base": f"http://{HOST}:{port}"},
        database_url=url,
        redis_url=None,
        var_dir=folder,
        roles=("web", "route", "send"),
        accounts=carrier.accounts(config, carrier_url, mail),
        limits={"proxy_body_bytes": UPLOAD_BYTES},
        simulator={"enabled": True, "url": carrier_url, "robots": tuple(robots)},
    )


def check_config(config: DeskConfig) -> None:
    """StageError unless the desk has a phone line, a text line, a mailbox and a widget."""
    if not (config.phone_lines and config.text_lines and config.mailboxes and config.widgets):
        raise StageError(
            "The demo in var/ was made by an earlier version and does not have all channels. "
            "Begin anew: service-desk demo --fresh"
        )


def people(reader: Reader) -> list[dict[str, Any]]:
    """Whom a person at the simulator's page can play: customers with a telephone or a mailbox, by name."""
    customer, point = schema.customer, schema.contact_point
    known: dict[str, dict[str, Any]] = {}
    named = sa.select(customer).where(customer.c.name.is_not(None), customer.c.merged_into.is_(None))
    for row in reader.all(named.order_by(customer.c.name, customer.c.id)):
        known[row["id"]] = {
            "id": row["id"],
            "name": row["name"],
            "number": None,
            "mailbox": None,
            "language": row["language"],
            "tier": row["tier"],
        }
    for row in reader.all(sa.select(point).order_by(point.c.created_at, point.c.id)):
        person = known.get(row["customer_id"])
        name = {"phone": "number", "mailbox": "mailbox"}.get(row["kind"])
        if person is not None and name is not None and person[name] is None:
            person[name] = row["value"]
    return [person for person in known.values() if person["number"] or person["mailbox"]]


def end_leftovers(tx: Tx) -> int:
    """Calls and chats whose customers went with the demo's last run are over; how many they were."""
    leg, interaction = schema.call_leg, schema.interaction
    legs = tx.all(
        sa.select(leg.c.call_id, interaction.c.account)
        .join(interaction, interaction.c.id == leg.c.interaction_id)
        .where(leg.c.ended_at.is_(None), interaction.c.ended_at.is_(None))
        .order_by(leg.c.role.desc(), leg.c.call_id)  # customers before agents
    )
    for row in legs:
        gone = CallChanged(
            row["call_id"], CallStatus.COMPLETED, f"carrier-gone-{row['call_id']}", cause="carrier_gone"
        )
        calls.leg_changed(tx, row["account"], gone)
    running = sa.select(interaction).where(
        interaction.c.channel == "web_chat", interaction.c.ended_at.is_(None)
    )
    found = tx.all(running.order_by(interaction.c.id))
    for row in found:
        chat_id = row["external_id"]
        chats.close_chat(tx, row["account"], ChatClosed(chat_id, f"visitor-gone-{chat_id}"))
    tx.gathered.effects.clear()  # the carrier that they were meant for is gone, too
    return len(legs) + len(found)
