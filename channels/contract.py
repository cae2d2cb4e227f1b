"""Everything that an adapter author needs to read.

A channel turns what a provider says into `InboundEvent` values and the desk's `Answer` values into what the
provider understands. It owns no customer data, opens no database and runs no web server: the desk hands it
`WebhookRequest` values and gives its `WebhookResponse` values back to whoever asked.

Instants are integers in microseconds since 1970-01-01 UTC, phone numbers are E.164 ("+14155550100"),
text is NFC-normalised Unicode without NUL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType, Protocol, TypeAlias, runtime_checkable

CONTRACT_VERSION = 1

AccountId = NewType("AccountId", str)
"""One configured account of a channel, such as "phone-main"; the last but one part of its webhook paths."""


# --- what a provider tells us -------------------------------------------------------------------------------


class CallStatus(StrEnum):
    """A leg's life. `rank` orders them: a late message of a lower rank changes nothing."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """0 to 3 while the leg lives, 4 for every end."""
        return {"queued": 0, "initiated": 1, "ringing": 2, "in-progress": 3}.get(self.value, 4)

    @property
    def final(self) -> bool:
        return self.rank == 4


@dataclass(frozen=True, slots=True)
class CallStarted:
    """Somebody phones. `caller` is None when withheld; `dedupe_key` makes the event unique per account."""

    call_id: str
    caller: str | None
    called: str
    dedupe_key: str
    caller_name: str | None = None


@dataclass(frozen=True, slots=True)
class DigitsPressed:
    """The caller answered a menu. `digits` is "" when they said nothing in time."""

    call_id: str
    digits: str
    dedupe_key: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class CallWaiting:
    """A waiting leg asks what it should hear next. Changes nothing, so it has no key."""

    call_id: str


@dataclass(frozen=True, slots=True)
class CallbackAsked:
    """A waiting caller pressed a key where `Hold` offered to call them back; `digit` is the key."""

    call_id: str
    digit: str
    dedupe_key: str


@dataclass(frozen=True, slots=True)
class CustomerAnswered:
    """Somebody whom we called picked up; `dial` is the desk's own name of that call (see `CallControl.dial`)."""

    call_id: str
    dial: str
    dedupe_key: str


@dataclass(frozen=True, slots=True)
class AgentDialled:
    """An agent's softphone calls in to take the contact named by `interaction_id`."""

    call_id: str
    agent_id: str
    interaction_id: str
    dedupe_key: str


@dataclass(frozen=True, slots=True)
class CallChanged:
    """A leg has a new status. `sequence` orders messages of equal rank; `cause` is the provider's word.

    `dial`: of a call of ours, the desk's own name of it, which proves that it was made.
    """

    call_id: str
    status: CallStatus
    dedupe_key: str
    sequence: int = 0
    duration_s: int | None = None
    cause: str | None = None
    dial: str | None = None


class ParticipantChange(StrEnum):
    """What happened in a conference."""

    JOINED = "joined"
    LEFT = "left"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ConferenceChanged:
    """A leg joined or left the conference of an interaction, or (`call_id` None) the conference ended."""

    interaction_id: str
    conference_id: str
    change: ParticipantChange
    dedupe_key: str
    sequence: int
    call_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ChatOpened:
    """A visitor opened a conversation. `details` are answers to the form before the chat."""

    chat_id: str
    visitor_id: str
    dedupe_key: str
    name: str | None = None
    mailbox: str | None = None
    topic: str | None = None
    page: str | None = None
    language: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A customer wrote something. `thread_id` is the chat, the number pair or the mail thread."""

    thread_id: str
    message_id: str
    sender: str
    text: str
    dedupe_key: str
    sent_at: int | None = None


@dataclass(frozen=True, slots=True)
class ChatClosed:
    """The visitor ended the conversation."""

    chat_id: str
    dedupe_key: str
    reason: str = "visitor_left"


class DeliveryStatus(StrEnum):
    """How far an outgoing message came; `rank` orders them."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    READ = "read"

    @property
    def rank(self) -> int:
        order = {
            "queued": 0,
            "sending": 1,
            "sent": 2,
            "delivered": 3,
            "undelivered": 3,
            "failed": 3,
            "read": 4,
        }
        return order[self.value]


@dataclass(frozen=True, slots=True)
class DeliveryChanged:
    """The provider says how a message of ours fares.

    `error` is a sentence for an agent: what happened and what to do. `error_code` is the provider's own;
    `worth_retrying` says whether the same message may arrive when it is sent once more. `key` is that of the
    OutboundMessage, where the provider carries it back: it settles an outcome that was unknown.
    """

    message_id: str
    status: DeliveryStatus
    dedupe_key: str
    error: str | None = None
    error_code: str | None = None
    worth_retrying: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RecordingReady:
    """A recording can be fetched."""

    call_id: str
    recording_id: str
    url: str
    duration_s: int
    dedupe_key: str


# --- mail ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MailAddress:
    """A mailbox, folded (NFC, lower case, its domain in Unicode), and the name that somebody gave it."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class MailAttachment:
    """A file in a mail.

    `name` is cleaned for display and never a path. `content_id` is what the text's `cid:` addresses mean;
    `inline` says that the sender wants it shown inside the text.
    """

    name: str
    media_type: str
    content: bytes = field(repr=False)
    content_id: str | None = None
    inline: bool = False

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)


class Machine(StrEnum):
    """Who wrote a mail. Everything but `NONE` was written by a machine and is never answered by one."""

    NONE = "none"
    AUTO_REPLY = "auto-reply"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    LIST = "list"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a delivery report (RFC 3464) says about a mail of ours, as far as it could be read.

    `permanent` is None when the report does not say; `status` is an enhanced code such as "5.1.1".
    """

    permanent: bool | None
    status: str | None = None
    recipient: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class ProvenThread:
    """A thread that a signed token in the mail proves: we gave the token to somebody who had its mails.

    `source` is "address" (of a recipient) or "message_id" (that the mail answers).
    """

    thread_id: str
    source: str


@dataclass(frozen=True, slots=True)
class MailEnvelope:
    """What the SMTP dialogue said. `sender` is "" for the empty reverse path, `peer` an IP address or ""."""

    sender: str
    recipients: tuple[str, ...]
    peer: str = ""
    greeting: str = ""


@dataclass(frozen=True, slots=True)
class MailReceived:
    """A mail came in. Every sequence of bytes is one; what could not be read stands in `notes`, in words.

    `sender` is None when the mail names nobody; `doubts` says why the sender's identity must not be believed,
    and is empty for an unambiguous one (which is not yet an authenticated one). `text` is what the sender
    wrote now, `quoted` the history below it. `html` is sanitised; addresses of remote images stand in
    `data-remote-src`. `proven` was verified; `in_reply_to` and `references` are claims.
    """

    message_id: str | None
    dedupe_key: str
    sender: MailAddress | None
    subject: str
    text: str
    to: tuple[MailAddress, ...] = ()
    cc: tuple[MailAddress, ...] = ()
    reply_to: tuple[MailAddress, ...] = ()
    quoted: str = ""
    html: str | None = None
    remote_images: int = 0
    attachments: tuple[MailAttachment, ...] = ()
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    proven: ProvenThread | None = None
    language: str | None = None
    sent_at: int | None = None
    machine: Machine = Machine.NONE
    machine_reason: str = ""
    bounce: Bounce | None = None
    envelope: MailEnvelope | None = None
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    raw_size: int = 0


@dataclass(frozen=True, slots=True)
class OutboundMail:
    """A mail to a customer. `key` is stable over retries: it makes the Message-ID, which stays the same too.

    `written_at` becomes the Date header. `thread_id` is signed into the Message-ID and the reply address.
    `automatic` marks a mail that no person wrote: it says so, and its bounces go nowhere.
    """

    key: str
    to: tuple[MailAddress, ...]
    subject: str
    text: str
    written_at: int
    thread_id: str | None = None
    cc: tuple[MailAddress, ...] = ()
    html: str | None = None
    attachments: tuple[MailAttachment, ...] = ()
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    sender_name: str | None = None
    automatic: bool = False


class TakeMail(Protocol):
    """Keeps a mail for good.

    Returns once it is durable: the sending server is told so. `Rejected` refuses the mail for ever, anything
    else that it raises makes the server try again.
    """

    async def __call__(self, raw: bytes, envelope: MailEnvelope) -> None: ...


class ReadMail(Protocol):
    """Reads a mail: pure, total, picklable, so that it can run in another process."""

    def __call__(self, raw: bytes, envelope: MailEnvelope | None = None) -> MailReceived: ...


@runtime_checkable
class MailDoor(Protocol):
    """What a mail channel offers besides `Channel`: `run` hands each mail to what `take_with` named."""

    @property
    def read(self) -> ReadMail: ...

    def take_with(self, take: TakeMail) -> None:
        """Say where mails go; before `run`."""

    def message_id(self, mail: OutboundMail) -> str:
        """The Message-ID, in angle brackets, under which this mail goes out, also when it is sent again."""


# --- texts --------------------------------------------------------------------------------------------------


class TextKeyword(StrEnum):
    """What a text of one word asks for by custom and law: no more texts, texts again, or help."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class TextMedia:
    """A picture or file in a text: where the provider keeps it, and its MIME type as the provider says it.

    The URL needs the account's credentials: it is never passed on to a browser (see TextControl.fetch_media).
    """

    url: str
    media_type: str


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A customer wrote a text (SMS or MMS) from `sender` to our number `to`.

    Both are E.164, a short code, or (the sender's) a name, to which nobody can reply. `text` may be empty when
    media came. `segments` is what the provider counted. `keyword` is the provider's finding where it says one
    (`keyword_reported`), else that of our own list; in both cases the provider may have answered by itself.
    """

    message_id: str
    sender: str
    to: str
    text: str
    dedupe_key: str
    media: tuple[TextMedia, ...] = ()
    segments: int | None = None
    keyword: TextKeyword | None = None
    keyword_reported: bool = False


InboundEvent: TypeAlias = (
    CallStarted
    | DigitsPressed
    | CallWaiting
    | CallbackAsked
    | CustomerAnswered
    | AgentDialled
    | CallChanged
    | ConferenceChanged
    | ChatOpened
    | MessageReceived
    | ChatClosed
    | DeliveryChanged
    | RecordingReady
    | TextReceived
    | MailReceived
)


# --- what we answer -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prompt:
    """Words to speak, in a BCP 47 language, and optionally music (an https or http URL) after them."""

    text: str
    language: str = "en-US"
    music_url: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the caller waiting: speak, play, then ask again. `pause_s` is used when there is no music.

    `offers_callback`: a key that they press while they hear it comes back as `CallbackAsked`.
    """

    prompt: Prompt
    pause_s: int = 10
    offers_callback: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Speak a menu and wait for one digit; `attempt` counts from 1 and comes back with the digits."""

    prompt: Prompt
    timeout_s: int = 5
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Join:
    """Put the leg into the conference of an interaction. Only the customer's leaving ends it."""

    interaction_id: str
    role: str  # "customer" or "agent"


@dataclass(frozen=True, slots=True)
class HangUp:
    """Say something, if anything, and end the call."""

    prompt: Prompt | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Nothing to say."""


Answer: TypeAlias = Hold | Ask | Join | HangUp | Accepted


# --- plain HTTP values --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request as the provider signed it.

    `url` is built from the configured public base, never from headers.

    Header names are lower case. `body` is at most `Webhook.max_bytes`.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """What goes back."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One path below /hooks/<channel>/<account>/. `parse` verifies and reads; it raises a ChannelError.

    `outage` is what to answer when the desk cannot take the event now; None means 503.
    """

    name: str
    parse: "ParseWebhook"
    render: "RenderAnswer"
    max_bytes: int = 256_000
    outage: WebhookResponse | None = None


class ParseWebhook(Protocol):
    """Verifies a request and reads it. Raises a ChannelError and nothing else."""

    def __call__(self, request: WebhookRequest) -> InboundEvent: ...


class RenderAnswer(Protocol):
    """Says an answer in the provider's words. Takes every kind of answer."""

    def __call__(self, answer: Answer) -> WebhookResponse: ...


# --- what we ask of a provider ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message to a customer. `key` is stable over retries."""

    key: str
    to: str
    text: str


Outbound: TypeAlias = OutboundMessage | OutboundMail
"""Everything that can be sent. A channel answers a kind that it does not carry with SendFailed, for good."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider has it, under this id."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class Health:
    """`ok`, and in words why not."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the channel can carry: text in characters, attachments in bytes, requests per second.

    `at_once`: messages that it sends side by side, 0 where it has no such number; it is given no more than that.
    """

    text_characters: int
    attachment_bytes: int = 0
    requests_per_second: float = 0.0
    at_once: int = 0


class Channel(Protocol):
    """One account of one channel. Account and secrets arrive by the constructor."""

    @property
    def name(self) -> str: ...
    @property
    def account(self) -> AccountId: ...
    @property
    def limits(self) -> Limits: ...
    def webhooks(self) -> Sequence[Webhook]: ...
    async def run(self) -> None: ...
    async def send(self, message: Outbound) -> Sent: ...
    async def health(self) -> Health: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LegState:
    """A leg as the provider has it now, read back when an outcome was ambiguous."""

    call_id: str
    status: CallStatus
    conference: str | None = None


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """A customer's number to be called, and ours that it shows; both E.164.

    `dial` is the desk's own name of this call, in the characters a-z, 0-9, _ and a dot: what the provider tells of the
    call carries it. It rings for `ring_s` seconds.
    """

    dial: str
    number: str
    sender: str
    ring_s: int


@runtime_checkable
class CallControl(Protocol):
    """What a phone channel can do to calls. Every method but `dial` is safe to repeat."""

    @property
    def calls_per_second(self) -> float:
        """How many calls a second `dial` may begin; 0: any number. More are held back until their turn comes."""

    async def dial(self, call: OutboundCall) -> str:
        """Call somebody; the id of their leg. Not safe to repeat: they would be called twice.

        Raises SendFailed (permanent where this number cannot be called) or OutcomeUnknown. Who picks up is a
        `CustomerAnswered`, whose answer is what they hear; each step of the call is a `CallChanged`.
        """

    async def find_dialled(self, call: OutboundCall, since: int) -> Sequence[LegState]:
        """The calls that the provider made to this number, from this sender, since that instant; the newest first.

        For when the outcome of `dial` is unknown. A list of calls seldom says who asked for one, so this one may be
        among them or not: whose they are is for the desk to judge.
        """

    async def connect(self, call_id: str, interaction_id: str, *, first: bool = False) -> None:
        """Move the customer's leg from waiting into the conference of the interaction.

        `first`: nobody can have asked for it before, so that it need not be looked whether it is done.
        """

    async def put_back(self, call_id: str) -> None:
        """Move the customer's leg out of the conference, back to waiting (the `wait` webhook)."""

    async def hang_up(self, call_id: str) -> None:
        """End a leg; one that is over already is no error."""

    async def look_up(self, call_id: str, interaction_id: str | None = None) -> LegState | None:
        """The leg as the provider knows it, None if it knows no such leg.

        `conference` is filled only when asked about one interaction's: its id if the leg is in it.
        """

    def softphone_token(self, agent_id: str, lifetime_s: int = 3600) -> str:
        """A signed token with which an agent's softphone may call in."""


# --- texts: what we ask of a provider -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutboundText(OutboundMessage):
    """A text to a customer.

    `sender` is one of the account's numbers; None, and one that it has no more, leaves the choice to the account.

    `media_urls` are https addresses from which the provider fetches what goes along, without credentials.
    `text` may be empty when there is media.
    """

    sender: str | None = None
    media_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FetchedMedia:
    """The content of a TextMedia, and its MIME type as the provider sent it: not to be believed."""

    content: bytes = field(repr=False)
    media_type: str


@runtime_checkable
class TextControl(Protocol):
    """What a text channel can do beyond sending. Every method only reads."""

    async def look_up(
        self, message: OutboundMessage, since: int, known: frozenset[str] = frozenset()
    ) -> Sent | None:
        """A message like this one that the provider made since that instant, when an outcome is unknown.

        `known` are provider ids that belong to other messages of ours. None: the provider shows none.
        """

    async def delivery(self, provider_id: str) -> DeliveryChanged | None:
        """How a message of ours fares now, None if the provider knows none: for a callback that never came."""

    async def fetch_media(self, url: str, max_bytes: int) -> FetchedMedia:
        """The content behind a TextMedia's URL. SendFailed (permanent) for a foreign URL or too many bytes."""


class Inbox(Protocol):
    """The desk's one door."""

    async def receive(self, account: AccountId, event: InboundEvent) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Plugin:
    """A channel's entry: `open` builds an account from its validated settings."""

    name: str
    settings: type[Any]
    open: "OpenChannel"


class OpenChannel(Protocol):
    """Makes an account's channel; opens no connection yet. ValueError for what cannot be."""

    def __call__(self, account: AccountId, settings: Any, public_base: str) -> Channel: ...


# --- what can go wrong --------------------------------------------------------------------------------------


class ChannelError(Exception):
    """Base: the message is for the log and names no personal data."""


class Rejected(ChannelError):
    """Not from whom it claims to be: answered 403, counted, logged without the body."""


class Unrecognised(ChannelError):
    """Genuine perhaps, but not understood: answered 400. `field` names what is wrong."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotInteresting(ChannelError):
    """Genuine, understood, nothing to do: answered 200 with an empty answer."""


class SendFailed(ChannelError):
    """The provider did not take it. `retry_after_s` None means: never will. `code` is the provider's own."""

    def __init__(self, message: str, retry_after_s: float | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.code = code


class OutcomeUnknown(ChannelError):
    """The provider may or may not have done it (time-out, 5xx): read back before trying again."""
