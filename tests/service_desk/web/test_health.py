"""/health, /metrics and the descriptions for programs."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from service_desk.actions import admin, nodes
from service_desk.bus.local import LocalBus
from service_desk.clock import HOUR, SECOND
from service_desk.desk import Desk
from service_desk.domain.events import EVENTS
from service_desk.errors import Unavailable
from service_desk.lease import take
from service_desk.queries.operations import Facts, Lag, read_facts
from service_desk.storage import schema
from service_desk.storage.store import Reader, migrate
from service_desk.storage.transaction import Tx
from service_desk.web import health
from service_desk.web.health import BEHIND, WITHOUT, Seen, losses
from tests.servers import PostgresServer
from tests.service_desk.web.world import World, a_world

ELSEWHERE = {"X-Forwarded-For": "192.0.2.1"}


async def only_a_phone(desk: Desk) -> None:
    """The rules name the one account that the settings of these tests have."""
    body = (await desk.read(lambda reader: reader.config)).model_dump(mode="json")
    await desk.run(admin.publish_config, {**body, "mailboxes": [], "text_lines": []})


async def hold_everything(desk: Desk) -> None:
    """As a node does that runs beside this one, has all leases, and never tires: a slow machine is no loss."""
    await only_a_phone(desk)
    await desk.run(nodes.beat, "nod_1", "web,route,send")
    for name in WITHOUT:
        await desk.run(take, name, "nod_1")
    later = desk.clock.now() + HOUR

    def last(tx: Tx) -> None:
        tx.write(sa.update(schema.node).values(beat_at=later))
        tx.write(sa.update(schema.lease).values(expires_at=later))

    await desk.run(last)


async def test_a_desk_that_works(world: World) -> None:
    await hold_everything(world.desk)
    answer = await world.stranger.get("/health")
    well = {"status": "ok", "live": True, "ready": True, "why": [], "nodes": 1}
    assert (answer.status, answer.json()) == (200, well)
    assert (await world.stranger.get("/health/live")).json() == {"live": True}
    assert (await world.stranger.get("/health/ready")).json() == {"live": True, "ready": True, "why": []}


@pytest.mark.postgres
async def test_a_cluster_says_what_nobody_does(postgres_url: str, tmp_path: Path) -> None:
    async with a_world(postgres_url, tmp_path, nodes_expected=2) as world:
        await hold_everything(world.desk)
        lease = schema.lease
        free = sa.update(lease).where(lease.c.name.in_(["routing", "outbox"])).values(expires_at=0)
        await world.desk.run(lambda tx: tx.write(free))
        answer = await world.stranger.get("/health")
        assert (answer.status, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["why"] == [WITHOUT["routing"], WITHOUT["outbox"], "1 of 2 nodes live."]
        text = (await world.stranger.get("/metrics")).body.decode()
        assert 'desk_lease_free{lease="routing"} 1.0' in text
        assert 'desk_lease_free{lease="timers"} 0.0' in text
        assert 'desk_nodes{role="send"} 1.0' in text
        assert "desk_degraded 3.0" in text


async def test_who_is_behind_is_told(world: World) -> None:
    """Rows of a real log: a wallboard that did not read on, a caller who is not connected, a disk that is full."""
    await hold_everything(world.desk)
    ada = await world.person("ada")
    await world.ready(ada)
    await world.call()
    old, event, effect = world.desk.clock.now() - 60 * SECOND, schema.event, schema.effect
    values = {
        "position": 1, "key": "k", "kind": "connect_call", "subject": "int_1", "account": "a", "data": {},
        "state": "ready", "attempts": 0, "due_at": old, "created_at": old,
    }  # fmt: skip

    def fall_behind(tx: Tx) -> None:
        tx.set_cursor("figures", 1)
        tx.write(sa.update(event).values(at=old))
        tx.write(sa.insert(effect), values)

    await world.desk.run(fall_behind)
    facts = await world.desk.read(read_facts, None)
    assert facts.lags["figures"].positions > 1
    assert 59 < facts.lags["figures"].seconds < 120
    assert facts.effects == {("connect_call", "ready"): 1}
    assert 59 < facts.overdue_s["connect_call"] < 120
    assert abs(facts.skew_s) < 1
    answer = await world.stranger.get("/health")
    assert answer.json()["why"] == [
        BEHIND["figures"],
        "What calls wait for is overdue: the outbox is behind.",
    ]
    text = (await world.stranger.get("/metrics")).body.decode()
    assert 'desk_effects{kind="connect_call",state="ready"} 1.0' in text
    assert 'desk_follower_lag_positions{cursor="figures"}' in text
    assert "desk_action_group_size_count" in text


async def test_a_disk_that_is_nearly_full(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, limits={"disk_free_bytes": 1 << 60}) as world:
        await only_a_phone(world.desk)
        assert (await world.stranger.get("/health")).json()["why"] == ["The disk is nearly full."]


WELL = Facts(
    at=0, skew_s=0.0, held=frozenset(WITHOUT), nodes=(frozenset({"web"}),), overdue_s={"send_message": 900.0}
)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (WELL, []),
        (replace(WELL, skew_s=-90.0), ["This machine's clock differs from the database's by 90 s."]),
        (replace(WELL, skew_s=0.5), []),
        (replace(WELL, nodes=()), ["0 of 1 nodes live."]),
        (replace(WELL, lags={"routing": Lag(3, 11.0)}), [BEHIND["routing"]]),
        (replace(WELL, lags={"routing": Lag(900, 2.0), "search": Lag(1_900, 900.0)}), []),
        (replace(WELL, lags={"search": Lag(9_000, 900.0)}), [BEHIND["search"]]),
        (replace(WELL, held=frozenset(WITHOUT) - {"nodes"}), [WITHOUT["nodes"]]),
    ],
)
def test_what_counts_as_a_loss(facts: Facts, why: list[str]) -> None:
    assert losses(Seen(facts, disk_free=2), nodes_expected=1, disk_free_bytes=1) == why


@pytest.mark.parametrize("nodes_expected", [1, None])
def test_a_clock_that_was_set_is_a_loss_in_either_dialect(nodes_expected: int | None) -> None:
    def told(behind_s: float) -> list[str]:
        seen = Seen(WELL, disk_free=2, behind_s=behind_s)
        return losses(seen, nodes_expected=nodes_expected, disk_free_bytes=1)

    turns = "this machine's, which was set, and turns to it by a second in twenty"
    cure = "restart the desk if the machine's is right, and set that if it is not."
    assert told(-3_600.0) == [f"The desk's clock is 3600 s ahead of {turns}: {cure}"]
    assert told(90.0) == [f"The desk's clock is 90 s behind {turns}: {cure}"]
    assert told(0.9) == told(-0.9) == []


async def test_many_probes_look_once(quick_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def counted(reader: Reader, fanout: int | None) -> Facts:
        nonlocal looks
        looks += 1
        return read_facts(reader, fanout)

    monkeypatch.setattr(health, "read_facts", counted)
    await asyncio.gather(*(quick_world.stranger.get("/health") for _ in range(20)))
    assert looks == 1


@pytest.mark.parametrize(
    ("path", "read"),
    [("/health", "read_facts"), ("/health", "_is_configured"), ("/health/ready", "_is_configured")],
)
async def test_probes_of_a_database_that_is_away_do_not_queue(
    path: str, read: str, quick_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed look is remembered like any other; each may take all the time that a read may take."""
    looks = 0

    def away(*_: object) -> None:
        nonlocal looks
        looks += 1
        raise Unavailable("the database is away")

    monkeypatch.setattr(health, read, away)
    answers = await asyncio.gather(*(quick_world.stranger.get(path) for _ in range(20)))
    assert {(answer.status, *answer.json()["why"]) for answer in answers} == {(503, health.NO_ANSWER)}
    assert looks == 1


async def test_an_account_that_the_rules_name_and_nobody_gave_is_named(quick_world: World) -> None:
    answer = await quick_world.stranger.get("/health")
    assert (answer.status, answer.json()["status"]) == (200, "degraded")
    why = answer.json()["why"]
    assert [words for words in why if "account" in words] == [
        f"The rules name the {channel} account {name}, which the settings lack: nothing comes or goes by it. "
        f"Add [accounts.{channel}.{name}], or publish rules without it."
        for channel, name in (("email", "mail-main"), ("sms", "text-main"))
    ], "it has its phone"


async def test_a_bus_that_is_away_is_a_loss_and_no_stop(quick_world: World) -> None:
    await only_a_phone(quick_world.desk)
    assert isinstance(quick_world.desk.bus, LocalBus)
    quick_world.desk.bus.degraded = "Redis does not answer: screens may be a second late."
    answer = await quick_world.stranger.get("/health")
    assert (answer.status, answer.json()["status"], answer.json()["ready"]) == (200, "degraded", True)
    assert answer.json()["why"] == ["Redis does not answer: screens may be a second late."]


async def test_a_database_that_is_away(own_postgres_server: PostgresServer, tmp_path: Path) -> None:
    own_postgres_server.execute("CREATE DATABASE desk")
    url = own_postgres_server.url("desk")
    migrate(url)
    async with a_world(url, tmp_path, limits={"health_read_s": 20}) as world:
        assert (await world.stranger.get("/health")).status == 200
        own_postgres_server.execute("CHECKPOINT")  # the tests' server stops as if the power went
        own_postgres_server.stop()
        async with asyncio.timeout(30):
            while (answer := await world.stranger.get("/health")).status != 503:
                pass  # for as long as what was found is kept
        assert answer.json() == {
            "status": "down",
            "live": True,
            "ready": False,
            "why": ["The database does not answer."],
            "nodes": None,
        }
        assert (await world.stranger.get("/health/ready")).status == 503
        assert (await world.stranger.get("/health/live")).status == 200
        assert "desk_database_errors" in (await world.stranger.get("/metrics")).body.decode()
        own_postgres_server.start()
        async with asyncio.timeout(30):
            while (await world.stranger.get("/health")).status != 200:
                pass


async def test_metrics_for_programs_here_and_for_administrators(quick_world: World) -> None:
    await quick_world.stranger.get("/api/v1/tickets/tic_1?secret=1")
    here = await quick_world.stranger.get("/metrics")
    assert here.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    wanted = 'desk_requests_total{method="GET",route="/api/v1/tickets/{ticket_id}",status="401"} 1.0'
    assert wanted in here.body.decode()
    assert b"secret" not in here.body
    assert b"tic_1" not in here.body
    assert (await quick_world.stranger.get("/metrics", headers=ELSEWHERE)).code == "unauthenticated"
    ada, root = await quick_world.person("ada"), await quick_world.person("root", "admin")
    assert (await ada.get("/metrics", headers=ELSEWHERE)).code == "forbidden"
    assert (await root.get("/metrics", headers=ELSEWHERE)).status == 200


async def test_strange_methods_and_paths_make_no_new_series(quick_world: World) -> None:
    for number in range(5):
        await quick_world.stranger.send(f"BREW{number}", f"/coffee/{number}")
    text = (await quick_world.stranger.get("/metrics")).body.decode()
    assert "BREW" not in text
    assert "coffee" not in text


async def test_the_socket_messages_and_events_are_described(quick_world: World) -> None:
    answer = await quick_world.stranger.get("/api/v1/events.schema.json")
    document = answer.json()
    assert set(document["events"]) == set(EVENTS)
    assert document["live_schema"] == 1
    for reference in document["messages"].values():
        assert reference["$ref"].removeprefix("#/$defs/") in document["$defs"]


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/api/v1/events.schema.json"])
async def test_descriptions_are_json(quick_world: World, path: str) -> None:
    answer = await quick_world.stranger.get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
