"""Lines: who waits and in which order, with the number of those ahead."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from math import inf
from typing import Any, Final, TypeAlias

Entry: TypeAlias = tuple[Any, ...]
"""An integer to order by (ordering key or idle_since, microseconds), then what breaks ties, an id at the latest.

What stands behind the id is never compared; it saves looking up whose entry it is.
"""

NOBODY: Final[Entry] = (inf,)  # the head of an empty line: behind every entry
BLOCK = 1024  # entries: inserting moves at most twice as many pointers


class Line:
    """Entries in ascending order, in blocks: adding, removing and ranking touch one block and the block list.

    There are no stale entries: what is in it is waiting (or idle). Its first entry, NOBODY if there is none, is
    kept in `heads[number]`: lines that are looked at together share one list of heads.
    """

    __slots__ = ("_blocks", "_heads", "_lasts", "_number", "size")

    def __init__(self, heads: list[Entry] | None = None, number: int = 0) -> None:
        self._heads: list[Entry] = [NOBODY] if heads is None else heads
        self._number = number
        self._blocks: list[list[Entry]] = [[]]
        self._lasts: list[Entry] = []  # a bound for each block but the last: its entries are at most this
        self.size = 0

    @property
    def head(self) -> Entry | None:
        """The first entry."""
        return self._heads[self._number] if self.size else None

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Entry]:
        for block in self._blocks:
            yield from block

    def add(self, entry: Entry) -> None:
        at = bisect_left(self._lasts, entry) if self._lasts else 0
        block = self._blocks[at]
        insort(block, entry)
        self.size += 1
        if not at and block[0] is entry:
            self._heads[self._number] = entry
        if len(block) > 2 * BLOCK:
            self._split(at)

    def remove(self, entry: Entry) -> int:
        """Take out an entry and say its rank; ValueError if it is not there, a fault of the caller."""
        at = ahead = spot = 0
        block = self._blocks[0]
        if entry is not self._heads[self._number]:
            if self._lasts:
                at = bisect_left(self._lasts, entry)
                block = self._blocks[at]
                ahead = sum(map(len, self._blocks[:at]))
            spot = bisect_left(block, entry)
            if spot == len(block) or block[spot] != entry:
                raise ValueError(f"{entry} is not in the line")
        del block[spot]
        self.size -= 1
        if not block and self._lasts:
            self._drop(at)
            block = self._blocks[0]
        if not at and not spot:
            self._heads[self._number] = block[0] if block else NOBODY
        return ahead + spot

    def rank(self, entry: Entry) -> int:
        """How many entries are smaller; `entry` itself need not be in the line."""
        at = bisect_left(self._lasts, entry)
        ahead = bisect_left(self._blocks[at], entry)
        return ahead + sum(map(len, self._blocks[:at]))

    def _split(self, at: int) -> None:
        block = self._blocks[at]
        self._blocks[at : at + 1] = [block[:BLOCK], block[BLOCK:]]
        self._lasts.insert(at, block[BLOCK - 1])

    def _drop(self, at: int) -> None:
        """Remove an empty block; a bound above it may stay higher than its entries, which does no harm."""
        del self._blocks[at]
        del self._lasts[min(at, len(self._lasts) - 1)]
