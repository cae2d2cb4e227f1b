"""Fills an empty desk with the demo's people and their past, in one transaction and a few seconds."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import sqlalchemy as sa
from argon2 import PasswordHasher

from service_desk.clock import DAY
from service_desk.demo.book import Book
from service_desk.demo.cases import Cases
from service_desk.demo.chance import Random
from service_desk.demo.past import Past, Size
from service_desk.demo.people import Register, hire
from service_desk.errors import Conflict
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

PASSWORDS: Mapping[str, str] = {
    "agent": "agent-demo-pass",
    "supervisor": "supervisor-demo-pass",
    "admin": "admin-demo-pass",
}
"""By role. Everybody may know them: the demo listens on this machine only."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was made."""

    agents: int
    customers: int
    interactions: int
    tickets: int
    events: int


def is_empty(reader: Reader) -> bool:
    """Whether nobody works here yet."""
    return reader.scalar(sa.select(schema.agent.c.id).limit(1)) is None


def hash_passwords() -> dict[str, str]:
    """One hash per role, side by side on threads: argon2 is slow on purpose and holds no lock of Python's."""
    hasher = PasswordHasher()
    with ThreadPoolExecutor(len(PASSWORDS)) as pool:
        return dict(zip(PASSWORDS, pool.map(hasher.hash, PASSWORDS.values()), strict=True))


def seed_demo(tx: Tx, seed: int, hashes: Mapping[str, str], size: Size | None = None) -> Seeded:
    """People and past, the same for the same seed and instant. Conflict unless the desk has no agents yet.

    The log gets every line that the actions would have written, in order of time, and no effects, commands or
    raw inputs: those of old contacts are gone from a real desk too. Needs a published configuration with the
    queues of the example, a phone line and a widget. Nobody else may be writing.
    """
    if tx.scalar(sa.select(schema.agent.c.id).limit(1)) is not None:
        raise Conflict("This desk has people already: the demo's are for an empty one.", code="not_empty")
    size = size or Size()
    book = Book(tx.config, Random(seed))
    past = Past(book, tx.now, size)
    workers = hire(book, past.since - DAY, hashes)
    cases = Cases(book, tx.now, tx.next_number("ticket", size.tickets))
    past.make(Register(book, past.since), workers, cases)
    book.close(tx)
    return Seeded(
        agents=len(workers),
        customers=len(book.rows[schema.customer]),
        interactions=len(book.rows[schema.interaction]),
        tickets=len(book.rows[schema.ticket]),
        events=len(book.lines),
    )
