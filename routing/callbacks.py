"""Callbacks: a customer who does not wait on the line, and whose place waits for them.

An item with a `Callback` stands where it stood as a call: same arrival, priority and target, hence the same key. What
it waits for follows from the rule of its queue:

- agent first: it is offered like a call; the customer is dialled once an agent has accepted.
- customer first: it sleeps until its turn is near, then `CustomerDialled` is decided. Whoever answers is in the line,
  at the place that was kept, as a call (`WorkChanged` without a callback, and `kept`); who does not answer within
  `answer` is decided to be missed (`CallbackMissed`).

Who was missed rests for `pause`, in their place, and after `tries` it is over. So a callback that has come to its
turn ends within tries x (answer + pause), and holds up nobody meanwhile: what sleeps or rests is offered to nobody, and
what rests is not counted as being ahead of who sleeps. One whose turn does not come, as where nobody serves its queue,
ends when the promise is as old as it `lasts` (`CallbackExpired`); while the customer is dialled they may still answer.
"""

from dataclasses import replace
from typing import Final

from routing.model import Callback, CallbackRule, Micros, QueuePolicy, WorkItem

AGENT_FIRST: Final = "agent"
CUSTOMER_FIRST: Final = "customer"
ORDERS: Final = (AGENT_FIRST, CUSTOMER_FIRST)
KEPT: Final = "callback"
"""`WorkItem.kept` of who answered their callback, and waits on the line now."""
PROMISE_KEPT: Final = "callback expired kept"
"""How a record remembers, as `spent`, that the end of its callback was refused: that is not tried again."""
LOOK_EVERY: Final[Micros] = 5_000_000
"""How often the expected wait is compared with a rule's `within`."""
PLAIN_RULE: Final = CallbackRule()


def rule_of(policy: QueuePolicy) -> CallbackRule:
    """The queue's, or the defaults: nobody waits for ever because a callback came sooner than its rule."""
    return policy.callback or PLAIN_RULE


def asked(item: WorkItem, at: Micros = 0) -> WorkItem:
    """The customer would rather be called back: the same place, without them on the line."""
    return replace(item, callback=Callback(asked_at=at), kept="")


def reached(item: WorkItem) -> WorkItem:
    """The customer answered, and is on the line: in their old place."""
    return replace(item, callback=None, kept=KEPT)


def waited_on_the_line(item: WorkItem) -> bool:
    """Whether the customer has waited on the line since `waits_since`."""
    whole = not item.kept or (item.joined_at > 0 and item.kept != KEPT)
    return whole and item.callback is None


def missed(item: WorkItem, rule: CallbackRule, now: Micros) -> WorkItem | None:
    """The customer did not answer: it rests, then comes its next try; None after the last one."""
    times = (item.callback.missed if item.callback else 0) + 1
    if times >= rule.tries:
        return None
    return _resting(item, times, now + rule.pause)


def rested(item: WorkItem, rule: CallbackRule, now: Micros) -> WorkItem:
    """Nobody dialled after all: it rests, and no try is counted."""
    times = item.callback.missed if item.callback else 0
    return _resting(item, times, now + rule.pause)


def _resting(item: WorkItem, missed: int, until: Micros) -> WorkItem:
    before = item.callback or Callback()
    return replace(item, callback=replace(before, missed=missed, rests_until=until, dialled_at=None))


def promised_at(item: WorkItem) -> Micros:
    """When the customer was promised a call."""
    return item.queued_at if item.callback is None else item.callback.asked_at or item.queued_at


def expires_at(item: WorkItem, rule: CallbackRule) -> Micros | None:
    """When the promise ends; None for what is no callback, and while its customer is dialled."""
    if item.callback is None or item.callback.dialled_at is not None:
        return None
    return promised_at(item) + rule.lasts


def is_resting(callback: Callback, now: Micros) -> bool:
    """Missed a while ago; its next try comes later."""
    return callback.dialled_at is None and now < callback.rests_until


def sleeps(callback: Callback, rule: CallbackRule, now: Micros) -> bool:
    """Waits for its turn to be near, to be dialled then."""
    return rule.first == CUSTOMER_FIRST and callback.dialled_at is None and now >= callback.rests_until


def is_offered(callback: Callback, rule: CallbackRule, now: Micros) -> bool:
    """Whether agents may have it now."""
    return rule.first == AGENT_FIRST and callback.dialled_at is None and now >= callback.rests_until


def next_change(callback: Callback, rule: CallbackRule) -> Micros:
    """When time alone changes what it waits for; may be over."""
    return callback.rests_until if callback.dialled_at is None else callback.dialled_at + rule.answer
