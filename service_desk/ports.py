"""The protocols with more than one real implementation behind them."""

from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from typing import Literal, Protocol

from service_desk.clock import Micros

Stream = Literal["event", "effect", "command", "timer"]
STREAMS: frozenset[Stream] = frozenset(("event", "effect", "command", "timer"))
"""What followers read on from; a wake says in which of them there may be something new."""


class Clock(Protocol):
    """What time it is, and waiting: `SystemClock`, `ManualClock`."""

    def now(self) -> Micros: ...
    @property
    def behind_s(self) -> float:
        """Seconds by which it is behind the machine's clock; negative where it is ahead."""

    def monotonic(self) -> float: ...
    async def sleep_until(self, instant: Micros) -> None: ...


class Bus(Protocol):
    """Says "look again" to every node: `LocalBus`, `RedisBus`. It may lose everything but never the truth."""

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    def wake(self, streams: AbstractSet[Stream] = STREAMS) -> None:
        """Something was committed to them. Cheap, never blocks, never fails; calls may be merged."""

    def wakes(self, streams: AbstractSet[Stream] = STREAMS) -> AsyncIterator[None]:
        """Yields after a wake of any of them, merged, and at least each second while the bus is degraded."""

    def whisper(self, topic: str, payload: str) -> None:
        """At most 1 kB to all nodes, this one included; may be dropped."""

    def whispers(self, topic: str) -> AsyncIterator[str]: ...
    @property
    def degraded(self) -> str | None:
        """In words what is wrong, or None."""


class Blobs(Protocol):
    """Bytes under the SHA-256 of their content. Blocking: call them off the event loop."""

    def put(self, content: bytes) -> str:
        """Durable when it returns the digest."""

    def get(self, digest: str) -> bytes: ...
    def delete(self, digest: str) -> None: ...
