"""Two processes behind a load balancer: people and webhooks reach whichever comes, and all is as with one."""

from pathlib import Path
from typing import Any

import pytest

from service_desk.audit import audit
from service_desk.queries import live
from service_desk.storage import schema
from tests.cluster.cluster import Cluster, cluster
from tests.e2e.console import Console
from tests.e2e.world import add_agent, until
from tests.service_desk import reducer
from tests.service_desk.people import rows_of
from tests.service_desk.realtime.raw import Raw, raw

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.timeout(120)]


async def test_whichever_node_comes(postgres_url: str, redis_url: str, tmp_path: Path) -> None:
    async with cluster(postgres_url, redis_url, tmp_path, 2) as desk:
        first, second = desk.nodes
        for login in ("ann", "bob"):
            await add_agent(desk.world, login)
        async with desk.console("ann", first) as ann, desk.console("bob", second) as bob:
            await both_boards_say(desk, ann, bob, agents_ready=2)
            for one in (ann, bob):
                await one.set_state("away", "break")
            async with raw(first.world, "chat") as near, raw(second.world, "chat") as far:
                calls, contact = await a_line_forms(desk, near, far)
                await both_boards_say(desk, ann, bob, waiting=4)
                await a_call_is_served(desk, ann, contact)
                await places_move_up(desk, calls, near, far)
                await desk.world.control("POST", f"/calls/{calls[1]}/hangup")
                await until(lambda: is_over(desk, calls[1]), "the desk knows who hung up")
                await a_return_to_the_other_node_misses_nothing(desk, bob, near)
                for one in (ann, bob):
                    await same_as_snapshot(desk, one)
            assert desk.balancer is not None
            assert min(desk.balancer.passed_on.values()) > 5, desk.balancer.passed_on
        await one_call_is_followed(desk, calls[0], contact)
        findings = await desk.world.desk.read(audit)
        assert findings == []


async def both_boards_say(desk: Cluster, ann: Console, bob: Console, **wanted: int) -> None:
    """The wallboards at both nodes, as pushed or asked for."""

    async def same() -> bool:
        boards: list[Any] = [await one.io.call("watch_board") for one in (ann, bob)]
        told = [next(queue for queue in board["queues"] if queue["id"] == "service") for board in boards]
        return all(queue[name] == value for queue in told for name, value in wanted.items())

    await until(same, f"both boards say {wanted}", within_s=10)


async def a_line_forms(desk: Cluster, near: Raw, far: Raw) -> tuple[list[str], str]:
    """Two calls and a chat at each node: each is told its place in the one line. (calls, the first one's contact)"""
    calls: list[str] = []
    for number in range(2):
        calls.append(await desk.world.call(f"+1415555010{number}"))
        await until(lambda: told_place(desk, calls[-1], len(calls)), f"call {number} knows its place")
    for number, page in enumerate((near, far), 3):
        assert (await page.sign_in({"widget": "demo"})).startswith("40")
        view = (await page.ask(1, "open", {"key": "k1", "text": f"hello from {number}"}))["chat"]
        assert view["status"]["position"] == number
    (row,) = await rows_of(desk.world.desk, schema.interaction, external_id=calls[0])
    return calls, str(row["id"])


async def told_place(desk: Cluster, call_sid: str, place: int) -> bool:
    """Whether the newest words that the caller heard about it name the place."""
    leg = desk.world.carrier.exchange.legs[call_sid]
    words = [
        heard.data["text"] for heard in leg.ear.all if heard.kind == "words" and "line" in heard.data["text"]
    ]
    wanted = "You are next in line." if place == 1 else f"You are number {place} in line."
    return bool(words) and wanted in words[-1]


async def a_call_is_served(desk: Cluster, ann: Console, contact: str) -> None:
    await ann.set_state("ready")
    offer = await ann.offer()
    assert offer["interaction_id"] == contact, "who came first is served first"
    await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
    await ann.take_call(contact)
    await ann.interaction(contact, "active")
    await ann.set_state("away", "break")
    await ann.ask("POST", f"/interactions/{contact}/end", {})
    await ann.ask("POST", f"/interactions/{contact}/wrap-up", {"disposition": "done"})


async def places_move_up(desk: Cluster, calls: list[str], near: Raw, far: Raw) -> None:
    await until(lambda: told_place(desk, calls[1], 1), "the second caller is next", within_s=15)

    async def moved() -> bool:
        told = [page.events("status") for page in (near, far)]
        return [statuses[-1]["position"] if statuses else None for statuses in told] == [2, 3]

    await until(moved, "the pages at both nodes know their new places", within_s=10)


async def is_over(desk: Cluster, call_sid: str) -> bool:
    (row,) = await rows_of(desk.world.desk, schema.interaction, external_id=call_sid)
    return row["ended_at"] is not None


async def a_return_to_the_other_node_misses_nothing(desk: Cluster, bob: Console, near: Raw) -> None:
    """Bob chats; while he has no socket the visitor writes on; at the other node he gets just that."""
    await bob.set_state("ready")
    offer = await bob.offer()
    contact = str(offer["interaction_id"])
    await bob.ask("POST", f"/offers/{offer['id']}/accept", {})
    await bob.interaction(contact, "active")
    snapshots = bob.snapshots
    await bob.io.disconnect()
    said = [f"words {number}" for number in range(3)]
    for number, words in enumerate(said, 2):
        answer = await near.ask(number, "say", {"key": f"k{number}", "text": words})
        assert answer["ok"], answer
    await bob.come_back(desk.nodes[0].world)

    async def read() -> bool:
        return [entry["text"] for entry in bob.entries(contact)][-3:] == said

    await until(read, "bob reads what was said meanwhile", within_s=5)
    assert bob.snapshots == snapshots, "the missing part alone was sent"
    assert (await desk.node_of(bob.agent_id)) is desk.nodes[0]
    presence = await rows_of(desk.world.desk, schema.event, kind="agent.presence")
    assert [event for event in presence if event["data"]["presence"] == "lost"] == []


async def one_call_is_followed(desk: Cluster, call_sid: str, contact: str) -> None:
    """By its id alone, through the logs of both nodes: from the webhook to the phone that rings and back."""
    found = [
        (str(line["timestamp"]), str(line["event"]), number)
        for number, node in enumerate(desk.nodes)
        for line in node.lines()
        if contact in (line.get("interaction"), line.get("subject")) or line.get("call") == call_sid
    ]
    found.sort()
    told = [event for _, event, _ in found]
    assert {number for _, _, number in found} == {0, 1}, found
    assert told[0] == "webhook"
    assert {"webhook", "offer", "rings", "request", "effect"} <= set(told), found
    assert told.index("offer") < told.index("request"), found
    assert next(number for _, event, number in found if event == "rings") == 0, "where ann's socket is"


async def same_as_snapshot(desk: Cluster, one: Console) -> None:
    async def same() -> bool:
        fresh = (await desk.world.desk.read(live.snapshot, one.agent_id)).model_dump(mode="json")
        return reducer.comparable(one.state) == reducer.comparable(fresh)

    await until(same, "the console shows what is", within_s=10)
