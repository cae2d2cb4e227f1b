"""The auditor: after a run, the ledger of the outside world against the database. Empty is what should be.

It proves that what was acknowledged is stored (and nothing else), that every stored contact is open or closed, that
each effect was carried out once or is unknown and visible, that every history is legal, that the figures are a
recount of the log and of the ledger, that nobody is stuck and no timer lost; beside it everything that
`service-desk audit` proves. The desk may run or be stopped; it should be at rest.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from service_desk.audit import Finding
from service_desk.audit import audit as audit_rows
from service_desk.audit.findings import Findings
from service_desk.clock import SECOND, SystemClock
from service_desk.storage.store import Reader, Store
from tests.chaos import acts, effects, lives, taken
from tests.chaos.ledger import Books, read

Check = Callable[[Reader, Books], Findings]
CHECKS: tuple[Check, ...] = (
    taken.check_load,
    taken.check_calls,
    taken.check_texts,
    taken.check_mails,
    taken.check_chats,
    taken.check_reports,
    taken.check_sum,
    effects.check_texts_out,
    effects.check_mails_out,
    effects.check_calls_out,
    effects.check_visible,
    lives.check_offers,
    lives.check_places,
    lives.check_tickets,
    lives.check_agents,
    lives.check_timers,
    lives.check_customers,
    lives.check_fences,
    acts.check_frames,
    acts.check_screens,
    acts.check_accepts,
    acts.check_keys,
    acts.check_figures,
    acts.check_board,
)


def audit(reader: Reader, books: Books) -> list[Finding]:
    """Everything that does not fit, as (check, id, sentence)."""
    return [*audit_desk(reader), *(finding for check in CHECKS for finding in check(reader, books))]


def audit_desk(reader: Reader) -> list[Finding]:
    """What `service-desk audit` finds, without outcomes that are unknown and shown as such: they are allowed."""
    patience = effects.UNDER_WAY_S * SECOND + reader.now - lives.alive_at(reader)
    found = audit_rows(reader, patience=patience)
    return [
        each for each in found if not (each.check == "effects" and each.detail.startswith("outcome unknown"))
    ]


def audit_folder(folder: Path, database_url: str | None = None) -> list[Finding]:
    """The findings of a run whose ledger lies in `folder`; the database is the one that `run.json` names.

    ValueError when no database is known.
    """
    books = read(folder)
    url = database_url or books.run.get("database_url")
    if url is None:
        raise ValueError(f"{folder} names no database: give one")
    store = Store(url, SystemClock())
    try:
        return store.read(audit, books)
    finally:
        store.close()


def main(words: list[str]) -> int:
    """python -m tests.chaos audit FOLDER [--database URL]: 0 when nothing is found, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos audit", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--database", help="instead of the one in run.json")
    wish = parser.parse_args(words)
    found = audit_folder(wish.folder, wish.database)
    for each in found:
        sys.stdout.write(f"{each.check}: {each.subject}: {each.detail}\n")
    sys.stdout.write(f"{len(found)} finding{'' if len(found) == 1 else 's'}.\n")
    return 1 if found else 0
