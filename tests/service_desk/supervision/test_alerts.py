"""Alerts: no flapping whatever the figure does; configured, stored, cleared, acknowledged, told to supervisors."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service_desk.actions import admin, alerts
from service_desk.background.figures import Figures
from service_desk.background.watch import AlertWatch
from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.domain.alerts import Readings, Watch, is_beyond, is_calm, look, value_of
from service_desk.domain.config import AlertRule, DeskConfig
from service_desk.domain.recount import Count
from service_desk.domain.views import AlertView, BoardView, QueueBoardView
from service_desk.errors import NotFound, StaleVersion
from service_desk.lease import SoleLease
from service_desk.queries.alerts import alerts_page, open_alerts
from service_desk.queries.wallboard import board_view
from service_desk.storage import schema
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import make_agent, phone, rows_of

RULE = {
    "id": "waiting-high",
    "name": "Too many wait",
    "figure": "waiting",
    "raise_at": 2,
    "clear_at": 1,
    "raise_s": 0,
    "clear_s": 0,
}


def rule(**more: Any) -> AlertRule:
    return AlertRule.model_validate({**RULE, **more})


# --- hysteresis -----------------------------------------------------------------------------------------------

FIGURES = st.sampled_from(["waiting", "longest_wait_s", "abandoned_pct", "service_level_pct", "agents_ready"])


@st.composite
def rules(draw: st.DrawFn) -> AlertRule:
    figure = draw(FIGURES)
    low, high = sorted(draw(st.lists(st.integers(0, 20), min_size=2, max_size=2, unique=True)))
    bad_when_low = figure in ("service_level_pct", "agents_ready")
    return rule(
        figure=figure,
        raise_at=low if bad_when_low else high,
        clear_at=high if bad_when_low else low,
        raise_s=draw(st.integers(0, 20)),
        clear_s=draw(st.integers(0, 20)),
    )


VALUES = st.lists(st.tuples(st.integers(-3, 15), st.none() | st.integers(0, 20)), max_size=120)
"""(seconds since the look before, the figure): now and then the clock steps back or nothing can be measured."""


@given(rules(), VALUES)
def test_a_change_needs_its_side_for_its_time_without_interruption(
    rule: AlertRule, values: list[tuple[int, int | None]]
) -> None:
    watch, now = Watch(), 1_000 * SECOND
    stretch_began: int | None = None
    for seconds, value in values:
        now += seconds * SECOND
        raised = watch.raised
        asks = is_calm(rule, value) if raised else is_beyond(rule, value)
        if not asks:
            stretch_began = None
        elif stretch_began is None or now < stretch_began:
            stretch_began = now
        watch, verdict = look(rule, watch, value, now)
        due = stretch_began is not None and (
            now - stretch_began >= (rule.clear_s if raised else rule.raise_s) * SECOND
        )
        assert (verdict is not None) is due, "neither earlier nor later than the rule says"
        assert verdict in (None, "clear" if raised else "raise"), "raised and cleared in turns"
        if verdict is not None:
            stretch_began = None


@given(rules(), st.lists(st.booleans(), min_size=10, max_size=60))
def test_a_figure_that_trembles_on_an_edge_changes_once_at_most(rule: AlertRule, up: list[bool]) -> None:
    """Around either threshold, one unit up and down: never there and back again."""
    for edge in (rule.raise_at, rule.clear_at):
        watch, verdicts = Watch(), []
        step = 0.5 if abs(rule.raise_at - rule.clear_at) > 1 else 0.25
        for second, high in enumerate(up):
            watch, verdict = look(rule, watch, edge + (step if high else -step), second * 60 * SECOND)
            verdicts += [verdict] if verdict else []
        assert len(verdicts) <= 1


def test_the_five_figures_and_their_units() -> None:
    now = 1_000 * SECOND
    today = Count(offered=12, answered=8, answered_in_target=5, abandoned=2, moved_out=2)
    seen = Readings(3, now - 90 * SECOND, 1, today)
    found = {
        figure: value_of(rule(figure=figure, raise_at=50, clear_at=low), seen, now)
        for figure, low in (
            ("waiting", 1), ("longest_wait_s", 1), ("abandoned_pct", 1), ("service_level_pct", 80),
            ("agents_ready", 80),
        )
    }  # fmt: skip
    assert found == {
        "waiting": 3,
        "longest_wait_s": 90,
        "abandoned_pct": 20,
        "service_level_pct": 50,
        "agents_ready": 1,
    }
    few = rule(figure="abandoned_pct", least_offered=11)
    assert value_of(few, seen, now) is None, "a share of too few says nothing"


# --- configuration --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"clear_at": 2}, "alerts.waiting-high.clear_at"),
        ({"clear_at": 3}, "alerts.waiting-high.clear_at"),
        ({"figure": "agents_ready", "raise_at": 1, "clear_at": 1}, "alerts.waiting-high.clear_at"),
        ({"figure": "abandoned_pct", "raise_at": 101}, "alerts.waiting-high.raise_at"),
        ({"queue": "nowhere"}, "alerts.waiting-high.queue"),
        ({"figure": "mood"}, "figure"),
        ({"raise_s": -1}, "raise_s"),
        ({"raise_at": "nan"}, "raise_at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DeskConfig.model_validate({**CONFIG, "alerts": [{**RULE, **wrong}]})
    assert named in str(refused.value)


def test_a_rule_stands_once() -> None:
    with pytest.raises(ValidationError, match="an id stands twice"):
        DeskConfig.model_validate({**CONFIG, "alerts": [RULE, RULE]})


# --- the watch ------------------------------------------------------------------------------------------------


def board(waiting: int, at_s: int, *raised: AlertView) -> BoardView:
    queue = QueueBoardView(
        id="service", name="Service", waiting=waiting, oldest_at=None, oldest_message_at=None,
        expected_wait_s=None, active=0,
        agents_ready=0, agents_busy=0, offered_today=0, answered_today=0, abandoned_today=0,
        answered_in_target_today=0, target_s=20, message_target_s=14_400,
        abandoned_in_target_today=0, moved_out_today=0,
        wait_us_today=0, closed=False,
    )  # fmt: skip
    return BoardView(
        at=at_s * SECOND, position=1, queues=[queue], agents=[], trend=None, alerts=list(raised), targets={}
    )


def alert(rule: AlertRule) -> AlertView:
    return AlertView(
        id="alr_1", rule_id=rule.id, name=rule.name, figure=rule.figure, queue_id=rule.queue, level=rule.level,
        raise_at=rule.raise_at, clear_at=rule.clear_at, value=2, raised_at=0, cleared_at=None, clear_reason=None,
        acknowledged_at=None, acknowledged_by=None, version=1,
    )  # fmt: skip


def test_a_new_holder_knows_what_is_raised_and_measures_anew() -> None:
    slow = rule(raise_s=10, clear_s=10)
    watch = AlertWatch()
    assert not watch.look([slow], board(5, 0))
    assert watch.next_due() == 10 * SECOND
    assert not AlertWatch().look([slow], board(5, 10)), "who has just come has not seen it for ten seconds"
    assert watch.look([slow], board(5, 10)).raised == [(slow, 5)]
    heir = AlertWatch()
    assert not heir.look([slow], board(0, 20, alert(slow)))
    assert heir.look([slow], board(0, 30, alert(slow))).calm == [slow.id]


def test_a_rule_that_changed_or_went_closes_its_alert() -> None:
    old, new = rule(), rule(raise_at=9)
    for rules_now in ([], [new]):
        changes = AlertWatch().look(rules_now, board(5, 0, alert(old)))
        assert (changes.gone, changes.raised, changes.calm) == ([old.id], [], [])
    patient, hasty = rule(raise_s=60), rule(raise_s=20)
    watch = AlertWatch()
    watch.look([patient], board(5, 0))
    assert not watch.look([hasty], board(5, 30)), "measured anew"
    assert watch.look([hasty], board(5, 50)).raised


# --- stored and told ------------------------------------------------------------------------------------------


async def until(true: Callable[[], Awaitable[Any]]) -> None:
    give_up = time.monotonic() + 15
    while not await true():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)


async def test_raised_acknowledged_cleared_and_shown_on_the_board(plain: Desk) -> None:
    await plain.run(admin.publish_config, {**CONFIG, "alerts": [RULE]})
    ann = await make_agent(plain, "ann")
    await phone(plain, "CA1", "+14155550101")
    working = asyncio.create_task(Figures(plain, SoleLease("figures", plain, "nod_1")).run())

    async def raised() -> bool:
        return bool((await plain.read(board_view)).alerts)

    await until(lambda: plain.read(lambda reader: reader.scalar(schema.board.select())))
    assert not await raised()
    await phone(plain, "CA2", "+14155550102")
    await until(raised)
    (shown,) = (await plain.read(board_view)).alerts
    assert (shown.rule_id, shown.value, shown.acknowledged_by) == ("waiting-high", 2, None)
    with pytest.raises(StaleVersion):
        await plain.run(alerts.acknowledge, shown.id, 7, ann, actor=ann)
    with pytest.raises(NotFound):
        await plain.run(alerts.acknowledge, "alr_0", 1, ann, actor=ann)
    await plain.run(alerts.acknowledge, shown.id, 1, ann, actor=ann)
    await plain.run(
        alerts.acknowledge, shown.id, 1, "agt_other", actor="agt_other"
    )  # the first one's name stays

    async def taken() -> bool:
        return (await plain.read(board_view)).alerts[0].acknowledged_by == ann

    await until(taken)
    await plain.run(admin.publish_config, CONFIG)  # without the rule

    async def cleared() -> bool:
        return not await raised()

    await until(cleared)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    (row,) = await rows_of(plain, schema.alert)
    assert (row["clear_reason"], row["acknowledged_by"]) == ("rule_gone", ann)
    kinds = [each["kind"] for each in await rows_of(plain, schema.event) if each["kind"].startswith("alert.")]
    assert kinds == ["alert.raised", "alert.acknowledged", "alert.cleared"]
    assert await plain.read(open_alerts) == []
    assert [view.id for view in (await plain.read(alerts_page, None, 10)).items] == [row["id"]]


async def test_it_clears_by_itself_when_the_line_is_short_again(plain: Desk) -> None:
    from channels.contract import CallChanged, CallStatus
    from service_desk.actions import calls
    from tests.service_desk.people import PHONE

    await plain.run(admin.publish_config, {**CONFIG, "alerts": [RULE]})
    for number in (1, 2):
        await phone(plain, f"CA{number}", f"+1415555010{number}")
    working = asyncio.create_task(Figures(plain, SoleLease("figures", plain, "nod_1")).run())
    await until(lambda: plain.read(open_alerts))
    gone = CallChanged("CA1", CallStatus.COMPLETED, "end-CA1", 9)
    await plain.run(calls.leg_changed, PHONE, gone, actor=PHONE)

    async def calm() -> bool:
        return not await plain.read(open_alerts)

    await until(calm)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    (row,) = await rows_of(plain, schema.alert)
    assert (row["clear_reason"], row["acknowledged_by"]) == ("calm", None)
