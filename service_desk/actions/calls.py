"""Phone: what a call's events change. Legs move by rank, so late and doubled messages change nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from channels.contract import (
    AgentDialled,
    Answer,
    Ask,
    CallChanged,
    CallStarted,
    ConferenceChanged,
    DigitsPressed,
    HangUp,
    Hold,
    Join,
    ParticipantChange,
    Prompt,
)
from service_desk.actions import agents, interactions, messages
from service_desk.actions.customers import find_or_make, foreseen_match
from service_desk.clock import SECOND
from service_desk.domain import events
from service_desk.domain import interaction as life
from service_desk.domain.config import PhoneLine
from service_desk.domain.contact_point import fold_phone
from service_desk.domain.effects import ConnectCall, HangUpCall, PutBackCall
from service_desk.errors import Invalid
from service_desk.planted import planted
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
_EFFECT = Prepared(sa.select(schema.effect.c.position).where(schema.effect.c.key == sa.bindparam("effect")))
_LIVING_LEGS = Prepared(
    sa.select(LEG).where(LEG.c.interaction_id == sa.bindparam("interaction"), LEG.c.ended_at.is_(None))
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
    row = interactions.open_interaction(
        tx,
        channel="phone",
        account=account,
        external_id=event.call_id,
        brand_id=line.brand_id,
        customer_id=customer_id,
        caller=point.display if point else event.caller,
        language=line.language,
        requires=line.requires,
        queue_id=None if line.options else line.default_queue,
    )
    _add_leg(tx, event.call_id, row["id"], "customer", None, "in-progress", 3)
    if line.options:
        return ask_menu(line, attempt=1)
    return Hold(Prompt(line.greeting, line.language, line.music_url))


def choose(tx: Tx, account: str, event: DigitsPressed) -> Answer:
    """The caller answered the menu: into the queue, asked again, or after three tries the default queue."""
    line = _line(tx, account)
    row = interactions.by_external_id(tx, account, event.call_id)
    if row is None:
        return HangUp(Prompt("Sorry, something went wrong. Please call again.", line.language))
    if row["state"] != life.MENU or not tx.first_time(_input(account, "digits_pressed", event)):
        return _answer_for(line, row)
    option = next((o for o in line.options if o.digit == event.digits[:1]), None)
    if option is None and event.attempt < MENU_ATTEMPTS:
        return ask_menu(line, event.attempt + 1)
    row = interactions.join_queue(tx, row, option.queue if option else line.default_queue)
    return _answer_for(line, row)


def agent_dialled(tx: Tx, account: str, event: AgentDialled) -> Answer:
    """An agent's softphone calls in: into the conference if the contact is theirs, else it is told and cut."""
    line = _line(tx, account)
    row = tx.get_for_update(schema.interaction, event.interaction_id)
    mine = row is not None and row["agent_id"] == event.agent_id and row["channel"] == "phone"
    if row is None or not mine or row["state"] not in (life.CONNECTING, life.ACTIVE):
        return HangUp(Prompt("This contact is not with you any more.", line.language))
    if tx.first_time(_input(account, "agent_dialled", event)) and tx.get(LEG, event.call_id) is None:
        _end_other_agent_legs(tx, account, row, event.call_id)
        _add_leg(tx, event.call_id, row["id"], "agent", event.agent_id, "in-progress", 3)
        _say_leg(tx, row["id"], event.call_id, "agent", "in-progress", event.agent_id, in_conference=False)
    return Join(row["id"], "agent")


def leg_changed(tx: Tx, account: str, event: CallChanged) -> None:
    """A leg has a new status; its end ends the contact (customer) or leaves the customer waiting (agent)."""
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
    _say_leg(
        tx,
        row["id"],
        event.call_id,
        leg["role"],
        event.status.value,
        leg["agent_id"],
        in_conference=in_conference,
    )
    if ended and leg["role"] == "customer" and not planted("call_left_open"):
        customer_left(tx, account, row, event.status.value)
    elif ended:
        _agent_leg_ended(tx, row)


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
    _say_leg(tx, row["id"], event.call_id, leg["role"], leg["status"], leg["agent_id"], in_conference=joined)
    if joined and row["state"] == life.CONNECTING and _both_in(tx, row):
        _connected(tx, row)


def conference_read_back(tx: Tx, interaction_id: str, call_ids: Sequence[str]) -> None:
    """The provider has these legs in the contact's conference, though no message of it came. Both: they talk."""
    row = interactions.must_get(tx, interaction_id)
    if row["state"] != life.CONNECTING:
        return
    for leg in _living_legs(tx, row):
        if leg["call_id"] in call_ids and not leg["in_conference"]:
            tx.update(LEG, leg["call_id"], in_conference=True, conference_id=None)
            _say_leg(
                tx, row["id"], leg["call_id"], leg["role"], leg["status"], leg["agent_id"], in_conference=True
            )
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
        for leg in _living_legs(tx, row)
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
    """After the accept: fetch the caller out of the waiting treatment, and give the softphone a while to join."""
    tx.later(ConnectCall(row["account"], row["id"], row["external_id"], row["attempts"]))
    tx.set_timer(
        "connect_timeout", row["id"], tx.now + tx.config.connect_s * SECOND, agent_id=row["agent_id"]
    )
    return row


def connect_timeout(tx: Tx, interaction_id: str, data: Mapping[str, Any]) -> None:
    """The softphone never joined: the caller keeps their place, the agent gets no calls until they say so."""
    agents.must_get(tx, data["agent_id"])  # locks in the fixed order: agent before interaction
    row = interactions.must_get(tx, interaction_id)
    if row["state"] != life.CONNECTING or row["agent_id"] != data["agent_id"]:
        return
    agent_id = row["agent_id"]
    put_back_call(tx, row, "softphone_missing")
    agents.send_away(tx, agent_id, "softphone_missing")


def put_back_call(tx: Tx, row: Row, reason: str) -> Row:
    """From an agent back to the line."""
    take_from_agent(tx, row)
    return interactions.put_back(tx, row, reason)


def take_from_agent(tx: Tx, row: Row) -> None:
    """The agent's legs end and the caller hears the waiting treatment again."""
    _end_other_agent_legs(tx, row["account"], row, keep=None)
    tx.later(PutBackCall(row["account"], row["id"], row["external_id"], row["attempts"]))
    tx.clear_timer("connect_timeout", row["id"])


def hang_up(tx: Tx, row: Row) -> Row:
    """The agent ends the call: wrap-up begins now, the legs are ended by the carrier."""
    tx.later(HangUpCall(row["account"], row["id"], row["external_id"]))
    tx.clear_timer("connect_timeout", row["id"])
    row = messages.add_system_line(tx, row, "call.ended_by_agent")
    return interactions.finish_service(tx, row, "agent", "agent_hung_up")


def customer_left(tx: Tx, account: str, row: Row, status: str) -> None:
    """The customer's leg is over: end of the contact, and of the agent's leg."""
    _end_other_agent_legs(tx, account, row, keep=None)
    tx.clear_timer("connect_timeout", row["id"])
    if row["state"] in (life.CONNECTING, life.ACTIVE):
        row = messages.add_system_line(tx, row, "call.ended_by_customer")
    reason = "customer_hung_up" if status == "completed" else f"call_{status.replace('-', '_')}"
    interactions.finish_service(tx, row, "customer", reason)


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
    if row["state"] == life.ACTIVE and row["agent_id"] == data["agent_id"] and not _agent_in(tx, row):
        put_back_call(tx, row, "agent_lost")


def _connected(tx: Tx, row: Row) -> None:
    row = interactions.move(tx, row, life.ACTIVE, connected_at=tx.now)
    tx.clear_timer("connect_timeout", row["id"])
    row = messages.add_system_line(tx, row, "call.connected")
    tx.emit(events.InteractionConnected(row["id"], row["agent_id"]))


def _both_in(tx: Tx, row: Row) -> bool:
    roles = {leg["role"] for leg in _living_legs(tx, row) if leg["in_conference"]}
    return roles == {"customer", "agent"}


def _agent_in(tx: Tx, row: Row) -> bool:
    return any(leg["role"] == "agent" for leg in _living_legs(tx, row))


def is_talking(tx: Tx, row: Row) -> bool:
    """Whether the two are in the conference, as far as we have been told."""
    return bool(row["state"] == life.ACTIVE and _both_in(tx, row))


def _living_legs(tx: Tx, row: Row) -> list[Row]:
    return list(tx.all(_LIVING_LEGS, {"interaction": row["id"]}))


def _end_other_agent_legs(tx: Tx, account: str, row: Row, keep: str | None) -> None:
    for leg in _living_legs(tx, row):
        if leg["role"] != "agent" or leg["call_id"] == keep:
            continue
        hang_up = HangUpCall(account, row["id"], leg["call_id"])
        if (
            tx.first(_EFFECT, {"effect": hang_up.key}) is None
        ):  # told before, and its end has not been said yet
            tx.later(hang_up)


def _add_leg(
    tx: Tx, call_id: str, interaction_id: str, role: str, agent_id: str | None, status: str, rank: int
) -> None:
    tx.add(
        LEG,
        {
            "call_id": call_id,
            "interaction_id": interaction_id,
            "role": role,
            "agent_id": agent_id,
            "status": status,
            "rank": rank,
            "sequence": -1,
            "in_conference": False,
            "conference_id": None,
            "conference_sequence": -1,
            "cause": None,
            "created_at": tx.now,
            "ended_at": None,
        },
    )


def _say_leg(
    tx: Tx,
    interaction_id: str,
    call_id: str,
    role: str,
    status: str,
    agent_id: str | None,
    *,
    in_conference: bool,
) -> None:
    tx.emit(events.CallLegChanged(interaction_id, call_id, role, status, in_conference, agent_id))


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
        return Hold(Prompt("Thank you. The next free person is yours.", line.language, line.music_url))
    if row["state"] in (life.CONNECTING, life.ACTIVE):
        return Join(row["id"], "customer")
    return HangUp()


def ask_menu(line: PhoneLine, attempt: int) -> Ask:
    """The line's menu, after its greeting the first time."""
    words = line.menu_prompt or " ".join(f"For {o.label}, press {o.digit}." for o in line.options)
    if attempt == 1:
        words = f"{line.greeting} {words}"
    return Ask(Prompt(words, line.language), attempt=attempt)
