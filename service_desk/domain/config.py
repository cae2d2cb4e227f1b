"""The desk's own rules as data: versioned in the database, seeded from config/queues.example.toml.

Process settings (addresses, secrets, limits) are not here but in `service_desk.settings`.
"""

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from routing import model as routing
from routing.hours import is_open, next_change
from routing.model import MINUTE, SECOND, YEAR, CallbackRule, Hours, Policy, QueuePolicy, Span
from routing.requirements import parse
from service_desk.domain.config_faults import USUAL_LASTS_H, ConfigFaults, faults_of
from service_desk.domain.contact_point import is_country
from service_desk.domain.media import ASYNCHRONOUS, Channel

KEY_PATTERN = r"^[a-z][a-z0-9_-]{0,39}$"
TIMES_PATTERN = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d:[0-5]\d|2[0-3]:[0-5]\d|24:00)$"
DIGIT_PATTERN = r"^[0-9*#]$"
COLOUR_PATTERN = r"^#[0-9a-fA-F]{6}$"
LANGUAGE_PATTERN = r"^[a-z]{2}$"
Key = Annotated[str, Field(pattern=KEY_PATTERN)]
QUEUES_MOST = 500
STEPS_MOST = 20
"""Of a list within a queue: rings, steps, spans of a day."""
DAYS_MOST = 400
SHIFTS_MOST = 20_000
COUNTRIES_MOST = 300
CARRIER_S = 15
"""What it may take from the decision to call until the phone rings, and until the carrier tells how it ended."""
Value = Annotated[int, Field(ge=0, le=1_000)]
"""What a contact is worth, in points that each queue weighs."""
Login = Annotated[str, Field(min_length=1, max_length=100)]
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


Times = Annotated[str, Field(pattern=TIMES_PATTERN)]
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
    """When contacts leave the line for another treatment, with their place kept: the first step that is true counts.

    "wait": after `after_s` of waiting; "size": `size` others wait already when one comes; each must be said. "closed":
    by the queue's hours. (Nobody being ready is no reason here: for seconds after a restart nobody is.) `to`: into the
    line of `queue`, or the caller is called back by the queue's `callback` rule; who cannot be called stays in line.
    """

    when: Literal["wait", "size", "closed"]
    to: Literal["queue", "callback"] = "queue"
    queue: Key | None = Field(None, validate_default=True)
    after_s: int | None = Field(None, ge=0, le=86_400)
    size: int | None = Field(None, ge=0, le=100_000)

    @field_validator("queue")
    @classmethod
    def goes_somewhere(cls, queue: str | None, info: ValidationInfo) -> str | None:
        """A queue is said where one is meant, and only there."""
        if info.data.get("to") == "queue" and queue is None:
            raise ValueError("this field is missing")
        if info.data.get("to") == "callback" and queue is not None:
            raise ValueError('only for to = "queue"; leave it out')
        return queue

    def for_router(self) -> routing.Overflow:
        """As the router reads it."""
        return routing.Overflow(
            self.when, self.to, self.queue or "", (self.after_s or 0) * SECOND, self.size or 0
        )


class Callback(Part):
    """Callers need not stay on the line: they keep their place, and are called back in their turn.

    With `offer_after_s` the waiting treatment offers it from so much waiting on; without it only overflow steps lead to
    it. `first`: "agent" (an agent takes the contact, then the customer's phone rings) or "customer" (the customer is
    called when at most `position` - 1 are before them, or they would wait at most `within_s`, and waits on in place).
    Who does not answer within `answer_s` is called again after `pause_s`, `tries` times in all. Whose turn has not come
    `lasts_h` hours after they asked is called no more: a ticket tells a person. Called are numbers of the countries
    that the desk's phone lines are in, and of `countries` (ISO 3166 codes) besides.
    """

    first: Literal["agent", "customer"] = "agent"
    offer_after_s: int | None = Field(None, ge=0, le=86_400)
    answer_s: int = Field(30, ge=5, le=120)
    tries: int = Field(3, ge=1, le=10)
    pause_s: int = Field(300, ge=30, le=86_400)
    position: int = Field(1, ge=1, le=1_000)
    within_s: int = Field(0, ge=0, le=3_600)
    lasts_h: int = Field(USUAL_LASTS_H, ge=1, le=168)
    countries: list[str] = Field([], max_length=COUNTRIES_MOST)

    @field_validator("countries")
    @classmethod
    def are_countries(cls, countries: list[str]) -> list[str]:
        """Codes that no number is of would allow nothing."""
        if unknown := [code for code in countries if not is_country(code)]:
            raise ValueError(f"must be codes of countries, like DE or US; unknown: {', '.join(unknown)}")
        return countries

    def for_router(self) -> CallbackRule:
        """As the router reads it: it waits longer than the phone rings, for the carrier to say what came of it."""
        return CallbackRule(
            first=self.first,
            position=self.position,
            within=self.within_s * SECOND,
            tries=self.tries,
            pause=self.pause_s * SECOND,
            answer=(self.answer_s + CARRIER_S) * SECOND,
            lasts=self.lasts_h * 3_600 * SECOND,
        )


PLAIN_CALLBACK = Callback()
"""How those are called back whose queue has no rule any more: what was promised is kept."""


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
    requires: str = Field(
        "",
        max_length=1_000,
        description='What every contact asks for besides its own, as in "german>=3 and (repair or network>=2)".',
    )
    value_weight_s: int = Field(
        0, ge=0, le=3_600, description="The head start that a point of a contact's value gives."
    )
    value_cap_s: int = Field(0, ge=0, le=86_400, description="The most head start that value can give.")
    rings: list[Ring] = Field([], max_length=STEPS_MOST)
    hours: OpeningHours | None = None
    overflow: list[OverflowStep] = Field([], max_length=STEPS_MOST)
    callback: Callback | None = None
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

    def promise_s(self, channel: str) -> int:
        """Its promise for a medium, in seconds."""
        return self.message_target_s if channel in ASYNCHRONOUS else self.target_s

    def head_start(self, channel: str) -> int:
        """Minutes by which a medium goes first in it; negative: it can wait so much longer than a call."""
        return -((self.promise_s(channel) - self.target_s) // 60)

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
            head_starts={
                medium: minutes for medium in sorted(ASYNCHRONOUS) if (minutes := self.head_start(medium))
            },
            any_of=parse(self.requires) if self.requires else (),
            value_weight=self.value_weight_s * SECOND,
            value_cap=self.value_cap_s * SECOND,
            rings=tuple(
                routing.Ring(ring.after_s * SECOND, tuple(ring.drop), ring.lower) for ring in self.rings
            ),
            hours=None if self.hours is None else self.hours.for_router(),
            overflow=tuple(step.for_router() for step in self.overflow),
            callback=None if self.callback is None else self.callback.for_router(),
        )


class MenuOption(Part):
    """One key of the menu and where it leads."""

    digit: Annotated[str, Field(pattern=DIGIT_PATTERN)]
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
    value: Value = 0


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
    accent: Annotated[str, Field(pattern=COLOUR_PATTERN)] = "#3d5afe"
    greeting: Words
    topics: list[Topic]
    default_queue: Key
    allowed_origins: list[str] = ["self"]
    languages: list[str] = ["en"]
    idle_s: int = Field(900, ge=30, le=86_400)
    value: Value = 0


class Mailbox(Part):
    """How the mail of one account is taken: its queue, and what stands below answers."""

    account: Key
    address: str
    name: str
    brand_id: Key
    default_queue: Key
    language: Annotated[str, Field(pattern=LANGUAGE_PATTERN)] = "en"
    signature: str = ""
    value: Value = 0


class TextLine(Part):
    """How the texts to one number are taken."""

    account: Key
    number: str
    brand_id: Key
    label: str
    default_queue: Key
    language: Annotated[str, Field(pattern=LANGUAGE_PATTERN)] = "en"
    value: Value = 0


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
    weights: dict[Channel, Annotated[int, Field(ge=0, le=100)]] = Field(
        {}, description="How many of an agent's units a contact of a medium takes; 1 where nothing is said."
    )
    agent_units: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="What an agent's contacts may weigh together; none: only their numbers count.",
    )
    may_pull: list[Literal["agent"]] = Field(
        [], description="Roles that may take a waiting contact by hand besides supervisors."
    )
    bench_after: int = Field(
        1, ge=1, le=10, description="So many offers in a row without an answer, and an agent is away."
    )
    shifts: dict[Login, OpeningHours] = Field(
        {},
        max_length=SHIFTS_MOST,
        description="When an agent, by login, works: from the end of the shift on they get no more offers.",
    )
    shift_margin_s: int = Field(
        0, ge=0, le=14_400, description="So long before the end of their shift agents get no more offers."
    )

    @model_validator(mode="after")
    def parts_fit(self, info: ValidationInfo) -> Self:
        """Raises all that is wrong between the fields at once, see `config_faults`; or gathers it, for who asks so."""
        ConfigFaults.tell(faults_of(self), info.context)
        return self

    def ways_in(self) -> list[tuple[str, str]]:
        """(field, queue) of everything that leads contacts into a queue from outside."""
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
        return lines + options + widgets + topics + mail + texts

    def accounts(self) -> list[tuple[str, str]]:
        """(channel, account) of the process settings that its lines and mailboxes name."""
        return [
            *(("phone", line.account) for line in self.phone_lines),
            *(("email", box.account) for box in self.mailboxes),
            *(("sms", line.account) for line in self.text_lines),
        ]

    def watched(self) -> list[tuple[str, str]]:
        """(field, queue) of the alerts."""
        return [(f"alerts.{rule.id}.queue", rule.queue) for rule in self.alerts if rule.queue is not None]

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
        return self.queue(queue_id).promise_s(channel)

    def head_start(self, queue_id: str, channel: str) -> int:
        """Minutes by which a medium goes first in a queue; the router is told them with the queue's rules."""
        return self.queue(queue_id).head_start(channel)

    def policy(self) -> Policy:
        """What the router needs of it."""
        return Policy(
            version=self.version,
            queues=tuple(queue.for_router() for queue in self.queues),
            interrupts={medium: frozenset(others) for medium, others in self.interrupts.items()},
            weights={str(medium): weight for medium, weight in self.weights.items()},
            shift_margin=self.shift_margin_s * SECOND,
            bench_after=self.bench_after,
        )

    def more_rights(self) -> dict[str, frozenset[str]]:
        """What it grants to roles besides what they have."""
        return {role: frozenset({"contact.pull"}) for role in self.may_pull}

    def value_of(self, account: str) -> int:
        """What a contact that comes by this line, mailbox or widget is worth."""
        return self._values.get(account, 0)

    @cached_property
    def _values(self) -> dict[str, int]:
        lines: list[PhoneLine | Mailbox | TextLine] = [*self.phone_lines, *self.mailboxes, *self.text_lines]
        return {line.account: line.value for line in lines} | {each.id: each.value for each in self.widgets}

    def shift_end(self, login: str, ready_at: int, now: int) -> int | None:
        """When an agent's shift ends, in microseconds: that of now; None without one.

        Between two shifts it is the one for which they said ready at `ready_at`: over, or still to come.
        """
        shift = self.shifts.get(login)
        if shift is None:
            return None
        hours = shift.for_router()
        at = now if is_open(hours, now) else ready_at
        begins = at if is_open(hours, at) else next_change(hours, at)
        return None if begins is None else next_change(hours, begins)

    def next_shift(self, login: str, now: int) -> int | None:
        """When an agent's next shift begins, in microseconds; None if they have none, or none ahead."""
        shift = self.shifts.get(login)
        if shift is None:
            return None
        hours = shift.for_router()
        closes = next_change(hours, now) if is_open(hours, now) else now
        return None if closes is None else next_change(hours, closes)

    def ordering_key(self, queue_id: str, queued_at: int, priority: int, account: str = "") -> int:
        """The router's order as a stored number: arrival plus target minus head start, in microseconds.

        Of a queue with classes that age at slopes of their own it is the place of the moment of arrival only.
        """
        queue = self.queue(queue_id)
        step = YEAR if queue.order == "strict" else MINUTE
        worth = min(self.value_of(account) * queue.value_weight_s, queue.value_cap_s)
        return queued_at + (queue.target_s - worth) * SECOND - queue.priority * MINUTE - priority * step
