import asyncio
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
import sqlalchemy as sa

from service_desk.errors import Invalid, TooMany
from service_desk.ids import fingerprint
from service_desk.settings import load_settings
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from service_desk.web.sessions import Passwords, Throttle, hash_password
from tests.service_desk.web.world import PASSWORD, Answer, World, a_world

SESSION = "/api/v1/session"


async def sign_in(world: World, login: str = "ada", password: str = PASSWORD, **headers: str) -> Answer:
    body = {"login": login, "password": password}
    return await world.stranger.post(SESSION, body, key=None, headers=headers)


def cookie_of(answer: Answer) -> SimpleCookie:
    return SimpleCookie(answer.headers["Set-Cookie"])


async def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(world: World) -> None:
    await world.person("ada")
    answer = await sign_in(world)
    morsel = cookie_of(answer)["desk_session"]
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Strict", "/")
    assert int(morsel["max-age"]) == 12 * 3_600
    assert morsel.value not in str(answer.json())
    row = await world.row(schema.session, fingerprint(morsel.value))
    assert row["csrf"] == answer.json()["csrf"]
    assert row["expires_at"] == answer.json()["expires_at"]


async def test_on_https_the_cookie_is_bound_to_the_host(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, server={"public_base": "https://desk.example.org"}) as world:
        await world.person("ada")
        answer = await sign_in(world)
        morsel = cookie_of(answer)["__Host-desk"]
        assert (morsel["secure"], morsel["path"], morsel["domain"]) == (True, "/", "")
        assert "Strict-Transport-Security" in answer.headers
        assert "wss://desk.example.org" in answer.headers["Content-Security-Policy"]


async def test_signing_out_ends_the_session_and_signs_the_agent_out(world: World) -> None:
    ada = await world.person("ada")
    answer = await ada.delete(SESSION)
    assert answer.status == 204
    assert cookie_of(answer)["desk_session"].value == ""
    again = await ada.get(SESSION)
    assert (again.status, again.code) == (401, "unauthenticated")
    assert (await world.row(schema.agent, ada.agent_id))["reason"] == "signed_out"


async def test_a_new_sign_in_in_the_same_browser_ends_the_old_session(world: World) -> None:
    ada = await world.person("ada")
    assert ada.cookie is not None
    answer = await sign_in(world, Cookie=ada.cookie)
    assert answer.status == 200
    assert (await ada.get(SESSION)).status == 401
    assert (await world.row(schema.agent, ada.agent_id))["reason"] == "signed_in"


async def test_two_browsers_are_two_sessions(world: World) -> None:
    ada = await world.person("ada")
    other = await world.signed_in(ada.agent_id)
    await ada.delete(SESSION)
    assert (await other.get(SESSION)).status == 200
    assert (await world.row(schema.agent, ada.agent_id))["reason"] == "signed_in"


@pytest.mark.parametrize("change", ["revoked_at", "expires_at", "inactive"])
async def test_a_session_that_is_over_is_over_with_the_next_request(world: World, change: str) -> None:
    ada = await world.person("ada")
    assert (await ada.get(SESSION)).status == 200

    def end(tx: Tx) -> None:
        if change == "inactive":
            tx.write(sa.update(schema.agent).where(schema.agent.c.id == ada.agent_id).values(active=False))
        else:
            tx.write(sa.update(schema.session).values({change: tx.now}))

    await world.desk.run(end)
    answer = await ada.get(SESSION)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    if change == "inactive":
        assert (await sign_in(world)).code == "wrong_credentials"


async def test_a_change_needs_the_header_that_only_our_page_knows(quick_world: World) -> None:
    ada, bob = await quick_world.person("ada"), await quick_world.person("bob")
    for header in (None, "", "wrong", bob.csrf, "\u00e4"):
        answer = await ada.post("/api/v1/tickets", {"subject": "x"}, headers={"X-CSRF-Token": header})
        assert (answer.status, answer.code) == (403, "csrf"), header
    assert (await ada.post("/api/v1/tickets", {"subject": "x"})).status == 201


async def test_a_change_from_a_page_of_another_site_is_refused(quick_world: World) -> None:
    ada = await quick_world.person("ada")
    port = quick_world.settings.server.port
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{port + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": f"http://127.0.0.1:{port}.evil.example", "Sec-Fetch-Site": "same-origin"},
    ):
        answer = await ada.post("/api/v1/tickets", {"subject": "x"}, headers=headers)
        assert (answer.status, answer.code) == (403, "csrf"), headers
        assert (await sign_in(quick_world, **headers)).code == "csrf"
    for headers in (
        {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"},
        {"Origin": f"http://localhost:{port}"},
        {"Sec-Fetch-Site": "none"},
    ):
        assert (await ada.post("/api/v1/tickets", {"subject": "x"}, headers=headers)).status == 201, headers


async def test_failures_are_throttled_per_login_and_a_success_does_not_count(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with a_world(sqlite_url, tmp_path, limits={"login_failures_per_login": 2}) as world:
        for login in ("ada", "bob"):
            await world.person(login)
        for _ in range(4):
            assert (await sign_in(world)).status == 200
        for _ in range(2):
            assert (await sign_in(world, password="wrong")).code == "wrong_credentials"
        blocked = await sign_in(world)
        assert (blocked.status, blocked.code) == (429, "rate_limited")
        assert 1 <= int(blocked.headers["Retry-After"]) <= 60
        assert blocked.json()["retry_after_s"] == int(blocked.headers["Retry-After"])
        assert (await sign_in(world, "bob")).status == 200


async def test_failures_are_throttled_per_address_and_many_at_once_are_seen(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with a_world(sqlite_url, tmp_path, limits={"login_failures_per_address": 5}) as world:
        answers = await asyncio.gather(*(sign_in(world, f"nobody{number}") for number in range(12)))
        assert sorted(answer.status for answer in answers) == [401] * 5 + [429] * 7


async def test_more_sign_ins_than_threads_wait_and_beyond_that_are_sent_away() -> None:
    limits = load_settings(limits={"login_threads": 1, "login_waiting": 2}).limits
    passwords = Passwords(limits)
    known = hash_password(PASSWORD)
    checks = [asyncio.ensure_future(passwords.fits(known, PASSWORD)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany):
        await passwords.fits(known, PASSWORD)
    assert await asyncio.gather(*checks) == [True] * 3
    assert await passwords.fits(known, "wrong") is False
    assert await passwords.fits("no argon2 hash", PASSWORD) is False
    assert await passwords.fits(None, PASSWORD) is False
    passwords.close()


def test_the_window_moves_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    throttle = Throttle(2, 60.0, lambda: now[0])
    for _ in range(2):
        throttle.check("a")
        throttle.begin("a")
    with pytest.raises(TooMany) as refused:
        throttle.check("a")
    assert refused.value.extras["retry_after_s"] == 60
    now[0] = 59.5
    with pytest.raises(TooMany):
        throttle.check("a")
    now[0] = 60.0
    throttle.check("a")
    monkeypatch.setattr("service_desk.web.sessions.THROTTLED_MAX", 10)
    for number in range(100):
        throttle.begin(str(number))
    assert len(throttle._failures) == 10


def test_a_short_password_is_no_password() -> None:
    with pytest.raises(Invalid) as refused:
        hash_password("short")
    assert refused.value.field == "password"
