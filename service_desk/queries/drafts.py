"""What was typed and not sent."""

import sqlalchemy as sa

from service_desk.domain.views import AttachmentView, DraftBody, DraftView
from service_desk.queries.interactions import attachment_view
from service_desk.storage import schema
from service_desk.storage.store import Reader


def draft_view(reader: Reader, interaction_id: str) -> DraftView | None:
    """The draft of a contact, None if there is none; an empty body is what was sent or discarded."""
    row = reader.get(schema.draft, interaction_id)
    if row is None or not row["body"]:
        return None
    body = DraftBody.model_validate(row["body"])
    return DraftView(
        interaction_id=row["interaction_id"],
        author_id=row["author_id"],
        at=row["at"],
        body=body,
        files=_files(reader, interaction_id, body.attachments),
        version=row["version"],
    )


def no_draft(interaction_id: str) -> DraftView:
    """Where nothing is typed: what a first draft goes on from."""
    return DraftView(interaction_id=interaction_id, author_id="", at=0, body=DraftBody(), files=[], version=0)


def _files(reader: Reader, interaction_id: str, ids: list[str]) -> list[AttachmentView]:
    """Uploaded files that wait to be sent, in the draft's order."""
    if not ids:
        return []
    file = schema.attachment
    waiting = sa.and_(file.c.interaction_id == interaction_id, file.c.message_id.is_(None))
    rows = {row["id"]: row for row in reader.all(sa.select(file).where(waiting, file.c.id.in_(ids)))}
    return [attachment_view(rows[each]) for each in ids if each in rows]
