"""A waiting contact is taken by hand: by permission only, out of its turn, and counted."""

from copy import deepcopy

from service_desk.actions import admin
from service_desk.audit import audit
from service_desk.clock import DAY
from service_desk.storage import schema
from tests.service_desk.people import rows_of
from tests.service_desk.web.world import Caller, World


async def let_agents_pull(world: World) -> None:
    body = deepcopy((await world.desk.read(lambda reader: reader.config)).model_dump(mode="json"))
    await world.desk.run(admin.publish_config, {**body, "may_pull": ["agent"]})


async def pull(caller: Caller, contact: str) -> tuple[int, str]:
    answer = await caller.post(f"/api/v1/interactions/{contact}/pull")
    return answer.status, "" if answer.status == 200 else answer.code


async def test_agents_may_pull_if_the_configuration_says_so(world: World) -> None:
    ann = await world.person("ann", "agent")
    await world.ready(ann)
    first, second = await world.call(), await world.call()
    assert await pull(ann, second) == (403, "forbidden")
    assert (await ann.get("/api/v1/waiting")).status == 403

    await let_agents_pull(world)
    waiting = (await ann.get("/api/v1/waiting")).json()
    assert waiting["total"] == 2
    assert [(each["id"], each["position"]) for each in waiting["items"]] == [(first, 1), (second, 2)]
    assert await pull(ann, second) == (200, "")
    assert await pull(ann, second) == (200, ""), "again changes nothing"
    assert await pull(ann, first) == (409, "agent_full")
    row = next(row for row in await rows_of(world.desk, schema.interaction) if row["id"] == second)
    assert (row["state"], row["agent_id"]) == ("connecting", ann.agent_id)
    (command,) = [
        row["body"] for row in await rows_of(world.desk, schema.command) if row["body"]["kind"] == "WorkTaken"
    ]
    assert (command["why"], command["agent"]) == ("pulled", ann.agent_id)
    found = await world.desk.read(audit, patience=365 * DAY)
    assert [each for each in found if each.check not in ("counters", "dispatch")] == []

    sue = await world.person("sue", "supervisor")
    counted = (await sue.get("/api/v1/pulls")).json()["agents"]
    assert [(each["agent_id"], each["answered"], each["pulled"], each["share"]) for each in counted] == [
        (ann.agent_id, 1, 1, 1.0)
    ]


async def test_what_does_not_wait_in_ones_own_queue_is_not_taken(world: World) -> None:
    await let_agents_pull(world)
    ann = await world.person("ann", "agent")
    contact = await world.call()
    assert await pull(ann, contact) == (409, "agent_not_there"), "no console is open"
    bob = await world.person("bob", "agent")
    for caller in (ann, bob):
        await world.ready(caller)
    await world.offer(contact, bob)
    assert await pull(ann, contact) == (409, "not_waiting"), "it rings at bob"
    assert await pull(ann, "int_" + "0" * 26) == (404, "not_found")
