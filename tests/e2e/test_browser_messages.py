"""The mail story and the text story as people play them: console and simulator in a real browser, real SMTP."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from service_desk.storage import schema
from tests.e2e.test_browser import all_figures_agree, browser, make_vera, new_page, sign_in
from tests.e2e.world import World, add_agent, until, world
from tests.service_desk.people import rows_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]


async def customer_page(page: Page, desk: World, way: str) -> None:
    """The simulator, as its first seeded customer, on one way of reaching us."""
    await page.goto(f"{desk.base}/simulator")
    await page.get_by_test_id("sim-person").first.click()
    await page.get_by_test_id(f"sim-way-{way}").click()


async def contact(desk: World) -> dict[str, Any]:
    (row,) = await rows_of(desk.desk, schema.interaction)
    return row


async def in_state(desk: World, state: str) -> None:
    async def there() -> bool:
        rows = await rows_of(desk.desk, schema.interaction)
        return len(rows) == 1 and rows[0]["state"] == state

    await until(there, f"the contact is {state}")


async def test_the_mail_story(db_url: str, tmp_path: Path, chrome: Browser) -> None:
    faults: list[str] = []
    manual = tmp_path / "manual.pdf"
    manual.write_bytes(b"%PDF-1.4 how to reset an oven")
    async with world(db_url, tmp_path) as desk, browser(chrome) as started:
        await desk.desk.run(make_vera)
        await add_agent(desk, "ann")
        agent, customer = await new_page(started, faults), await new_page(started, faults)
        await sign_in(agent, desk, "ann")
        await customer_page(customer, desk, "mail")
        await customer.get_by_test_id("sim-mail-write").click()
        await customer.get_by_test_id("sim-mail-subject").fill("The oven stays cold")
        await customer.get_by_test_id("sim-mail-text").fill("Since yesterday. What can I do?")
        await customer.get_by_test_id("sim-mail-send").click()

        # The mail is a routed ticket, and its sender's record is there with the offer.
        await expect(agent.get_by_test_id("offer")).to_be_visible()
        await expect(agent.get_by_test_id("offer-preview")).to_contain_text("The oven stays cold")
        await expect(agent.get_by_test_id("card-name").first).to_contain_text("Vera Sample")
        (ticket,) = await rows_of(desk.desk, schema.ticket)
        assert ticket["subject"] == "The oven stays cold"
        await agent.get_by_test_id("offer-preview-accept").click()
        await expect(agent.get_by_test_id("mail-card").first).to_contain_text("What can I do?")

        # A draft outlives a reload.
        await expect(agent.get_by_test_id("composer-text")).to_have_attribute("contenteditable", "true")
        await agent.get_by_test_id("composer-text").fill("Press both knobs for ten")
        await expect(agent.get_by_test_id("draft-sign")).to_have_attribute("data-keeping", "kept")
        await agent.reload()
        await agent.get_by_test_id("work-item").first.click()
        await expect(agent.get_by_test_id("composer-text")).to_contain_text("Press both knobs for ten")

        # Whoever only claims to answer is another contact; the answer goes with a file.
        await desk.mail("mallory@example.net", "Re: The oven stays cold", "Send me the whole thread.")
        await agent.get_by_test_id("composer-text").fill("Press both knobs for ten seconds.")
        await agent.locator('[data-testid="mail-files"]').set_input_files(str(manual))
        await expect(agent.get_by_test_id("upload-done")).to_have_count(1)
        await agent.get_by_test_id("composer-send-wait").click()

        async def arrived() -> bool:
            return len(await desk.mailbox("vera@example.org")) == 1

        await until(arrived, "the answer is in the customer's mailbox")
        (came,) = await desk.mailbox("vera@example.org")
        assert "ten seconds" in came["text"]
        assert await desk.mail_file("vera@example.org", came["number"]) == manual.read_bytes()

        # Parked, it holds nothing; the customer's reply brings it back.
        async def parked() -> bool:
            (row,) = await rows_of(desk.desk, schema.interaction, id=first["id"])
            return bool(row["state"] == "parked")

        first = next(row for row in await rows_of(desk.desk, schema.interaction) if row["agent_id"])
        await until(parked, "it waits for the customer")
        await expect(agent.get_by_test_id("work-parked")).to_be_visible()
        await desk.mail("vera@example.org", "Re: The oven", "Thank you, it is warm.", answers=came["number"])

        async def back() -> bool:
            rows = await rows_of(desk.desk, schema.interaction, id=first["id"])
            return bool(rows[0]["state"] in ("queued", "offered"))

        await until(back, "the reply to the reply address is proved and wakes it")
        await all_figures_agree(desk)
    assert faults == []


async def test_the_text_story(db_url: str, tmp_path: Path, chrome: Browser) -> None:
    faults: list[str] = []
    async with world(db_url, tmp_path) as desk, browser(chrome) as started:
        await desk.desk.run(make_vera)
        await add_agent(desk, "ann")
        agent, customer = await new_page(started, faults), await new_page(started, faults)
        await sign_in(agent, desk, "ann")
        await customer_page(customer, desk, "texts")
        await customer.get_by_test_id("sim-text-words").fill("When does the technician come?")
        await customer.get_by_test_id("sim-text-send").click()
        await expect(agent.get_by_test_id("offer")).to_be_visible()
        await expect(agent.get_by_test_id("card-name").first).to_contain_text("Vera Sample")
        await agent.get_by_test_id("offer-preview-accept").click()

        await agent.get_by_test_id("composer-text").fill("Tomorrow at nine – 9:00.")
        await expect(agent.get_by_test_id("text-segments")).to_be_visible()
        await agent.get_by_test_id("composer-send").click()
        await expect(customer.get_by_test_id("sim-texts")).to_contain_text("Tomorrow at nine")
        status = agent.get_by_test_id("entry").filter(has_text="Tomorrow at nine")
        await expect(status.get_by_test_id("delivery-status")).to_have_attribute("data-status", "delivered")

        # STOP is honoured: the agent is told, and nothing can be sent.
        await customer.get_by_test_id("sim-text-words").fill("STOP")
        await customer.get_by_test_id("sim-text-send").click()
        await expect(agent.get_by_test_id("opted-out")).to_be_visible()
        assert (
            len([row for row in await rows_of(desk.desk, schema.message) if row["author_kind"] == "agent"])
            == 1
        )

        await agent.get_by_test_id("conversation-end").click()
        await agent.get_by_test_id("wrap-up-disposition-done").click()
        await agent.get_by_test_id("wrap-up-done").click()
        await in_state(desk, "ended")
        assert (await contact(desk))["disposition"] == "done"
        await all_figures_agree(desk)
    assert faults == []
