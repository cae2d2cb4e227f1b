"""Databases for backups: played ones to take them of, and ones without a table to restore them into."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from channels.contract import MailAddress, MailReceived
from service_desk.actions import mails, pages
from service_desk.actions.attachments import StoredFile
from service_desk.audit import Finding, audit
from service_desk.blobs.files import FileBlobs
from service_desk.clock import DAY, SystemClock
from service_desk.queries import live
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store
from service_desk.storage.transaction import Tx
from tests.service_desk import reducer
from tests.service_desk.test_audit import play_story

T = TypeVar("T")
Rows = dict[str, list[dict[str, Any]]]
NOT_KEPT = {"search_doc", "session"}
PICTURE = b"\x89PNG, or so it says" * 1_000
RAW = b"From: vera@example.org\r\n\r\nSee the picture."


async def lived(url: str, folder: Path) -> None:
    """A desk that worked: contacts in every state, open consoles, a mail with its file, a JSON null."""
    await play_story(url)
    blobs = FileBlobs(folder / "var" / "blobs")
    file = StoredFile("picture.png", "image/png", len(PICTURE), blobs.put(PICTURE))
    raw = blobs.put(RAW)
    store = Store(url, SystemClock())
    box = store.read(lambda reader: reader.config).mailboxes[0]
    event = MailReceived(
        message_id="<1@example.org>",
        dedupe_key="mail-1",
        sender=MailAddress("vera@example.org", "Vera Sample"),
        subject="The oven stays cold",
        text='See the picture. Grüße ✓ \u2028 "quoted" \\ back',
        to=(MailAddress(box.address),),
    )
    try:
        store.run(mails.receive_mail, box.account, event, [file], raw)
        store.run(pages.find_absent)
        store.run(_odd_values)
    finally:
        store.close()


def _odd_values(tx: Tx) -> None:
    """What is easily lost on the way: JSON's null beside no value at all, large numbers, fractions, empty texts."""
    data: dict[str, Any] = {"null": None, "big": 2**62, "fraction": 0.1, "empty": "", "nested": [[], {}]}
    tx.audit("test.odd", "desk", **data)
    at = sa.select(schema.message.c.id).order_by(schema.message.c.id).limit(2)
    first, second = (row["id"] for row in tx.all(at))
    tx.write(sa.update(schema.message).where(schema.message.c.id == first).values(former_ids=sa.JSON.NULL))
    tx.write(sa.update(schema.message).where(schema.message.c.id == second).values(former_ids=sa.null()))


def all_rows(url: str) -> Rows:
    """Every row of every table that a backup keeps, in the order of its key."""

    def read(reader: Reader) -> Rows:
        return {
            table.name: [dict(row) for row in reader.all(_ordered(table))]
            for table in schema.metadata.sorted_tables
            if table.name not in NOT_KEPT
        }

    return _with_store(url, read)


def _ordered(table: sa.Table) -> sa.Select[Any]:
    """With JSON columns as text beside themselves, because JSON's null and no value read alike."""
    nulls = [
        column.is_(sa.null()).label(f"no_{column.name}")
        for column in table.columns
        if isinstance(column.type, sa.JSON) and column.nullable
    ]
    return sa.select(table, *nulls).order_by(*table.primary_key.columns)


def snapshots(url: str) -> dict[str, reducer.State]:
    """What each agent's console would be given."""

    def read(reader: Reader) -> dict[str, reducer.State]:
        ids = [row["id"] for row in reader.all(sa.select(schema.agent.c.id).order_by(schema.agent.c.id))]
        return {id_: reducer.comparable(live.snapshot(reader, id_).model_dump(mode="json")) for id_ in ids}

    return _with_store(url, read)


def findings(url: str) -> list[Finding]:
    """What the auditor says; nobody sends here, so that overdue effects are no finding."""
    return _with_store(url, lambda reader: audit(reader, patience=365 * DAY))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _with_store(url: str, read: Callable[[Reader], T]) -> T:
    store = Store(url, SystemClock())
    try:
        return store.read(read)
    finally:
        store.close()
