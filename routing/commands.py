"""The facts that a router is told. Each is true already when it arrives: the row in the database decided."""

from dataclasses import dataclass, field
from typing import TypeAlias

from routing.decisions import Decision
from routing.model import ADDED, Agent, AwayReason, Micros, Policy, WorkItem, quick


@quick
@dataclass(frozen=True, slots=True)
class WorkQueued:
    """An item joined a queue, for the first time or again.

    `attempts` is the number of offers already made for it (offer ids continue from there); a known item is
    replaced: whoever had it has it no longer.
    """

    item: WorkItem
    attempts: int = 0


@quick
@dataclass(frozen=True, slots=True)
class WorkChanged:
    """A waiting item got another queue, priority or requirements; an offer of it stands if still allowed."""

    item: WorkItem


@quick
@dataclass(frozen=True, slots=True)
class WorkTaken:
    """An agent has the item without an offer. `why`: "pulled", "assigned" or "resumed", for who reads the log."""

    item: WorkItem
    agent: str
    why: str = field(default="", metadata=ADDED)


@quick
@dataclass(frozen=True, slots=True)
class WorkEnded:
    """The item is over and holds no capacity any more, whatever its state was."""

    item: str


@quick
@dataclass(frozen=True, slots=True)
class AgentReady:
    """The agent wants work and is connected. `idle_since` orders agents: the longest idle is chosen."""

    agent: Agent
    idle_since: Micros


@quick
@dataclass(frozen=True, slots=True)
class AgentChanged:
    """Skills, queues or capacity changed; readiness did not."""

    agent: Agent


@quick
@dataclass(frozen=True, slots=True)
class AgentAway:
    """The agent takes no new work; what they serve stays theirs. A pending offer is withdrawn."""

    agent: str
    reason: AwayReason


@quick
@dataclass(frozen=True, slots=True)
class AgentGone:
    """Signed out or lost: no offers, a pending one is withdrawn, what they serve stays theirs until told."""

    agent: str


@quick
@dataclass(frozen=True, slots=True)
class WrapUpStarted:
    """The contact is over, the agent finishes the paperwork; the item keeps its capacity until `until`."""

    item: str
    agent: str
    until: Micros


@quick
@dataclass(frozen=True, slots=True)
class WrapUpEnded:
    """The agent finished wrap-up early, or the row says that it is over."""

    item: str
    agent: str


@quick
@dataclass(frozen=True, slots=True)
class OfferAccepted:
    """The agent has the item. True even if the router had expired the offer meanwhile: the row decided."""

    offer: str
    item: str
    agent: str


@quick
@dataclass(frozen=True, slots=True)
class OfferDeclined:
    """The agent said no; the item keeps its place and is not offered to them for `decline_pause`."""

    offer: str
    item: str
    agent: str


@quick
@dataclass(frozen=True, slots=True)
class DecisionRefused:
    """A decision came too late for the rows.

    `reason` is "item" (it is no longer waiting: a fact about it follows or has come), "agent" (not to be had:
    no offers until the next fact about them) or "closed" (the offer was closed already: a fact follows or has
    come).
    """

    decision: Decision
    reason: str


@quick
@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """A new version of the rules; effective at once for everything that waits."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; whatever is due by `now` is decided."""


Command: TypeAlias = (
    WorkQueued
    | WorkChanged
    | WorkTaken
    | WorkEnded
    | AgentReady
    | AgentChanged
    | AgentAway
    | AgentGone
    | WrapUpStarted
    | WrapUpEnded
    | OfferAccepted
    | OfferDeclined
    | DecisionRefused
    | PolicyChanged
    | Tick
)
