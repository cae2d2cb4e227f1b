"""Calls customers: the outbox's hands for the one effect of calls that may not be repeated.

A request leaves at most once for each call. Of one that got no answer, or was cut off, nobody knows whether a telephone
rings: it is looked for until the provider shows it, the first message of the call itself names it, or its time is over.
It is never asked for again; the callback's own rule brings another call later.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from channels.contract import AccountId, CallControl, ChannelError, OutboundCall, OutcomeUnknown, SendFailed
from service_desk.actions import customer_calls
from service_desk.background.due import Due, Outcome
from service_desk.background.pacing import Turn
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.domain import callback
from service_desk.domain.effects import DialCustomer
from service_desk.storage import schema
from service_desk.storage.store import Reader

LOOK_EVERY: Micros = 2 * SECOND
BACKOFF: Micros = SECOND


@dataclass(frozen=True, slots=True)
class Facts:
    """What is needed for a call; None where there is no number, or no line to call from (any more)."""

    call: OutboundCall | None
    is_made: bool
    """Whether a leg of it is known."""


async def perform(
    desk: Desk,
    phones: Mapping[AccountId, CallControl],
    item: Due,
    effect: DialCustomer,
    turn: Turn | None,
) -> Outcome:
    """One try of a claimed effect; its turn, None where one is only looked for, is used if a request leaves."""
    facts, phone = await desk.read(facts_of, effect), phones.get(AccountId(effect.account))
    if facts.is_made:
        return Outcome("confirmed", "the call was heard of", unsure=False)
    if facts.call is None or phone is None:
        return await _refused(desk, effect, "there is no number to call, or no line to call from")
    if turn is None:
        return await _look_for(desk, phone, item, facts.call)
    if not await desk.run(customer_calls.leaves, item.position, item.attempts + 1, effect):
        return Outcome("ready", "nobody waits for it any more, or somebody else tries it", unsure=False)
    turn.use(desk.clock.now())
    return await _dial(desk, phone, item, effect, facts.call)


async def _dial(
    desk: Desk, phone: CallControl, item: Due, effect: DialCustomer, call: OutboundCall
) -> Outcome:
    """The one request, and what came of it."""
    try:
        call_id = await phone.dial(call)
    except OutcomeUnknown as error:
        return _unknown(desk, str(error))
    except SendFailed as error:
        if error.retry_after_s is None:
            await desk.run(customer_calls.refused_for_good, effect.interaction_id, effect.dial)
            return Outcome("failed", str(error), unsure=False)
        again = desk.clock.now() + max(BACKOFF, round(error.retry_after_s * SECOND))
        await desk.run(customer_calls.not_taken, item.position, item.attempts + 1, effect, again)
        return Outcome("ready", str(error), again, unsure=False)
    except ChannelError as error:
        return await _refused(desk, effect, str(error))
    await desk.run(customer_calls.dialled, effect.account, effect.interaction_id, effect.dial, call_id)
    return Outcome("confirmed", unsure=False)


def broke(desk: Desk, error: Exception) -> Outcome:
    """A fault of ours: whether the request had left is known from the row."""
    return Outcome("unknown", f"a fault of ours: {type(error).__name__}", desk.clock.now() + LOOK_EVERY)


async def _look_for(desk: Desk, phone: CallControl, item: Due, call: OutboundCall) -> Outcome:
    """What an earlier request has left at the provider, if it can be nobody else's call."""
    try:
        found = await phone.find_dialled(call, item.tried_at or desk.clock.now())
    except ChannelError as error:  # asking changed nothing: what was unknown still is
        return _unknown(desk, f"it cannot be looked up: {error}")
    if found:
        is_ours = await desk.run(customer_calls.adopt, item.position, [leg.call_id for leg in found])
        if is_ours:
            return Outcome("confirmed", "found by looking it up", unsure=False)
    return _unknown(desk, "nobody knows whether it was made; it is not made again")


def _unknown(desk: Desk, why: str) -> Outcome:
    return Outcome("unknown", why, desk.clock.now() + LOOK_EVERY, unsure=True)


async def _refused(desk: Desk, effect: DialCustomer, why: str) -> Outcome:
    await desk.run(customer_calls.refused, effect.interaction_id, effect.dial)
    return Outcome("failed", why, unsure=False)


def facts_of(reader: Reader, effect: DialCustomer) -> Facts:
    """The call that an effect asks for."""
    row = reader.get(schema.interaction, effect.interaction_id)
    leg = schema.call_leg
    made = sa.select(leg.c.call_id).where(
        leg.c.interaction_id == effect.interaction_id, leg.c.dial == effect.dial
    )
    is_made = reader.first(made) is not None
    number = None if row is None else callback.number_of(row)
    sender = callback.sender_of(reader.config, effect.account)
    if row is None or number is None or sender is None:
        return Facts(None, is_made)
    ring_s = callback.rule_of(reader.config, row["queue_id"]).answer_s
    return Facts(OutboundCall(effect.name, number, sender, ring_s), is_made)
