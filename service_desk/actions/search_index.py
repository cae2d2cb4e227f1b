"""Writing the search index: by its one follower, and by whoever erases a person."""

import zlib
from collections.abc import Sequence

import sqlalchemy as sa

from service_desk.clock import MILLISECOND, Micros
from service_desk.queries.search_docs import Changes, Doc
from service_desk.storage import schema
from service_desk.storage.fence import check_fence
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Tx

DOC = schema.search_doc
CURSOR = "search"
SLOTS = 1 << 20
"""Documents of one millisecond that have numbers of their own."""

_DELETE = Prepared(sa.delete(DOC).where(DOC.c.id.in_(sa.bindparam("ids", expanding=True))))
_TAKEN = Prepared(sa.select(DOC.c.number).where(DOC.c.number.in_(sa.bindparam("numbers", expanding=True))))
_POSITION = Prepared(sa.select(schema.cursor.c.position).where(schema.cursor.c.name == CURSOR))


def number_for(at: Micros, row_id: str) -> int:
    """A document's number: later ones are higher, and those of one millisecond differ by their ids."""
    return at // MILLISECOND * SLOTS + zlib.crc32(row_id.encode()) % SLOTS


def write_changes(tx: Tx, changes: Changes, lease: str, fence: int) -> None:
    """Replace documents and take away those whose rows are gone. Fenced if another holds the index now."""
    check_fence(tx, lease, fence)
    old = [*changes.gone, *(doc.id for doc in changes.docs)]
    if old:
        tx.write(_DELETE, {"ids": old})
    for doc, number in zip(changes.docs, _numbers(tx, changes.docs), strict=True):
        tx.add(DOC, _row(doc, number))


def move_cursor(tx: Tx, position: int, lease: str, fence: int, *, first: bool) -> bool:
    """Say how far the index has come; False if somebody asked for a new one meanwhile. `first`: it is whole now."""
    check_fence(tx, lease, fence)
    if not first and tx.scalar(_POSITION) is None:
        return False
    tx.set_cursor(CURSOR, position)
    return True


def ask_for_rebuild(tx: Tx) -> None:
    """Without a cursor there is no index: its follower makes it anew from the rows. The old one serves meanwhile.

    Asked while one is being made, that one is the answer.
    """
    tx.write(sa.delete(schema.cursor).where(schema.cursor.c.name == CURSOR))
    tx.audit("search.rebuild", CURSOR)


def forget_customer(tx: Tx, customer_id: str) -> int:
    """Take everything about a person out of the index, in the transaction that erases them; how much it was."""
    return tx.write(sa.delete(DOC).where(DOC.c.customer_id == customer_id))


def _row(doc: Doc, number: int) -> dict[str, object]:
    return {
        "number": number,
        "id": doc.id,
        "kind": doc.kind,
        "owner_id": doc.owner_id,
        "customer_id": doc.customer_id,
        "digest": doc.digest,
        "words": doc.words,
    }


def _numbers(tx: Tx, docs: Sequence[Doc]) -> list[int]:
    """A free number for each; a taken one gives way to the next."""
    wanted = [number_for(doc.at, doc.id) for doc in docs]
    while True:
        wanted = _apart(wanted)
        taken = {row["number"] for row in tx.all(_TAKEN, {"numbers": wanted})} if wanted else set()
        if not taken:
            return wanted
        wanted = [number + 1 if number in taken else number for number in wanted]


def _apart(numbers: list[int]) -> list[int]:
    seen: set[int] = set()
    apart = []
    for number in numbers:
        while number in seen:
            number += 1  # noqa: PLW2901 - the next free place
        seen.add(number)
        apart.append(number)
    return apart
