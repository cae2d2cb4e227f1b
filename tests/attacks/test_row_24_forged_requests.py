"""Row 24: forged and replayed requests, open redirects, foreign hosts, default accounts, weak cookies."""

import asyncio
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import sqlalchemy as sa

from service_desk.actions import admin
from service_desk.storage import schema
from service_desk.web.routes import operations
from tests.service_desk.web.world import ACCOUNT, ACCOUNT_SID, PASSWORD, Answer, World, a_world

VOICE = f"/hooks/phone/{ACCOUNT}/voice"
RINGING = {
    "AccountSid": ACCOUNT_SID,
    "CallSid": "CA" + "7" * 32,
    "CallStatus": "ringing",
    "From": "+14155550199",
    "To": "+14155550100",
}


async def post_form(world: World, path: str, headers: dict[str, str | None]) -> Answer:
    data = urlencode(RINGING).encode()
    return await world.stranger.send("POST", path, data=data, key=None, headers=headers)


async def calls(world: World) -> int:
    return await world.count(sa.select(sa.func.count()).select_from(schema.interaction))


async def test_the_signed_url_is_ours_whatever_the_request_says(quick_world: World) -> None:
    right: dict[str, str | None] = {**quick_world.sign(VOICE, RINGING)}
    for headers in (
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    ):
        assert (await post_form(quick_world, VOICE, {**right, **headers})).status == 200
    assert await calls(quick_world) == 1  # the same delivery, three times
    from twilio.request_validator import RequestValidator

    validator = RequestValidator("a" * 32)
    for url in (
        f"https://evil.example{VOICE}",
        f"{quick_world.settings.public_base}/other",
    ):
        signature = validator.compute_signature(url, RINGING)
        host = url.split("/")[2]
        forged = await post_form(quick_world, VOICE, {**right, "X-Twilio-Signature": signature, "Host": host})
        assert (forged.status, forged.code) == (403, "bad_signature"), url
    assert await calls(quick_world) == 1


async def test_a_request_target_with_a_host_in_it_is_no_other_url(quick_world: World) -> None:
    """An absolute request target must not move the URL that the signature is compared with."""
    body = urlencode(RINGING)
    headers = "".join(f"{name}: {value}\r\n" for name, value in quick_world.sign(VOICE, RINGING).items())
    reader, writer = await asyncio.open_connection("127.0.0.1", quick_world.settings.server.port)
    head = (
        f"POST http://evil.example{VOICE} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: {len(body)}\r\n"
    )
    writer.write(f"{head}{headers}Connection: close\r\n\r\n{body}".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b"evil.example" not in answer
    writer.close()


async def raw(world: World, head: str) -> bytes:
    """An answer to bytes that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.settings.server.port)
    writer.write(f"{head}\r\nAccept: text/html\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


async def test_nothing_ever_redirects(quick_world: World) -> None:
    for target in (
        "//evil.example",
        "//evil.example/..",
        "/%2f%2fevil.example",
        "/\\evil.example",
        "/?next=//evil.example",
        "/login?return_to=https://evil.example",
        "/api/v1/session/",
        "/api//v1/session",
        "/https://evil.example",
        "http://evil.example/",
    ):
        answer = await raw(quick_world, f"GET {target} HTTP/1.1\r\nHost: evil.example")
        status = int(answer.split(b" ", 2)[1])
        assert status not in range(300, 400), target
        assert b"location:" not in answer.lower(), target
        assert b"evil.example" not in answer, target
    ada = await quick_world.person("ada")
    assert "Location" not in (await ada.delete("/api/v1/session")).headers


async def test_an_empty_desk_has_no_account(quick_world: World) -> None:
    world = quick_world
    assert await world.count(sa.select(sa.func.count()).select_from(schema.agent)) == 0
    for login in ("admin", "demo", "supervisor"):
        for password in ("", login, "password"):
            body = {"login": login, "password": password}
            answer = await world.stranger.post("/api/v1/session", body, key=None)
            assert answer.status in (401, 422, 429)
    assert await world.count(sa.select(sa.func.count()).select_from(schema.session)) == 0


async def test_cookies_are_not_weak(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, server={"public_base": "https://desk.example.org"}) as world:
        await world.person("ada")
        answer = await world.stranger.post(
            "/api/v1/session", {"login": "ada", "password": PASSWORD}, key=None
        )
        header = answer.headers["Set-Cookie"]
        assert header.startswith("__Host-desk=")
        parts = {part.strip().partition("=")[0].lower() for part in header.split(";")[1:]}
        assert {"httponly", "secure", "samesite", "path"} <= parts
        assert "domain" not in parts
        morsel = SimpleCookie(header)["__Host-desk"]
        # A page of a sister domain cannot plant the loopback cookie's name either.
        planted = {"Cookie": f"desk_session={morsel.value}"}
        assert (await world.stranger.get("/api/v1/session", headers=planted)).status == 401


async def test_no_change_works_without_the_page_s_own_header(quick_world: World) -> None:
    ada = await quick_world.person("ada")
    for operation in operations():
        if operation.method == "GET" or operation.name == "sign_in":
            continue
        path = operation.path.replace("{", "").replace("}", "")
        answer = await ada.send(operation.method, path, headers={"X-CSRF-Token": None}, version=1)
        assert (answer.status, answer.code) == (403, "csrf"), operation.name
    assert (await ada.get("/api/v1/session")).status == 200


async def test_a_form_of_another_site_cannot_be_a_request_of_ours(quick_world: World) -> None:
    ada = await quick_world.person("ada")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": kind}
        answer = await ada.send("POST", "/api/v1/tickets", data=b'{"subject": "x"}', headers=headers)
        assert answer.status == 415, kind
    evil = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = await quick_world.stranger.send("OPTIONS", "/api/v1/tickets", headers=evil)
    assert preflight.status == 405
    assert not [name for name in preflight.headers if name.startswith("Access-Control")]


def test_a_desk_does_not_invent_people() -> None:
    """Accounts come from `add_user` alone: no other action writes the table."""
    source = Path(admin.__file__).parent
    writers = [path.name for path in source.glob("*.py") if "sa.insert(AGENT)" in path.read_text()]
    writers += [path.name for path in source.glob("*.py") if "add(AGENT" in path.read_text()]
    assert set(writers) <= {"admin.py"}
