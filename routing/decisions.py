"""What the router decides. Each decision says why in `because`: short facts, JSON-able, no personal data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from routing.model import AwayReason, Offer, quick

Because: TypeAlias = Mapping[str, str | int | float | bool | None]
"""For an offer: rule, position in line, waited_ms, candidates, idle_ms of the agent, attempt, score terms."""


@quick
@dataclass(frozen=True, slots=True)
class OfferMade:
    """One item is reserved for one agent until the offer's deadline."""

    offer: Offer
    because: Because = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class OfferExpired:
    """Nobody answered in time; the item is back in its place."""

    offer: Offer
    because: Because = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class OfferWithdrawn:
    """The offer is void: the item ended or changed, or the agent is no longer to be had."""

    offer: Offer
    because: Because = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class Overflowed:
    """An item leaves its queue for another treatment by the queue's rules."""

    item: str
    queue: str
    to: str
    because: Because = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class AgentBenched:
    """The agent gets no more offers until they say that they are ready. `offer` is the one that caused it."""

    agent: str
    reason: AwayReason
    offer: str
    because: Because = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class Unroutable:
    """No agent that exists could ever take this item as the rules stand; it waits all the same."""

    item: str
    because: Because = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class WrapUpExpired:
    """The time for after-contact work is over; the capacity is free."""

    item: str
    agent: str
    because: Because = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class CustomerDialled:
    """The turn of a callback is near: dial the customer. `attempt` counts from 1 per item."""

    item: str
    attempt: int
    because: Because = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class CallbackMissed:
    """The customer who was dialled did not answer in time. `gave_up`: that was the last try, the item is over."""

    item: str
    attempt: int
    gave_up: bool
    because: Because = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class CallbackExpired:
    """The turn of a callback has not come as long as its promise lasts: the item is over."""

    item: str
    because: Because = field(default_factory=dict)


Decision: TypeAlias = (
    OfferMade
    | OfferExpired
    | OfferWithdrawn
    | Overflowed
    | AgentBenched
    | Unroutable
    | WrapUpExpired
    | CustomerDialled
    | CallbackMissed
    | CallbackExpired
)
