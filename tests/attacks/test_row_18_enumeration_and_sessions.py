"""Row 18: nobody can tell which logins exist, no session outlives its end, none can be planted."""

import statistics
import time
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from service_desk.web.sessions import hash_password
from tests.service_desk.web.world import PASSWORD, Answer, World, a_world


async def sign_in(world: World, login: str, password: str, **headers: str) -> Answer:
    return await world.stranger.post(
        "/api/v1/session", {"login": login, "password": password}, key=None, headers=headers
    )


async def test_the_same_answer_for_a_wrong_name_and_a_wrong_password(world: World) -> None:
    await world.person("ada")
    gone = await world.person("gone")

    def deactivate(tx: Tx) -> None:
        tx.write(sa.update(schema.agent).where(schema.agent.c.id == gone.agent_id).values(active=False))

    await world.desk.run(deactivate)
    answers = [
        await sign_in(world, "ada", "wrong password"),
        await sign_in(world, "nobody", "wrong password"),
        await sign_in(world, "gone", PASSWORD),
        await sign_in(world, "ada", "x" * 1_000),
    ]
    assert {(answer.status, answer.body) for answer in answers} == {(401, answers[0].body)}
    assert answers[0].code == "wrong_credentials"
    assert not any("Set-Cookie" in answer.headers for answer in answers)
    names = [{name for name in answer.headers if name != "Date"} for answer in answers]
    assert all(found == names[0] for found in names)


async def test_the_same_time_for_a_wrong_name_and_a_wrong_password(sqlite_url: str, tmp_path: Path) -> None:
    """The medians of alternating tries differ by far less than a password check takes."""
    limits = {"login_failures_per_address": 10_000, "login_failures_per_login": 10_000}
    async with a_world(sqlite_url, tmp_path, limits=limits) as world:
        await world.person("ada", password_hash=hash_password(PASSWORD))
        spans: dict[str, list[float]] = {"ada": [], "nobody": []}
        for round_number in range(11):
            for login in ("ada", "nobody") if round_number % 2 else ("nobody", "ada"):
                begun = time.process_time(), time.perf_counter()
                assert (await sign_in(world, login, "wrong password")).status == 401
                spans[login].append(
                    time.process_time() - begun[0]
                )  # work done, whoever else uses the machine
        known, unknown = statistics.median(spans["ada"]), statistics.median(spans["nobody"])
        assert known > 0.02, "a check that costs nothing would make this test say nothing"
        assert abs(known - unknown) < 0.5 * min(known, unknown)


async def test_the_throttle_treats_unknown_names_alike(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, limits={"login_failures_per_login": 2}) as world:
        await world.person("ada")
        for login in ("ada", "nobody"):
            statuses = [(await sign_in(world, login, "wrong")).status for _ in range(4)]
            assert statuses == [401, 401, 429, 429]


async def test_the_throttle_folds_the_name_as_the_lookup_does(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, limits={"login_failures_per_login": 2}) as world:
        await world.person("ada")
        statuses = [(await sign_in(world, login, "wrong")).status for login in ("ada", " ADA", "Ada ", "aDa")]
        assert statuses == [401, 401, 429, 429]


ANYWHERE: dict[str, Any] = {"trusted_proxies": ["127.0.0.0/8", "::1/128"]}


def somewhere(number: int) -> dict[str, str]:
    return {"X-Forwarded-For": f"203.0.113.{number}"}


async def test_many_machines_together_get_few_guesses_at_one_account(sqlite_url: str, tmp_path: Path) -> None:
    limits = {"login_failures_from_strangers": 4}
    async with a_world(sqlite_url, tmp_path, limits=limits, **ANYWHERE) as world:
        await world.person("ada")
        await world.person("bob")
        for login in ("ada", "nobody"):
            statuses = [
                (await sign_in(world, login, "a guess", **somewhere(number))).status for number in range(8)
            ]
            assert statuses == [401] * 4 + [429] * 4, login
        right = await sign_in(world, "ada", PASSWORD, **somewhere(99))
        assert (right.status, right.code) == (429, "rate_limited"), "a right guess is not told either"
        assert (await sign_in(world, "bob", PASSWORD, **somewhere(99))).status == 200


async def test_strangers_cannot_keep_an_agent_from_their_own_desk(sqlite_url: str, tmp_path: Path) -> None:
    limits = {"login_failures_from_strangers": 3, "login_failures_per_login": 2}
    async with a_world(sqlite_url, tmp_path, limits=limits, **ANYWHERE) as world:
        ada = await world.person("ada")
        await world.person("bob")
        first = await sign_in(world, "ada", PASSWORD)
        known = known_cookie(world, first)
        assert (await ada.delete("/api/v1/session")).status == 204
        for number in range(6):
            await sign_in(world, "ada", "a guess", **somewhere(number))
        assert (await sign_in(world, "ada", PASSWORD)).status == 429, "a new browser waits for the window"
        assert (await sign_in(world, "ada", PASSWORD, Cookie=known)).status == 200
        guesses = [(await sign_in(world, "ada", "a guess", Cookie=known)).status for _ in range(4)]
        assert guesses == [401, 401, 429, 429], (
            "whoever took the cookie guesses no quicker than from one desk"
        )
        for number in range(4):
            await sign_in(world, "bob", "a guess", **somewhere(number))
        assert (await sign_in(world, "bob", PASSWORD, Cookie=known)).status == 429, "hers helps nobody else"


async def test_the_sign_of_a_known_browser_opens_nothing(world: World) -> None:
    await world.person("ada")
    name, _, value = known_cookie(world, await sign_in(world, "ada", PASSWORD)).partition("=")
    for cookie in (f"{name}={value}", f"{world.settings.cookie_name}={value}"):
        assert (await world.stranger.get("/api/v1/session", headers={"Cookie": cookie})).status == 401
    for nonsense in ("", "x", "' OR 1=1 --", "A" * 5_000):
        answer = await sign_in(world, "ada", PASSWORD, Cookie=f"{name}={nonsense}")
        assert answer.status == 200


def known_cookie(world: World, answer: Answer) -> str:
    """What the browser keeps beside its session."""
    name = world.settings.browser_cookie_name
    jar = SimpleCookie("; ".join(answer.headers.getall("Set-Cookie")))
    (header,) = (text for text in answer.headers.getall("Set-Cookie") if text.startswith(f"{name}="))
    assert "HttpOnly" in header
    assert "SameSite=Strict" in header
    return f"{name}={jar[name].value}"


async def test_a_planted_cookie_becomes_no_session(world: World) -> None:
    await world.person("ada")
    planted = f"{world.settings.cookie_name}=planted-by-eve"
    answer = await sign_in(world, "ada", PASSWORD, Cookie=planted)
    assert SimpleCookie(answer.headers["Set-Cookie"])["desk_session"].value != "planted-by-eve"
    assert (await world.stranger.get("/api/v1/session", headers={"Cookie": planted})).status == 401


async def test_a_session_that_was_ended_never_works_again(world: World) -> None:
    ada = await world.person("ada")
    await ada.delete("/api/v1/session")
    for method, path in (
        ("GET", "/api/v1/session"),
        ("POST", "/api/v1/tickets"),
        ("DELETE", "/api/v1/session"),
    ):
        assert (await ada.send(method, path, {"subject": "x"} if method == "POST" else None)).status == 401
