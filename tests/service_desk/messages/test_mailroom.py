"""From the SMTP door to the contact: what is taken is kept, also a mail that cannot be read."""

import os
import time
from pathlib import Path

import pytest

from channels.contract import AccountId, MailEnvelope, MailReceived
from channels.email.parse import Reading
from service_desk import mailroom
from service_desk.blobs.files import FileBlobs
from service_desk.desk import Desk
from service_desk.mailroom import SMALL_BYTES, Mailroom
from service_desk.storage import schema
from tests.service_desk.messages.conftest import MAIL, OURS
from tests.service_desk.people import rows_of

READ = Reading((OURS,), None)
ENVELOPE = MailEnvelope("vera@example.org", (OURS,))


def written(number: int, text: str) -> bytes:
    sender, message_id = "Vera <vera@example.org>", f"<{number}@example.org>"
    head = f"From: {sender}\r\nTo: {OURS}\r\nSubject: number {number}\r\nMessage-ID: {message_id}"
    return f"{head}\r\n\r\n{text}\r\n".encode()


class Stuck:
    """A reader that does not come back."""

    def __call__(self, raw: bytes, envelope: MailEnvelope | None = None) -> MailReceived:
        time.sleep(60)
        raise AssertionError("ended before")


class Fatal:
    """A reader that ends its process, as one that takes all the memory does."""

    def __call__(self, raw: bytes, envelope: MailEnvelope | None = None) -> MailReceived:
        os._exit(1)


@pytest.fixture
def room(desk: Desk, tmp_path: Path) -> Mailroom:
    return Mailroom(desk, FileBlobs(tmp_path / "blobs"))


async def test_a_big_mail_is_read_elsewhere_and_taken(desk: Desk, room: Mailroom) -> None:
    text = "It stays cold. " * (SMALL_BYTES // 10)
    await room.take(AccountId(MAIL), READ, written(1, text), ENVELOPE)
    room.close()
    (message,) = await rows_of(desk, schema.message)
    assert message["text"].startswith("It stays cold.")


@pytest.mark.parametrize("reader", [Stuck(), Fatal()])
async def test_a_mail_that_cannot_be_read_is_taken_as_it_came(
    desk: Desk, room: Mailroom, monkeypatch: pytest.MonkeyPatch, reader: Stuck | Fatal
) -> None:
    """Refused for now it would come back, do the same again, and be lost at last."""
    big = "words " * SMALL_BYTES
    monkeypatch.setattr(mailroom, "READ_S", 2.0)
    await room.take(AccountId(MAIL), reader, written(1, big), ENVELOPE)
    monkeypatch.undo()
    await room.take(AccountId(MAIL), READ, written(2, big), ENVELOPE)
    room.close()
    first, second = sorted(await rows_of(desk, schema.message), key=lambda row: row["at"])
    assert len(await rows_of(desk, schema.ticket)) == 2
    assert sorted(bool(row["envelope"]["notes"]) for row in (first, second)) == [False, True]
