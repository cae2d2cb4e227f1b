"""The rules are changed at run time: draft, check, compare, publish, roll back."""

import asyncio
import contextlib
import threading
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from service_desk.actions.config_drafts import DRAFTS_MOST, new_draft
from service_desk.clock import SECOND
from service_desk.demo.past import Size
from service_desk.demo.seed import PASSWORDS, seed_demo
from service_desk.errors import Conflict
from service_desk.queries.configs import published_lines
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.people import make_agent, rows_of
from tests.service_desk.storage.two_nodes import nodes
from tests.service_desk.web.world import Caller, World

BASE = "/api/v1/config"


async def draft(admin: Caller, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = await admin.post(f"{BASE}/drafts", {"body": body, "note": "a try"})
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json()
    return made


async def with_first_queue(admin: Caller, **values: Any) -> dict[str, Any]:
    """A draft of what is in force with other values for the first queue."""
    body = deepcopy((await admin.get(BASE)).json()["body"])
    body["queues"][0] |= values
    return await draft(admin, body)


async def publish(admin: Caller, made: dict[str, Any]) -> Any:
    return await admin.post(f"{BASE}/drafts/{made['id']}/publish", version=made["version"])


async def test_a_draft_is_compared_published_and_rolled_back(world: World) -> None:
    admin = await world.person("ruth", "admin")
    before = (await admin.get(BASE)).json()
    made = await with_first_queue(admin, priority=17)
    path = f"{BASE}/drafts/{made['id']}"
    queue = before["body"]["queues"][0]

    assert (await admin.get(f"{path}/check")).json() == {
        "ok": True,
        "base_is_published": True,
        "problems": [],
    }
    assert (await admin.get(f"{path}/diff")).json() == {
        "published": before["version"],
        "differences": [
            {
                "path": f"queues.{queue['id']}.priority",
                "kind": "changed",
                "before": queue["priority"],
                "after": 17,
            }
        ],
    }
    assert (await admin.get(BASE)).json() == before, "a draft is not in force"

    published = await publish(admin, made)
    assert published.status == 200
    assert published.json()["version"] == before["version"] + 1
    assert published.json()["body"]["queues"][0]["priority"] == 17
    assert (await admin.get(path)).status == 404
    assert [line["state"] for line in (await admin.get(f"{BASE}/versions")).json()["items"]] == [
        "published",
        "retired",
    ]

    back = await admin.post(f"{BASE}/versions/{before['version']}/roll-back", version=before["version"] + 1)
    assert back.json()["version"] == before["version"] + 2
    assert back.json()["body"] == before["body"]
    routed = await world.desk.read(
        lambda reader: reader.all(sa.select(schema.command.c.body).order_by(schema.command.c.position))
    )
    told = [row["body"]["policy"]["version"] for row in routed if "policy" in row["body"]]
    assert told[-2:] == [before["version"] + 1, before["version"] + 2], "the router hears of each"


async def test_versions_say_to_people_who_published_them_and_why(world: World) -> None:
    admin = await world.person("ruth", "admin")
    made = await admin.post(f"{BASE}/drafts", {"note": "longer nights"})
    assert (await publish(admin, made.json())).status == 200
    newest, first = await world.desk.read(published_lines, 2)
    assert (newest.who, newest.note) == ("ruth", "longer nights")
    assert (first.who, first.note) == ("system", "")
    newest, first = (await admin.get(f"{BASE}/versions")).json()["items"]
    assert (newest["actor"], newest["name"], newest["note"]) == (admin.agent_id, "Ruth", "longer nights")
    assert (first["actor"], first["name"], first["note"]) == ("system", None, "")
    await admin.post(f"{BASE}/versions/1/roll-back", version=2)
    again = (await admin.get(f"{BASE}/versions?limit=1")).json()
    assert ([line["note"] for line in again["items"]], again["more"]) == (["the rules of version 1 again"], 3)


async def test_a_check_says_what_is_wrong_with_values_and_with_who_is_here_together(world: World) -> None:
    admin = await world.person("ruth", "admin")
    await world.call()
    body = deepcopy((await admin.get(BASE)).json()["body"])
    waiting = await world.desk.read(
        lambda reader: reader.scalar(sa.select(schema.interaction.c.queue_id).limit(1))
    )
    renamed = _renamed(body, waiting)
    other = next(queue for queue in renamed["queues"] if queue["id"] != "renamed")
    other["target_s"] = -5
    other["requires"] = "german and ("
    await make_agent(world.desk, "gert", ready=False, skills={"german": 3})
    doubtful = renamed["queues"][-1]
    doubtful |= {"requires": "german>=5", "rings": [{"after_s": -1, "lower": 2}]}
    renamed["phone_lines"][0]["requires"] = {"juggling": 3}
    renamed["shifts"] = {"nobody": {"zone": "Moon"}}
    made = await draft(admin, renamed)
    problems = (await admin.get(f"{BASE}/drafts/{made['id']}/check")).json()["problems"]
    account = renamed["phone_lines"][0]["account"]
    assert {problem["field"] for problem in problems} >= {
        f"queues.{other['id']}.target_s",
        f"queues.{other['id']}.requires",
        "shifts.nobody.zone",
        f"queues.{waiting}",
        f"phone_lines.{account}.requires.juggling",
        "shifts.nobody",
    }
    assert f"queues.{doubtful['id']}" not in {problem["field"] for problem in problems}, (
        "its rings are unknown"
    )


async def test_a_draft_on_another_base_would_undo_unseen_work(world: World) -> None:
    admin = await world.person("ruth", "admin")
    one, other = await with_first_queue(admin, priority=1), await with_first_queue(admin, priority=2)
    assert (await publish(admin, one)).status == 200
    refused = await publish(admin, other)
    assert (refused.status, refused.code) == (409, "base_moved")
    check = (await admin.get(f"{BASE}/drafts/{other['id']}/check")).json()
    assert (check["ok"], check["base_is_published"]) == (False, False)

    saved = await admin.patch(
        f"{BASE}/drafts/{other['id']}", {"body": other["body"]}, version=other["version"]
    )
    assert (await publish(admin, saved.json())).code == "base_moved", "saving alone is not looking"
    seen = {"body": other["body"], "base_version": one["base_version"] + 1}
    saved = await admin.patch(f"{BASE}/drafts/{other['id']}", seen, version=other["version"] + 1)
    assert saved.json()["base_version"] == one["base_version"] + 1
    assert (await publish(admin, saved.json())).json()["body"]["queues"][0]["priority"] == 2


async def test_what_is_wrong_is_kept_as_a_draft_and_never_published(world: World) -> None:
    admin = await world.person("ruth", "admin")
    before = (await admin.get(BASE)).json()
    made = await with_first_queue(admin, target_s=-5, colour="red")
    queue = before["body"]["queues"][0]["id"]
    problems = (await admin.get(f"{BASE}/drafts/{made['id']}/check")).json()["problems"]
    assert {problem["field"] for problem in problems} == {
        f"queues.{queue}.target_s",
        f"queues.{queue}.colour",
    }
    refused = await publish(admin, made)
    assert (refused.status, refused.json()["field"]) == (422, f"queues.{queue}.target_s")
    assert [one["field"] for one in refused.json()["also"]] == [f"queues.{queue}.colour"]
    assert (await admin.get(BASE)).json() == before


async def test_what_nobody_could_serve_is_refused(world: World) -> None:
    admin = await world.person("ruth", "admin")
    body = deepcopy((await admin.get(BASE)).json()["body"])
    line = body["phone_lines"][0]
    line["requires"] = {"juggling": 3}
    refused = await publish(admin, await draft(admin, body))
    assert refused.status == 422
    assert refused.json()["field"] == f"phone_lines.{line['account']}.requires.juggling"


async def test_skills_that_nobody_has_and_queues_that_nobody_serves_are_refused(world: World) -> None:
    admin = await world.person("ruth", "admin")
    await make_agent(world.desk, "gert", ready=False, skills={"german": 3})
    body = deepcopy((await admin.get(BASE)).json()["body"])
    first, more = body["queues"][0], deepcopy(body["queues"][0])
    first["rings"] = [{"after_s": 20, "drop": ["germann"]}]
    body["queues"][1]["requires"] = "german>=5"
    made = await draft(admin, body)
    problems = (await admin.get(f"{BASE}/drafts/{made['id']}/check")).json()["problems"]
    assert [problem["field"] for problem in problems] == [
        f"queues.{first['id']}.rings.0.drop",
        f"queues.{body['queues'][1]['id']}",
    ]
    assert "nobody can serve it" in problems[1]["detail"]
    refused = await publish(admin, made)
    assert (refused.status, refused.json()["field"]) == (422, f"queues.{first['id']}.rings.0.drop")

    body = deepcopy((await admin.get(BASE)).json()["body"])
    body["queues"].append(more | {"id": "later", "name": "Later"})
    assert (await publish(admin, await draft(admin, body))).status == 200, "nothing leads there yet"
    body["widgets"][0]["default_queue"] = "later"
    refused = await publish(admin, await draft(admin, body))
    assert (refused.status, refused.json()["field"]) == (422, "queues.later")
    assert "widgets.demo.default_queue" in refused.json()["detail"]


async def test_what_waits_and_who_works_hear_of_the_new_rules(world: World) -> None:
    admin = await world.person("ruth", "admin")
    await world.call()
    body = deepcopy((await admin.get(BASE)).json()["body"])
    for queue in body["queues"]:
        queue |= {"target_s": queue["target_s"] + 10, "value_weight_s": 60, "value_cap_s": 600}
    for line in body["phone_lines"]:
        line["value"] = 2
    body["agent_units"] = 3
    before = (await rows_of(world.desk, schema.interaction))[0]
    assert (await publish(admin, await draft(admin, body))).status == 200
    after = (await rows_of(world.desk, schema.interaction))[0]
    assert after["ordering_key"] == before["ordering_key"] + (10 - 120) * SECOND
    commands = [row["body"] for row in await rows_of(world.desk, schema.command)]
    changed = [body for body in commands if body["kind"] == "WorkChanged"]
    assert [body["item"]["value"] for body in changed] == [2]
    agents = [body["agent"] for body in commands if body["kind"] == "AgentChanged"]
    assert {agent["units"] for agent in agents} == {3}


@pytest.mark.postgres
async def test_two_nodes_do_not_pass_the_bound_of_drafts_together(postgres_url: str) -> None:
    async with nodes(postgres_url) as (left, right):
        for _ in range(DRAFTS_MOST - 1):
            await left.run(new_draft, None, "a try")
        counted, go = threading.Event(), threading.Event()

        def slowly(tx: Tx) -> None:
            new_draft(tx, None, "the last")
            counted.set()
            assert go.wait(20)

        writing = asyncio.create_task(asyncio.to_thread(left.store.run, slowly))
        await asyncio.to_thread(counted.wait, 10)
        other = asyncio.create_task(right.run(new_draft, None, "one more"))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(other), 0.3)
        go.set()
        await writing
        with pytest.raises(Conflict):
            await other
        assert len(await rows_of(left, schema.config_draft)) == DRAFTS_MOST


async def test_a_queue_with_waiting_contacts_stays(world: World) -> None:
    admin = await world.person("ruth", "admin")
    await world.call()
    body = deepcopy((await admin.get(BASE)).json()["body"])
    waiting = await world.desk.read(
        lambda reader: reader.scalar(sa.select(schema.interaction.c.queue_id).limit(1))
    )
    body["queues"] = [
        queue | {"id": "renamed"} if queue["id"] == waiting else queue for queue in body["queues"]
    ]
    renamed = _renamed(body, waiting)
    refused = await publish(admin, await draft(admin, renamed))
    assert refused.status == 422
    assert refused.json()["field"] == f"queues.{waiting}"
    assert "1 contact of this queue is not over" in refused.json()["detail"]


def _renamed(body: Any, queue: str) -> Any:
    """The document with another name for a queue wherever it is named."""
    if isinstance(body, dict):
        return {name: _renamed(value, queue) for name, value in body.items()}
    if isinstance(body, list):
        return [_renamed(value, queue) for value in body]
    return "renamed" if body == queue else body


async def test_two_who_write_at_once_hear_of_each_other(world: World) -> None:
    admin = await world.person("ruth", "admin")
    made = await draft(admin)
    path = f"{BASE}/drafts/{made['id']}"
    first = await admin.patch(path, {"body": made["body"], "note": "mine"}, version=1)
    assert first.status == 200
    second = await admin.patch(path, {"body": made["body"], "note": "yours"}, version=1)
    assert (second.status, second.json()["current"]["note"]) == (412, "mine")
    assert (await publish(admin, made)).status == 412


async def test_rolling_back_names_what_is_left(world: World) -> None:
    admin = await world.person("ruth", "admin")
    now = (await admin.get(BASE)).json()["version"]
    assert (await admin.post(f"{BASE}/versions/99/roll-back", version=now)).status == 404
    assert (await admin.post(f"{BASE}/versions/{now}/roll-back", version=now)).code == "in_force"
    stale = await admin.post(f"{BASE}/versions/{now}/roll-back", version=now + 7)
    assert (stale.status, stale.json()["current"]["version"]) == (412, now)
    assert (await admin.get(f"{BASE}/versions/one")).status == 404


async def test_drafts_have_a_bound(world: World) -> None:
    admin = await world.person("ruth", "admin")
    made = [await draft(admin) for _ in range(50)]
    assert (await admin.post(f"{BASE}/drafts", {})).code == "too_many_drafts"
    assert (await admin.delete(f"{BASE}/drafts/{made[0]['id']}")).status == 204
    assert (await admin.post(f"{BASE}/drafts", {})).status == 201
    assert len((await admin.get(f"{BASE}/drafts")).json()["items"]) == 50


# --- rehearsing -------------------------------------------------------------------------------------------------

SMALL = Size(customers=40, tickets=5, days=8, contacts=200, hotel_contacts=40, night_chats=2)


async def busiest_day(world: World) -> str:
    """A week of the demo's past, and its day with most contacts."""
    await world.desk.run(seed_demo, 7, dict.fromkeys(PASSWORDS, "nobody signs in"), SMALL)
    queued_at = schema.segment.c.queued_at
    rows = await world.desk.read(
        lambda reader: reader.all(sa.select(queued_at).where(schema.segment.c.entered))
    )
    days = [datetime.fromtimestamp(row["queued_at"] // SECOND, UTC).date().isoformat() for row in rows]
    return max(set(days), key=lambda day: (days.count(day), day))


async def rehearsed(admin: Caller, made: dict[str, Any], day: str) -> Any:
    return await admin.post(f"{BASE}/drafts/{made['id']}/rehearse", {"day": day, "replications": 2})


async def test_a_draft_is_rehearsed_on_a_day_of_the_log(world: World) -> None:
    day = await busiest_day(world)
    admin = await world.person("rehearser", "admin")
    before = (await admin.get(BASE)).json()
    same = (await rehearsed(admin, await draft(admin), day)).json()
    assert (same["day"], same["before"]) == (day, same["after"])

    body = deepcopy(before["body"])
    for queue in body["queues"]:
        queue["wrap_up_s"] = 3_600
    drafts = [await draft(admin, body), await draft(admin, body)]
    slower, also = await asyncio.gather(*(rehearsed(admin, made, day) for made in drafts))
    assert sorted((slower.status, also.status)) == [200, 409], "one at a time"
    found = next(answer for answer in (slower, also) if answer.status == 200).json()
    assert found["before"] == same["before"], "the same customers"
    assert found["after"] != found["before"]
    assert (await admin.get(BASE)).json() == before, "nothing was published"


async def test_a_rehearsal_says_what_it_lacks(world: World) -> None:
    admin = await world.person("ruth", "admin")
    empty = await rehearsed(admin, await draft(admin), "2001-01-01")
    assert (empty.status, empty.json()["field"]) == (422, "day")
    wrong = await rehearsed(admin, await with_first_queue(admin, target_s=-5), "2001-01-01")
    assert (wrong.status, wrong.json()["field"]) == (422, "queues.service.target_s")
    assert (await rehearsed(admin, await draft(admin), "yesterday")).json()["field"] == "day"


async def test_what_no_database_keeps_is_refused(world: World) -> None:
    admin = await world.person("ruth", "admin")
    refused = await admin.post(f"{BASE}/drafts", {"body": {"brand": ["a\u0000b"]}})
    assert (refused.status, refused.json()["field"]) == (422, "body")
