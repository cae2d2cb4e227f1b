"""On PostgreSQL a configuration is published between what other nodes do by the rules, never in the middle of it."""

import asyncio
import threading
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from channels.contract import CallStarted
from service_desk.actions import calls, supervision
from service_desk.actions.config_drafts import publish_file
from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.errors import Invalid
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import phone, row_of, rows_of
from tests.service_desk.storage.two_nodes import nodes

pytestmark = pytest.mark.postgres


def without_sales() -> dict[str, Any]:
    body = deepcopy(CONFIG)
    body["queues"] = [queue for queue in body["queues"] if queue["id"] != "sales"]
    for line in body["phone_lines"]:
        line["options"] = []
    body["widgets"][0]["topics"] = []
    return body


async def while_other_acts(left: Desk, act: Callable[[Tx], Any], right: Desk, body: dict[str, Any]) -> Any:
    """Publish on the right while an action on the left is done and not committed; what came of publishing."""
    done, go = threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        act(tx)
        done.set()
        assert go.wait(20)

    acting = asyncio.create_task(asyncio.to_thread(left.store.run, slow))
    assert await asyncio.to_thread(done.wait, 10)
    publishing = asyncio.create_task(right.run(publish_file, body, "rules.toml"))
    finished, _ = await asyncio.wait({publishing}, timeout=0.5)
    assert not finished, "it waits for who acts by the rules before"
    go.set()
    await acting
    return (await asyncio.gather(publishing, return_exceptions=True))[0]


async def test_a_queue_that_somebody_is_being_moved_into_stays(postgres_url: str) -> None:
    async with nodes(postgres_url) as (left, right):
        contact = await phone(left, "CA1")
        version = (await row_of(left, schema.interaction, contact))["version"]
        refused = await while_other_acts(
            left,
            lambda tx: supervision.move_contact(tx, contact, version, "sales", "wrong line"),
            right,
            without_sales(),
        )
        assert isinstance(refused, Invalid)
        assert "1 contact" in str(refused)
        assert (await row_of(right, schema.interaction, contact))["queue_id"] == "sales"


async def test_who_joins_meanwhile_has_the_place_of_the_new_rules(postgres_url: str) -> None:
    async with nodes(postgres_url) as (left, right):
        body = deepcopy(CONFIG)
        body["queues"][0]["target_s"] = 600
        event = CallStarted("CA7", "+14155550100", CONFIG["phone_lines"][0]["number"], "start-CA7")
        await while_other_acts(left, lambda tx: calls.start_call(tx, "phone-main", event), right, body)
        (row,) = await rows_of(right, schema.interaction)
        assert row["queue_id"] == body["queues"][0]["id"]
        assert row["ordering_key"] - row["queued_at"] == 600 * SECOND
