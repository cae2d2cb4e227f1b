"""The browser in which all stories of a worker play."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, async_playwright


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    """Started once: that takes a second of CPU. Each page is in a context of its own, which shares nothing."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=str(chromium),
            args=["--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"],
        )
        try:
            yield started
        finally:
            await started.close()
