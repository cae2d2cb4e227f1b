"""Everything random in a simulation comes from its seed: ids and tokens of the desk, the carrier's ids, the people."""

import contextlib
from collections.abc import Iterator
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from channels.simulator import pace
from service_desk import ids
from tests.simulation.loop import EPOCH, VirtualLoop


def stream(seed: int, name: str) -> Random:
    """A generator of its own for each who draws, so that more of one changes nothing for the others."""
    return Random(f"{seed}/{name}")


@contextlib.contextmanager
def seeded(seed: int, loop: VirtualLoop) -> Iterator[None]:
    """The desk's and the carrier's sources of chance and time, replaced."""
    secrets = stream(seed, "secrets")
    provider = stream(seed, "provider")

    def token(count: int) -> str:
        return secrets.randbytes(count).hex()

    ours: Any = SimpleNamespace(
        randbits=secrets.getrandbits,
        randbelow=secrets.randrange,
        token_urlsafe=token,
        token_bytes=secrets.randbytes,
    )
    sids: Any = SimpleNamespace(uuid4=lambda: SimpleNamespace(hex=provider.randbytes(16).hex()))
    machine: Any = SimpleNamespace(time_ns=lambda: (EPOCH + loop.now_us) * 1_000)
    with (
        patch.object(ids, "secrets", ours),
        patch.object(ids.new_id, "__defaults__", (secrets.getrandbits,)),
        patch.object(pace, "uuid", sids),
        patch.object(pace, "time", machine),
    ):
        yield
