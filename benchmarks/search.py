"""Global search on 100,000 tickets with their messages: `python -m benchmarks search`.

The data is invented by a seed: 25,000 customers with two addresses, 100,000 tickets, 50,000 contacts with four
messages each, 25,000 notes. Words follow Zipf's law out of 20,000, so that the commonest stands in most texts and most
stand in a few. The index is made by its own follower, from the rows.

200 questions, half of them by an agent who may see few of the contacts, half by a supervisor: one to three words,
common and rare; words being typed, from two letters on; names, mail addresses, phone numbers and ticket numbers.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import sqlalchemy as sa

from benchmarks.databases import Database
from benchmarks.percentiles import percentile
from benchmarks.report import Row
from service_desk.actions import admin
from service_desk.app import read_config_seed
from service_desk.background.indexer import Indexer, read_cursor
from service_desk.bus.local import LocalBus
from service_desk.clock import HOUR, MINUTE, SECOND, Micros, SystemClock
from service_desk.desk import Desk
from service_desk.domain.access import Principal
from service_desk.ids import new_id
from service_desk.lease import SoleLease
from service_desk.queries.search import search
from service_desk.storage import schema
from service_desk.storage.store import Store
from service_desk.storage.transaction import Tx

CUSTOMERS, TICKETS, CONTACTS, MESSAGES_EACH, NOTES = 25_000, 100_000, 50_000, 4, 25_000
AGENTS = [f"agt_{number:026}" for number in range(50)]
QUESTIONS = 200
BULK = 2_000
START: Micros = 1_700_000_000 * SECOND
SYLLABLES = [a + b for a in "bdfghklmnprstvw" for b in "aeiou"]
GOAL = "< 100"

Rows = dict[sa.Table, list[dict[str, Any]]]


class Library:
    """The same words and people for every run."""

    def __init__(self, seed: int = 1) -> None:
        self._random = Random(seed)
        self.words = [self._word(self._random.randint(2, 4)) for _ in range(20_000)]
        self._weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(self.words))))
        self._first = [self._word(2).title() for _ in range(400)]
        self._last = [self._word(3).title() for _ in range(4_000)]
        self.people: list[tuple[str, str, str, str]] = []

    def _word(self, syllables: int) -> str:
        return "".join(self._random.choices(SYLLABLES, k=syllables))

    def text(self, words: int) -> str:
        return " ".join(self._random.choices(self.words, cum_weights=self._weights, k=words))

    def rows(self) -> Iterator[Rows]:
        """Everything, some thousand rows at a time."""
        for number in range(CUSTOMERS):
            yield self._customer(number)
        for number in range(TICKETS):
            yield self._ticket(number)
        for number in range(CONTACTS):
            yield self._contact(number)
        for number in range(NOTES):
            yield self._note(number)

    def _customer(self, number: int) -> Rows:
        at = START - number * MINUTE
        name = f"{self._random.choice(self._first)} {self._random.choice(self._last)}"
        customer, phone = new_id("cus", at), f"+4917{self._random.randrange(10**9):09}"
        mail = f"{name.lower().replace(' ', '.')}{number}@{self._random.choice(self._last).lower()}.example"
        self.people.append((customer, name, phone, mail))
        facts = {"customer_id": customer, "proof": "seen", "created_at": at}
        return {
            schema.customer: [
                {
                    "id": customer,
                    "name": name,
                    "tier": "standard",
                    "remark": "",
                    "created_at": at,
                    "version": 1,
                }
            ],
            schema.contact_point: [
                {"id": new_id("cpt", at), "kind": "phone", "value": phone, "display": phone, **facts},
                {"id": new_id("cpt", at), "kind": "mailbox", "value": mail, "display": mail, **facts},
            ],
        }

    def _ticket(self, number: int) -> Rows:
        at = START + number * 5 * MINUTE
        row = {
            "id": new_id("tic", at), "number": 10_001 + number, "brand_id": "b", "subject": self.text(6),
            "description": self.text(30), "status": "open", "priority": "normal", "queue_id": "service",
            "customer_id": self._random.choice(self.people)[0], "created_at": at, "updated_at": at, "version": 1,
        }  # fmt: skip
        return {schema.ticket: [row]}

    def _contact(self, number: int) -> Rows:
        at = START + number * 10 * MINUTE
        customer, name, phone, _ = self._random.choice(self.people)
        contact, agent = new_id("int", at), self._random.choice(AGENTS)
        row = {
            "id": contact, "channel": "web_chat", "direction": "inbound", "account": "demo", "external_id": contact,
            "brand_id": "b", "state": "ended", "queue_id": "service", "customer_id": customer, "caller": phone,
            "topic": self.text(2), "comment": self.text(10), "requires": {}, "agent_id": agent, "priority": 0,
            "attempts": 1, "menu_attempt": 0, "created_at": at, "ended_at": at + HOUR, "entry_seq": MESSAGES_EACH,
            "message_seq": MESSAGES_EACH, "version": 1,
        }  # fmt: skip
        said = [
            {
                "id": new_id("msg", at + seq * MINUTE), "interaction_id": contact, "customer_id": customer, "seq": seq,
                "message_no": seq, "kind": "message", "author_kind": "customer", "author_name": name,
                "text": self.text(25), "at": at + seq * MINUTE,
            }
            for seq in range(1, MESSAGES_EACH + 1)
        ]  # fmt: skip
        return {schema.interaction: [row], schema.message: said}

    def _note(self, number: int) -> Rows:
        at = START + number * 20 * MINUTE
        row = {
            "id": new_id("not", at), "ticket_id": "tic_none", "customer_id": self._random.choice(self.people)[0],
            "seq": number, "author_id": AGENTS[0], "author_name": "Ann", "text": self.text(15), "at": at,
        }  # fmt: skip
        return {schema.note: [row]}

    def questions(self) -> list[str]:
        """What people type: ten kinds, one after the other."""
        ask = self._random
        made = []
        for number in range(QUESTIONS):
            _, name, phone, mail = ask.choice(self.people)
            word, rare = self.text(1), ask.choice(self.words)
            made.append(
                (
                    word,
                    self.text(2),
                    self.text(3),
                    f"{word} {rare}",
                    rare[: ask.randint(2, 5)],
                    f"{word} {rare[:3]}",
                    ask.choice((name, name.split()[1], name[: ask.randint(3, 9)])),
                    mail[: ask.randint(6, len(mail))],
                    ask.choice((phone, "0" + phone[3:], phone[-ask.randint(4, 7) :])),
                    str(10_001 + ask.randrange(TICKETS)),
                )[number % 10]
            )
        return made


def bulks(rows: Iterator[Rows]) -> Iterator[Rows]:
    """Gathered into so many things per transaction."""
    for some in iter(lambda: list(itertools.islice(rows, BULK)), []):
        whole: Rows = {}
        for each in some:
            for table, values in each.items():
                whole.setdefault(table, []).extend(values)
        yield whole


def insert(tx: Tx, rows: Rows) -> None:
    """Rows as they are, without the events that would tell of them."""
    for table, values in rows.items():
        for row in values:
            tx.add(table, row)


async def measure(database: Database) -> list[Row]:
    """The rows of one database."""
    clock = SystemClock()
    store = Store(database.url, clock)
    desk = Desk(store, LocalBus(), clock)
    await desk.run(admin.seed, read_config_seed())
    library = Library()
    for rows in bulks(library.rows()):
        await desk.run(insert, rows)
    started = time.perf_counter()
    await _index(desk)
    docs = await desk.read(
        lambda reader: reader.scalar(sa.select(sa.func.count()).select_from(schema.search_doc))
    )
    per_second = docs / (time.perf_counter() - started)
    questions = library.questions()
    for question in questions[:20]:
        _ask(store, question, 0)
    spent = [_ask(store, question, at) for at, question in enumerate(questions)]
    store.close()
    return _rows(database.name, questions, spent, per_second, docs)


async def _index(desk: Desk) -> None:
    task = asyncio.create_task(Indexer(desk, SoleLease("search", desk, "bench")).run())
    while await desk.read(read_cursor) is None:
        await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _ask(store: Store, question: str, at: int) -> float:
    """Milliseconds from the question to the answer as JSON."""
    who = Principal(AGENTS[at % len(AGENTS)], ("agent", "supervisor")[at // 10 % 2], "bench")
    started = time.perf_counter()
    store.read(search, who, question, None, None).model_dump_json()
    return (time.perf_counter() - started) * 1_000


def _rows(name: str, questions: list[str], spent: list[float], per_second: float, docs: int) -> list[Row]:
    how = (
        f"{len(spent)} questions one after the other over {docs:,} documents ({TICKETS:,} tickets), query and JSON; "
        "half by an agent, half by a supervisor; words, beginnings, names, addresses, numbers"
    )
    worst = max(range(len(spent)), key=spent.__getitem__)
    print(f"  {name}: slowest question: {questions[worst]!r}, {spent[worst]:.0f} ms")
    return [
        Row(f"{name}: search on {TICKETS:,} tickets, p95", percentile(spent, 95), "ms", GOAL, how),
        Row(f"{name}: search on {TICKETS:,} tickets, median", percentile(spent, 50), "ms", "", how),
        Row(f"{name}: search on {TICKETS:,} tickets, slowest", max(spent), "ms", "", how),
        Row(
            f"{name}: search index made anew",
            per_second,
            "rows/s",
            "",
            "by its follower, beside nothing else",
        ),
    ]
