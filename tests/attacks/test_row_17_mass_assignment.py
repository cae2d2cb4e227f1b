"""Row 17: a body sets what its route is for and nothing else; an unknown field is refused by name."""

from typing import Any

import pytest
import sqlalchemy as sa

from service_desk.storage import schema
from service_desk.web.openapi import Nothing
from service_desk.web.routes import operations
from tests.service_desk.web.world import PASSWORD, World

# What would be nice to have for somebody who should not.
WISHES: dict[str, Any] = {
    "id": "tic_00000000000000000000000000", "version": 99, "role": "admin", "agent_id": "agt_0", "author_id": "agt_0",
    "author": {"kind": "system"}, "at": 0, "created_at": 0, "number": 1, "state": "ended", "brand_id": "x",
    "password_hash": "x", "permissions": ["config.publish"], "merged_into": "cus_0", "bcc": "eve@evil.example",
    "__proto__": {"admin": True}, "constructor": 1, "": 1,
}  # fmt: skip
RIGHT: dict[str, dict[str, Any]] = {
    "sign_in": {"login": "ada", "password": PASSWORD},
    "choose_state": {"state": "ready"},
    "decline_offer": {"reason": "unfinished"},
    "send_message": {"text": "x"},
    "add_note": {"text": "x"},
    "finish_wrap_up": {"disposition": "solved"},
    "create_ticket": {"subject": "x"},
    "change_ticket": {"subject": "x"},
    "note_ticket": {"text": "x"},
    "link_interaction": {"interaction_id": "int_00000000000000000000000000"},
    "change_customer": {"name": "x"},
    "link_identity": {"address": "vera@example.org"},
    "set_customer": {"name": "x"},
    "accept_offer": {},
    "pull_interaction": {},
    "cancel_callback": {},
    "end_interaction": {},
    "softphone_token": {},
    "send_mail": {"to": ["vera@example.org"], "subject": "x", "text": "x"},
    "keep_draft": {"text": "x"},
    "retry_message": {},
    "park_interaction": {},
    "resume_interaction": {},
    "move_contact": {"queue_id": "sales", "reason": "x"},
    "assign_contact": {"agent_id": "agt_00000000000000000000000000", "reason": "x"},
    "prioritise_contact": {"head_start_min": 5, "reason": "x"},
    "force_state": {"state": "signed_out", "reason": "x"},
    "acknowledge_alert": {},
    "draft_config": {},
    "save_config_draft": {"body": {}},
    "rehearse_config_draft": {"day": "2026-03-02"},
    "publish_config_draft": {},
    "roll_back_config": {},
}
RAW = {"upload_attachment"}
"""Their body is a file's bytes, and has no fields."""
WITH_BODY = [
    operation
    for operation in operations()
    if operation.method in ("POST", "PUT", "PATCH") and operation.name not in RAW
]


def test_every_operation_with_a_body_is_tried() -> None:
    assert {operation.name for operation in WITH_BODY} == set(RIGHT)


def test_every_body_is_closed() -> None:
    for operation in WITH_BODY:
        assert (operation.body or Nothing).model_config["extra"] == "forbid", operation.name


async def test_an_unknown_field_is_named_and_nothing_changes(quick_world: World) -> None:
    ada = await quick_world.person("ada", "admin")
    before = await quick_world.row(schema.agent, ada.agent_id)
    for operation in WITH_BODY:
        known = (operation.body or Nothing).model_fields
        path = operation.path.replace("{", "").replace("}", "")
        for name, value in WISHES.items():
            if name in known:
                continue
            body = {**RIGHT[operation.name], name: value}
            answer = await ada.send(operation.method, path, body, version=1)
            found = (answer.status, answer.code, answer.json()["field"])
            assert found == (422, "validation", name or "body"), (operation.name, answer.body)
    assert await quick_world.row(schema.agent, ada.agent_id) == before
    assert await quick_world.count(sa.select(sa.func.count()).select_from(schema.ticket)) == 0


@pytest.mark.parametrize("field", ["tier", "remark"])
async def test_a_field_that_cannot_be_empty_is_not_emptied(world: World, field: str) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    contact = (await ada.get(f"/api/v1/interactions/{await world.served(ada, await world.call())}")).json()
    answer = await ada.patch(f"/api/v1/customers/{contact['customer_id']}", {field: None}, 1)
    assert (answer.status, answer.json()["field"]) == (422, field)


async def test_what_is_not_sent_is_not_changed(world: World) -> None:
    ada = await world.person("ada")
    ticket = await world.ticket(priority="urgent", assignee_id=ada.agent_id)
    changed = (await ada.patch(f"/api/v1/tickets/{ticket['id']}", {"subject": "Other"}, 1)).json()
    assert (changed["priority"], changed["assignee_id"], changed["queue_id"]) == (
        "urgent",
        ada.agent_id,
        "service",
    )


async def test_a_field_that_comes_twice_means_one_thing(quick_world: World) -> None:
    ada = await quick_world.person("ada")
    body = b'{"subject": "x", "priority": "low", "priority": "urgent"}'
    answer = await ada.send(
        "POST", "/api/v1/tickets", data=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status, answer.json()["priority"]) == (201, "urgent")
    assert (await quick_world.row(schema.ticket, answer.json()["id"]))["priority"] == "urgent"
