"""What happened: the log's vocabulary. Ids and small facts only, no personal text, at most 2 kB.

Each class names its kind and which field is the log's subject. Times inside are instants or durations in
microseconds. `EVENT_SCHEMA` publishes the shapes; readers ignore kinds that they do not know.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class InteractionStarted:
    """A contact began; `customer_id` is None for a withheld number."""

    KIND: ClassVar[str] = "interaction.started"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    channel: str
    customer_id: str | None


@dataclass(frozen=True, slots=True)
class InteractionQueued:
    """Joined a line: anew (`again` false) or put back with its place kept.

    `moved_from` is the queue that it left without having been answered there; None otherwise.
    """

    KIND: ClassVar[str] = "interaction.queued"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    queue_id: str
    queued_at: int
    again: bool
    reason: str | None
    agent_id: str | None
    moved_from: str | None = None


@dataclass(frozen=True, slots=True)
class OfferMade:
    """It rings at an agent until `deadline`."""

    KIND: ClassVar[str] = "offer.made"
    SUBJECT: ClassVar[str] = "offer_id"
    offer_id: str
    interaction_id: str
    agent_id: str
    queue_id: str
    deadline: int
    attempt: int
    policy_version: int


@dataclass(frozen=True, slots=True)
class OfferClosed:
    """The offer is over: accepted, declined, expired or withdrawn."""

    KIND: ClassVar[str] = "offer.closed"
    SUBJECT: ClassVar[str] = "offer_id"
    offer_id: str
    interaction_id: str
    agent_id: str
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class InteractionAnswered:
    """An agent took it. `wait` counts from joining the line; `in_target` is the queue's promise."""

    KIND: ClassVar[str] = "interaction.answered"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    queue_id: str
    agent_id: str
    queued_at: int
    wait: int
    in_target: bool
    first: bool


@dataclass(frozen=True, slots=True)
class InteractionReached(InteractionAnswered):
    """The customer whom an agent called back is on the line; until then it is answered by nobody."""

    KIND: ClassVar[str] = "interaction.reached"


@dataclass(frozen=True, slots=True)
class InteractionReplaced:
    """Over unanswered, since a later contact of the same customer has its place."""

    KIND: ClassVar[str] = "interaction.replaced"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    queue_id: str
    queued_at: int
    first: bool


@dataclass(frozen=True, slots=True)
class InteractionConnected:
    """Both sides can hear each other."""

    KIND: ClassVar[str] = "interaction.connected"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    agent_id: str


@dataclass(frozen=True, slots=True)
class InteractionAbandoned:
    """The customer left while nobody served them. `queue_id` is None in the menu.

    `first` is False for one who had been answered before and was put back in line: counted as answered already.
    """

    KIND: ClassVar[str] = "interaction.abandoned"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    queue_id: str | None
    queued_at: int | None
    wait: int
    in_target: bool
    first: bool = True


@dataclass(frozen=True, slots=True)
class WrapUpStarted:
    """Over for the customer; the agent finishes until `until`."""

    KIND: ClassVar[str] = "wrap_up.started"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    agent_id: str
    until: int
    ended_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class InteractionEnded:
    """Over for good: nobody has it any more."""

    KIND: ClassVar[str] = "interaction.ended"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    agent_id: str | None
    queue_id: str | None
    ended_by: str
    reason: str
    disposition: str | None


@dataclass(frozen=True, slots=True)
class CallbackChanged:
    """Of a customer who is to be called back. `agent_id` waits for them, if anybody does.

    `step`: asked, dialling, answered, missed, or over without having been reached. `missed`: how often before.
    """

    KIND: ClassVar[str] = "interaction.callback"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    queue_id: str
    step: str
    missed: int
    agent_id: str | None


@dataclass(frozen=True, slots=True)
class CallLegChanged:
    """A leg has a new status or moved into or out of the conference."""

    KIND: ClassVar[str] = "call.leg_changed"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    call_id: str
    role: str
    status: str
    in_conference: bool
    agent_id: str | None


@dataclass(frozen=True, slots=True)
class EntryAdded:
    """A message, note or system line; the words lie in their own table."""

    KIND: ClassVar[str] = "entry.added"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    entry_id: str
    kind: str
    author_kind: str
    seq: int


@dataclass(frozen=True, slots=True)
class EntryChanged:
    """How a message of ours fares, or a file of it that has come; `status` is the one after it."""

    KIND: ClassVar[str] = "entry.changed"
    SUBJECT: ClassVar[str] = "interaction_id"

    interaction_id: str
    entry_id: str
    kind: str
    status: str | None


@dataclass(frozen=True, slots=True)
class InteractionParked:
    """Answered; it waits for the customer until `until`, stays the agent's and holds none of their capacity."""

    KIND: ClassVar[str] = "interaction.parked"
    SUBJECT: ClassVar[str] = "interaction_id"

    interaction_id: str
    agent_id: str
    queue_id: str
    until: int


@dataclass(frozen=True, slots=True)
class InteractionResumed:
    """Its agent has taken a parked one up again."""

    KIND: ClassVar[str] = "interaction.resumed"
    SUBJECT: ClassVar[str] = "interaction_id"

    interaction_id: str
    agent_id: str
    queue_id: str


@dataclass(frozen=True, slots=True)
class TextConsentChanged:
    """A customer's word about texts: `opted_out` counts until the next."""

    KIND: ClassVar[str] = "text_consent.changed"
    SUBJECT: ClassVar[str] = "interaction_id"

    interaction_id: str
    account: str
    opted_out: bool


@dataclass(frozen=True, slots=True)
class VisitorPresence:
    """The visitor's page connected or went."""

    KIND: ClassVar[str] = "visitor.presence"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    online: bool


@dataclass(frozen=True, slots=True)
class TicketOpened:
    """A new case, with its number."""

    KIND: ClassVar[str] = "ticket.opened"
    SUBJECT: ClassVar[str] = "ticket_id"
    ticket_id: str
    number: int
    customer_id: str | None
    interaction_id: str | None


@dataclass(frozen=True, slots=True)
class TicketChanged:
    """`fields` are the names that changed, joined by commas; `status` is the one after it."""

    KIND: ClassVar[str] = "ticket.changed"
    SUBJECT: ClassVar[str] = "ticket_id"
    ticket_id: str
    customer_id: str | None
    fields: str
    status: str


@dataclass(frozen=True, slots=True)
class TicketLinked:
    """A contact is about this case too."""

    KIND: ClassVar[str] = "ticket.linked"
    SUBJECT: ClassVar[str] = "ticket_id"
    ticket_id: str
    interaction_id: str
    customer_id: str | None


@dataclass(frozen=True, slots=True)
class TicketNoted:
    """An internal note on a case."""

    KIND: ClassVar[str] = "ticket.noted"
    SUBJECT: ClassVar[str] = "ticket_id"
    ticket_id: str
    customer_id: str | None
    note_id: str


@dataclass(frozen=True, slots=True)
class CustomerCreated:
    """Somebody new, known by a contact point."""

    KIND: ClassVar[str] = "customer.created"
    SUBJECT: ClassVar[str] = "customer_id"
    customer_id: str


@dataclass(frozen=True, slots=True)
class CustomerChanged:
    """`fields` are the names that changed, joined by commas."""

    KIND: ClassVar[str] = "customer.changed"
    SUBJECT: ClassVar[str] = "customer_id"
    customer_id: str
    fields: str


@dataclass(frozen=True, slots=True)
class IdentityLinked:
    """An address is the customer's from now on, or is proved better than before."""

    KIND: ClassVar[str] = "customer.identity_linked"
    SUBJECT: ClassVar[str] = "customer_id"
    customer_id: str
    point_id: str
    kind: str
    proof: str


@dataclass(frozen=True, slots=True)
class IdentityUnlinked:
    """An address is not the customer's any more."""

    KIND: ClassVar[str] = "customer.identity_unlinked"
    SUBJECT: ClassVar[str] = "customer_id"
    customer_id: str
    point_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class InteractionCustomerChanged:
    """Somebody said whose contact it really is; `previous_id` is None if nobody was known."""

    KIND: ClassVar[str] = "interaction.customer_changed"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    customer_id: str
    previous_id: str | None


@dataclass(frozen=True, slots=True)
class AgentStateChanged:
    """What the agent chose, or what was chosen for them (`no_answer`, `signed_out`)."""

    KIND: ClassVar[str] = "agent.state_changed"
    SUBJECT: ClassVar[str] = "agent_id"
    agent_id: str
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class AgentPresence:
    """Whether a console of the agent is connected: connected, lost."""

    KIND: ClassVar[str] = "agent.presence"
    SUBJECT: ClassVar[str] = "agent_id"
    agent_id: str
    presence: str


@dataclass(frozen=True, slots=True)
class SessionRevoked:
    """`session` is the start of the session's fingerprint: its sockets close."""

    KIND: ClassVar[str] = "session.revoked"
    SUBJECT: ClassVar[str] = "agent_id"
    agent_id: str
    session: str
    reason: str


@dataclass(frozen=True, slots=True)
class InteractionPrioritised:
    """A supervisor changed the head start: `priority` is in minutes."""

    KIND: ClassVar[str] = "interaction.prioritised"
    SUBJECT: ClassVar[str] = "interaction_id"
    interaction_id: str
    queue_id: str | None
    priority: int


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """A figure has been beyond its threshold for as long as the rule asks."""

    KIND: ClassVar[str] = "alert.raised"
    SUBJECT: ClassVar[str] = "alert_id"
    alert_id: str
    rule_id: str
    queue_id: str | None
    level: str


@dataclass(frozen=True, slots=True)
class AlertCleared:
    """The figure has been calm for as long as the rule asks, or the rule is gone (`reason`)."""

    KIND: ClassVar[str] = "alert.cleared"
    SUBJECT: ClassVar[str] = "alert_id"
    alert_id: str
    rule_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlertAcknowledged:
    """Somebody looks after it."""

    KIND: ClassVar[str] = "alert.acknowledged"
    SUBJECT: ClassVar[str] = "alert_id"
    alert_id: str
    rule_id: str


@dataclass(frozen=True, slots=True)
class ConfigPublished:
    """Another version of the configuration is in force."""

    KIND: ClassVar[str] = "config.published"
    SUBJECT: ClassVar[str] = "version"
    version: str


Event: TypeAlias = (
    InteractionStarted
    | InteractionQueued
    | OfferMade
    | OfferClosed
    | InteractionAnswered
    | InteractionReached
    | InteractionReplaced
    | InteractionConnected
    | InteractionAbandoned
    | WrapUpStarted
    | InteractionEnded
    | CallbackChanged
    | CallLegChanged
    | EntryAdded
    | EntryChanged
    | InteractionParked
    | InteractionResumed
    | TextConsentChanged
    | VisitorPresence
    | TicketOpened
    | TicketChanged
    | TicketLinked
    | TicketNoted
    | CustomerCreated
    | CustomerChanged
    | IdentityLinked
    | IdentityUnlinked
    | InteractionCustomerChanged
    | AgentStateChanged
    | AgentPresence
    | SessionRevoked
    | InteractionPrioritised
    | AlertRaised
    | AlertCleared
    | AlertAcknowledged
    | ConfigPublished
)

EVENTS: dict[str, type[Event]] = {kind.KIND: kind for kind in Event.__args__}


def event_schema() -> dict[str, Any]:
    """JSON Schema of every event's data, by kind."""
    return {name: TypeAdapter(kind).json_schema() for name, kind in EVENTS.items()}
