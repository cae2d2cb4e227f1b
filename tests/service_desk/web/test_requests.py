"""What a request must be like, and what it is told otherwise."""

import asyncio
import json
from pathlib import Path

import pytest
import structlog

from service_desk.web.static import Pages
from tests.service_desk.web.world import Caller, World, a_world

TICKETS = "/api/v1/tickets"


@pytest.fixture
async def ada(quick_world: World) -> Caller:
    return await quick_world.person("ada")


WRONG_BODIES: list[tuple[bytes, str]] = [
    (b"", "body"),
    (b"{", "body"),
    (b"[]", "body"),
    (b"null", "body"),
    (b'{"subject": "x"', "body"),
    (b'{"subject": "\xff"}', "body"),
    (b'{"subject": "\\ud800"}', "body"),
    (b"[" * 50_000, "body"),
    (b"{}", "subject"),
    (b'{"subject": null}', "subject"),
    (b'{"subject": 5}', "subject"),
    (b'{"subject": ""}', "subject"),
    (b'{"subject": "   "}', "subject"),
    (b'{"subject": "\\u0000"}', "subject"),
    (json.dumps({"subject": "x" * 201}).encode(), "subject"),
    (b'{"subject": "x", "priority": "enormous"}', "priority"),
    (b'{"subject": "x", "queue_id": "nowhere"}', "queue_id"),
    (b'{"subject": "x", "customer_id": "cus_1"}', "customer_id"),
    (b'{"subject": "x", "customer_id": "cus_00000000000000000000000000"}', "customer_id"),
]


async def test_a_body_that_is_wrong_is_refused_with_its_field(ada: Caller) -> None:
    for body, field in WRONG_BODIES:
        answer = await ada.send("POST", TICKETS, data=body, headers={"Content-Type": "application/json"})
        found = (answer.status, answer.code, answer.json()["field"])
        assert found == (422, "validation", field), body[:60]


async def test_the_second_mistake_is_named_too(ada: Caller) -> None:
    answer = await ada.post(TICKETS, {"subject": "", "priority": "enormous"})
    assert [answer.json()["field"], *(one["field"] for one in answer.json()["also"])] == [
        "subject",
        "priority",
    ]


WRONG_HEADERS: list[tuple[dict[str, str | None], int, str, str]] = [
    ({"Content-Type": "text/plain"}, 415, "unsupported_media_type", "Content-Type"),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type", "Content-Type"),
    ({"Content-Type": None}, 415, "unsupported_media_type", "Content-Type"),
    ({"Content-Encoding": "gzip"}, 415, "unsupported_media_type", "Content-Encoding"),
    ({"Idempotency-Key": None}, 400, "key_required", "Idempotency-Key"),
    ({"Idempotency-Key": "x" * 256}, 400, "bad_request", "Idempotency-Key"),
    ({"Idempotency-Key": "two words"}, 400, "bad_request", "Idempotency-Key"),
]


async def test_headers_that_are_wrong(ada: Caller) -> None:
    for headers, status, code, field in WRONG_HEADERS:
        answer = await ada.post(TICKETS, {"subject": "x"}, headers=headers)
        assert (answer.status, answer.code, answer.json()["field"]) == (status, code, field), headers


async def test_the_longest_key_is_taken(ada: Caller) -> None:
    assert (await ada.post(TICKETS, {"subject": "x"}, key="~" * 255)).status == 201


async def test_queries_that_are_wrong(quick_world: World, ada: Caller) -> None:
    await quick_world.ready(ada)
    path = f"/api/v1/interactions/{await quick_world.served(ada, await quick_world.call())}/entries"
    for query in (
        "limit=0",
        "limit=201",
        "limit=x",
        "before=x",
        "before=1.%27",
        "before=99999999999999999",
        "foo=1",
    ):
        answer = await ada.get(f"{path}?{query}")
        assert (answer.status, answer.code) == (422, "validation"), query
    assert (await ada.get(f"{path}?limit=1&limit=2")).code == "bad_request"
    assert (await ada.get("/api/v1/board?x=1")).json()["field"] == "x"


async def test_a_body_over_the_limit_is_refused_before_and_while_it_comes(
    quick_world: World, ada: Caller
) -> None:
    limit = quick_world.settings.limits.json_body_bytes
    path = "/api/v1/offers/off_1/decline"
    announced = await ada.send(
        "POST", path, data=b"x" * (limit + 1), headers={"Content-Type": "application/json"}
    )
    assert (announced.status, announced.code, announced.json()["most_bytes"]) == (413, "too_large", limit)
    reader, writer = await asyncio.open_connection("127.0.0.1", quick_world.settings.server.port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nCookie: {ada.cookie}\r\nX-CSRF-Token: {ada.csrf}\r\n"
    head += "Idempotency-Key: k\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    writer.write(piece * 4)  # never ends: the answer must not wait for it
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 10)
    writer.close()


async def test_texts_may_be_long_but_not_longer(quick_world: World, ada: Caller) -> None:
    await quick_world.ready(ada)
    path = f"/api/v1/interactions/{await quick_world.served(ada, await quick_world.chat())}/messages"
    longest = await ada.post(path, {"text": "ü" * 16_000})
    assert (longest.status, len(longest.json()["text"])) == (200, 16_000)
    longer = await ada.post(path, {"text": "ü" * 16_001})
    assert (longer.status, longer.json()["field"]) == (422, "text")
    assert (await ada.post(path, {"text": "x" * 300_000})).status == 413
    cleaned = await ada.post(path, {"text": "a\u0000b\u001b[31mc\ttab\nline"})
    assert cleaned.json()["text"] == "ab[31mc\ttab\nline"


async def test_a_body_that_never_comes(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, limits={"body_read_s": 0.2}) as world:
        ada = await world.person("ada")
        reader, writer = await asyncio.open_connection("127.0.0.1", world.settings.server.port)
        head = f"POST {TICKETS} HTTP/1.1\r\nHost: x\r\nCookie: {ada.cookie}\r\nX-CSRF-Token: {ada.csrf}\r\n"
        head += "Idempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"
        writer.write(head.encode())
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 10)
        writer.close()


async def test_changes_name_their_version(quick_world: World, ada: Caller) -> None:
    ticket = await quick_world.ticket()
    path = f"{TICKETS}/{ticket['id']}"
    change = {"subject": "Oven stays cool"}
    missing = await ada.send("PATCH", path, change)
    assert (missing.status, missing.code) == (428, "version_required")
    for text in ("1", "*", 'W/"1"', '"0"', '"1", "2"', '"x"', '"99999999999"'):
        answer = await ada.send("PATCH", path, change, headers={"If-Match": text})
        assert (answer.status, answer.code, answer.json()["field"]) == (400, "bad_request", "If-Match"), text
    assert (await ada.patch(path, change, ticket["version"])).json()["version"] == ticket["version"] + 1
    stale = await ada.patch(path, {"priority": "low"}, ticket["version"])
    assert (stale.status, stale.code) == (412, "stale_version")
    current = stale.json()["current"]
    assert (current["subject"], current["version"]) == ("Oven stays cool", ticket["version"] + 1)
    assert (await ada.patch(path, {"priority": "low"}, current["version"])).status == 200


async def test_a_name_names_somebody_and_turns_nothing_around(quick_world: World, ada: Caller) -> None:
    await quick_world.ready(ada)
    served = await quick_world.served(ada, await quick_world.call())
    contact = (await ada.get(f"/api/v1/interactions/{served}")).json()
    path = f"/api/v1/customers/{contact['customer_id']}"
    record = (await ada.get(path)).json()["customer"]
    for blank in ("", "   ", "\u202e\u2066"):
        answer = await ada.patch(path, {"name": blank}, record["version"])
        assert (answer.status, answer.json()["field"]) == (422, "name"), repr(blank)
    turned = await ada.patch(path, {"name": "Ann \u202elive\u202c"}, record["version"])
    assert turned.json()["name"] == "Ann live"


async def test_stale_states_and_customers_are_sent_what_there_is(quick_world: World, ada: Caller) -> None:
    await quick_world.ready(ada)
    stale = await ada.put("/api/v1/me/state", {"state": "away", "reason": "lunch"}, 77)
    assert stale.json()["current"]["state"]["chosen"] == "ready"
    contact = (
        await ada.get(f"/api/v1/interactions/{await quick_world.served(ada, await quick_world.call())}")
    ).json()
    stale = await ada.patch(f"/api/v1/customers/{contact['customer_id']}", {"tier": "gold"}, 77)
    assert stale.json()["current"]["tier"] == "standard"


async def test_what_is_not_there(quick_world: World, ada: Caller) -> None:
    for path in (
        "/api/v1/tickets/tic_00000000000000000000000000",
        "/api/v1/tickets/x",
        "/api/v1/customers/cus_0",
        "/api/v1/customers/cus_0/timeline",
        "/api/v1/interactions/int_0",
        "/api/v1/interactions/int_0/entries",
        "/api/v1/nothing",
        "/api/v2/session",
        "/hooks/phone",
        "/nothing.txt",
    ):
        answer = await ada.get(path)
        assert (answer.status, answer.code) == (404, "not_found"), path
    for path in (
        "/api/v1/tickets/tic_0/notes",
        "/api/v1/offers/off_0/accept",
        "/api/v1/interactions/int_0/end",
    ):
        answer = await ada.post(path, {"text": "x"} if path.endswith("notes") else {})
        assert (answer.status, answer.code) == (404, "not_found"), path


async def test_methods_that_are_not_there(ada: Caller) -> None:
    answer = await ada.send("PUT", "/api/v1/tickets/tic_0", {}, version=1)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(",")) == {"GET", "PATCH"}
    assert (await ada.post("/api/v1/nothing")).code == "not_found"


async def test_people_get_pages_and_programs_get_documents(quick_world: World) -> None:
    page = {"Accept": "text/html,application/xhtml+xml"}
    answer = await quick_world.stranger.send("POST", "/somewhere", headers=page)
    assert (answer.status, answer.headers["Content-Type"]) == (405, "text/html; charset=utf-8")
    assert b"Method Not Allowed" in answer.body
    assert (await quick_world.stranger.get("/api/v1/board", headers=page)).code == "unauthenticated"


async def test_a_fault_of_ours_is_an_id_and_a_trace_in_the_log(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, Pages(None)) as world:
        ada = await world.person("ada")
        await world.desk.run(_break_tickets)
        with structlog.testing.capture_logs() as logs:
            answer = await ada.post(TICKETS, {"subject": "The secret subject"})
        assert (answer.status, answer.code) == (500, "internal")
        error_id = answer.json()["error_id"]
        assert error_id.startswith("err_")
        assert error_id in answer.json()["detail"]
        assert b"Traceback" not in answer.body
        assert b"counter" not in answer.body
        assert [(entry["error_id"], entry["route"]) for entry in logs if "error_id" in entry] == [
            (error_id, TICKETS)
        ]
        assert "The secret subject" not in str([{**entry, "exc_info": None} for entry in logs])


def _break_tickets(tx: object) -> None:
    """Without its counter row no ticket can be numbered."""
    import sqlalchemy as sa

    from service_desk.storage import schema
    from service_desk.storage.transaction import Tx

    assert isinstance(tx, Tx)
    tx.write(sa.delete(schema.counter))


async def test_every_answer_carries_the_security_headers(quick_world: World, ada: Caller) -> None:
    for answer in (
        await ada.get("/api/v1/session"),
        await ada.get("/"),
        await ada.get("/nothing"),
        await ada.post("/hooks/phone/nobody/voice"),
        await ada.send("PUT", "/health"),
    ):
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] == "service-desk"
        assert "microphone=(self)" in headers["Permissions-Policy"]
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
        assert policy["img-src"] == "'self' data:"
        assert f"ws://127.0.0.1:{quick_world.settings.server.port}" in policy["connect-src"]
        assert "unsafe" not in headers["Content-Security-Policy"]
