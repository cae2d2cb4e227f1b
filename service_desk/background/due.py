"""Which effects are due. Calls, messages and fetched files are three lines; messages are one for each account.

What hangs or waits in one line holds up no other.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from service_desk.clock import Micros
from service_desk.domain.effects import (
    EFFECTS,
    ConnectCall,
    DialCustomer,
    Effect,
    FetchMedia,
    HangUpCall,
    PutBackCall,
    SendMessage,
)
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen

EFFECT = schema.effect
CALL_KINDS = (ConnectCall.KIND, PutBackCall.KIND, HangUpCall.KIND, DialCustomer.KIND)


@dataclass(frozen=True, slots=True)
class Due:
    """An effect whose time has come; `attempts` before this one.

    `due_at` is when it has come, `started_at` its first claim. Of messages: `tried_at` is when the newest request
    left, `unsure` whether one may have been carried out of which nobody knows.
    """

    position: int
    subject: str
    account: str
    state: str
    attempts: int
    effect: Effect
    due_at: Micros
    started_at: Micros | None = None
    tried_at: Micros | None = None
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try. `ready` and `unknown` are tried again, not before `again_at`.

    `unsure`: whether something may have been carried out of which nobody knows; None leaves it as it stands.
    """

    state: str
    detail: str | None = None
    again_at: Micros | None = None
    unsure: bool | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """How many more may be begun of each line, and what is under way: subjects of calls and sends, positions.

    `sends` has the places left of an account where they are not `sends_each`. `dials_closed` are accounts at which no
    call to a customer may be begun now; looking for one that may have been made is no beginning.
    """

    calls: int
    sends_each: int = 0
    sends: Mapping[str, int] = field(default_factory=dict)
    fetches: int = 0
    busy_calls: Collection[str] = ()
    busy_sends: Collection[str] = ()
    busy_fetches: Collection[int] = ()
    dials_closed: Collection[str] = ()


_SUBJECT, _POSITION = EFFECT.c.subject.type, EFFECT.c.position.type
_OPEN_CALLS = (
    EFFECT.c.done_at.is_(None),
    EFFECT.c.kind.in_([sa.literal_column(f"'{kind}'") for kind in CALL_KINDS]),
    EFFECT.c.subject.not_in(sa.bindparam("busy", expanding=True, type_=_SUBJECT)),
    sa.or_(
        EFFECT.c.kind != sa.literal_column(f"'{DialCustomer.KIND}'"),
        EFFECT.c.unsure,
        EFFECT.c.account.not_in(sa.bindparam("closed", expanding=True, type_=sa.Text)),
    ),
)
_CALLS_DUE = Prepared(
    sa.select(EFFECT)
    .where(*_OPEN_CALLS, EFFECT.c.due_at <= sa.bindparam("now", type_=EFFECT.c.due_at.type))
    .order_by(
        # What takes a turn comes last: of many such only one begins, and the others must not fill the places.
        sa.and_(EFFECT.c.kind == sa.literal_column(f"'{DialCustomer.KIND}'"), sa.not_(EFFECT.c.unsure)),
        # A sum, so that SQLite sorts the few that are due, and does not walk through all that ever was by position.
        EFFECT.c.position + sa.literal_column("0"),
    )
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_CALLS_NEXT = Prepared(sa.select(sa.func.min(EFFECT.c.due_at)).where(*_OPEN_CALLS))

_OPEN_SEND = sa.text(schema.OPEN_SEND)  # word for word what the indexes hold
_OPEN_ACCOUNT = sa.select(EFFECT.c.account).where(_OPEN_SEND).order_by(EFFECT.c.account).limit(1)
_FOUND = sa.select(_OPEN_ACCOUNT.scalar_subquery().label("account")).cte("found", recursive=True)
_FOUND = _FOUND.union_all(
    sa.select(
        _OPEN_ACCOUNT.where(EFFECT.c.account > _FOUND.c.account).scalar_subquery().correlate(_FOUND)
    ).where(_FOUND.c.account.is_not(None))
)
_ACCOUNTS = Prepared(sa.select(_FOUND.c.account).where(_FOUND.c.account.is_not(None)))
"""Those with something to send: one step through the index for each, however much is open."""
_EARLIER = EFFECT.alias("earlier")
_FIRST = EFFECT.c.position == (
    # Not "nothing is earlier": PostgreSQL without statistics would compare each with each.
    sa.select(sa.func.min(_EARLIER.c.position))
    .where(
        _EARLIER.c.subject == EFFECT.c.subject,
        sa.text(f"earlier.done_at IS NULL AND NOT (earlier.kind <> '{SendMessage.KIND}')"),
    )
    .correlate(EFFECT)
    .scalar_subquery()
)
SENDS = Prepared(
    sa.select(EFFECT)
    .where(
        _OPEN_SEND,
        EFFECT.c.account == sa.bindparam("account", type_=sa.Text),
        EFFECT.c.subject.not_in(sa.bindparam("busy", expanding=True, type_=_SUBJECT)),
        _FIRST,
    )
    .order_by(EFFECT.c.due_at, EFFECT.c.position)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
"""The next of an account, due or not. Of a contact only the oldest: what was written later is sent later."""
_FETCHES = Prepared(
    sa.select(EFFECT)
    .where(
        EFFECT.c.done_at.is_(None),
        EFFECT.c.kind == sa.literal_column(f"'{FetchMedia.KIND}'"),
        EFFECT.c.position.not_in(sa.bindparam("busy", expanding=True, type_=_POSITION)),
    )
    .order_by(EFFECT.c.due_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def due_effects(reader: Reader, room: Room) -> tuple[list[Due], Micros | None]:
    """Open effects whose time has come, without those that are under way: as many as there is room for.

    If there is none, when the next one's will come, but for what waits until an account opens. A claimed one that
    nobody settled counts as unknown. A call's effects go in their order if they are due together; what waits for
    another try holds no later one up, for each is about one turn of the call. Messages of one contact never overtake
    each other.
    """
    calls = {"busy": list(room.busy_calls), "closed": list(room.dials_closed)}
    ready = {"now": reader.now, "limit": room.calls, **calls}
    fetches = {"busy": list(room.busy_fetches), "limit": room.fetches}
    asked = [Foreseen(_CALLS_DUE, ready), Foreseen(_CALLS_NEXT, calls)] if room.calls else []
    asked += [Foreseen(_ACCOUNTS, {})] if room.sends_each else []
    asked += [Foreseen(_FETCHES, fetches)] if room.fetches else []
    reader.foresee(*asked)
    due: list[Due] = []
    later: list[Micros] = []
    if room.calls:
        due += sorted((_due(row) for row in reader.all(_CALLS_DUE, ready)), key=lambda item: item.position)
        if (at := reader.scalar(_CALLS_NEXT, calls)) is not None:
            later.append(at)
    for row in [*_next_sends(reader, room), *(reader.all(_FETCHES, fetches) if room.fetches else ())]:
        if row["due_at"] <= reader.now:
            due.append(_due(row))
        else:
            later.append(row["due_at"])
    return due, None if due else min(later, default=None)


def _next_sends(reader: Reader, room: Room) -> list[sa.RowMapping]:
    if not room.sends_each:
        return []
    found: list[sa.RowMapping] = []
    for row in reader.all(_ACCOUNTS, {}):
        left = room.sends.get(row["account"], room.sends_each)
        if left > 0:
            wanted: dict[str, Any] = {"account": row["account"], "busy": list(room.busy_sends), "limit": left}
            found += reader.all(SENDS, wanted)
    return found


def _due(row: sa.RowMapping) -> Due:
    return Due(
        position=row["position"],
        subject=row["subject"],
        account=row["account"],
        state=row["state"],
        attempts=row["attempts"],
        effect=EFFECTS[row["kind"]](**row["data"]),
        due_at=row["due_at"],
        started_at=row["started_at"],
        tried_at=row["tried_at"],
        unsure=row["unsure"],
    )
