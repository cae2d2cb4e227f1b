"""Every route, for every role: an expected answer for each, and no route that is not listed here."""

import sqlalchemy as sa
from aiohttp import web

from service_desk.storage import schema
from tests.service_desk.web.world import Caller, World

ALL = {"agent", "supervisor", "admin"}
SUPERVISORS = {"supervisor", "admin"}
NOBODY_BUT_ADMIN = {"admin"}

# Which roles get in; None: no session is asked for.
EXPECTED: dict[tuple[str, str], set[str] | None] = {
    ("POST", "/api/v1/session"): None,
    ("GET", "/api/v1/session"): ALL,
    ("DELETE", "/api/v1/session"): ALL,
    ("GET", "/api/v1/console/bootstrap"): ALL,
    ("PUT", "/api/v1/me/state"): ALL,
    ("POST", "/api/v1/softphone/token"): ALL,
    ("POST", "/api/v1/offers/{offer_id}/accept"): ALL,
    ("POST", "/api/v1/offers/{offer_id}/decline"): ALL,
    ("GET", "/api/v1/interactions/{interaction_id}"): ALL,
    ("GET", "/api/v1/interactions/{interaction_id}/entries"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/messages"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/notes"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/mails"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/entries/{entry_id}/retry"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/park"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/resume"): ALL,
    ("GET", "/api/v1/interactions/{interaction_id}/draft"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/draft"): ALL,
    ("DELETE", "/api/v1/interactions/{interaction_id}/draft"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/attachments"): ALL,
    ("DELETE", "/api/v1/interactions/{interaction_id}/attachments/{attachment_id}"): ALL,
    ("GET", "/api/v1/attachments/{attachment_id}"): ALL,
    ("GET", "/api/v1/entries/{entry_id}"): ALL,
    ("GET", "/api/v1/entries/{entry_id}/html"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/end"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/wrap-up"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/cancel-callback"): ALL,
    (
        "POST",
        "/api/v1/interactions/{interaction_id}/pull",
    ): SUPERVISORS,  # agents by the configuration: test_pull.py
    ("GET", "/api/v1/waiting"): SUPERVISORS,
    ("GET", "/api/v1/pulls"): SUPERVISORS,
    ("POST", "/api/v1/tickets"): ALL,
    ("GET", "/api/v1/tickets/{ticket_id}"): ALL,
    ("PATCH", "/api/v1/tickets/{ticket_id}"): ALL,
    ("POST", "/api/v1/tickets/{ticket_id}/notes"): ALL,
    ("POST", "/api/v1/tickets/{ticket_id}/interactions"): ALL,
    ("GET", "/api/v1/customers/{customer_id}"): ALL,
    ("PATCH", "/api/v1/customers/{customer_id}"): ALL,
    ("GET", "/api/v1/customers/{customer_id}/timeline"): ALL,
    ("GET", "/api/v1/tickets"): ALL,
    ("GET", "/api/v1/tickets/{ticket_id}/story"): ALL,
    ("GET", "/api/v1/addresses"): ALL,
    ("POST", "/api/v1/customers/{customer_id}/identities"): ALL,
    ("DELETE", "/api/v1/customers/{customer_id}/identities/{identity_id}"): ALL,
    ("GET", "/api/v1/interactions/{interaction_id}/candidates"): ALL,
    ("POST", "/api/v1/interactions/{interaction_id}/customer"): ALL,
    ("GET", "/api/v1/board"): ALL,
    ("GET", "/api/v1/floor"): SUPERVISORS,
    ("POST", "/api/v1/interactions/{interaction_id}/move"): SUPERVISORS,
    ("POST", "/api/v1/interactions/{interaction_id}/assign"): SUPERVISORS,
    ("POST", "/api/v1/interactions/{interaction_id}/prioritise"): SUPERVISORS,
    ("POST", "/api/v1/agents/{agent_id}/state"): SUPERVISORS,
    ("GET", "/api/v1/figures/{figure}/contacts"): SUPERVISORS,
    ("GET", "/api/v1/intervals"): SUPERVISORS,
    ("GET", "/api/v1/intervals.csv"): SUPERVISORS,
    ("GET", "/api/v1/alerts"): SUPERVISORS,
    ("GET", "/api/v1/alerts/now"): SUPERVISORS,
    ("POST", "/api/v1/alerts/{alert_id}/acknowledge"): SUPERVISORS,
    ("GET", "/api/v1/search"): ALL,
    ("GET", "/api/v1/config"): NOBODY_BUT_ADMIN,
    ("GET", "/api/v1/config/versions"): NOBODY_BUT_ADMIN,
    ("GET", "/api/v1/config/versions/{number}"): NOBODY_BUT_ADMIN,
    ("POST", "/api/v1/config/versions/{number}/roll-back"): NOBODY_BUT_ADMIN,
    ("GET", "/api/v1/config/drafts"): NOBODY_BUT_ADMIN,
    ("POST", "/api/v1/config/drafts"): NOBODY_BUT_ADMIN,
    ("GET", "/api/v1/config/drafts/{draft_id}"): NOBODY_BUT_ADMIN,
    ("PATCH", "/api/v1/config/drafts/{draft_id}"): NOBODY_BUT_ADMIN,
    ("DELETE", "/api/v1/config/drafts/{draft_id}"): NOBODY_BUT_ADMIN,
    ("GET", "/api/v1/config/drafts/{draft_id}/check"): NOBODY_BUT_ADMIN,
    ("GET", "/api/v1/config/drafts/{draft_id}/diff"): NOBODY_BUT_ADMIN,
    ("POST", "/api/v1/config/drafts/{draft_id}/rehearse"): NOBODY_BUT_ADMIN,
    ("POST", "/api/v1/config/drafts/{draft_id}/publish"): NOBODY_BUT_ADMIN,
    ("GET", "/api/v1/openapi.json"): None,
    ("GET", "/api/v1/events.schema.json"): None,
    ("GET", "/health"): None,
    ("GET", "/health/live"): None,
    ("GET", "/health/ready"): None,
    ("GET", "/metrics"): NOBODY_BUT_ADMIN,  # and programs on this machine: see test_health.py
    ("GET", "/widget/config"): None,
    ("GET", "/widget/widget.js"): None,
    ("POST", "/hooks/{channel}/{account}/{name}"): None,  # proved by its signature
    ("GET", "/"): None,
    ("GET", "/assets/{tail}"): None,
    ("GET", "/{path}"): None,
}
BODIES = {
    "/api/v1/me/state": {"state": "ready"},
    "/api/v1/offers/{offer_id}/decline": {"reason": "unfinished"},
    "/api/v1/interactions/{interaction_id}/messages": {"text": "x"},
    "/api/v1/interactions/{interaction_id}/mails": {"to": ["x@example.org"], "subject": "x", "text": "x"},
    "/api/v1/interactions/{interaction_id}/draft": {"text": "x"},
    "/api/v1/interactions/{interaction_id}/notes": {"text": "x"},
    "/api/v1/interactions/{interaction_id}/wrap-up": {"disposition": "solved"},
    "/api/v1/interactions/{interaction_id}/move": {"queue_id": "sales", "reason": "x"},
    "/api/v1/interactions/{interaction_id}/assign": {"agent_id": "agt_" + "0" * 26, "reason": "x"},
    "/api/v1/interactions/{interaction_id}/prioritise": {"head_start_min": 5, "reason": "x"},
    "/api/v1/agents/{agent_id}/state": {"state": "signed_out", "reason": "x"},
    "/api/v1/customers/{customer_id}/identities": {"address": "vera@example.org"},
    "/api/v1/interactions/{interaction_id}/customer": {"name": "x"},
    "/api/v1/tickets": {"subject": "x"},
    "/api/v1/config/drafts/{draft_id}": {"body": {}},
    "/api/v1/config/drafts/{draft_id}/rehearse": {"day": "2026-03-02"},
    "/api/v1/tickets/{ticket_id}/notes": {"text": "x"},
    "/api/v1/tickets/{ticket_id}/interactions": {"interaction_id": "int_" + "0" * 26},
}
VERSIONED = ("PUT", "PATCH")
DIRECTED = {"move", "assign", "prioritise", "state", "acknowledge", "roll-back", "publish"}
"""Last words of the POSTs that are made on a version."""
ELSEWHERE = {
    "X-Forwarded-For": "192.0.2.1"
}  # so that /metrics does not take us for a program on this machine


def routes_of(app: web.Application) -> set[tuple[str, str]]:
    """Method and pattern of everything that the server answers to; HEAD comes with GET."""
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


async def ask(caller: Caller, method: str, pattern: str) -> int:
    path = pattern.replace("{offer_id}", "off_" + "0" * 26).replace("{interaction_id}", "int_" + "0" * 26)
    path = path.replace("{ticket_id}", "tic_" + "0" * 26).replace("{customer_id}", "cus_" + "0" * 26)
    path = path.replace("{agent_id}", "agt_" + "0" * 26).replace("{alert_id}", "alr_" + "0" * 26)
    path = path.replace("{attachment_id}", "att_" + "0" * 26).replace("{entry_id}", "msg_" + "0" * 26)
    path = path.replace("{identity_id}", "cpt_" + "0" * 26)
    path = path.replace("{draft_id}", "cfd_" + "0" * 26).replace("{number}", "999")
    path = path.replace("{figure}", "waiting")
    path = path.replace("{path}", "nothing").replace("{tail}", "nothing")
    body = BODIES.get(pattern, {}) if method in ("POST", "PUT", "PATCH") else None
    versioned = method in VERSIONED or (method == "POST" and pattern.rpartition("/")[2] in DIRECTED)
    version = 999 if versioned else None
    return (await caller.send(method, path, body, version=version, headers=ELSEWHERE)).status


async def test_no_route_is_unlisted(quick_world: World) -> None:
    assert routes_of(quick_world.app) == set(EXPECTED)


async def test_every_role_gets_the_expected_answer_of_every_route(world: World) -> None:
    people: dict[str, Caller] = {
        role: await world.person(role, role) for role in ("agent", "supervisor", "admin")
    }
    people["none"] = await world.person("powerless")
    await world.desk.run(_give_role, people["none"].agent_id, "nothing")
    wrong = []
    for (method, pattern), allowed in EXPECTED.items():
        if allowed is None or method == "DELETE":
            continue
        anonymous = await ask(world.stranger, method, pattern)
        if anonymous != 401:
            wrong.append((method, pattern, "anonymous", anonymous))
        for role, caller in people.items():
            status = await ask(caller, method, pattern)
            signed_in_only = pattern in ("/api/v1/session", "/api/v1/console/bootstrap")
            if role == "none" and signed_in_only:
                continue  # a session is enough for these
            if (status in (401, 403)) is (role in allowed):
                wrong.append((method, pattern, role, status))
            if status >= 500:
                wrong.append((method, pattern, role, status))
    assert not wrong


async def test_signing_out_needs_a_session_and_ends_it(world: World) -> None:
    assert await ask(world.stranger, "DELETE", "/api/v1/session") == 401
    ada = await world.person("ada")
    assert await ask(ada, "DELETE", "/api/v1/session") == 204
    assert await ask(ada, "GET", "/api/v1/session") == 401


async def test_a_contact_is_seen_by_its_agent_by_whom_it_rings_at_and_by_supervisors(world: World) -> None:
    ada, bob, sue = (
        await world.person("ada"),
        await world.person("bob"),
        await world.person("sue", "supervisor"),
    )
    for caller in (ada, bob):
        await world.ready(caller)
    interaction_id = await world.call()
    path = f"/api/v1/interactions/{interaction_id}"

    async def seen_by() -> list[int]:
        return [(await caller.get(path)).status for caller in (ada, bob, sue)]

    assert await seen_by() == [403, 403, 200]
    offer_id = await world.offer(interaction_id, ada)
    assert await seen_by() == [200, 403, 200]
    await ada.post(f"/api/v1/offers/{offer_id}/accept")
    assert await seen_by() == [200, 403, 200]


def _give_role(tx: object, agent_id: str, role: str) -> None:
    from service_desk.storage.transaction import Tx

    assert isinstance(tx, Tx)
    tx.write(sa.update(schema.agent).where(schema.agent.c.id == agent_id).values(role=role))
