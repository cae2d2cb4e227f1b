import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service_desk.web.static import Pages
from tests.service_desk.web.world import World, a_world

SCRIPT = b"console.log('hello');" * 100
PAGE = {"Accept": "text/html"}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built browser part, with things in it that must never be served."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "widget").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>console</title>")
    (folder / "simulator.html").write_text("<!doctype html><title>simulator</title>")
    (folder / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (folder / "widget" / "widget.js").write_bytes(SCRIPT)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / ".stamp").write_text("hidden")
    (folder / "assets" / "x.py").write_text("no type of ours")
    (tmp_path / "secret.js").write_text("secret")
    (folder / "assets" / "link.js").symlink_to(tmp_path / "secret.js")
    (folder / "assets" / "up").symlink_to(tmp_path)
    return folder


@pytest.fixture
async def world(sqlite_url: str, tmp_path: Path, built: Path) -> AsyncIterator[World]:
    async with a_world(sqlite_url, tmp_path, Pages(built)) as made:
        yield made


async def test_the_console_answers_its_own_routes(world: World) -> None:
    for path in ("/", "/wallboard", "/contacts/int_1", "/chats", "/apian"):
        answer = await world.stranger.get(path, headers=PAGE)
        assert (answer.status, b"console" in answer.body) == (200, True), path
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
    for path in (
        "/api/v1/nothing",
        "/assets/nothing.js",
        "/live",
        "/chat",
        "/widget/nothing",
        "/hooks/x",
        "/simulator-api/x",
    ):
        assert (await world.stranger.get(path, headers=PAGE)).code == "not_found", path
    assert (await world.stranger.get("/wallboard")).code == "not_found"  # a program wanted something else
    assert b"simulator" not in (await world.stranger.get("/simulator", headers=PAGE)).body


async def test_a_page_is_sent_again_only_when_it_has_changed(world: World) -> None:
    first = await world.stranger.get("/", headers=PAGE)
    again = await world.stranger.get("/", headers={**PAGE, "If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    other = await world.stranger.get("/", headers={**PAGE, "If-None-Match": '"other"'})
    assert other.status == 200


async def test_files_with_a_hash_are_kept_for_good_and_packed(world: World) -> None:
    plain = await world.stranger.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    assert plain.body == SCRIPT
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "immutable" in plain.headers["Cache-Control"]
    async with world.client.get(
        "/assets/index-abc.js", headers={"Accept-Encoding": "gzip"}, auto_decompress=False
    ) as packed:
        body = await packed.read()
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["Vary"] == "Accept-Encoding"
        assert len(body) < len(SCRIPT)
        assert gzip.decompress(body) == SCRIPT


async def test_the_widget_may_be_embedded_anywhere(world: World) -> None:
    answer = await world.stranger.get("/widget/widget.js", headers={"Origin": "https://shop.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert (await world.stranger.get("/", headers=PAGE)).headers[
        "Cross-Origin-Resource-Policy"
    ] == "same-origin"


async def test_files_beside_the_pages(world: World) -> None:
    answer = await world.stranger.get("/favicon.svg")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")


async def test_nothing_but_the_built_files_is_served(world: World) -> None:
    for path in (
        "/assets/../index.html",
        "/assets/%2e%2e/%2e%2e/secret.js",
        "/assets/..%2f..%2fsecret.js",
        "/assets/link.js",
        "/assets/up/secret.js",
        "/assets/x.py",
        "/assets//etc/passwd",
        "/.stamp",
        "/assets/",
        "/widget/%2e%2e/secret.js",
    ):
        async with world.client.get(path) as response:
            assert b"secret" not in await response.read(), path
            assert response.status == 404, path


async def test_without_a_build_the_page_says_how_to_make_one(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, Pages(None)) as world:
        for path in ("/", "/wallboard"):
            answer = await world.stranger.get(path, headers=PAGE)
            assert (answer.status, b"make ui" in answer.body) == (503, True)
        assert (await world.stranger.get("/widget/widget.js")).status == 404
        assert (await world.stranger.get("/health")).status == 200
