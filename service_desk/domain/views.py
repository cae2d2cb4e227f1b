"""What screens are sent: read-only shapes, the same in snapshots, frames and API answers.

Instants are integers in microseconds since 1970-01-01 UTC. `version` goes back in `If-Match`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LIVE_SCHEMA = 1
"""The build's number for everything below; a console with another number is asked to reload."""

Micros = int


class View(BaseModel):
    """Base: closed shapes, so that a field that nobody declared is a fault in a test and not a surprise."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AgentStateView(View):
    """What the agent chose, or what was chosen for them."""

    chosen: Literal["ready", "away"]
    reason: str | None = Field(description="Key of a reason in the configuration; only when away.")
    since: Micros


class MeView(View):
    """The signed-in person."""

    id: str
    name: str
    login: str
    role: Literal["agent", "supervisor", "admin"]
    permissions: list[str]
    language: str
    queues: list[str]
    skills: dict[str, int]
    capacity: dict[str, int]
    state: AgentStateView
    version: int


class OfferView(View):
    """A reservation for this agent; it rings until `deadline`."""

    id: str
    interaction_id: str
    made_at: Micros
    deadline: Micros
    attempt: int
    because: dict[str, str | int | float | bool | None]


class CallView(View):
    """Where the two legs of a phone call are, in the carrier's words."""

    customer_leg: str
    agent_leg: str | None
    in_conference: bool


class InteractionView(View):
    """One continuous contact on one channel."""

    id: str
    channel: Literal["phone", "web_chat", "email", "sms"]
    direction: Literal["inbound", "outbound"]
    callback: bool = Field(description="The caller asked to be called back instead of waiting on the line.")
    state: Literal["menu", "queued", "offered", "connecting", "active", "parked", "wrap_up", "ended"]
    queue_id: str | None
    customer_id: str | None
    caller: str | None = Field(
        description="The contact point as shown: number, mailbox or name; None if withheld."
    )
    title: str = Field(
        description="What to call it in a list: the customer's name, else the caller, else a phrase."
    )
    topic: str | None = Field(description="In words: a mail's subject, or the name of what a chat is about.")
    agent_id: str | None
    priority: int
    created_at: Micros
    queued_at: Micros | None
    answered_at: Micros | None
    connected_at: Micros | None
    ended_at: Micros | None
    wrap_up_until: Micros | None
    ended_by: Literal["customer", "agent", "system"] | None
    end_reason: str | None
    disposition: str | None
    ticket_ids: list[str]
    call: CallView | None
    visitor_online: bool | None = Field(description="Web chat only: whether the visitor's page is connected.")
    last_entry: str | None = Field(description="Start of the newest message, for the work list.")
    last_entry_at: Micros | None
    version: int


class AuthorView(View):
    """Who wrote; `id` is None for the system and unknown customers."""

    kind: Literal["customer", "agent", "system"]
    id: str | None
    name: str


class MailAddressView(View):
    """A mailbox and the name that goes with it, which may be empty."""

    address: str
    name: str


class MailView(View):
    """What a mail has beside its text. Its rich text comes from the entry's own address, to be shown apart."""

    sender: MailAddressView | None = Field(
        description="None for our own mails and for those that name nobody."
    )
    to: list[MailAddressView]
    cc: list[MailAddressView]
    reply_to: list[MailAddressView]
    subject: str
    has_html: bool
    quoted: str | None = Field(description="The history below what was written now.")
    remote_images: int = Field(description="Pictures that are shown only when the reader asks for them.")
    machine: str = Field(description="`none`, or what kind of program wrote it.")
    doubts: list[str] = Field(description="Why the sender should not be believed, in words.")
    notes: list[str] = Field(description="What could not be read of it, in words.")


class AttachmentView(View):
    """A file; `ready` is False while it is still being fetched."""

    id: str
    name: str
    media_type: str
    size_bytes: int
    inline: bool
    ready: bool


class DraftView(View):
    """What somebody has typed and not sent; the fields that the contact's channel has."""

    interaction_id: str
    author_id: str = Field(description="Empty where nothing is typed.")
    at: Micros = Field(description="When it was kept; 0 where nothing is typed.")
    body: "DraftBody"
    files: list[AttachmentView] = Field(
        [], description="Those of the body's attachments that are still there."
    )
    version: int = Field(description="0 where nothing is typed.")


class DraftBody(BaseModel):
    """As typed: nothing is checked before it is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field("", max_length=64_000)
    html: str | None = Field(None, max_length=200_000)
    to: list[str] = Field([], max_length=100)
    cc: list[str] = Field([], max_length=100)
    subject: str = Field("", max_length=2_000)
    attachments: list[str] = Field([], max_length=50)


class NewDraft(DraftBody):
    """A draft to keep."""

    version: int = Field(0, ge=0, le=2**31 - 1, description="That it goes on from; 0 where there was none.")


class EntryView(View):
    """One line of a conversation: a message, an internal note, or a system line."""

    id: str
    interaction_id: str
    seq: int = Field(description="Order within the interaction, from 1.")
    kind: Literal["message", "note", "system"]
    author: AuthorView
    text: str = Field(
        description="For system lines: a stable code such as `call.connected`; else what was written."
    )
    at: Micros
    status: (
        Literal["queued", "sending", "sent", "delivered", "read", "undelivered", "failed", "unknown"] | None
    )
    key: str | None = Field(description="The sender's own key, to match an optimistic line.")
    error: str | None = Field(None, description="Why it failed and what to do, in words.")
    mail: MailView | None = Field(None, description="For mails.")
    attachments: list[AttachmentView] = Field([], description="Files of a mail or text.")
    cut_from: int | None = Field(
        None,
        description="Characters of text and quote together, where only their beginnings are here; the entry's own "
        "address has all. None: nothing is missing.",
    )


class IdentityView(View):
    """A contact point of a customer and how it was proved."""

    id: str
    kind: Literal["phone", "mailbox", "chat"]
    value: str
    display: str
    proof: Literal["verified", "claimed", "imported", "seen"]
    proved_at: Micros | None


class CustomerView(View):
    """The customer's record."""

    id: str
    name: str | None = Field(description="None for somebody known only by a contact point.")
    display_name: str
    company: str | None
    tier: Literal["standard", "silver", "gold"]
    language: str | None
    time_zone: str | None
    remark: str
    created_at: Micros
    version: int


class TicketView(View):
    """A case."""

    id: str
    number: int
    subject: str
    status: Literal["open", "pending", "solved", "closed"]
    priority: Literal["low", "normal", "high", "urgent"]
    queue_id: str | None
    customer_id: str | None
    assignee_id: str | None
    assignee_name: str | None
    created_at: Micros
    updated_at: Micros
    closed_at: Micros | None
    interaction_ids: list[str]
    version: int


class TimelineView(View):
    """One row of a customer's history."""

    id: str
    kind: Literal["interaction", "ticket", "note"]
    at: Micros
    channel: str | None
    state: str
    title: str
    detail: str
    agent_name: str | None
    queue_id: str | None
    ticket_number: int | None
    duration_s: int | None
    callback: bool = Field(False, description="A call whose customer asked to be called back.")


class CardTotals(View):
    """Counts over the customer's whole history."""

    interactions: int
    tickets: int
    open_tickets: int
    contacts_last_7_days: int
    first_contact_at: Micros | None


class CardView(View):
    """The customer's record as pushed with an offer: at most 64 kB. Collection key is the customer's id."""

    as_of: int
    customer: CustomerView
    identities: list[IdentityView]
    tickets: list[TicketView] = Field(
        description="All open ones (at most 50), then the newest others, 50 in all."
    )
    timeline: list[TimelineView] = Field(description="The newest 50, newest first.")
    more: str | None = Field(description="Cursor for older timeline entries.")
    totals: CardTotals
    highlights: list[str] = Field(description="Short phrases that say who this is, most telling first.")


class SnapshotView(View):
    """All that an agent's console holds. Keys of the maps are ids; `cards` has customer ids."""

    position: int
    me: dict[str, MeView]
    offers: dict[str, OfferView]
    interactions: dict[str, InteractionView]
    entries: dict[str, EntryView]
    cards: dict[str, CardView]


class EventView(View):
    """What happened, as in the log: for sounds, notices and traces, not needed to keep the state right."""

    position: int
    at: Micros
    kind: str
    subject: str
    actor: str
    data: dict[str, str | int | float | bool | None]


class PutView(View):
    """Whole new values by collection and id."""

    me: dict[str, MeView] = {}
    offers: dict[str, OfferView] = {}
    interactions: dict[str, InteractionView] = {}
    entries: dict[str, EntryView] = {}
    cards: dict[str, CardView] = {}


class DropView(View):
    """Ids that left the agent's screen. What hangs on a dropped interaction goes with it (see the reducer)."""

    offers: list[str] = []
    interactions: list[str] = []


class FrameView(View):
    """A step from a position at or after `prev` to `position`. `prev` above one's own position means: missed some."""

    prev: int
    position: int
    events: list[EventView]
    put: PutView
    drop: DropView


class QueueBoardView(View):
    """One queue on the wallboard; `_today` counts since midnight of the configured time zone."""

    id: str
    name: str
    waiting: int
    callbacks: int = Field(0, description="How many of those who wait asked to be called back.")
    oldest_at: Micros | None = Field(
        description="When the first of the waiting calls and chats began to wait; `target_s` judges it."
    )
    oldest_message_at: Micros | None = Field(
        description="The same of mail and texts; `message_target_s` judges it."
    )
    expected_wait_s: int | None = Field(
        description="Of a new call or chat, whichever would wait longer; null if nobody is ready or knows."
    )
    active: int
    agents_ready: int
    agents_busy: int
    offered_today: int
    answered_today: int
    abandoned_today: int
    answered_in_target_today: int
    target_s: int
    message_target_s: int
    abandoned_in_target_today: int
    moved_out_today: int = Field(description="Left for another queue before anybody answered.")
    wait_us_today: int = Field(description="Sum of the waits of the answered ones.")
    closed: bool = Field(description="By its hours. What a supervisor moves there waits until it opens.")


class AgentBoardView(View):
    """One agent on the wallboard."""

    id: str
    name: str
    status: Literal["ready", "offered", "busy", "wrap_up", "away", "lost", "signed_out"]
    reason: str | None
    since: Micros
    interactions: int
    queues: list[str]
    version: int = Field(description="Of the agent, for If-Match.")


class TrendView(View):
    """Each figure once a minute over the last hour, oldest first; null where nobody looked."""

    start: Micros = Field(description="Of the first minute.")
    waiting: list[int | None]
    longest_wait_s: list[int | None]
    service_level_pct: list[float | None]
    abandoned: list[int | None]
    agents_ready: list[int | None]
    occupancy_pct: list[float | None]


class AlertView(View):
    """A threshold that was passed: the rule as it was then, and who looks after it."""

    id: str
    rule_id: str
    name: str
    figure: Literal["waiting", "longest_wait_s", "service_level_pct", "abandoned_pct", "agents_ready"]
    queue_id: str | None = Field(description="None: all queues together.")
    level: Literal["attention", "urgent"]
    raise_at: float = Field(description="In the figure's unit.")
    clear_at: float
    value: float = Field(description="When it was raised.")
    raised_at: Micros
    cleared_at: Micros | None
    clear_reason: Literal["calm", "rule_gone"] | None
    acknowledged_at: Micros | None
    acknowledged_by: str | None
    version: int


class BoardView(View):
    """The wallboard: a projection, at most a second old; ages tick from `at`."""

    at: Micros
    position: int
    queues: list[QueueBoardView]
    agents: list[AgentBoardView]
    trend: TrendView | None
    alerts: list[AlertView] = Field(description="Those that are raised now, urgent and oldest first.")
    targets: dict[str, float] = Field(
        description="The first threshold that each figure of all queues together would pass, in its unit."
    )


class NamedView(View):
    """An id for programs with a name for people."""

    id: str
    name: str


class QueueView(View):
    """A queue by name."""

    id: str
    name: str
    brand_id: str
    wrap_up_s: int


class BootstrapView(View):
    """What a console needs once: names from the configuration."""

    live_schema: int
    server_time: Micros
    brand: str
    time_zone: str = Field(description="The desk's own, whose midnight begins the figures' day.")
    queues: list[QueueView]
    away_reasons: list[NamedView]
    decline_reasons: list[NamedView]
    dispositions: list[NamedView]
    agents: list[NamedView]
    mailboxes: list[str] = Field([], description="Our own mail addresses: an answer to all goes not to them.")
    softphone: Literal["simulator", "twilio", "none"]


class SessionView(View):
    """A signed-in browser: `csrf` goes into the header of every change."""

    me: MeView
    csrf: str
    bootstrap: BootstrapView
    expires_at: Micros


class SoftphoneTokenView(View):
    """How the agent's browser phone calls in: `dial_url` only for the simulator."""

    kind: Literal["simulator", "twilio"]
    token: str
    expires_at: Micros
    dial_url: str | None


class TimelinePageView(View):
    """Older history; `more` is the cursor of the next page."""

    items: list[TimelineView]
    more: str | None


class EntriesPageView(View):
    """Older entries; `more` is the cursor of the next page."""

    items: list[EntryView]
    more: str | None


class TicketPageView(View):
    """A ticket with its notes and the contacts linked to it."""

    ticket: TicketView
    description: str
    notes: list[EntryView]
    interactions: list[TimelineView]


# --- the customer's chat ----------------------------------------------------------------------------------


class ChatEntryView(View):
    """One line of a chat; `seq` counts from 1 without gaps for the visitor."""

    id: str
    seq: int
    author: Literal["visitor", "agent", "system"]
    name: str
    text: str
    at: Micros
    key: str | None


class ChatStatusView(View):
    """`offline`: nobody is there; what was written has become the ticket `ticket_number`."""

    state: Literal["new", "waiting", "active", "ended", "offline"]
    agent_name: str | None
    position: int | None
    expected_wait_s: int | None
    ticket_number: int | None


class ChatView(View):
    """A chat as its visitor sees it, whole."""

    chat_id: str | None
    token: str
    status: ChatStatusView
    entries: list[ChatEntryView]
