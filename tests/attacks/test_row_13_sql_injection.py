"""Row 13: whatever a text says, it is a value and never a statement; no query takes a column's name."""

from urllib.parse import quote

import sqlalchemy as sa

from service_desk.storage import schema
from tests.service_desk.web.world import World

PAYLOADS = (
    "' OR '1'='1",
    "'; DROP TABLE ticket; --",
    '" OR ""="',
    "1 UNION SELECT password_hash FROM agent",
    "\\'; SELECT pg_sleep(5); --",
    "%' OR 1=1 --",
    "\x00",
    "\u2019 OR 1=1",
    ":id",
    "%(id)s",
    "$1",
    "?",
)


async def test_in_paths(world: World) -> None:
    ada = await world.person("ada")
    await world.ticket()
    for payload in PAYLOADS:
        text = quote(payload, safe="")
        for path in (
            f"tickets/{text}",
            f"customers/{text}",
            f"customers/{text}/timeline",
            f"interactions/{text}",
        ):
            answer = await ada.get(f"/api/v1/{path}")
            assert answer.status in (400, 404), (path, answer.body)
        for path in (f"offers/{text}/accept", f"interactions/{text}/end"):
            assert (await ada.post(f"/api/v1/{path}")).status in (400, 404), path


async def test_in_queries_and_cursors(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    contact = await world.served(ada, await world.call())
    customer = (await ada.get(f"/api/v1/interactions/{contact}")).json()["customer_id"]
    for payload in (*PAYLOADS, "1.' OR '1'='1", "-1", "1e9", "9" * 40):
        text = quote(payload, safe="")
        for path in (f"interactions/{contact}/entries", f"customers/{customer}/timeline"):
            assert (await ada.get(f"/api/v1/{path}?before={text}")).status == 422, payload
        assert (await ada.get(f"/api/v1/interactions/{contact}/entries?limit={text}")).status == 422, payload
    for name in ("order", "sort", "filter", "fields", "customer_id"):
        assert (await ada.get(f"/api/v1/interactions/{contact}/entries?{name}=1")).status == 422
    for payload in PAYLOADS:
        answer = await world.stranger.get(f"/widget/config?widget={quote(payload, safe='')}")
        assert answer.status == 404, payload


async def test_in_the_filters_of_the_ticket_list(world: World) -> None:
    ada = await world.person("ada")
    await world.ticket()
    fields = (
        "status", "priority", "queue", "assignee", "brand", "customer", "created_from", "created_to", "updated_from",
        "updated_to", "sort", "order", "before", "limit",
    )  # fmt: skip
    for payload in (*PAYLOADS, "updated_at; DROP TABLE ticket", "3.1.tic_' OR '1'='1", "1.1e9.tic_0"):
        text = quote(payload, safe="")
        for field in fields:
            answer = await ada.get(f"/api/v1/tickets?{field}={text}")
            assert (answer.status, answer.json()["field"]) == (422, field), (field, payload)
        searched = await ada.get(f"/api/v1/tickets?q={text}")
        assert searched.status in (200, 422), payload
        assert searched.status == 422 or searched.json()["items"] == [], payload
    assert len((await ada.get("/api/v1/tickets")).json()["items"]) == 1


async def test_in_addresses(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    contact = await world.served(ada, await world.call())
    customer = (await ada.get(f"/api/v1/interactions/{contact}")).json()["customer_id"]
    for payload in PAYLOADS:
        text = quote(payload, safe="")
        assert (await ada.get(f"/api/v1/addresses?address={text}")).status == 422, payload
        linked = await ada.post(f"/api/v1/customers/{customer}/identities", {"address": payload})
        assert (linked.status, linked.json()["field"]) == (422, "address"), payload
        assert (await ada.delete(f"/api/v1/customers/{customer}/identities/{text}")).status in (400, 404)
    assert await world.count(sa.select(sa.func.count()).select_from(schema.contact_point)) == 1


async def test_in_bodies(world: World) -> None:
    ada = await world.person("ada")
    for payload in PAYLOADS:
        stored = await ada.post("/api/v1/tickets", {"subject": f"x {payload}", "description": f"x {payload}"})
        assert stored.status == 201, payload
        clean = " ".join(f"x {payload}".replace("\x00", "").split())
        assert stored.json()["subject"] == clean
        for field in ("priority", "queue_id", "customer_id", "interaction_id"):
            answer = await ada.post("/api/v1/tickets", {"subject": "x", field: payload})
            assert (answer.status, answer.json()["field"]) == (422, field), payload
    assert await world.count(sa.select(sa.func.count()).select_from(schema.ticket)) == len(PAYLOADS)


async def test_in_records_and_comments(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    contact = await world.served(ada, await world.call())
    customer = (await ada.get(f"/api/v1/interactions/{contact}")).json()["customer_id"]
    for version, payload in enumerate(PAYLOADS, start=1):
        values = {"remark": f"{payload}!", "company": payload.replace("\x00", "?")}
        changed = await ada.patch(f"/api/v1/customers/{customer}", values, version)
        assert changed.json()["remark"] == f"{payload}!".replace("\x00", ""), payload
        assert (
            await ada.patch(f"/api/v1/customers/{customer}", {"tier": payload}, version + 1)
        ).status == 422
    assert (await ada.patch(f"/api/v1/customers/{customer}", {"name": "a\x00b"}, version + 1)).status == 422
    await ada.post(f"/api/v1/interactions/{contact}/end")
    comment = "; ".join(PAYLOADS)
    done = await ada.post(
        f"/api/v1/interactions/{contact}/wrap-up", {"disposition": "solved", "comment": comment}
    )
    assert done.status == 200
    assert (await world.row(schema.interaction, contact))["comment"] == comment.replace("\x00", "")


async def test_in_sign_in_and_keys(world: World) -> None:
    ada = await world.person("ada")
    for payload in PAYLOADS:
        body = {"login": f"{payload}", "password": payload}
        address = {"X-Forwarded-For": "192.0.2.1"}
        answer = await world.stranger.post("/api/v1/session", body, key=None, headers=address)
        assert answer.status in (401, 422, 429), payload
    for payload in PAYLOADS:
        if payload.isascii() and payload.isprintable() and " " not in payload:
            assert (await ada.post("/api/v1/tickets", {"subject": "x"}, key=payload)).status == 201
    assert await world.count(sa.select(sa.func.count()).select_from(schema.agent)) == 1
