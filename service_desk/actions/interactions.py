"""The steps that every channel shares: open, queue, answer, wrap up, end. Each moves by the state table."""

from functools import cache
from typing import Any

import sqlalchemy as sa

from routing.commands import WorkEnded, WorkQueued, WorkTaken, WrapUpEnded, WrapUpStarted
from routing.model import Preferred, Skill, WorkItem
from service_desk.actions import silence
from service_desk.actions.places import (
    NO_HINTS,
    Place,
    after_move,
    after_service,
    came_at,
    place_in,
    reopened_hints,
)
from service_desk.clock import SECOND, Micros
from service_desk.domain import events
from service_desk.domain import interaction as life
from service_desk.domain.callback import for_router as callback_for_router
from service_desk.domain.callback import pending
from service_desk.domain.config import DeskConfig
from service_desk.errors import Conflict, NotFound
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.statements import new, update_all
from service_desk.storage.transaction import Foreseen, Row, Tx

TABLE = schema.interaction
OFFER = schema.offer
SEGMENT = schema.segment

_BY_EXTERNAL_ID = Prepared(
    sa.select(TABLE)
    .where(TABLE.c.account == sa.bindparam("account"), TABLE.c.external_id == sa.bindparam("external_id"))
    .with_for_update()
)
_PENDING_OFFER = Prepared(
    sa.select(OFFER)
    .where(OFFER.c.interaction_id == sa.bindparam("interaction"), OFFER.c.state == "pending")
    .with_for_update()
)
_CLOSE_OFFER = Prepared(
    update_all(OFFER, ("state", "closed_at", "reason")).where(
        OFFER.c.id == sa.bindparam("this_key"), OFFER.c.state == "pending"
    )
)
_THIS_STAY = (SEGMENT.c.interaction_id == sa.bindparam("interaction"), SEGMENT.c.ended_at.is_(None))
_ENTERED = Prepared(sa.select(SEGMENT.c.entered).where(*_THIS_STAY, SEGMENT.c.answered_at.is_(None)))
_ANSWERED_AT = Prepared(sa.select(SEGMENT.c.answered_at).where(*_THIS_STAY))


def open_interaction(
    tx: Tx,
    *,
    channel: str,
    account: str,
    external_id: str,
    brand_id: str,
    customer_id: str | None,
    caller: str | None,
    topic: str | None = None,
    language: str | None = None,
    requires: dict[str, int] | None = None,
    visitor_online: bool | None = None,
    queue_id: str | None = None,
    had_by: str | None = None,
    place: Place | None = None,
) -> Row:
    """A new contact; the first events of its life. With a queue it stands in line at once, else in the menu.

    `had_by`: the agent whose work it goes on with. `place`: one that it takes over.
    """
    if queue_id is not None and place is None:
        place = place_in(tx, queue_id, channel, customer_id, had_by=had_by)
    priority = 0 if queue_id is None else tx.config.head_start(queue_id, channel)
    row: dict[str, Any] = {
        "id": tx.new_id("int"),
        "channel": channel,
        "direction": "inbound",
        "account": account,
        "external_id": external_id,
        "brand_id": brand_id,
        "state": life.MENU if queue_id is None else life.QUEUED,
        "queue_id": queue_id,
        "customer_id": customer_id,
        "caller": caller,
        "topic": topic,
        "language": language,
        "requires": requires or {},
        "agent_id": None,
        "priority": priority,
        "attempts": 0,
        "menu_attempt": 0,
        "created_at": tx.now,
        "queued_at": None if place is None else place.queued_at,
        "ordering_key": None
        if queue_id is None or place is None
        else tx.config.ordering_key(queue_id, place.queued_at, priority, account),
        "answered_at": None,
        "connected_at": None,
        "handled_at": None,
        "ended_at": None,
        "wrap_up_until": None,
        "ended_by": None,
        "end_reason": None,
        "disposition": None,
        "comment": None,
        "entry_seq": 0,
        "message_seq": 0,
        "last_text": None,
        "last_text_at": None,
        "visitor_online": visitor_online,
        "hints": None if place is None else place.hints,
        "callback_at": None,
        "version": 1,
    }
    opened = tx.add(TABLE, row)
    tx.emit(events.InteractionStarted(row["id"], channel, customer_id))
    if queue_id is not None:
        _entered(tx, opened)
    return opened


def must_get(tx: Tx, interaction_id: str) -> Row:
    """The interaction, locked; NotFound if there is none."""
    row = tx.get_for_update(TABLE, interaction_id)
    if row is None:
        raise NotFound(f"There is no interaction {interaction_id}.")
    return row


def by_external_id(tx: Tx, account: str, external_id: str) -> Row | None:
    """The interaction of a provider's id, locked."""
    return tx.first(_BY_EXTERNAL_ID, {"account": account, "external_id": external_id})


def move(tx: Tx, row: Row, state: str, **values: Any) -> Row:
    """Change state by the table; InvalidTransition where it does not allow the step."""
    life.check_move(life.INTERACTION_MOVES, f"Interaction {row['id']}", row["state"], state)
    return tx.change(TABLE, row, state=state, **values)


def work_item_for(row: Row, config: DeskConfig) -> WorkItem:
    """Routing's view of an interaction: the one place that makes it."""
    hints, waits_to_be_called = row["hints"] or NO_HINTS, callback_for_router(row)
    return WorkItem(
        id=row["id"],
        medium=row["channel"],
        queue=row["queue_id"],
        queued_at=row["queued_at"],
        priority=row["priority"],
        requires=tuple(Skill(name, level) for name, level in sorted(row["requires"].items())),
        preferred=tuple(Preferred(agent, 0, why) for agent, why in hints.get("preferred", ())),
        kept=hints.get("kept", "") if waits_to_be_called is None else "",
        callback=waits_to_be_called,
        joined_at=hints.get("moved_at", came_at(row) if "kept" in hints else 0),
        value=config.value_of(row["account"]),
        placed=hints.get("placed", False),
    )


def join_queue(tx: Tx, row: Row, queue_id: str, place: Place | None = None) -> Row:
    """Enter a line for the first time; `place`: one that it takes over."""
    place = place or place_in(tx, queue_id, row["channel"], row["customer_id"], own_id=row["id"])
    row = move(
        tx,
        row,
        life.QUEUED,
        queue_id=queue_id,
        queued_at=place.queued_at,
        ordering_key=tx.config.ordering_key(queue_id, place.queued_at, row["priority"], row["account"]),
        hints=place.hints,
    )
    _entered(tx, row)
    return row


def _entered(tx: Tx, row: Row) -> None:
    open_segment(tx, row, entered=True)
    tx.emit(
        events.InteractionQueued(
            row["id"], row["queue_id"], came_at(row), again=False, reason=None, agent_id=None
        )
    )
    tx.route(WorkQueued(work_item_for(row, tx.config), row["attempts"]))


def put_back(tx: Tx, row: Row, reason: str) -> Row:
    """From an agent back into its line, with its place kept; a new segment begins if it was answered in this one."""
    agent_id, goes_on = row["agent_id"], is_unanswered_here(tx, row)
    if not goes_on:
        close_segment(tx, row, reason)
    row = move(
        tx,
        row,
        life.QUEUED,
        agent_id=None,
        answered_at=None,
        connected_at=None,
        handled_at=None,
        wrap_up_until=None,
        hints=after_move(tx, after_service(row["hints"]), reason),
        **({"queued_at": tx.now, "ordering_key": tx.now} if planted("put_back_loses_place") else {}),
    )
    if goes_on:
        _change_segment(tx, row, agent_id=None)
    else:
        open_segment(tx, row)
    tx.emit(
        events.InteractionQueued(
            row["id"], row["queue_id"], came_at(row), again=True, reason=reason, agent_id=agent_id
        )
    )
    idle_from_now(tx, agent_id)
    tx.route(WorkQueued(work_item_for(row, tx.config), row["attempts"]))
    return row


def park(tx: Tx, row: Row, until: Micros) -> Row:
    """Answered, and waiting for the customer: still the agent's, but no capacity of theirs is held."""
    close_segment(tx, row, "parked")
    row = move(tx, row, life.PARKED, handled_at=tx.now)
    tx.emit(events.InteractionParked(row["id"], row["agent_id"], row["queue_id"], until))
    if not planted("agent_left_busy"):
        tx.route(WorkEnded(row["id"]))
    idle_from_now(tx, row["agent_id"])
    return row


def resume(tx: Tx, row: Row) -> Row:
    """Its agent takes a parked contact up again."""
    agent_id = row["agent_id"]
    open_segment(tx, row)
    row = move(tx, row, life.ACTIVE, answered_at=tx.now, handled_at=None)
    _change_segment(tx, row, agent_id=agent_id, answered_at=tx.now)
    tx.emit(events.InteractionResumed(row["id"], agent_id, row["queue_id"]))
    tx.route(WorkTaken(work_item_for(row, tx.config), agent_id, "resumed"))
    return row


def requeue(tx: Tx, row: Row, reason: str) -> Row:
    """A parked contact has something new for its line, where its place is that of now."""
    agent_id = row["agent_id"]
    row = move(
        tx,
        row,
        life.QUEUED,
        agent_id=None,
        queued_at=tx.now,
        ordering_key=tx.config.ordering_key(row["queue_id"], tx.now, row["priority"], row["account"]),
        hints=after_move(tx, reopened_hints(tx, row["queue_id"], agent_id), reason),
        answered_at=None,
        connected_at=None,
        handled_at=None,
    )
    open_segment(tx, row)
    tx.emit(
        events.InteractionQueued(
            row["id"], row["queue_id"], tx.now, again=True, reason=reason, agent_id=agent_id
        )
    )
    tx.route(WorkQueued(work_item_for(row, tx.config), row["attempts"]))
    return row


def end_parked(tx: Tx, row: Row, ended_by: str, reason: str) -> Row:
    """Nothing more is expected; its paperwork was done with the answer."""
    row = move(tx, row, life.ENDED, ended_at=tx.now, ended_by=ended_by, end_reason=reason)
    tx.emit(events.InteractionEnded(row["id"], row["agent_id"], row["queue_id"], ended_by, reason, None))
    return row


def answer(tx: Tx, row: Row, agent_id: str, state: str) -> Row:
    """An agent has it from now on. It counts as answered unless its customer is still to be called: see `reached`."""
    on_the_line = pending(row) is None
    first = is_unanswered(tx, row) and on_the_line
    row = move(tx, row, state, agent_id=agent_id, answered_at=tx.now)
    silence.begins(tx, row)
    wait, in_target = _wait_of(tx, row)
    counted = {"answered_at": tx.now, "in_target": in_target} if on_the_line else {}
    _change_segment(tx, row, agent_id=agent_id, **counted)
    tx.emit(
        events.InteractionAnswered(
            row["id"], row["queue_id"], agent_id, came_at(row), wait, in_target=in_target, first=first
        )
    )
    return row


def reached(tx: Tx, row: Row) -> None:
    """The customer whom an agent called back is on the line: now their contact counts as answered."""
    wait, in_target = _wait_of(tx, row)
    first = is_unanswered(tx, row)
    _change_segment(tx, row, answered_at=tx.now, in_target=in_target)
    tx.emit(
        events.InteractionReached(
            row["id"], row["queue_id"], row["agent_id"], came_at(row), wait, in_target=in_target, first=first
        )
    )


def _wait_of(tx: Tx, row: Row) -> tuple[Micros, bool]:
    """How long it has waited by now, and whether that is within its queue's promise."""
    wait = tx.now - came_at(row)
    return wait, wait <= tx.config.target_s(row["queue_id"], row["channel"]) * SECOND


def finish_service(tx: Tx, row: Row, ended_by: str, reason: str) -> Row:
    """The contact is over for the customer: wrap-up if somebody served it, else it ended unanswered."""
    if row["state"] in (life.CONNECTING, life.ACTIVE):
        return _start_wrap_up(tx, row, ended_by, reason)
    if row["state"] in (life.MENU, life.QUEUED, life.OFFERED):
        return _leave(tx, row, ended_by, reason)
    return row


def end_unserved(tx: Tx, row: Row, ended_by: str, reason: str, *, replaced: bool = False) -> Row:
    """Over without anybody having spoken to the customer, also for an agent who waited for them; no wrap-up.

    It counts as abandoned; if it is `replaced` by a later contact of the same customer, as moved out.
    """
    if row["state"] == life.CONNECTING:
        idle_from_now(tx, row["agent_id"])
    return _leave(tx, row, ended_by, reason, replaced=replaced)


def _start_wrap_up(tx: Tx, row: Row, ended_by: str, reason: str) -> Row:
    until = tx.now + tx.config.queue(row["queue_id"]).wrap_up_s * SECOND
    row = move(
        tx, row, life.WRAP_UP, wrap_up_until=until, handled_at=tx.now, ended_by=ended_by, end_reason=reason
    )
    _change_segment(tx, row, handled_at=tx.now)
    tx.emit(events.WrapUpStarted(row["id"], row["agent_id"], until, ended_by, reason))
    tx.route(WrapUpStarted(row["id"], row["agent_id"], until))
    return row


def _leave(tx: Tx, row: Row, ended_by: str, reason: str, *, replaced: bool = False) -> Row:
    """Out of the menu or its line, unanswered."""
    withdraw_offer(tx, row["id"], reason)
    queue_id, since = row["queue_id"], came_at(row)
    wait, in_target = (tx.now - since, False) if queue_id is None else _wait_of(tx, row)
    first = queue_id is None or is_unanswered(tx, row)
    queued_at = None if row["queued_at"] is None else since
    if queue_id is not None:
        outcome = "moved" if replaced else "abandoned"
        _change_segment(tx, row, ended_at=tx.now, outcome=outcome, in_target=in_target)
        tx.route(WorkEnded(row["id"]))
    row = move(tx, row, life.ENDED, ended_at=tx.now, ended_by=ended_by, end_reason=reason, answered_at=None)
    if replaced:
        tx.emit(events.InteractionReplaced(row["id"], queue_id, since, first))
    else:
        tx.emit(events.InteractionAbandoned(row["id"], queue_id, queued_at, wait, in_target, first))
    tx.emit(events.InteractionEnded(row["id"], row["agent_id"], queue_id, ended_by, reason, None))
    return row


def end_wrap_up(tx: Tx, row: Row, *, disposition: str | None, comment: str | None) -> Row:
    """The paperwork is done, or its time is over."""
    agent_id = row["agent_id"]
    if not planted("segment_left_open"):
        close_segment(tx, row, "handled")
    row = move(tx, row, life.ENDED, ended_at=tx.now, disposition=disposition, comment=comment)
    tx.emit(
        events.InteractionEnded(
            row["id"], agent_id, row["queue_id"], row["ended_by"], row["end_reason"], disposition
        )
    )
    tx.route(WrapUpEnded(row["id"], agent_id))
    idle_from_now(tx, agent_id)
    return row


def idle_from_now(tx: Tx, agent_id: str) -> None:
    """The agent became free of something: the longest idle is chosen by this, also after a restart."""
    tx.update(schema.agent, agent_id, idle_since=tx.now)


def withdraw_offer(tx: Tx, interaction_id: str, reason: str) -> None:
    """Close a pending offer of the interaction, so that its bell stops at once."""
    row = tx.first(_PENDING_OFFER, {"interaction": interaction_id})
    if row is not None:
        close_offer(tx, row, "withdrawn", reason)


def close_offer(tx: Tx, row: Row, state: str, reason: str | None) -> bool:
    """Compare and set a locked offer: False if somebody closed it before."""
    if row["state"] != "pending":
        return False
    values = {"state": state, "closed_at": tx.now, "reason": reason}
    tx.send(_CLOSE_OFFER, {"this_key": row["id"], **new(values)}, lost=f"offer {row['id']}")
    tx.emit(events.OfferClosed(row["id"], row["interaction_id"], row["agent_id"], state, reason))
    return True


def close_segment(tx: Tx, row: Row, outcome: str) -> None:
    """The stay in this queue with this agent is over."""
    _change_segment(tx, row, ended_at=tx.now, outcome=outcome)


@cache
def _segment_update(names: tuple[str, ...]) -> Prepared:
    return Prepared(update_all(SEGMENT, names).where(*_THIS_STAY))


def _change_segment(tx: Tx, row: Row, **values: Any) -> None:
    """The segment that is open now, if there is one."""
    tx.send(_segment_update(tuple(values)), {"interaction": row["id"], **new(values)})


def open_segment(tx: Tx, row: Row, *, entered: bool = False) -> None:
    """A stay in the row's queue begins; `entered` ones count as offered there, what is put back does not."""
    tx.add(
        SEGMENT,
        {
            "id": tx.new_id("seg"),
            "interaction_id": row["id"],
            "queue_id": row["queue_id"],
            "agent_id": None,
            "queued_at": came_at(row),
            "answered_at": None,
            "handled_at": None,
            "ended_at": None,
            "outcome": None,
            "entered": entered,
            "in_target": None,
            "target_s": tx.config.target_s(row["queue_id"], row["channel"]),
        },
    )


def foreseen_unanswered(interaction_id: str) -> Foreseen:
    """What `is_unanswered` asks."""
    return Foreseen(_ENTERED, {"interaction": interaction_id})


def is_unanswered(tx: Tx, row: Row) -> bool:
    """Whether it waits and nobody has answered it since it joined its queue: what is put back was answered."""
    return bool(tx.scalar(_ENTERED, {"interaction": row["id"]}))


def is_unanswered_here(tx: Tx, row: Row) -> bool:
    """Whether it has a stay that goes on and was answered by nobody: also with an agent, who calls its customer."""
    stay = tx.first(_ANSWERED_AT, {"interaction": row["id"]})
    return stay is not None and stay["answered_at"] is None


def require_owner(row: Row, agent_id: str) -> None:
    """The contact is this agent's, or Conflict."""
    if row["agent_id"] != agent_id:
        raise Conflict("This contact is with somebody else now.", code="not_yours")
