"""The mail story and the text story over real SMTP, HTTP and sockets, without a browser."""

from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from service_desk.storage import schema
from tests.e2e.console import Console, console
from tests.e2e.world import OURS, World, add_agent, until, world
from tests.service_desk.people import rows_of

VERA = "vera@example.org"
PHONE = "+14155550100"
PLAN = b"%PDF-1.4\n% how to change the thermostat\n" + bytes(range(256)) * 40
PICTURE = b"\x89PNG\r\n\x1a\n" + b"a burnt thermostat" * 20


async def new_mail(desk: World, address: str, *, after: int = 0) -> dict[str, Any]:
    """The next mail in a customer's mailbox."""

    async def arrived() -> dict[str, Any] | None:
        mails = await desk.mailbox(address)
        return mails[after] if len(mails) > after else None

    found = await until(arrived, f"a mail for {address}")
    assert found is not None
    return found


async def entry_with(agent: Console, contact: str, status: str) -> dict[str, Any]:
    """The newest entry of the contact, once it is there and has come so far."""

    async def reached() -> dict[str, Any] | None:
        entries = [entry for entry in agent.entries(contact) if entry["kind"] == "message"]
        return entries[-1] if entries and entries[-1]["status"] == status else None

    found = await until(reached, f"the newest message is {status}")
    assert found is not None
    return found


async def system_line(agent: Console, contact: str, code: str) -> None:
    async def shown() -> bool:
        return any(entry["text"] == code for entry in agent.entries(contact) if entry["kind"] == "system")

    await until(shown, code)


async def all_confirmed(desk: World) -> None:
    """Nothing is left to send, and nothing failed."""

    async def confirmed() -> bool:
        return {row["state"] for row in await rows_of(desk.desk, schema.effect)} == {"confirmed"}

    await until(confirmed, "every effect is confirmed")


async def test_mail_story(db_url: str, tmp_path: Path) -> None:
    async with world(db_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            sent_id = await desk.mail(
                VERA,
                "The oven stays cold",
                "It heats no more since Monday.",
                name="Vera Sample",
                files={"oven.png": PICTURE},
            )
            offer = await ann.offer()
            contact = offer["interaction_id"]
            card = next(iter(ann.state["cards"].values()))
            assert card["customer"]["display_name"] == "Vera Sample"
            assert [ticket["subject"] for ticket in card["tickets"]] == ["The oven stays cold"]
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            view = await ann.interaction(contact, "active")
            assert (view["channel"], view["ticket_ids"]) == ("email", [card["tickets"][0]["id"]])

            first = ann.entries(contact)[-1]
            assert first["text"] == "It heats no more since Monday."
            assert [file["name"] for file in first["attachments"]] == ["oven.png"]
            assert await ann.download(first["attachments"][0]["id"]) == PICTURE

            answered = await _answer_with_a_plan(ann, contact, first["seq"])
            await ann.interaction(contact, "parked")
            brought = await new_mail(desk, VERA)
            await _check_headers(desk, brought, sent_id)

            ticket = card["tickets"][0]["id"]
            version = (await ann.ask("GET", f"/tickets/{ticket}"))["ticket"]["version"]
            await ann.ask("PATCH", f"/tickets/{ticket}", {"status": "pending"}, version=version)
            await desk.mail(VERA, "", "Now it is hot, thank you!", answers=brought["number"])
            again = await ann.offer()
            assert again["interaction_id"] == contact, "the same contact stands in its line again"
            await ann.ask("POST", f"/offers/{again['id']}/accept", {})
            await ann.interaction(contact, "active")
            thanks = ann.entries(contact)[-1]
            assert (thanks["text"], thanks["author"]["kind"]) == ("Now it is hot, thank you!", "customer")
            assert (await ann.ask("GET", f"/tickets/{ticket}"))["ticket"]["status"] == "open"

            stale = {"to": [VERA], "subject": "Re: it", "text": "Still cold?", "seen": answered["seq"]}
            status, problem = await ann.try_("POST", f"/interactions/{contact}/mails", stale)
            assert (status, problem["code"]) == (409, "thread_moved_on")
            assert [entry["id"] for entry in problem["entries"]] == [thanks["id"]]

            await ann.ask("POST", f"/interactions/{contact}/end", {})
            await ann.interaction(contact, "wrap_up")
            await ann.ask("POST", f"/interactions/{contact}/wrap-up", {"disposition": "done"})

            async def cleared() -> bool:
                return not ann.state["interactions"]

            await until(cleared, "the console is empty")
            rows = await rows_of(desk.desk, schema.interaction)
            assert [(row["id"], row["state"], row["disposition"]) for row in rows] == [
                (contact, "ended", "done")
            ]
            assert len(await desk.mailbox(VERA)) == 1, "the refused answer was not sent"
            assert ann.gaps == 0
        await all_confirmed(desk)


async def _answer_with_a_plan(ann: Console, contact: str, seen: int) -> dict[str, Any]:
    file = await ann.upload(contact, "thermostat.pdf", PLAN, "application/pdf")
    letter = {
        "to": [VERA],
        "subject": "Re: The oven stays cold",
        "text": "Here is how to change the thermostat.",
        "attachments": [file["id"]],
        "seen": seen,
        "then": "wait",
    }
    entry: dict[str, Any] = await ann.ask("POST", f"/interactions/{contact}/mails", letter)
    assert entry["status"] == "queued"
    await entry_with(ann, contact, "sent")
    return entry


async def _check_headers(desk: World, brought: dict[str, Any], sent_id: str) -> None:
    """What a mail program goes by: who wrote, where an answer goes, and what it answers."""
    parser = BytesParser(policy=policy.SMTP)
    head = parser.parsebytes(await desk.raw_mail(VERA, brought["number"]))
    assert (head["From"].addresses[0].addr_spec, head["To"].addresses[0].addr_spec) == (OURS, VERA)
    assert "Ann" in head["From"].addresses[0].display_name
    reply_to = head["Reply-To"].addresses[0].addr_spec
    assert reply_to.startswith("help+"), "the answer's address proves its thread"
    assert reply_to.endswith("@desk.example")
    assert (str(head["In-Reply-To"]), sent_id in str(head["References"])) == (sent_id, True)
    assert str(head["Message-ID"]).endswith("@desk.example>")
    assert (head["Auto-Submitted"], head["Subject"]) == (None, "Re: The oven stays cold")
    assert brought["text"].startswith("Here is how to change the thermostat.")
    (file,) = brought["attachments"]
    assert (file["name"], file["media_type"]) == ("thermostat.pdf", "application/pdf")
    assert await desk.mail_file(VERA, brought["number"]) == PLAN


async def test_text_story(db_url: str, tmp_path: Path) -> None:
    async with world(db_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            await desk.text(PHONE, "When does the technician come?")
            offer = await ann.offer()
            contact = offer["interaction_id"]
            assert next(iter(ann.state["cards"].values()))["customer"]["display_name"] == "+1 415-555-0100"
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            view = await ann.interaction(contact, "active")
            assert view["channel"] == "sms"

            answer = {"text": "Tomorrow between 8 and 10.", "seen": ann.entries(contact)[-1]["seq"]}
            await ann.ask("POST", f"/interactions/{contact}/messages", answer)
            delivered = await entry_with(ann, contact, "delivered")
            assert delivered["text"] == answer["text"]
            on_phone = [(one["incoming"], one["text"]) for one in await desk.texts(PHONE)]
            assert on_phone == [
                (True, "When does the technician come?"),
                (False, "Tomorrow between 8 and 10."),
            ]

            await desk.text(PHONE, "STOP")
            await system_line(ann, contact, "text.opted_out")
            status, problem = await ann.try_(
                "POST", f"/interactions/{contact}/messages", {"text": "Are you sure?"}
            )
            assert (status, problem["code"]) == (409, "opted_out")
            assert "no more texts" in problem["detail"]
            assert "Are you sure?" not in [one["text"] for one in await desk.texts(PHONE)]

            await desk.text(PHONE, "START")
            await system_line(ann, contact, "text.opted_in")
            await ann.ask("POST", f"/interactions/{contact}/messages", {"text": "Welcome back."})
            assert (await entry_with(ann, contact, "delivered"))["text"] == "Welcome back."

            await ann.ask("POST", f"/interactions/{contact}/end", {})
            await ann.interaction(contact, "wrap_up")
            await ann.ask("POST", f"/interactions/{contact}/wrap-up", {"disposition": "done"})

            async def cleared() -> bool:
                return not ann.state["interactions"]

            await until(cleared, "the console is empty")
            assert ann.gaps == 0
        await all_confirmed(desk)
