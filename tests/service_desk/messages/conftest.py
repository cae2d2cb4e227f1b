"""A checked desk with a mailbox and a text line, and short words for what customers write."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.contract import MailAddress, MailReceived, TextReceived
from channels.sms.keywords import keyword_of
from service_desk.actions import admin, mails, texts
from service_desk.actions.attachments import StoredFile
from service_desk.bus.local import LocalBus
from service_desk.clock import ManualClock
from service_desk.desk import Desk
from service_desk.storage.store import Store
from tests.service_desk.checked import CheckedDesk
from tests.service_desk.conftest import CONFIG

MAIL = "mail-main"
TEXTS = "text-main"
OURS = "help@desk.example"
VERA = MailAddress("vera@example.org", "Vera Sample")
NUMBER = "+14155550123"


def message_config() -> dict[str, Any]:
    """The tests' configuration with a mailbox and a text line."""
    config = copy.deepcopy(CONFIG)
    config["mailboxes"] = [
        {"account": MAIL, "address": OURS, "name": "Help", "brand_id": "test", "default_queue": "service"}
    ]
    config["text_lines"] = [
        {
            "account": TEXTS,
            "number": "+15005550006",
            "brand_id": "test",
            "label": "Texts",
            "default_queue": "service",
        }
    ]
    return config


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def desk(db_url: str, clock: ManualClock) -> AsyncIterator[CheckedDesk]:
    store = Store(db_url, clock)
    checked = CheckedDesk(store, LocalBus(), clock)
    await checked.run(admin.seed, message_config())
    yield checked
    store.close()


def mail(number: int = 1, **more: Any) -> MailReceived:
    """A plain mail of Vera's; its number makes it unlike the others."""
    values: dict[str, Any] = {
        "message_id": f"<{number}@example.org>",
        "dedupe_key": f"mail-{number}",
        "sender": VERA,
        "subject": "The oven stays cold",
        "text": f"Please help, number {number}.",
        "to": (MailAddress(OURS),),
    }
    return MailReceived(**(values | more))


async def receive(desk: Desk, event: MailReceived, *files: StoredFile) -> None:
    await desk.run(mails.receive_mail, MAIL, event, list(files), "0" * 64, actor="customer")


def text(words: str, number: int = 1, sender: str = NUMBER, **more: Any) -> TextReceived:
    """A text; its number makes it unlike the others."""
    key = f"SM{number:032d}"
    return TextReceived(key, sender, "+15005550006", words, key, keyword=keyword_of(words), **more)


async def texted(desk: Desk, event: TextReceived) -> None:
    await desk.run(texts.receive_text, TEXTS, event, actor="customer")
