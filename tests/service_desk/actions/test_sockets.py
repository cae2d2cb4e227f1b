"""Many consoles' sockets that open and close in one action, and what they are told in one reading."""

from typing import Any

from routing.codec import decode
from routing.commands import AgentReady
from service_desk.actions import agents, messages, offers, sockets
from service_desk.desk import Desk
from service_desk.domain.views import FrameView, SnapshotView
from service_desk.queries import live
from service_desk.queries.catch_up import catch_up
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.service_desk import reducer
from tests.service_desk.people import make_agent, offer_to, phone, row_of, rows_of
from tests.service_desk.storage.conftest import plain

__all__ = ["plain"]

NODE = "node-2"


def arrival(agent_id: str, sid: str) -> sockets.Arrival:
    return sockets.Arrival(sid, agent_id, f"session-{sid}")


async def running_timers(desk: Desk) -> set[tuple[str, str]]:
    return {(row["kind"], row["subject"]) for row in await rows_of(desk, schema.timer)}


async def said_of(desk: Desk, agent_id: str) -> list[tuple[str, str]]:
    rows = await rows_of(desk, schema.event, kind="agent.presence")
    return [(row["actor"], row["data"]["presence"]) for row in rows if row["data"]["agent_id"] == agent_id]


async def test_a_crowd_comes_and_goes_as_each_would_alone(plain: Desk) -> None:
    ann, bob, cid = [await make_agent(plain, login) for login in ("ann", "bob", "cid")]
    new = await make_agent(plain, "dan", ready=False)
    crowd = [arrival(ann, "ann-2"), arrival(new, "dan-1"), arrival(new, "dan-2"), arrival("agt_nobody", "x")]
    await plain.run(sockets.opened, NODE, crowd)
    await plain.run(sockets.opened, NODE, crowd)  # known ones change nothing
    there = {row["sid"]: row["agent_id"] for row in await rows_of(plain, schema.connection)}
    assert there == {
        **{f"sid-{login}": agent_id for login, agent_id in (("ann", ann), ("bob", bob), ("cid", cid))},
        "ann-2": ann,
        "dan-1": new,
        "dan-2": new,
    }
    assert await said_of(plain, new) == [(new, "connected")], "once for two sockets"
    assert len(await said_of(plain, ann)) == 1, "a second console is no news"

    await plain.run(sockets.closed, ["sid-ann", "sid-bob", "dan-1", "dan-2", "never-heard-of"])
    assert await running_timers(plain) == {("agent_lost", bob), ("agent_lost", new)}
    assert {row["sid"] for row in await rows_of(plain, schema.connection)} == {"ann-2", "sid-cid"}

    await plain.run(agents.lost, bob, {})
    assert ("agent_reclaim", bob) in await running_timers(plain)
    await plain.run(sockets.opened, NODE, [arrival(bob, "bob-2"), arrival(new, "dan-3")])
    assert await running_timers(plain) == set()
    assert (await row_of(plain, schema.agent, bob))["lost_at"] is None
    assert [word for _, word in await said_of(plain, bob)] == ["connected", "lost", "connected"]
    told = [decode(row["body"]) for row in await rows_of(plain, schema.command)]
    ready = [command.agent.id for command in told if isinstance(command, AgentReady)]
    assert ready.count(bob) == 2, "routing hears again of who had chosen ready"
    assert new not in ready, "and not of who had not"


async def test_a_dead_node_takes_only_its_own_sockets(plain: Desk) -> None:
    ann, bob = [await make_agent(plain, login) for login in ("ann", "bob")]
    await plain.run(sockets.opened, NODE, [arrival(ann, "ann-2")])
    await plain.run(agents.drop_sockets, "node-1")
    assert {row["sid"] for row in await rows_of(plain, schema.connection)} == {"ann-2"}
    assert await running_timers(plain) == {("agent_lost", bob)}


async def test_what_many_hold_is_what_each_holds(desk: Desk) -> None:
    """With offers, conversations and customers' cards."""
    people = [await make_agent(desk, login) for login in ("ann", "bob", "cid", "dan")]
    for number, agent_id in enumerate(people[:3]):
        contact = await phone(desk, f"CA{number}", f"+141555501{number:02}")
        offer = await offer_to(desk, contact, agent_id)
        if number < 2:
            await desk.run(offers.accept_offer, offer, agent_id, actor=agent_id)
            await desk.run(
                messages.add_note, contact, agent_id, f"about {number}", f"key-{number}", actor=agent_id
            )

    def states(reader: Reader) -> tuple[dict[str, Any], dict[str, Any]]:
        return live.snapshots(reader, people), {one: live.snapshot(reader, one) for one in people}

    together, alone = await desk.read(states)
    assert together == alone
    assert [len(together[one].entries) > 0 for one in people] == [True, True, False, False]
    assert [len(together[one].offers) for one in people] == [0, 0, 1, 0]
    assert [len(together[one].cards) for one in people] == [1, 1, 1, 0]


async def test_consoles_that_ask_together_are_told_what_each_would_be_alone(plain: Desk) -> None:
    """Wherever they are: state there plus the answer is the state now, and no event comes twice."""
    people = [await make_agent(plain, login) for login in ("ann", "bob", "cid")]
    states: list[dict[str, dict[str, Any]]] = []
    for number in range(4):
        states.append({a: (await plain.read(live.snapshot, a)).model_dump(mode="json") for a in people})
        await phone(plain, f"CA{number}", f"+141555501{number:02}")
        await plain.run(sockets.opened, NODE, [arrival(people[number % 3], f"more-{number}")])
        await plain.run(agents.send_away, people[number % 3], "lunch")
    wanted = {
        f"{agent_id} {place}": (agent_id, state[agent_id]["position"])
        for place, state in enumerate(states)
        for agent_id in people
    }
    answers = await plain.read(catch_up, wanted, 500)
    for console, (agent_id, after) in wanted.items():
        answer = answers[console]
        assert isinstance(answer, FrameView)
        before = states[int(console.split()[1])][agent_id]
        now = (await plain.read(live.snapshot, agent_id)).model_dump(mode="json")
        assert reducer.comparable(
            reducer.apply(before, answer.model_dump(mode="json"))
        ) == reducer.comparable(now)
        alone = (await plain.read(catch_up, {console: (agent_id, after)}, 500))[console]
        assert isinstance(alone, FrameView)
        assert [event.position for event in answer.events] == [event.position for event in alone.events]
    few = await plain.read(catch_up, wanted, 2)
    assert all(isinstance(few[f"{agent_id} 0"], SnapshotView) for agent_id in people), "too far behind"
