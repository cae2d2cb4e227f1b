"""The auditor finds nothing in a desk that worked, and each fault that is planted into its rows."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from channels.contract import CallChanged, CallStarted, CallStatus, DigitsPressed, MessageReceived
from service_desk.actions import admin, agents, calls, chats, messages, offers, tickets, wrap_up
from service_desk.app import read_config_seed
from service_desk.audit import Finding, audit
from service_desk.background.figures import Figures
from service_desk.bus.local import LocalBus
from service_desk.clock import DAY, SystemClock
from service_desk.demo.past import Size
from service_desk.demo.seed import PASSWORDS, seed_demo
from service_desk.desk import Desk
from service_desk.dispatch.host import RoutingHost
from service_desk.lease import SoleLease
from service_desk.storage import schema
from service_desk.storage.store import Store, migrate
from tests.service_desk.people import PHONE, join_both, make_agent, open_chat, row_of, rows_of

SMALL = Size(customers=12, tickets=10, days=20, contacts=40, hotel_contacts=15, night_chats=2)
LONG = 365 * DAY
WAIT_S = 20.0


async def until(true: Callable[[], Any]) -> Any:
    """Wait for a condition, an async function; its value."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + WAIT_S
    while not (value := await true()):
        assert loop.time() < give_up, f"waited {WAIT_S} s for {true}"
        await asyncio.sleep(0.01)
    return value


class Story:
    """A desk with a living router and counters, on which contacts are played."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.ids: dict[str, str] = {}

    async def play(self) -> None:
        """Leave a contact in every state, with a past: declined, abandoned, finished, kept as a ticket."""
        desk = self.desk
        await self._answered_and_ended("ada", "service", "CA1")
        self.ids["active"] = await self._talking("ada", "CA2", "1")
        self.ids["chatting"] = await self._chat("eve")
        self.ids["offered"] = await self._called("CA3", "2")
        await make_agent(desk, "bob", queues=["sales"])
        await self._ringing(self.ids["offered"])
        self.ids["connecting"] = await self._accepted("cyd", "CA4", "3", queue="billing")
        self.ids["wrap_up"] = await self._wrapping("dan", "CA5")
        self.ids["queued"] = await self._called("CA6", "1")
        self.ids["menu"] = await self._called("CA7", None)
        self.ids["abandoned"] = await self._called("CA8", "1")
        await self._hung_up("CA8")
        await until(self._settled)

    async def _called(self, call_id: str, digit: str | None) -> str:
        desk = self.desk
        started = CallStarted(
            call_id, f"+1415555{call_id[2:].rjust(4, '0')}", "+14155550100", f"start-{call_id}"
        )
        await desk.run(calls.start_call, PHONE, started, actor=PHONE)
        if digit is not None:
            await desk.run(
                calls.choose, PHONE, DigitsPressed(call_id, digit, f"digit-{call_id}"), actor=PHONE
            )
        return str((await rows_of(desk, schema.interaction, external_id=call_id))[0]["id"])

    async def _ringing(self, interaction_id: str) -> dict[str, Any]:
        async def pending() -> list[dict[str, Any]]:
            return await rows_of(self.desk, schema.offer, interaction_id=interaction_id, state="pending")

        found: list[dict[str, Any]] = await until(pending)
        return found[0]

    async def _accepted(self, login: str, call_id: str, digit: str, queue: str | None = None) -> str:
        if queue is not None:
            await make_agent(self.desk, login, queues=[queue], capacity={"phone": 1})
        interaction_id = await self._called(call_id, digit)
        offer = await self._ringing(interaction_id)
        await self.desk.run(offers.accept_offer, offer["id"], offer["agent_id"], actor=offer["agent_id"])
        return interaction_id

    async def _talking(self, login: str, call_id: str, digit: str, queue: str | None = None) -> str:
        interaction_id = await self._accepted(login, call_id, digit, queue)
        row = await row_of(self.desk, schema.interaction, interaction_id)
        await join_both(self.desk, interaction_id, row["agent_id"], call_id)
        return interaction_id

    async def _hung_up(self, call_id: str) -> None:
        over = CallChanged(call_id, CallStatus.COMPLETED, f"over-{call_id}")
        await self.desk.run(calls.leg_changed, PHONE, over, actor=PHONE)

    async def _answered_and_ended(self, login: str, queue: str, call_id: str) -> None:
        """Declined by one, taken by another, with a note and a ticket."""
        desk = self.desk
        first = await make_agent(desk, "zoe", queues=[queue], capacity={"phone": 1})
        interaction_id = await self._called(call_id, "1")
        offer = await self._ringing(interaction_id)
        await desk.run(offers.decline_offer, offer["id"], first, "technical", actor=first)
        await desk.run(agents.send_away, first, "training", actor=first)
        agent = await make_agent(desk, login, queues=[queue], capacity={"phone": 1})
        offer = await self._ringing(interaction_id)
        await desk.run(offers.accept_offer, offer["id"], agent, actor=agent)
        await join_both(desk, interaction_id, agent, call_id)
        await desk.run(messages.add_note, interaction_id, agent, "filter was blocked", "n1", actor=agent)
        ticket = await desk.run(_open_ticket, interaction_id, agent, actor=agent)
        await desk.run(tickets.note_ticket, ticket, agent, "call again", "n2", actor=agent)
        await self._hung_up(call_id)
        await desk.run(wrap_up.finish, interaction_id, agent, "ticket", "", actor=agent)
        self.ids |= {"ended": interaction_id, "ticket": ticket, "agent": agent}

    async def _chat(self, login: str) -> str:
        desk = self.desk
        agent = await make_agent(desk, login, queues=["service"], capacity={"web_chat": 2})
        visitor, interaction_id = await open_chat(desk, "Mia", "hello", mailbox="mia@example.org")
        offer = await self._ringing(interaction_id)
        await desk.run(offers.accept_offer, offer["id"], agent, actor=agent)
        row = await row_of(desk, schema.interaction, interaction_id)
        more = MessageReceived(row["external_id"], "m2", visitor, "it stops", "say-m2")
        await desk.run(chats.receive_message, "demo", more, actor="customer")
        await desk.run(messages.say_as_agent, interaction_id, agent, "which one?", "m3", actor=agent)
        return interaction_id

    async def _wrapping(self, login: str, call_id: str) -> str:
        interaction_id = await self._talking(login, call_id, "4", queue="repair")
        await self._hung_up(call_id)
        return interaction_id

    async def _settled(self) -> bool:
        """The router has read everything and the counters too."""
        last = (await rows_of(self.desk, schema.positions))[0]
        cursors = {row["name"]: row["position"] for row in await rows_of(self.desk, schema.cursor)}
        return bool(cursors.get("routing") == last["command"] and cursors.get("figures") == last["event"])


def _open_ticket(tx: Any, interaction_id: str, agent_id: str) -> str:
    row = tickets.open_ticket(
        tx,
        subject="Washer stops",
        description="E18",
        priority="normal",
        queue_id=None,
        customer_id=None,
        interaction_id=interaction_id,
        assignee_id=agent_id,
    )
    return str(row["id"])


async def play_story(url: str) -> dict[str, str]:
    """Play it on the desk at an address; the ids to look at."""
    clock = SystemClock()
    store = Store(url, clock)
    desk = Desk(store, LocalBus(), clock)
    await desk.run(admin.seed, read_config_seed())
    host = RoutingHost(desk, SoleLease("routing", desk, "test"))
    work = [
        asyncio.create_task(host.run()),
        asyncio.create_task(Figures(desk, SoleLease("figures", desk, "test")).run()),
    ]
    story = Story(desk)
    try:
        await story.play()
    finally:
        for task in work:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        store.close()
    return story.ids


def findings(url: str, *, patience: int = LONG) -> list[Finding]:
    store = Store(url, SystemClock())
    try:
        return store.read(audit, patience=patience)
    finally:
        store.close()


async def test_a_desk_that_worked_is_clean(db_url: str) -> None:
    ids = await play_story(db_url)
    assert findings(db_url) == []
    engine = sa.create_engine(db_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = connection.execute(sa.select(schema.interaction.c.state).distinct()).scalars().all()
    engine.dispose()
    states = {"menu", "queued", "offered", "connecting", "active", "wrap_up", "ended"}
    assert set(found) == states, f"the story should show every state, {ids}"


async def test_a_seeded_desk_on_which_work_went_on_is_clean(db_url: str) -> None:
    store = Store(db_url, SystemClock())
    store.run(admin.seed, read_config_seed())
    store.run(seed_demo, 3, dict.fromkeys(PASSWORDS, "!"), SMALL)
    store.close()
    assert findings(db_url) == []
    await play_story(db_url)
    assert findings(db_url) == []


# --- planted faults -----------------------------------------------------------------------------------------


class Scene:
    """A played desk whose rows a test may spoil."""

    def __init__(self, path: Path, ids: dict[str, str]) -> None:
        self.path = path
        self.ids = ids

    def sql(self, statement: str, **values: Any) -> int:
        """Run a statement; {name} stands for an id of the story."""
        with sqlite3.connect(self.path) as connection:
            changed = connection.execute(statement, {**self.ids, **values}).rowcount
        connection.close()
        return changed

    def one(self, statement: str, **values: Any) -> Any:
        with sqlite3.connect(self.path) as connection:
            found = connection.execute(statement, {**self.ids, **values}).fetchone()
        connection.close()
        return found[0]

    def audit(self, *, patience: int = LONG) -> list[Finding]:
        return findings(f"sqlite:///{self.path}", patience=patience)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("story") / "desk.sqlite3"
    migrate(f"sqlite:///{path}")
    ids = asyncio.run(play_story(f"sqlite:///{path}"))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path, ids


@pytest.fixture
def scene(played: tuple[Path, dict[str, str]], tmp_path: Path) -> Scene:
    path, ids = played
    copy = tmp_path / "desk.sqlite3"
    shutil.copyfile(path, copy)
    return Scene(copy, ids)


FAULTS: dict[str, tuple[str, str, str, str]] = {
    # what: (the check that must speak, of whom, words of its finding, the fault as SQL)
    "an interaction's state": (
        "interactions",
        "active",
        "state is queued, the log says active",
        "UPDATE interaction SET state = 'queued' WHERE id = :active",
    ),
    "an interaction's agent": (
        "interactions",
        "chatting",
        "agent_id is",
        "UPDATE interaction SET agent_id = :agent WHERE id = :chatting",
    ),
    "an interaction's queue": (
        "interactions",
        "ended",
        "queue_id is sales",
        "UPDATE interaction SET queue_id = 'sales' WHERE id = :ended",
    ),
    "an end without an instant": (
        "interactions",
        "ended",
        "ended_at None",
        "UPDATE interaction SET ended_at = NULL WHERE id = :ended",
    ),
    "a lost interaction": (
        "interactions",
        "ended",
        "there is no row",
        "DELETE FROM interaction WHERE id = :ended",
    ),
    "an interaction without a history": (
        "history",
        "queued",
        "comes before its start",
        "DELETE FROM event WHERE subject = :queued AND kind = 'interaction.started'",
    ),
    "an illegal move": (
        "history",
        "menu",
        "is menu and cannot become wrap_up",
        (
            "INSERT INTO event SELECT (SELECT max(position) + 1 FROM event), at, 'wrap_up.started', subject, actor,"
            " data FROM event WHERE subject = :menu AND kind = 'interaction.started'"
        ),
    ),
    "a missing segment": (
        "segments",
        "active",
        "has 0 open segments",
        "UPDATE segment SET ended_at = 1 WHERE interaction_id = :active",
    ),
    "a second open segment": (
        "segments",
        "queued",
        "has 2 open segments",
        (
            "INSERT INTO segment SELECT id || 'x', interaction_id, queue_id, agent_id, queued_at, answered_at,"
            " handled_at, ended_at, outcome, target_s, entered, in_target FROM segment"
            " WHERE interaction_id = :queued"
        ),
    ),
    "an open segment of an ended interaction": (
        "segments",
        "ended",
        "neither waits nor is served",
        "UPDATE segment SET ended_at = NULL WHERE interaction_id = :ended",
    ),
    "a segment with somebody else": (
        "segments",
        "chatting",
        "its segment is",
        "UPDATE segment SET agent_id = :agent WHERE interaction_id = :chatting",
    ),
    "an offered interaction that does not ring": (
        "offers",
        "offered",
        "no offer is pending",
        "UPDATE offer SET state = 'expired', closed_at = 1 WHERE interaction_id = :offered",
    ),
    "a caller who has gone": (
        "calls",
        "active",
        "the caller has hung up and it is active",
        "UPDATE call_leg SET ended_at = 1, rank = 4 WHERE interaction_id = :active AND role = 'customer'",
    ),
    "a connection that nobody makes": (
        "calls",
        "connecting",
        "nothing was asked of the carrier",
        "DELETE FROM effect WHERE subject = :connecting",
    ),
    "a customer who is to be called and whom nobody calls": (
        "calls",
        "connecting",
        "nothing was asked of the carrier",
        """UPDATE interaction SET callback_at = 1, hints = '{"callback": {"dialling": true}, "dials": 1}'
        WHERE id = :connecting""",
    ),
    "a callback that the router takes for a call": (
        "dispatch",
        "queued",
        "the rows",
        "UPDATE interaction SET callback_at = 1, hints = '{\"callback\": {}}' WHERE id = :queued",
    ),
    "a connection without a time-out": (
        "calls",
        "connecting",
        "without a time-out",
        "DELETE FROM timer WHERE subject = :connecting",
    ),
    "a missing entry": (
        "numbering",
        "chatting",
        "the interaction says",
        "DELETE FROM message WHERE interaction_id = :chatting AND seq = 2",
    ),
    "an entry's number given twice": (
        "numbering",
        "ended",
        "entries",
        "UPDATE note SET seq = 1 WHERE interaction_id = :ended",
    ),
    "a gap in what the customer saw": (
        "numbering",
        "chatting",
        "messages, the last is number 9",
        "UPDATE message SET message_no = 9 WHERE interaction_id = :chatting AND message_no = 3",
    ),
    "a gap in a ticket's notes": (
        "numbering",
        "ticket",
        "the last is number 7",
        "UPDATE note SET seq = 7 WHERE ticket_id = :ticket",
    ),
    "a ticket's status": (
        "tickets",
        "ticket",
        "status is solved, the log says open",
        "UPDATE ticket SET status = 'solved', closed_at = 1 WHERE id = :ticket",
    ),
    "a ticket that is done at no time": (
        "tickets",
        "ticket",
        "with closed_at None",
        "UPDATE ticket SET status = 'closed' WHERE id = :ticket",
    ),
    "a ticket's number": (
        "tickets",
        "ticket",
        "above the counter",
        "UPDATE ticket SET number = 999999 WHERE id = :ticket",
    ),
    "a ticket's lost link": (
        "tickets",
        "ticket",
        "in the log only",
        "DELETE FROM ticket_interaction WHERE ticket_id = :ticket",
    ),
    "a ticket's invented link": (
        "tickets",
        "ticket",
        "in the rows only",
        "INSERT INTO ticket_interaction VALUES (:ticket, :queued, 1)",
    ),
    "a lost ticket": ("tickets", "ticket", "there is no row", "DELETE FROM ticket WHERE id = :ticket"),
    "an agent's state": (
        "agents",
        "agent",
        "is away (lunch), the log says ready",
        "UPDATE agent SET chosen = 'away', reason = 'lunch' WHERE id = :agent",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, scene: Scene) -> None:
    check, subject, words, statement = FAULTS[fault]
    assert scene.audit() == []
    assert scene.sql(statement) > 0, "the fault must change something"
    found = [each for each in scene.audit() if each.check == check and each.subject == scene.ids[subject]]
    assert [each for each in found if words in each.detail], found


def test_a_customer_who_was_called_back_and_has_gone_is_found(scene: Scene) -> None:
    scene.sql("UPDATE call_leg SET dial = 1 WHERE interaction_id = :active AND role = 'customer'")
    hints = '{"kept": "callback", "dials": 1}'
    scene.sql("UPDATE interaction SET callback_at = 1, hints = :hints WHERE id = :active", hints=hints)
    assert scene.audit() == []
    scene.sql("UPDATE call_leg SET ended_at = 1, rank = 4 WHERE dial = 1")
    assert Finding("calls", scene.ids["active"], "the caller has hung up and it is active") in scene.audit()
    scene.sql("UPDATE call_leg SET dial = NULL WHERE dial = 1")  # the call in which they asked for it
    assert [each for each in scene.audit() if each.check == "calls"] == []


@pytest.mark.parametrize("stream", ["event", "command", "input", "effect"])
def test_a_gap_in_a_stream_is_found(stream: str, scene: Scene) -> None:
    middle = scene.one(f"SELECT max(position) - 1 FROM {stream}")
    scene.sql(f"DELETE FROM {stream} WHERE position = {middle}")
    assert Finding("streams", stream, f"position {middle + 1} follows {middle - 1}") in scene.audit()


@pytest.mark.parametrize("stream", ["event", "command", "input", "effect"])
def test_a_counter_row_that_lags_is_found(stream: str, scene: Scene) -> None:
    scene.sql(f"UPDATE positions SET {stream} = {stream} - 1")
    last = scene.one(f"SELECT max(position) FROM {stream}")
    detail = f"the newest position is {last}, the counter stands at {last - 1}"
    assert Finding("streams", stream, detail) in scene.audit()


def test_offers_of_the_wrong_kind_are_found(scene: Scene) -> None:
    scene.sql("DROP INDEX ix_offer_pending_interaction")
    scene.sql("DROP INDEX ix_offer_pending_agent")
    ringing = scene.one("SELECT id FROM offer WHERE state = 'pending'")
    agent = scene.one("SELECT agent_id FROM offer WHERE state = 'pending'")
    scene.sql(
        "INSERT INTO offer SELECT 'second', :menu, agent_id, state, made_at, deadline, attempt, closed_at, reason,"
        " because, policy_version FROM offer WHERE id = :ringing",
        ringing=ringing,
    )
    scene.sql("UPDATE agent SET active = 0 WHERE id = :ringer", ringer=agent)
    found = [each for each in scene.audit() if each.check == "offers"]
    assert Finding("offers", "second", "it is pending and its interaction is menu") in found
    assert Finding("offers", agent, "2 offers are pending") in found
    assert Finding("offers", ringing, f"it is pending at {agent}, who does not work here") in found


def test_too_much_for_one_agent_is_found(scene: Scene) -> None:
    scene.sql("UPDATE interaction SET agent_id = :agent WHERE id = :connecting")
    (found,) = (each for each in scene.audit() if each.check == "capacity")
    assert found.subject == scene.ids["agent"]
    assert "holds 2 phone with a capacity of {'phone': 1}" in found.detail


def test_a_chat_beside_a_call_is_found(scene: Scene) -> None:
    scene.sql("""UPDATE agent SET capacity = '{"phone": 1, "web_chat": 3}' WHERE id = :agent""")
    assert [each for each in scene.audit() if each.check == "capacity"] == []
    scene.sql("UPDATE interaction SET agent_id = :agent WHERE id = :chatting")
    assert [each.subject for each in scene.audit() if each.check == "capacity"] == [scene.ids["agent"]]


INPUTS = {
    "a call": ("DELETE FROM interaction WHERE id = :queued", "call_started", "there is no interaction CA6"),
    "a chat": (
        (
            "UPDATE visitor SET interaction_id = NULL WHERE interaction_id = :chatting;"
            "DELETE FROM interaction WHERE id = :chatting"
        ),
        "chat_opened",
        "there is no chat",
    ),
    "a key pressed": (
        "UPDATE interaction SET state = 'menu' WHERE id = :queued",
        "digits_pressed",
        "is still in the menu",
    ),
    "a leg's end": (
        "UPDATE call_leg SET rank = 3 WHERE call_id = 'CA8'",
        "call_changed",
        "leg CA8 has rank 3 after a message of rank 4",
    ),
    "a conference": (
        "UPDATE call_leg SET conference_sequence = -1, ended_at = NULL WHERE call_id = 'CA2'",
        "conference_changed",
        "leg CA2 stands at -1 after conference message 1",
    ),
    "a softphone": (
        "DELETE FROM call_leg WHERE call_id = 'CA2-agent'",
        "agent_dialled",
        "there is no leg CA2-agent",
    ),
}


@pytest.mark.parametrize("what", INPUTS)
def test_an_input_without_its_effect_is_found(what: str, scene: Scene) -> None:
    statements, kind, words = INPUTS[what]
    for statement in statements.split(";"):
        assert scene.sql(statement) == 1
    found = [each.detail for each in scene.audit() if each.check == "inputs" and kind in each.detail]
    assert [detail for detail in found if words in detail], found


def test_effects_that_lie_about_are_found(scene: Scene) -> None:
    key = scene.one("SELECT key FROM effect WHERE subject = :connecting")
    scene.sql("UPDATE effect SET due_at = due_at - 90000000 WHERE key = :key", key=key)
    assert [
        each.subject for each in scene.audit(patience=60_000_000) if "ready, overdue by" in each.detail
    ] == [key]
    scene.sql(
        "UPDATE effect SET state = 'unknown', attempts = 2, detail = 'timed out' WHERE key = :key", key=key
    )
    assert Finding("effects", key, "outcome unknown after 2 tries: timed out") in scene.audit()


def test_two_tickets_with_one_number_are_found(scene: Scene) -> None:
    scene.sql("DROP INDEX IF EXISTS uq_ticket_number")
    definition = scene.one("SELECT sql FROM sqlite_master WHERE name = 'ticket'")
    start = definition.index("CONSTRAINT uq_ticket_number")
    loose = definition[:start].rstrip().rstrip(",") + ")"
    scene.sql("ALTER TABLE ticket RENAME TO strict_ticket")
    scene.sql(loose)
    scene.sql("INSERT INTO ticket SELECT * FROM strict_ticket")
    scene.sql("UPDATE ticket SET id = 'tic_other' WHERE id = :ticket")
    scene.sql("INSERT INTO ticket SELECT * FROM strict_ticket")
    number = scene.one("SELECT number FROM ticket WHERE id = :ticket")
    found = scene.audit()
    assert Finding("tickets", "tic_other", f"number {number} is that of {scene.ids['ticket']} too") in found
    assert Finding("tickets", "tic_other", "the log does not know it") in found


@pytest.mark.parametrize("column", ["offered", "answered", "answered_in_target", "abandoned", "wait_us"])
def test_a_figure_that_is_no_recount_is_found(column: str, scene: Scene) -> None:
    assert scene.sql(f"UPDATE interval_count SET {column} = {column} + 1 WHERE queue_id = 'service'") > 0
    assert [each.subject.partition("@")[0] for each in scene.audit() if each.check == "counters"] == [
        "service"
    ]


def test_what_is_not_counted_yet_is_no_finding(scene: Scene) -> None:
    scene.sql("DELETE FROM interval_count")
    assert [each for each in scene.audit() if each.check == "counters"]
    scene.sql("UPDATE cursor SET position = 0 WHERE name = 'figures'")
    assert scene.audit() == []


# --- the router ---------------------------------------------------------------------------------------------


def test_a_step_that_cannot_be_replayed_is_found(scene: Scene) -> None:
    seq = scene.one("SELECT max(seq) FROM dispatch_step WHERE decisions LIKE '%OfferMade%'")
    scene.sql("UPDATE dispatch_step SET decisions = '[]' WHERE seq = :seq", seq=seq)
    (found,) = (each for each in scene.audit() if each.check == "dispatch")
    assert found.subject == f"step {seq}"
    assert "gives OfferMade, recorded are nothing" in found.detail


def test_a_router_that_has_an_item_elsewhere_is_found(scene: Scene) -> None:
    scene.sql("UPDATE interaction SET agent_id = :agent WHERE id = :wrap_up")
    (found,) = (each for each in scene.audit() if each.check == "dispatch")
    assert found.subject == scene.ids["wrap_up"]
    assert f"the rows wrap_up {scene.ids['agent']}" in found.detail


def test_a_router_that_never_heard_of_an_item_is_found(scene: Scene) -> None:
    scene.sql(
        "DELETE FROM dispatch_step WHERE seq = (SELECT max(seq) FROM dispatch_step WHERE command LIKE '%WorkEnded%')"
    )
    found = [each.detail for each in scene.audit() if each.check == "dispatch"]
    assert any(
        each.startswith("the router has it waiting") and each.endswith("the rows nowhere") for each in found
    ), found


def test_an_agent_ready_for_the_router_only_is_found(scene: Scene) -> None:
    scene.sql("UPDATE agent SET chosen = 'away', reason = 'lunch' WHERE id = :agent")
    assert Finding("dispatch", scene.ids["agent"], "ready for the router only") in scene.audit()


def test_a_command_that_the_router_has_not_read_is_no_finding(scene: Scene) -> None:
    """The row ran ahead, as it may: the fact is on its way."""
    scene.sql("UPDATE agent SET chosen = 'away', reason = 'lunch' WHERE id = :agent")
    command = json.dumps({"kind": "AgentAway", "agent": scene.ids["agent"], "reason": "lunch"})
    scene.sql("INSERT INTO command SELECT max(position) + 1, 1, :body FROM command", body=command)
    scene.sql("UPDATE positions SET command = command + 1")
    assert [each for each in scene.audit() if each.check == "dispatch"] == []
