"""Where one stands and how long it takes, as rows and the router's figures say; the board; midnight."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from service_desk.actions import agents, offers, sockets
from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.domain.config import DeskConfig
from service_desk.queries.figures import counted_page
from service_desk.queries.lines import line_facts
from service_desk.queries.wallboard import compute_board, day_start, readings
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.conftest import CONFIG
from tests.service_desk.messages.conftest import mail, receive
from tests.service_desk.people import (
    PHONE,
    join_both,
    make_agent,
    offer_to,
    open_chat,
    phone,
    row_of,
    set_state,
)


async def positions(desk: Desk, *calls: str) -> list[tuple[int | None, int | None]]:
    found = [await desk.read(line_facts, PHONE, call) for call in calls]
    return [(facts.position, facts.expected_wait_s) for facts in found if facts is not None]


def figures(tx: Tx, agents_ready: int, mu: float, theta: float) -> None:
    live = schema.queue_live
    tx.write(sa.delete(live))
    row = {"queue_id": "service", "at": tx.now, "waiting": 0, "oldest_at": None}
    tx.write(sa.insert(live), {**row, "agents": agents_ready, "mu": mu, "theta": theta})


async def test_place_and_wait(plain: Desk) -> None:
    ann = await make_agent(plain, "ann")
    contacts = [await phone(plain, f"CA{number}", f"+141555501{number:02d}") for number in range(4)]
    assert await positions(plain, "CA0", "CA1", "CA2", "CA3") == [(1, None), (2, None), (3, None), (4, None)]
    await plain.run(figures, 2, 1 / 120, 0.0)
    waits = [wait for _, wait in await positions(plain, "CA0", "CA1", "CA2", "CA3")]
    assert waits == sorted(waits, key=lambda wait: wait or 0)
    assert waits[0] == 60, "two agents, two minutes each: one is free in a minute"
    assert waits[3] == 240
    offer = await offer_to(plain, contacts[0], ann)
    assert await positions(plain, "CA0", "CA1") == [(1, 0), (2, 120)], (
        "it rings: no wait; it still has its place"
    )
    await plain.run(offers.accept_offer, offer, ann)
    assert await positions(plain, "CA0", "CA1", "CA2") == [(None, None), (1, 60), (2, 120)]
    await plain.run(figures, 0, 1 / 120, 0.0)
    assert await positions(plain, "CA1") == [(1, None)], "nobody there: nobody knows"
    assert await plain.read(line_facts, PHONE, "CA9") is None
    assert await plain.read(line_facts, "other", "CA1") is None, "an id counts within its account"


async def test_chat_and_phone_stand_in_one_line(plain: Desk) -> None:
    await make_agent(plain, "ann")
    await phone(plain, "CA1", "+14155550101")
    await open_chat(plain, "Vera", "hello")
    await phone(plain, "CA2", "+14155550102")
    assert [place for place, _ in await positions(plain, "CA1", "CA2")] == [1, 3]


async def test_the_board_counts_what_is(plain: Desk) -> None:
    ann, bob, cyd = [await make_agent(plain, login) for login in ("ann", "bob", "cyd")]
    await make_agent(plain, "eve", ready=False)
    dan = await make_agent(plain, "dan")
    await set_state(plain, dan, "away", "lunch")
    lost = await make_agent(plain, "fay")
    await plain.run(sockets.closed, ["sid-fay"])
    await plain.run(agents.lost, lost, {})
    talking, ringing, waiting = [await phone(plain, f"CA{n}", f"+1415555010{n}") for n in range(3)]
    await plain.run(offers.accept_offer, await offer_to(plain, talking, ann), ann)
    await join_both(plain, talking, ann, "CA0")
    await offer_to(plain, ringing, bob)
    board = await plain.read(compute_board)
    service, sales = board.queues
    assert (service.waiting, service.active) == (2, 1)
    assert (service.agents_ready, service.agents_busy) == (1, 2)
    assert service.oldest_at is not None
    assert (sales.waiting, sales.active, sales.oldest_at) == (0, 0, None)
    assert {view.name: (view.status, view.reason, view.interactions) for view in board.agents} == {
        "Ann": ("busy", None, 1),
        "Bob": ("offered", None, 0),
        "Cyd": ("ready", None, 0),
        "Dan": ("away", "lunch", 0),
        "Fay": ("lost", None, 0),
    }
    assert cyd in {view.id for view in board.agents}
    assert waiting != ringing


async def test_a_mail_waits_by_its_own_promise(plain: Desk) -> None:
    await receive(plain, mail())
    service, _ = (await plain.read(compute_board)).queues
    assert (service.waiting, service.oldest_at) == (1, None)
    assert service.oldest_message_at is not None
    assert (service.target_s, service.message_target_s) == (20, 14_400)
    call = await phone(plain, "CA1")
    board = await plain.read(compute_board)
    service, _ = board.queues
    first_mail, first_call = service.oldest_message_at, service.oldest_at
    assert first_mail is not None
    assert first_call is not None
    assert first_mail < first_call, "the mail came first"
    _, everything = readings(board)
    assert (everything.waiting, everything.oldest_at) == (2, service.oldest_at), "what alert rules look at"
    page = await plain.read(counted_page, "longest_wait", None, None, None, 9)
    assert page is not None
    assert [each.id for each in page.items] == [call]


async def test_a_topic_is_kept_by_its_name(plain: Desk) -> None:
    _, chat = await open_chat(plain, "Vera", "Which oven fits?", topic="sales")
    row = await row_of(plain, schema.interaction, chat)
    assert row["topic"] == "Buying"
    _, other = await open_chat(plain, "Theo", "Which lamp fits?", topic="Lamps", key="k2")
    assert (await row_of(plain, schema.interaction, other))["topic"] == "Lamps", "of a page of somebody's own"


def zone(name: str) -> DeskConfig:
    return DeskConfig.model_validate({**CONFIG, "time_zone": name})


@pytest.mark.parametrize(
    ("name", "moment", "midnight"),
    [
        ("Europe/Berlin", "2026-07-01T12:00:00+02:00", "2026-07-01T00:00:00+02:00"),
        ("Europe/Berlin", "2026-07-01T00:00:00+02:00", "2026-07-01T00:00:00+02:00"),
        ("Europe/Berlin", "2026-06-30T23:59:59+02:00", "2026-06-30T00:00:00+02:00"),
        # clocks go forward at 02:00: the day has 23 hours
        ("Europe/Berlin", "2026-03-29T18:00:00+02:00", "2026-03-29T00:00:00+01:00"),
        ("Europe/Berlin", "2026-03-30T00:30:00+02:00", "2026-03-30T00:00:00+02:00"),
        # clocks go back at 03:00: the day has 25 hours; 02:30 comes twice
        ("Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T00:00:00+02:00"),
        ("Europe/Berlin", "2026-10-25T02:30:00+01:00", "2026-10-25T00:00:00+02:00"),
        ("Europe/Berlin", "2026-10-25T23:30:00+01:00", "2026-10-25T00:00:00+02:00"),
        # clocks go back at 01:00 to 00:00: midnight comes twice, the day begins with the first
        ("America/Havana", "2026-11-01T00:30:00-04:00", "2026-11-01T00:00:00-04:00"),
        ("America/Havana", "2026-11-01T00:30:00-05:00", "2026-11-01T00:00:00-04:00"),
        ("America/Havana", "2026-11-01T12:00:00-05:00", "2026-11-01T00:00:00-04:00"),
        # clocks go forward at 00:00 to 01:00: there is no midnight, the day begins at 01:00
        ("Africa/Cairo", "2026-04-24T12:00:00+03:00", "2026-04-24T01:00:00+03:00"),
        ("Asia/Kathmandu", "2026-01-01T00:10:00+05:45", "2026-01-01T00:00:00+05:45"),
        ("Pacific/Kiritimati", "2026-01-01T13:00:00+14:00", "2026-01-01T00:00:00+14:00"),
        ("UTC", "2028-02-29T23:59:59+00:00", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_where_the_day_begins(name: str, moment: str, midnight: str) -> None:
    now = int(datetime.fromisoformat(moment).timestamp()) * SECOND
    assert day_start(zone(name), now + 999_999) == int(datetime.fromisoformat(midnight).timestamp()) * SECOND


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo"]
)
def test_within_a_day_its_beginning_stands_still(name: str) -> None:
    """Two years, hour by hour: the beginning is the same through a local date and never goes back."""
    config = zone(name)
    begins: dict[str, int] = {}
    last = 0
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    for hour in range(366 * 24):
        now = (start + hour * 3_600) * SECOND
        found = day_start(config, now)
        assert last <= found <= now
        last = found
        date = datetime.fromtimestamp(now // SECOND, UTC).astimezone(ZoneInfo(name)).date().isoformat()
        assert begins.setdefault(date, found) == found, date
