"""Files of messages, and the rich text of mails: bytes from strangers, served so that no browser runs them.

A file comes as a download, never as a page of ours. A mail's rich text was sanitised when it came; it is served for
a frame without rights (CSP sandbox), so that it has neither scripts nor our origin.
"""

import asyncio
import base64
import json
import re
from collections.abc import Sequence
from typing import Annotated, Literal

import sqlalchemy as sa
from aiohttp import web
from pydantic import Field

from service_desk.actions import attachments
from service_desk.actions.attachments import StoredFile
from service_desk.domain.access import Principal
from service_desk.domain.views import AttachmentView
from service_desk.errors import Invalid, NotFound
from service_desk.ports import Blobs
from service_desk.queries.interactions import attachment_view
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.inputs import Input
from service_desk.web.api.rights import require_contact
from service_desk.web.bodies import read_body
from service_desk.web.keys import BLOBS, DESK, SETTINGS
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import there

routes = Routes("files")
UPLOAD_BYTES = 18 * 1024 * 1024
"""Of one file; written as text for a mail, it grows by a third."""
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,80}/[a-z0-9][a-z0-9.+-]{0,80}")
INLINE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a mail's frame may show by itself."""
INLINE_BYTES = 5_000_000
"""Of one picture that a mail's frame shows."""
PAGE_CHARACTERS = 12_000_000
"""Of a mail's whole frame: its text and its pictures, which grow by a third as text. A page is in memory several
times while it is made and sent. Pictures for which there is no room are left out."""
DATA_HEAD_CHARACTERS = 64
"""What stands around a picture's bytes, at most."""
LEFT_OUT = (
    '<p style="margin:0 0 12px;padding:8px 12px;border:1px solid #d6d1ca;color:#5c564f">Not every picture of this '
    "mail is shown here, because together they are too large. Choose “Plain text” below it to see all of them as "
    "files.</p>"
)
FRAME_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'; img-src data:"
)
FRAME_HEAD = (
    '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<style>:root{color-scheme:light}body{margin:12px 14px;background:#fff;color:#1f1d1a;"
    "font:14px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;overflow-wrap:anywhere}"
    "img{max-width:100%}blockquote{margin:0 0 0 2px;padding-left:12px;border-left:2px solid #d6d1ca}</style>"
)
"""Before a mail's own elements: paper and plain type, for mails that bring neither."""


class Shown(Input):
    """`images=yes` lets remote pictures load; without it nobody outside learns that the mail was read."""

    images: Literal["yes", "no"] = "no"


class Named(Input):
    """What the file is called; folders and characters that a file system does not take are left out."""

    name: Annotated[str, Field(max_length=attachments.NAME_CHARACTERS * 4)] = ""


@routes.get("/api/v1/attachments/{attachment_id}", needs="contact.handle", text="application/octet-stream")
async def download_attachment(request: web.Request, who: Principal, attachment_id: str) -> web.Response:
    """The bytes of a file, as a download."""
    row = await request.app[DESK].read(_attachment, who, attachment_id)
    content = await asyncio.to_thread(request.app[BLOBS].get, row["blob"])
    return web.Response(
        body=content,
        headers={
            "Content-Type": row["media_type"]
            if row["media_type"] in INLINE_TYPES
            else "application/octet-stream",
            "Content-Disposition": _disposition(row["name"]),
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


@routes.get("/api/v1/entries/{entry_id}/html", needs="contact.handle", text="text/html")
async def show_html(request: web.Request, who: Principal, entry_id: str, query: Shown) -> web.Response:
    """A mail's rich text for a sandboxed frame; `?images=yes` lets its remote pictures load."""
    remote = query.images == "yes"
    row, files = await request.app[DESK].read(_rich_text, who, entry_id)
    policy = FRAME_POLICY + (" https: http:" if remote else "")
    page = await asyncio.to_thread(_framed, request.app[BLOBS], row["html"], files, remote=remote)
    return web.Response(
        text=page,
        content_type="text/html",
        headers={
            "Content-Security-Policy": policy,
            "X-Frame-Options": "SAMEORIGIN",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "private, no-store",
        },
    )


@routes.post(
    "/api/v1/interactions/{interaction_id}/attachments",
    needs="contact.handle",
    shape=AttachmentView,
    file=True,
)
async def upload_attachment(
    request: web.Request, who: Principal, interaction_id: str, query: Named
) -> web.Response:
    """A file for the answer that is being written: its bytes as the body, its name in `?name=`."""
    name = _name(query.name)
    media_type = request.content_type.lower()
    if not MEDIA_TYPE.fullmatch(media_type):
        media_type = "application/octet-stream"
    content = await read_body(request, UPLOAD_BYTES, request.app[SETTINGS].limits.body_read_s * 6)
    if not content:
        raise Invalid("The file is empty.", field="body")
    await request.app[DESK].read(require_contact, who, interaction_id)
    blob = await asyncio.to_thread(request.app[BLOBS].put, content)
    file = StoredFile(name, media_type, len(content), blob)
    view = await request.app[DESK].run(_keep, interaction_id, who.agent_id, file, actor=who.agent_id)
    return web.json_response(json.loads(view.model_dump_json()))


def _keep(tx: Tx, interaction_id: str, agent_id: str, file: StoredFile) -> AttachmentView:
    attachment_id = attachments.upload(tx, interaction_id, agent_id, file)
    return attachment_view(there(tx.get(schema.attachment, attachment_id)))


@routes.delete("/api/v1/interactions/{interaction_id}/attachments/{attachment_id}", needs="contact.handle")
def discard_attachment(tx: Tx, who: Principal, interaction_id: str, attachment_id: str) -> None:
    """A file is not to be sent after all."""
    require_contact(reading(tx), who, interaction_id)
    attachments.discard(tx, interaction_id, attachment_id, who.agent_id)


def _attachment(reader: Reader, who: Principal, attachment_id: str) -> sa.RowMapping:
    row = there(reader.get(schema.attachment, attachment_id))
    require_contact(reader, who, row["interaction_id"])
    if not row["blob"]:
        raise NotFound("The file is still being fetched: try again in a moment.", code="not_yet")
    return row


def _rich_text(reader: Reader, who: Principal, entry_id: str) -> tuple[sa.RowMapping, list[sa.RowMapping]]:
    row = there(reader.get(schema.message, entry_id))
    require_contact(reader, who, row["interaction_id"])
    if row["html"] is None:
        raise NotFound("This message has no rich text.")
    file = schema.attachment
    return row, list(
        reader.all(sa.select(file).where(file.c.message_id == entry_id, file.c.content_id.is_not(None)))
    )


def _framed(blobs: Blobs, html: str, files: Sequence[sa.RowMapping], *, remote: bool) -> str:
    """The page of a mail's frame."""
    from channels.email.sanitize import show_html, shown_ids  # noqa: PLC0415 - heavy, and only for mails

    chosen, is_complete = _with_room(html, shown_ids(html), files)
    page = show_html(html, {name: _data(blobs, file) for name, file in chosen.items()}, remote=remote)
    return "".join((FRAME_HEAD, "" if is_complete else LEFT_OUT, page))


def _with_room(
    html: str, ids: Sequence[str], files: Sequence[sa.RowMapping]
) -> tuple[dict[str, sa.RowMapping], bool]:
    """The pictures for which the page has room, in the order in which the mail shows them; whether that is all."""
    by_id = {file["content_id"]: file for file in files if file["media_type"] in INLINE_TYPES}
    room = PAGE_CHARACTERS - len(html)
    chosen: dict[str, sa.RowMapping] = {}
    is_complete = True
    for name in ids:
        file = by_id.get(name)
        if file is None:
            continue
        characters = file["size_bytes"] * 4 // 3 + DATA_HEAD_CHARACTERS
        if file["size_bytes"] > INLINE_BYTES or characters > room:
            is_complete = False
            continue
        room -= characters
        chosen[name] = file
    return chosen, is_complete


def _data(blobs: Blobs, file: sa.RowMapping) -> str:
    """A picture that came with the mail, as an address that holds all of it."""
    return f"data:{file['media_type']};base64,{base64.b64encode(blobs.get(file['blob'])).decode()}"


def _name(given: str) -> str:
    from channels.email.parse import file_name  # noqa: PLC0415 - as above

    return file_name(given, "file")


def _disposition(name: str) -> str:
    """A download under its name (RFC 6266), whatever characters that has."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-") else "_" for c in name)
    quoted = "".join(f"%{byte:02X}" for byte in name.encode("utf-8", "replace"))
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quoted}"
