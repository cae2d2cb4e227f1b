"""Ids and secrets: the only module that draws random numbers.

An id is a prefix, an underscore and 26 characters: 48 bits of time in milliseconds and 80 random bits in
Crockford's base 32, lower case, so that ids of one kind sort by the time at which they were made.
"""

import hashlib
import secrets
from collections.abc import Callable

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def new_id(prefix: str, now: int, draw: Callable[[int], int] = secrets.randbits) -> str:
    """A new id; `now` is the instant in microseconds that it sorts by, `draw` gives that many random bits."""
    number = ((now // 1000) << 80) | draw(80)
    return f"{prefix}_" + "".join(_PAIRS[(number >> shift) & 1023] for shift in range(120, -10, -10))


def new_token() -> str:
    """A bearer secret of 256 random bits, URL-safe. Store only its `fingerprint`."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """SHA-256 in hex: what is stored of a bearer secret with enough randomness of its own."""
    return hashlib.sha256(secret.encode()).hexdigest()


def random_bytes(count: int) -> bytes:
    """Key material."""
    return secrets.token_bytes(count)


def jitter(spread: float) -> float:
    """A random number of seconds from 0 to `spread`, to keep clients and retries apart."""
    return secrets.randbelow(1_000_000) / 1_000_000 * spread
