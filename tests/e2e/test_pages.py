"""The pages beside the work list, as an agent uses them in the middle of a call."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from service_desk.actions import customers, tickets
from service_desk.domain.contact_point import ContactPoint
from service_desk.storage.transaction import Tx
from tests.e2e.test_browser import browser, new_page, sign_in
from tests.e2e.world import add_agent, world

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

NUMBER = "+14155550100"


def make_people(tx: Tx) -> tuple[str, str]:
    """Two people behind one number, and a case of the second one."""
    point = ContactPoint("phone", NUMBER, "+1 415-555-0100")
    vera = customers.find_or_make(tx, point, name="Vera Sample", language="en", proof="verified")
    bob = customers.make_customer(tx, name="Bób Żółw", language="en")
    customers.add_point(tx, bob, point, proof="claimed")
    case = tickets.open_ticket(
        tx, subject="The oven stays cold", description="Since Tuesday.", priority="high", queue_id="service",
        customer_id=bob, interaction_id=None, assignee_id=None,
    )  # fmt: skip
    return vera, str(case["number"])


async def add_an_address(agent: Page) -> None:
    """Typed as people there dial it."""
    await agent.get_by_test_id("address-new").click()
    await agent.get_by_test_id("address-text").fill("(415) 555-0177")
    await expect(agent.get_by_test_id("address-read")).to_contain_text("+1 415-555-0177")
    await agent.get_by_test_id("address-checked").check()
    await agent.get_by_test_id("address-add").click()
    verified = agent.locator("[data-testid=address][data-proof=verified]")
    await expect(verified).to_contain_text("+1 415-555-0177")


async def work_on_a_ticket(agent: Page, base: str, number: str) -> None:
    """The list keeps its filters in the address, and the ticket takes a note."""
    await agent.get_by_test_id("nav-pages.tickets").click()
    await agent.get_by_test_id("view-nobody").click()
    await agent.get_by_test_id("filter-priority").select_option("high,urgent")
    await expect(agent).to_have_url(f"{base}/tickets?priority=high,urgent&assignee=nobody")
    await agent.get_by_test_id("list-row").click()
    await expect(agent.get_by_test_id("ticket-page")).to_contain_text(f"#{number}")
    await agent.get_by_test_id("page-note").fill("order the part")
    await agent.get_by_test_id("page-note-add").click()
    await expect(agent.get_by_test_id("story-entry")).to_contain_text("order the part")
    await agent.get_by_test_id("page-status").select_option("pending")
    await expect(agent.get_by_test_id("story-change").last).to_contain_text("from Open to Pending")
    await agent.get_by_test_id("page-back").click()
    await expect(agent).to_have_url(f"{base}/tickets?priority=high,urgent&assignee=nobody")
    await agent.reload()
    await expect(agent.get_by_test_id("list-row")).to_have_count(1)


async def mistype_an_address(agent: Page, base: str) -> None:
    """Said in words, beside the work list; what rings and runs stays in sight."""
    await agent.goto(f"{base}/nonsense/of/mine")
    await expect(agent.get_by_test_id("no-such-page")).to_contain_text("There is no such page")
    await expect(agent.get_by_test_id("no-such-page").get_by_role("button")).to_be_visible()


async def test_a_call_that_is_somebody_else_s_and_a_look_at_the_pages(
    db_url: str, tmp_path: Path, chrome: Browser
) -> None:
    faults: list[str] = []
    async with world(db_url, tmp_path) as desk, browser(chrome) as started:
        _, number = await desk.desk.run(make_people)
        await add_agent(desk, "ann")
        agent = await new_page(started, faults)
        sockets: list[str] = []
        agent.on("websocket", lambda socket: sockets.append(socket.url))
        await sign_in(agent, desk, "ann")
        await desk.call(NUMBER)
        await agent.get_by_test_id("offer-preview-accept").click()
        await expect(agent.get_by_test_id("card-name").first).to_contain_text("Vera Sample")

        # Two people have this number: a choice, with the reason.
        await agent.get_by_test_id("whose-open").click()
        chooser = agent.get_by_test_id("whose-dialog")
        await expect(chooser).to_contain_text("+1 415-555-0100: claimed")
        await chooser.get_by_text("Bób Żółw").click()
        await agent.get_by_test_id("whose-move").click()
        await expect(chooser).to_be_hidden()
        await expect(agent.get_by_test_id("card-name").first).to_contain_text("Bób Żółw")

        # A search in any spelling finds the person; the call stays in the bar, its socket stays open.
        opened = [url for url in sockets if "/live" in url]
        await agent.keyboard.press("/")
        await agent.get_by_test_id("palette-input").fill("zolw")
        hit = agent.get_by_test_id("search-hit").first
        await expect(hit.locator("mark")).to_have_text("Żółw")
        await agent.keyboard.press("Enter")
        await expect(agent.get_by_test_id("person-name")).to_have_text("Bób Żółw")
        await expect(agent.get_by_test_id("call-bar")).to_be_visible()

        await add_an_address(agent)
        await work_on_a_ticket(agent, desk.base, number)

        # Back at work: the same contact in front.
        await agent.get_by_test_id("nav-pages.work").click()
        await expect(agent.get_by_test_id("card-name").first).to_contain_text("Bób Żółw")
        await expect(agent.get_by_test_id("call-stage")).to_be_visible()
        assert len(opened) == 1
        assert len([url for url in sockets if "/live" in url]) == 2, (
            "one more by the reload, none by the pages"
        )
        await mistype_an_address(agent, desk.base)
    assert faults == []
