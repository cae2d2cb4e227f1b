"""Mails a second from SMTP to a routed ticket: `python -m benchmarks mail`.

The desk and the customers are processes of their own. A mail counts when its ticket, its contact in line and the
command for the router are committed; afterwards the rows are counted.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.contacts import child
from benchmarks.databases import Database
from benchmarks.report import Row
from benchmarks.start_call import plain_config
from service_desk.actions import admin
from service_desk.clock import SystemClock
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store
from tests import servers

SPAN_S = 15.0
CONNECTIONS = 8
ACCOUNT = "mail-main"
OURS = "help@desk.example"


def measure(database: Database, folder: Path) -> list[Row]:
    """The rows of one database."""
    _prepare(database)
    port, smtp = servers.free_port(), servers.free_port()
    with _desk(database, port, smtp, folder):
        _send(smtp, 2.0)  # warm up
        before = _tickets(database)
        told = _send(smtp, SPAN_S)
        made = _tickets(database) - before
    how = (
        f"closed loop: {CONNECTIONS} SMTP connections for {SPAN_S:g} s, 4 kB, each a new customer and ticket"
    )
    return [
        Row(
            f"{database.name}: mails from SMTP to routed ticket",
            told["taken"] / told["elapsed_s"],
            "mails/s",
            ">= 60",
            how,
        ),
        Row(
            f"{database.name}: mail, until the server said 250, p50",
            told["p50_ms"],
            "ms",
            "",
            "in the same run",
        ),
        Row(
            f"{database.name}: mail, until the server said 250, p99",
            told["p99_ms"],
            "ms",
            "",
            "in the same run",
        ),
        Row(
            f"{database.name}: mails taken without a ticket",
            told["taken"] - made,
            "mails",
            "< 1",
            "in the same run: taken less tickets",
        ),
    ]


def _prepare(database: Database) -> None:
    body = plain_config()
    body["mailboxes"] = [
        {
            "account": ACCOUNT,
            "address": OURS,
            "name": "Help",
            "brand_id": body["queues"][0]["brand_id"],
            "default_queue": body["queues"][0]["id"],
        }
    ]
    store = Store(database.url, SystemClock())
    try:
        store.run(admin.seed, body)
        store.run(admin.publish_config, body)
    finally:
        store.close()


def _tickets(database: Database) -> int:
    store = Store(database.url, SystemClock())
    try:
        return int(store.read(_count))
    finally:
        store.close()


def _count(reader: Reader) -> int:
    return int(reader.scalar(sa.select(sa.func.count()).select_from(schema.ticket)))


def _send(port: int, seconds: float) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.mail_sender", str(port), str(seconds), str(CONNECTIONS)],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _desk(database: Database, port: int, smtp: int, folder: Path) -> Any:
    box = {
        "mailbox": OURS,
        "listener": {"port": smtp},
        "relay": {"host": "127.0.0.1", "port": 9, "tls": "none"},
    }
    values = {
        "server": {"host": "127.0.0.1", "port": port},
        "database_url": database.url,
        "var_dir": str(folder),
        "accounts": {"email": {ACCOUNT: box}},
    }
    return child("benchmarks.desk_process", values, folder)
