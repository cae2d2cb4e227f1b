"""Throwing away and laying aside what grew old: each function one bounded batch; the number of rows that it took.

Nothing here is the memory that people work with: customers, contacts, messages, notes and tickets stay.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from service_desk.clock import Micros
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

EVENT = schema.event
ARCHIVE = schema.event_archive
INPUT = schema.input_
SESSION = schema.session
VISITOR = schema.visitor
INTERACTION = schema.interaction
COUNTS_COMMANDS = frozenset({"routing"})
"""Durable cursors that do not follow the log; every other one does, whoever adds it."""


def purge_inputs(tx: Tx, before: Micros, most: int) -> int:
    """Forget raw inputs that came before an instant, the oldest first and never past one that must stay.

    With one its key goes: the same message sent again after that counts as new, and meets the rows it once made.
    """
    last = _last_before(
        tx.all(sa.select(INPUT.c.position, INPUT.c.at).order_by(INPUT.c.position).limit(most)), before
    )
    return 0 if last is None else tx.write(sa.delete(INPUT).where(INPUT.c.position <= last))


def purge_sessions(tx: Tx, before: Micros, most: int) -> int:
    """Forget sessions that ended, by their time or by a revocation, before an instant."""
    old = (
        sa.select(SESSION.c.fingerprint)
        .where(sa.or_(SESSION.c.expires_at < before, SESSION.c.revoked_at < before))
        .limit(most)
    )
    return tx.write(sa.delete(SESSION).where(SESSION.c.fingerprint.in_(old)))


def purge_visitors(tx: Tx, before: Micros, most: int) -> int:
    """Forget visitors who were not seen since an instant and whose chat, if they had one, is over.

    One who comes back while this runs is seen: PostgreSQL looks at the row again before it deletes it.
    """
    running = sa.select(INTERACTION.c.id).where(
        INTERACTION.c.id == VISITOR.c.interaction_id, INTERACTION.c.ended_at.is_(None)
    )
    old = (
        sa.select(VISITOR.c.id)
        .where(VISITOR.c.seen_at < before, ~running.exists())
        .order_by(VISITOR.c.seen_at)
        .limit(most)
    )
    return tx.write(sa.delete(VISITOR).where(VISITOR.c.id.in_(old), VISITOR.c.seen_at < before))


def archive_log(tx: Tx, before: Micros, most: int) -> int:
    """Move the oldest events from before an instant into the archive, up to where the slowest follower is.

    A log that nobody follows durably yet is left alone: its first follower will want it whole.
    """
    cursor = schema.cursor
    followers = sa.select(sa.func.min(cursor.c.position)).where(cursor.c.name.not_in(COUNTS_COMMANDS))
    read_to = tx.scalar(followers)
    if read_to is None:
        return 0
    oldest = sa.select(EVENT.c.position, EVENT.c.at).where(EVENT.c.position <= read_to)
    last = _last_before(tx.all(oldest.order_by(EVENT.c.position).limit(most)), before)
    if last is None:
        return 0
    names = [column.name for column in EVENT.columns]
    moved = sa.select(*(EVENT.c[name] for name in names)).where(EVENT.c.position <= last)
    tx.write(sa.insert(ARCHIVE).from_select(names, moved))
    return tx.write(sa.delete(EVENT).where(EVENT.c.position <= last))


def _last_before(rows: Sequence[Row], before: Micros) -> int | None:
    """The position up to which all rows are from before an instant."""
    last = None
    for row in rows:
        if row["at"] >= before:
            break
        last = row["position"]
    return last
