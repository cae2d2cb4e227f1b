"""A mail's rich text in its frame, files of messages, and drafts with their files, by HTTP."""

from channels.contract import MailAddress, MailReceived
from service_desk.actions import mails
from service_desk.storage import schema
from tests.service_desk.people import rows_of
from tests.service_desk.web.world import Caller, World

MAIL = "mail-main"
OURS = "help@alpenglow.example"


async def a_mail(world: World) -> tuple[str, str]:
    """(contact, entry): somebody wrote with rich text."""
    event = MailReceived(
        message_id="<1@example.org>",
        dedupe_key="mail-1",
        sender=MailAddress("vera@example.org", "Vera"),
        subject="Cold",
        text="It is cold.",
        html='<p>It is <b>cold</b>.</p><img data-remote-src="https://tracker.example/p.png">',
        remote_images=1,
        to=(MailAddress(OURS),),
    )
    await world.desk.run(mails.receive_mail, MAIL, event, [], "0" * 64, actor="customer")
    (entry,) = await rows_of(world.desk, schema.message)
    return entry["interaction_id"], entry["id"]


async def served_mail(world: World) -> tuple[Caller, str, str]:
    caller = await world.person("ann")
    await world.ready(caller)
    contact, entry = await a_mail(world)
    await world.served(caller, contact)
    return caller, contact, entry


async def test_a_frame_has_no_rights_but_may_stand_in_our_page(quick_world: World) -> None:
    caller, _, entry = await served_mail(quick_world)
    page = await caller.get(f"/api/v1/entries/{entry}/html")
    policy = page.headers["Content-Security-Policy"]
    assert page.status == 200
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "default-src 'none'" in policy
    assert page.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert b"<b>cold</b>" in page.body
    assert b' src="https://tracker' not in page.body


async def test_remote_pictures_load_only_on_request(quick_world: World) -> None:
    caller, _, entry = await served_mail(quick_world)
    page = await caller.get(f"/api/v1/entries/{entry}/html?images=yes")
    assert b' src="https://tracker.example/p.png"' in page.body
    assert "img-src data: https: http:" in page.headers["Content-Security-Policy"]


async def test_every_other_answer_stands_in_no_frame(quick_world: World) -> None:
    caller, contact, _ = await served_mail(quick_world)
    answer = await caller.get(f"/api/v1/interactions/{contact}")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_draft_knows_its_files_until_they_are_gone(world: World) -> None:
    caller, contact, _ = await served_mail(world)
    sent = {"Content-Type": "text/plain"}
    upload = await caller.post(
        f"/api/v1/interactions/{contact}/attachments?name=notes.txt", data=b"abc", headers=sent
    )
    assert upload.status == 200, upload.body
    file = upload.json()
    draft = f"/api/v1/interactions/{contact}/draft"
    body = {"text": "half a", "to": ["vera@example.org"], "subject": "Re: Cold", "attachments": [file["id"]]}
    kept = await caller.post(draft, body)
    assert kept.json()["files"] == [file]
    assert (await caller.get(draft)).json()["files"] == [file]

    download = await caller.get(f"/api/v1/attachments/{file['id']}")
    assert download.body == b"abc"
    assert download.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"

    await caller.delete(f"/api/v1/interactions/{contact}/attachments/{file['id']}")
    assert (await caller.get(draft)).json()["files"] == []


async def test_the_console_knows_our_own_mailboxes(quick_world: World) -> None:
    caller = await quick_world.person("ann")
    answer = await caller.get("/api/v1/console/bootstrap")
    assert answer.json()["mailboxes"] == [OURS]
