"""What is said in a contact, and what is noted about it. Notes go into a table that no sender reads."""

import unicodedata
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from service_desk.actions import interactions, silence
from service_desk.domain import events
from service_desk.domain import interaction as life
from service_desk.errors import Conflict, Invalid, TooLarge
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx

MESSAGE = schema.message
NOTE = schema.note
TEXT_CHARACTERS = 16_000
PREVIEW_CHARACTERS = 120

_AGENT_NAME = Prepared(sa.select(schema.agent.c.name).where(schema.agent.c.id == sa.bindparam("agent")))
_BY_KEY = {
    table: Prepared(
        sa.select(table).where(
            table.c.interaction_id == sa.bindparam("interaction"), table.c.key == sa.bindparam("key")
        )
    )
    for table in (MESSAGE, NOTE)
}


def clean_text(text: str, field: str = "text") -> str:
    """NFC without control characters; Invalid if nothing is left, TooLarge beyond the limit."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs")).strip()
    if not text:
        raise Invalid(f"{field} is empty: write something.", field=field)
    if len(text) > TEXT_CHARACTERS:
        raise TooLarge(f"{field} has {len(text)} characters; at most {TEXT_CHARACTERS} fit.", field=field)
    return text


def add_message(
    tx: Tx,
    row: Row,
    *,
    author_kind: str,
    author_id: str | None,
    author_name: str,
    text: str,
    key: str | None,
    letter: Mapping[str, Any] | None = None,
) -> tuple[Row, Row]:
    """A message that the customer sees: (interaction, message). The same key again returns the first one.

    `letter`: further columns of a mail or text, whose own limits were checked before; its text may be empty.
    """
    if key is not None and (seen := _by_key(tx, MESSAGE, row["id"], key)) is not None:
        return row, seen
    text = clean_text(text) if letter is None else text
    if planted("chat_line_lost") and author_kind == "customer" and text == row["last_text"]:
        return row, tx.first(sa.select(MESSAGE).where(MESSAGE.c.interaction_id == row["id"]))  # type: ignore[return-value]  # the planted fault's own
    number = row["message_seq"] + 1
    row = tx.change(
        schema.interaction,
        row,
        entry_seq=row["entry_seq"] + 1,
        message_seq=number,
        last_text=text[:PREVIEW_CHARACTERS],
        last_text_at=tx.now,
    )
    entry = _insert(tx, row, "message", number, author_kind, author_id, author_name, text, key, letter=letter)
    (silence.customer_wrote if author_kind == "customer" else silence.agent_wrote)(tx, row)
    return row, entry


def add_system_line(tx: Tx, row: Row, code: str) -> Row:
    """A stable code such as "call.connected", shown small in the agent's timeline and never to the customer."""
    row = tx.change(schema.interaction, row, entry_seq=row["entry_seq"] + 1 + planted("line_misnumbered"))
    _insert(tx, row, "system", None, "system", None, "", code, None)
    return row


def _insert(
    tx: Tx,
    row: Row,
    kind: str,
    number: int | None,
    author_kind: str,
    author_id: str | None,
    author_name: str,
    text: str,
    key: str | None,
    *,
    letter: Mapping[str, Any] | None = None,
) -> Row:
    entry = {
        "id": tx.new_id("msg"),
        "interaction_id": row["id"],
        "customer_id": row["customer_id"],
        "seq": row["entry_seq"],
        "message_no": number,
        "kind": kind,
        "author_kind": author_kind,
        "author_id": author_id,
        "author_name": author_name,
        "text": text,
        "at": tx.now,
        "status": "sent" if kind == "message" else None,
        "key": key,
        "quoted": None,
        "html": None,
        "envelope": None,
        "provider_id": None,
        "error": None,
        "tries": 0,
        **(letter or {}),
    }
    tx.add(MESSAGE, entry)
    tx.emit(events.EntryAdded(row["id"], entry["id"], kind, author_kind, row["entry_seq"]))
    return entry  # type: ignore[return-value]  # the planted fault's own  # a dict reads like a row


def say_as_agent(tx: Tx, interaction_id: str, agent_id: str, text: str, key: str) -> str:
    """An agent writes to the customer; the entry's id."""
    row = interactions.must_get(tx, interaction_id)
    interactions.require_owner(row, agent_id)
    if row["channel"] != "web_chat":
        raise Conflict("This kind of contact takes no chat messages.", code="no_composer")
    if row["state"] != life.ACTIVE:
        raise Conflict(
            "The customer has left; your text was not sent. Note it on the ticket.", code="not_active"
        )
    _, entry = add_message(
        tx,
        row,
        author_kind="agent",
        author_id=agent_id,
        author_name=agent_name(tx, agent_id),
        text=text,
        key=key,
    )
    entry_id: str = entry["id"]
    return entry_id


def add_note(tx: Tx, interaction_id: str, agent_id: str, text: str, key: str) -> str:
    """An internal note on a contact; the note's id."""
    row = interactions.must_get(tx, interaction_id)
    if (seen := _by_key(tx, NOTE, interaction_id, key)) is not None:
        seen_id: str = seen["id"]
        return seen_id
    text = clean_text(text)
    row = tx.change(schema.interaction, row, entry_seq=row["entry_seq"] + 1)
    note = {
        "id": tx.new_id("not"),
        "interaction_id": interaction_id,
        "ticket_id": None,
        "customer_id": row["customer_id"],
        "seq": row["entry_seq"],
        "author_id": agent_id,
        "author_name": agent_name(tx, agent_id),
        "text": text,
        "at": tx.now,
        "key": key,
    }
    tx.add(NOTE, note)
    tx.emit(events.EntryAdded(interaction_id, note["id"], "note", "agent", note["seq"]))
    note_id: str = note["id"]
    return note_id


def agent_name(tx: Tx, agent_id: str) -> str:
    """The agent's name as written now; entries keep the name of their day."""
    name: str | None = tx.scalar(_AGENT_NAME, {"agent": agent_id})
    return name or agent_id


def _by_key(tx: Tx, table: sa.Table, interaction_id: str, key: str) -> Row | None:
    return tx.first(_BY_KEY[table], {"interaction": interaction_id, "key": key})
