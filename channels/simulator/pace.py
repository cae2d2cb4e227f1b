"""The pretend world's own time and chance: the simulator reads a clock and draws numbers only here.

The desk's clock module is out of reach here, and should be: the carrier is another machine's world.
"""

import asyncio
import time
import uuid  # noqa: TID251 - see the module
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random  # noqa: TID251 - the one generator of the pretend world, seeded by its settings

__all__ = ["Pace", "Random", "new_sid", "now_us", "rfc2822"]


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000  # noqa: TID251 - see the module


def rfc2822(instant_us: int) -> str:
    """An instant as the provider writes it."""
    return format_datetime(datetime.fromtimestamp(instant_us / 1_000_000, UTC))


def new_sid(prefix: str) -> str:
    """A new provider id: two letters and 32 hexadecimal digits.

    Never seeded: a desk remembers the ids it has seen.
    """
    return f"{prefix}{uuid.uuid4().hex}"


class Pace:
    """Pretend seconds: with speed 10, speech of 5 s takes half a second. Network time-outs are not scaled."""

    def __init__(self, speed: float, seed: int) -> None:
        self.speed = speed
        self.random = Random(seed)  # noqa: S311 - chance, not secrets

    def real(self, pretend_s: float) -> float:
        """Real seconds for pretend ones."""
        return pretend_s / self.speed

    async def rest(self, pretend_s: float) -> None:
        """Let pretend seconds pass."""
        await asyncio.sleep(self.real(pretend_s))  # noqa: TID251 - see the module


async def rest_real(seconds: float) -> None:
    """Let real seconds pass: for faults on the wire."""
    await asyncio.sleep(seconds)  # noqa: TID251 - see the module
