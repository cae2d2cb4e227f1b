"""From what a visitor's browser sends to events. Pure; every refusal names the field and says what to do.

The chat's and the visitor's ids are the desk's own (from the visitor token), never taken from the payload.
The client's id for a message becomes its dedupe key, so that sending again after a lost connection changes
nothing.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from channels.contract import ChatClosed, ChatOpened, MessageReceived, Unrecognised
from channels.web_chat import settings as limits

CLIENT_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{limits.ID_CHARACTERS}}}")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
PAGE = re.compile(r"https?://[^\s]+")
DETAIL_KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{limits.DETAIL_KEY_CHARACTERS}}}")
LOCAL_PART = re.compile(r"[^\s@<>()\[\],;:\\\"]+")
DOMAIN_LABEL = re.compile(r"[^\W_]([\w-]{0,61}[^\W_])?")
REASON = re.compile(r"[a-z_]{1,40}")

OPEN_FIELDS = frozenset({"client_id", "name", "mailbox", "topic", "page", "language", "details"})
MESSAGE_FIELDS = frozenset({"client_id", "text"})
CLOSE_FIELDS = frozenset({"reason"})


def chat_opened(payload: Mapping[str, Any], *, chat_id: str, visitor_id: str) -> ChatOpened:
    """A visitor opens a conversation: {client_id, name?, mailbox?, topic?, page?, language?, details?}."""
    _only(payload, OPEN_FIELDS)
    return ChatOpened(
        chat_id=chat_id,
        visitor_id=visitor_id,
        dedupe_key=f"open:{chat_id}:{_client_id(payload)}",
        name=_line(payload, "name", limits.NAME_CHARACTERS),
        mailbox=_mailbox(payload),
        topic=_line(payload, "topic", limits.TOPIC_CHARACTERS),
        page=_matching(payload, "page", PAGE, limits.PAGE_CHARACTERS),
        language=_matching(payload, "language", LANGUAGE, limits.LANGUAGE_CHARACTERS),
        details=_details(payload.get("details")),
    )


def message_received(
    payload: Mapping[str, Any], *, chat_id: str, visitor_id: str, sent_at: int | None = None
) -> MessageReceived:
    """A visitor writes: {client_id, text}.

    `sent_at` is the desk's clock in microseconds, a visitor's is not believed.
    """
    _only(payload, MESSAGE_FIELDS)
    client_id = _client_id(payload)
    return MessageReceived(
        thread_id=chat_id,
        message_id=client_id,
        sender=visitor_id,
        text=_text(payload.get("text")),
        dedupe_key=f"message:{chat_id}:{client_id}",
        sent_at=sent_at,
    )


def chat_closed(payload: Mapping[str, Any], *, chat_id: str) -> ChatClosed:
    """A visitor ends the conversation: {reason?}."""
    _only(payload, CLOSE_FIELDS)
    reason = _matching(payload, "reason", REASON, 40) or "visitor_left"
    return ChatClosed(chat_id=chat_id, dedupe_key=f"close:{chat_id}", reason=reason)


def folded_mailbox(text: str) -> str | None:
    """An address that could be one, in lower case, or None.

    Says nothing about whether it exists or whose it is.
    """
    folded = unicodedata.normalize("NFC", text).strip().lower()
    local, at, domain = folded.rpartition("@")
    labels = domain.split(".")
    possible = (
        at == "@"
        and len(folded) <= limits.MAILBOX_CHARACTERS
        and len(local.encode()) <= 64
        and LOCAL_PART.fullmatch(local) is not None
        and not local.startswith(".")
        and not local.endswith(".")
        and ".." not in local
        and len(labels) > 1
        and all(DOMAIN_LABEL.fullmatch(label) for label in labels)
        and folded.isprintable()
    )
    return folded if possible else None


def clean_text(text: str) -> str:
    """NFC, line ends as one newline, no NUL, control characters (but tab and newline) or half surrogates."""
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        character
        for character in text
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs"}
    )


def _only(payload: Mapping[str, Any], fields: frozenset[str]) -> None:
    unknown = sorted(str(name) for name in payload.keys() - fields)
    if unknown:
        raise Unrecognised("This field is not known.", unknown[0][: limits.ID_CHARACTERS])


def _client_id(payload: Mapping[str, Any]) -> str:
    value = payload.get("client_id")
    if not isinstance(value, str) or not CLIENT_ID.fullmatch(value):
        raise Unrecognised("Needs an id of 1 to 64 letters, digits, _ or -.", "client_id")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unrecognised("The message is missing.", "text")
    if len(value) > 4 * limits.TEXT_CHARACTERS:  # before any work on it
        raise _too_long()
    text = clean_text(value)
    if not text.strip():
        raise Unrecognised("The message is empty. Write something before you send it.", "text")
    if len(text) > limits.TEXT_CHARACTERS:
        raise _too_long()
    return text


def _too_long() -> Unrecognised:
    return Unrecognised(
        f"The message is too long: at most {limits.TEXT_CHARACTERS} characters. Send it in several parts.",
        "text",
    )


def _line(payload: Mapping[str, Any], name: str, characters: int) -> str | None:
    """One line of text, None when it was left out or blank."""
    value = payload.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unrecognised("Must be text.", name)
    if len(value) > characters:
        raise Unrecognised(f"Too long: at most {characters} characters.", name)
    return " ".join(clean_text(value).split()) or None


def _matching(payload: Mapping[str, Any], name: str, pattern: re.Pattern[str], characters: int) -> str | None:
    value = _line(payload, name, characters)
    if value is not None and not pattern.fullmatch(value):
        raise Unrecognised("Not in the form that is expected here.", name)
    return value


def _mailbox(payload: Mapping[str, Any]) -> str | None:
    value = _line(payload, "mailbox", limits.MAILBOX_CHARACTERS)
    if value is None:
        return None
    folded = folded_mailbox(value)
    if folded is None:
        raise Unrecognised("This is not an e-mail address. Check it, or leave it empty.", "mailbox")
    return folded


def _details(value: object) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > limits.DETAILS_MAX:
        raise Unrecognised(f"Must be an object of at most {limits.DETAILS_MAX} answers.", "details")
    details = {}
    for key in value:
        if not isinstance(key, str) or not DETAIL_KEY.fullmatch(key):
            raise Unrecognised("Each answer needs a short name.", "details")
        line = _line(value, key, limits.DETAIL_CHARACTERS)
        if line is not None:
            details[key] = line
    return details
