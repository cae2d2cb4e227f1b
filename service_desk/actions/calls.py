"""Phone: what a call's events change. Legs move by rank, so late and doubled messages change nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from channels.contract import (
    AgentDialled,
    Answer,
    Ask,
    CallbackAsked,
    CallChanged,
    CallStarted,
    CallStatus,
    ConferenceChanged,
    CustomerAnswered,
    DigitsPressed,
    HangUp,
    Hold,
    Join,
    ParticipantChange,
    Prompt,
)
from service_desk.actions import agents, callbacks, customer_calls, interactions, legs, messages
from service_desk.actions.customers import find_or_make, foreseen_match
from service_desk.clock import SECOND
from service_desk.domain import callback, events
from service_desk.domain import interaction as life
from service_desk.domain.config import PhoneLine
from service_desk.domain.contact_point import fold_phone
from service_desk.domain.effects import ConnectCall, HangUpCall, PutBackCall, read_dial
from service_desk.domain.spoken import phrases
from service_desk.errors import Invalid
from service_desk.planted import planted
from service_desk.queries import callback_limits
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.statements import by_key
from service_desk.storage.transaction import Foreseen, Input, Row, Tx, locked

LEG = schema.call_leg
MENU_ATTEMPTS = 3
_OPEN_HANG_UPS = Prepared(
    sa.select(schema.effect.c.position).where(
        schema.effect.c.done_at.is_(None),
        schema.effect.c.subject == sa.bindparam("interaction"),
        schema.effect.c.kind == sa.bindparam("kind"),
    )
)
_CONTACT_OF_LEG = Prepared(
    sa.select(schema.interaction)
    .where(
        schema.interaction.c.id
        == sa.select(LEG.c.interaction_id).where(LEG.c.call_id == sa.bindparam("call")).scalar_subquery()
    )
    .with_for_update()
)


def start_call(tx: Tx, account: str, event: CallStarted) -> Answer:
    """A call came in: recorded once, its caller found or made, then the menu or the line."""
    line = _line(tx, account)
    point = fold_phone(event.caller) if event.caller else None
    said = _input(account, "call_started", event)
    tx.foresee(tx.foreseen_input(said), *([] if point is None else [foreseen_match(point)]))
    if not tx.first_time(said):
        return _answer_again(tx, account, line, event.call_id)
    customer_id = None
    if point is not None:
        customer_id = find_or_make(
            tx, point, name=event.caller_name, language=line.language[:2], proof="seen"
        )
        tx.input_is_about(customer_id)
    caller = point.display if point else event.caller
    row = interactions.open_interaction(
        tx,
        channel="phone",
        account=account,
        external_id=event.call_id,
        brand_id=line.brand_id,
        customer_id=customer_id,
        caller=caller,
        language=line.language,
        requires=line.requires,
        queue_id=None if line.options else line.default_queue,
        place=None if line.options else callbacks.take_over(tx, line.default_queue, customer_id, caller),
    )
    legs.add(tx, row, event.call_id, "customer")
    if line.options:
        return ask_menu(line, attempt=1)
    return Hold(Prompt(line.greeting, line.language, line.music_url))


def choose(tx: Tx, account: str, event: DigitsPressed) -> Answer:
    """The caller answered the menu: into the queue, asked again, or after three tries the default queue."""
    line = _line(tx, account)
    row = interactions.by_external_id(tx, account, event.call_id)
    if row is None:
        return HangUp(Prompt(phrases(line.language).lost, line.language))
    if row["state"] != life.MENU or not tx.first_time(_input(account, "digits_pressed", event)):
        return _answer_for(line, row)
    option = next((o for o in line.options if o.digit == event.digits[:1]), None)
    if option is None and event.attempt < MENU_ATTEMPTS:
        return ask_menu(line, event.attempt + 1)
    queue_id = option.queue if option else line.default_queue
    place = callbacks.take_over(tx, queue_id, row["customer_id"], row["caller"])
    row = interactions.join_queue(tx, row, queue_id, place)
    return _answer_for(line, row)


def agent_dialled(tx: Tx, account: str, event: AgentDialled) -> Answer:
    """An agent's softphone calls in: into the conference if the contact is theirs, else it is told and cut."""
    line = _line(tx, account)
    row = tx.get_for_update(schema.interaction, event.interaction_id)
    mine = row is not None and row["agent_id"] == event.agent_id and row["channel"] == "phone"
    if row is None or not mine or row["state"] not in (life.CONNECTING, life.ACTIVE):
        return HangUp(Prompt("This contact is not with you any more.", line.language))
    if tx.first_time(_input(account, "agent_dialled", event)) and tx.get(LEG, event.call_id) is None:
        legs.end_agents(tx, row, keep=event.call_id)
        leg = legs.add(tx, row, event.call_id, "agent", agent_id=event.agent_id)
        legs.say(tx, leg, "in-progress", in_conference=False)
        row = callbacks.dial(tx, row)
    if row["state"] == life.ENDED:  # the customer may not be called any more
        return HangUp(Prompt("This contact is not with you any more.", line.language))
    return Join(row["id"], "agent")


def ask_callback(tx: Tx, account: str, event: CallbackAsked) -> Answer:
    """A waiting caller pressed a key where it was offered to call them back: they are told, and the call ends.

    Another key, and one that comes while it rings at an agent, changes nothing.
    """
    line = _line(tx, account)
    row = _by_call(tx, account, event.call_id)
    if row is None:
        return HangUp(Prompt(phrases(line.language).lost, line.language))
    wanted = event.digit == callbacks.KEY and callback_limits.may_be_asked_for(tx, row)
    # Only a press that counts is remembered: the same key of the same call may count later.
    if wanted and tx.first_time(_input(account, "callback_asked", event)):
        row = callbacks.ask(tx, row)
    return callbacks.promise(line) if callback.pending(row) is not None else _answer_for(line, row)


def customer_answered(tx: Tx, account: str, event: CustomerAnswered) -> Answer:
    """Somebody whom we called picked up."""
    line = _line(tx, account)
    interaction_id, number = read_dial(event.dial)
    leg = customer_calls.dialled(tx, account, interaction_id, number, event.call_id)
    if leg is None:
        return HangUp(Prompt(phrases(line.language).callback_over, line.language))
    row = interactions.must_get(tx, interaction_id)
    if tx.first_time(_input(account, "customer_answered", event)) and leg["ended_at"] is None:
        row = callbacks.picked_up(tx, row, leg)
    return callbacks.answer_for(tx, line, row, leg)


def _by_call(tx: Tx, account: str, call_id: str) -> Row | None:
    """The contact that a customer's leg is of, locked."""
    row = interactions.by_external_id(tx, account, call_id)
    leg = tx.get(LEG, call_id) if row is None else None
    if leg is not None:
        row = interactions.must_get(tx, leg["interaction_id"])
    return row if row is not None and row["account"] == account else None


def leg_changed(tx: Tx, account: str, event: CallChanged) -> None:
    """A leg has a new status; its end ends the contact (customer) or leaves the customer waiting (agent)."""
    if event.dial is not None:
        customer_calls.dialled(tx, account, *read_dial(event.dial), event.call_id)
    said = _input(account, "call_changed", event)
    tx.foresee(
        Foreseen(by_key(LEG), {"key": event.call_id}),
        tx.foreseen_input(said),
        Foreseen(_CONTACT_OF_LEG, {"call": event.call_id}, schema.interaction),
        locked(LEG, event.call_id),
    )
    leg = tx.get(LEG, event.call_id)
    if leg is None or not tx.first_time(said):
        return
    row = interactions.must_get(tx, leg["interaction_id"])
    leg = tx.get_for_update(LEG, event.call_id)
    if leg is None or (event.status.rank, event.sequence) <= (leg["rank"], leg["sequence"]):
        return
    ended = event.status.final
    in_conference = leg["in_conference"] and not ended
    tx.update(
        LEG,
        event.call_id,
        status=event.status.value,
        rank=event.status.rank,
        sequence=event.sequence,
        cause=event.cause,
        in_conference=in_conference,
        ended_at=tx.now if ended else None,
    )
    legs.say(tx, leg, event.status.value, in_conference=in_conference)
    if leg["role"] == "customer" and row["callback_at"] is not None:
        _callback_leg_changed(tx, row, leg, event)
    elif ended and leg["role"] == "customer" and not planted("call_left_open"):
        customer_left(tx, row, event.status.value)
    elif ended:
        _agent_leg_ended(tx, row)


def _callback_leg_changed(tx: Tx, row: Row, leg: Row, event: CallChanged) -> None:
    """A leg of somebody who asked to be called back; the call in which they asked only has to end."""
    number = leg["dial"]
    if number is None and event.status.final:
        callbacks.off_the_line(tx, row)
    if number is None or number != callback.dials(row):
        return
    if event.status is CallStatus.IN_PROGRESS:
        callbacks.picked_up(tx, row, leg)
    elif event.status.final and callback.is_wanted(row, number):
        callbacks.missed(tx, row, event.status.value)
    elif event.status.final and callback.pending(row) is None:
        customer_left(tx, row, event.status.value)


def conference_changed(tx: Tx, account: str, event: ConferenceChanged) -> None:
    """A leg joined or left the conference. Both in: the two are talking."""
    if event.call_id is None or event.change is ParticipantChange.ENDED:
        return
    leg = tx.get(LEG, event.call_id)
    if leg is None or leg["interaction_id"] != event.interaction_id:
        return
    if not tx.first_time(_input(account, "conference_changed", event)):
        return
    row = interactions.must_get(tx, event.interaction_id)
    joined = event.change is ParticipantChange.JOINED
    if not _is_news(tx, event):
        return
    tx.update(
        LEG,
        event.call_id,
        in_conference=joined,
        conference_id=event.conference_id,
        conference_sequence=event.sequence,
    )
    legs.say(tx, leg, leg["status"], in_conference=joined)
    if joined and row["state"] == life.CONNECTING and _both_in(tx, row):
        _connected(tx, row)


def conference_read_back(tx: Tx, interaction_id: str, call_ids: Sequence[str]) -> None:
    """The provider has these legs in the contact's conference, though no message of it came. Both: they talk."""
    row = interactions.must_get(tx, interaction_id)
    if row["state"] != life.CONNECTING:
        return
    for leg in legs.living(tx, row):
        if leg["call_id"] in call_ids and not leg["in_conference"]:
            tx.update(LEG, leg["call_id"], in_conference=True, conference_id=None)
            legs.say(tx, leg, leg["status"], in_conference=True)
    if _both_in(tx, row):
        _connected(tx, row)


def end_stray_legs(tx: Tx, interaction_id: str, alive: Collection[str]) -> list[str]:
    """Hang up those of these legs that nobody needs: the contact is over, or they are of an agent who lost it.

    For the sweep. While an earlier hang-up of the contact is still being tried, nothing; which legs it was.
    """
    row = interactions.must_get(tx, interaction_id)
    if tx.first(_OPEN_HANG_UPS, {"interaction": row["id"], "kind": HangUpCall.KIND}) is not None:
        return []
    stray = [
        leg["call_id"]
        for leg in legs.living(tx, row)
        if leg["call_id"] in alive and is_stray(row["state"], row["agent_id"], leg["role"], leg["agent_id"])
    ]
    for call_id in stray:
        tx.later(HangUpCall(row["account"], row["id"], call_id, tx.now))
    return stray


def is_stray(state: str, serving: str | None, role: str, agent_id: str | None) -> bool:
    """Whether a living leg has no business in a contact of this state that this agent serves."""
    if state in (life.WRAP_UP, life.ENDED):
        return True
    return role == "agent" and not (state in (life.CONNECTING, life.ACTIVE) and agent_id == serving)


def _is_news(tx: Tx, event: ConferenceChanged) -> bool:
    """Whether a conference says something newer about a leg than what is known.

    Each conference numbers its messages anew, and a caller who was put back in line meets another conference: a
    leg joins whichever says so, and leaves only the one that it is in. Of a leg that was found by read-back
    nobody knows which one that is.
    """
    leg = tx.get_for_update(LEG, event.call_id or "")
    if leg is None or leg["ended_at"] is not None:
        return False
    if leg["in_conference"] and leg["conference_id"] is None:
        return True
    if leg["conference_id"] == event.conference_id:
        return bool(event.sequence > leg["conference_sequence"])
    return event.change is ParticipantChange.JOINED


def connect(tx: Tx, row: Row) -> Row:
    """After the accept: fetch the caller out of the waiting treatment, and give the softphone a while to join.

    Who is to be called back is called once it has joined.
    """
    customer = _customer_leg(tx, row)
    if customer is not None:
        tx.later(ConnectCall(row["account"], row["id"], customer, row["attempts"]))
    tx.set_timer(
        "connect_timeout", row["id"], tx.now + tx.config.connect_s * SECOND, agent_id=row["agent_id"]
    )
    return row


def connect_timeout(tx: Tx, interaction_id: str, data: Mapping[str, Any]) -> None:
    """The softphone never joined: the caller keeps their place, the agent gets no calls until they say so.

    Or it did, and the customer who was called did not.
    """
    agents.must_get(tx, data["agent_id"])  # locks in the fixed order: agent before interaction
    row = interactions.must_get(tx, interaction_id)
    if row["state"] != life.CONNECTING or row["agent_id"] != data["agent_id"]:
        return
    agent_id, state = row["agent_id"], callback.pending(row)
    if state is not None and state.dialling and legs.has_agent(tx, row):
        callbacks.not_answered(tx, row)
        return
    put_back_call(tx, row, "softphone_missing")
    agents.send_away(tx, agent_id, "softphone_missing")


def put_back_call(tx: Tx, row: Row, reason: str) -> Row:
    """From an agent back to the line."""
    row = take_from_agent(tx, row)
    return interactions.put_back(tx, row, reason)


def take_from_agent(tx: Tx, row: Row) -> Row:
    """The agent's legs end and the caller hears the waiting treatment again; who is being called is so no more."""
    legs.end_agents(tx, row)
    tx.clear_timer("connect_timeout", row["id"])
    customer = _customer_leg(tx, row)
    if customer is None:
        return callbacks.stop_dialling(tx, row)
    tx.later(PutBackCall(row["account"], row["id"], customer, row["attempts"]))
    return row


def hang_up(tx: Tx, row: Row) -> Row:
    """The agent ends the call: wrap-up begins now, the legs are ended by the carrier.

    Of a callback whose customer was not reached yet only the agent's part ends: the promise stands.
    """
    if callback.pending(row) is not None:
        return callbacks.hand_back(tx, row)
    customer = _customer_leg(tx, row)
    if customer is None:
        legs.end_agents(tx, row)
    else:
        tx.later(HangUpCall(row["account"], row["id"], customer))
    tx.clear_timer("connect_timeout", row["id"])
    row = messages.add_system_line(tx, row, "call.ended_by_agent")
    return interactions.finish_service(tx, row, "agent", "agent_hung_up")


def customer_left(tx: Tx, row: Row, status: str) -> None:
    """The customer's leg is over: end of the contact, and of the agent's leg."""
    legs.end_agents(tx, row)
    tx.clear_timer("connect_timeout", row["id"])
    if row["state"] in (life.CONNECTING, life.ACTIVE):
        row = messages.add_system_line(tx, row, "call.ended_by_customer")
    reason = "customer_hung_up" if status == "completed" else f"call_{status.replace('-', '_')}"
    interactions.finish_service(tx, row, "customer", reason)


def _customer_leg(tx: Tx, row: Row) -> str | None:
    """The call that the customer of a contact is on the line by; None if they are to be called back."""
    if row["callback_at"] is None:
        return str(row["external_id"])
    leg = None if callback.pending(row) is not None else legs.of_dial(tx, row, callback.dials(row))
    return None if leg is None else str(leg["call_id"])


def _agent_leg_ended(tx: Tx, row: Row) -> None:
    """The agent's leaving never ends the call: the caller waits in the conference, the agent may rejoin."""
    if row["state"] == life.ACTIVE:
        row = messages.add_system_line(tx, row, "call.agent_leg_lost")
        tx.set_timer(
            "rejoin_timeout", row["id"], tx.now + tx.config.reclaim_s * SECOND, agent_id=row["agent_id"]
        )


def rejoin_timeout(tx: Tx, interaction_id: str, data: Mapping[str, Any]) -> None:
    """Nobody came back to the conference: the caller returns to the line with their place."""
    agents.must_get(tx, data["agent_id"])  # locks in the fixed order: agent before interaction
    row = interactions.must_get(tx, interaction_id)
    if row["state"] == life.ACTIVE and row["agent_id"] == data["agent_id"] and not legs.has_agent(tx, row):
        put_back_call(tx, row, "agent_lost")


def _connected(tx: Tx, row: Row) -> None:
    row = interactions.move(tx, row, life.ACTIVE, connected_at=tx.now)
    tx.clear_timer("connect_timeout", row["id"])
    row = messages.add_system_line(tx, row, "call.connected")
    tx.emit(events.InteractionConnected(row["id"], row["agent_id"]))


def _both_in(tx: Tx, row: Row) -> bool:
    """Agent and customer: not a call in which somebody asked to be called back, whose end has not been heard of."""
    roles = {
        leg["role"]
        for leg in legs.living(tx, row)
        if leg["in_conference"] and (leg["role"] == "agent" or callback.talks_by(row, leg["dial"]))
    }
    return roles == {"customer", "agent"}


def is_talking(tx: Tx, row: Row) -> bool:
    """Whether the two are in the conference, as far as we have been told."""
    return bool(row["state"] == life.ACTIVE and _both_in(tx, row))


def _input(account: str, kind: str, event: Any) -> Input:
    return Input(account, event.dedupe_key, kind, asdict(event))


def _line(tx: Tx, account: str) -> PhoneLine:
    try:
        return tx.config.phone_line(account)
    except KeyError:
        raise Invalid(f"No phone line is configured for the account {account}.", field="account") from None


def _answer_again(tx: Tx, account: str, line: PhoneLine, call_id: str) -> Answer:
    row = interactions.by_external_id(tx, account, call_id)
    if row is None:
        return Hold(Prompt(line.greeting, line.language, line.music_url))
    return _answer_for(line, row)


def _answer_for(line: PhoneLine, row: Row) -> Answer:
    """What the customer's leg should hear, by the interaction's state."""
    if row["state"] == life.MENU:
        return ask_menu(line, attempt=1)
    if row["state"] in life.WAITING:
        return Hold(Prompt(phrases(line.language).joined, line.language, line.music_url))
    if row["state"] in (life.CONNECTING, life.ACTIVE):
        return Join(row["id"], "customer")
    return HangUp()


def ask_menu(line: PhoneLine, attempt: int) -> Ask:
    """The line's menu, after its greeting the first time."""
    words = line.menu_prompt or " ".join(f"For {o.label}, press {o.digit}." for o in line.options)
    if attempt == 1:
        words = f"{line.greeting} {words}"
    return Ask(Prompt(words, line.language), attempt=attempt)
