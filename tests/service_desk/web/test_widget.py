from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service_desk.actions import admin
from tests.service_desk.web.world import CONFIG, World, a_world

PATH = "/widget/config?widget=demo"
SHOP = "https://shop.example"


@pytest.fixture
async def world(db_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """The example's desk, whose widget a shop may embed."""
    async with a_world(db_url, tmp_path) as made:
        widgets = [{**widget, "allowed_origins": ["self", SHOP]} for widget in CONFIG["widgets"]]
        await made.desk.run(admin.publish_config, {**CONFIG, "widgets": widgets})
        yield made


async def test_what_the_widget_shows_before_anybody_chats(world: World) -> None:
    answer = await world.stranger.get(PATH, headers={"Accept-Language": "de-CH, en;q=0.5"})
    facts = answer.json()
    assert facts == {
        "brand": "Alpenglow Appliances",
        "accent": "#b4441f",
        "greeting": "Guten Tag! Was können wir für Sie tun?",
        "topics": facts["topics"],
        "languages": ["en", "de", "es"],
        "staffed": False,
        "expected_wait_s": None,
    }
    assert facts["topics"][0] == {"id": "appliance", "name": "Help with an appliance"}
    assert (
        (await world.stranger.get(PATH, headers={"Accept-Language": "fi"}))
        .json()["greeting"]
        .startswith("Hello")
    )
    await world.ready(await world.person("ada"))
    assert (await world.stranger.get(PATH)).json()["staffed"] is True


async def test_only_its_own_pages_may_read_it(world: World) -> None:
    for origin in (SHOP, world.settings.public_base):
        answer = await world.stranger.get(PATH, headers={"Origin": origin})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, origin)
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    for origin in ("https://evil.example", "null", f"{SHOP}.evil.example", "http://shop.example", "*"):
        answer = await world.stranger.get(PATH, headers={"Origin": origin})
        assert (answer.status, answer.code) == (403, "origin"), origin
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_widget_that_is_not_there(world: World) -> None:
    for path in ("/widget/config?widget=other", "/widget/config"):
        assert (await world.stranger.get(path)).code == "not_found"
