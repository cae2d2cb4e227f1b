"""Files of messages: their rows. The bytes lie in the blob store under their hash, before any row names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from service_desk.actions import interactions
from service_desk.domain import events
from service_desk.errors import Invalid, NotFound
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

ATTACHMENT = schema.attachment
FILES_MOST = 50
"""Of one message."""
NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose bytes are in the blob store. `blob` is "" while it is still to be fetched."""

    name: str
    media_type: str
    size_bytes: int
    blob: str
    content_id: str | None = None
    inline: bool = False


def add_files(tx: Tx, contact: Row, message_id: str, files: Sequence[StoredFile], by: str) -> list[str]:
    """Rows for the files of a message; their ids."""
    return [_add(tx, contact, message_id, file, by) for file in files]


def upload(tx: Tx, interaction_id: str, agent_id: str, file: StoredFile) -> str:
    """A file for an answer that is still being written; its id."""
    contact = interactions.must_get(tx, interaction_id)
    interactions.require_owner(contact, agent_id)
    return _add(tx, contact, None, file, agent_id)


def claim(tx: Tx, contact: Row, message_id: str, ids: Sequence[str]) -> None:
    """The uploaded files go with this message. Invalid for one that is none of this contact's."""
    if len(ids) > FILES_MOST:
        raise Invalid(f"attachments: at most {FILES_MOST} files go with a message.", field="attachments")
    for attachment_id in ids:
        row = tx.get_for_update(ATTACHMENT, attachment_id)
        if row is None or row["interaction_id"] != contact["id"] or row["message_id"] is not None:
            raise Invalid(f"attachments: there is no file {attachment_id} to send here.", field="attachments")
        tx.update(ATTACHMENT, attachment_id, message_id=message_id)


def discard(tx: Tx, interaction_id: str, attachment_id: str, agent_id: str) -> None:
    """An uploaded file is not to be sent after all."""
    interactions.require_owner(interactions.must_get(tx, interaction_id), agent_id)
    tx.write(
        sa.delete(ATTACHMENT).where(
            ATTACHMENT.c.id == attachment_id,
            ATTACHMENT.c.interaction_id == interaction_id,
            ATTACHMENT.c.message_id.is_(None),
        )
    )


def fetched(tx: Tx, attachment_id: str, media_type: str, size_bytes: int, blob: str) -> None:
    """The bytes of a text's picture have come."""
    row = tx.get_for_update(ATTACHMENT, attachment_id)
    if row is None:
        raise NotFound(f"There is no attachment {attachment_id}.")
    tx.update(ATTACHMENT, attachment_id, media_type=media_type, size_bytes=size_bytes, blob=blob)
    tx.emit(events.EntryChanged(row["interaction_id"], row["message_id"], "message", None))


def _add(tx: Tx, contact: Row, message_id: str | None, file: StoredFile, by: str) -> str:
    row: dict[str, Any] = {
        "id": tx.new_id("att"),
        "interaction_id": contact["id"],
        "message_id": message_id,
        "customer_id": contact["customer_id"],
        "name": file.name[:NAME_CHARACTERS] or "file",
        "media_type": file.media_type,
        "size_bytes": file.size_bytes,
        "blob": file.blob,
        "content_id": file.content_id,
        "inline": file.inline,
        "created_at": tx.now,
        "created_by": by,
    }
    tx.add(ATTACHMENT, row)
    attachment_id: str = row["id"]
    return attachment_id
