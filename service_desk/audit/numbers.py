"""What is numbered is numbered without gap; tickets are what the log says."""

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from service_desk.audit.findings import Finding, Findings, by_id
from service_desk.audit.log import Log, ToldTicket
from service_desk.domain import interaction as life
from service_desk.storage import schema
from service_desk.storage.store import Reader


def check_numbering(reader: Reader) -> Findings:
    """Entries and messages of a contact and notes of a ticket are numbered from 1 without gap."""
    message, note, interaction = schema.message, schema.note, schema.interaction
    entries = sa.union_all(
        sa.select(message.c.interaction_id, message.c.seq),
        sa.select(note.c.interaction_id, note.c.seq).where(note.c.interaction_id.is_not(None)),
    ).subquery()
    yield from _misnumbered(
        reader, entries.c.interaction_id, entries.c.seq, interaction.c.entry_seq, "entries"
    )
    spoken = sa.select(message).where(message.c.kind == "message").subquery()
    number = spoken.c.message_no
    yield from _misnumbered(reader, spoken.c.interaction_id, number, interaction.c.message_seq, "messages")
    notes = sa.select(note.c.ticket_id, note.c.seq).where(note.c.ticket_id.is_not(None)).subquery()
    count = sa.func.count()
    wrong = (
        sa.select(notes.c.ticket_id, count.label("count"), sa.func.max(notes.c.seq).label("last"))
        .group_by(notes.c.ticket_id)
        .having(sa.or_(sa.func.count(notes.c.seq.distinct()) != count, sa.func.max(notes.c.seq) != count))
    )
    for row in reader.all(wrong.order_by(notes.c.ticket_id)):
        yield Finding(
            "numbering", row["ticket_id"], f"{row['count']} notes, the last is number {row['last']}"
        )


def _misnumbered(
    reader: Reader,
    owner: sa.ColumnElement[str],
    number: sa.ColumnElement[int],
    last: sa.Column[int],
    what: str,
) -> Findings:
    """Interactions whose `what` are not exactly 1 to `last`."""
    interaction = schema.interaction
    count = sa.func.count(number)
    statement = (
        sa.select(
            interaction.c.id, last.label("stored"), count.label("count"), sa.func.max(number).label("top")
        )
        .outerjoin_from(interaction, _table_of(owner), owner == interaction.c.id)
        .group_by(interaction.c.id, last)
        .having(
            sa.or_(
                count != last,
                sa.func.count(number.distinct()) != last,
                sa.func.coalesce(sa.func.max(number), 0) != last,
            )
        )
    )
    for row in reader.all(statement.order_by(interaction.c.id)):
        detail = (
            f"{row['count']} {what}, the last is number {row['top']}, the interaction says {row['stored']}"
        )
        yield Finding("numbering", row["id"], detail)


def _table_of(column: sa.ColumnElement[Any]) -> sa.FromClause:
    (table,) = column._from_objects  # noqa: SLF001 - SQLAlchemy offers no public way
    return table


def check_tickets(reader: Reader, log: Log) -> Findings:
    """Ticket numbers are given once and below the counter; status and links are what the log says."""
    ticket, link = schema.ticket, schema.ticket_interaction
    counter = reader.scalar(sa.select(schema.counter.c.value).where(schema.counter.c.name == "ticket"))
    links: dict[str, set[str]] = defaultdict(set)
    for row in reader.all(sa.select(link.c.ticket_id, link.c.interaction_id)):
        links[row["ticket_id"]].add(row["interaction_id"])
    numbers: dict[int, str] = {}
    missing = set(log.tickets)
    columns = (ticket.c.id, ticket.c.number, ticket.c.status, ticket.c.closed_at)
    for row in by_id(reader, ticket, columns):
        missing.discard(row["id"])
        other = numbers.setdefault(row["number"], row["id"])
        if other != row["id"]:
            yield Finding("tickets", row["id"], f"number {row['number']} is that of {other} too")
        if row["number"] > (counter or 0):
            yield Finding("tickets", row["id"], f"number {row['number']} is above the counter, {counter}")
        if (row["status"] in life.TICKET_DONE) != (row["closed_at"] is not None):
            yield Finding("tickets", row["id"], f"it is {row['status']} with closed_at {row['closed_at']}")
        yield from _ticket_against(row, log.tickets.get(row["id"]), links[row["id"]])
    for ticket_id in sorted(missing):
        yield Finding("tickets", ticket_id, "the log knows it, but there is no row")


def _ticket_against(row: sa.RowMapping, told: ToldTicket | None, links: set[str]) -> Findings:
    if told is None:
        yield Finding("tickets", row["id"], "the log does not know it")
        return
    for name in ("number", "status"):
        if row[name] != getattr(told, name):
            yield Finding("tickets", row["id"], f"{name} is {row[name]}, the log says {getattr(told, name)}")
    for interaction_id in sorted(links ^ told.links):
        where = "in the rows only" if interaction_id in links else "in the log only"
        yield Finding("tickets", row["id"], f"the link to {interaction_id} is {where}")
