"""Row 18: nobody can tell which logins exist, no session outlives its end, none can be planted."""

import statistics
import time
from http.cookies import SimpleCookie
from pathlib import Path

import sqlalchemy as sa

from service_desk.storage import schema
from service_desk.storage.transaction import Tx
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
        await world.person("ada")
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
