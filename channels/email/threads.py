"""Which conversation a mail belongs to, and what proves it.

Our Message-IDs and reply addresses carry the thread's id and a mark (HMAC-SHA-256) that only we can make. A
number in a subject, or a reference without a mark, is a claim: it never opens a conversation to anybody. Nor does the
name in the From field, which nothing here authenticates: whoever knows a number can write under a customer's name.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from channels.contract import MailReceived, ProvenThread

THREAD_ID = re.compile(r"[a-z0-9_]{1,40}")
KEY_ID = re.compile(r"[a-z0-9]{1,4}")
SECRET_BYTES = 32
ADDRESS_MARK = 20
"""Characters of five bits: 100 bits, so that address and mark fit into the 64 octets of a local part."""
MESSAGE_MARK = 26
UNIQUE_CHARACTERS = 16
LOCAL_BYTES = 64
ID_PREFIX = "int_"
"""Left out in addresses, for the same 64 octets. Ids with another prefix are written in full."""
IDS_LOOKED_AT = 100

IN_LOCAL = re.compile(rf"t\.([a-z0-9_]{{1,40}})\.([a-z0-9]{{1,4}})\.([a-z2-7]{{{ADDRESS_MARK}}})")
IN_MESSAGE_ID = re.compile(
    rf"<t\.([a-z0-9_]{{1,40}})\.([a-z0-9]{{1,4}})\.([a-z2-7]{{{UNIQUE_CHARACTERS}}})"
    rf"\.([a-z2-7]{{{MESSAGE_MARK}}})@[^<>@\s]{{1,253}}>",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A signing key and the short name by which a token says which one it is."""

    key_id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not KEY_ID.fullmatch(self.key_id):
            raise ValueError("a key is named by one to four small letters and digits")
        if len(self.secret) < SECRET_BYTES:
            raise ValueError(f"a key needs {SECRET_BYTES} bytes")


class ThreadTokens:
    """Makes and checks tokens. The first key signs; the others are still believed while keys are rotated."""

    def __init__(self, keys: Sequence[TokenKey]) -> None:
        if not keys or len({key.key_id for key in keys}) != len(keys):
            raise ValueError("needs at least one key, each with a name of its own")
        self._signing = keys[0]
        self._keys = {key.key_id: key for key in keys}

    def __repr__(self) -> str:
        return f"ThreadTokens({', '.join(self._keys)})"

    def reply_address(self, mailbox: str, thread_id: str) -> str | None:
        """`help+t.<thread>.<key>.<mark>@desk.example`, or None where it would be too long for an address."""
        local, _, domain = mailbox.rpartition("@")
        key = self._signing
        mark = _mark(key, "address", ADDRESS_MARK, _checked(thread_id))
        short = thread_id.removeprefix(ID_PREFIX)
        written = short if short and "_" not in short and short != thread_id else thread_id
        token = f"{local}+t.{written}.{key.key_id}.{mark}"
        return f"{token}@{domain}" if len(token) <= LOCAL_BYTES else None

    def message_id(self, domain: str, thread_id: str, key: str) -> str:
        """A Message-ID that proves the thread. The same `key` gives the same one, under one signing key."""
        unique = unique_part(key)
        signing = self._signing
        mark = _mark(signing, "message", MESSAGE_MARK, _checked(thread_id), unique)
        return f"<t.{thread_id}.{signing.key_id}.{unique}.{mark}@{domain}>"

    def in_address(self, address: str) -> str | None:
        """The thread that a reply address proves."""
        local, _, tag = address.rpartition("@")[0].partition("+")
        found = IN_LOCAL.fullmatch(tag.lower()) if local else None
        if found is None:
            return None
        written, key_id, mark = found.groups()
        for thread_id in (written,) if "_" in written else (ID_PREFIX + written, written):
            if self._holds(key_id, mark, "address", ADDRESS_MARK, thread_id):
                return thread_id
        return None

    def in_message_id(self, message_id: str) -> str | None:
        """The thread that a Message-ID of ours proves."""
        found = IN_MESSAGE_ID.fullmatch(message_id)
        if found is None:
            return None
        thread_id, key_id, unique, mark = (part.lower() for part in found.groups())
        return thread_id if self._holds(key_id, mark, "message", MESSAGE_MARK, thread_id, unique) else None

    def proven(
        self, recipients: Sequence[str], in_reply_to: str | None, references: Sequence[str]
    ) -> ProvenThread | None:
        """The thread that a mail's recipients or references prove; recipients first, newest reference first."""
        for address in recipients[:IDS_LOOKED_AT]:
            thread_id = self.in_address(address)
            if thread_id is not None:
                return ProvenThread(thread_id, "address")
        answered = (() if in_reply_to is None else (in_reply_to,), tuple(reversed(references)))
        for message_id in (answered[0] + answered[1])[:IDS_LOOKED_AT]:
            thread_id = self.in_message_id(message_id)
            if thread_id is not None:
                return ProvenThread(thread_id, "message_id")
        return None

    def _holds(self, key_id: str, mark: str, use: str, characters: int, *parts: str) -> bool:
        key = self._keys.get(key_id)
        return key is not None and hmac.compare_digest(_mark(key, use, characters, *parts), mark)


def unique_part(key: str) -> str:
    """What makes a Message-ID unlike every other; from the mail's own key, so that a retry has the same."""
    return _letters(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest(), UNIQUE_CHARACTERS)


def without_token(address: str) -> str:
    """A mailbox without what stands behind its plus sign."""
    local, at, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"


# --- matching -----------------------------------------------------------------------------------------------


class Proof(StrEnum):
    """Why a mail belongs to a thread, strongest first."""

    ADDRESS_TOKEN = "address_token"  # noqa: S105 - no password
    MESSAGE_TOKEN = "message_token"  # noqa: S105 - no password
    ANSWERS_OURS = "answers_ours"
    NUMBER = "number"
    """Of a ticket, in the subject: anybody can write it, so that it is a claim and never more."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Question:
    """Something to look up, and what a hit proves.

    `value` is a thread id, a Message-ID or a ticket number; `sender` must be one to whom we sent that message.
    Without `sender` (None) a hit proves by itself; with an empty one it is a claim.
    """

    proof: Proof
    value: str
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Where a mail goes.

    `thread_id` None starts a new thread. `claimed` is one that it claims to continue without proof: link it,
    flag it, and send nothing of it to this sender.
    """

    thread_id: str | None
    proof: Proof = Proof.NONE
    claimed: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A thread that exists. `sender_belongs`: we sent the message of the question to its sender."""

    thread_id: str
    sender_belongs: bool


def questions(mail: MailReceived, number: re.Pattern[str] | None = None) -> Iterator[Question]:
    """What to look up for a mail, in the order in which it counts.

    `number` finds a ticket number in a subject (its first group). A sender of whom there is any doubt proves
    nothing; a number never does.
    """
    sender = mail.sender.address if mail.sender is not None and not mail.doubts else ""
    if mail.proven is not None:
        by_address = mail.proven.source == "address"
        yield Question(Proof.ADDRESS_TOKEN if by_address else Proof.MESSAGE_TOKEN, mail.proven.thread_id)
    answered = dict.fromkeys(
        ((mail.in_reply_to,) if mail.in_reply_to else ()) + tuple(reversed(mail.references))
    )
    for message_id in list(answered)[:IDS_LOOKED_AT]:
        yield Question(Proof.ANSWERS_OURS, message_id, sender)
    if number is not None:
        for found in list(number.finditer(mail.subject))[:3]:
            yield Question(Proof.NUMBER, found[1], "")


def match(
    mail: MailReceived,
    look_up: Callable[[Question], Found | None],
    number: re.Pattern[str] | None = None,
) -> Match:
    """Where a mail belongs. Pure but for `look_up`, which reads the desk's own records.

    The first proof wins; without one the first hit is a claim.
    """
    claimed: str | None = None
    for question in questions(mail, number):
        found = look_up(question)
        if found is None:
            continue
        if question.sender is None or (question.sender and found.sender_belongs):
            return Match(found.thread_id, question.proof)
        claimed = claimed or found.thread_id
    return Match(None, claimed=claimed)


def _checked(thread_id: str) -> str:
    if not THREAD_ID.fullmatch(thread_id):
        raise ValueError("a thread's id has 1 to 40 small letters, digits and _")
    return thread_id


def _mark(key: TokenKey, use: str, characters: int, *parts: str) -> str:
    said = "\0".join((use, key.key_id, *parts)).encode()
    return _letters(hmac.digest(key.secret, said, "sha256"), characters)


def _letters(data: bytes, characters: int) -> str:
    return base64.b32encode(data).decode("ascii").lower()[:characters]
