"""The demo's people and past: complete, plausible, the same for the same seed, and as the real actions write it."""

import itertools
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest
import sqlalchemy as sa

from channels.contract import (
    AgentDialled,
    CallChanged,
    CallStarted,
    CallStatus,
    ChatClosed,
    ChatOpened,
    ConferenceChanged,
    DeliveryChanged,
    DeliveryStatus,
    DigitsPressed,
    MailAddress,
    MailReceived,
    MessageReceived,
    ParticipantChange,
    ProvenThread,
    TextReceived,
)
from routing.decisions import OfferMade
from routing.model import Offer
from service_desk.actions import (
    admin,
    agents,
    calls,
    chats,
    deliveries,
    mails,
    messages,
    offers,
    sockets,
    texts,
    tickets,
    wrap_up,
    writing,
)
from service_desk.app import read_config_seed
from service_desk.audit import audit
from service_desk.background.figures import read_cursor
from service_desk.clock import DAY, HOUR, SECOND, ManualClock, SystemClock
from service_desk.demo.book import Book
from service_desk.demo.cases import Case, Cases
from service_desk.demo.chance import Random
from service_desk.demo.contact import Contact, Origin
from service_desk.demo.past import Size
from service_desk.demo.people import TEAM, Client, Worker
from service_desk.demo.seed import PASSWORDS, Seeded, hash_passwords, seed_demo
from service_desk.demo.stage import end_leftovers, people
from service_desk.demo.words import LANGUAGES, Scenario, language
from service_desk.domain.access import ROLES
from service_desk.domain.recount import interval_start
from service_desk.errors import Conflict
from service_desk.queries.cards import card
from service_desk.queries.timeline import timeline_page
from service_desk.queries.wallboard import compute_board, recount_log
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store, migrate
from service_desk.storage.transaction import Tx

SEED = 7
SECONDS_MOST = 5.0
SMALL = Size(customers=12, tickets=10, days=20, contacts=40, hotel_contacts=15, night_chats=2)
NOON = 1_700_049_600 * SECOND + 12 * HOUR  # a Wednesday
NO_HASHES = dict.fromkeys(PASSWORDS, "!")

FICTION = [
    r"\+442079460\d{3}",
    r"\+441134960\d{3}",
    r"\+447700900\d{3}",
    r"\+441632960\d{3}",
    r"\+493023125\d{3}",
    r"\+494066969\d{3}",
    r"\+498999998\d{3}",
    r"\+496990009\d{3}",
    r"\+1[2-9]\d{2}55501\d{2}",
]
"""What Ofcom, the Bundesnetzagentur and the North American plan keep free for fiction."""


def select(store: Store, statement: sa.Select[Any]) -> list[dict[str, Any]]:
    def query(reader: Reader) -> list[dict[str, Any]]:
        return [dict(row) for row in reader.all(statement)]

    return store.read(query)


def rows(store: Store, table: sa.Table) -> list[dict[str, Any]]:
    return select(store, sa.select(table).order_by(*table.primary_key.columns))


def new_desk(path: Path, clock: ManualClock | SystemClock) -> Store:
    migrate(f"sqlite:///{path}")
    store = Store(f"sqlite:///{path}", clock)
    store.run(admin.seed, read_config_seed())
    return store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Seeded, float]]:
    """The whole demo, its account of itself, and the CPU seconds that it took."""
    store = new_desk(tmp_path_factory.mktemp("demo") / "desk.sqlite3", ManualClock(NOON))
    started = time.process_time()
    seeded = store.run(seed_demo, SEED, NO_HASHES)
    yield store, seeded, time.process_time() - started
    store.close()


@pytest.fixture(scope="module")
def demo(made: tuple[Store, Seeded, float]) -> Store:
    return made[0]


def test_it_is_made_in_seconds(made: tuple[Store, Seeded, float]) -> None:
    _, seeded, seconds = made
    assert (seeded.agents, seeded.customers, seeded.tickets) == (12, 300, 300)
    assert seeded.interactions > 2_000
    assert seconds < SECONDS_MOST


def test_the_passwords_fit_and_are_hashed_side_by_side() -> None:
    hashes = hash_passwords()
    assert set(hashes) == set(PASSWORDS) == set(ROLES)
    for role, password in PASSWORDS.items():
        assert argon2.PasswordHasher().verify(hashes[role], password)
        admin.check_password(password)


def test_the_auditor_finds_nothing(demo: Store) -> None:
    assert demo.read(audit) == []


def test_the_board_is_a_recount_of_the_log(demo: Store) -> None:
    counts = demo.read(recount_log)
    today = NOON // DAY * DAY - HOUR  # midnight in Berlin
    board = demo.read(compute_board)
    for queue in board.queues:
        slots = [count for (name, start), count in counts.items() if name == queue.id and start >= today]
        assert queue.offered_today == sum(count.offered for count in slots)
        assert queue.answered_today == sum(count.answered for count in slots)
        assert queue.abandoned_today == sum(count.abandoned for count in slots)
    assert demo.read(read_cursor) == select(demo, sa.select(schema.positions))[0]["event"]


def test_today_is_plausible_and_small(demo: Store) -> None:
    counts = demo.read(recount_log)
    by_day = Counter(start // DAY for (_, start), count in counts.items() for _ in range(count.offered))
    usual = sorted(by_day.values())[len(by_day) // 2]
    assert by_day[NOON // DAY] < usual
    assert all(start == interval_start(start) for _, start in counts)
    answered = sum(count.answered for count in counts.values())
    in_target = sum(count.answered_in_target for count in counts.values())
    assert 0.7 < in_target / answered < 0.98


def test_it_spans_ninety_days_and_nothing_is_in_the_future(demo: Store) -> None:
    contacts = rows(demo, schema.interaction)
    assert NOON - 92 * DAY < min(row["created_at"] for row in contacts) < NOON - 85 * DAY
    assert all(row["state"] == "ended" and row["ended_at"] < NOON for row in contacts)
    log = rows(demo, schema.event)
    instants = [event["at"] for event in log if event["kind"] != "config.published"]
    assert instants == sorted(instants), "the log is in order of time"
    assert instants[-1] < NOON
    assert all(row["updated_at"] < NOON for row in rows(demo, schema.ticket))
    weekdays = Counter((row["created_at"] // DAY + 3) % 7 for row in contacts)
    assert weekdays[0] > weekdays[5] > weekdays[6], "Mondays are busy, Sundays are free"


def test_twelve_colleagues_differ(demo: Store) -> None:
    team = rows(demo, schema.agent)
    assert Counter(row["role"] for row in team) == {"agent": 9, "supervisor": 2, "admin": 1}
    assert len({str(sorted(row["skills"].items())) for row in team}) == 12
    known = {queue.id for queue in demo.read(lambda reader: reader.config).queues}
    for queue in known:
        assert sum(queue in row["queues"] for row in team if row["role"] == "agent") >= 3
    anna = next(row for row in team if row["login"] == "anna")
    assert set(anna["queues"]) == known, "whom the demo greets first serves everything"
    assert all(row["chosen"] == "away" and row["reason"] == "signed_out" for row in team)


def test_customers_are_reachable_at_invented_addresses_only(demo: Store) -> None:
    points = rows(demo, schema.contact_point)
    by_kind = Counter(point["kind"] for point in points)
    assert by_kind["phone"] >= 300
    customers = {row["id"] for row in rows(demo, schema.customer)}
    assert {point["customer_id"] for point in points if point["kind"] == "mailbox"} == customers, (
        "all can chat"
    )
    values = [(point["kind"], point["value"]) for point in points]
    assert len(values) == len(set(values)), "an address is one customer's"
    for kind, value in values:
        if kind == "phone":
            assert any(re.fullmatch(pattern, value) for pattern in FICTION), value
        if kind == "mailbox":
            assert re.fullmatch(r"[a-z0-9.]+@([a-z-]+\.)?example\.(com|org|net)", value), value


def test_people_and_texts_fit_their_language(demo: Store) -> None:
    customers = {row["id"]: row for row in rows(demo, schema.customer)}
    shares = Counter(row["language"] for row in customers.values())
    assert set(shares) == set(LANGUAGES)
    assert min(shares.values()) > 30
    for row in customers.values():
        names = language(row["language"]).names
        first, last = row["name"].split(" ", 1)
        assert (first in names.first and last in names.last) or row["name"] == "Claire Whitfield"
        assert row["time_zone"].startswith(
            "Europe/Berlin" if row["language"] == "de" else ("Europe/", "America/")
        )
    assert {row["tier"] for row in customers.values()} == {"standard", "silver", "gold"}
    assert sum(bool(row["company_id"]) for row in customers.values()) > 20
    said = {code: patterns(code) for code in LANGUAGES}
    for message in rows(demo, schema.message):
        if message["kind"] == "message":
            code = customers[message["customer_id"]]["language"]
            parts = message["text"].split("\n\n")
            assert any(said[code].fullmatch(part) for part in parts), (code, message["text"])


def test_mails_and_texts_of_the_past_are_whole(demo: Store) -> None:
    customers = {row["id"]: row for row in rows(demo, schema.customer)}
    contacts = {
        row["id"]: row for row in rows(demo, schema.interaction) if row["channel"] in ("email", "sms")
    }
    spoken = Counter((row["channel"], customers[row["customer_id"]]["language"]) for row in contacts.values())
    assert {code for channel, code in spoken if channel == "email"} == set(LANGUAGES)
    assert {code for channel, code in spoken if channel == "sms"} == set(LANGUAGES)
    threads = {row["interaction_id"]: row for row in rows(demo, schema.thread)}
    assert set(threads) == set(contacts)
    said = [row for row in rows(demo, schema.message) if row["interaction_id"] in contacts]
    assert {row["status"] for row in said if row["author_kind"] == "agent"} == {"sent", "delivered"}
    assert all(row["provider_id"] and row["envelope"]["thread"] in threads for row in said)
    mailed = {row["id"] for row in contacts.values() if row["channel"] == "email"}
    linked = {row["interaction_id"] for row in rows(demo, schema.ticket_interaction)}
    assert mailed <= linked, "every mail that begins something is a ticket"
    twice = Counter(
        row["interaction_id"] for row in rows(demo, schema.segment) if row["interaction_id"] in contacts
    )
    assert 0.3 < sum(count == 2 for count in twice.values()) / len(twice) < 0.8, "most customers write again"


def patterns(code: str) -> re.Pattern[str]:
    """What may be said in a language: its scenarios' lines with anything in their gaps."""
    lines = {line for scenario in language(code).scenarios for line in scenario.talk}
    return re.compile("|".join(re.sub(r"\\\{\w+\\\}", ".+", re.escape(line)) for line in lines))


def test_no_text_has_an_unfilled_gap(demo: Store) -> None:
    texts = [row["text"] for table in (schema.message, schema.note) for row in rows(demo, table)]
    texts += [row[name] for row in rows(demo, schema.ticket) for name in ("subject", "description")]
    texts += [row["comment"] or "" for row in rows(demo, schema.interaction)]
    texts += [row["remark"] for row in rows(demo, schema.customer)]
    assert [text for text in texts if "{" in text] == []


def test_tickets_have_a_life_and_a_contact(demo: Store) -> None:
    cases = rows(demo, schema.ticket)
    assert set(Counter(row["status"] for row in cases)) == {"open", "pending", "solved", "closed"}
    links = Counter(row["ticket_id"] for row in rows(demo, schema.ticket_interaction))
    assert all(links[row["id"]] >= 1 for row in cases)
    by_age = sorted(cases, key=lambda row: row["created_at"])
    assert [row["number"] for row in by_age] == list(range(10_001, 10_301))
    noted = {row["ticket_id"] for row in rows(demo, schema.note)}
    assert sum(row["id"] in noted for row in cases) > 150
    still_open = [row for row in cases if row["closed_at"] is None]
    assert 15 < len(still_open) < 100
    recent = [row for row in still_open if row["created_at"] > NOON - 14 * DAY]
    assert len(recent) > len(still_open) / 2


def test_one_customer_has_more_history_than_a_screen(demo: Store) -> None:
    busiest = Counter(row["customer_id"] for row in rows(demo, schema.interaction)).most_common(1)[0][0]
    entries, before = 0, None
    while True:
        page = demo.read(timeline_page, busiest, before, 500)
        entries += len(page.items)
        if page.more is None:
            break
        before = page.more
    assert entries > 1_000
    view = demo.read(card, busiest)
    assert view is not None
    assert view.customer.company == "Grand Panorama Hotels"
    assert len(view.model_dump_json()) <= 64_000
    assert view.highlights


def test_nobody_serves_two_contacts_at_once(demo: Store) -> None:
    busy: dict[str, list[tuple[int, int]]] = {}
    for row in rows(demo, schema.interaction):
        if row["agent_id"]:
            busy.setdefault(row["agent_id"], []).append((row["answered_at"], row["ended_at"]))
    for spans in busy.values():
        spans.sort()
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))


def test_the_simulator_can_play_everybody_who_can_be_reached(demo: Store) -> None:
    found = demo.read(people)
    assert len(found) == 300
    assert found == sorted(found, key=lambda person: (person["name"], person["id"]))
    assert set(found[0]) == {"id", "name", "number", "mailbox", "language", "tier"}
    assert all(person["mailbox"] for person in found), "whoever is played can chat as themselves"


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {
        table.name: rows(store, table) for table in schema.metadata.sorted_tables if table.name != "cursor"
    }


def test_the_same_seed_makes_the_same_desk(tmp_path: Path) -> None:
    made = {}
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        store = new_desk(tmp_path / f"{name}.sqlite3", ManualClock(NOON))
        store.run(seed_demo, seed, NO_HASHES, SMALL)
        made[name] = everything(store)
        store.close()
    made["again"]["audit"][0] = made["one"]["audit"][0]  # publishing the configuration draws an id of its own
    assert made["one"]["interaction"] == made["again"]["interaction"]
    assert made["one"]["event"] == made["again"]["event"]
    assert made["one"]["message"] == made["again"]["message"]
    assert made["one"]["customer"] == made["again"]["customer"]
    assert made["one"]["ticket"] == made["again"]["ticket"]
    assert made["one"]["customer"] != made["other"]["customer"]


def test_a_desk_with_people_is_left_alone(tmp_path: Path) -> None:
    store = new_desk(tmp_path / "desk.sqlite3", SystemClock())
    store.run(seed_demo, 1, NO_HASHES, SMALL)
    before = everything(store)
    with pytest.raises(Conflict, match="has people already"):
        store.run(seed_demo, 2, NO_HASHES, SMALL)
    assert everything(store) == before
    store.close()


def test_it_works_on_every_database(db_url: str) -> None:
    store = Store(db_url, SystemClock())
    store.run(admin.seed, read_config_seed())
    seeded = store.run(seed_demo, SEED, NO_HASHES, SMALL)
    assert (seeded.customers, seeded.tickets) == (12, 10)
    assert store.read(audit) == []
    store.close()


# --- as the real actions write it ---------------------------------------------------------------------------

ID = re.compile(r"\b(?:[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}|CA[0-9a-f]{32}|[0-9a-f]{24})\b")
COMPARED = (
    schema.interaction,
    schema.segment,
    schema.offer,
    schema.call_leg,
    schema.message,
    schema.note,
    schema.ticket,
    schema.ticket_interaction,
)


class Comparison:
    """Rows and log of one contact with ids replaced by their order of appearance."""

    def __init__(self, contact: str) -> None:
        self._names: dict[str, str] = {contact: "the contact"}

    def plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.plain(inner) for name, inner in value.items()}
        if isinstance(value, str):
            return ID.sub(
                lambda found: self._names.setdefault(found[0], f"{found[0][:3]}{len(self._names)}"), value
            )
        return value


def as_lines(lines: list[dict[str, Any]], contact: str) -> list[Any]:
    comparison = Comparison(contact)
    return [
        comparison.plain({name: line[name] for name in ("at", "kind", "subject", "actor", "data")})
        for line in lines
    ]


def as_rows(
    tables: dict[str, list[dict[str, Any]]], lines: list[dict[str, Any]], contact: str
) -> dict[str, Any]:
    """Ids get their names from the log, so that rows on both sides call the same thing the same."""
    comparison = Comparison(contact)
    for line in lines:
        comparison.plain({"subject": line["subject"], "data": line["data"]})
    return {
        name: sorted(json.dumps(comparison.plain(row), sort_keys=True) for row in found)
        for name, found in tables.items()
    }


class Stage:
    """A desk with an agent and a customer, on which the same contact is played twice."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock(NOON)
        self.store = new_desk(path, self.clock)
        self.agents = [self._agent("ada"), self._agent("bea")]
        self.config = self.store.read(lambda reader: reader.config)
        self.book = Book(self.config, Random(1))
        self.at = NOON

    def _agent(self, login: str) -> str:
        row = self.store.run(admin.add_user, login=login, name=login.title(), password_hash="!", role="agent")
        agent_id = str(row["id"])
        self.store.run(sockets.opened, "nod_1", [sockets.Arrival(f"sid-{login}", agent_id, "session")])
        self.store.run(agents.choose_state, agent_id, 1, "ready", None)
        return agent_id

    def act(self, at: int, actor: str, action: Any, *args: Any, **more: Any) -> Any:
        """Run a real action at an instant of the story."""
        self.clock.advance(at - self.clock.now())
        outcome: list[Any] = []
        done = threading.Event()

        def finish(result: Any, error: BaseException | None) -> None:
            outcome[:] = [result, error]
            done.set()

        self.store.submit(lambda tx: action(tx, *args, **more), (), actor, finish)
        done.wait()
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]

    def offer(self, at: int, contact: str, written: dict[str, Any]) -> str:
        """The offer that the book has, made by the real action."""
        made = Offer(
            f"{contact}.{written['attempt']}",
            contact,
            written["agent_id"],
            at,
            at + self.config.queue("service").ring_s * SECOND,
            written["attempt"],
        )
        assert self.act(at, "router", offers.apply_decisions, [OfferMade(made, written["because"])], 1) == []
        return made.id

    def compare(self, contact: str, written: str, *also: sa.Table) -> None:
        """The real contact and the written one; `also`: further tables."""
        compared = (*COMPARED, *also)
        tables = {
            table.name: [row for row in rows(self.store, table) if contact in map(str, row.values())]
            for table in compared
        }
        tickets_of = {row["ticket_id"] for row in tables["ticket_interaction"]}
        tables["ticket"] = [row for row in rows(self.store, schema.ticket) if row["id"] in tickets_of]
        tables["note"] += [row for row in rows(self.store, schema.note) if row["ticket_id"] in tickets_of]
        log = [
            line
            for line in rows(self.store, schema.event)
            if contact in (line["subject"], line["data"].get("interaction_id"))
            or line["subject"] in tickets_of
        ]
        book = {table.name: self.book.rows[table] for table in compared}
        lines = sorted(self.book.lines, key=lambda line: line["at"])
        assert as_lines(lines, written) == as_lines(log, contact)
        assert as_rows(book, lines, written) == as_rows(tables, log, contact)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path / "desk.sqlite3")
    yield found
    found.store.close()


def customer_of(stage: Stage, number: str) -> dict[str, Any]:
    return next(row for row in rows(stage.store, schema.contact_point) if row["value"] == number)


@pytest.mark.parametrize("ended_by", ["customer", "agent"])
def test_a_written_call_is_what_the_actions_write(ended_by: str, stage: Stage) -> None:
    line, second, (ada, bea) = stage.config.phone_lines[0], SECOND, stage.agents
    at = NOON + HOUR
    account = line.account
    # the real one, up to the caller's record, which the written one needs
    started = CallStarted("CA" + "0" * 32, "+442079460001", line.number, "k1", caller_name="Alice Abbott")
    written_call = "CA" + "0" * 32
    stage.act(at, account, calls.start_call, account, started)
    contact = rows(stage.store, schema.interaction)[0]["id"]
    point = customer_of(stage, "+442079460001")
    origin = Origin(
        "phone", account, line.brand_id, point["customer_id"], point["display"], language=line.language
    )
    written = Contact(stage.book, at, origin)
    stage.book.rows[schema.interaction][0]["external_id"] = written_call
    stage.book.rows[schema.call_leg][0]["call_id"] = written_call

    written.join_queue(at + 5 * second, "service")
    stage.act(at + 5 * second, account, calls.choose, account, DigitsPressed(written_call, "1", "k2"))

    written.offer(at + 5 * second, ada, at)
    first = stage.offer(at + 5 * second, contact, stage.book.rows[schema.offer][0])
    written.decline(at + 9 * second, "technical")
    stage.act(at + 9 * second, ada, offers.decline_offer, first, ada, "technical")
    written.offer(at + 9 * second, bea, at)
    other = stage.offer(at + 9 * second, contact, stage.book.rows[schema.offer][1])
    written.accept(at + 14 * second)
    stage.act(at + 14 * second, bea, offers.accept_offer, other, bea)

    joined = at + 16 * second
    written.connect(joined)
    agent_call = stage.book.rows[schema.call_leg][1]["call_id"]
    conference_id = stage.book.rows[schema.call_leg][1]["conference_id"]
    stage.act(joined, account, calls.agent_dialled, account, AgentDialled(agent_call, bea, contact, "k3"))
    for sequence, leg in enumerate((agent_call, written_call), 1):
        change = ConferenceChanged(
            contact, conference_id, ParticipantChange.JOINED, f"k4{sequence}", sequence, leg
        )
        stage.act(joined, account, calls.conference_changed, account, change)

    noted = at + 60 * second
    written.note(noted, "Bea", "E18, coin in the filter")
    key = stage.book.rows[schema.note][0]["key"]
    stage.act(noted, bea, messages.add_note, contact, bea, "E18, coin in the filter", key)
    case = play_case(stage, written.row, contact, at + 70 * second, Worker(bea, TEAM[0]))

    over = at + 120 * second
    written.end(over, ended_by)
    gone = CallChanged(written_call, CallStatus.COMPLETED, "k5", sequence=2)
    if ended_by == "customer":
        stage.act(over, account, calls.leg_changed, account, gone)
    else:
        stage.act(over, bea, wrap_up.end_contact, contact, bea)
        stage.act(over + second // 5, account, calls.leg_changed, account, gone)
    agent_gone = CallChanged(agent_call, CallStatus.COMPLETED, "k6", sequence=2)
    stage.act(over + second // 5, account, calls.leg_changed, account, agent_gone)
    written.finish(over + 20 * second, "solved", "filter cleaned")
    stage.act(over + 20 * second, bea, wrap_up.finish, contact, bea, "solved", "filter cleaned")

    go_on_with_case(stage, case, bea)
    stage.compare(contact, written.id)


def play_case(stage: Stage, row: dict[str, Any], contact: str, at: int, worker: Worker) -> Case:
    """A ticket in both worlds; the written one is opened when its book is played."""
    scenario = language("en").scenarios[0]
    client = Client(row["customer_id"], "Alice Abbott", language("en"), None, None, [], at)
    case = Case(client, scenario, {"appliance": "washer", "serial": "AA-1"})
    case.open(at, worker, row)
    cases = Cases(stage.book, NOON, stage.store.run(lambda tx: tx.next_number("ticket")))
    stage.store.run(lambda tx: tx.write(sa.update(schema.counter).values(value=schema.counter.c.value - 1)))
    cases._open(case)
    written = stage.book.rows[schema.ticket][0]
    stage.act(
        at,
        worker.id,
        tickets.open_ticket,
        subject=written["subject"],
        description=written["description"],
        priority=written["priority"],
        queue_id=None,
        customer_id=None,
        interaction_id=contact,
        assignee_id=written["assignee_id"],
    )
    return case


def go_on_with_case(stage: Stage, case: Case, agent: str) -> None:
    """A note and the way to closed, in both."""
    cases = Cases(stage.book, NOON, 0)
    assert case.worker is not None
    ticket = rows(stage.store, schema.ticket)[0]["id"]
    at = case.opened_at + HOUR
    stage.store.run(lambda tx: tx.write(sa.update(schema.agent).values(name=TEAM[0].name)))
    cases._note(case, at, case.worker, "done")
    key = stage.book.rows[schema.note][-1]["key"]
    stage.act(at, agent, tickets.note_ticket, ticket, agent, "done", key)
    for number, status in enumerate(("pending", "solved", "closed"), 1):
        cases._move(case, at + number * SECOND, case.worker, status)
        version = rows(stage.store, schema.ticket)[0]["version"]
        stage.act(at + number * SECOND, agent, tickets.change_ticket, ticket, version, {"status": status})


@pytest.mark.parametrize("ended_by", ["customer", "agent"])
def test_a_written_chat_is_what_the_actions_write(ended_by: str, stage: Stage) -> None:
    widget, (ada, _) = stage.config.widgets[0], stage.agents
    at = NOON + HOUR
    visitor = stage.act(at, "customer", chats.meet_visitor, widget.id, None, "print")["id"]
    stage.book.random.seed(5)
    opened = ChatOpened(
        "cht_" + "0" * 26,
        visitor,
        "k1",
        name="Lena Fuchs",
        mailbox="lena.fuchs@example.org",
        topic="repair",
        language="de",
    )
    first = MessageReceived(opened.chat_id, "0" * 24, visitor, "Guten Tag", "k2")
    contact = stage.act(at, "customer", chats.open_chat, widget.id, opened, first).interaction_id
    point = customer_of(stage, "lena.fuchs@example.org")
    topic = next(topic.name for topic in widget.topics if topic.id == "repair")
    origin = Origin(
        "web_chat", widget.id, widget.brand_id, point["customer_id"], point["display"], topic, "de"
    )
    written = Contact(stage.book, at, origin)
    stage.book.rows[schema.interaction][0]["external_id"] = opened.chat_id
    written.write(at, "customer", point["customer_id"], "Lena Fuchs", "Guten Tag")
    stage.book.rows[schema.message][0]["key"] = first.message_id
    written.join_queue(at, "repair")

    written.offer(at + SECOND, ada, at)
    offer = stage.offer(at + SECOND, contact, stage.book.rows[schema.offer][0])
    written.accept(at + 3 * SECOND)
    stage.act(at + 3 * SECOND, ada, offers.accept_offer, offer, ada)
    written.write(at + 9 * SECOND, "agent", ada, "Ada", "Welches Gerät?")
    key = stage.book.rows[schema.message][-1]["key"]
    stage.act(at + 9 * SECOND, ada, messages.say_as_agent, contact, ada, "Welches Gerät?", key)
    written.write(at + 19 * SECOND, "customer", point["customer_id"], "Lena Fuchs", "Die Waschmaschine")
    key = stage.book.rows[schema.message][-1]["key"]
    more = MessageReceived(opened.chat_id, key, visitor, "Die Waschmaschine", "k3")
    stage.act(at + 19 * SECOND, "customer", chats.receive_message, widget.id, more)

    over = at + 60 * SECOND
    written.end(over, ended_by)
    if ended_by == "customer":
        stage.act(over, "customer", chats.close_chat, widget.id, ChatClosed(opened.chat_id, "k4"))
    else:
        stage.act(over, ada, wrap_up.end_contact, contact, ada)
    written.finish(over + 90 * SECOND, None, None)
    stage.act(over + 90 * SECOND, "router", wrap_up.expire, contact, ada)
    stage.compare(contact, written.id)


def test_a_written_mail_is_what_the_actions_write(stage: Stage) -> None:
    box, (ada, bea) = stage.config.mailboxes[0], stage.agents
    sender, at = MailAddress("lena.fuchs@example.org", "Lena Fuchs"), NOON + HOUR
    text = "Guten Tag,\n\nDie Maschine steht still.\n\nLena Fuchs"
    dedupe_key = "mail:" + "0" * 64
    first = MailReceived(
        "<1@example.org>",
        dedupe_key,
        sender,
        "Maschine",
        text,
        (MailAddress(box.address),),
        language="de",
        sent_at=at,
    )
    stage.act(at, "customer", mails.receive_mail, box.account, first, [], "0" * 64)
    contact = rows(stage.store, schema.interaction)[0]["id"]
    point = customer_of(stage, sender.address)
    origin = Origin(
        "email", box.account, box.brand_id, point["customer_id"], sender.address, "Maschine", "de"
    )
    written = Contact(stage.book, at, origin)
    written.row["external_id"] = dedupe_key
    written.begin_in_queue(at, box.default_queue)
    written.receive_mail(at, sender, "Maschine", text)
    adopt_message_id(stage, "<1@example.org>")
    case = Case(
        Client(point["customer_id"], "Lena Fuchs", language("de"), None, None, [], at), service_case(), {}
    )
    case.leave(at, written.row, text, "Maschine")
    Cases(stage.book, NOON, rows(stage.store, schema.ticket)[0]["number"])._open(case)

    take(stage, written, contact, ada, at + 60 * SECOND)
    answer_both(stage, written, contact, ada, sender, at + 90 * SECOND, then="wait")
    back_at = at + HOUR
    written.receive_mail(back_at, sender, "Re: Maschine", "Läuft, danke!")
    reply_id, key = adopt_message_id(stage, "<2@example.org>")
    reply = MailReceived(
        reply_id,
        key,
        sender,
        "Re: Maschine",
        "Läuft, danke!",
        (MailAddress(box.address),),
        proven=ProvenThread(contact, "address"),
        sent_at=back_at,
    )
    stage.act(back_at, "customer", mails.receive_mail, box.account, reply, [], "1" * 64)
    take(stage, written, contact, bea, back_at + 60 * SECOND)
    answer_both(stage, written, contact, bea, sender, back_at + 90 * SECOND, then="stay")
    over = back_at + 2 * HOUR
    written.end(over, "agent")
    stage.act(over, bea, wrap_up.end_contact, contact, bea)
    written.finish(over + 9 * SECOND, "solved", "steht nicht mehr")
    stage.act(over + 9 * SECOND, bea, wrap_up.finish, contact, bea, "solved", "steht nicht mehr")
    stage.compare(contact, written.id, schema.thread)


def service_case() -> Scenario:
    return next(each for each in language("de").scenarios if each.queue == "service")


def adopt_message_id(stage: Stage, message_id: str) -> tuple[str, str]:
    """The written mail's Message-ID becomes the real one's; (it, the mail's key)."""
    message, thread = stage.book.rows[schema.message][-1], stage.book.rows[schema.thread][0]
    thread["references"] = [*thread["references"][:-1], message_id]
    thread["last_message_id"] = message["provider_id"] = message["envelope"]["message_id"] = message_id
    return message_id, message["key"]


def take(stage: Stage, written: Contact, contact: str, agent: str, at: int) -> None:
    """Offered and accepted, in both."""
    written.offer(at, agent, at)
    offer = stage.offer(at, contact, stage.book.rows[schema.offer][-1])
    written.accept(at + 5 * SECOND)
    stage.act(at + 5 * SECOND, agent, offers.accept_offer, offer, agent)


def answer_both(
    stage: Stage, written: Contact, contact: str, agent: str, to: MailAddress, at: int, *, then: str
) -> None:
    """An agent's mail, its sending, and what becomes of the contact."""
    name = "Ada" if agent == stage.agents[0] else "Bea"
    written.answer_mail(at, name, to, "Re: Maschine", "Bitte das Sieb leeren.")
    if then == "wait":
        written.park(at)
    entry = stage.book.rows[schema.message][-1]
    letter = writing.Letter([to.address], [], "Re: Maschine", "Bitte das Sieb leeren.", None, [])

    def answer(tx: Tx) -> str:
        entry_id = writing.send_mail(tx, contact, agent, letter, entry["key"], None)
        writing.then(tx, contact, agent, then)
        return entry_id

    real = stage.act(at, agent, answer)
    entry["provider_id"] = provider_id = f"<{len(stage.book.rows[schema.message])}@alpenglow.example>"
    stage.act(at + SECOND, "system", deliveries.sent, real, 1, provider_id, "sent")


def test_a_written_text_is_what_the_actions_write(stage: Stage) -> None:
    line, (ada, _) = stage.config.text_lines[0], stage.agents
    number, at = "+447700900123", NOON + HOUR
    first = TextReceived("SM" + "0" * 32, number, line.number, "It stopped.", "SM" + "0" * 32, segments=1)
    stage.act(at, "customer", texts.receive_text, line.account, first)
    contact = rows(stage.store, schema.interaction)[0]["id"]
    point = customer_of(stage, number)
    origin = Origin(
        "sms", line.account, line.brand_id, point["customer_id"], point["display"], language=line.language
    )
    written = Contact(stage.book, at, origin)
    written.row["external_id"] = first.message_id
    written.begin_in_queue(at, line.default_queue)
    written.receive_text(at, number, "It stopped.")

    take(stage, written, contact, ada, at + 60 * SECOND)
    answered = at + 90 * SECOND
    written.answer_text(answered, "Ada", number, "Turn it off and on.")
    written.park(answered)
    entry = stage.book.rows[schema.message][-1]

    def answer(tx: Tx) -> str:
        entry_id = writing.send_text(tx, contact, ada, "Turn it off and on.", entry["key"], None)
        writing.then(tx, contact, ada, "wait")
        return entry_id

    real = stage.act(answered, ada, answer)
    stage.act(answered + SECOND, "system", deliveries.sent, real, 1, entry["provider_id"], "sending")
    for seconds, status in ((2, DeliveryStatus.SENT), (3, DeliveryStatus.DELIVERED)):
        report = DeliveryChanged(entry["provider_id"], status, f"report-{seconds}")
        stage.act(answered + seconds * SECOND, line.account, deliveries.changed, line.account, report)

    back_at = at + HOUR
    written.receive_text(back_at, number, "It runs.")
    key = stage.book.rows[schema.message][-1]["key"]
    more = TextReceived(key, number, line.number, "It runs.", key, segments=1)
    stage.act(back_at, "customer", texts.receive_text, line.account, more)
    take(stage, written, contact, ada, back_at + 60 * SECOND)
    over = back_at + 90 * SECOND
    written.end(over, "agent")
    stage.act(over, ada, wrap_up.end_contact, contact, ada)
    written.finish(over + 60 * SECOND, None, None)
    stage.act(over + 60 * SECOND, "router", wrap_up.expire, contact, ada)
    stage.compare(contact, written.id, schema.thread)


def test_a_written_abandoned_call_is_what_the_actions_write(stage: Stage) -> None:
    line = stage.config.phone_lines[0]
    call_id = "CA" + "1" * 32
    started = CallStarted(call_id, "+442079460001", line.number, "k1")
    stage.act(NOON, line.account, calls.start_call, line.account, started)
    contact = rows(stage.store, schema.interaction)[0]["id"]
    point = customer_of(stage, "+442079460001")
    origin = Origin(
        "phone", line.account, line.brand_id, point["customer_id"], point["display"], language=line.language
    )
    written = Contact(stage.book, NOON, origin)
    stage.book.rows[schema.interaction][0]["external_id"] = call_id
    stage.book.rows[schema.call_leg][0]["call_id"] = call_id
    written.join_queue(NOON + 5 * SECOND, "sales")
    stage.act(NOON + 5 * SECOND, line.account, calls.choose, line.account, DigitsPressed(call_id, "2", "k2"))
    written.abandon(NOON + 40 * SECOND)
    gone = CallChanged(call_id, CallStatus.COMPLETED, "k3", sequence=2)
    stage.act(NOON + 40 * SECOND, line.account, calls.leg_changed, line.account, gone)
    stage.compare(contact, written.id)


def test_words_left_at_night_are_what_the_actions_write(stage: Stage) -> None:
    widget = stage.config.widgets[0]
    for agent in stage.agents:
        stage.store.run(agents.send_away, agent, "signed_out")
    visitor = stage.act(NOON, "customer", chats.meet_visitor, widget.id, None, "print")["id"]
    opened = ChatOpened("cht_" + "2" * 26, visitor, "k1", name="Lena Fuchs", topic="invoice", language="de")
    first = MessageReceived(opened.chat_id, "2" * 24, visitor, "Ist  jemand\nda?", "k2")
    contact = stage.act(NOON, "customer", chats.open_chat, widget.id, opened, first).interaction_id
    customer = customer_of(stage, visitor)["customer_id"]
    topic = next(topic.name for topic in widget.topics if topic.id == "invoice")
    written = Contact(
        stage.book,
        NOON,
        Origin("web_chat", widget.id, widget.brand_id, customer, "Lena Fuchs", topic, "de"),
    )
    stage.book.rows[schema.interaction][0]["external_id"] = opened.chat_id
    written.write(NOON, "customer", customer, "Lena Fuchs", "Ist  jemand\nda?")
    stage.book.rows[schema.message][0]["key"] = first.message_id
    scenario = next(each for each in language("de").scenarios if each.queue == "billing")
    case = Case(Client(customer, "Lena Fuchs", language("de"), None, None, [], NOON), scenario, {})
    case.leave(NOON, written.row, "Ist  jemand\nda?")
    Cases(stage.book, NOON, rows(stage.store, schema.ticket)[0]["number"])._open(case)
    written.leave_message(NOON, "billing")
    stage.compare(contact, written.id)


def test_what_the_last_run_left_is_over_and_asks_nothing_of_a_carrier_that_is_gone(stage: Stage) -> None:
    line, widget, (ada, _) = stage.config.phone_lines[0], stage.config.widgets[0], stage.agents
    for number, call_id in enumerate(("CA1", "CA2")):
        started = CallStarted(call_id, f"+44207946000{number}", line.number, f"start-{call_id}")
        stage.act(NOON, line.account, calls.start_call, line.account, started)
        stage.act(
            NOON, line.account, calls.choose, line.account, DigitsPressed(call_id, "1", f"digit-{call_id}")
        )
    contact = next(row for row in rows(stage.store, schema.interaction) if row["external_id"] == "CA1")
    made = Offer(f"{contact['id']}.1", contact["id"], ada, NOON, NOON + 20 * SECOND, 1)
    stage.act(NOON, "router", offers.apply_decisions, [OfferMade(made, {})], 1)
    stage.act(NOON, ada, offers.accept_offer, made.id, ada)
    stage.act(
        NOON, line.account, calls.agent_dialled, line.account, AgentDialled("CA3", ada, contact["id"], "dial")
    )
    visitor = stage.act(NOON, "customer", chats.meet_visitor, widget.id, None, "print")["id"]
    opened = ChatOpened("cht_1", visitor, "open", name="Lena")
    stage.act(
        NOON,
        "customer",
        chats.open_chat,
        widget.id,
        opened,
        MessageReceived("cht_1", "m1", visitor, "hi", "m1"),
    )
    before = len(rows(stage.store, schema.effect))

    assert stage.store.run(end_leftovers) == 4
    states = {row["external_id"]: row["state"] for row in rows(stage.store, schema.interaction)}
    assert states == {"CA1": "wrap_up", "CA2": "ended", "cht_1": "ended"}
    assert len(rows(stage.store, schema.effect)) == before
    assert [each for each in stage.store.read(audit) if each.check != "counters"] == []
