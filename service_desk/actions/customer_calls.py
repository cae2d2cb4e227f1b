"""Our calls to customers as requests: which leg the nth one is, and what becomes of one that is not made.

What the provider tells of a call carries its number, which proves whose it is. The provider's list of calls does not:
there a call is taken for ours only where it can be nobody else's.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from service_desk.actions import callbacks, effects, legs
from service_desk.clock import MINUTE, Micros
from service_desk.domain import callback
from service_desk.domain.effects import DialCustomer
from service_desk.queries import callback_limits
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.transaction import Row, Tx

CONTACT = schema.interaction
EFFECT = schema.effect
LEG = schema.call_leg
TURNS_UP_WITHIN: Micros = 10 * MINUTE
"""After a request of unknown outcome its call may come into the provider's list; a request is given up in seconds."""
_REQUESTS = (
    sa.select(EFFECT, CONTACT.c.id, CONTACT.c.caller, CONTACT.c.customer_id)
    .join(CONTACT, CONTACT.c.id == EFFECT.c.subject)
    .where(EFFECT.c.kind == sa.literal_column(f"'{DialCustomer.KIND}'"), EFFECT.c.unsure)
)
_RECENT = _REQUESTS.where(EFFECT.c.tried_at >= sa.bindparam("since", type_=EFFECT.c.tried_at.type))
_OPEN = Prepared(_RECENT.where(EFFECT.c.done_at.is_(None)))
_BY_KEY = Prepared(_RECENT.where(EFFECT.c.key.in_(sa.bindparam("keys", expanding=True, type_=sa.Text))))
_CALLBACKS_OF = Prepared(
    sa.select(CONTACT.c.id, CONTACT.c.account, CONTACT.c.hints).where(
        CONTACT.c.customer_id == sa.bindparam("customer"),
        CONTACT.c.created_at >= sa.bindparam("since", type_=CONTACT.c.created_at.type),
        CONTACT.c.callback_at.is_not(None),
    )
)


def leaves(tx: Tx, position: int, attempt: int, dial: DialCustomer) -> bool:
    """The request of an effect's nth attempt is about to leave: from here on it may ring, and the time to answer runs.

    False if it must not leave: nobody waits for it any more, somebody else tries it, or it has waited too long for its
    turn, and the callback is put off.
    """
    row = tx.get_for_update(CONTACT, dial.interaction_id)
    if row is None or not callback.is_wanted(row, dial.dial):
        return False
    effect = effects.of_attempt(tx, position, attempt)
    if effect is None:  # before its age is looked at: what somebody else has sent may ring
        return False
    if tx.now > _leaves_by(effect):
        callbacks.put_off(tx, row)
        return False
    callbacks.leaves(tx, row, at=tx.now)
    return effects.leaves(tx, position, attempt)


def not_taken(tx: Tx, position: int, attempt: int, dial: DialCustomer, again_at: Micros) -> None:
    """The provider took no call of the nth attempt, and asks to come again: nothing has left after all.

    It waits for its turn as before, or is put off at once where that would be too late.
    """
    row = tx.get_for_update(CONTACT, dial.interaction_id)
    effect = effects.of_attempt(tx, position, attempt)
    if row is None or effect is None or not callback.is_wanted(row, dial.dial):
        return
    tx.update(EFFECT, position, unsure=False)
    if again_at > _leaves_by(effect):
        callbacks.put_off(tx, row)
    else:
        callbacks.leaves(tx, row, at=_leaves_by(effect))


def _leaves_by(effect: Row) -> Micros:
    """Until when a call waits for its turn."""
    asked_at: Micros = effect["created_at"]
    return asked_at + callback.TURN_WITHIN


def dialled(tx: Tx, account: str, interaction_id: str, number: int, call_id: str) -> Row | None:
    """Our nth call to a customer is made; its leg, None if the account has no such contact. Again: nothing changes.

    If nobody waits for it any more it is hung up.
    """
    row = tx.get_for_update(CONTACT, interaction_id)
    if row is None or row["account"] != account:
        return None
    leg = tx.get(legs.LEG, call_id)
    if leg is not None:
        return leg if (leg["interaction_id"], leg["dial"]) == (interaction_id, number) else None
    if number > callback.dials(row):
        return None  # we never asked for it
    leg = legs.add(tx, row, call_id, "customer", dial=number, status="queued", rank=0)
    legs.say(tx, leg, "queued", in_conference=False)
    if not callback.is_wanted(row, number):
        legs.end(tx, row, call_id)
    return leg


def adopt(tx: Tx, position: int, call_ids: Sequence[str]) -> bool:
    """Take a call of the provider's list for the one that an effect of unknown outcome asked for, if it must be.

    It must be if it is the only one there that is no known leg, and no other request to this number is unclear: also
    one whose answer is still under way. Otherwise nothing changes, and False: the call's own message says whose it is.
    """
    own = tx.first(_REQUESTS.where(EFFECT.c.position == position))
    # The others first: whoever is settled between the two looks has made its leg known before.
    if own is None or any(_is_unclear(tx, other) for other in _others(tx, own)):
        return False
    unknown = [call_id for call_id in call_ids if tx.get(LEG, call_id) is None]
    if len(unknown) != 1:
        return False
    return dialled(tx, own["account"], own["id"], own["data"]["dial"], unknown[0]) is not None


def _others(tx: Tx, own: Row) -> list[Row]:
    """Requests to the same number that may have left a call of which nothing was heard, about then or since."""
    since = own["tried_at"] - TURNS_UP_WITHIN
    came_after = tx.now - callback_limits.CAME_WITHIN
    contacts = tx.all(_CALLBACKS_OF, {"customer": own["customer_id"], "since": came_after})
    given_up = [  # those that nobody waits for any more: no index holds them but that of the keys
        DialCustomer(contact["account"], contact["id"], number).key
        for contact in contacts
        for number in range(1, callback.dials(contact) + 1)
    ]
    found = [*tx.all(_OPEN, {"since": since}), *tx.all(_BY_KEY, {"since": since, "keys": given_up})]
    number = callback.number_of(own)
    return [row for row in found if row["position"] != own["position"] and callback.number_of(row) == number]


def _is_unclear(tx: Tx, request: Row) -> bool:
    """Whether its call, if there is one, is none of the known legs."""
    return legs.of_dial(tx, request, request["data"]["dial"]) is None


def refused(tx: Tx, interaction_id: str, number: int) -> None:
    """Our nth call cannot be made just now: like one that was not answered."""
    row = tx.get_for_update(CONTACT, interaction_id)
    if row is not None and callback.is_wanted(row, number):
        callbacks.missed(tx, row, "failed")


def refused_for_good(tx: Tx, interaction_id: str, number: int) -> None:
    """The provider will not make our nth call, nor any other to this customer."""
    row = tx.get_for_update(CONTACT, interaction_id)
    if row is not None and callback.is_wanted(row, number):
        callbacks.missed(tx, row, "failed", last=True)
