"""What the router remembers of an item and of an agent; changed by `floor` only."""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from routing.capacity import Room
from routing.model import Agent, AwayReason, Micros, Offer, Preferred, WorkItem
from routing.waiting import Entry

if TYPE_CHECKING:  # the buckets hold records and the records hold buckets
    from routing.buckets import Bucket
    from routing.lines import QueueLine


class Place(Enum):
    """Where an item is: exactly one of these."""

    WAITING = "waiting"
    OFFERED = "offered"
    SERVED = "served"
    WRAP_UP = "wrap_up"
    PARKED = "parked"  # the row says that it does not wait; the fact that says where it is follows


WAITING, OFFERED, SERVED, WRAP_UP, PARKED = Place  # an attribute of an Enum costs more to look up than a name


class ItemRecord:
    """One item.

    `bucket` is one that counts it while WAITING or OFFERED, else `buckets.NOWHERE`; `line` is that of its
    queue, of the last one it waited in or else of none; `offer` is set while
    OFFERED, `owner` (else "") while SERVED or in WRAP_UP, `until` counts while in WRAP_UP.
    """

    __slots__ = (
        "attempts",
        "bucket",
        "entry",
        "item",
        "joined",
        "late",
        "line",
        "offer",
        "only",
        "owner",
        "pauses",
        "place",
        "plain",
        "rests",
        "ring",
        "since",
        "sleeps",
        "slope",
        "spent",
        "stage_at",
        "unroutable",
        "until",
    )

    def __init__(self, item: WorkItem, attempts: int, bucket: "Bucket", line: "QueueLine") -> None:
        self.item = item
        self.line = line
        self.place = PARKED
        self.attempts = attempts
        self.entry: Entry = ()  # ordering key, id and this: the place in the line, once it has had one
        self.joined = 0  # the number under which its line counts it since it joined last
        self.plain = True  # nothing but arrival, target and priority decide about its place
        self.rests = False  # a callback that was missed a moment ago
        self.sleeps = False  # a callback that waits for its turn to be near
        self.slope = 100  # percent of a second by which it ages in a second, as its entry says
        self.bucket = bucket
        self.offer: Offer | None = None
        self.owner = ""
        self.since: Micros | None = None  # begin of service; None if that was before this router
        self.until: Micros = 0
        self.pauses: dict[str, Micros] = {}  # agents who declined it, each until when; agents know it too
        self.late: dict[
            str, str
        ] = {}  # offers that we closed and an answer may still come for, with the agent
        self.unroutable = False
        self.spent: tuple[str, ...] = ()  # overflow that was refused, as "queue when to": not tried again
        self.ring = 0  # how many rings of its queue it has passed, as of when it came into its bucket
        self.only: Preferred | None = None  # whom it waits for, the same
        self.stage_at: Micros | None = None  # when that changes by time alone


class AgentRecord:
    """One agent. `blocked`: a row refused an offer to them, no more until the next fact about them."""

    __slots__ = (
        "agent",
        "benched_by",
        "blocked",
        "buckets",
        "closes_at",
        "holds",
        "idle_since",
        "last_offer",
        "listed",
        "missed",
        "name",
        "overrides",
        "paused",
        "picks",
        "ready",
        "reason",
        "ringing",
        "room",
        "spots",
    )

    def __init__(self, agent: Agent, room: Room) -> None:
        self.agent = agent
        self.name = agent.id
        self.ready = False
        self.reason: AwayReason | None = "signed_out"
        self.idle_since: Micros = 0
        self.blocked = False
        self.benched_by: str | None = None  # the offer that nobody answered
        self.missed = 0  # offers in a row that they did not answer
        self.ringing: str | None = None  # the item of the pending offer
        self.holds: tuple[ItemRecord, ...] = ()  # all that weighs on the capacity
        self.room = room  # what that leaves
        self.overrides = False  # whether there is a bucket that needs no room
        self.paused: set[str] = (
            set()
        )  # the items that they declined and that are not offered to them for a while
        self.buckets: dict[str, list[Bucket]] = {}  # medium: the buckets that the agent is a member of
        self.picks: dict[
            tuple[str, ...], Callable[[list[Entry]], tuple[Entry, ...]]
        ] = {}  # media: their heads out of all heads; made when asked
        self.listed: tuple[str, ...] = ()  # media as which the agent stands in the idle lines
        self.spots: list[tuple[Bucket, Entry]] = []  # in these lines, with these entries
        self.last_offer: Micros = 0  # when the last one was made to them; 0: none that we know of
        self.closes_at: Micros | None = None  # from when on they get nothing more in this shift

    def takes_work(self, now: Micros) -> bool:
        """Whether they may be offered something now, as far as it is theirs to say: idle or busy, but at work."""
        return self.ready and not self.blocked and (self.closes_at is None or now < self.closes_at)

    def hold(self, record: ItemRecord) -> None:
        self.holds = (*self.holds, record)
        self.room = self.room.plus(record.item.medium)

    def let_go(self, record: ItemRecord) -> None:
        """To be called before the item changes: its medium counts."""
        if len(self.holds) == 1:
            self.holds = ()
        else:
            self.holds = tuple(each for each in self.holds if each is not record)
        self.room = self.room.minus(record.item.medium)
