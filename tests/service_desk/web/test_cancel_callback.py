"""A callback that waits is called off: by who serves its queue, and by supervisors."""

from copy import deepcopy

from channels.contract import CallbackAsked
from service_desk.actions import admin, calls
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.people import PHONE, row_of, rows_of
from tests.service_desk.web.world import World


def _in_sales(tx: Tx, login: str, role: str) -> str:
    name = login.title()
    row = admin.add_user(tx, login=login, name=name, password_hash="!", role=role, queues=["sales"])
    return str(row["id"])


async def test_who_serves_the_queue_calls_it_off(quick_world: World) -> None:
    world = quick_world
    body = deepcopy((await world.desk.read(lambda reader: reader.config)).model_dump(mode="json"))
    for queue in body["queues"]:
        if queue["id"] == "service":
            queue["callback"] = {"offer_after_s": 0}
    await world.desk.run(admin.publish_config, body)
    ann = await world.person("ann", "agent")
    cyd, sue = [
        await world.signed_in(await world.desk.run(_in_sales, login, role))
        for login, role in (("cyd", "agent"), ("sue", "supervisor"))
    ]
    contacts = [await world.call(), await world.call()]
    path = "/api/v1/interactions/{}/cancel-callback"
    assert (await ann.post(path.format(contacts[0]))).code == "no_callback"
    for contact in contacts:
        call = (await row_of(world.desk, schema.interaction, contact))["external_id"]
        await world.desk.run(calls.ask_callback, PHONE, CallbackAsked(call, "1", f"ask-{call}"))
    assert (await cyd.post(path.format(contacts[0]))).code == "not_your_queue"
    assert (await ann.post(path.format("int_unknown"))).status == 404
    for caller, contact in zip((ann, sue), contacts, strict=True):
        answer = await caller.post(path.format(contact))
        assert answer.status == 200
        view = answer.json()
        assert (view["state"], view["end_reason"], view["callback"]) == ("ended", "callback_cancelled", True)
    told = [row for row in await rows_of(world.desk, schema.audit) if row["action"] == "callback.cancelled"]
    assert {row["subject"]: row["actor"] for row in told} == {
        contacts[0]: ann.agent_id,
        contacts[1]: sue.agent_id,
    }
