"""Callbacks: a caller keeps their place without staying on the line, and is called in their turn.

The contact stays what it is and waits on where it stood; `domain.callback.Pending` says that nobody is on the line.
Agent first: it is offered like any call, and once the agent's softphone is in the conference the customer is called.
Customer first: the router says when (`CustomerDialled`), and who answers is in the line as a call, in their old place.

Each call to a customer has a number of its own. What the provider tells of a call carries it, so that a call whose
answer got lost is known by its first message; one that nobody waits for any more is hung up.
"""

from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from channels.contract import Answer, HangUp, Hold, Join, Prompt
from routing import decisions as decided
from routing.commands import WorkQueued
from routing.places import CALLED_AGAIN
from service_desk.actions import effects, interactions, legs, messages, tickets
from service_desk.actions.places import Place
from service_desk.clock import MINUTE, SECOND, Micros
from service_desk.domain import callback, events
from service_desk.domain import interaction as life
from service_desk.domain.callback import CANCELLED, EXPIRED, UNREACHED, Pending, pending
from service_desk.domain.config import CARRIER_S, PhoneLine
from service_desk.domain.spoken import phrases
from service_desk.errors import Conflict
from service_desk.queries import callback_limits
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx

CONTACT = schema.interaction
KEY: Final = "1"
"""What a caller presses to be called back."""
TIMER: Final = "connect_timeout"
LEAVES_WITHIN: Final[Micros] = MINUTE
"""From the promise to call somebody to the end of the call in which it was made, at most."""
HANDED_BACK: Final = "callback_handed_back"
"""Of a stay in the line: the agent ended it before the customer was reached."""
PUT_OFF: Final = "callback_put_off"
"""The same: the call to the customer never left."""
_WAITING_OF = Prepared(
    sa.select(CONTACT.c.id)
    .where(
        CONTACT.c.customer_id == sa.bindparam("customer"),
        CONTACT.c.caller == sa.bindparam("caller"),
        CONTACT.c.queue_id == sa.bindparam("queue"),
        CONTACT.c.callback_at.is_not(None),
        CONTACT.c.state.in_(sorted(life.WAITING)),
    )
    .order_by(CONTACT.c.created_at, CONTACT.c.id)
)
_CALLED_SINCE = Prepared(
    sa.select(CONTACT.c.id)
    .where(
        CONTACT.c.customer_id == sa.bindparam("customer"),
        CONTACT.c.created_at >= sa.bindparam("since", type_=CONTACT.c.created_at.type),
        CONTACT.c.caller == sa.bindparam("caller"),
        CONTACT.c.queue_id == sa.bindparam("queue"),
        CONTACT.c.callback_at.is_(None),
        sa.or_(CONTACT.c.ended_at.is_(None), CONTACT.c.answered_at.is_not(None)),
    )
    .limit(1)
)


# --- asking for it --------------------------------------------------------------------------------------------


def ask(tx: Tx, row: Row) -> Row:
    """A waiting caller is called back instead: their place is kept, and their hanging up ends nothing.

    They are still on the line, and would be busy: nobody is to call them before they are off it.
    """
    row = messages.add_system_line(tx, row, "callback.asked")
    row = tx.change(
        CONTACT,
        row,
        callback_at=tx.now,
        hints=callback.with_pending(row, Pending(rests_until=tx.now + LEAVES_WITHIN)),
    )
    _say(tx, row, "asked")
    tx.route(WorkQueued(interactions.work_item_for(row, tx.config), row["attempts"]))
    return row


def off_the_line(tx: Tx, row: Row) -> None:
    """The call in which they asked is over: from now on they can be called."""
    state = pending(row)
    if row["state"] != life.QUEUED or state is None or state.missed or callback.dials(row):
        return
    row = tx.change(CONTACT, row, hints=callback.with_pending(row, replace(state, rests_until=0)))
    tx.route(WorkQueued(interactions.work_item_for(row, tx.config), row["attempts"]))


def promise(line: PhoneLine) -> HangUp:
    """What they hear then."""
    return HangUp(Prompt(phrases(line.language).callback_promised, line.language))


def overflowed(tx: Tx, row: Row) -> bool:
    """The queue's rules send a waiting call to be called back; False: this customer cannot be called."""
    if not callback_limits.may_be_asked_for(tx, row):
        return False
    row = ask(tx, row)
    for leg in legs.living(tx, row):  # who hears music, or nothing, is brought to where they are told
        if leg["role"] == "customer":
            legs.put_back(tx, row, leg["call_id"])
    return True


def take_over(tx: Tx, queue_id: str, customer_id: str | None, caller: str | None) -> Place | None:
    """Who calls again has the place of the callback that they wait for in this queue, and the callback is over.

    None if there is none, or an agent is calling them just now.
    """
    if customer_id is None or tx.config.queue(queue_id).callback is None:
        return None
    found = tx.all(_WAITING_OF, {"customer": customer_id, "caller": caller, "queue": queue_id})
    for each in found:
        row = interactions.must_get(tx, each["id"])
        if row["state"] in life.WAITING and row["queue_id"] == queue_id and pending(row) is not None:
            _called_again(tx, stop_dialling(tx, row))
            return Place(row["queued_at"], {"kept": CALLED_AGAIN})
    return None


# --- calling them ---------------------------------------------------------------------------------------------


def dial(tx: Tx, row: Row) -> Row:
    """An agent's softphone has joined: now the customer is called, once, and has so long to answer.

    Or the callback is over, where they may not be called (any more).
    """
    state = pending(row)
    if state is None or state.dialling or row["state"] != life.CONNECTING:
        return row
    if not callback_limits.may_be_called(tx, row):
        return _not_allowed(tx, row)
    row = _begin(tx, row, state)
    _wait_for_answer(tx, row, since=tx.now + callback.TURN_WITHIN)
    return row


def leaves(tx: Tx, row: Row, *, at: Micros) -> None:
    """When the request for a call leaves, now or at the latest: from then on they have so long to answer."""
    state = pending(row)
    assert state is not None, "only who is to be called is called"
    if row["state"] == life.CONNECTING:
        _wait_for_answer(tx, row, since=at)
    elif state.dialled_at is not None:
        row = tx.change(CONTACT, row, hints=callback.with_pending(row, replace(state, dialled_at=at)))
        tx.route(WorkQueued(interactions.work_item_for(row, tx.config), row["attempts"]))


def _wait_for_answer(tx: Tx, row: Row, *, since: Micros) -> None:
    """An agent waits for the customer no longer than their phone rings, and a little."""
    answer_s = callback.rule_of(tx.config, row["queue_id"]).answer_s
    tx.set_timer(TIMER, row["id"], since + (answer_s + CARRIER_S) * SECOND, agent_id=row["agent_id"])


def _begin(tx: Tx, row: Row, state: Pending, *, dialled_at: int | None = None) -> Row:
    row = messages.add_system_line(tx, row, "callback.dialling")
    row = tx.change(CONTACT, row, hints=callback.dialling(row, state, dialled_at=dialled_at))
    tx.later(callback.newest_dial(row))
    _say(tx, row, "dialling")
    return row


# --- what came of it ------------------------------------------------------------------------------------------


def picked_up(tx: Tx, row: Row, leg: Row) -> Row:
    """The customer is on the line: with the agent who waits for them, or in the line in their old place.

    In the line, too, if that agent's softphone was lost meanwhile: nobody would talk to them in the conference.
    """
    if not callback.is_wanted(row, leg["dial"]):
        return row
    row = messages.add_system_line(tx, row, "callback.answered")
    row = tx.change(CONTACT, row, hints=callback.reached(row))
    _say(tx, row, "answered")
    if row["state"] in life.WAITING:
        tx.route(WorkQueued(interactions.work_item_for(row, tx.config), row["attempts"]))
    elif row["state"] == life.CONNECTING and not legs.has_agent(tx, row):
        tx.clear_timer(TIMER, row["id"])
        row = interactions.put_back(tx, row, "agent_lost")
    elif row["state"] == life.CONNECTING:  # what is left of the ringing may be too short to join
        interactions.reached(tx, row)
        tx.set_timer(TIMER, row["id"], tx.now + tx.config.connect_s * SECOND, agent_id=row["agent_id"])
    return row


def answer_for(tx: Tx, line: PhoneLine, row: Row, leg: Row) -> Answer:
    """What somebody hears whom we called: the agent, the line, or that it has passed."""
    words = phrases(line.language)
    if pending(row) is None and leg["dial"] == callback.dials(row):
        if row["state"] in (life.CONNECTING, life.ACTIVE):
            return Join(row["id"], "customer")
        if row["state"] in life.WAITING:
            hello = words.callback_hello.format(brand=tx.config.brand)
            return Hold(Prompt(hello, line.language, line.music_url))
    return HangUp(Prompt(words.callback_over, line.language))


def not_answered(tx: Tx, row: Row) -> Row:
    """The time is over in which something should have been heard of the call."""
    leg = legs.of_dial(tx, row, callback.dials(row))
    if leg is None and not effects.may_be_done(tx, callback.newest_dial(row).key):
        return put_off(tx, row)
    if leg is not None and leg["ended_at"] is None:
        legs.end(tx, row, leg["call_id"])
    return missed(tx, row, "no-answer")


def missed(tx: Tx, row: Row, status: str, *, last: bool = False) -> Row:
    """The customer was not reached: rested in their place and tried again, or over after the last try.

    An agent who waited for them is free. `status`: how the call ended, in the provider's word; `last`: another try
    would end no better.
    """
    state = pending(row)
    assert state is not None, "only who is to be called can be missed"
    row = messages.add_system_line(tx, row, f"callback.{status.replace('-', '_')}")
    row = tx.change(CONTACT, row, hints=callback.with_pending(row, replace(state, dialling=False)))
    _say(tx, row, "missed")
    rule = callback.rule_of(tx.config, row["queue_id"])
    _free_agent(tx, row)
    if _has_called_since(tx, row):
        return _called_again(tx, row)
    if last:
        return _give_up(tx, row, "the carrier does not call this number")
    if state.missed + 1 >= rule.tries:
        return _give_up(tx, row, f"they were called {rule.tries} times without an answer")
    rest = Pending(state.missed + 1, tx.now + rule.pause_s * SECOND)
    row = tx.change(CONTACT, row, hints=callback.with_pending(row, rest))
    if row["state"] == life.CONNECTING:
        return interactions.put_back(tx, row, UNREACHED)
    tx.route(WorkQueued(interactions.work_item_for(row, tx.config), row["attempts"]))
    return row


def _free_agent(tx: Tx, row: Row) -> None:
    """Who waited in the conference for the customer, if somebody did, waits no more."""
    if row["state"] == life.CONNECTING:
        legs.end_agents(tx, row)
        tx.clear_timer(TIMER, row["id"])


def _not_allowed(tx: Tx, row: Row) -> Row:
    """Their turn has come, and the rules or the calls of the last hours forbid to call them."""
    _free_agent(tx, row)
    row = messages.add_system_line(tx, row, "callback.failed")
    return _give_up(tx, row, "the desk's rules do not let it call this number now")


def _give_up(tx: Tx, row: Row, why: str) -> Row:
    """Nobody was reached, or can be: a ticket tells a person, as after a chat that nobody was there for."""
    row = messages.add_system_line(tx, row, "callback.given_up")
    _tell_a_person(tx, row, why)
    return _over(tx, row, "system", UNREACHED)


def _tell_a_person(tx: Tx, row: Row, why: str) -> None:
    tickets.open_ticket(
        tx,
        subject=f"Callback not reached: {row['caller']}",
        description=f"The customer asked to be called back: {why}.",
        priority="normal",
        queue_id=row["queue_id"],
        customer_id=row["customer_id"],
        interaction_id=row["id"],
        brand_id=row["brand_id"],
        assignee_id=None,
    )


def cancel(tx: Tx, interaction_id: str, agent_id: str) -> Row:
    """An agent calls off a callback that waits; again changes nothing. Conflict where none waits."""
    row = interactions.must_get(tx, interaction_id)
    if row["state"] == life.ENDED and row["end_reason"] == CANCELLED:
        return row
    if row["state"] not in life.WAITING or pending(row) is None:
        raise Conflict("No callback of this contact waits.", code="no_callback", state=row["state"])
    row = messages.add_system_line(tx, stop_dialling(tx, row), "callback.cancelled")
    tx.audit("callback.cancelled", interaction_id, agent_id=agent_id, queue_id=row["queue_id"])
    return _over(tx, row, "agent", CANCELLED)


def stop_dialling(tx: Tx, row: Row) -> Row:
    """Whoever waits for the customer to answer does so no more: a call under way is hung up.

    One of which nobody knows whether it was made may ring: then the next comes after a pause, and not at once.
    """
    state = pending(row)
    if state is None or not state.dialling:
        return row
    leg = legs.of_dial(tx, row, callback.dials(row))
    rests_until = state.rests_until
    if leg is None:
        rests_until = tx.now + callback.rule_of(tx.config, row["queue_id"]).pause_s * SECOND
    elif leg["ended_at"] is None:
        legs.end(tx, row, leg["call_id"])
    stopped = replace(state, dialling=False, dialled_at=None, rests_until=rests_until)
    return tx.change(CONTACT, row, hints=callback.with_pending(row, stopped))


def hand_back(tx: Tx, row: Row) -> Row:
    """The agent leaves before the customer was reached: it rests in its place, and no try is counted.

    So neither they nor anybody else is offered it again at once. Giving it up for good is `cancel`.
    """
    return _rest(tx, row, "callback.handed_back", HANDED_BACK)


def put_off(tx: Tx, row: Row) -> Row:
    """The call never left, because the carrier takes no more: it rests in its place, and no try is counted."""
    return _rest(tx, row, "callback.put_off", PUT_OFF)


def _rest(tx: Tx, row: Row, line: str, reason: str) -> Row:
    _free_agent(tx, row)
    row = messages.add_system_line(tx, stop_dialling(tx, row), line)
    if _has_called_since(tx, row):
        return _called_again(tx, row)
    state = pending(row)
    assert state is not None, "only who is to be called can rest"
    rest = replace(state, rests_until=tx.now + callback.rule_of(tx.config, row["queue_id"]).pause_s * SECOND)
    row = tx.change(CONTACT, row, hints=callback.with_pending(row, rest))
    if row["state"] == life.CONNECTING:
        return interactions.put_back(tx, row, reason)
    tx.route(WorkQueued(interactions.work_item_for(row, tx.config), row["attempts"]))
    return row


def _over(tx: Tx, row: Row, ended_by: str, reason: str, *, replaced: bool = False) -> Row:
    _say(tx, row, "over")
    return interactions.end_unserved(tx, row, ended_by, reason, replaced=replaced)


def _called_again(tx: Tx, row: Row) -> Row:
    row = messages.add_system_line(tx, row, "callback.called_again")
    return _over(tx, row, "customer", CALLED_AGAIN, replaced=True)


def _has_called_since(tx: Tx, row: Row) -> bool:
    """Whether the customer has called the same queue again by themselves, and is in line there or was served."""
    asked = {"customer": row["customer_id"], "caller": row["caller"], "queue": row["queue_id"]}
    return tx.first(_CALLED_SINCE, {**asked, "since": row["callback_at"]}) is not None


# --- what the router decided ----------------------------------------------------------------------------------


def dial_in_turn(tx: Tx, decision: decided.CustomerDialled) -> str | None:
    """Customer first: its turn is near. The router is told the moment that the rows keep."""
    row = tx.get_for_update(CONTACT, decision.item)
    state = None if row is None else pending(row)
    if row is None or row["state"] != life.QUEUED or state is None or state.dialling:
        return "item"
    if not callback_limits.may_be_called(tx, row):
        _not_allowed(tx, row)
        return None
    row = _begin(tx, row, state, dialled_at=tx.now + callback.TURN_WITHIN)
    tx.route(WorkQueued(interactions.work_item_for(row, tx.config), row["attempts"]))
    return None


def overdue(tx: Tx, decision: decided.CallbackMissed) -> str | None:
    """Customer first: nothing was heard of the call in time, or it never left."""
    row = tx.get_for_update(CONTACT, decision.item)
    state = None if row is None else pending(row)
    if row is None or row["state"] != life.QUEUED or state is None or state.dialled_at is None:
        return "item"
    not_answered(tx, row)
    return None


def expired(tx: Tx, decision: decided.CallbackExpired) -> str | None:
    """Their turn has not come as long as the promise lasts."""
    row = tx.get_for_update(CONTACT, decision.item)
    state = None if row is None else pending(row)
    if row is None or row["state"] != life.QUEUED or state is None or state.dialling:
        return "item"
    if _has_called_since(tx, row):
        _called_again(tx, row)
        return None
    within = f"within {callback.rule_of(tx.config, row['queue_id']).lasts_h} h"
    if state.missed:
        row = messages.add_system_line(tx, row, "callback.expired_unreached")
        times = "once" if state.missed == 1 else f"{state.missed} times"
        why = f"they were called {times} without an answer, and their next turn did not come {within}"
    else:
        row = messages.add_system_line(tx, row, "callback.expired")
        why = f"their turn did not come {within}"
    _tell_a_person(tx, row, why)
    _over(tx, row, "system", EXPIRED)
    return None


def _say(tx: Tx, row: Row, step: str) -> None:
    state = pending(row)
    tx.emit(
        events.CallbackChanged(
            row["id"], row["queue_id"], step, 0 if state is None else state.missed, row["agent_id"]
        )
    )
