"""The outbox in virtual time: each effect happens once, whatever the provider, the clock or a crash does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from channels.contract import AccountId, OutcomeUnknown, SendFailed
from service_desk.actions import admin, offers, wrap_up
from service_desk.actions.effects import CLAIM, MAYBE_DONE, claim, settle
from service_desk.background.outbox import AT_ONCE, TRIES, Outbox
from service_desk.bus.local import LocalBus
from service_desk.clock import SECOND, ManualClock
from service_desk.desk import Desk
from service_desk.lease import Fenced, SoleLease, take
from service_desk.storage import schema
from service_desk.storage.store import Store
from tests.service_desk.background.carrier import Carrier
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import PHONE, make_agent, offer_to, phone, rows_of

EFFECT = schema.effect


class Scene:
    """A desk in virtual time, a provider and an outbox that can be stopped and started."""

    def __init__(self, desk: Desk, clock: ManualClock) -> None:
        self.desk = desk
        self.clock = clock
        self.carrier = Carrier()
        self._task: asyncio.Task[None] | None = None
        self._people = 0

    def start(self) -> None:
        outbox = Outbox(self.desk, SoleLease("outbox", self.desk, "nod_1"), {AccountId(PHONE): self.carrier})
        self._task = asyncio.create_task(outbox.run())

    async def kill(self) -> None:
        """End the outbox at whatever it waits for; nothing of it goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def accepted(self, call: str) -> tuple[str, str]:
        """A call that somebody took, so that it is to be connected: (interaction, agent)."""
        self._people += 1
        agent = await make_agent(self.desk, f"agent{self._people}")
        contact = await phone(self.desk, call, f"+1415555{self._people:04d}")
        await self.desk.run(offers.accept_offer, await offer_to(self.desk, contact, agent), agent)
        return contact, agent

    async def effects(self) -> list[dict[str, Any]]:
        return await rows_of(self.desk, EFFECT)

    async def until(self, true: Callable[[], Awaitable[Any]], *, passing_s: float = 0) -> Any:
        """Wait for a condition while the desk's clock runs that many seconds per look."""
        give_up = time.monotonic() + 15
        while not (value := await true()):
            assert time.monotonic() < give_up, await self.effects()
            self.clock.advance(round(passing_s * SECOND))
            await asyncio.sleep(0.005)
        return value

    async def settled(self, *, passing_s: float = 0) -> list[str]:
        """Wait until nothing is open; the states."""

        async def all_done() -> bool:
            return all(row["done_at"] is not None for row in await self.effects())

        await self.until(all_done, passing_s=passing_s)
        return [row["state"] for row in await self.effects()]

    async def in_state(self, *states: str) -> bool:
        return [row["state"] for row in await self.effects()] == list(states)


@contextlib.asynccontextmanager
async def scene_on(url: str) -> AsyncIterator[Scene]:
    clock = ManualClock()
    desk = Desk(Store(url, clock), LocalBus(), clock)
    await desk.run(admin.seed, CONFIG)
    made = Scene(desk, clock)
    yield made
    await made.kill()
    desk.store.close()


@pytest.fixture
async def scene(sqlite_url: str) -> AsyncIterator[Scene]:
    """On SQLite, for what does not depend on the database."""
    async with scene_on(sqlite_url) as made:
        yield made


@pytest.fixture
async def scene_on_both(db_url: str) -> AsyncIterator[Scene]:
    """On SQLite and on PostgreSQL."""
    async with scene_on(db_url) as made:
        yield made


async def test_each_is_done_once(scene_on_both: Scene) -> None:
    scene = scene_on_both
    scene.start()
    contact, agent = await scene.accepted("CA1")
    assert await scene.settled() == ["confirmed"]
    await scene.desk.run(wrap_up.end_contact, contact, agent)
    assert await scene.settled() == ["confirmed", "confirmed"]
    assert scene.carrier.done == [("connect", "CA1"), ("hang_up", "CA1")]
    assert scene.carrier.asked == 0, "what went well is not asked about"


async def test_an_answer_that_got_lost_is_found_out_by_reading_back(scene_on_both: Scene) -> None:
    """500 after it was done: unknown, and everybody can see it; then confirmed without doing it twice."""
    scene = scene_on_both
    scene.carrier.after["connect"] = [OutcomeUnknown("the provider answered 500")]
    scene.start()
    await scene.accepted("CA1")
    await scene.until(lambda: scene.in_state("unknown"))
    (row,) = await scene.effects()
    assert (row["detail"], row["done_at"]) == ("the provider answered 500", None)
    assert await scene.settled(passing_s=0.5) == ["confirmed"]
    assert (await scene.effects())[0]["detail"] == "found done by read-back"
    assert scene.carrier.done == [("connect", "CA1")]


async def test_an_unknown_one_that_was_not_done_is_done(scene: Scene) -> None:
    scene.carrier.before["connect"] = [OutcomeUnknown("no answer from the provider")]
    scene.start()
    await scene.accepted("CA1")
    assert await scene.settled(passing_s=0.5) == ["confirmed"]
    assert scene.carrier.done == [("connect", "CA1")]
    assert scene.carrier.asked == 1
    assert scene.carrier.said_first == [True, False], (
        "what may have been done is looked for before it is done again"
    )


async def test_unknown_stays_unknown_while_it_cannot_be_read_back(scene: Scene) -> None:
    scene.carrier.after["connect"] = [OutcomeUnknown("the provider answered 500")]
    scene.carrier.before["look_up"] = [SendFailed("the provider asks for patience (429)", 1.0)]
    scene.start()
    await scene.accepted("CA1")
    seen: set[str] = set()

    async def asked_twice() -> bool:
        seen.update(row["state"] for row in await scene.effects() if row["attempts"] >= 2)
        return scene.carrier.asked >= 2

    await scene.until(asked_twice, passing_s=0.1)
    assert seen <= {"unknown", "sent", "confirmed"}, "not `ready`: that would say that nothing was tried"
    assert await scene.settled(passing_s=0.5) == ["confirmed"]
    assert scene.carrier.done == [("connect", "CA1")]


async def test_too_many_requests_waits_and_goes_through(scene: Scene) -> None:
    scene.carrier.before["connect"] = [SendFailed("429", 1.0)] * 3
    scene.start()
    await scene.accepted("CA1")
    started = scene.clock.now()
    assert await scene.settled(passing_s=0.25) == ["confirmed"]
    assert scene.clock.now() - started >= 3 * SECOND, "each try waits longer than the one before"
    assert scene.carrier.done == [("connect", "CA1")]


async def test_what_the_provider_refuses_for_good_fails_at_once(scene: Scene) -> None:
    scene.carrier.before["connect"] = [SendFailed("the provider refused with 400, code 21220")]
    scene.carrier.over.add("CA1")
    scene.start()
    contact, _ = await scene.accepted("CA1")
    assert (await scene.settled())[0] == "failed"

    async def over() -> bool:
        rows = await rows_of(scene.desk, schema.interaction, id=contact)
        return bool(rows[0]["state"] == "wrap_up")

    await scene.until(over)  # asked why: the leg is gone, and its end had been missed


async def test_tries_come_to_an_end(scene: Scene) -> None:
    scene.carrier.before["connect"] = [OutcomeUnknown("no answer")] * 20
    scene.start()
    await scene.accepted("CA1")
    assert await scene.settled(passing_s=5) == ["failed"]
    assert (await scene.effects())[0]["attempts"] == TRIES


async def test_a_fault_of_ours_harms_no_other(scene: Scene) -> None:
    scene.carrier.before["connect"] = [ZeroDivisionError()]
    scene.start()
    await scene.accepted("CA1")
    await scene.until(lambda: scene.in_state("unknown"))
    await scene.accepted("CA2")
    await scene.until(lambda: scene.in_state("unknown", "confirmed"))
    assert await scene.settled(passing_s=0.5) == ["confirmed", "confirmed"]
    assert sorted(scene.carrier.done) == [("connect", "CA1"), ("connect", "CA2")]


async def test_a_slow_leg_holds_up_nobody_else(scene: Scene) -> None:
    stuck = asyncio.Event()
    scene.carrier.before["connect"] = [stuck]
    scene.start()
    await scene.accepted("CA1")
    await scene.until(lambda: scene.in_state("sent"))
    for number in range(2, 5):
        contact, agent = await scene.accepted(f"CA{number}")
        await scene.desk.run(wrap_up.end_contact, contact, agent)

    async def others_done() -> bool:
        return len(scene.carrier.done) >= 3 and all(row["done_at"] for row in (await scene.effects())[1:])

    await scene.until(others_done)
    assert (await scene.effects())[0]["state"] == "sent"
    stuck.set()
    states = await scene.settled()
    assert states[0] == "confirmed"
    assert ("connect", "CA1") in scene.carrier.done


async def test_many_slow_legs_are_bounded(scene: Scene) -> None:
    stuck = asyncio.Event()
    scene.carrier.before["hang_up"] = [stuck] * (AT_ONCE + 10)
    await scene.desk.run(_many_hang_ups, AT_ONCE + 10)
    scene.start()

    async def full() -> bool:
        return [row["state"] for row in await scene.effects()].count("sent") == AT_ONCE

    await scene.until(full)
    stuck.set()
    assert set(await scene.settled()) == {"confirmed"}
    assert len(scene.carrier.done) == AT_ONCE + 10


def _many_hang_ups(tx: Any, count: int) -> None:
    from service_desk.domain.effects import HangUpCall

    for number in range(count):
        tx.later(HangUpCall(PHONE, f"int_{number}", f"CA{number}"))


async def test_what_may_have_been_done_before_it_was_dropped_says_so(scene: Scene) -> None:
    """The process died behind the request, and when its claim ran out nobody wanted it any more."""
    contact, agent = await scene.accepted("CA1")
    (row,) = await scene.effects()
    fence = await scene.desk.run(take, "outbox", "nod_dead")
    assert await scene.desk.run(claim, row["position"], "outbox", fence)
    await scene.desk.run(wrap_up.end_contact, contact, agent, actor=agent)
    assert not await scene.desk.run(claim, row["position"], "outbox", fence)
    dropped = (await scene.effects())[0]
    assert (dropped["state"], dropped["detail"]) == ("dropped", MAYBE_DONE)


async def test_what_is_no_longer_wanted_is_dropped(scene: Scene) -> None:
    """The agent ended the call before it was connected: hang up, and do not connect any more."""
    contact, agent = await scene.accepted("CA1")
    await scene.desk.run(wrap_up.end_contact, contact, agent)
    scene.start()
    assert await scene.settled() == ["dropped", "confirmed"]
    assert scene.carrier.done == [("hang_up", "CA1")]


@pytest.mark.parametrize("was_done", [True, False])
async def test_who_died_after_the_claim_is_followed_by_one_who_asks_first(
    scene: Scene, was_done: bool
) -> None:
    contact, _ = await scene.accepted("CA1")
    fence = await scene.desk.run(take, "outbox", "nod_dead")
    (row,) = await scene.effects()
    assert await scene.desk.run(claim, row["position"], "outbox", fence)
    if was_done:
        await scene.carrier.connect("CA1", contact)
    scene.start()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(scene.settled(), 0.2)  # the claim still counts
    scene.clock.advance(CLAIM)
    assert await scene.settled() == ["confirmed"]
    assert scene.carrier.done == [("connect", "CA1")]
    assert scene.carrier.asked == 1


async def test_an_outbox_that_ends_lets_its_requests_come_to_an_end(scene: Scene) -> None:
    slow = asyncio.Event()
    scene.carrier.before["connect"] = [slow]
    scene.start()
    await scene.accepted("CA1")
    await scene.until(lambda: scene.in_state("sent"))
    ending = asyncio.create_task(scene.kill())
    await asyncio.sleep(0)
    slow.set()
    await asyncio.wait_for(ending, 5)
    assert await scene.in_state("confirmed")


async def test_without_the_lease_nothing_is_claimed(scene: Scene) -> None:
    await scene.accepted("CA1")
    old = await scene.desk.run(take, "outbox", "nod_old")
    await scene.desk.run(take, "outbox", "nod_new")
    (row,) = await scene.effects()
    with pytest.raises(Fenced):
        await scene.desk.run(claim, row["position"], "outbox", old)
    assert await scene.in_state("ready")


async def test_an_outcome_that_comes_too_late_changes_nothing(scene_on_both: Scene) -> None:
    """A zombie settles what another has settled meanwhile: it must not be opened again."""
    scene = scene_on_both
    await scene.accepted("CA1")
    fence = await scene.desk.run(take, "outbox", "nod_1")
    (row,) = await scene.effects()
    at = row["position"]
    assert await scene.desk.run(claim, at, "outbox", fence)
    scene.clock.advance(CLAIM)
    assert await scene.desk.run(claim, at, "outbox", fence)
    assert not await scene.desk.run(settle, at, 1, "ready", "late", scene.clock.now())
    assert await scene.desk.run(settle, at, 2, "confirmed", None, scene.clock.now())
    assert not await scene.desk.run(settle, at, 2, "ready", "later still", scene.clock.now())
    (row,) = await scene.effects()
    assert (row["state"], row["detail"], row["done_at"] is not None) == ("confirmed", None, True)


async def test_an_account_that_is_gone_is_a_failure_in_words(scene: Scene) -> None:
    await scene.desk.run(_many_hang_ups, 1)
    outbox = Outbox(scene.desk, SoleLease("outbox", scene.desk, "nod_1"), {})
    running = asyncio.create_task(outbox.run())
    assert await scene.settled() == ["failed"]
    assert (await scene.effects())[0]["detail"] == "no phone account phone-main"
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
