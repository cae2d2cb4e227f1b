"""What search looks in: documents made of the rows of customers, cases, contacts, messages and notes.

A document is words only. What a hit shows is read from its row again, so nothing that was changed or erased is shown.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from service_desk.clock import Micros
from service_desk.domain import search_words
from service_desk.domain.contact_point import fold_phone
from service_desk.domain.search_query import KINDS, Part, word
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader

CUSTOMER = schema.customer
COMPANY = schema.company
POINT = schema.contact_point
TICKET = schema.ticket
INTERACTION = schema.interaction
MESSAGE = schema.message
NOTE = schema.note
DOC = schema.search_doc

TABLES = {
    "customer": CUSTOMER,
    "ticket": TICKET,
    "interaction": INTERACTION,
    "message": MESSAGE,
    "note": NOTE,
}
PREFIXES = {"cus_": "customer", "tic_": "ticket", "int_": "interaction", "msg_": "message", "not_": "note"}

_IDS: sa.BindParameter[list[str]] = sa.bindparam("ids", expanding=True)
_OWNER = INTERACTION.c.agent_id.label("owner_id")


def _with_contact(table: sa.Table) -> sa.Select[tuple[str]]:
    """Rows of a conversation with the agent whose contact it is."""
    return sa.select(table, _OWNER).outerjoin(INTERACTION, INTERACTION.c.id == table.c.interaction_id)


# Built once: making a statement costs more than running it.
_CUSTOMERS = Prepared(
    sa.select(CUSTOMER, COMPANY.c.name.label("company"))
    .outerjoin(COMPANY, COMPANY.c.id == CUSTOMER.c.company_id)
    .where(CUSTOMER.c.id.in_(_IDS), CUSTOMER.c.merged_into.is_(None))
)
_POINTS = Prepared(
    sa.select(POINT)
    .where(POINT.c.customer_id.in_(_IDS), POINT.c.kind != "chat")
    .order_by(POINT.c.created_at, POINT.c.id)
)
_ROWS = {
    "ticket": Prepared(sa.select(TICKET).where(TICKET.c.id.in_(_IDS))),
    "interaction": Prepared(sa.select(INTERACTION).where(INTERACTION.c.id.in_(_IDS))),
    "message": Prepared(_with_contact(MESSAGE).where(MESSAGE.c.id.in_(_IDS), MESSAGE.c.kind == "message")),
    "note": Prepared(_with_contact(NOTE).where(NOTE.c.id.in_(_IDS))),
}
_PAGES = {
    kind: Prepared(
        sa.select(table.c.id)
        .where(table.c.id > sa.bindparam("after", type_=sa.Text))
        .order_by(table.c.id)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )
    for kind, table in TABLES.items()
}
_THERE = {kind: Prepared(sa.select(table.c.id).where(table.c.id.in_(_IDS))) for kind, table in TABLES.items()}
_KNOWN = Prepared(
    sa.select(DOC.c.id, DOC.c.number, DOC.c.owner_id, DOC.c.digest, DOC.c.customer_id).where(
        DOC.c.id.in_(_IDS)
    )
)
_ENTRIES = tuple(
    Prepared(sa.select(table.c.id).where(table.c.interaction_id.in_(_IDS))) for table in (MESSAGE, NOTE)
)
_OF_CUSTOMERS = Prepared(sa.select(DOC.c.id).where(DOC.c.customer_id.in_(_IDS)))
_DOC_PAGE = Prepared(
    sa.select(DOC.c.number, DOC.c.id)
    .where(DOC.c.number > sa.bindparam("after", type_=sa.BigInteger))
    .order_by(DOC.c.number)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


@dataclass(slots=True)
class Doc:
    """The words under which a row is found. `at` is what it is sorted by, `owner_id` whose contact it belongs to."""

    id: str
    kind: str
    at: Micros
    customer_id: str | None
    owner_id: str | None = None
    words: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """The same for the same document."""
        whole = "\n".join((str(self.at), self.customer_id or "", *self.words))
        return hashlib.blake2b(whole.encode(), digest_size=12).hexdigest()

    def add(self, part: Part, words: Iterable[str]) -> None:
        self.words += [word(self.kind, part, folded) for folded in words if folded]


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written, and the ids of documents that are to go."""

    docs: list[Doc]
    gone: list[str]


def kind_of(row_id: str) -> str | None:
    """What an id names, None if search knows no such thing."""
    return PREFIXES.get(row_id[:4])


def ids_after(reader: Reader, kind: str, after: str, limit: int) -> list[str]:
    """The next ids of a kind's rows."""
    return [row["id"] for row in reader.all(_PAGES[kind], {"after": after, "limit": limit})]


def docs_after(reader: Reader, after: int, limit: int) -> list[tuple[int, str]]:
    """The next documents: number and id."""
    rows = reader.all(_DOC_PAGE, {"after": after, "limit": limit})
    return [(row["number"], row["id"]) for row in rows]


def without_rows(reader: Reader, ids: Iterable[str]) -> list[str]:
    """Those of these ids that name no row any more."""
    wanted = sorted(ids)
    by_kind: dict[str, list[str]] = defaultdict(list)
    for row_id in wanted:
        by_kind[kind_of(row_id) or ""].append(row_id)
    there = {
        row["id"]
        for kind, some in by_kind.items()
        if kind in _THERE
        for part in _parts(some)
        for row in reader.all(_THERE[kind], {"ids": part})
    }
    return [row_id for row_id in wanted if row_id not in there]


def docs_of_customers(reader: Reader, customer_ids: Sequence[str]) -> set[str]:
    """The ids of all documents about these people."""
    if not customer_ids:
        return set()
    return {row["id"] for row in reader.all(_OF_CUSTOMERS, {"ids": list(customer_ids)})}


def changes_for(reader: Reader, ids: Iterable[str]) -> Changes:
    """Compare the rows of these ids with their documents.

    A contact that changed hands, or is another customer's now, brings its messages along.
    """
    wanted = set(ids)
    docs = docs_of(reader, wanted)
    known = _known(reader, wanted)
    handed_on = [
        doc.id
        for doc in docs.values()
        if doc.kind == "interaction"
        and (old := known.get(doc.id))
        and (old["owner_id"], old["customer_id"]) != (doc.owner_id, doc.customer_id)
    ]
    if more := _entries(reader, handed_on) - wanted:
        docs |= docs_of(reader, more)
        known |= _known(reader, more)
        wanted |= more
    fresh = [doc for doc in docs.values() if doc.id not in known or known[doc.id]["digest"] != doc.digest]
    return Changes(sorted(fresh, key=lambda doc: doc.at), sorted(set(known) - set(docs)))


def _known(reader: Reader, ids: set[str]) -> dict[str, sa.RowMapping]:
    return {row["id"]: row for part in _parts(ids) for row in reader.all(_KNOWN, {"ids": part})}


def _entries(reader: Reader, interaction_ids: list[str]) -> set[str]:
    return {
        row["id"]
        for part in _parts(interaction_ids)
        for statement in _ENTRIES
        for row in reader.all(statement, {"ids": part})
    }


def _parts(ids: Iterable[str], size: int = 500) -> Iterable[list[str]]:
    """Lists short enough for one statement."""
    ordered = sorted(ids)
    return (ordered[at : at + size] for at in range(0, len(ordered), size))


def docs_of(reader: Reader, ids: Iterable[str]) -> dict[str, Doc]:
    """The documents of those ids that name something to be found."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for row_id in ids:
        if kind := kind_of(row_id):
            by_kind[kind].append(row_id)
    return {
        doc.id: doc
        for kind, some in by_kind.items()
        for part in _parts(some)
        for doc in _MAKERS[kind](reader, part)
        if doc.words
    }


# --- one maker for each kind ----------------------------------------------------------------------------------


def _customers(reader: Reader, ids: list[str]) -> list[Doc]:
    points: dict[str, list[sa.RowMapping]] = defaultdict(list)
    for point in reader.all(_POINTS, {"ids": ids}):
        points[point["customer_id"]].append(point)
    docs = []
    for row in reader.all(_CUSTOMERS, {"ids": ids}):
        doc = Doc(row["id"], "customer", row["created_at"], row["id"])
        for name in (row["name"], row["company"]):
            _name(doc, name)
        for point in points[row["id"]]:
            _address(doc, point["value"], point["display"])
        _text(doc, row["remark"])
        docs.append(doc)
    return docs


def _tickets(reader: Reader, ids: list[str]) -> list[Doc]:
    docs = []
    for row in reader.all(_ROWS["ticket"], {"ids": ids}):
        doc = Doc(row["id"], "ticket", row["updated_at"], row["customer_id"])
        doc.add(Part.KEY, [str(row["number"])])
        _head(doc, f"{row['number']} {search_words.clean(row['subject'])}")
        _text(doc, row["subject"])
        _text(doc, row["description"])
        docs.append(doc)
    return docs


def _interactions(reader: Reader, ids: list[str]) -> list[Doc]:
    docs = []
    for row in reader.all(_ROWS["interaction"], {"ids": ids}):
        doc = Doc(row["id"], "interaction", row["created_at"], row["customer_id"], row["agent_id"])
        if row["caller"]:
            _address(doc, row["caller"], row["caller"])
        _head(doc, search_words.clean(row["topic"] or ""))
        for text in (row["topic"], row["comment"]):
            _text(doc, text)
        _scope(doc, row["id"])  # also without another word: it says whose contact it is
        docs.append(doc)
    return docs


def _messages(reader: Reader, ids: list[str]) -> list[Doc]:
    return [_entry(row, "message") for row in reader.all(_ROWS["message"], {"ids": ids})]


def _notes(reader: Reader, ids: list[str]) -> list[Doc]:
    return [_entry(row, "note") for row in reader.all(_ROWS["note"], {"ids": ids})]


def _entry(row: sa.RowMapping, kind: str) -> Doc:
    doc = Doc(row["id"], kind, row["at"], row["customer_id"], row["owner_id"])
    _text(doc, row["text"])
    if doc.words:
        _scope(doc, row["interaction_id"])
    return doc


_MAKERS: dict[str, Callable[[Reader, list[str]], list[Doc]]] = {
    "customer": _customers,
    "ticket": _tickets,
    "interaction": _interactions,
    "message": _messages,
    "note": _notes,
}
assert set(_MAKERS) == set(KINDS), "every kind can be made"


# --- words ----------------------------------------------------------------------------------------------------


def scope_word(row_id: str) -> str:
    """An id as a word: letters and digits only."""
    return row_id.replace("_", "")


def _scope(doc: Doc, interaction_id: str | None) -> None:
    """Who may find it: the agent whose contact it is, whom the contact rings at; everybody if it is of no contact."""
    if interaction_id is None:
        doc.add(Part.OPEN, ["x"])
        return
    doc.add(Part.CONTACT, [scope_word(interaction_id)])
    if doc.owner_id:
        doc.add(Part.OWNER, [scope_word(doc.owner_id)])


def _name(doc: Doc, name: str | None) -> None:
    text = search_words.clean(name or "")
    doc.add(Part.KEY, sorted(search_words.keys_of(text)))
    _head(doc, text)


def _address(doc: Doc, value: str, display: str) -> None:
    """A phone number, a mailbox or the name that somebody gave in a chat."""
    phone = fold_phone(value)
    if phone is None:
        _name(doc, display)
        return
    e164, national = phone.value.removeprefix("+"), search_words.national_digits(phone.value)
    doc.add(Part.KEY, [e164, national])
    doc.add(Part.DIGITS, [e164, national])
    doc.add(Part.REVERSED, [e164[::-1]])


def _head(doc: Doc, text: str) -> None:
    folded = search_words.fold_text(text)
    words = [*folded.words, *folded.others]
    doc.add(Part.HEAD, words)
    doc.add(Part.BEGINNING, sorted({each[:size] for each in words for size in (1, 2)}))


def _text(doc: Doc, text: str | None) -> None:
    """The words of a text, and the phone numbers that it names."""
    cleaned = search_words.clean(text or "")
    folded = search_words.fold_text(cleaned)
    doc.add(Part.TEXT, folded.words)
    doc.add(Part.TEXT, folded.others)
    for number in search_words.numbers_in(cleaned):
        doc.add(Part.DIGITS, [number.folded])
        doc.add(Part.REVERSED, [number.folded[::-1]])
