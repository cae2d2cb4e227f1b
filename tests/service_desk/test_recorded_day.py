"""A day from the log, played again: the same people come, with what is known of them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from routing.simulation.report import simulate
from routing.simulation.scenario import ScenarioError
from service_desk.actions import admin
from service_desk.app import read_config_seed
from service_desk.cli import main
from service_desk.clock import HOUR, SECOND, Micros, SystemClock
from service_desk.demo.past import Size
from service_desk.demo.seed import PASSWORDS, seed_demo
from service_desk.domain.config import DeskConfig
from service_desk.domain.events import AgentStateChanged
from service_desk.domain.media import ASYNCHRONOUS
from service_desk.planning.recorded import RecordedDay, recorded_day
from service_desk.planning.rehearsal import CannotBePlayed, compared, under
from service_desk.queries.figures import midnight
from service_desk.storage import schema
from service_desk.storage.store import Store, migrate
from service_desk.storage.transaction import Tx

SMALL = Size(customers=40, tickets=5, days=8, contacts=200, hotel_contacts=40, night_chats=2)
SEGMENT = schema.segment


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'desk.sqlite3'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A desk with a week of the demo's past."""
    migrate(url)
    store = Store(url, SystemClock())
    store.run(admin.seed, read_config_seed())
    store.run(seed_demo, 7, dict.fromkeys(PASSWORDS, "nobody signs in"), SMALL)
    yield store
    store.close()


@pytest.fixture
def day(store: Store) -> date:
    """The one with most contacts, of those that are over."""
    rows = store.read(lambda reader: reader.all(sa.select(SEGMENT.c.queued_at).where(SEGMENT.c.entered)))
    days = [datetime.fromtimestamp(row["queued_at"] // SECOND, UTC).date() for row in rows]
    return max(set(days), key=lambda each: (days.count(each), each))


def replayed(store: Store, day: date, replications: int = 4) -> RecordedDay:
    return store.read(recorded_day, day, seed=1, replications=replications)


def test_who_came_comes_again_at_their_time(store: Store, day: date) -> None:
    found = replayed(store, day)
    since = store.read(lambda reader: midnight(reader.config, day))
    rows = store.read(
        lambda reader: reader.all(
            sa.select(SEGMENT).where(
                SEGMENT.c.entered, SEGMENT.c.queued_at >= since, SEGMENT.c.queued_at < since + 24 * HOUR
            )
        )
    )
    came = sorted(contact.at_s for kind in found.scenario.contacts for contact in kind.recorded or ())
    assert len(rows) > 15
    assert len(came) + found.left_out == len(rows) == found.answered + found.abandoned
    assert set(came) <= {(row["queued_at"] - since) / SECOND for row in rows}
    talked = sum(
        contact.handling_s
        for kind in found.scenario.contacts
        for contact in kind.recorded or ()
        if contact.handling_s
    )
    recorded = sum(
        (row["handled_at"] or row["ended_at"]) - row["answered_at"] for row in rows if row["answered_at"]
    )
    if not found.left_out:
        assert talked == pytest.approx(recorded / SECOND)
    report = simulate(found.scenario)
    offered, served = report.total["offered"], report.total["served"]
    assert offered is not None
    assert served is not None
    assert (offered.value, offered.half) == (len(came), 0.0)
    assert served.value == pytest.approx(found.answered, abs=max(3, 0.15 * len(rows)))


def test_who_asked_to_be_called_back_has_not_run_out_of_patience(store: Store, day: date) -> None:
    """They waited until they asked; what became of their callback, days later, says nothing of it."""
    contact = schema.interaction
    since = store.read(lambda reader: midnight(reader.config, day))

    def asks(tx: Tx) -> int:
        gave_up = sa.select(SEGMENT).join(contact, contact.c.id == SEGMENT.c.interaction_id)
        row = tx.first(
            gave_up.where(
                contact.c.channel == "phone",
                SEGMENT.c.outcome == "abandoned",
                SEGMENT.c.queued_at >= since,
                SEGMENT.c.queued_at < since + 24 * HOUR,
            )
        )
        assert row is not None
        ours = contact.c.id == row["interaction_id"]
        tx.write(sa.update(contact).where(ours).values(callback_at=row["queued_at"] + 30 * SECOND))
        later = sa.update(SEGMENT).where(SEGMENT.c.id == row["id"])
        tx.write(later.values(ended_at=row["queued_at"] + 72 * HOUR))
        return int(row["queued_at"])

    came = (store.run(asks) - since) / SECOND
    found = [one for kind in replayed(store, day).scenario.contacts for one in kind.recorded or ()]
    (asked,) = [one for one in found if one.at_s == came]
    assert (asked.waited_s, asked.gave_up) == (30.0, False)


def test_who_was_ready_is_there_and_no_other_time(store: Store, day: date) -> None:
    """Anna says ready the evening before, goes for lunch at ten, is back from eleven to noon."""
    since = store.read(lambda reader: midnight(reader.config, day))
    anna = store.read(
        lambda reader: reader.scalar(sa.select(schema.agent.c.id).where(schema.agent.c.login == "anna"))
    )

    def says(tx: Tx, state: str) -> None:
        tx.emit(AgentStateChanged(anna, state, None if state == "ready" else "lunch"))

    def back_then(tx: Tx, at: Micros) -> None:
        newest = sa.select(sa.func.max(schema.event.c.position)).scalar_subquery()
        tx.write(sa.update(schema.event).where(schema.event.c.position == newest).values(at=at))

    for hour, state in ((-3, "ready"), (10, "away"), (11, "ready"), (12, "away")):
        store.run(says, state)
        store.run(back_then, since + hour * HOUR)
    (group,) = [group for group in replayed(store, day).scenario.groups if group.id == "anna"]
    there = {minute // 60 for minute, heads in enumerate(group.heads) if heads}
    assert there == {*range(10), 11}
    assert sum(group.heads) == 11 * 60
    assert "anna" in {group.id for group in replayed(store, day).scenario.groups}


def test_a_day_without_anybody_is_said(store: Store) -> None:
    with pytest.raises(ScenarioError, match="nobody came on 1999-01-01"):
        replayed(store, date(1999, 1, 1))


def test_more_agents_on_a_recorded_day_are_compared(
    store: Store, day: date, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_DESK_DATABASE_URL", url)
    options = ["--agents", "+3", "--replications", "3", "--json"]
    answer = CliRunner().invoke(main, ["simulate", "--from-log", str(day), *options])
    assert answer.exit_code == 0, answer.output
    assert answer.stderr.startswith("In the log: ")
    found = json.loads(answer.stdout)
    assert found["difference"]["total"]["offered"]["value"] == 0
    assert found["difference"]["total"]["staffed_h"]["value"] > 3
    assert found["difference"]["total"]["p_wait"]["value"] <= 0
    for arguments in ([], ["x.toml", "--from-log", str(day)]):
        assert CliRunner().invoke(main, ["simulate", *arguments]).exit_code == 2


def test_a_rehearsal_goes_by_interrupts_and_the_promises_of_messages(store: Store, day: date) -> None:
    before = store.read(lambda reader: reader.config)
    body = before.model_dump(mode="json")
    body["interrupts"] = {"phone": ["email"]}
    body["agent_units"] = 4
    for queue in body["queues"]:
        queue["message_target_s"] += 3_600
    after = DeskConfig.model_validate(body)
    scenario = replayed(store, day).scenario
    same, other = under(scenario, before, before), under(scenario, before, after)
    assert same == scenario
    assert scenario.rules == {}
    assert other.rules == {"interrupts": {"phone": ["email"]}}
    assert {group.routing["units"] for group in other.groups} == {4}
    pairs = list(zip(scenario.contacts, other.contacts, strict=True))
    assert {one.medium for one, _ in pairs} >= {"phone", "email"}
    for one, changed in pairs:
        later = 3_600 if one.medium in ASYNCHRONOUS else 0
        assert changed.priority == one.priority - later // 60, one.medium
        assert changed.within_s == before.target_s(one.queue, one.medium) + later


async def test_in_a_rehearsal_who_would_be_called_back_waits_on(store: Store, day: date) -> None:
    """Nobody leaves the day for good because the rules would call them later."""
    before = store.read(lambda reader: reader.config)
    body = before.model_dump(mode="json")
    called = {
        "callback": {"offer_after_s": 60},
        "overflow": [{"when": "wait", "after_s": 0, "to": "callback"}],
    }
    for queue in body["queues"]:
        queue.update(called)
    scenario = replayed(store, day, replications=2).scenario
    other = under(scenario, before, DeskConfig.model_validate(body))
    found = await compared(scenario, other)
    assert found["after"]["total"] == found["before"]["total"]


async def test_rules_that_cannot_be_played_are_said_in_words(store: Store, day: date) -> None:
    scenario = replayed(store, day, replications=2).scenario
    with pytest.raises(CannotBePlayed, match="nonsense"):
        await compared(scenario, replace(scenario, rules={"nonsense": 1}))
