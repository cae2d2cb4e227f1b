"""Nodes and the sockets on them: who lives is judged by the database's clock, and what a dead node held is given up."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from service_desk.actions import chats, nodes, pages, sockets
from service_desk.bus.local import LocalBus
from service_desk.clock import HOUR, SECOND, Micros, SystemClock
from service_desk.desk import Desk
from service_desk.errors import Unavailable
from service_desk.lease import take
from service_desk.storage import schema
from service_desk.storage.fence import Fenced
from service_desk.storage.store import Store
from tests.service_desk.checked import CheckedDesk
from tests.service_desk.people import make_agent, open_chat, row_of, rows_of

SILENCE = 5 * SECOND


class Fast(SystemClock):
    """A machine whose clock was never set."""

    def now(self) -> Micros:
        return super().now() + HOUR


@pytest.fixture
async def fast(db_url: str, desk: CheckedDesk) -> AsyncIterator[Desk]:
    """Another node on the same database, an hour ahead."""
    store = Store(db_url, Fast())
    yield Desk(store, LocalBus(), Fast())
    store.close()


async def fall_silent(desk: Desk, node_id: str, for_: Micros) -> None:
    node = schema.node
    await desk.run(
        lambda tx: tx.write(sa.update(node).where(node.c.id == node_id).values(beat_at=node.c.beat_at - for_))
    )


async def test_a_wrong_clock_neither_kills_nor_is_killed(desk: CheckedDesk, fast: Desk) -> None:
    await desk.run(nodes.beat, "nod_right", "web")
    await fast.run(nodes.beat, "nod_fast", "web,route")
    assert await fast.read(nodes.silent_nodes, SILENCE) == []
    assert await desk.read(nodes.silent_nodes, SILENCE) == []
    await fall_silent(desk, "nod_right", 6 * SECOND)
    await fall_silent(desk, "nod_fast", 6 * SECOND)
    assert await desk.read(nodes.silent_nodes, SILENCE) == ["nod_fast", "nod_right"]
    await fast.run(nodes.beat, "nod_fast", "web,route")
    assert await fast.read(nodes.silent_nodes, SILENCE) == ["nod_right"]
    await fall_silent(desk, "nod_fast", 6 * SECOND)
    assert await desk.read(nodes.silent_nodes, SILENCE) == ["nod_fast", "nod_right"], (
        "no beat is ahead of time"
    )


async def test_only_who_holds_the_lease_buries_and_only_the_silent(desk: CheckedDesk) -> None:
    fence = await desk.run(take, "nodes", "nod_judge")
    await desk.run(nodes.beat, "nod_one", "web")
    assert await desk.run(nodes.bury, "nod_one", SILENCE, "nodes", fence) is False
    await fall_silent(desk, "nod_one", 6 * SECOND)
    with pytest.raises(Fenced):
        await desk.run(nodes.bury, "nod_one", SILENCE, "nodes", fence - 1)
    assert await desk.run(nodes.bury, "nod_one", SILENCE, "nodes", fence) is True
    assert await desk.run(nodes.bury, "nod_one", SILENCE, "nodes", fence) is False, "once"
    assert await desk.run(nodes.beat, "nod_one", "web") is True, "it was not known any more"


async def test_the_agents_of_a_dead_node_are_given_up_those_with_another_console_are_not(
    desk: CheckedDesk,
) -> None:
    ann, bob = await make_agent(desk, "ann"), await make_agent(desk, "bob")
    for agent, sid, node in ((ann, "s1", "nod_dead"), (bob, "s2", "nod_dead"), (bob, "s3", "nod_other")):
        await desk.run(sockets.opened, node, [sockets.Arrival(sid, agent, "session")])
    (other,) = [
        row["sid"] for row in await rows_of(desk, schema.connection, agent_id=ann) if row["sid"] != "s1"
    ]
    await desk.run(sockets.closed, [other])  # the one that `make_agent` opened
    await desk.run(nodes.leave, "nod_dead")
    assert [row["sid"] for row in await rows_of(desk, schema.connection, node_id="nod_dead")] == []
    lost = await rows_of(desk, schema.timer, kind="agent_lost")
    assert [row["subject"] for row in lost] == [ann]


async def test_a_visitor_is_there_while_any_page_is_open_on_any_node(desk: CheckedDesk) -> None:
    await make_agent(desk, "ann")
    visitor, contact = await open_chat(desk, "Vera", "hello")

    async def shown() -> tuple[bool, int]:
        row = await row_of(desk, schema.interaction, contact)
        timers = await rows_of(desk, schema.timer, kind="visitor_idle")
        return row["visitor_online"], len(timers)

    assert await desk.run(pages.opened, visitor, "p1", "nod_1") == contact
    assert await desk.run(pages.opened, visitor, "p1", "nod_1") == contact, "entered again, still one page"
    await desk.run(pages.opened, visitor, "p2", "nod_2")
    await desk.run(pages.closed, "p1")
    assert await shown() == (True, 0)
    await desk.run(pages.opened, visitor, "p3", "nod_1")
    await desk.run(nodes.leave, "nod_2")
    assert await shown() == (True, 0)
    await desk.run(nodes.leave, "nod_1")
    assert await shown() == (False, 1)
    assert await desk.run(pages.closed, "p3") is None, "the node's end was the page's, too"
    await desk.run(pages.opened, visitor, "p4", "nod_3")
    assert await shown() == (True, 0)


async def test_a_chat_without_a_page_is_found_where_a_node_is_alone(desk: CheckedDesk) -> None:
    """After an upgrade, or a crash: only the pages say who is there."""
    await make_agent(desk, "ann")
    away, gone = await open_chat(desk, "Vera", "hello")
    here, still = await open_chat(desk, "Otto", "hello")
    await desk.run(pages.opened, here, "p1", "nod_1")
    await desk.run(nodes.stay_alone, "nod_1")
    assert (await row_of(desk, schema.interaction, gone))["visitor_online"] is False
    assert (await row_of(desk, schema.interaction, still))["visitor_online"] is True
    await desk.run(chats.visitor_online, gone, True)
    await desk.run(pages.look_again, away)
    assert (await row_of(desk, schema.interaction, gone))["visitor_online"] is False


async def test_what_opens_after_its_node_s_farewell_leaves_no_row(desk: CheckedDesk) -> None:
    """A commit may take long, and its node be gone or buried when it comes: nobody would take the row away."""
    ann = await make_agent(desk, "ann")
    visitor, _ = await open_chat(desk, "Vera", "hello")
    arrivals = [sockets.Arrival("late", ann, "session")]
    await desk.run(nodes.beat, "nod_1", "web")
    await desk.run(nodes.open_consoles, "nod_1", arrivals)
    await desk.run(nodes.open_page, visitor, "p1", "nod_1")
    await desk.run(nodes.leave, "nod_1")
    with pytest.raises(Unavailable):
        await desk.run(nodes.open_consoles, "nod_1", arrivals)
    with pytest.raises(Unavailable):
        await desk.run(nodes.open_page, visitor, "p1", "nod_1")
    assert await rows_of(desk, schema.connection, node_id="nod_1") == []
    assert await rows_of(desk, schema.visitor_connection, node_id="nod_1") == []
