"""One leg: a telephone or a softphone that is connected to the pretend carrier, and what its person hears."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from channels.contract import CallStatus
from channels.simulator.pace import now_us
from channels.simulator.settings import Route

if TYPE_CHECKING:
    from channels.simulator.conferences import Participant

API_VERSION = "2010-04-01"
WITHHELD_CALLER = "anonymous"
HEARD_MAX = 5_000
"""Events that are kept for one leg; older ones are forgotten."""
PLACE = {"City": "SAN FRANCISCO", "State": "CA", "Zip": "94105", "Country": "US"}


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing that the person hears or sees; `id` counts from 1 without gaps."""

    id: int
    at: int
    kind: str
    data: Mapping[str, Any]


class Ear:
    """What a person has heard, in order; followers can start anywhere."""

    def __init__(self) -> None:
        self._heard: list[Heard] = []
        self._forgotten = 0
        self._more = asyncio.Event()
        self.closed = False

    @property
    def all(self) -> tuple[Heard, ...]:
        """Everything that is still known, oldest first."""
        return tuple(self._heard)

    @property
    def last(self) -> int:
        """Id of the newest event, 0 before the first."""
        return self._forgotten + len(self._heard)

    def hear(self, kind: str, **data: Any) -> None:
        """Add an event and wake the followers. `ended` is the last one."""
        self._heard.append(Heard(self.last + 1, now_us(), kind, data))
        if len(self._heard) > HEARD_MAX:
            del self._heard[: HEARD_MAX // 10]
            self._forgotten += HEARD_MAX // 10
        self.closed = self.closed or kind == "ended"
        self._more.set()
        self._more = asyncio.Event()

    async def follow(self, after: int = 0) -> AsyncIterator[Heard]:
        """Events with a greater id, as they come; ends after `ended`."""
        while True:
            fresh = [heard for heard in self._heard[max(0, after - self._forgotten) :] if heard.id > after]
            more = self._more
            for heard in fresh:
                yield heard
                after = heard.id
            if self.closed and after >= self.last:
                return
            if after >= self.last:
                await more.wait()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a leg's next instructions come from: a URL to ask, or a document that came by REST."""

    url: str = ""
    method: str = "POST"
    extra: Mapping[str, str] = field(default_factory=dict)
    twiml: str | None = None
    is_fallback: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The leg is over. `by`: caller (the person of this leg), desk (its documents or REST) or network."""

    reason: str
    by: str
    status: CallStatus = CallStatus.COMPLETED


Turn = Source | End
"""What a leg does next."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the steps of a call are told that we were asked to place, and which of them."""

    url: str
    events: frozenset[str]


@dataclass(slots=True, eq=False)
class Leg:
    """A leg's facts and state. Only the exchange and the executor change it."""

    sid: str
    account_sid: str
    caller: str
    called: str
    route: Route
    app_sid: str | None = None
    caller_name: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    outgoing: bool = False
    """Whether the desk calls a customer's telephone; `called` is the customer then."""
    rings_s: int = 60
    progress: Progress | None = None
    told: int = 0
    """How many steps of an outgoing call have been told."""
    created_at: int = field(default_factory=now_us)
    answered_at: int | None = None
    ended_at: int | None = None
    status: CallStatus = CallStatus.RINGING
    end: End | None = None
    ear: Ear = field(default_factory=Ear)
    keys: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    listening: bool = False
    participant: "Participant | None" = None
    turn: "asyncio.Future[Turn]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Set from outside to send the leg elsewhere or to end it; the executor takes it and makes a new one."""
    picked_up: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Of an outgoing call: done when the customer answers."""

    @property
    def identity(self) -> str | None:
        """Who speaks on a softphone; None for a telephone."""
        return self.caller.removeprefix("client:") if self.caller.startswith("client:") else None

    @property
    def direction(self) -> str:
        """In the provider's words."""
        return "outbound-api" if self.outgoing else "inbound"

    @property
    def duration_s(self) -> int:
        """Seconds from answer to end, rounded up as the provider bills them; 0 when never answered."""
        if self.answered_at is None or self.ended_at is None:
            return 0
        return -(-(self.ended_at - self.answered_at) // 1_000_000)

    def move_to(self, status: CallStatus) -> None:
        """A later state of life. An end is final."""
        if self.status.final or status.rank < self.status.rank:
            raise ValueError(f"a {self.status} leg does not become {status}")
        if status is not self.status:
            self.status = status
            self.ear.hear("state", status=status.value)

    def answer(self) -> None:
        """Pick up, if that has not been done."""
        if self.status is CallStatus.RINGING:
            self.answered_at = now_us()
            self.move_to(CallStatus.IN_PROGRESS)

    def form(self) -> dict[str, str]:
        """The parameters that every request about this leg carries."""
        form = {
            "AccountSid": self.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": self.sid,
            "CallStatus": self.status.value,
            "Called": self.called,
            "Caller": self.caller,
            "Direction": self.direction,
            "From": self.caller,
            "To": self.called,
        }
        if self.app_sid is not None:
            return form | {"ApplicationSid": self.app_sid}
        form |= _places("Called", "To") if self.called.startswith("+") else {}
        form |= _places("Caller", "From") if self.caller.startswith("+") else {}
        form |= {"StirVerstat": "TN-Validation-Passed-A"} if self.caller.startswith("+") else {}
        return form | ({"CallerName": self.caller_name} if self.caller_name else {})

    def press(self, keys: str) -> bool:
        """The person presses keys; False when nothing listens, as with the real one."""
        self.ear.hear("digits", digits=keys, taken=self.listening)
        if not self.listening:
            return False
        for key in keys:
            self.keys.put_nowait(key)
        return True

    def listen(self) -> None:
        """Start to take keys; what was pressed before is gone."""
        while not self.keys.empty():
            self.keys.get_nowait()
        self.listening = True


def _places(*parties: str) -> dict[str, str]:
    return {f"{party}{part}": value for party in parties for part, value in PLACE.items()}
