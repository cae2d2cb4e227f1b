"""Texts that the pretend carrier knows: each with its state, the customers' threads, and what is kept of them."""

import asyncio
import re
import xml.etree.ElementTree as ET
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from channels.simulator.grammar import BAD_SCHEMA, BAD_XML, DOCUMENT_BYTES, TOO_LARGE, TwimlError
from channels.simulator.pace import now_us

MESSAGES_KEPT = 10_000
"""Messages that can still be asked about; the oldest are forgotten."""
THREADS_KEPT = 2_000
THREAD_KEPT = 500
"""Messages of one customer that are kept for the page."""
CHANGES_KEPT = 5_000
"""Changes that a follower who comes back can still be told."""
MEDIA_BYTES = 32_000_000
"""Pictures and files of all messages together; the oldest are forgotten."""

ENDS = frozenset({"delivered", "undelivered", "failed", "received"})


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture or file. `url` is where the carrier keeps it (from a customer) or was told to fetch it (from us)."""

    url: str
    media_type: str


@dataclass(slots=True, eq=False)
class Message:
    """One text. `customer` is whose thread it stands in; `by_carrier` says that the desk never hears of it."""

    sid: str
    customer: str
    sender: str | None
    to: str
    body: str
    direction: str
    status: str
    segments: int = 0
    media: tuple[Medium, ...] = ()
    service_sid: str | None = None
    status_callback: str | None = None
    by_carrier: bool = False
    error_code: int | None = None
    created_at: int = field(default_factory=now_us)
    updated_at: int = field(default_factory=now_us)
    sent_at: int | None = None

    @property
    def incoming(self) -> bool:
        """From the customer to us."""
        return self.direction == "inbound"

    @property
    def over(self) -> bool:
        """No further state will come."""
        return self.status in ENDS


class MessageBook:
    """All messages of one account, by id and by customer, with a numbered log of changes for the page."""

    def __init__(self) -> None:
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._threads: OrderedDict[str, deque[Message]] = OrderedDict()
        self._changes: deque[tuple[int, Message]] = deque(maxlen=CHANGES_KEPT)
        self._media: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        self._media_bytes = 0
        self._more = asyncio.Event()
        self.last = 0

    def add(self, message: Message) -> None:
        """A new message, at the end of its customer's thread."""
        if not message.by_carrier:
            self._messages[message.sid] = message
            while len(self._messages) > MESSAGES_KEPT:
                self._messages.popitem(last=False)
        thread = self._threads.setdefault(message.customer, deque(maxlen=THREAD_KEPT))
        self._threads.move_to_end(message.customer)
        while len(self._threads) > THREADS_KEPT:
            self._threads.popitem(last=False)
        thread.append(message)
        self._note(message)

    def move(self, message: Message, status: str, error_code: int | None = None) -> None:
        """A message's next state."""
        message.status, message.error_code, message.updated_at = status, error_code, now_us()
        if status in {"sent", "received"}:
            message.sent_at = message.updated_at
        self._note(message)

    def get(self, sid: str) -> Message | None:
        """A message that the account may ask about."""
        return self._messages.get(sid)

    def newest_first(self) -> list[Message]:
        """As the provider lists them."""
        return list(reversed(self._messages.values()))

    def thread(self, customer: str) -> tuple[Message, ...]:
        """What stands on a customer's phone, oldest first."""
        return tuple(self._threads.get(customer, ()))

    def threads(self) -> list[tuple[str, Message]]:
        """Customers with their newest message, the liveliest first."""
        return [(customer, thread[-1]) for customer, thread in reversed(self._threads.items())]

    def keep_medium(self, sid: str, content: bytes, media_type: str) -> None:
        """Keep a picture or file; the oldest go when there are too many bytes."""
        self._media[sid] = (content, media_type)
        self._media_bytes += len(content)
        while self._media_bytes > MEDIA_BYTES and len(self._media) > 1:
            _, (oldest, _type) = self._media.popitem(last=False)
            self._media_bytes -= len(oldest)

    def medium(self, sid: str) -> tuple[bytes, str] | None:
        """Content and MIME type."""
        return self._media.get(sid)

    async def follow(self, customer: str, after: int) -> AsyncIterator[tuple[int, Message]]:
        """Changes in a customer's thread with a greater number, as they come; a message may come several times."""
        while True:
            more = self._more
            for number, message in [change for change in self._changes if change[0] > after]:
                after = number
                if message.customer == customer:
                    yield number, message
            await more.wait()

    def _note(self, message: Message) -> None:
        self.last += 1
        self._changes.append((self.last, message))
        self._more.set()
        self._more = asyncio.Event()


def message_json(message: Message) -> dict[str, Any]:
    """A message for the page. `arrived`: it stands on the customer's phone."""
    return {
        "message_sid": message.sid,
        "from": message.sender,
        "to": message.to,
        "text": message.body,
        "media": [{"url": medium.url, "media_type": medium.media_type} for medium in message.media],
        "incoming": message.incoming,
        "by_carrier": message.by_carrier,
        "status": message.status,
        "arrived": message.incoming or message.status == "delivered",
        "error_code": message.error_code,
        "segments": message.segments,
        "created_at": message.created_at,
    }


def read_replies(body: bytes, content_type: str) -> list[str]:
    """Texts that the answer to a customer's message holds; none for an empty answer. Raises TwimlError.

    The provider sends a plain answer as a text, too. Of messaging TwiML only <Message> with words in it is
    taken: this desk answers by REST.
    """
    if len(body) > DOCUMENT_BYTES:
        raise TwimlError(TOO_LARGE, "the document is larger than 64 kB")
    text = body.decode("utf-8", "replace").strip()
    if not text:
        return []
    if not content_type.endswith("/xml"):
        return [text]
    if re.search(r"<!(?!--)", text):
        raise TwimlError(BAD_XML, "declarations are not taken")
    try:
        root = ET.fromstring(text)  # noqa: S314 - declarations, hence entities, are refused above
    except (ET.ParseError, ValueError) as error:
        raise TwimlError(BAD_XML, f"the document cannot be parsed: {error}") from error
    if root.tag != "Response" or any(child.tag != "Message" or len(child) for child in root):
        raise TwimlError(BAD_SCHEMA, "only <Response> with <Message> is taken here")
    return [(child.text or "").strip() for child in root if (child.text or "").strip()]
