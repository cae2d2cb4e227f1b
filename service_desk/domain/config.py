"""The desk's own rules as data: versioned in the database, seeded from config/queues.example.toml.

Process settings (addresses, secrets, limits) are not here but in `service_desk.settings`.
"""

from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, model_validator

from routing import model as routing
from routing.drafts import faults
from routing.model import MINUTE, SECOND, Hours, Policy, QueuePolicy, Span
from service_desk.domain.media import ASYNCHRONOUS

Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Channel = Literal["phone", "web_chat", "email", "sms"]
QUEUES_MOST = 500
STEPS_MOST = 20
"""Of a list within a queue: rings, steps, spans of a day."""
DAYS_MOST = 400
Words = dict[str, str]
"""A text per language ("en", "de", ...); the first is used where a language is missing."""


AlertFigure = Literal["waiting", "longest_wait_s", "service_level_pct", "abandoned_pct", "agents_ready"]
LOW_IS_BAD = frozenset({"service_level_pct", "agents_ready"})


class Part(BaseModel):
    """Base: closed shapes that do not change once they are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(Part):
    """An id for programs with a name for people."""

    id: Key
    name: str


class Ring(Part):
    """From `after_s` of waiting on a contact asks for less: for no skill of `drop`, of others `lower` levels less."""

    after_s: int = Field(ge=0, le=86_400)
    drop: list[Key] = Field([], max_length=STEPS_MOST)
    lower: int = Field(0, ge=0, le=4)


Times = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d:[0-5]\d|2[0-3]:[0-5]\d|24:00)$")]
"""As in "08:00-18:00", by the clock on the wall; midnight is 24:00."""


Day = Annotated[list[Times], Field(max_length=STEPS_MOST)]


class OpeningHours(Part):
    """When a queue is open, by the wall clock of `zone`; on a date of `days` ("2026-12-24") that counts instead."""

    zone: str = Field(max_length=64)
    monday: Day = []
    tuesday: Day = []
    wednesday: Day = []
    thursday: Day = []
    friday: Day = []
    saturday: Day = []
    sunday: Day = []
    days: dict[str, Day] = Field({}, max_length=DAYS_MOST)

    def for_router(self) -> Hours:
        """As the router reads it."""
        week = (
            self.monday,
            self.tuesday,
            self.wednesday,
            self.thursday,
            self.friday,
            self.saturday,
            self.sunday,
        )
        days = {day: tuple(map(_span, times)) for day, times in self.days.items()}
        return Hours(self.zone, tuple(tuple(map(_span, times)) for times in week), days)


def _span(times: str) -> Span:
    opens, closes = ((int(text[:2]) * 60 + int(text[3:])) for text in times.split("-"))
    return Span(opens, closes)


class AgeingClass(Part):
    """Contacts whose score grows by `slope_pct` percent of the time that they wait, where others' grows by 100.

    To it belongs what came by one of these channels (none: any) and has at least this head start, in minutes ahead of a
    call (left out: any; mail and texts are behind calls by the difference of the promises). The first class counts.
    """

    slope_pct: int = Field(ge=1, le=1_000)
    channels: list[Channel] = []
    priority: int | None = Field(None, ge=-100_000, le=1_440)

    def for_router(self) -> routing.Ageing:
        """As the router reads it."""
        return routing.Ageing(self.slope_pct, self.priority, frozenset(self.channels))


class OverflowStep(Part):
    """When contacts leave the line for another queue, with their place kept: the first step that is true counts.

    "wait": after `after_s` of waiting; "size": `size` others wait already when one comes; "closed": by the queue's
    hours. (Nobody being ready is no reason here: for seconds after a restart nobody is.)
    """

    when: Literal["wait", "size", "closed"]
    queue: Key
    after_s: int = Field(0, ge=0, le=86_400)
    size: int = Field(0, ge=0, le=100_000)


class Queue(Part):
    """A waiting line. Durations are in seconds, `priority` is a head start in minutes."""

    id: Key
    name: str
    brand_id: Key
    target_s: int = Field(20, ge=1, le=86_400)
    message_target_s: int = Field(
        14_400,
        ge=60,
        le=1_209_600,
        description="The promise for mail and texts; calls and chats go first by it.",
    )
    ring_s: int = Field(20, ge=5, le=300)
    wrap_up_s: int = Field(60, ge=0, le=3_600)
    decline_pause_s: int = Field(30, ge=0, le=3_600)
    priority: int = Field(0, ge=0, le=1_440)
    order: Literal["due", "strict"] = Field(
        "due", description="strict: a contact's higher priority always comes first, whatever the age."
    )
    ageing: list[AgeingClass] = Field([], max_length=STEPS_MOST)
    choice: Literal["longest_idle", "least_loaded", "best_skill", "round_robin", "most_specific"] = (
        "longest_idle"
    )
    rings: list[Ring] = Field([], max_length=STEPS_MOST)
    hours: OpeningHours | None = None
    overflow: list[OverflowStep] = Field([], max_length=STEPS_MOST)
    recover_s: int = Field(
        0,
        ge=0,
        le=3_600,
        description="Who leaves the line unanswered and comes again within this time has their place back; 0: nobody.",
    )
    reply_s: int = Field(
        0,
        ge=0,
        le=604_800,
        description="How long an agent may leave a chat, a mail or a text without an answer; 0: for good.",
    )
    reopened_s: int = Field(
        0,
        ge=0,
        le=604_800,
        description="How long mail and texts that go on wait for the agent who had them; 0: anybody gets them.",
    )
    last_agent_s: int = Field(
        0,
        ge=0,
        le=86_400,
        description="How long a contact waits for who served the customer last; 0: anybody gets it.",
    )
    last_agent_h: int = Field(72, ge=1, le=2_160, description="How long ago that may have been.")

    def for_router(self) -> QueuePolicy:
        """As the router reads it."""
        return QueuePolicy(
            id=self.id,
            target=self.target_s * SECOND,
            ring=self.ring_s * SECOND,
            wrap_up=self.wrap_up_s * SECOND,
            decline_pause=self.decline_pause_s * SECOND,
            priority=self.priority,
            order=self.order,
            choice=self.choice,
            ageing=tuple(each.for_router() for each in self.ageing),
            waits_for={
                why: seconds * SECOND
                for why, seconds in (("reopened", self.reopened_s), ("last_agent", self.last_agent_s))
                if seconds
            },
            recover=self.recover_s * SECOND,
            rings=tuple(
                routing.Ring(ring.after_s * SECOND, tuple(ring.drop), ring.lower) for ring in self.rings
            ),
            hours=None if self.hours is None else self.hours.for_router(),
            overflow=tuple(
                routing.Overflow(step.when, "queue", step.queue, step.after_s * SECOND, step.size)
                for step in self.overflow
            ),
        )


class MenuOption(Part):
    """One key of the menu and where it leads."""

    digit: Annotated[str, Field(pattern=r"^[0-9*#]$")]
    queue: Key
    label: str


class PhoneLine(Part):
    """How one phone account answers: greeting, menu of one level, what waiting callers hear."""

    account: Key
    number: str
    brand_id: Key
    label: str
    language: str = "en-US"
    greeting: str
    menu_prompt: str = ""
    options: list[MenuOption] = []
    default_queue: Key
    music_url: str | None = None
    requires: dict[str, int] = {}


class Topic(Part):
    """What a visitor may choose before a chat, and whose queue it is."""

    id: Key
    name: str
    queue: Key


class Widget(Part):
    """One embedded chat. `allowed_origins` are exact; "self" is the desk's own origin."""

    id: Key
    brand_id: Key
    brand: str
    accent: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#3d5afe"
    greeting: Words
    topics: list[Topic]
    default_queue: Key
    allowed_origins: list[str] = ["self"]
    languages: list[str] = ["en"]
    idle_s: int = Field(900, ge=30, le=86_400)


class Mailbox(Part):
    """How the mail of one account is taken: its queue, and what stands below answers."""

    account: Key
    address: str
    name: str
    brand_id: Key
    default_queue: Key
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    signature: str = ""


class TextLine(Part):
    """How the texts to one number are taken."""

    account: Key
    number: str
    brand_id: Key
    label: str
    default_queue: Key
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"


class AlertRule(Part):
    """Raise when a figure has been at `raise_at` or worse for `raise_s`, clear at `clear_at` or better for `clear_s`.

    The unit is in the figure's name (percent, seconds; else a number of contacts or agents). Shares are looked
    at once `least_offered` contacts came today. Without a queue: all queues together.
    """

    id: Key
    name: str
    figure: AlertFigure
    queue: Key | None = None
    raise_at: float = Field(ge=0, le=86_400)
    clear_at: float = Field(ge=0, le=86_400)
    raise_s: int = Field(15, ge=0, le=3_600)
    clear_s: int = Field(30, ge=0, le=3_600)
    level: Literal["attention", "urgent"] = "attention"
    least_offered: int = Field(10, ge=1, le=10_000)

    @property
    def low_is_bad(self) -> bool:
        """Whether it is the small values that are raised."""
        return self.figure in LOW_IS_BAD

    @model_validator(mode="after")
    def there_is_a_gap(self) -> Self:
        """Between the two thresholds lies a gap on the right side, so that a value on the edge does not flap."""
        if self.low_is_bad and self.clear_at <= self.raise_at:
            raise ValueError(
                f"alerts.{self.id}.clear_at: must be above raise_at, as {self.figure} is bad when low"
            )
        if not self.low_is_bad and self.clear_at >= self.raise_at:
            raise ValueError(
                f"alerts.{self.id}.clear_at: must be below raise_at, as {self.figure} is bad when high"
            )
        if self.figure.endswith("_pct") and max(self.raise_at, self.clear_at) > 100:
            raise ValueError(f"alerts.{self.id}.raise_at: a percentage is at most 100")
        return self


class DeskConfig(Part):
    """Everything that an administrator decides."""

    version: int = 0
    brand: str
    time_zone: str = Field("UTC", max_length=64, description="Whose midnight starts the day's figures.")
    queues: list[Queue] = Field(max_length=QUEUES_MOST)
    phone_lines: list[PhoneLine] = []
    widgets: list[Widget] = []
    mailboxes: list[Mailbox] = []
    text_lines: list[TextLine] = []
    away_reasons: list[Named]
    decline_reasons: list[Named]
    dispositions: list[Named]
    alerts: list[AlertRule] = []
    reclaim_s: int = Field(60, ge=5, le=3_600, description="How long a lost agent keeps their contacts.")
    lost_s: int = Field(
        3, ge=1, le=60, description="How long after a clean close a console may come back unnoticed."
    )
    connect_s: int = Field(
        20, ge=5, le=120, description="How long a softphone may take to join after an accept."
    )

    interrupts: dict[Channel, list[Channel]] = Field(
        {}, description="A medium, and those whose contacts do not keep an agent from being offered it."
    )

    @model_validator(mode="after")
    def names_fit(self) -> Self:
        """Every queue that is named exists, no id stands twice, and the time zone is known."""
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"time_zone: {self.time_zone!r} is not known; write it like Europe/Berlin"
            ) from None
        queues = {queue.id for queue in self.queues}
        if len(queues) != len(self.queues):
            raise ValueError("queues: an id stands twice")
        if len({rule.id for rule in self.alerts}) != len(self.alerts):
            raise ValueError("alerts: an id stands twice")
        for where, queue in self._named_queues():
            if queue not in queues:
                raise ValueError(f"{where}: there is no queue {queue!r}")
        for fault in faults(self.policy(), media=get_args(Channel)):
            raise ValueError(f"{fault.field}: {fault.says}")
        return self

    def _named_queues(self) -> list[tuple[str, str]]:
        lines = [
            (f"phone_lines.{line.account}.default_queue", line.default_queue) for line in self.phone_lines
        ]
        options = [
            (f"phone_lines.{line.account}.options.{o.digit}", o.queue)
            for line in self.phone_lines
            for o in line.options
        ]
        widgets = [(f"widgets.{widget.id}.default_queue", widget.default_queue) for widget in self.widgets]
        topics = [
            (f"widgets.{widget.id}.topics.{t.id}", t.queue) for widget in self.widgets for t in widget.topics
        ]
        mail = [(f"mailboxes.{box.account}.default_queue", box.default_queue) for box in self.mailboxes]
        texts = [(f"text_lines.{line.account}.default_queue", line.default_queue) for line in self.text_lines]
        alerts = [(f"alerts.{rule.id}.queue", rule.queue) for rule in self.alerts if rule.queue is not None]
        return lines + options + widgets + topics + mail + texts + alerts

    def queue(self, queue_id: str) -> Queue:
        """The queue; KeyError if there is none."""
        for queue in self.queues:
            if queue.id == queue_id:
                return queue
        raise KeyError(queue_id)

    def phone_line(self, account: str) -> PhoneLine:
        for line in self.phone_lines:
            if line.account == account:
                return line
        raise KeyError(account)

    def widget(self, widget_id: str) -> Widget | None:
        return next((widget for widget in self.widgets if widget.id == widget_id), None)

    def mailbox(self, account: str) -> Mailbox | None:
        return next((box for box in self.mailboxes if box.account == account), None)

    def text_line(self, account: str) -> TextLine | None:
        return next((line for line in self.text_lines if line.account == account), None)

    def target_s(self, queue_id: str, channel: str) -> int:
        """The queue's promise for a medium, in seconds."""
        queue = self.queue(queue_id)
        return queue.message_target_s if channel in ASYNCHRONOUS else queue.target_s

    def head_start(self, queue_id: str, channel: str) -> int:
        """Minutes by which a medium goes first in its queue; negative: it can wait so much longer than a call."""
        return -((self.target_s(queue_id, channel) - self.queue(queue_id).target_s) // 60)

    def policy(self) -> Policy:
        """What the router needs of it."""
        return Policy(
            version=self.version,
            queues=tuple(queue.for_router() for queue in self.queues),
            interrupts={medium: frozenset(others) for medium, others in self.interrupts.items()},
        )

    def ordering_key(self, queue_id: str, queued_at: int, priority: int) -> int:
        """The router's order as a stored number: arrival plus target minus head start, in microseconds.

        Of a queue with classes that age at slopes of their own it is the place of the moment of arrival only.
        """
        queue = self.queue(queue_id)
        return queued_at + queue.target_s * SECOND - (queue.priority + priority) * MINUTE
