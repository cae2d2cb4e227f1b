"""One mail must not fill the memory of whoever opens it: a picture stands in its frame once, and a frame has a size."""

import re
import tracemalloc

import pytest

from channels.contract import MailReceived
from channels.email.parse import Reading
from service_desk.actions.attachments import StoredFile
from service_desk.blobs.files import open_blobs
from service_desk.web.api.files import INLINE_BYTES, PAGE_CHARACTERS
from tests.attacks.test_mail_content import entry_of, fetched, mailed
from tests.service_desk.web.world import World

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(15_000)
TAKEN_BYTES = 8 * PAGE_CHARACTERS
"""At most, at any moment, to make and send one page."""
NOTICE = "Not every picture of this mail is shown"


def with_pictures(shown: str) -> MailReceived:
    head = "From: mallory@example.net\r\nTo: help@desk.example\r\nContent-Type: text/html; charset=utf-8\r\n"
    return Reading(("help@desk.example",), None)(f"{head}\r\n<p>hello</p>{shown}\r\n".encode(), None)


async def opened(world: World, shown: str, pictures: dict[str, bytes]) -> tuple[str, int]:
    """(page, most bytes taken at once): an agent opens a mail with these pictures among its files."""
    ann = await world.person("ann")
    await world.ready(ann)
    blobs = open_blobs(world.settings)
    files = [
        StoredFile(f"{name}.png", "image/png", len(content), blobs.put(content), name, inline=True)
        for name, content in pictures.items()
    ]
    contact = await world.served(ann, await mailed(world, with_pictures(shown), *files))
    path = f"/api/v1/entries/{await entry_of(world, contact)}/html"
    tracemalloc.start()
    try:
        status, _, page = await fetched(ann, path)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert status == 200
    return page.decode(), taken


async def test_forty_thousand_places_of_one_picture(quick_world: World) -> None:
    """680 kB of mail and 15 kB of picture made 801 MB of page."""
    page, taken = await opened(quick_world, '<img src="cid:a">' * 40_000, {"a": PICTURE})
    assert page.count("<img") == 40_000
    assert page.count("base64,") == 1
    assert len(page) < 1_000_000
    assert taken < TAKEN_BYTES
    assert NOTICE not in page


@pytest.mark.parametrize("size", [INLINE_BYTES, INLINE_BYTES + 1])
async def test_a_picture_as_large_as_may_be_and_a_larger_one(quick_world: World, size: int) -> None:
    page, taken = await opened(quick_world, '<img src="cid:a">' * 3, {"a": bytes(size)})
    assert page.count("base64,") == (1 if size <= INLINE_BYTES else 0)
    assert (NOTICE in page) is (size > INLINE_BYTES)
    assert taken < TAKEN_BYTES


async def test_many_large_pictures_fill_the_page_and_no_more(quick_world: World) -> None:
    pictures = {f"p{number}": bytes([number]) * 3_000_000 for number in range(6)}
    shown = "".join(f'<img src="cid:{name}">' for name in reversed(pictures))
    page, taken = await opened(quick_world, shown, pictures)
    assert len(page) <= PAGE_CHARACTERS + 2_000, "the frame's own head comes on top"
    assert page.count("base64,") == 2, "those that the mail shows first"
    assert re.search("base64,BQUF", page), "p5 comes first"
    assert NOTICE in page
    assert taken < TAKEN_BYTES


async def test_only_what_the_mail_shows_is_read(quick_world: World) -> None:
    pictures = {f"p{number}": bytes([number]) * 3_000_000 for number in range(6)}
    page, taken = await opened(quick_world, '<img src="cid:p3">', pictures)
    assert page.count("base64,") == 1
    assert NOTICE not in page
    assert taken < TAKEN_BYTES // 4
