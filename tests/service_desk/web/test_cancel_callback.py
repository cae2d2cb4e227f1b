"""A callback that waits is called off: by who serves its queue, and by supervisors."""

from service_desk.actions import admin
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.people import rows_of
from tests.service_desk.web.world import World


def _in_sales(tx: Tx, login: str, role: str) -> str:
    name = login.title()
    row = admin.add_user(tx, login=login, name=name, password_hash="!", role=role, queues=["sales"])
    return str(row["id"])


async def test_who_serves_the_queue_calls_it_off(quick_world: World) -> None:
    world = quick_world
    await world.offer_callbacks()
    ann = await world.person("ann", "agent")
    cyd, sue = [
        await world.signed_in(await world.desk.run(_in_sales, login, role))
        for login, role in (("cyd", "agent"), ("sue", "supervisor"))
    ]
    contacts = [await world.call(), await world.call()]
    path = "/api/v1/interactions/{}/cancel-callback"
    assert (await ann.post(path.format(contacts[0]))).code == "no_callback"
    for contact in contacts:
        await world.ask_callback(contact)
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
