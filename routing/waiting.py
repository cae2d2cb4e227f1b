"""Lines: who waits and in which order, with the number of those ahead."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TypeAlias

from routing.model import Micros

Entry: TypeAlias = tuple[int, str]
"""A number to order by (ordering key, arrival or idle_since, microseconds) and an id, which breaks ties."""

BLOCK = 512  # entries: inserting moves at most twice as many pointers


class Line:
    """Entries in ascending order, in blocks: adding, removing and ranking touch one block and the block list.

    There are no stale entries: what is in it is waiting (or idle). `head` is the first entry, None if there
    is none; a plain attribute, because matching looks at many heads and little else.
    """

    __slots__ = ("_blocks", "_lasts", "_size", "head")

    def __init__(self) -> None:
        self.head: Entry | None = None
        self._blocks: list[list[Entry]] = [[]]
        self._lasts: list[Entry] = []  # a bound for each block but the last: its entries are at most this
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Entry]:
        for block in self._blocks:
            yield from block

    def add(self, entry: Entry) -> None:
        lasts = self._lasts
        at = bisect_left(lasts, entry) if lasts else 0
        block = self._blocks[at]
        if not block or entry > block[-1]:  # most come last
            block.append(entry)
        else:
            insort(block, entry)
        self._size += 1
        if block[0] is entry and not at:
            self.head = entry
        if len(block) > 2 * BLOCK:
            self._split(at)

    def remove(self, entry: Entry) -> int:
        """Take out an entry and say its rank; ValueError if it is not there, a fault of the caller."""
        if entry == self.head:
            self.pop()
            return 0
        lasts = self._lasts
        at = bisect_left(lasts, entry) if lasts else 0
        block = self._blocks[at]
        spot = bisect_left(block, entry)
        if spot == len(block) or block[spot] != entry:
            raise ValueError(f"{entry} is not in the line")
        del block[spot]
        self._size -= 1
        if not block:
            self._drop(at)
        return spot + sum(map(len, self._blocks[:at])) if at else spot

    def pop(self) -> None:
        """Take out the head; IndexError if there is none."""
        block = self._blocks[0]
        del block[0]
        self._size -= 1
        if not block and self._lasts:
            self._drop(0)
            block = self._blocks[0]
        self.head = block[0] if block else None

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


