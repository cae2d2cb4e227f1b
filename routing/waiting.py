"""Lines: who waits and in which order, with the number of those ahead."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from math import inf
from typing import Any, Final, TypeAlias

Entry: TypeAlias = tuple[Any, ...]
"""An integer to order by (ordering key or idle_since, microseconds), then what breaks ties, an id at the latest.

What stands behind the id is never compared; it saves looking up whose entry it is.
"""

NOBODY: Final[Entry] = (inf,)  # the head of an empty line: behind every entry
BLOCK = 1024  # entries: inserting moves at most twice as many pointers


class Block:
    """Entries in ascending order.

    `keys` repeats their first parts side by side: looking for a place reads a few lines of memory instead of as many
    objects as it compares.
    """

    __slots__ = ("entries", "keys")

    def __init__(self, entries: list[Entry], keys: "array[int]") -> None:
        self.entries = entries
        self.keys = keys

    def place(self, entry: Entry) -> int:
        """Where the entry is or belongs."""
        key, keys, entries = entry[0], self.keys, self.entries
        at = bisect_left(keys, key)
        if at == len(keys) or keys[at] != key or entries[at] is entry:
            return at
        return bisect_left(entries, entry, at, bisect_right(keys, key, at))


class Line:
    """Entries in ascending order, in blocks: adding, removing and ranking touch one block and the block list.

    There are no stale entries: what is in it is waiting (or idle). Its first entry, NOBODY if there is none, is
    kept in `heads[number]`: lines that are looked at together share one list of heads.
    """

    __slots__ = ("_blocks", "_heads", "_lasts", "_number", "size")

    def __init__(self, heads: list[Entry] | None = None, number: int = 0) -> None:
        self._heads: list[Entry] = [NOBODY] if heads is None else heads
        self._number = number
        self._blocks = [Block([], array("q"))]
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
            yield from block.entries

    def add(self, entry: Entry) -> None:
        """OverflowError if its number has more than 64 bits."""
        at = bisect_left(self._lasts, entry) if self._lasts else 0
        block = self._blocks[at]
        entries = block.entries
        if not entries or entry > entries[-1]:  # most come last
            block.keys.append(entry[0])
            entries.append(entry)
        else:
            spot = block.place(entry)
            block.keys.insert(spot, entry[0])
            entries.insert(spot, entry)
        self.size += 1
        if not at and entries[0] is entry:
            self._heads[self._number] = entry
        if len(entries) > 2 * BLOCK:
            self._split(at)

    def remove(self, entry: Entry) -> int:
        """Take out an entry and say its rank; ValueError if it is not there, a fault of the caller."""
        block = self._blocks[0]
        entries = block.entries
        if len(entries) > 1 and entry is self._heads[self._number]:  # most go first
            del entries[0], block.keys[0]
            self._heads[self._number] = entries[0]
            self.size -= 1
            return 0
        return self._remove_within(entry)

    def _remove_within(self, entry: Entry) -> int:
        at = ahead = 0
        if self._lasts:
            at = bisect_left(self._lasts, entry)
            ahead = self._before(at)
        block = self._blocks[at]
        entries, keys = block.entries, block.keys
        spot = bisect_left(keys, entry[0])
        if spot == len(keys) or entries[spot] is not entry:  # others have its number, or it is another object
            spot = bisect_left(entries, entry, spot)
            if spot == len(keys) or entries[spot] != entry:
                raise ValueError(f"{entry} is not in the line")
        del entries[spot], keys[spot]
        self.size -= 1
        if not spot:
            if not entries and self._lasts:
                self._drop(at)
            if not at:
                first = self._blocks[0].entries
                self._heads[self._number] = first[0] if first else NOBODY
        return ahead + spot

    def rank(self, entry: Entry) -> int:
        """How many entries are smaller; `entry` itself need not be in the line."""
        at = bisect_left(self._lasts, entry)
        return self._before(at) + self._blocks[at].place(entry)

    def _before(self, at: int) -> int:
        return sum(len(block.entries) for block in self._blocks[:at])

    def _split(self, at: int) -> None:
        block = self._blocks[at]
        behind = Block(block.entries[BLOCK:], block.keys[BLOCK:])
        del block.entries[BLOCK:], block.keys[BLOCK:]
        self._blocks.insert(at + 1, behind)
        self._lasts.insert(at, block.entries[-1])

    def _drop(self, at: int) -> None:
        """Remove an empty block; a bound above it may stay higher than its entries, which does no harm."""
        del self._blocks[at]
        del self._lasts[min(at, len(self._lasts) - 1)]
