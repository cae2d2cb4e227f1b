"""Makes docs/tour.md's pictures: a demo of its own, driven by a browser, light and dark.

Run from the project's root, with Chromium installed: .venv/bin/python tools/tour.py
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from playwright.async_api import TimeoutError as TooLate

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images" / "tour"
PORT = 8091
BASE = f"http://127.0.0.1:{PORT}"
PASSWORDS = {"anna": "agent-demo-pass", "martin": "supervisor-demo-pass"}
TRAFFIC = "7"
LIVE_S = 40
"""How long the demo lives before the first picture, so that there is something to see."""
SIZE: ViewportSize = {"width": 1440, "height": 900}
Scene = Callable[[Page], Awaitable[None]]


async def sign_in(page: Page, login: str, path: str = "/") -> None:
    """As one of the demo's people."""
    await page.goto(BASE + path)
    await page.get_by_test_id("login-name").fill(login)
    await page.get_by_test_id("login-password").fill(PASSWORDS[login])
    await page.get_by_test_id("login-submit").click()
    await page.wait_for_timeout(1_500)


async def offer(page: Page) -> None:
    """A contact rings; its customer's record is there before the answer."""
    await page.get_by_test_id("state-menu").click()
    await page.get_by_test_id("state-ready").click()
    await page.get_by_test_id("offer-preview").wait_for(timeout=90_000)
    await page.wait_for_timeout(600)


async def served(page: Page) -> None:
    """The same contact, being served."""
    await page.get_by_test_id("offer-preview-accept").click()
    await page.wait_for_timeout(2_500)


async def tickets(page: Page) -> None:
    """Tickets with filters."""
    await page.goto(BASE + "/tickets")
    await page.wait_for_timeout(1_500)


async def search(page: Page) -> None:
    """Search as one types."""
    await page.keyboard.press("Control+k")
    await page.wait_for_timeout(600)
    await page.keyboard.type("oven", delay=40)
    await page.wait_for_timeout(1_500)


async def wallboard(page: Page) -> None:
    """The wallboard."""
    await page.goto(BASE + "/wallboard")
    await page.wait_for_timeout(2_500)


async def supervisor(page: Page) -> None:
    """The supervisor's desk."""
    await page.goto(BASE + "/supervisor")
    await page.wait_for_timeout(2_500)


async def simulator_mail(page: Page) -> None:
    """A customer's mailbox."""
    await page.goto(BASE + "/simulator")
    await page.get_by_test_id("sim-person").first.click()
    await page.get_by_test_id("sim-way-mail").click()
    await page.get_by_test_id("sim-mail-write").click()
    await page.wait_for_timeout(800)


FILMS: tuple[tuple[str | None, tuple[tuple[str, Scene], ...]], ...] = (
    ("anna", (("offer", offer), ("served", served), ("tickets", tickets), ("search", search))),
    ("martin", (("wallboard", wallboard), ("supervisor", supervisor))),
    (None, (("simulator", simulator_mail),)),
)


async def film(browser: Browser) -> None:
    """Every scene, in both colour schemes."""
    for login, scenes in FILMS:
        context = await browser.new_context(viewport=SIZE, locale="en-GB", reduced_motion="reduce")
        context.set_default_timeout(30_000)
        page = await context.new_page()
        if login is not None:
            await sign_in(page, login)
        for name, scene in scenes:
            try:
                await scene(page)
            except TooLate as error:
                sys.stderr.write(f"{name}: {error}\n")
            await expose(page, name)
        await context.close()


async def expose(page: Page, name: str) -> None:
    """The page as it is, light and dark."""
    await page.emulate_media(color_scheme="dark")
    await page.wait_for_timeout(300)
    await page.screenshot(path=FOLDER / f"{name}-dark.jpg", type="jpeg", quality=82)
    await page.emulate_media(color_scheme="light")
    await page.wait_for_timeout(300)
    await page.screenshot(path=FOLDER / f"{name}-light.jpg", type="jpeg", quality=82)


async def shoot(program: str) -> None:
    """All of it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--disable-dev-shm-usage"])
        await film(browser)
        await browser.close()


def main() -> None:
    """A demo in a folder of its own, the pictures, the end."""
    program = shutil.which("chromium") or sys.exit("Chromium is missing: apt-get install chromium")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = subprocess.Popen(
            [str(ROOT / ".venv/bin/service-desk"), "demo", "--port", str(PORT), "--traffic", TRAFFIC],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    urllib.request.urlopen(f"{BASE}/health", timeout=2)  # noqa: S310 - loopback
                    break
                except OSError:
                    time.sleep(0.5)
            time.sleep(LIVE_S)
            asyncio.run(shoot(program))
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(20)


if __name__ == "__main__":
    main()
