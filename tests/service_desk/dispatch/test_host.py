"""The routing host on real rows: decides, restarts in the middle, hears refusals, and stops when it is fenced."""

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from channels.contract import CallChanged, CallStatus
from routing.decisions import OfferMade
from service_desk.actions import admin, calls
from service_desk.audit import Finding
from service_desk.audit.router import replay
from service_desk.bus.local import LocalBus
from service_desk.clock import ManualClock
from service_desk.desk import SYSTEM, Desk
from service_desk.dispatch.host import RoutingHost, Step, record_steps, write_live
from service_desk.dispatch.restore import rebuild_router
from service_desk.lease import Fenced, SoleLease, take
from service_desk.storage import schema
from service_desk.storage.store import Store
from service_desk.storage.transaction import Tx
from tests.service_desk.dispatch.floor import Floor, floor
from tests.service_desk.people import PHONE, phone, row_of, rows_of
from tests.service_desk.storage.two_nodes import faults

STEPS = 85


async def play(url: str, seed: int, *, restart_every: int | None) -> tuple[list[Any], list[Finding]]:
    """A random day, the same for the same seed as long as the same is decided; (its tale, what the auditor says)."""
    dice = random.Random(seed)
    async with floor(url) as place:
        place.start()
        await place.settle()
        for step in range(STEPS):
            await place.act_at_random(dice)
            if restart_every is not None and step % restart_every == 0:
                await place.stop()
                place.start()
            await place.settle()
            await place.advance(dice.choice((1, 2, 3, 7, 21)))
        return await place.tale(), await faults(place.desk)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_host_that_restarts_all_the_time_decides_as_one_that_lives(
    sqlite_url: str, seed: int, tmp_path: Path
) -> None:
    other = tmp_path / "other.sqlite3"
    shutil.copyfile(sqlite_url.removeprefix("sqlite:///"), other)
    lived, findings = await play(sqlite_url, seed, restart_every=None)
    assert findings == []
    reborn, findings = await play(f"sqlite:///{other}", seed, restart_every=2)
    assert findings == []
    assert len(lived) > 20, "the day was not empty"
    assert reborn == lived


@pytest.mark.postgres
async def test_the_same_day_on_postgres(postgres_url: str) -> None:
    tale, findings = await play(postgres_url, 3, restart_every=5)
    assert findings == []
    assert len(tale) > 20


async def test_recorded_steps_lead_to_the_same_decisions_and_the_same_router(sqlite_url: str) -> None:
    dice = random.Random(7)
    async with floor(sqlite_url) as place:
        place.start()
        await place.settle()
        for _ in range(STEPS // 2):
            await place.act_at_random(dice)
            await place.settle()
            await place.advance(dice.choice((1, 3, 21)))
        assert place.host is not None
        assert place.host.router is not None
        lived = place.host.router.snapshot()
        replayed, findings = await place.desk.read(replay)
        assert findings == []
        assert replayed is not None
        assert replayed.snapshot()["items"] == lived["items"]
        assert replayed.snapshot()["agents"] == lived["agents"]
        rebuilt = await place.desk.read(lambda reader: rebuild_router(reader, reader.now).snapshot())
        assert _places(rebuilt) == _places(lived)
        steps = await rows_of(place.desk, schema.dispatch_step)
        assert [step["seq"] for step in steps] == list(range(1, len(steps) + 1))
        heard = [step["command_position"] for step in steps if step["command_position"] is not None]
        assert heard == sorted(set(heard)), "no command twice, none out of order"
        assert {step["policy_version"] for step in steps} == {1}


def _places(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {row["item"]["id"]: (row["place"], row["owner"]) for row in snapshot["items"]}


class MeddlingDesk(Desk):
    """Something else happens just before a certain decision is recorded."""

    before: Callable[[], Any] | None = None

    async def run(self, action: Callable[..., Any], *args: Any, actor: str = SYSTEM) -> Any:
        if action is record_steps and self.before is not None and _makes_offer(args[0]):
            meddle, self.before = self.before, None
            await meddle()
        return await super().run(action, *args, actor=actor)


def _makes_offer(steps: list[Step]) -> bool:
    return any(isinstance(decision, OfferMade) for step in steps for decision in step.decisions)


async def test_a_refused_decision_reaches_the_router(db_url: str) -> None:
    """The caller hangs up while the offer is on its way to the rows: the agent is free for the next one."""
    async with floor(db_url) as place:
        desk = MeddlingDesk(place.desk.store, place.desk.bus, place.clock)
        place.desk = desk
        for login in ("bob", "cyd", "dan"):
            await place.say(login, "away")
        place.start()
        await place.settle()

        async def caller_leaves() -> None:
            gone = CallChanged("CA1", CallStatus.COMPLETED, "end-1", 9)
            await desk.run(calls.leg_changed, PHONE, gone, actor=PHONE)

        desk.before = caller_leaves
        first = await place.call()
        await place.settle()
        assert (await place.contact(first))["end_reason"] == "customer_hung_up"
        steps = await rows_of(desk, schema.dispatch_step)
        assert "DecisionRefused" in [step["command"]["kind"] for step in steps]
        assert await rows_of(desk, schema.offer) == []
        second = await place.call()
        await place.settle()
        (offer,) = await rows_of(desk, schema.offer, state="pending")
        assert (place.names[offer["interaction_id"]], place.names[offer["agent_id"]]) == (second, "ann")
        assert await faults(desk) == []


async def test_an_agent_who_went_away_meanwhile_is_not_offered_and_the_next_one_is(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        desk = MeddlingDesk(place.desk.store, place.desk.bus, place.clock)
        place.desk = desk
        place.start()
        await place.settle()

        async def chosen_one_leaves() -> None:
            await place.say("ann", "away")

        desk.before = chosen_one_leaves
        await place.call()
        await place.settle()
        (offer,) = await rows_of(desk, schema.offer)
        assert place.names[offer["agent_id"]] == "bob"
        assert await faults(desk) == []


async def test_the_host_starts_again_from_the_rows_after_a_fault(plain: Desk) -> None:
    """An error that nobody foresaw, once: the router in memory is thrown away, nothing is lost."""
    from tests.service_desk.people import make_agent

    desk = MeddlingDesk(plain.store, plain.bus, plain.clock)

    async def breaks() -> None:
        raise ZeroDivisionError

    await make_agent(desk, "ann")
    desk.before = breaks
    host = RoutingHost(desk, SoleLease("routing", desk, "nod_1"))
    running = asyncio.create_task(host.run())
    contact = await phone(desk, "CA1")
    await _until(lambda: _is_offered(desk, contact))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    rebuilt = [s for s in await rows_of(desk, schema.dispatch_step) if s["command"]["kind"] == "rebuilt"]
    assert len(rebuilt) == 2


async def _is_offered(desk: Desk, contact: str) -> bool:
    return bool((await row_of(desk, schema.interaction, contact))["state"] == "offered")


async def _until(true: Callable[[], Any]) -> None:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + 15
    while not await true():
        assert loop.time() < give_up
        await asyncio.sleep(0.01)


async def test_who_lost_the_lease_writes_nothing(db_url: str) -> None:
    async with floor(db_url) as place:
        desk = place.desk
        old = await desk.run(take, "routing", "nod_old")
        now = desk.clock.now()
        contact = await phone(desk, "CA1")
        ringing = await _made(desk, contact, place.names["ann"])
        step = Step(now, None, {"kind": "Tick"}, (ringing,))
        new = await desk.run(take, "routing", "nod_new")
        assert new == old + 1
        for late in (
            desk.run(record_steps, [step], 1, old, 7, actor="router"),
            desk.run(write_live, {"service": (1, now, 1, 0.1, 0.1, {})}, "routing", old),
        ):
            with pytest.raises(Fenced):
                await late
        assert await rows_of(desk, schema.dispatch_step) == []
        assert await rows_of(desk, schema.offer) == []
        assert await rows_of(desk, schema.queue_live) == []
        assert await rows_of(desk, schema.cursor) == []
        assert await desk.run(record_steps, [step], 1, new, 7, actor="router") == []
        assert len(await rows_of(desk, schema.offer)) == 1


async def _made(desk: Desk, contact: str, agent: str) -> OfferMade:
    from routing.model import Offer

    now = desk.clock.now()
    return OfferMade(Offer(f"{contact}.1", contact, agent, now, now + 20_000_000, 1))


@pytest.mark.postgres
async def test_nobody_takes_the_lease_while_a_decision_is_being_written(postgres_url: str) -> None:
    """Checked in the same transaction means: not changed before its end."""
    import threading

    from service_desk.storage.fence import check_fence

    async with floor(postgres_url) as place:
        other = Desk(Store(postgres_url, place.clock), LocalBus(), place.clock)
        fence = await place.desk.run(take, "routing", "nod_1")
        checked, go = threading.Event(), threading.Event()

        def slowly(tx: Tx) -> None:
            check_fence(tx, "routing", fence)
            checked.set()
            assert go.wait(20)
            tx.write(sa.insert(schema.company), {"id": "decided", "name": "decided"})

        writing = asyncio.create_task(asyncio.to_thread(place.desk.store.run, slowly))
        await asyncio.to_thread(checked.wait, 10)
        taking = asyncio.create_task(other.run(take, "routing", "nod_2"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(taking), 0.3)
        go.set()
        await writing
        assert await taking == fence + 1
        other.store.close()


class BlindLease(SoleLease):
    """Believes for ever that it is held; whoever was fenced does not get it back."""

    taken = False

    async def acquire(self) -> int:
        if self.taken:
            await asyncio.get_running_loop().create_future()
        self.taken = True
        return await super().acquire()


async def test_a_fenced_host_steps_back_and_the_new_one_goes_on(db_url: str) -> None:
    """Two hosts that both believe in their lease: the older one's next decision is its last."""
    async with floor(db_url) as place:
        place.start(BlindLease("routing", place.desk, "nod_zombie"))
        await place.settle()
        await place.call()
        await place.settle()
        rival = RoutingHost(place.desk, SoleLease("routing", place.desk, "nod_rival"))
        before = (await rows_of(place.desk, schema.lease))[0]["fence"]
        running = asyncio.create_task(rival.run())
        await _until(lambda: _fence_is_above(place.desk, before))
        for _ in range(2):
            await place.call()
        await _until(lambda: _three_ring(place))
        steps = await rows_of(place.desk, schema.dispatch_step)
        fences = [step["fence"] for step in steps]
        assert fences == sorted(fences), "after the new holder's first step there is none of the old one"
        rows = await rows_of(place.desk, schema.offer)
        assert len({row["interaction_id"] for row in rows}) == len(rows) == 3
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _fence_is_above(desk: Desk, fence: int) -> bool:
    return bool((await rows_of(desk, schema.lease))[0]["fence"] > fence)


async def _three_ring(place: Floor) -> bool:
    return len(await rows_of(place.desk, schema.offer)) == 3


async def _live(desk: Desk) -> dict[str, dict[str, Any]]:
    return {row["queue_id"]: row for row in await rows_of(desk, schema.queue_live)}


async def _waits(desk: Desk, count: int) -> bool:
    return (await _live(desk)).get("service", {}).get("waiting") == count


async def test_the_live_view_is_written_and_changed_rows_only(sqlite_url: str) -> None:
    async with floor(sqlite_url) as place:
        await place.send_home()
        place.start()
        await place.settle()
        await _until(lambda: _waits(place.desk, 0))
        before = await _live(place.desk)
        assert sorted(before) == ["sales", "service"]
        await place.call()
        await place.settle()
        await place.advance(2)
        await _until(lambda: _waits(place.desk, 1))
        after = await _live(place.desk)
        assert after["service"]["oldest_at"] is not None
        assert after["sales"] == before["sales"], "untouched rows are not written again"


def test_restoring_needs_no_host(sqlite_url: str) -> None:
    """An empty desk has a router too, and an unpublished one says what is missing."""
    from service_desk.errors import Unavailable

    store = Store(sqlite_url, ManualClock())
    with pytest.raises(Unavailable, match="No configuration"):
        store.read(lambda reader: rebuild_router(reader, reader.now))
    store.close()


async def test_what_is_counted_is_what_the_rows_say(sqlite_url: str) -> None:
    dice = random.Random(11)
    async with floor(sqlite_url) as place:
        place.start()
        await place.settle()
        for _ in range(STEPS):
            await place.act_at_random(dice)
            await place.settle()
            await place.advance(dice.choice((1, 3, 21)))
        rows = await rows_of(place.desk, schema.offer)
        samples = [sample for metric in place.desk.measures.offers.collect() for sample in metric.samples]
    counted = {s.labels["outcome"]: s.value for s in samples if s.name == "desk_offers_total"}
    states = Counter(row["state"] for row in rows)
    assert states["expired"] > 0
    assert counted["made"] == len(rows) > 10
    assert counted["expired"] == states["expired"]
    assert counted["accepted"] == states["accepted"]


async def test_who_lets_two_in_a_row_ring_is_away_and_a_restart_in_between_forgets_nothing(
    db_url: str,
) -> None:
    async with floor(db_url) as place:
        config = await place.desk.read(lambda reader: reader.config)
        await place.desk.run(admin.publish_config, {**config.model_dump(mode="json"), "bench_after": 2})
        for login in ("bob", "cyd", "dan"):
            await place.say(login, "away")
        place.start()
        await place.settle()
        first = await place.call()
        await place.settle()
        await place.advance(21)
        ann = await row_of(place.desk, schema.agent, place.names["ann"])
        assert (ann["chosen"], (await place.contact(first))["state"]) == ("ready", "queued"), (
            "one is not enough"
        )
        await place.stop()
        place.start()
        await place.settle()
        assert (await place.contact(first))["state"] == "queued", "they are not asked again at once"
        await place.call()
        await place.settle()
        await place.advance(21)
        ann = await row_of(place.desk, schema.agent, place.names["ann"])
        assert (ann["chosen"], ann["reason"]) == ("away", "no_answer")
        assert await faults(place.desk) == []
        await place.say("ann", "ready")
        await place.advance(15)
        (offer,) = await rows_of(place.desk, schema.offer, state="pending")
        assert offer["agent_id"] == place.names["ann"], "by their own word they are back"
