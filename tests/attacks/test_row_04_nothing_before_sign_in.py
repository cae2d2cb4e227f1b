"""Row 4, the HTTP half: no route works before signing in, and no refusal tells what is inside."""

from service_desk.web.openapi import PUBLIC
from service_desk.web.routes import operations
from tests.service_desk.web.world import World

COOKIES = (
    None,
    "desk_session=",
    "desk_session=x",
    "desk_session=' OR 1=1 --",
    "desk_session=" + "A" * 5_000,
    "__Host-desk=x; other=y",
)


async def test_every_operation_refuses_strangers_alike(world: World) -> None:
    for operation in operations():
        if operation.needs is PUBLIC:
            continue
        for cookie in COOKIES[:2]:
            path = operation.path.replace("{", "").replace("}", "")
            answer = await world.stranger.send(operation.method, path, headers={"Cookie": cookie})
            assert (answer.status, answer.code) == (401, "unauthenticated"), (operation.name, cookie)
            assert answer.json().keys() == {"type", "title", "status", "detail", "code"}


async def test_no_forged_cookie_is_a_session(world: World) -> None:
    await world.person("ada")
    for cookie in COOKIES:
        answer = await world.stranger.get("/api/v1/session", headers={"Cookie": cookie})
        assert answer.status in (400, 401), cookie


async def test_a_session_s_stored_fingerprint_is_no_key(world: World) -> None:
    ada = await world.person("ada")
    cookie = f"{world.settings.cookie_name}={ada.fingerprint}"
    assert (await world.stranger.get("/api/v1/session", headers={"Cookie": cookie})).status == 401
