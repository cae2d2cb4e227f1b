"""The stories as people play them: a real browser on the real pages, on SQLite and on PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Request, expect

from service_desk.actions.customers import CUSTOMER, find_or_make
from service_desk.audit import audit
from service_desk.background.figures import read_cursor
from service_desk.domain.contact_point import fold_mailbox, fold_phone
from service_desk.queries import live, wallboard
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from tests.e2e.world import PASSWORD, World, add_agent, until, world
from tests.service_desk.people import rows_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

LATE_MS = 20_000
expect.set_options(timeout=LATE_MS)


@contextlib.asynccontextmanager
async def browser(chrome: Browser) -> AsyncIterator[Browser]:
    """The worker's browser for one story; the pages that it opened are closed."""
    try:
        yield chrome
    finally:
        for context in chrome.contexts:
            await context.close()


async def new_page(started: Browser, faults: list[str]) -> Page:
    """A page of its own; what it complains about is gathered."""
    context = await started.new_context(
        viewport={"width": 1280, "height": 800},
        locale="en-GB",
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
    )
    context.set_default_timeout(LATE_MS)
    page = await context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    return page


async def sign_in(page: Page, desk: World, login: str) -> None:
    await page.goto(desk.base)
    await page.get_by_test_id("login-name").fill(login)
    await page.get_by_test_id("login-password").fill(PASSWORD)
    await page.get_by_test_id("login-submit").click()
    await page.get_by_test_id("state-menu").click()
    await page.get_by_test_id("state-ready").click()


def make_vera(tx: Tx) -> str:
    """A customer with a name, a number and a mailbox."""
    phone, mailbox = fold_phone("+14155550100"), fold_mailbox("vera@example.org")
    assert phone is not None
    assert mailbox is not None
    customer_id = find_or_make(tx, phone, name="Vera Sample", language="en", proof="verified")
    from service_desk.actions.customers import add_point

    add_point(tx, customer_id, mailbox, proof="imported")
    row = tx.get(CUSTOMER, customer_id)
    assert row is not None
    tx.change(CUSTOMER, row, tier="gold")
    return customer_id


async def all_figures_agree(desk: World) -> None:
    """The counters equal a recount of the log, and the auditor finds nothing."""

    async def caught_up() -> bool:
        return await desk.desk.read(read_cursor) == await desk.desk.read(live.head)

    await until(caught_up, "the figures have read the log")

    def look(reader: Reader) -> tuple[Any, Any]:
        stored = reader.all(schema.interval_count.select())
        counts = {(row["queue_id"], row["start"]): wallboard.count_from(row) for row in stored}
        return counts, wallboard.recount_log(reader)

    counted, recounted = await desk.desk.read(look)
    assert counted == recounted
    assert recounted, "the story left something to count"
    assert await desk.desk.read(audit) == []


async def both_speak(agent: Page, customer: Page) -> None:
    """What each of them says stands on the agent's screen, also after it was loaded again."""
    await customer.get_by_test_id("sim-say").fill("My oven stays cold")
    await customer.get_by_test_id("sim-say-send").click()
    await expect(agent.get_by_test_id("captions")).to_contain_text("My oven stays cold")
    await agent.get_by_test_id("call-say-text").fill("Is it plugged in?")
    await agent.get_by_test_id("call-say").click()
    await expect(agent.get_by_test_id("captions")).to_contain_text("Is it plugged in?")
    await agent.reload()
    for words in ("My oven stays cold", "Is it plugged in?"):
        await expect(agent.get_by_test_id("captions")).to_contain_text(words)


async def test_the_call_story(db_url: str, tmp_path: Path, chrome: Browser) -> None:
    faults: list[str] = []
    async with world(db_url, tmp_path) as desk, browser(chrome) as started:
        await desk.desk.run(make_vera)
        await add_agent(desk, "ann")
        agent, customer = await new_page(started, faults), await new_page(started, faults)
        await sign_in(agent, desk, "ann")
        await customer.goto(f"{desk.base}/simulator")
        await customer.get_by_test_id("sim-person").first.click()

        asked: list[str] = []
        agent.on("request", lambda request: _note_request(asked, request))
        await customer.get_by_test_id("sim-call").click()
        await expect(agent.get_by_test_id("offer")).to_be_visible()
        await expect(agent.get_by_test_id("card-name").first).to_contain_text("Vera Sample")
        await expect(agent.get_by_test_id("card-timeline")).to_be_visible()
        assert asked == [], "the card comes with the offer, not by a request"

        await agent.get_by_test_id("offer-preview-accept").click()
        await expect(agent.get_by_test_id("call-bar")).to_be_visible()
        await expect(agent.get_by_test_id("call-stage")).to_be_visible()
        await expect(customer.get_by_test_id("sim-state").first).to_contain_text("Talking with Ann, a person")

        async def talking() -> bool:
            return bool((await rows_of(desk.desk, schema.interaction))[0]["state"] == "active")

        await until(talking, "both are in the conference")
        await both_speak(agent, customer)

        await agent.get_by_test_id("composer-text").fill("oven stays cold, fuse is fine")
        await agent.get_by_test_id("composer-send").click()
        await expect(agent.get_by_test_id("entry").filter(has_text="fuse is fine")).to_be_visible()
        await agent.get_by_test_id("tab-tickets").click()
        await agent.get_by_test_id("ticket-new").click()
        await agent.get_by_test_id("ticket-subject").fill("Oven stays cold")
        await agent.get_by_test_id("ticket-create").click()
        await expect(agent.get_by_text("Oven stays cold").first).to_be_visible()

        await agent.get_by_test_id("me-menu").click()
        await agent.get_by_test_id("sign-out").click()
        await expect(agent.get_by_test_id("sign-out-dialog")).to_contain_text("stays on the line")
        await agent.get_by_test_id("sign-out-stay").click()
        await agent.get_by_test_id("call-hang-up").click()
        await expect(agent.get_by_test_id("wrap-up")).to_be_visible()
        await expect(agent.get_by_test_id("captions")).to_contain_text("My oven stays cold")
        await agent.get_by_test_id("wrap-up-disposition-done").click()
        await agent.get_by_test_id("wrap-up-done").click()
        await expect(agent.get_by_test_id("wrap-up")).to_have_count(0)

        contact = (await rows_of(desk.desk, schema.interaction))[0]
        assert (contact["state"], contact["disposition"], contact["ended_by"]) == ("ended", "done", "agent")
        ticket = (await rows_of(desk.desk, schema.ticket))[0]
        assert ticket["customer_id"] == contact["customer_id"]
        assert (await rows_of(desk.desk, schema.note))[0]["text"] == "oven stays cold, fuse is fine"
        await all_figures_agree(desk)
    assert faults == []


def _note_request(asked: list[str], request: Request) -> None:
    if "/api/" in request.url:
        asked.append(f"{request.method} {request.url}")


async def test_the_chat_story(db_url: str, tmp_path: Path, chrome: Browser) -> None:
    faults: list[str] = []
    async with world(db_url, tmp_path) as desk, browser(chrome) as started:
        await desk.desk.run(make_vera)
        await add_agent(desk, "ann")
        agent, customer = await new_page(started, faults), await new_page(started, faults)
        await sign_in(agent, desk, "ann")
        await customer.goto(f"{desk.base}/simulator")
        await customer.get_by_test_id("sim-person").first.click()
        await customer.get_by_test_id("sim-chat").click()
        await customer.get_by_test_id("chat-text").fill("Is the XL shelf in stock?")
        await customer.get_by_test_id("chat-send").click()

        await expect(agent.get_by_test_id("offer")).to_be_visible()
        await expect(agent.get_by_test_id("card-name").first).to_contain_text("Vera Sample")
        await agent.get_by_test_id("offer-preview-accept").click()
        await expect(agent.get_by_test_id("entry").filter(has_text="XL shelf")).to_have_count(1)

        await agent.get_by_test_id("composer-note").click()
        await agent.get_by_test_id("composer-text").fill("secret margin 12 %")
        await agent.get_by_test_id("composer-send").click()
        await agent.get_by_test_id("composer-reply").click()
        await agent.get_by_test_id("composer-text").fill("Yes, three of them.")
        await agent.get_by_test_id("composer-send").click()
        await expect(customer.get_by_test_id("chat-entry").filter(has_text="three of them")).to_be_visible()

        await customer.reload()
        await customer.get_by_test_id("chat-launcher").wait_for()
        if not await customer.get_by_test_id("chat-panel").is_visible():
            await customer.get_by_test_id("chat-launcher").click()
        entries = customer.get_by_test_id("chat-entry")
        await expect(entries).to_have_count(2)
        await expect(entries.filter(has_text="XL shelf")).to_have_count(1)
        assert "secret" not in await customer.get_by_test_id("chat-panel").inner_text()
        await customer.get_by_test_id("chat-text").fill("I take one")
        await customer.get_by_test_id("chat-send").click()
        await expect(agent.get_by_test_id("entry").filter(has_text="I take one")).to_have_count(1)

        await customer.get_by_test_id("chat-end").click()
        await customer.get_by_test_id("chat-end-confirm").click()
        await agent.get_by_test_id("wrap-up-disposition-done").click()
        await agent.get_by_test_id("wrap-up-done").click()
        await expect(agent.get_by_test_id("wrap-up")).to_have_count(0)
        contact = (await rows_of(desk.desk, schema.interaction))[0]
        assert (contact["state"], contact["disposition"], contact["ended_by"]) == (
            "ended",
            "done",
            "customer",
        )
        await all_figures_agree(desk)
    assert faults == []


async def test_nobody_there_and_connection_lost_and_healed(
    sqlite_url: str, tmp_path: Path, chrome: Browser
) -> None:
    faults: list[str] = []
    async with world(sqlite_url, tmp_path) as desk, browser(chrome) as started:
        await desk.desk.run(make_vera)
        await add_agent(desk, "ann")
        customer = await new_page(started, faults)
        await customer.goto(f"{desk.base}/simulator")
        await customer.get_by_test_id("sim-stranger").click()
        await customer.get_by_test_id("sim-chat").click()
        await customer.get_by_test_id("chat-text").fill("Anybody there?")
        await customer.get_by_test_id("chat-send").click()
        await expect(customer.get_by_test_id("chat-ticket")).to_be_visible()
        ticket = (await rows_of(desk.desk, schema.ticket))[0]
        await expect(customer.get_by_test_id("chat-ticket")).to_contain_text(str(ticket["number"]))

        agent = await new_page(started, faults)
        await sign_in(agent, desk, "ann")
        await desk.call("+14155550100")
        await agent.get_by_test_id("offer-preview-accept").click()
        await expect(agent.get_by_test_id("call-stage")).to_be_visible()
        await agent.context.set_offline(offline=True)
        consoles = desk.parts.consoles if desk.parts is not None else None
        assert consoles is not None
        for sid in list(consoles._by_sid):
            await consoles.io.disconnect(sid)
        await expect(agent.get_by_test_id("connection-lost")).to_be_visible()
        await agent.get_by_test_id("composer-text").fill("written in the tunnel")
        await agent.get_by_test_id("composer-send").click()
        await agent.context.set_offline(offline=False)
        await expect(agent.get_by_test_id("connection-lost")).to_have_count(0)
        await expect(agent.get_by_test_id("entry").filter(has_text="written in the tunnel")).to_have_count(1)

        async def noted() -> bool:
            return len(await rows_of(desk.desk, schema.note)) == 1

        await until(noted, "the note is stored once")
        assert await agent.get_by_test_id("work-item").count() == 1
    assert faults == []
