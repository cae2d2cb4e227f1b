"""Turns at a carrier: one after the other, in their pace, and none is lost to a call that does not leave."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from channels.phone.settings import PhoneSettings
from service_desk.actions import wrap_up
from service_desk.background import dialling
from service_desk.background.due import Due, Outcome, Room, due_effects
from service_desk.background.outbox import PACE_S, _in_lines
from service_desk.background.pacing import Turn, Turns
from service_desk.clock import SECOND, Micros
from service_desk.domain.callback import TURN_WITHIN
from service_desk.domain.effects import DialCustomer, HangUpCall
from service_desk.storage import schema
from tests.service_desk.background.test_dialling import called, is_put_off, state_is, the_dial
from tests.service_desk.background.test_outbox import Scene, scene, scene_on_both
from tests.service_desk.people import row_of, rows_of

__all__ = ["scene", "scene_on_both"]


def turns_of(per_second: float) -> Turns:
    return Turns({"slow": per_second}, now=0, moved=lambda: None)


def take(turns: Turns, at: Micros, *, wanted_since: Micros | None = None) -> Turn:
    """The turn that has come."""
    turn = turns.take("slow", at if wanted_since is None else wanted_since, at)
    assert turn is not None
    return turn


def use(turns: Turns, at: Micros, *, wanted_since: Micros | None = None) -> None:
    """Begin one, in the moment in which its turn is taken."""
    with take(turns, at, wanted_since=wanted_since) as turn:
        turn.use(at)


def test_turns_are_spaced_and_a_clock_that_steps_back_holds_up_nobody() -> None:
    turns = Turns({"slow": 0.5, "free": 0.0}, now=0, moved=lambda: None)
    assert turns.closed(0) == {"slow"}, "who did it before may have begun one in that moment"
    assert turns.next_at(0) == 2 * SECOND
    for account in ("free", "free", "unheard of"):
        assert turns.take(account, 0, 0) is not None
    assert turns.take("slow", 0, 2 * SECOND - 1) is None
    use(turns, 2 * SECOND)
    assert turns.take("slow", 0, 4 * SECOND - 1) is None
    use(turns, 100 * SECOND)
    assert turns.closed(50 * SECOND) == {"slow"}
    assert turns.next_at(50 * SECOND) == 52 * SECOND
    use(turns, 52 * SECOND)


def test_a_turn_that_was_not_used_is_given_back_and_the_next_needs_not_wait() -> None:
    turns = turns_of(1)
    with take(turns, SECOND):
        assert turns.closed(SECOND) == {"slow"}, "it is out"
    assert turns.closed(SECOND) == set()
    use(turns, SECOND)
    assert turns.next_at(SECOND) == 2 * SECOND


def test_a_fault_gives_it_back_as_well() -> None:
    turns = turns_of(1)
    with pytest.raises(ZeroDivisionError), take(turns, SECOND):
        raise ZeroDivisionError
    assert turns.closed(SECOND) == set()


def test_no_two_begin_within_one_space_however_late_a_turn_is_used_or_given_back() -> None:
    """While it is out nobody knows whether something will begin: so there is no other, also not after a space."""
    turns = turns_of(1)
    slow = take(turns, SECOND)
    assert turns.take("slow", SECOND, 3 * SECOND) is None
    assert turns.next_at(3 * SECOND) is None, "time alone brings none"
    with slow:
        slow.use(3 * SECOND)
        use(turns, 3 * SECOND)  # the one that the delay has cost
        assert turns.next_at(3 * SECOND) == 4 * SECOND
        held = take(turns, 4 * SECOND)
    assert turns.take("slow", 0, 4 * SECOND) is None, "who ends later gives nothing back that is another's"
    with held:
        held.use(4 * SECOND)
    assert turns.take("slow", 0, 5 * SECOND - 1) is None


def test_the_pace_is_kept_when_each_begins_late_and_never_runs_ahead() -> None:
    """At ten a second, each a fraction of a space late: as many leave as have turns, and none before its own."""
    turns = turns_of(10)
    space, late = SECOND // 10, 30_000
    for nth in range(1, 101):
        at = turns.next_at(0)
        assert at == nth * space
        use(turns, at + late, wanted_since=0)


def test_what_an_idle_account_has_not_used_is_not_made_up_for() -> None:
    turns = turns_of(10)
    use(turns, 60 * SECOND)
    assert turns.next_at(60 * SECOND) == 60 * SECOND + SECOND // 10


def test_however_long_it_stood_one_at_most_is_made_up_for() -> None:
    turns = turns_of(10)
    at = 60 * SECOND
    use(turns, at, wanted_since=0)
    use(turns, at, wanted_since=0)
    assert turns.closed(at) == {"slow"}
    assert turns.next_at(at) == at + SECOND // 10


def test_who_waits_is_told_when_the_next_turn_is_known() -> None:
    told: list[int] = []
    turns = Turns({"slow": 1.0}, 0, lambda: told.append(1))
    use(turns, SECOND)
    assert told == [1]


def test_as_many_a_second_as_may_be_set_can_begin() -> None:
    """Each begins in a pass of its own, and between two of them the outbox looks once more at least."""
    most = PhoneSettings.model_json_schema()["properties"]["calls_per_second"]["maximum"]
    assert 1 / most >= 2 * PACE_S


def test_a_call_behind_another_step_of_its_line_holds_no_turn() -> None:
    """The step before may take seconds: meanwhile the turn is the next one's."""
    hang_up = Due(1, "int_1", "slow", "ready", 0, HangUpCall("slow", "int_1", "CA1"), due_at=0)
    behind = Due(2, "int_1", "slow", "ready", 0, DialCustomer("slow", "int_1", 1), due_at=0)
    other = Due(3, "int_2", "slow", "ready", 0, DialCustomer("slow", "int_2", 1), due_at=0)
    lines = _in_lines([hang_up, behind, other], turns_of(1), SECOND)
    begun = {line: [(step.item, step.turn is None) for step in steps] for line, steps in lines.items()}
    assert begun == {("call", "int_1"): [(hang_up, True)], ("call", "int_2"): [(other, False)]}
    looked_for = replace(behind, unsure=True)
    lines = _in_lines([hang_up, looked_for], turns_of(1), SECOND)
    assert [step.item for step in lines["call", "int_1"]] == [hang_up, looked_for], "that takes no turn"


async def test_calls_that_are_too_late_cost_no_turns(scene_on_both: Scene) -> None:
    """Their minute was over before anything could leave: whoever comes after them is called in the first turn."""
    scene = scene_on_both
    scene.carrier.calls_per_second = 0.1
    late = [await called(scene, f"+1415555010{number}") for number in range(3)]
    scene.clock.advance(TURN_WITHIN + SECOND)
    fresh = await called(scene, "+14155550109")
    await first_turn(scene)
    await scene.until(lambda: state_is(scene, "confirmed", of=fresh))
    assert [call.dial for call in scene.carrier.dialled] == [f"{fresh}.1"]
    for contact in late:
        await is_put_off(scene, contact)


async def test_calls_that_nobody_wants_any_more_cost_no_turns(scene: Scene) -> None:
    scene.carrier.calls_per_second = 0.1
    unwanted = [await called(scene, f"+1415555010{number}") for number in range(3)]
    for contact in unwanted:
        agent = (await row_of(scene.desk, schema.interaction, contact))["agent_id"]
        await scene.desk.run(wrap_up.end_contact, contact, agent)
    wanted = await called(scene, "+14155550109")
    next_one = await called(scene, "+14155550110")
    began = scene.clock.now()
    await first_turn(scene)
    await scene.until(lambda: state_is(scene, "confirmed", of=wanted))
    await has_looked(scene)
    assert [call.dial for call in scene.carrier.dialled] == [f"{wanted}.1"], "one at a time all the same"
    assert scene.clock.now() == began + 10 * SECOND
    scene.clock.advance(10 * SECOND)
    await scene.until(lambda: state_is(scene, "confirmed", of=next_one))


async def test_a_request_that_leaves_late_and_hangs_costs_only_its_own_turn(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outbox looks while the turn is out, and then has to hear that the next one comes."""
    late, perform = asyncio.Event(), dialling.perform

    async def perform_late(*args: Any) -> Outcome:
        await late.wait()
        return await perform(*args)

    monkeypatch.setattr(dialling, "perform", perform_late)
    scene.carrier.calls_per_second = 0.1
    stuck = asyncio.Event()
    scene.carrier.before["dial"] = [stuck]
    hangs = await called(scene, "+14155550108")
    other = await called(scene, "+14155550109")
    await first_turn(scene)
    await scene.until(lambda: state_is(scene, "sent", of=hangs))
    await has_looked(scene)
    late.set()
    await scene.until(lambda: has_left(scene, hangs))
    scene.clock.advance(10 * SECOND)
    await scene.until(lambda: state_is(scene, "confirmed", of=other))
    assert await state_is(scene, "sent", of=hangs)
    stuck.set()


async def test_calls_that_take_turns_leave_the_places_to_what_takes_none(scene_on_both: Scene) -> None:
    """However many of them are due, also while the carrier's turn is free."""
    scene = scene_on_both
    first = await called(scene, "+14155550100")
    second = await called(scene, "+14155550101")
    contact, _ = await scene.accepted("CA-later")
    due, _ = await scene.desk.read(due_effects, Room(calls=2))
    assert [item.subject for item in due] == [first, contact]
    due, _ = await scene.desk.read(due_effects, Room(calls=3))
    assert [item.subject for item in due] == [first, second, contact], "in their order"


async def first_turn(scene: Scene) -> None:
    """Start the outbox, and let the first turn come: the only one, for the clock stands still then."""
    scene.start()
    await has_looked(scene)
    assert scene.carrier.dialled == []
    scene.clock.advance(10 * SECOND)


async def has_looked(scene: Scene) -> None:
    """Wait until the outbox has looked at all that is due now: it has connected a call that came last."""
    contact, _ = await scene.accepted(f"CA-last-{len(scene.carrier.done)}")
    await scene.until(lambda: is_connected(scene, contact))


async def is_connected(scene: Scene, contact: str) -> bool:
    (effect,) = await rows_of(scene.desk, schema.effect, kind="connect_call", subject=contact)
    return bool(effect["state"] == "confirmed")


async def has_left(scene: Scene, contact: str) -> bool:
    return bool((await the_dial(scene, contact))["unsure"])
