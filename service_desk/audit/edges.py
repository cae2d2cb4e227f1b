"""The desk's edges: what came in has had its effect, what should go out has gone."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from channels.contract import CallStatus
from service_desk.actions.parking import TIMER as PARKED_TIMER
from service_desk.audit.findings import Finding, Findings, pages
from service_desk.clock import SECOND, Micros
from service_desk.domain import callback
from service_desk.domain import interaction as life
from service_desk.domain.effects import ConnectCall, DialCustomer, SendMessage
from service_desk.storage import schema
from service_desk.storage.store import Reader


def check_calls(reader: Reader) -> Findings:
    """A call whose caller has hung up is over, unless they are to be called; one being connected has its effects."""
    leg, interaction = schema.call_leg, schema.interaction
    over = (
        sa.select(interaction.c.id, interaction.c.state, interaction.c.hints, leg.c.dial)
        .join(leg, leg.c.interaction_id == interaction.c.id)
        .where(leg.c.role == "customer", leg.c.ended_at.is_not(None), interaction.c.ended_at.is_(None))
        .where(interaction.c.state != life.WRAP_UP)
        .where(sa.or_(interaction.c.callback_at.is_(None), leg.c.dial.is_not(None)))
    )
    for row in reader.all(over.order_by(interaction.c.id)):
        was_by = row["dial"] or 0
        if was_by == callback.dials(row) and not _is_to_be_called(row, was_by):
            yield Finding("calls", row["id"], f"the caller has hung up and it is {row['state']}")
    connecting = sa.select(
        interaction.c.id, interaction.c.attempts, interaction.c.callback_at, interaction.c.hints
    ).where(interaction.c.ended_at.is_(None), interaction.c.state == life.CONNECTING)
    for row in reader.all(connecting.order_by(interaction.c.id)):
        keys = _asked_of_the_carrier(row)
        effect = schema.effect
        if keys and reader.first(sa.select(effect.c.position).where(effect.c.key.in_(keys))) is None:
            yield Finding("calls", row["id"], "it is being connected and nothing was asked of the carrier")
        timer = schema.timer
        armed = sa.select(timer.c.due_at).where(
            timer.c.kind == "connect_timeout", timer.c.subject == row["id"]
        )
        if reader.scalar(armed) is None:
            yield Finding("calls", row["id"], "it is being connected without a time-out")


def _is_to_be_called(row: Mapping[Any, Any], was_by: int) -> bool:
    """Whether the customer may be off the line: after the call in which they asked, or one that they did not answer."""
    state = callback.pending(row)
    return state is not None and not (state.dialling and was_by > 0)


def _asked_of_the_carrier(row: Mapping[Any, Any]) -> list[str]:
    """Keys of effects of which one was asked for, for a call that is being connected; none: nothing yet."""
    connect = f"{ConnectCall.KIND}:{row['id']}:{row['attempts']}"
    dial = f"{DialCustomer.KIND}:{row['id']}.{callback.dials(row)}"
    state = callback.pending(row)
    if row["callback_at"] is None:
        return [connect]
    if state is None:
        return [connect, dial]
    return [dial] if state.dialling else []


def check_inputs(reader: Reader) -> Findings:  # noqa: C901 - one case per kind, flat
    """What was accepted has had its effect."""
    for row in pages(reader, schema.input_):
        body = row["body"]
        match row["kind"]:
            case "call_started":
                fault = _no_interaction(reader, row["account"], body["call_id"])
            case "chat_opened":
                fault = _no_chat(reader, row["account"], body)
            case "digits_pressed":
                fault = _not_chosen(reader, row["account"], body)
            case "call_changed":
                fault = _leg_behind(reader, body["call_id"], rank=CallStatus(body["status"]).rank)
            case "conference_changed":
                fault = _leg_behind(
                    reader, body["call_id"], sequence=body["sequence"], conference=body["conference_id"]
                )
            case "agent_dialled" | "callback_asked" | "customer_answered":
                fault = _leg_behind(reader, body["call_id"])
            case "mail_received" if body["machine"] == "none":
                fault = _not_kept(reader, row["key"])
            case "text_received" if body["keyword"] is None:
                fault = _not_kept(reader, row["key"])
            case _:
                fault = None
        if fault is not None:
            yield Finding(
                "inputs", f"{row['account']}:{row['key']}", f"{row['kind']} {row['position']}: {fault}"
            )


def _not_kept(reader: Reader, key: str) -> str | None:
    """A person's mail or text is a message."""
    table = schema.message
    found = reader.scalar(sa.select(table.c.id).where(table.c.key == key).limit(1))
    return None if found is not None else "no message keeps it"


def check_messages(reader: Reader) -> Findings:
    """What is still to be sent has an open effect; a parked contact has an agent and a time-out."""
    message, effect, interaction, timer = schema.message, schema.effect, schema.interaction, schema.timer
    queued = sa.select(message.c.id, message.c.tries).where(message.c.status == "queued")
    for row in reader.all(queued.order_by(message.c.id)):
        key = f"{SendMessage.KIND}:{row['id']}:{row['tries']}"
        still_open = sa.select(effect.c.position).where(effect.c.key == key, effect.c.done_at.is_(None))
        if reader.scalar(still_open) is None:
            yield Finding("messages", row["id"], "it waits to be sent and nothing will send it")
    parked = sa.select(interaction.c.id, interaction.c.agent_id).where(
        interaction.c.ended_at.is_(None), interaction.c.state == life.PARKED
    )
    for row in reader.all(parked.order_by(interaction.c.id)):
        if row["agent_id"] is None:
            yield Finding("messages", row["id"], "it is parked with nobody")
        armed = sa.select(timer.c.due_at).where(timer.c.kind == PARKED_TIMER, timer.c.subject == row["id"])
        if reader.scalar(armed) is None:
            yield Finding("messages", row["id"], "it is parked without a time-out")


def _interaction_of(reader: Reader, account: str, external_id: str) -> sa.RowMapping | None:
    table = schema.interaction
    statement = sa.select(table).where(table.c.account == account, table.c.external_id == external_id)
    return reader.first(statement)


def _no_interaction(reader: Reader, account: str, external_id: str) -> str | None:
    found = _interaction_of(reader, account, external_id)
    return None if found is not None else f"there is no interaction {external_id}"


def _no_chat(reader: Reader, account: str, body: Mapping[str, Any]) -> str | None:
    """A visitor with a running chat who opens another goes on in the running one."""
    if _no_interaction(reader, account, body["chat_id"]) is None:
        return None
    visitor = reader.get(schema.visitor, body["visitor_id"])
    went_on = visitor is not None and visitor["interaction_id"] is not None
    return None if went_on else f"there is no chat {body['chat_id']}"


def _not_chosen(reader: Reader, account: str, body: Mapping[str, Any]) -> str | None:
    row = _interaction_of(reader, account, body["call_id"])
    if row is None:
        return f"there is no interaction {body['call_id']}"
    line = next((line for line in reader.config.phone_lines if line.account == account), None)
    offered = {option.digit for option in line.options} if line is not None else set()
    if row["state"] == life.MENU and body["digits"][:1] in offered:
        return f"{row['id']} is still in the menu"
    return None


def _leg_behind(
    reader: Reader, call_id: str, *, rank: int = 0, sequence: int = -1, conference: str | None = None
) -> str | None:
    leg = reader.get(schema.call_leg, call_id)
    if leg is None:
        return f"there is no leg {call_id}"
    if leg["rank"] < rank:
        return f"leg {call_id} has rank {leg['rank']} after a message of rank {rank}"
    ended = leg["ended_at"] is not None  # what a conference says after a leg's end is no news
    if not ended and leg["conference_id"] == conference and leg["conference_sequence"] < sequence:
        return f"leg {call_id} stands at {leg['conference_sequence']} after conference message {sequence}"
    return None


def check_effects(reader: Reader, patience: Micros) -> Findings:
    """Nothing lies about that should be done; what may or may not have been done is for people to see."""
    table = schema.effect
    for row in reader.all(sa.select(table).where(table.c.done_at.is_(None)).order_by(table.c.position)):
        overdue = (reader.now - row["due_at"]) // SECOND
        if row["state"] == "unknown":
            yield Finding(
                "effects", row["key"], f"outcome unknown after {row['attempts']} tries: {row['detail']}"
            )
        elif reader.now - row["due_at"] > patience:
            yield Finding("effects", row["key"], f"{row['state']}, overdue by {overdue} s")
