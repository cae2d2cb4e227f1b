"""Offers: made, expired and withdrawn by the router's decisions, accepted and declined by agents.

The row decides. A decision that comes too late is refused and goes back to the router with the reason.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from routing import decisions as decided
from routing.commands import OfferAccepted, OfferDeclined, WorkQueued
from service_desk.actions import agents, callbacks, calls, interactions, wrap_up
from service_desk.actions.other_line import into_other_line
from service_desk.domain import events
from service_desk.domain import interaction as life
from service_desk.errors import Invalid, NotFound, OfferClosed
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.statements import by_key
from service_desk.storage.transaction import Foreseen, Row, Tx, locked

OFFER = schema.offer
_RINGING = Prepared(
    sa.select(OFFER.c.id).where(OFFER.c.agent_id == sa.bindparam("agent"), OFFER.c.state == "pending")
)
_CONTACT_OF_OFFER = Prepared(
    sa.select(schema.interaction)
    .where(
        schema.interaction.c.id
        == sa.select(OFFER.c.interaction_id).where(OFFER.c.id == sa.bindparam("offer")).scalar_subquery()
    )
    .with_for_update()
)
_LOCK = {
    table: Prepared(
        sa.select(table)
        .where(table.c.id.in_(sa.bindparam("ids", expanding=True)))
        .order_by(table.c.id)
        .with_for_update()
    )
    for table in (schema.agent, schema.interaction)
}
Refusal = tuple[decided.Decision, str]


def accept_offer(tx: Tx, offer_id: str, agent_id: str) -> Row:
    """The agent takes it: compare and set, so that one of two wins; the interaction. OfferClosed for the other.

    The same agent again gets the same answer.
    """
    tx.foresee(*foreseen_accept(offer_id, agent_id))
    agents.must_get(tx, agent_id)
    offer, row = _locked(tx, offer_id, agent_id)
    if offer["state"] == "accepted" and row["agent_id"] == agent_id:
        return row
    late = planted("accept_after_the_end") and row["state"] == life.QUEUED
    if not late and (offer["state"] != "pending" or row["state"] != life.OFFERED):
        raise OfferClosed(_why_closed(offer), reason=offer["state"])
    if not interactions.close_offer(tx, offer, "accepted", None) and not late:
        raise OfferClosed("Somebody was faster.", reason="withdrawn")
    phone = row["channel"] == "phone"
    row = interactions.answer(tx, row, agent_id, life.CONNECTING if phone else life.ACTIVE)
    tx.route(OfferAccepted(offer_id, row["id"], agent_id))
    return calls.connect(tx, row) if phone else row


def foreseen_accept(offer_id: str, agent_id: str) -> list[Foreseen]:
    """What `accept_offer` asks."""
    contact, _, _ = offer_id.partition(".")
    return [
        locked(schema.agent, agent_id),
        Foreseen(by_key(OFFER), {"key": offer_id}),
        Foreseen(_CONTACT_OF_OFFER, {"offer": offer_id}, schema.interaction),
        locked(OFFER, offer_id),
        interactions.foreseen_unanswered(contact),
    ]


def decline_offer(tx: Tx, offer_id: str, agent_id: str, reason: str) -> None:
    """The agent says no, with a reason of the configuration; the item keeps its place."""
    known = [item.id for item in tx.config.decline_reasons]
    if reason not in known:
        raise Invalid(f"reason is one of {', '.join(known)}.", field="reason")
    offer, row = _locked(tx, offer_id, agent_id)
    if offer["state"] == "declined":
        return
    if not interactions.close_offer(tx, offer, "declined", reason):
        raise OfferClosed(_why_closed(offer), reason=offer["state"])
    if row["state"] == life.OFFERED:
        interactions.move(tx, row, life.QUEUED)
    tx.route(OfferDeclined(offer_id, row["id"], agent_id))
    tx.audit("offer.declined", offer_id, reason=reason)


def _locked(tx: Tx, offer_id: str, agent_id: str) -> tuple[Row, Row]:
    """(offer, interaction), locked; NotFound unless the offer is this agent's."""
    found = tx.get(OFFER, offer_id)
    if found is None or found["agent_id"] != agent_id:
        raise NotFound("There is no such offer for you.")
    row = interactions.must_get(tx, found["interaction_id"])
    offer = tx.get_for_update(OFFER, offer_id)
    assert offer is not None, "offers are never deleted while their interaction lives"
    return offer, row


def _why_closed(offer: Row) -> str:
    return {
        "accepted": "This offer was accepted already.",
        "declined": "You declined this offer.",
        "expired": "The offer ran out before the accept arrived; the contact went on to somebody else.",
        "withdrawn": "The contact is no longer waiting: the customer left or somebody else has it.",
    }.get(offer["state"], "The contact is no longer waiting.")


# --- what the router decided ----------------------------------------------------------------------------------


def apply_decisions(tx: Tx, decisions: Sequence[decided.Decision], policy_version: int) -> list[Refusal]:
    """Put decisions into the rows, in order; what was refused, with why ("item", "agent", "closed", "treatment")."""
    tx.foresee(*foreseen_rows(decisions))
    return apply_locked(tx, decisions, policy_version)


def apply_locked(tx: Tx, decisions: Sequence[decided.Decision], policy_version: int) -> list[Refusal]:
    """The same for decisions whose `foreseen_rows` were asked for, together with others."""
    refused: list[Refusal] = []
    expired: dict[str, int] = {}
    for decision in decisions:
        reason = _apply(tx, decision, policy_version, expired)
        if reason is not None:
            refused.append((decision, reason))
    return refused


def foreseen_rows(decisions: Sequence[decided.Decision]) -> list[Foreseen]:
    """Every row that will change, locked agents before interactions and each by id, so that nobody can deadlock."""
    agent_ids, item_ids = set[str](), set[str]()
    for decision in decisions:
        match decision:
            case decided.OfferMade() | decided.OfferExpired() | decided.OfferWithdrawn():
                agent_ids.add(decision.offer.agent)
                item_ids.add(decision.offer.item)
            case decided.AgentBenched():
                agent_ids.add(decision.agent)
            case decided.WrapUpExpired():
                agent_ids.add(decision.agent)
                item_ids.add(decision.item)
            case (
                decided.Overflowed()
                | decided.CustomerDialled()
                | decided.CallbackMissed()
                | decided.CallbackExpired()
            ):
                item_ids.add(decision.item)
    rows = [
        Foreseen(_LOCK[table], {"ids": sorted(ids)}, table)
        for table, ids in ((schema.agent, agent_ids), (schema.interaction, item_ids))
        if ids
    ]
    return [*rows, *(Foreseen(_RINGING, {"agent": agent_id}) for agent_id in sorted(agent_ids))]


def _apply(tx: Tx, decision: decided.Decision, policy_version: int, expired: dict[str, int]) -> str | None:
    match decision:
        case decided.OfferMade():
            return _make(tx, decision, policy_version)
        case decided.OfferExpired():
            if not _close(tx, decision.offer.id, decision.offer.item, "expired", "no_answer"):
                return "closed"
            expired[decision.offer.id] = decision.offer.deadline
        case decided.OfferWithdrawn():
            _close(
                tx,
                decision.offer.id,
                decision.offer.item,
                "withdrawn",
                str(decision.because.get("reason", "")),
            )
        case decided.AgentBenched():
            return _bench(tx, decision, expired)
        case decided.WrapUpExpired():
            return wrap_up.expire(tx, decision.item, decision.agent)
        case decided.Unroutable():
            tx.audit("routing.unroutable", decision.item, **dict(decision.because))
        case (
            decided.Overflowed()
            | decided.CustomerDialled()
            | decided.CallbackMissed()
            | decided.CallbackExpired()
        ):
            return _treat(tx, decision)
    return None


def _treat(
    tx: Tx,
    decision: decided.Overflowed | decided.CustomerDialled | decided.CallbackMissed | decided.CallbackExpired,
) -> str | None:
    """What is decided about one that waits, besides offering it."""
    match decision:
        case decided.Overflowed():
            return _overflow(tx, decision)
        case decided.CustomerDialled():
            return callbacks.dial_in_turn(tx, decision)
        case decided.CallbackMissed():
            return callbacks.overdue(tx, decision)
        case decided.CallbackExpired():
            return callbacks.expired(tx, decision)


def _overflow(tx: Tx, decision: decided.Overflowed) -> str | None:
    """Into the line of the queue that the rules name, or called back, if it still waits where the router saw it."""
    row = tx.get_for_update(schema.interaction, decision.item)
    if row is None or row["state"] != life.QUEUED or row["queue_id"] != decision.queue:
        return "item"
    if decision.to == "callback":
        return None if callbacks.overflowed(tx, row) else "treatment"
    if decision.to not in {queue.id for queue in tx.config.queues}:
        # A rule of a version that is no longer in force: the router hears where it really waits.
        tx.route(WorkQueued(interactions.work_item_for(row, tx.config), row["attempts"]))
        return "treatment"
    into_other_line(tx, row, decision.to, "overflow")
    tx.audit(
        "routing.overflowed",
        decision.item,
        queue_id=decision.to,
        old_queue_id=decision.queue,
        **dict(decision.because),
    )
    return None


def _bench(tx: Tx, decision: decided.AgentBenched, expired: dict[str, int]) -> str | None:
    """No more offers for who did not answer, unless they have said something newer about themselves."""
    if decision.offer not in expired:
        return "closed"
    if agents.must_get(tx, decision.agent)["chosen_at"] > expired[decision.offer]:
        return "agent"
    agents.send_away(tx, decision.agent, decision.reason)
    return None


def _make(tx: Tx, decision: decided.OfferMade, policy_version: int) -> str | None:
    offer = decision.offer
    agent = tx.get_for_update(schema.agent, offer.agent)
    row = tx.get_for_update(schema.interaction, offer.item)
    if row is None or row["state"] != life.QUEUED:
        return "item"
    ready = agent is not None and agent["chosen"] == "ready" and agent["lost_at"] is None
    if not ready or tx.scalar(_RINGING, {"agent": offer.agent}) is not None:
        tx.change(schema.interaction, row, attempts=offer.attempt)  # so that no number is used twice
        return "agent"
    row = interactions.move(tx, row, life.OFFERED, attempts=offer.attempt)
    values: dict[str, Any] = {
        "id": offer.id,
        "interaction_id": offer.item,
        "agent_id": offer.agent,
        "state": "pending",
        "made_at": offer.made_at,
        "deadline": offer.deadline,
        "attempt": offer.attempt,
        "closed_at": None,
        "reason": None,
        "because": dict(decision.because),
        "policy_version": policy_version,
    }
    tx.add(OFFER, values)
    tx.emit(
        events.OfferMade(
            offer.id, offer.item, offer.agent, row["queue_id"], offer.deadline, offer.attempt, policy_version
        )
    )
    return None


def _close(tx: Tx, offer_id: str, interaction_id: str, state: str, reason: str) -> bool:
    row = tx.get_for_update(schema.interaction, interaction_id)
    offer = tx.get_for_update(OFFER, offer_id)
    if row is None or offer is None or not interactions.close_offer(tx, offer, state, reason):
        return False
    if row["state"] == life.OFFERED and not planted("expired_offer_kept"):
        interactions.move(tx, row, life.QUEUED)
    return True
