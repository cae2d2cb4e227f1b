"""A supervisor's quarter of an hour in a real browser: traffic rises, an alert, contacts and agents are directed."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from service_desk.queries.alerts import open_alerts
from service_desk.storage import schema
from tests.e2e.console import console
from tests.e2e.test_browser import all_figures_agree, browser, new_page
from tests.e2e.world import PASSWORD, World, add_agent, until, world
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

WHY = "Sales is short of people today."
RULE = {
    "id": "line-long",
    "name": "Many wait",
    "figure": "waiting",
    "queue": "service",
    "raise_at": 3,
    "clear_at": 1,
    "raise_s": 0,
    "clear_s": 0,
    "level": "urgent",
}


async def sign_in(page: Page, desk: World, path: str) -> None:
    await page.goto(f"{desk.base}{path}")
    await page.get_by_test_id("login-name").fill("sue")
    await page.get_by_test_id("login-password").fill(PASSWORD)
    await page.get_by_test_id("login-submit").click()


async def choose(page: Page, interaction_id: str, act: str) -> None:
    row = page.locator(f'[data-testid="floor-contact"][data-interaction="{interaction_id}"]')
    await row.get_by_test_id("floor-acts").click()
    await page.get_by_test_id(f"act-{act}").click()


async def contact(desk: World, interaction_id: str) -> dict[str, Any]:
    (row,) = await rows_of(desk.desk, schema.interaction, id=interaction_id)
    return row


async def test_a_supervisor_s_quarter_of_an_hour(  # noqa: PLR0915 - a story, told in one piece
    db_url: str, tmp_path: Path, chrome: Browser
) -> None:
    faults: list[str] = []
    service, sales = CONFIG["queues"]
    away = {"hours": {"zone": "UTC"}, "overflow": [{"when": "closed", "queue": "service"}]}
    config = {**CONFIG, "alerts": [RULE], "queues": [service, {**sales, **away}]}
    async with world(db_url, tmp_path, config=config) as desk, browser(chrome) as started:
        await add_agent(desk, "sue", role="supervisor")
        await add_agent(desk, "ann")
        sue = await new_page(started, faults)
        await sign_in(sue, desk, "/supervisor")
        await expect(sue.get_by_test_id("figure-waiting")).to_contain_text("0")
        await expect(sue.get_by_test_id("figure-waiting")).to_have_attribute("data-tone", "plain")

        # Traffic rises: the threshold is passed, and she says that she looks after it.
        calls = [await desk.call(f"+1415555010{number}") for number in range(1, 5)]

        async def four_wait() -> bool:
            rows = await rows_of(desk.desk, schema.interaction, state="queued")
            return len(rows) == 4

        await until(four_wait, "four calls wait")
        await expect(sue.get_by_test_id("floor-contact")).to_have_count(4)
        await expect(sue.get_by_test_id("figure-waiting")).to_have_attribute("data-tone", "urgent")
        await expect(sue.get_by_test_id("alert-detail")).to_contain_text("now 4 waiting, threshold")
        await sue.get_by_test_id("alert-take").click()
        await expect(sue.get_by_test_id("alert-taken")).to_be_visible()

        # A number leads to its formula and to its contacts.
        await sue.get_by_test_id("figure-waiting").click()
        await expect(sue.get_by_test_id("drill-formula")).to_contain_text("in line at this moment")
        await expect(sue.get_by_test_id("drill-total")).to_have_text("4")
        await expect(sue.get_by_test_id("drill-contact")).to_have_count(4)
        await sue.keyboard.press("Escape")

        # Two go to another queue, each with a reason; without one nothing happens. It is closed, which she is told.
        waiting = sorted(row["id"] for row in await rows_of(desk.desk, schema.interaction, state="queued"))
        for each in waiting[:2]:
            await choose(sue, each, "move")
            await sue.get_by_test_id("intervene-queue").select_option("sales")
            await expect(sue.get_by_test_id("intervene-closed")).to_contain_text(
                "whoever of it is ready gets it"
            )
            await sue.get_by_test_id("intervene-do").click()
            assert (await contact(desk, each))["queue_id"] == "service"
            await sue.get_by_test_id("intervene-reason").fill(WHY)
            await sue.get_by_test_id("intervene-do").click()
            await expect(sue.get_by_test_id("intervene")).to_have_count(0)
            assert (await contact(desk, each))["queue_id"] == "sales"
        await choose(sue, waiting[3], "prioritise")
        await expect(sue.get_by_test_id("intervene-missing")).to_contain_text("its place already")
        await sue.get_by_test_id("intervene-ahead-15").check(force=True)
        await sue.get_by_test_id("intervene-reason").fill("A regular")
        await sue.get_by_test_id("intervene-do").click()
        await expect(sue.get_by_test_id("intervene")).to_have_count(0)
        assert (await contact(desk, waiting[3]))["priority"] == 15

        # Ann comes, is offered the one who was put ahead, and is sent away before she answers.
        async with console(desk, "ann") as ann:
            offer = await ann.offer()
            assert offer["interaction_id"] == waiting[3]
            agent = sue.get_by_test_id("board-agent").filter(has_text="Ann")
            await expect(agent).to_have_attribute("data-status", "offered")
            await agent.get_by_test_id("agent-acts").click()
            await sue.get_by_test_id("force-away").click()
            await sue.get_by_test_id("force-reason").fill("Training starts")
            await sue.get_by_test_id("force-do").click()
            await expect(agent).to_have_attribute("data-status", "away")
            assert (await ann.try_("POST", f"/offers/{offer['id']}/accept", {}))[0] == 409

            await agent.get_by_test_id("agent-acts").click()
            await sue.get_by_test_id("force-ready").click()
            await sue.get_by_test_id("force-reason").fill("Training is off")
            await sue.get_by_test_id("force-do").click()

            # What rings at her is hers at once when it is assigned; then the others leave.
            again = await ann.offer()
            await expect(agent).to_have_attribute("data-status", "offered")
            await choose(sue, again["interaction_id"], "assign")
            await expect(sue.get_by_test_id("intervene-do")).to_be_disabled()
            await expect(sue.get_by_test_id("intervene-missing")).to_have_text("Choose an agent first.")
            await sue.get_by_test_id("intervene-agent").select_option(ann.agent_id)
            await sue.get_by_test_id("intervene-reason").fill("She knows the customer")
            await sue.get_by_test_id("intervene-do").click()
            view = await ann.interaction(again["interaction_id"], "connecting")
            assert view["agent_id"] == ann.agent_id
            await ann.take_call(again["interaction_id"])
            await ann.interaction(again["interaction_id"], "active")
            for call in calls:
                await desk.control("POST", f"/calls/{call}/hangup")
            await ann.interaction(again["interaction_id"], "wrap_up")

        async def calm() -> bool:
            return not await desk.desk.read(open_alerts)

        await until(calm, "the alert is cleared")
        await expect(sue.get_by_test_id("figure-waiting")).to_have_attribute("data-tone", "plain")
        await sue.get_by_test_id("tab-alerts").click()
        await expect(sue.get_by_test_id("alert").filter(has_text="Many wait")).to_be_visible()

        # The figures agree with the log, also in the file.
        await all_figures_agree(desk)
        await sue.get_by_test_id("tab-intervals").click()
        await expect(sue.get_by_test_id("interval-total")).to_have_count(2)
        async with sue.expect_download() as saved:
            await sue.get_by_test_id("intervals-csv").click()
        text = await asyncio.to_thread((await (await saved.value).path()).read_text, "utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert sum(int(row["offered"]) - int(row["moved_out"]) for row in rows) == 4
        assert sum(int(row["moved_out"]) for row in rows) == 2
        assert sum(int(row["answered"]) for row in rows) == 1
        assert sum(int(row["abandoned"]) for row in rows) == 3
        actions = [row["action"] for row in await rows_of(desk.desk, schema.audit)]
        wanted = {
            "contact.moved": 2,
            "contact.prioritised": 1,
            "contact.assigned": 1,
            "agent.state_forced": 2,
        }
        assert {name: actions.count(name) for name in wanted} == wanted
        assert faults == []
