"""Retention: what is old goes, in batches, and nothing that somebody still needs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from channels.contract import AccountId, CallChanged, CallStarted, CallStatus, HangUp
from service_desk.actions import admin, calls, chats
from service_desk.actions.retention import purge_inputs
from service_desk.audit import audit
from service_desk.background import retention
from service_desk.background.figures import fold
from service_desk.background.retention import Retention, ages
from service_desk.bus.local import LocalBus
from service_desk.clock import DAY, HOUR, MINUTE, ManualClock
from service_desk.desk import Desk
from service_desk.domain.views import FrameView, SnapshotView
from service_desk.ids import new_id
from service_desk.intake import Intake
from service_desk.lease import Fenced, SoleLease, take
from service_desk.queries.catch_up import catch_up
from service_desk.queries.live import events_after, head
from service_desk.queries.wallboard import recount_log
from service_desk.settings import BadSettings, load_settings
from service_desk.storage import schema
from service_desk.storage.store import Store
from service_desk.storage.transaction import Tx
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import PHONE, make_agent, open_chat, phone, rows_of

Scene = tuple[Desk, ManualClock]


@pytest.fixture
async def scene(db_url: str) -> AsyncIterator[Scene]:
    clock = ManualClock()
    made = Desk(Store(db_url, clock), LocalBus(), clock)
    await made.run(admin.seed, CONFIG)
    yield made, clock
    made.store.close()


async def tidy(desk: Desk, clock: ManualClock) -> None:
    """One round, with the clock moved on wherever the job rests."""
    job = Retention(desk, SoleLease("retention", desk, "nod_1"), ages(load_settings()))
    fence = await desk.run(take, "retention", "nod_1")
    round_ = asyncio.ensure_future(job.tidy(fence))
    while not round_.done():
        if clock._sleepers:
            clock.advance(retention.REST)
        await asyncio.sleep(0)
    await round_


async def follow(desk: Desk) -> int:
    """Fold the log into the figures to its end, as their follower does."""
    fence = await desk.run(take, "figures", "nod_1")
    while events := await desk.read(events_after, await desk.read(_folded), 1_000):
        await desk.run(fold, events, "figures", fence)
    return await desk.read(head)


def _folded(reader: Any) -> int:
    table = schema.cursor
    return int(reader.scalar(sa.select(table.c.position).where(table.c.name == "figures")) or 0)


async def positions(desk: Desk, table: sa.Table) -> list[int]:
    return [row["position"] for row in await rows_of(desk, table)]


async def count(desk: Desk, table: sa.Table) -> int:
    return len(await rows_of(desk, table))


# --- the log --------------------------------------------------------------------------------------------------


async def test_the_log_moves_behind_its_slowest_follower_and_stays_whole(scene: Scene) -> None:
    desk, clock = scene
    await phone(desk, "CA1")
    read_to = await follow(desk)
    await phone(desk, "CA2", "+14155550101")
    clock.advance(2 * DAY)
    before = await rows_of(desk, schema.event)
    counted = await desk.read(recount_log)
    await tidy(desk, clock)
    archived = await rows_of(desk, schema.event_archive)
    assert [row["position"] for row in archived] == list(range(1, read_to + 1))
    assert archived + await rows_of(desk, schema.event) == before, "not a line is lost or changed"
    assert await desk.read(recount_log) == counted
    await follow(desk)
    await tidy(desk, clock)
    assert await count(desk, schema.event) == 0
    assert [f for f in await desk.read(audit) if f.check != "dispatch"] == []


async def test_another_followers_cursor_holds_the_log_back_and_a_command_cursor_does_not(
    scene: Scene,
) -> None:
    desk, clock = scene
    await phone(desk, "CA1")
    end = await follow(desk)
    await desk.run(lambda tx: tx.set_cursor("search", 1))
    await desk.run(lambda tx: tx.set_cursor("routing", 0))
    clock.advance(2 * DAY)
    await tidy(desk, clock)
    assert await positions(desk, schema.event_archive) == [1]
    await desk.run(lambda tx: tx.set_cursor("search", end))
    await tidy(desk, clock)
    assert await count(desk, schema.event) == 0


async def test_a_log_that_nobody_has_read_or_that_is_young_stays(scene: Scene) -> None:
    desk, clock = scene
    await phone(desk, "CA1")
    lines = await count(desk, schema.event)
    clock.advance(2 * DAY)
    await tidy(desk, clock)
    assert await count(desk, schema.event) == lines, "no follower has read it"
    await follow(desk)
    await phone(desk, "CA2", "+14155550101")
    await follow(desk)
    clock.advance(23 * HOUR)
    await tidy(desk, clock)
    assert (await positions(desk, schema.event))[0] == lines + 1, "what is of the last 24 hours stays"


async def test_a_console_that_slept_through_the_archiving_is_told_to_start_anew(scene: Scene) -> None:
    desk, clock = scene
    ann = await make_agent(desk, "ann")
    seen = await desk.read(head)
    await phone(desk, "CA1")

    async def told(after: int) -> FrameView | SnapshotView:
        return (await desk.read(catch_up, {"sid": (ann, after)}, 500))["sid"]

    assert isinstance(await told(seen), FrameView)
    await follow(desk)
    clock.advance(2 * DAY)
    await tidy(desk, clock)
    assert isinstance(await told(seen), SnapshotView), "an empty answer would hide what it missed"
    assert isinstance(await told(await desk.read(head)), FrameView)


# --- the rest -------------------------------------------------------------------------------------------------


async def test_raw_inputs_go_after_thirty_days_in_batches(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, clock = scene
    monkeypatch.setattr(retention, "BATCH", 3)
    for number in range(8):
        await phone(desk, f"CA{number}", f"+1415555010{number}")
    clock.advance(20 * DAY)
    await phone(desk, "CA8", "+14155550108")
    clock.advance(9 * DAY)
    await tidy(desk, clock)
    assert await count(desk, schema.input_) == 9
    clock.advance(2 * DAY)
    await tidy(desk, clock)
    assert [row["key"] for row in await rows_of(desk, schema.input_)] == ["start-CA8"]
    assert await count(desk, schema.interaction) == 9


async def test_a_call_said_again_after_its_input_was_forgotten_changes_nothing(scene: Scene) -> None:
    desk, clock = scene
    await phone(desk, "CA1")
    over = CallChanged("CA1", CallStatus.COMPLETED, "status-CA1", 3)
    await desk.run(calls.leg_changed, PHONE, over, actor=PHONE)
    clock.advance(31 * DAY)
    await tidy(desk, clock)
    assert await count(desk, schema.input_) == 0
    events = await desk.read(head)
    again = CallStarted("CA1", "+14155550100", "+15005550006", "start-CA1")
    intake = Intake(desk)
    assert await intake.receive(AccountId(PHONE), again) == HangUp()
    await intake.receive(AccountId(PHONE), over)
    assert await desk.read(head) == events
    assert await count(desk, schema.interaction) == 1


async def test_sessions_go_a_month_after_their_end(scene: Scene) -> None:
    desk, clock = scene
    ann = await make_agent(desk, "ann")
    now = clock.now()
    for name, expires_at in (("old", now + HOUR), ("revoked", now + 90 * DAY), ("valid", now + 90 * DAY)):
        await desk.run(admin.open_session, ann, name, "csrf", expires_at)
    await desk.run(admin.revoke_session, "revoked", "signed_out")
    clock.advance(29 * DAY)
    await tidy(desk, clock)
    assert await count(desk, schema.session) == 3
    clock.advance(2 * DAY)
    await tidy(desk, clock)
    assert [row["fingerprint"] for row in await rows_of(desk, schema.session)] == ["valid"]


async def test_visitors_go_when_they_stay_away_but_not_from_a_running_chat(scene: Scene) -> None:
    desk, clock = scene
    await make_agent(desk, "ann")
    talking, _ = await open_chat(desk, "Tom", "hello")
    gone = await desk.run(chats.meet_visitor, "demo", None, "print-gone")
    back = await desk.run(chats.meet_visitor, "demo", None, "print-back")
    clock.advance(60 * DAY)
    assert (await desk.run(chats.meet_visitor, "demo", "print-back", "unused"))["id"] == back["id"]
    clock.advance(31 * DAY)
    await tidy(desk, clock)
    left = {row["id"] for row in await rows_of(desk, schema.visitor)}
    assert left == {talking, back["id"]}
    assert gone["id"] not in left


async def test_a_holder_whose_lease_went_takes_nothing(scene: Scene) -> None:
    desk, clock = scene
    await phone(desk, "CA1")
    old = await desk.run(take, "retention", "nod_1")
    await desk.run(take, "retention", "nod_2")
    clock.advance(40 * DAY)
    with pytest.raises(Fenced):
        await desk.run(retention.batch, purge_inputs, 30 * DAY, "retention", old)
    assert await count(desk, schema.input_) == 1


async def test_it_runs_a_minute_after_the_start_and_then_each_hour(scene: Scene) -> None:
    desk, clock = scene

    def keep(tx: Tx) -> None:
        row = {"principal": "ada", "key": new_id("key", tx.now), "request_hash": "h", "status": 204}
        tx.add(schema.idempotency, {**row, "body": "", "at": tx.now - 4 * DAY})

    async def forgotten() -> None:
        while await count(desk, schema.idempotency):
            await asyncio.sleep(0)

    job = Retention(desk, SoleLease("retention", desk, "nod_1"), ages(load_settings()))
    await desk.run(keep)
    task = asyncio.create_task(job.run())
    async with asyncio.timeout(20):
        for step in (MINUTE, HOUR):
            while not clock._sleepers:
                await asyncio.sleep(0)
            assert await count(desk, schema.idempotency) == 1
            clock.advance(step)
            await forgotten()
            await desk.run(keep)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_ages_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(BadSettings, match="absent_visitors_d"):
        load_settings(retention={"raw_inputs_d": 30, "absent_visitors_d": 10})
    with pytest.raises(BadSettings, match="log_h"):
        load_settings(retention={"log_h": 1})
